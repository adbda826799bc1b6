"""Closing, from wherever: one on_close and nothing after it; and a closed connection's handle does nothing any more."""

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

import floodway
from tests.helpers.journal import Echo, Journal
from tests.helpers.models import MODELS as ALL_MODELS
from tests.helpers.models import MakeEngine
from tests.helpers.peers import dial, dial_many, read_exactly, read_to_end
from tests.helpers.waiting import wait_until

KIB = 1 << 10
MIB = 1 << 20

# One reactor, worker threads, and connections that were handed over: what closing can meet.
MODELS = {name: ALL_MODELS[name] for name in ("single", "single+threads", "main-sub")}

pytestmark = pytest.mark.usefixtures("no_descriptor_left")


class Diary(Journal):
    """Keeps every callback of its one connection by name, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.callbacks: list[str] = []

    def on_open(self, conn: floodway.Connection) -> None:
        self.callbacks.append("open")
        super().on_open(conn)

    def on_data(self, conn: floodway.Connection, data: Any) -> None:
        self.callbacks.append("data")

    def on_writable(self, conn: floodway.Connection) -> None:
        self.callbacks.append("writable")

    def on_close(self, conn: floodway.Connection, error: BaseException | None) -> None:
        self.callbacks.append("close")
        super().on_close(conn, error)


WAYS = {
    "close": ["close"],
    "close-with-reason": ["close enough"],
    "abort": ["abort"],
    "close-twice": ["close", "close"],
    "close-then-abort": ["close", "abort"],
    "abort-then-close": ["abort", "close"],
}


def end(conn: floodway.Connection, way: str) -> None:
    for step in WAYS[way]:
        if step == "abort":
            conn.abort()
        else:
            conn.close("enough" if step == "close enough" else None)


def is_expected(way: str, error: BaseException | None) -> bool:
    """Whether on_close got what belongs to this way of closing."""
    if way in ("close", "close-twice"):
        return error is None
    if way == "close-with-reason":
        return isinstance(error, floodway.ConnectionClosed) and error.reason == "enough"
    if way == "close-then-abort" and error is None:
        return True  # from another thread: the reactor was through with close before it heard of abort
    return isinstance(error, ConnectionAbortedError)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("model", MODELS)
def test_a_connection_closed_in_on_open_gets_no_input(way: str, model: str, engine_with: MakeEngine) -> None:
    class Closer(Diary):
        def on_open(self, conn: floodway.Connection) -> None:
            super().on_open(conn)
            end(conn, way)

    handler = Closer()
    with engine_with(handler, **MODELS[model]) as engine:
        with contextlib.suppress(ConnectionResetError), dial(engine) as peer:
            send_what_it_takes(peer)
        (error,) = handler.wait_closed()
        assert is_expected(way, error)
    assert handler.callbacks == ["open", "close"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("model", MODELS)
def test_a_connection_closed_in_on_data_gets_no_more_of_the_batch(
    way: str, model: str, engine_with: MakeEngine
) -> None:
    class Closer(Diary):
        framing = floodway.Lines()

        def on_data(self, conn: floodway.Connection, data: Any) -> None:
            super().on_data(conn, data)
            if data == b"2":
                end(conn, way)

    handler = Closer()
    with engine_with(handler, **MODELS[model]) as engine:
        with dial(engine) as peer:
            peer.sendall(b"1\n2\n3\n4\n5\n")
            finish(peer)
            (error,) = handler.wait_closed()
        assert is_expected(way, error)
    assert handler.callbacks == ["open", "data", "data", "close"]


@pytest.mark.cross_thread
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("model", MODELS)
def test_a_connection_closed_by_another_thread_ends_once(way: str, model: str, engine_with: MakeEngine) -> None:
    """While it is being read: its peer sends for as long as it can."""
    handler = Diary()
    with engine_with(handler, **MODELS[model]) as engine, dial(engine) as peer:
        sender = threading.Thread(target=send_what_it_takes, args=(peer, None))
        sender.start()
        (conn,) = handler.wait_opened()
        wait_until(lambda: "data" in handler.callbacks)
        end(conn, way)
        (error,) = handler.wait_closed()
        assert is_expected(way, error)
        sender.join()
    assert handler.callbacks[-1] == "close"
    assert handler.callbacks.count("close") == 1


@pytest.mark.cross_thread
@pytest.mark.parametrize("model", MODELS)
def test_eight_threads_that_close_at_once_end_a_connection_once(model: str, engine_with: MakeEngine) -> None:
    handler = Diary()
    with engine_with(handler, **MODELS[model]) as engine, dial(engine) as peer:
        (conn,) = handler.wait_opened()
        barrier = threading.Barrier(8)

        def close() -> None:
            barrier.wait()
            conn.close()

        threads = [threading.Thread(target=close) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert read_to_end(peer) == b""
        peer.close()
        assert handler.wait_closed() == [None]
    assert handler.callbacks == ["open", "close"]


@pytest.mark.cross_thread
@pytest.mark.parametrize("way", WAYS)
def test_a_worker_thread_closes_while_the_reactor_reads(way: str, engine_with: MakeEngine) -> None:
    """The callback does not return before the peer has sent more than the reactor takes in while it runs."""
    may_close = threading.Event()

    class Slow(Diary):
        def on_data(self, conn: floodway.Connection, data: Any) -> None:
            super().on_data(conn, data)
            assert may_close.wait(20)
            end(conn, way)

    handler = Slow()
    with engine_with(handler, sub_reactors=0, threads=2) as engine, dial(engine) as peer:
        peer.sendall(b"first")
        wait_until(lambda: "data" in handler.callbacks)
        peer.sendall(bytes(64 * KIB))
        wait_until(lambda: handler.opened[0].bytes_in > 5)
        may_close.set()
        finish(peer)
        (error,) = handler.wait_closed()
        assert is_expected(way, error)
    assert handler.callbacks == ["open", "data", "close"]


@pytest.mark.parametrize("model", MODELS)
def test_close_with_pending_output_sends_it_all(model: str, engine_with: MakeEngine) -> None:
    output = bytes(range(256)) * (16 * KIB)

    class Farewell(Diary):
        def on_open(self, conn: floodway.Connection) -> None:
            super().on_open(conn)
            conn.write(output)
            conn.close()

    handler = Farewell()
    with engine_with(handler, **MODELS[model]) as engine, dial(engine) as peer:
        (conn,) = handler.wait_opened()
        wait_until(lambda: conn.state == "closing")
        assert conn.pending_output > 0
        assert not handler.closed
        assert read_to_end(peer) == output
        peer.close()
        assert handler.wait_closed() == [None]
    assert handler.callbacks == ["open", "close"]


@pytest.mark.parametrize("model", MODELS)
def test_abort_with_pending_output_drops_it(model: str, engine_with: MakeEngine) -> None:
    output = bytes(4 * MIB)

    class Farewell(Diary):
        def on_open(self, conn: floodway.Connection) -> None:
            super().on_open(conn)
            conn.write(output)

    handler = Farewell()
    with engine_with(handler, **MODELS[model]) as engine, dial(engine):
        (conn,) = handler.wait_opened()
        wait_until(lambda: 0 < conn.bytes_out < len(output))
        conn.abort()
        (error,) = handler.wait_closed()
        assert isinstance(error, ConnectionAbortedError)
        assert conn.pending_output == 0
        assert conn.bytes_out < len(output)
        wait_until(lambda: engine.stats().total.output_queued == 0)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("model", MODELS)
def test_closing_while_the_engine_stops_ends_each_connection_once(
    way: str, model: str, engine_with: MakeEngine
) -> None:
    count = 20

    class Closer(Diary):
        def on_close(self, conn: floodway.Connection, error: BaseException | None) -> None:
            super().on_close(conn, error)
            for other in self.opened:
                end(other, way)

    handler = Closer()
    engine = engine_with(handler, **MODELS[model])
    engine.start()
    with dial_many(engine, count) as peers:
        for peer in peers:
            peer.sendall(b"hello")
        wait_until(lambda: handler.callbacks.count("data") == count)
        engine.stop()
        for conn in handler.opened:
            end(conn, way)
        for peer in peers:
            peer.close()
        engine.join()
    assert handler.callbacks.count("close") == count
    assert len({conn for conn, _ in handler.closed}) == count


def test_close_by_the_handler_of_another_connection_of_the_batch(engine_with: MakeEngine) -> None:
    """Two connections have input in one batch; whichever is first closes the other, which then gets none."""

    class Rivals(Diary):
        def on_data(self, conn: floodway.Connection, data: Any) -> None:
            super().on_data(conn, data)
            for other in self.opened:
                if other is not conn:
                    other.abort()

    handler = Rivals()
    with engine_with(handler, sub_reactors=0) as engine, dial_many(engine, 2) as peers:
        first = handler.wait_opened(2)[0]
        blocked, go_on = threading.Event(), threading.Event()

        def block() -> None:
            blocked.set()
            assert go_on.wait(20)

        first.reactor.call_soon(block)
        assert blocked.wait(20)
        for peer in peers:
            peer.sendall(b"hello")
        go_on.set()
        handler.wait_closed(1)
        assert handler.callbacks.count("data") == 1


# What every method does once the connection is closed.
REFUSED: dict[str, Callable[[floodway.Connection], object]] = {
    "write": lambda conn: conn.write(b"x"),
    "write-large": lambda conn: conn.write(bytes(64 * KIB)),
    "write-nothing": lambda conn: conn.write(b""),
    "write-bytearray": lambda conn: conn.write(bytearray(b"x")),
    "write-link-buffer": lambda conn: conn.write(floodway.LinkBuffer(b"x")),
    "writelines": lambda conn: conn.writelines([b"x", b"y"]),
    "write-frame": lambda conn: conn.write_frame(b"x"),
}
IGNORED: dict[str, Callable[[floodway.Connection], object]] = {
    "close": lambda conn: conn.close(),
    "close-with-reason": lambda conn: conn.close("late"),
    "abort": lambda conn: conn.abort(),
    "write-eof": lambda conn: conn.write_eof(),
    "pause-reading": lambda conn: conn.pause_reading(),
    "resume-reading": lambda conn: conn.resume_reading(),
    "set-framing": lambda conn: conn.set_framing(floodway.Lines()),
    "set-idle-timeout": lambda conn: conn.set_idle_timeout(1),
}
THREADS: dict[str, Callable[[floodway.Connection, Callable[[], None]], None]] = {
    "any-thread": lambda _conn, call: call(),
    "reactor": lambda conn, call: on_reactor(conn, call),
}


def closed_connection(engine: floodway.Engine, handler: Journal) -> floodway.Connection:
    """The handle of a connection that has echoed `hello` and is closed."""
    with dial(engine) as peer:
        peer.sendall(b"hello")
        assert read_exactly(peer, 5) == b"hello"
    handler.wait_closed()
    return handler.closed[0][0]


def on_reactor(conn: floodway.Connection, call: Callable[[], None]) -> None:
    """Makes a call on the connection's reactor, and raises here what it raises there."""
    done = threading.Event()
    raised: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:
            raised.append(error)
        done.set()

    conn.reactor.call_soon(run)
    assert done.wait(20)
    if raised:
        raise raised[0]


@pytest.mark.parametrize("thread", THREADS)
@pytest.mark.parametrize("method", REFUSED)
def test_writing_after_close_raises(method: str, thread: str, address: str) -> None:
    handler = Echo()
    with floodway.Engine(handler, address) as engine:
        conn = closed_connection(engine, handler)
        with pytest.raises(floodway.ConnectionClosed):
            THREADS[thread](conn, lambda: void(REFUSED[method](conn)))


def test_what_could_not_be_written_stays_in_its_link_buffer() -> None:
    handler = Echo()
    with floodway.Engine(handler, "tcp://127.0.0.1:0") as engine:
        conn = closed_connection(engine, handler)
        buffer = floodway.LinkBuffer(b"kept")
        with pytest.raises(floodway.ConnectionClosed):
            conn.write(buffer)
        assert buffer.read() == b"kept"


@pytest.mark.parametrize("thread", THREADS)
@pytest.mark.parametrize("method", IGNORED)
def test_other_methods_after_close_do_nothing(method: str, thread: str, address: str) -> None:
    """Not even to the connection that has the slot and the descriptor now."""
    handler = Echo()
    with floodway.Engine(handler, address) as engine:
        conn = closed_connection(engine, handler)
        with dial(engine) as successor:
            handler.wait_opened(2)
            THREADS[thread](conn, lambda: void(IGNORED[method](conn)))
            successor.sendall(b"no line")
            assert read_exactly(successor, 7) == b"no line"
            assert len(handler.closed) == 1


def test_take_socket_after_close_raises() -> None:
    handler = Echo()
    with floodway.Engine(handler, "tcp://127.0.0.1:0") as engine:
        conn = closed_connection(engine, handler)
        with pytest.raises(RuntimeError, match="closed"):
            on_reactor(conn, lambda: void(conn.take_socket()))


@pytest.mark.parametrize("thread", THREADS)
def test_the_facts_of_a_closed_connection_stay(thread: str) -> None:
    handler = Echo()
    with floodway.Engine(handler, "tcp://127.0.0.1:0") as engine:
        with dial(engine) as peer:
            peer.sendall(b"hello")
            assert read_exactly(peer, 5) == b"hello"
            (conn,) = handler.opened
            number, opened_at = conn.id, conn.opened_at
            addresses = peer.getsockname(), peer.getpeername()
        handler.wait_closed()

        def check() -> None:
            assert (conn.peer, conn.local) == addresses
            assert (conn.bytes_in, conn.bytes_out, conn.pending_output) == (5, 5, 0)
            assert (conn.id, conn.opened_at) == (number, opened_at)
            assert (conn.state, conn.is_closed) == ("closed", True)
            assert "closed" in repr(conn)

        THREADS[thread](conn, check)


def test_no_two_connections_of_a_process_share_an_id() -> None:
    """Of two engines with two reactors each, one after the other on the same slot, and afterwards."""
    handlers = Echo(), Echo()
    options: dict[str, Any] = {"sub_reactors": 2, "balancer": floodway.RoundRobin()}
    with (
        floodway.Engine(handlers[0], "tcp://127.0.0.1:0", **options) as one,
        floodway.Engine(handlers[1], "tcp://127.0.0.1:0", **options) as other,
    ):
        for engine in (one, other) * 3:
            with dial(engine) as first, dial(engine) as second:
                for peer in (first, second):
                    peer.sendall(b"hello")
                    assert read_exactly(peer, 5) == b"hello"
            wait_until(lambda: not one.connections() and not other.connections(), "both are closed")
    ids = [conn.id for handler in handlers for conn in handler.opened]
    assert len(ids) == len(set(ids)) == 12
    assert all(type(number) is int for number in ids)


def test_user_data_lives_until_on_close_has_returned() -> None:
    seen: list[object] = []

    class Keeper(Echo):
        def on_open(self, conn: floodway.Connection) -> None:
            conn.user_data = "mine"
            super().on_open(conn)

        def on_close(self, conn: floodway.Connection, error: BaseException | None) -> None:
            seen.append(conn.user_data)
            super().on_close(conn, error)

    handler = Keeper()
    with floodway.Engine(handler, "tcp://127.0.0.1:0") as engine:
        conn = closed_connection(engine, handler)
        wait_until(lambda: conn.user_data is None)
    assert seen == ["mine"]


def test_write_many_passes_over_closed_connections() -> None:
    handler = Echo()
    with floodway.Engine(handler, "tcp://127.0.0.1:0") as engine:
        gone = closed_connection(engine, handler)
        with dial(engine) as peer:
            alive = handler.wait_opened(2)[1]
            assert floodway.write_many([gone, alive], b"news") == 1
            assert read_exactly(peer, 4) == b"news"


def void(_: object) -> None:
    """For what is called for its effect."""


def finish(peer: socket.socket) -> None:
    """Half-close, unless the other side has ended the connection already."""
    with contextlib.suppress(OSError):
        peer.shutdown(socket.SHUT_WR)


def send_what_it_takes(peer: socket.socket, count: int | None = 10) -> None:
    """Send pieces until the other side has had enough, or so many."""
    with contextlib.suppress(OSError):
        while count is None or count > 0:
            peer.sendall(bytes(4 * KIB))
            count = None if count is None else count - 1
