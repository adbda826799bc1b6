"""Bodies that are made piece by piece: as fast as the client takes them, and no longer than it is there."""

import gc
import logging
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from floodway.app.message import Request, Response
from tests.helpers.http_client import Client, get, serving
from tests.helpers.peers import reset
from tests.helpers.waiting import wait_until

PIECE = b"x" * 16_384


class Pieces:
    """Generators of pieces, and what became of them."""

    def __init__(self, count: int, piece: bytes = PIECE) -> None:
        self.count, self.piece = count, piece
        self.drawn = 0
        self.closed = threading.Event()
        self.kept: list[weakref.ref[object]] = []

    def __call__(self, request: Request) -> Response:
        body = self._make()
        self.kept.append(weakref.ref(body))
        return Response(body)

    def _make(self) -> Iterator[bytes]:
        try:
            for _ in range(self.count):
                self.drawn += 1
                yield self.piece
        finally:
            self.closed.set()

    @property
    def alive(self) -> int:
        gc.collect()
        return sum(ref() is not None for ref in self.kept)


def test_a_stream_goes_out_in_chunks() -> None:
    with serving(lambda _: Response(iter([b"one", b"", b"two"]))) as engine, Client.of(engine) as client:
        for _ in range(2):
            answer = client.ask(get())
            assert (answer["transfer-encoding"], answer.body, answer.complete) == ("chunked", b"onetwo", True)


def test_an_empty_stream_is_an_empty_body() -> None:
    with serving(lambda _: Response(iter(()))) as engine, Client.of(engine) as client:
        answer = client.ask(get())
        assert (answer.body, answer.complete) == (b"", True)


def test_a_stream_whose_length_is_known_is_not_cut_into_chunks() -> None:
    response = Response((b"one", b"two"), headers={"Content-Length": "6"})
    with serving(lambda _: response) as engine, Client.of(engine) as client:
        for _ in range(2):
            answer = client.ask(get())
            assert (answer.body, "transfer-encoding" in answer) == (b"onetwo", False)


def test_pieces_may_be_of_any_kind_of_bytes() -> None:
    pieces: list[Any] = [b"a", bytearray(b"b"), memoryview(b"c")]
    with serving(lambda _: Response(pieces)) as engine, Client.of(engine) as client:
        assert client.ask(get()).body == b"abc"


def test_a_stream_of_any_length_arrives_whole() -> None:
    pieces = Pieces(2_000)
    with serving(pieces) as engine, Client.of(engine) as client:
        assert client.ask(get()).body == PIECE * 2_000
        assert pieces.closed.wait(20)


def test_a_stream_waits_for_a_client_that_does_not_read() -> None:
    pieces = Pieces(1 << 30)
    with serving(pieces) as engine, Client.of(engine, receive_buffer=4096) as client:
        client.send(get())
        wait_until(lambda: engine.stats().total.output_queued > 0, "a client that is behind")
        drawn = wait_for_rest(lambda: pieces.drawn)
        assert engine.stats().total.output_queued <= (256 << 10) + len(PIECE) + 100
        for _ in range(1_000):
            assert client.socket.recv(1 << 16)
        wait_until(lambda: pieces.drawn > drawn, "more pieces")
        assert not pieces.closed.is_set()


def wait_for_rest(number: Callable[[], int]) -> int:
    """Wait until a number is the same twice in a row, a few polls apart."""
    seen = -1
    while (now := number()) != seen:
        seen = now
        threading.Event().wait(0.1)
    return seen


def test_others_are_served_while_a_stream_goes_on_for_ever() -> None:
    pieces = Pieces(1 << 30)
    with serving(lambda r: pieces(r) if r.path == "/stream" else b"served") as engine, Client.of(engine) as streaming:
        over = threading.Event()

        def read() -> None:
            streaming.send(get("/stream"))
            while not over.is_set() and streaming.socket.recv(1 << 20):
                pass

        reader = threading.Thread(target=read)
        reader.start()
        try:
            with Client.of(engine) as client:
                wait_until(lambda: pieces.drawn > 100, "the stream")
                for _ in range(20):
                    assert client.ask(get()).body == b"served"
        finally:
            over.set()
            reader.join()


@pytest.mark.parametrize("leave", [lambda client: client.socket.close(), lambda client: reset(client.socket)])
def test_a_stream_is_closed_when_the_client_leaves(
    caplog: pytest.LogCaptureFixture, leave: Callable[[Client], None]
) -> None:
    caplog.set_level(logging.DEBUG)
    pieces = Pieces(1 << 30)
    with serving(pieces) as engine, Client.of(engine, receive_buffer=4096) as client:
        client.send(get())
        wait_until(lambda: engine.stats().total.output_queued > 0, "a client that is behind")
        leave(client)
        assert pieces.closed.wait(20)
        wait_until(lambda: pieces.alive == 0, "the end of the generator")
        wait_until(lambda: engine.stats().total.connections == 0, "the end of the connection")
    assert [one for one in caplog.records if one.levelno > logging.INFO] == []


def test_a_stream_that_is_done_is_let_go_of_while_the_connection_stays() -> None:
    pieces = Pieces(3)
    with serving(pieces) as engine, Client.of(engine) as client:
        for _ in range(5):
            assert client.ask(get()).complete
        wait_until(lambda: pieces.alive == 0, "the end of the generators")


def test_a_stream_that_raises_ends_the_connection_within_the_answer(caplog: pytest.LogCaptureFixture) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"one"
        raise RuntimeError("mine")

    with serving(lambda _: Response(pieces())) as engine, Client.of(engine) as client:
        client.send(get())
        try:
            assert not client.answer().complete
        except ConnectionResetError:
            pass  # it need not see what was sent before
    assert [one.levelno for one in caplog.records] == [logging.ERROR]
    assert "mine" in caplog.text


def test_a_stream_that_raises_for_a_client_that_is_behind_ends_the_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(1_000):
            yield PIECE
        raise RuntimeError("mine")

    with serving(lambda _: Response(pieces())) as engine, Client.of(engine, receive_buffer=4096) as client:
        client.send(get())
        with pytest.raises(ConnectionResetError):
            client.read_on()
        wait_until(lambda: engine.stats().total.connections == 0, "the end of the connection")
    assert [one.levelno for one in caplog.records] == [logging.ERROR]


@pytest.mark.parametrize("length", ["1", "100"])
def test_a_stream_that_is_not_as_long_as_it_said_ends_the_connection(
    caplog: pytest.LogCaptureFixture, length: str
) -> None:
    def answer(request: Request) -> Response:
        return Response(iter([b"one", b"two"]), headers={"Content-Length": length})

    with serving(answer) as engine, Client.of(engine) as client:
        client.send(get() + get())
        with pytest.raises(ConnectionResetError):
            client.rest()
    errors = [one for one in caplog.records if one.levelno >= logging.WARNING]
    assert [one.exc_info is not None and "content-length" in str(one.exc_info[1]) for one in errors] == [True]


@pytest.mark.parametrize("piece", ["text", 42, None])
def test_a_piece_that_is_no_bytes_ends_the_connection(caplog: pytest.LogCaptureFixture, piece: object) -> None:
    with serving(lambda _: Response([b"one", piece])) as engine, Client.of(engine) as client:  # type: ignore[list-item]
        client.send(get())
        with pytest.raises(ConnectionResetError):
            client.rest()
    assert [one.levelno for one in caplog.records] == [logging.ERROR]


@pytest.mark.parametrize("options", [{"threads": 2}, {"event_loop": True}, {"driver": "portable"}])
def test_every_model_streams(options: dict[str, Any]) -> None:
    pieces = Pieces(500)
    with serving(pieces, **options) as engine, Client.of(engine, receive_buffer=4096) as client:
        for _ in range(2):
            assert client.ask(get()).body == PIECE * 500


def test_a_client_that_has_finished_sending_gets_a_stream_whole() -> None:
    with serving(Pieces(500)) as engine, Client.of(engine, receive_buffer=4096) as client:
        client.send(get())
        client.socket.shutdown(1)
        assert client.answer().body == PIECE * 500
        assert client.is_closed()


def test_requests_behind_a_stream_are_answered_after_it() -> None:
    pieces = Pieces(500)
    with serving(lambda r: pieces(r) if r.path == "/" else r.path) as engine, Client.of(engine) as client:
        client.send(get() + get("/1") + get() + get("/2"))
        assert [len(client.answer().body) for _ in range(4)] == [500 * len(PIECE), 2, 500 * len(PIECE), 2]
