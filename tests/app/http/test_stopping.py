"""Stopping while clients are served: what was accepted is answered, and each is told that the connection ends."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest

import floodway
from floodway.app.message import Request, Response
from tests.helpers.http_client import Client, chunked, get, post, serving
from tests.helpers.waiting import wait_until

GRACE = 15.0


class Application:
    """Answers; on "/wait" when it is told to, on "/stream" without an end until it is told to."""

    def __init__(self) -> None:
        self.may_end = threading.Event()

    def __call__(self, request: Request) -> object:
        if request.path == "/wait":
            assert self.may_end.wait(20)
        if request.path == "/stream":
            return Response(self._stream())
        return f"served {len(request.body)}"

    def _stream(self) -> Iterator[bytes]:
        while not self.may_end.is_set():
            yield b"x" * 10_000
        yield b"end"


def begin_to_stop(engine: floodway.Engine, grace: float = GRACE) -> threading.Thread:
    thread = threading.Thread(target=engine.stop, args=(grace,))
    thread.start()
    return thread


def wait_draining(engine: floodway.Engine, probe: Client) -> None:
    """Wait until a client that asks again and again is told that its connection ends."""
    while not probe.ask(get()).closes:
        pass
    assert probe.is_closed()


def test_a_connection_gets_one_more_answer_and_that_says_close() -> None:
    with serving(Application()) as engine, Client.of(engine) as asked, Client.of(engine) as silent:
        with Client.of(engine) as probe:
            assert not asked.ask(get()).closes
            assert not probe.ask(get()).closes  # so the silent one has been accepted, too
            thread = begin_to_stop(engine)
            wait_draining(engine, probe)
        for client in (asked, silent):
            answer = client.ask(get())
            assert (answer.body, answer.closes) == (b"served 0", True)
            assert client.is_closed()
        thread.join()


def test_an_idle_connection_is_closed_after_two_seconds() -> None:
    with serving(Application()) as engine, Client.of(engine) as client:
        assert client.ask(get()).status == 200
        start = time.monotonic()
        thread = begin_to_stop(engine)
        assert client.rest() == b""
        thread.join()
        assert 1.8 < time.monotonic() - start < 8


def test_a_request_that_came_before_the_stop_is_answered_and_none_after_it() -> None:
    application = Application()
    with serving(application, threads=2) as engine, Client.of(engine) as client, Client.of(engine) as probe:
        client.send(get("/wait") + get())
        wait_until(lambda: engine.stats().total.bytes_in > 60, "the requests")
        assert not probe.ask(get()).closes
        thread = begin_to_stop(engine)
        wait_draining(engine, probe)
        application.may_end.set()
        first = client.answer()
        assert (first.status, first.closes) == (200, True)
        assert client.is_closed()
        thread.join()


def test_a_stuck_request_has_the_whole_grace_period() -> None:
    application = Application()
    with serving(application, threads=1) as engine, Client.of(engine) as client:
        client.send(get("/wait"))
        wait_until(lambda: engine.stats().total.bytes_in > 0, "the request")
        thread = begin_to_stop(engine)
        threading.Event().wait(4)  # twice what idle connections have
        application.may_end.set()
        assert client.answer().body == b"served 0"
        thread.join()


def test_a_stream_goes_on_while_the_engine_stops() -> None:
    application = Application()
    with serving(application) as engine, Client.of(engine) as client:
        client.send(get("/stream"))
        status, _ = client.head()
        thread = begin_to_stop(engine)
        start = time.monotonic()
        while time.monotonic() - start < 4:
            assert client.piece()
        application.may_end.set()
        while (piece := client.piece()) != b"end":
            assert piece
        assert (status, client.piece()) == (200, b"")
        thread.join()


def in_pieces(request: bytes) -> Iterator[bytes]:
    """A request so that its end comes after four seconds."""
    step = -(-len(request) // 8)
    for start in range(0, len(request), step):
        yield request[start : start + step]
        threading.Event().wait(0.5)


UPLOADS = {
    "length": post(b"x" * 1000),
    "chunks": chunked(*[b"x" * 100] * 10),
}


@pytest.mark.parametrize("request_", UPLOADS.values(), ids=UPLOADS.keys())
def test_an_upload_that_has_begun_may_end(request_: bytes) -> None:
    with serving(Application()) as engine, Client.of(engine) as client:
        pieces = in_pieces(request_)
        client.send(next(pieces))
        wait_until(lambda: engine.stats().total.bytes_in > 0, "the request")
        thread = begin_to_stop(engine)
        for piece in pieces:
            client.send(piece)
        answer = client.answer()
        assert (answer.body, answer.closes) == (b"served 1000", True)
        thread.join()


def test_a_head_that_has_begun_may_end() -> None:
    with serving(Application()) as engine, Client.of(engine) as client:
        client.send(get()[:20])
        wait_until(lambda: engine.stats().total.bytes_in > 0, "the request")
        thread = begin_to_stop(engine)
        threading.Event().wait(3)
        client.send(get()[20:])
        assert client.answer().closes
        thread.join()


def test_what_is_not_done_when_the_grace_period_ends_is_aborted() -> None:
    application = Application()
    with serving(application, threads=2) as engine, Client.of(engine) as stuck, Client.of(engine) as streaming:
        stuck.send(get("/wait"))
        streaming.send(get("/stream"))
        streaming.head()
        wait_until(lambda: engine.stats().total.bytes_in > 60, "the requests")
        thread = begin_to_stop(engine, 0.5)
        for client in (stuck, streaming):
            with pytest.raises(ConnectionResetError):
                client.read_on()
        application.may_end.set()
        thread.join()


@pytest.mark.parametrize("application", [Application()])
def test_no_accepted_request_fails_under_load(application: Callable[[Request], object]) -> None:
    """Clients that ask as fast as they can, and leave when they are told that the connection ends."""
    outcomes: list[str] = []
    with serving(application) as engine:
        clients = [Client.of(engine) for _ in range(20)]
        threads = [threading.Thread(target=ask_until_told, args=(client, outcomes)) for client in clients]
        for thread in threads:
            thread.start()
        wait_until(lambda: engine.stats().total.events > 500, "the load")
        engine.stop(GRACE)
        for thread in threads:
            thread.join()
    for client in clients:
        client.socket.close()
    assert outcomes == ["told"] * 20


def ask_until_told(client: Client, outcomes: list[str]) -> None:
    try:
        while not client.ask(get()).closes:
            pass
        outcomes.append("told" if client.is_closed() else "more")
    except (OSError, EOFError) as error:
        outcomes.append(repr(error))
