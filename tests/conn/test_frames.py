"""Framings over real connections: wherever input is cut, however much comes at once, whoever changes the framing."""

import contextlib
import itertools
import random
import socket
import threading
from functools import partial
from typing import Any

import pytest

import floodway
from tests.helpers.journal import Journal
from tests.helpers.models import MODELS, MakeEngine
from tests.helpers.peers import converse, dial, read_exactly, read_to_end
from tests.helpers.waiting import wait_until

KIB = 1 << 10

pytestmark = pytest.mark.usefixtures("no_descriptor_left")

# Each framing with a stream and the frames in it.
STREAMS: dict[str, tuple[Any, bytes, list[bytes]]] = {
    "lines": (floodway.Lines(), b"one\ntwo\r\n\n\r\nfi\rve\n", [b"one", b"two", b"", b"", b"fi\rve"]),
    "delimited": (floodway.Delimited(b"||"), b"one||t|wo||||", [b"one", b"t|wo", b""]),
    "fixed": (floodway.Fixed(3), b"onetwosix", [b"one", b"two", b"six"]),
    "prefixed": (floodway.LengthPrefixed(), b"\0\0\0\3one\0\0\0\0\0\0\0\5three", [b"one", b"", b"three"]),
    "prefixed-1": (floodway.LengthPrefixed(size=1), b"\3one\0\5three", [b"one", b"", b"three"]),
    "prefixed-little-inclusive": (
        floodway.LengthPrefixed(size=2, byteorder="little", includes_header=True),
        b"\5\0one\2\0\7\0three",
        [b"one", b"", b"three"],
    ),
    "prefixed-8": (floodway.LengthPrefixed(size=8), bytes(7) + b"\3one" + bytes(7) + b"\1x", [b"one", b"x"]),
}
# Those that join whatever comes.
FLOWS: dict[str, tuple[Any, bytes, list[bytes]]] = {
    "raw": (floodway.Raw(), b"anything", [b"anything"]),
    "buffered": (floodway.Buffered(), b"anything", [b"anything"]),
}


class Frames(Journal):
    """Keeps the frames of each connection in its user_data."""

    def on_open(self, conn: floodway.Connection) -> None:
        conn.user_data = []
        super().on_open(conn)

    def on_data(self, conn: floodway.Connection, data: Any) -> None:
        conn.user_data.append(data.read() if isinstance(data, floodway.LinkBuffer) else data)


def has_received(conn: floodway.Connection, count: int) -> bool:
    return conn.bytes_in >= count


def has_frames(conn: floodway.Connection, count: int) -> bool:
    return len(conn.user_data or ()) >= count


@pytest.mark.parametrize("name", STREAMS)
def test_frames_are_the_same_wherever_the_stream_is_cut(name: str, engine_with: MakeEngine) -> None:
    """One connection for each position of the cut; the second part is sent once the first has been received."""
    framing, stream, frames = STREAMS[name]
    handler = Frames()
    cuts = range(1, len(stream))
    with engine_with(handler, framing=framing) as engine, contextlib.ExitStack() as peers:
        for cut in cuts:
            peer = peers.enter_context(dial(engine))
            conn = handler.wait_opened(cut)[-1]  # one after the other: reactors open theirs in any order
            peer.sendall(stream[:cut])
            wait_until(partial(has_received, conn, cut))
            peer.sendall(stream[cut:])
        for conn in handler.opened:
            wait_until(partial(has_frames, conn, len(frames)))
        assert [conn.user_data for conn in handler.opened] == [frames] * len(cuts)


@pytest.mark.parametrize("name", [*STREAMS, *FLOWS])
def test_frames_are_the_same_byte_by_byte(name: str, engine_with: MakeEngine) -> None:
    framing, stream, frames = (STREAMS | FLOWS)[name]
    handler = Frames()
    with engine_with(handler, framing=framing) as engine, dial(engine) as peer:
        (conn,) = handler.wait_opened()
        for sent in range(len(stream)):
            peer.sendall(stream[sent : sent + 1])
            wait_until(partial(has_received, conn, sent + 1))
        wait_until(partial(has_frames, conn, len(frames) if name in STREAMS else len(stream)))
        joined = [b"".join(conn.user_data)] if name in FLOWS else conn.user_data
        assert joined == frames


def test_half_a_frame_wakes_no_python(engine_with: MakeEngine) -> None:
    handler = Frames()
    with engine_with(handler, framing=floodway.Lines()) as engine, dial(engine) as peer:
        (conn,) = handler.wait_opened()
        conn.bytes_in  # noqa: B018 - the object exists
        wait_until(lambda: engine.stats().total.events >= 1)
        before = engine.stats().total.events
        for sent in range(100):
            peer.sendall(b"x")
            wait_until(partial(has_received, conn, sent + 1))
        assert engine.stats().total.events == before


@pytest.mark.parametrize("model", MODELS)
def test_thousands_of_frames_in_one_segment_arrive_in_order(model: str, engine_with: MakeEngine) -> None:
    handler = Frames()
    lines = [b"%d" % number for number in range(10_000)]
    with engine_with(handler, framing=floodway.Lines(), max_batch=100, **MODELS[model]) as engine, dial(engine) as peer:
        peer.sendall(b"\n".join(lines) + b"\n")
        (conn,) = handler.wait_opened()
        wait_until(partial(has_frames, conn, len(lines)))
        assert conn.user_data == lines
        assert engine.stats().total.largest_batch <= 100


def test_others_are_served_between_the_batches_of_a_flooding_connection(engine_with: MakeEngine) -> None:
    """Both have sent before the reactor looks: the one line of the other comes after one batch at most."""
    order: list[bytes] = []

    class Ordered(Journal):
        framing = floodway.Lines()

        def on_data(self, conn: floodway.Connection, data: bytes) -> None:
            order.append(data)

    handler = Ordered()
    with engine_with(handler, max_batch=100, sub_reactors=0) as engine, dial(engine) as flooder, dial(engine) as other:
        first = handler.wait_opened(2)[0]
        blocked, go_on = threading.Event(), threading.Event()

        def block() -> None:
            blocked.set()
            assert go_on.wait(20)

        first.reactor.call_soon(block)
        assert blocked.wait(20)
        flooder.sendall(b"flood\n" * 5_000)
        other.sendall(b"other\n")
        go_on.set()
        wait_until(lambda: len(order) == 5_001)
        assert order.index(b"other") <= 200


@pytest.mark.parametrize(
    ("framing", "stream", "frames"),
    [
        (floodway.Lines(max_bytes=4), b"four\nfiver\n", [b"four"]),
        (floodway.Lines(max_bytes=4), b"four\r\nno end in sight", [b"four"]),
        (floodway.Delimited(b"||", max_bytes=4), b"four||fiver||", [b"four"]),
        (floodway.LengthPrefixed(max_bytes=4), b"\0\0\0\4four\0\0\0\5", [b"four"]),
        (floodway.LengthPrefixed(size=8, max_bytes=4), b"\xff" * 8, []),
        (floodway.LengthPrefixed(includes_header=True, max_bytes=4), b"\0\0\0\3", []),
    ],
)
def test_a_frame_above_its_limit_ends_the_connection(
    framing: Any, stream: bytes, frames: list[bytes], engine_with: MakeEngine
) -> None:
    """After the frames before it, and before a byte of it; the others of the listener are left alone."""
    handler = Frames()
    seen: list[Any] = []

    class Keeping(Frames):
        def on_close(self, conn: floodway.Connection, error: BaseException | None) -> None:
            seen.append(conn.user_data)
            super().on_close(conn, error)

    handler = Keeping()
    with engine_with(handler, framing=framing) as engine, dial(engine), dial(engine) as peer:
        handler.wait_opened(2)
        peer.sendall(stream)
        assert read_to_end(peer) == b""
        peer.close()
        (error,) = handler.wait_closed()
        assert isinstance(error, floodway.FrameTooLong)
        assert seen == [frames]
        assert len(engine.connections()) == 1


@pytest.mark.parametrize(
    ("framing", "stream", "text"),
    [
        (
            floodway.LengthPrefixed(max_bytes=4),
            b"\0\0\0\5",
            "a frame of at least 5 bytes arrived and the framing allows 4; raise the framing's max_bytes",
        ),
        (
            floodway.LengthPrefixed(includes_header=True, max_bytes=2),
            b"\0\0\0\3",
            "a frame announced 3 bytes, which is less than the header that is included in it; check includes_header",
        ),
    ],
)
def test_the_error_of_a_frame_says_what_was_wrong_with_it(
    framing: Any, stream: bytes, text: str, engine_with: MakeEngine
) -> None:
    handler = Frames()
    with engine_with(handler, framing=framing) as engine, dial(engine) as peer:
        peer.sendall(stream)
        assert read_to_end(peer) == b""
        peer.close()
        (error,) = handler.wait_closed()
    assert isinstance(error, floodway.FrameTooLong)
    assert text in str(error)


@pytest.mark.parametrize("model", ["single", "single+threads"])
def test_a_buffer_left_alone_ends_the_connection_at_max_input(model: str, engine_with: MakeEngine) -> None:
    class Hoarder(Journal):
        framing = floodway.Buffered()

        def on_data(self, conn: floodway.Connection, data: floodway.LinkBuffer) -> None:
            pass

    handler = Hoarder()
    with engine_with(handler, max_input=100_000, **MODELS[model]) as engine, dial(engine) as peer:
        with pytest.raises(OSError):
            peer.sendall(bytes(10 << 20))
        (error,) = handler.wait_closed()
    assert isinstance(error, floodway.FrameTooLong)
    assert "the framing allows 100000; raise the framing's max_bytes (of Buffered: Limits.max_input)" in str(error)


@pytest.mark.parametrize("model", ["single", "single+threads"])
def test_who_takes_a_whole_buffer_each_time_may_be_sent_more_than_max_input_at_once(
    model: str, engine_with: MakeEngine
) -> None:
    class Taker(Journal):
        framing = floodway.Buffered()

        def on_data(self, conn: floodway.Connection, data: floodway.LinkBuffer) -> None:
            conn.write(data)

    sent = random.Random(7).randbytes(1 << 20)
    with engine_with(Taker(), max_input=1_000, **MODELS[model]) as engine, dial(engine) as peer:
        assert converse([peer], [sent]) == [sent]


@pytest.mark.parametrize("framing", [floodway.Raw(), floodway.Buffered()], ids=repr)
def test_a_read_takes_no_more_than_its_chunk(framing: Any, engine_with: MakeEngine) -> None:
    lengths: list[int] = []

    class Measure(Journal):
        def on_data(self, conn: floodway.Connection, data: Any) -> None:
            lengths.append(len(data))
            conn.write(data)

    handler = Measure()
    sent = bytes(1 << 18)
    with engine_with(handler, framing=framing, read_chunk=5_000) as engine, dial(engine) as peer:
        assert converse([peer], [sent]) == [sent]
    assert max(lengths) == 5_000
    assert sum(lengths) == len(sent)


@pytest.mark.parametrize("model", MODELS)
def test_a_handler_changes_the_framing_in_the_middle_of_a_batch(model: str, address: str, driver: Any) -> None:
    """Everything is sent at once; each frame says what comes next."""
    steps: list[tuple[Any, bytes, bytes]] = [
        (floodway.Lines(), b"line\r\n", b"line"),
        (floodway.Fixed(4), b"fix\n", b"fix\n"),
        (floodway.LengthPrefixed(size=1), b"\x06prefix", b"prefix"),
        (floodway.Delimited(b"."), b"sentence.", b"sentence"),
        (floodway.Lines(), b"line again\n", b"line again"),
        (floodway.Fixed(2), b"\0\0", b"\0\0"),
    ]

    class Chameleon(Frames):
        framing = steps[0][0]

        def on_data(self, conn: floodway.Connection, data: Any) -> None:
            super().on_data(conn, data)
            conn.set_framing(steps[len(conn.user_data) % len(steps)][0])

    handler = Chameleon()
    rounds = 50
    stream = b"".join(wire for _, wire, _ in steps) * rounds
    with floodway.Engine(handler, address, driver=driver, **MODELS[model]) as engine, dial(engine) as peer:
        peer.sendall(stream)
        (conn,) = handler.wait_opened()
        wait_until(partial(has_frames, conn, len(steps) * rounds))
        assert conn.user_data == [frame for _, _, frame in steps] * rounds


@pytest.mark.parametrize("model", MODELS)
def test_a_handler_changes_to_buffered_and_back(model: str, engine_with: MakeEngine) -> None:
    """A head in lines, a body of the length that it names in the buffer, and the next head behind it."""

    class Heads(Frames):
        framing = floodway.Lines()

        def on_data(self, conn: floodway.Connection, data: Any) -> None:
            if isinstance(data, bytes):
                conn.user_data.append(int(data))
                conn.set_framing(floodway.Buffered())
                return
            length = conn.user_data[-1]
            if isinstance(length, int) and len(data) >= length:
                conn.user_data[-1] = data.read(length)
                conn.set_framing(floodway.Lines())

    handler = Heads()
    bodies = [bytes([65 + number % 26]) * (number * 97 % 5_000) for number in range(1, 200)]
    with engine_with(handler, **MODELS[model]) as engine, dial(engine) as peer:
        peer.sendall(b"".join(b"%d\n%b" % (len(body), body) for body in bodies))
        (conn,) = handler.wait_opened()
        wait_until(lambda: conn.user_data and conn.user_data[-1] == bodies[-1] and len(conn.user_data) == len(bodies))
        assert conn.user_data == bodies


@pytest.mark.parametrize("before", [floodway.Lines(), floodway.LengthPrefixed(), floodway.Fixed(1_000)])
@pytest.mark.parametrize("thread", ["reactor", "another-thread"])
def test_half_a_frame_is_looked_at_anew_after_a_change_of_framing(
    before: Any, thread: str, engine_with: MakeEngine
) -> None:
    handler = Frames()
    with engine_with(handler, framing=before) as engine, dial(engine) as peer:
        (conn,) = handler.wait_opened()
        peer.sendall(b"\0\0\1.two.thr")
        wait_until(partial(has_received, conn, 11))
        if thread == "reactor":
            conn.reactor.call_soon(conn.set_framing, floodway.Delimited(b"."))
        else:
            conn.set_framing(floodway.Delimited(b"."))
        wait_until(partial(has_frames, conn, 2))
        peer.sendall(b"ee.")
        wait_until(partial(has_frames, conn, 3))
        assert conn.user_data == [b"\0\0\1", b"two", b"three"]


def test_frames_of_a_paused_connection_are_cut_by_the_framing_it_has_when_it_goes_on(engine_with: MakeEngine) -> None:
    """A frame that was found while paused is not delivered under a framing that would not have cut it so."""

    class Pausing(Frames):
        framing = floodway.Lines()

        def on_data(self, conn: floodway.Connection, data: Any) -> None:
            super().on_data(conn, data)
            if data == b"pause":
                conn.pause_reading()

    handler = Pausing()
    with engine_with(handler) as engine, dial(engine) as peer:
        peer.sendall(b"pause\na.b\nc.")
        (conn,) = handler.wait_opened()
        wait_until(partial(has_frames, conn, 1))
        conn.set_framing(floodway.Delimited(b"."))
        conn.resume_reading()
        wait_until(partial(has_frames, conn, 3))
        assert conn.user_data == [b"pause", b"a", b"b\nc"]


@pytest.mark.parametrize("name", STREAMS)
def test_write_frame_is_the_opposite_of_the_framing(name: str, engine_with: MakeEngine) -> None:
    framing, _, frames = STREAMS[name]

    class Answering(Journal):
        def on_data(self, conn: floodway.Connection, data: bytes) -> None:
            conn.write_frame(data)

    handler, client = Answering(), Frames()
    type(client).framing = framing
    try:
        with engine_with(handler, framing=framing) as engine:
            conn = engine.connect(engine.addresses[0], client)
            client.wait_opened()
            for frame in itertools.chain(frames, frames):
                conn.write_frame(frame)
            wait_until(partial(has_frames, conn, 2 * len(frames)))
            assert conn.user_data == frames * 2
    finally:
        del type(client).framing


def test_a_frame_of_max_bytes_passes(engine_with: MakeEngine) -> None:
    handler = Frames()
    framing = floodway.LengthPrefixed(max_bytes=512 * KIB)
    frame = bytes(range(256)) * 2 * KIB
    with engine_with(handler, framing=framing) as engine, dial(engine) as peer:
        (conn,) = handler.wait_opened()
        for _ in range(3):
            peer.sendall(len(frame).to_bytes(4, "big") + frame)
        wait_until(partial(has_frames, conn, 3))
        assert conn.user_data == [frame] * 3
        peer.shutdown(socket.SHUT_WR)
        assert read_exactly(peer, 0) == b""
