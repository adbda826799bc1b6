"""What a connection is told to write arrives, whole and in order, however large it is and however slowly it is read."""

import random
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import floodway
from tests.helpers.journal import Journal
from tests.helpers.models import MODELS, MakeEngine
from tests.helpers.peers import dial, read_exactly, read_to_end
from tests.helpers.waiting import wait_until

KIB = 1 << 10
MIB = 1 << 20
PAYLOAD = random.Random(1).randbytes(16 * MIB)

pytestmark = pytest.mark.usefixtures("no_descriptor_left")


def link_buffer(data: bytes) -> floodway.LinkBuffer:
    return floodway.LinkBuffer(data)


def view(data: bytes) -> floodway.View:
    return floodway.LinkBuffer(data).next(len(data))


LARGE: dict[str, Callable[[floodway.Connection], object]] = {
    "one-write": lambda conn: conn.write(PAYLOAD),
    "writelines": lambda conn: conn.writelines(
        [PAYLOAD[start : start + 256 * KIB] for start in range(0, len(PAYLOAD), 256 * KIB)]
    ),
    "link-buffer": lambda conn: conn.write(link_buffer(PAYLOAD)),
    "view": lambda conn: conn.write(view(PAYLOAD)),
    "bytearray": lambda conn: conn.write(bytearray(PAYLOAD)),
    "5000-pieces": lambda conn: conn.writelines(
        [PAYLOAD[start : start + 3_356] for start in range(0, len(PAYLOAD), 3_356)]
    ),
    "2000-large-pieces": lambda conn: conn.writelines(
        [PAYLOAD[start : start + 17 * KIB] for start in range(0, len(PAYLOAD), 17 * KIB)] + [b""] * 1_100
    ),
    "mixed": lambda conn: conn.writelines(
        [PAYLOAD[: 15 * MIB], link_buffer(PAYLOAD[15 * MIB : -5]), memoryview(PAYLOAD)[-5:-2], PAYLOAD[-2:]]
    ),
}


class Waiter(Journal):
    """Echoes nothing; tells when it was writable again."""

    def __init__(self) -> None:
        super().__init__()
        self.writable = 0

    def on_writable(self, conn: floodway.Connection) -> None:
        self.writable += 1


@contextmanager
def one_connection(
    engine_with: MakeEngine, handler: Journal, **options: Any
) -> Iterator[tuple[floodway.Connection, socket.socket]]:
    """An engine with one connection, and its peer, whose receive buffer is small."""
    with engine_with(handler, **options) as engine, dial(engine, receive_buffer=32 * KIB) as peer:
        yield handler.wait_opened()[0], peer


@pytest.mark.parametrize("thread", ["reactor", "another-thread"])
@pytest.mark.parametrize("way", LARGE)
def test_16_mib_arrive_at_a_slow_reader(way: str, thread: str, engine_with: MakeEngine) -> None:
    handler = Waiter()
    with one_connection(engine_with, handler) as (conn, peer):
        if thread == "reactor":
            conn.reactor.call_soon(LARGE[way], conn)
        else:
            LARGE[way](conn)
        wait_until(lambda: conn.bytes_out > 0)
        assert conn.pending_output > 0  # it is slow: the kernel did not take it all
        assert read_exactly(peer, len(PAYLOAD)) == PAYLOAD
        wait_until(lambda: handler.writable)
        assert (handler.writable, conn.pending_output, conn.bytes_out) == (1, 0, len(PAYLOAD))


@pytest.mark.parametrize("model", MODELS)
def test_16_mib_arrive_in_every_model(model: str, address: str, driver: Any) -> None:
    class Server(Journal):
        def on_data(self, conn: floodway.Connection, data: bytes) -> None:
            conn.write(PAYLOAD)
            conn.close()

    with floodway.Engine(Server(), address, driver=driver, **MODELS[model]) as engine, dial(engine) as peer:
        peer.sendall(b"go")
        assert read_to_end(peer) == PAYLOAD


@pytest.mark.parametrize("size", [1, 4 * KIB, 16 * KIB, 2 * MIB])
@pytest.mark.parametrize("kind", ["bytearray", "memoryview", "writelines", "write-frame", "write-many"])
@pytest.mark.parametrize("thread", ["reactor", "another-thread"])
def test_a_buffer_changed_after_write_does_not_change_the_output(size: int, kind: str, thread: str) -> None:
    handler = Waiter()
    original = random.Random(size).randbytes(size)
    framing = floodway.LengthPrefixed(max_bytes=2 * MIB)
    with (
        floodway.Engine(handler, "tcp://127.0.0.1:0", framing=framing, max_input=4 * MIB) as engine,
        dial(engine, receive_buffer=32 * KIB) as peer,
    ):
        (conn,) = handler.wait_opened()

        def write() -> None:
            mine = bytearray(original)
            if kind == "bytearray":
                conn.write(mine)
            elif kind == "memoryview":
                conn.write(memoryview(mine))
            elif kind == "writelines":
                conn.writelines([mine])
            elif kind == "write-frame":
                conn.write_frame(mine)
            else:
                floodway.write_many([conn], mine)
            mine[:] = bytes(size)

        conn.reactor.call_soon(write) if thread == "reactor" else write()
        header = size.to_bytes(4, "big") if kind == "write-frame" else b""
        assert read_exactly(peer, len(header) + size) == header + original


def test_a_bytearray_can_be_resized_after_write() -> None:
    """Writing keeps no export of it."""
    handler = Waiter()
    with floodway.Engine(handler, "tcp://127.0.0.1:0") as engine, dial(engine) as peer:
        (conn,) = handler.wait_opened()
        mine = bytearray(64 * KIB)
        conn.write(mine)
        mine.extend(b"more")
        assert read_exactly(peer, 64 * KIB) == bytes(64 * KIB)


def test_a_written_link_buffer_is_left_empty_and_usable() -> None:
    handler = Waiter()
    with floodway.Engine(handler, "tcp://127.0.0.1:0") as engine, dial(engine) as peer:
        (conn,) = handler.wait_opened()
        for size in (10, 64 * KIB):
            buffer = link_buffer(bytes(size))
            conn.write(buffer)
            assert len(buffer) == 0
            buffer.write(b"again")
            conn.write(buffer)
            assert read_exactly(peer, size + 5) == bytes(size) + b"again"


def test_write_returns_false_above_the_high_water_mark_and_on_writable_follows(engine_with: MakeEngine) -> None:
    handler = Waiter()
    with one_connection(engine_with, handler, high_water=100_000, low_water=10_000) as (conn, peer):
        written = 0
        while conn.write(bytes(10_000)):
            written += 10_000
        written += 10_000
        assert conn.pending_output > 100_000
        assert handler.writable == 0
        read_exactly(peer, written)
        wait_until(lambda: handler.writable == 1)


@pytest.mark.parametrize("thread", ["reactor", "another-thread"])
def test_the_write_after_max_output_closes_with_slow_consumer(thread: str, engine_with: MakeEngine) -> None:
    handler = Waiter()
    with one_connection(engine_with, handler) as (conn, peer):
        results: list[bool] = []

        def write() -> None:
            results.extend(conn.write(data) for data in (PAYLOAD, b"one more"))

        conn.reactor.call_soon(write) if thread == "reactor" else write()
        (error,) = handler.wait_closed()
        assert isinstance(error, floodway.SlowConsumer)
        assert results == [False, False]
        assert peer.fileno() >= 0


@pytest.mark.cross_thread
@pytest.mark.parametrize("size", [100, 20_000])
@pytest.mark.parametrize("model", MODELS)
def test_writes_of_eight_threads_beside_the_handler_stay_whole(size: int, model: str, engine_with: MakeEngine) -> None:
    """Each message names its writer and its number: whole, and each writer's in its own order."""
    threads, each, answers = 8, 50, 50

    def message(writer: int, number: int) -> bytes:
        return b"%02d %06d " % (writer, number) + bytes([65 + writer]) * (size - 10)

    class Answering(Journal):
        framing = floodway.Fixed(1)

        def on_open(self, conn: floodway.Connection) -> None:
            conn.user_data = 0
            super().on_open(conn)

        def on_data(self, conn: floodway.Connection, data: bytes) -> None:
            conn.write(message(threads, conn.user_data))
            conn.user_data += 1

    handler = Answering()
    with engine_with(handler, **MODELS[model], max_output=64 * MIB) as engine, dial(engine) as peer:
        (conn,) = handler.wait_opened()

        def write(writer: int) -> None:
            for number in range(each):
                if number % 2:
                    conn.write(message(writer, number))
                else:
                    whole = message(writer, number)
                    conn.writelines([whole[:7], whole[7:]])

        writers = [threading.Thread(target=write, args=(writer,)) for writer in range(threads)]
        for thread in writers:
            thread.start()
        peer.sendall(bytes(answers))
        received = read_exactly(peer, size * (threads * each + answers))
        for thread in writers:
            thread.join()
    messages = [received[start : start + size] for start in range(0, len(received), size)]
    for writer in range(threads + 1):
        count = answers if writer == threads else each
        mine = [m for m in messages if m.startswith(b"%02d " % writer)]
        assert mine == [message(writer, number) for number in range(count)]


@pytest.mark.cross_thread
@pytest.mark.parametrize("model", ["single", "main-sub", "single+threads"])
def test_a_joined_thread_s_write_comes_before_a_later_one_of_the_handler(model: str, engine_with: MakeEngine) -> None:
    """Order follows happens-before, although the one goes through the inbox and the other does not."""
    rounds = 100

    class Delegating(Journal):
        framing = floodway.Fixed(1)

        def on_data(self, conn: floodway.Connection, data: bytes) -> None:
            conn.write(b"1")
            helper = threading.Thread(target=conn.write, args=(b"2" * 20_000,))
            helper.start()
            helper.join()
            conn.write(b"3")

    with engine_with(Delegating(), **MODELS[model]) as engine, dial(engine) as peer:
        for _ in range(rounds):
            peer.sendall(b"?")
            assert read_exactly(peer, 20_002) == b"1" + b"2" * 20_000 + b"3"


@pytest.mark.cross_thread
def test_a_joined_thread_s_write_comes_before_a_later_close_of_the_handler(engine_with: MakeEngine) -> None:
    class Delegating(Journal):
        def on_open(self, conn: floodway.Connection) -> None:
            helper = threading.Thread(target=conn.write, args=(b"last words",))
            helper.start()
            helper.join()
            conn.close()

    with engine_with(Delegating()) as engine:
        for _ in range(50):
            with dial(engine) as peer:
                assert read_to_end(peer) == b"last words"


@pytest.mark.cross_thread
def test_two_threads_that_take_turns_write_in_turn(engine_with: MakeEngine) -> None:
    handler = Waiter()
    turns = 400
    with engine_with(handler) as engine, dial(engine) as peer:
        (conn,) = handler.wait_opened()
        gates = [threading.Semaphore(1), threading.Semaphore(0)]

        def write(me: int) -> None:
            for turn in range(me, turns, 2):
                gates[me].acquire()
                conn.write(b"%04d" % turn)
                gates[1 - me].release()

        writers = [threading.Thread(target=write, args=(me,)) for me in (0, 1)]
        for writer in writers:
            writer.start()
        assert read_exactly(peer, 4 * turns) == b"".join(b"%04d" % turn for turn in range(turns))
        for writer in writers:
            writer.join()


def test_writing_nothing_does_no_harm_to_what_anybody_writes_later(engine_with: MakeEngine) -> None:
    """Not even after another connection has written in the same batch: the two share memory until they are flushed."""

    class Pair(floodway.Handler):
        def __init__(self) -> None:
            self.first: floodway.Connection | None = None

        def on_open(self, conn: floodway.Connection) -> None:
            self.first = self.first or conn

        def on_data(self, conn: floodway.Connection, data: bytes) -> None:
            if data == b"nothing":
                assert self.first is not None
                self.first.write(b"100 bytes".ljust(100))
                conn.write(b"")
            else:
                conn.write(data)

    with (
        engine_with(Pair(), main_reactors=1, sub_reactors=0) as engine,
        dial(engine) as first,
        dial(engine) as second,
    ):
        for _ in range(3):
            second.sendall(b"nothing")
            assert read_exactly(first, 100) == b"100 bytes".ljust(100)
            second.sendall(b"something")
            assert read_exactly(second, 9) == b"something"
