"""The client leaves, in every phase: nothing is left of it, and nothing is logged but what is the application's."""

import gc
import logging
import threading
import weakref
from collections.abc import Callable, Iterator

import pytest

import floodway
from floodway.app.message import Request, Response
from tests.helpers.http_client import Client, get, post, serving
from tests.helpers.peers import reset
from tests.helpers.waiting import wait_until

TIMES = 50
LARGE = b"x" * 3_000_000

pytestmark = pytest.mark.usefixtures("no_descriptor_left")


class Tracked(Response):
    """One that can be referred to weakly."""


class Application:
    """Does what the path says, and keeps weak references to all it made."""

    def __init__(self) -> None:
        self.engine: floodway.Engine | None = None
        self.kept: list[weakref.ref[object]] = []
        self.ended = 0
        self.entered = threading.Semaphore(0)
        self.may_go_on = threading.Event()

    def __call__(self, request: Request) -> object:
        if request.path == "/pause":
            self.entered.release()
            assert self.may_go_on.wait(20)
        answer = self._answer(request.path + request.query)
        self.kept.append(weakref.ref(answer))
        return answer

    def _answer(self, what: str) -> "Tracked":
        if what.endswith("stream"):
            stream = self._stream()
            self.kept.append(weakref.ref(stream))
            return Tracked(stream)
        return Tracked(LARGE if what.endswith("large") else b"served")

    def _stream(self) -> Iterator[bytes]:
        try:
            while True:
                yield LARGE[:50_000]
        finally:
            self.ended += 1

    @property
    def alive(self) -> int:
        gc.collect()
        return sum(ref() is not None for ref in self.kept)


def before_a_request(client: Client) -> None:
    pass


def within_the_head(client: Client) -> None:
    client.send(get()[:10])


def between_requests(client: Client) -> None:
    client.ask(get())


def before_the_body(client: Client) -> None:
    client.send(get("/", "Content-Length: 10", method="POST"))


def before_the_body_that_it_was_asked_for(client: Client) -> None:
    client.send(get("/", "Content-Length: 10", "Expect: 100-continue", method="POST"))
    assert client.answer().status == 100


def within_the_body(client: Client) -> None:
    client.send(post(bytes(100_000))[:50_000])


def within_a_chunk(client: Client) -> None:
    client.send(get("/", "Transfer-Encoding: chunked", method="POST") + b"10\r\nhalf")


def with_the_request(client: Client) -> None:
    client.send(get("/large"))


def within_the_answer(client: Client) -> None:
    client.send(get("/large"))
    assert client.socket.recv(1000)


def within_a_stream(client: Client) -> None:
    client.send(get("/stream"))
    assert client.socket.recv(1000)


def with_requests_in_its_wake(client: Client) -> None:
    client.send(get("/large") * 30)
    assert client.socket.recv(1000)


def after_a_refusal(client: Client) -> None:
    client.send(get("/", "A : b"))


PHASES = [
    before_a_request,
    within_the_head,
    between_requests,
    before_the_body,
    before_the_body_that_it_was_asked_for,
    within_the_body,
    within_a_chunk,
    with_the_request,
    within_the_answer,
    within_a_stream,
    with_requests_in_its_wake,
    after_a_refusal,
]


def close(client: Client) -> None:
    client.socket.close()


def finish_and_close(client: Client) -> None:
    client.socket.shutdown(1)
    client.socket.close()


def reset_it(client: Client) -> None:
    reset(client.socket)


WAYS = [close, finish_and_close, reset_it]


@pytest.mark.parametrize("leave", WAYS)
@pytest.mark.parametrize("arrive", PHASES)
def test_a_client_may_leave_at_any_time(
    caplog: pytest.LogCaptureFixture, arrive: Callable[[Client], None], leave: Callable[[Client], None]
) -> None:
    caplog.set_level(logging.DEBUG)
    application = Application()
    with serving(application) as engine:
        for _ in range(TIMES):
            client = Client.of(engine, receive_buffer=4096)
            arrive(client)
            leave(client)
        check_nothing_left(engine, application)
        with Client.of(engine) as client:
            assert client.ask(get()).body == b"served"
    check_nothing_said(caplog)


@pytest.mark.parametrize("leave", WAYS)
@pytest.mark.parametrize("query", ["", "large", "stream"])
def test_a_client_may_leave_while_the_application_thinks(
    caplog: pytest.LogCaptureFixture, query: str, leave: Callable[[Client], None]
) -> None:
    caplog.set_level(logging.DEBUG)
    application = Application()
    count = 10
    with serving(application, threads=count) as engine:
        clients = [Client.of(engine, receive_buffer=4096) for _ in range(count)]
        for client in clients:
            client.send(get(f"/pause?{query}"))
        for _ in range(count):
            assert application.entered.acquire(timeout=20)
        for client in clients:
            leave(client)
        application.may_go_on.set()
        check_nothing_left(engine, application)
    check_nothing_said(caplog)


def check_nothing_left(engine: floodway.Engine, application: Application) -> None:
    wait_until(lambda: engine.stats().total.connections == 0, "the end of every connection")
    total = engine.stats().total
    assert (total.output_queued, total.blocks_in_use) == (0, 0)
    # The last event's is let go of when the next batch comes.
    wait_until(lambda: application.alive == 0, f"the end of everything, of which {application.alive} are left")


def check_nothing_said(caplog: pytest.LogCaptureFixture) -> None:
    assert [one.getMessage() for one in caplog.records if one.levelno > logging.INFO] == []
