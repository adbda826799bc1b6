"""A request can be looked at by any thread, whatever the one that answers it is doing; only one answers."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import floodway
from floodway.app.http1 import Http1, RequestQueue
from floodway.app.message import Request, Response
from tests.helpers.http_client import Client, get, post, serving
from tests.helpers.peers import dial
from tests.helpers.waiting import PATIENCE_SECONDS, wait_until

pytestmark = pytest.mark.cross_thread

HEAD = get("/a%20b?page=2", "Content-Length: 10", method="POST")
PIECE = b"x" * 100_000
LOW_WATER = floodway.Limits().low_water


def look(request: Request) -> tuple[object, ...]:
    """All that a request tells about itself."""
    assert isinstance(request.peer, tuple)
    assert request.raw_headers[0] == (b"host", b"here")
    assert repr(request) == f"<floodway.Request {request.method} {request.target}>"
    fields = request.headers
    assert (fields.get("host"), "host" in fields, fields.get_all("Host")) == ("here", True, ["here"])
    assert dict(fields)["host"] == "here"
    assert isinstance(request._started, bool)
    assert isinstance(request._finished, bool)
    return request.method, request.path, request.query, request.scheme, request.http_version, request.body


class Queued(floodway.Handler[Request]):
    """Requests for a thread of the test, which may wait as the threads of WSGI do."""

    own_threads = True

    def __init__(self) -> None:
        self.queue = RequestQueue(10)
        self.framing = Http1(whole_bodies=False, queue=self.queue)

    def on_stop(self) -> None:
        self.queue.end()


@contextlib.contextmanager
def waiting(act: Callable[[Request], object]) -> Iterator[tuple[Request, Client]]:
    """A request with half of a body, and its client, while a thread does something with the request that waits."""
    handler = Queued()
    with floodway.Engine(handler, "tcp://127.0.0.1:0") as engine, Client(dial(engine, receive_buffer=4096)) as client:
        client.send(HEAD + b"12345")
        request = handler.queue.next()
        assert request is not None
        failures: list[BaseException] = []

        def run() -> None:
            try:
                act(request)
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield request, client
        finally:
            thread.join(PATIENCE_SECONDS)
    assert failures == []


def wait_blocked(request: Request) -> None:
    """Until the client takes no more: as much as a thread has to wait for is pending, and stays."""
    before = 0

    def stands() -> bool:
        nonlocal before
        time.sleep(0.1)  # for something not to happen
        stood, before = before == request.connection.pending_output > LOW_WATER, request.connection.pending_output
        return stood

    wait_until(stands, "a write that waits")


def send_on(request: Request) -> None:
    """Send what the client is behind with for long."""
    request._start_response("200 OK", [("Content-Length", str(100 * len(PIECE)))])
    for _ in range(100):
        request._put(PIECE)
    request._complete(b"")


def test_while_a_write_waits_for_the_client() -> None:
    with waiting(send_on) as (request, client):
        wait_blocked(request)
        for _ in range(100):
            assert look(request) == ("POST", "/a b", "page=2", "http", "1.1", b"")
        assert client.answer().body == 100 * PIECE


def test_while_a_long_piece_is_sent_as_there_is_room() -> None:
    with waiting(lambda request: request._respond(200, [], 100 * PIECE)) as (request, client):
        wait_blocked(request)
        for _ in range(100):
            assert look(request)[1] == "/a b"
        assert client.answer().body == 100 * PIECE


def test_while_more_of_its_body_is_waited_for() -> None:
    came: list[tuple[bytes, bool]] = []

    def receive(request: Request) -> None:
        came.append(request._receive())
        came.append(request._receive())
        request._respond(200, [], b"")

    with waiting(receive) as (request, client):
        wait_until(lambda: len(came) == 1, "the first piece")
        for _ in range(100):
            assert look(request)[1] == "/a b"
        client.send(b"67890")
        assert client.answer().status == 200
    assert came == [(b"12345", True), (b"67890", False)]


def test_whoever_answers_beside_the_thread_that_waits_is_told() -> None:
    with waiting(send_on) as (request, client):
        wait_blocked(request)
        for act in (
            lambda: request._put(b"y"),
            lambda: request._complete(b"y"),
            lambda: request._respond(200, [], b"y"),
            lambda: request._receive(),
            lambda: request._start_response("200 OK", []),
        ):
            with pytest.raises(RuntimeError, match="another thread is answering this request"):
                act()
        assert (request._started, request._finished) == (True, False)
        assert client.answer().body == 100 * PIECE  # nothing of the others is in it


@pytest.mark.parametrize("kind", ["whole", "stream", "file"])
def test_while_it_is_answered(kind: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(PIECE)
    current: list[Request] = []
    answers: dict[str, Callable[[], Any]] = {
        "whole": lambda: PIECE,
        "stream": lambda: Response(iter([PIECE[:1000]] * 100)),
        "file": lambda: Response(tmp_path / "file"),
    }

    def app(request: Request) -> object:
        current[:] = [request]
        return answers[kind]()

    failures: list[BaseException] = []
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.is_set():
            for request in current[:]:
                try:
                    look(request)
                except BaseException as error:
                    failures.append(error)
                    return

    with serving(app) as engine, Client.of(engine) as client:
        watchers = [threading.Thread(target=watch) for _ in range(2)]
        for watcher in watchers:
            watcher.start()
        try:
            for _ in range(100):
                assert client.ask(post(b"body")).body == PIECE
        finally:
            is_over.set()
            for watcher in watchers:
                watcher.join()
    assert failures == []
