"""Coroutine functions: each request is a task, which ends with its connection."""

import asyncio
import gc
import logging
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any

import pytest

from floodway.app.message import Request, Response
from tests.helpers.http_client import Client, get, post, serving
from tests.helpers.peers import reset
from tests.helpers.waiting import PATIENCE_SECONDS, wait_until

PIECE = b"x" * 16_384


class Waiting:
    """A function that waits for ever, and what became of its tasks."""

    def __init__(self) -> None:
        self.tasks: weakref.WeakSet[Any] = weakref.WeakSet()
        self.begun = threading.Semaphore(0)
        self.cancelled = threading.Semaphore(0)

    async def __call__(self, request: Request) -> bytes:
        self.tasks.add(asyncio.current_task())
        self.begun.release()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.release()
            raise
        return b"never"

    @property
    def alive(self) -> int:
        gc.collect()
        return len(self.tasks)


class Pieces:
    """Asynchronous generators of pieces, and what became of them."""

    def __init__(self, count: int = 1 << 30) -> None:
        self.count = count
        self.drawn = 0
        self.closed = threading.Semaphore(0)

    async def __call__(self, request: Request) -> Response:
        return Response(self._make())

    async def _make(self) -> AsyncIterator[bytes]:
        try:
            for _ in range(self.count):
                self.drawn += 1
                yield PIECE
        finally:
            await asyncio.sleep(0)
            self.closed.release()


def test_a_coroutine_function_answers(driver: Any) -> None:
    async def app(request: Request) -> str:
        return f"{request.method} {request.path} {len(request.body)}"

    with serving(app, driver=driver) as engine, Client.of(engine) as client:
        for _ in range(3):
            assert client.ask(post(b"12345", path="/a")).body == b"POST /a 5"


def test_it_may_wait_while_others_are_answered() -> None:
    going = asyncio.Event()

    async def app(request: Request) -> str:
        if request.path == "/go":
            going.set()
        await going.wait()
        return request.path

    with serving(app) as engine, Client.of(engine) as one, Client.of(engine) as other:
        one.send(get("/wait") + get("/behind"))
        assert other.ask(get("/go")).body == b"/go"
        assert [one.answer().body, one.answer().body] == [b"/wait", b"/behind"]


async def named(prefix: str, request: Request) -> str:
    await asyncio.sleep(0)
    return prefix + request.path


class Callee:
    async def __call__(self, request: Request) -> str:
        return await named("called", request)

    async def method(self, request: Request) -> str:
        return await named("called", request)


CALLEES = [partial(named, "called"), Callee(), Callee().method]


@pytest.mark.parametrize("app", CALLEES, ids=["partial", "object", "method"])
def test_whatever_is_called_as_a_coroutine_function_is_one(app: Callable[[Request], object]) -> None:
    with serving(app) as engine, Client.of(engine) as client:
        assert client.ask(get("/x")).body == b"called/x"


def test_an_exception_is_a_500_and_the_connection_stays(caplog: pytest.LogCaptureFixture) -> None:
    async def app(request: Request) -> str:
        await asyncio.sleep(0)
        raise RuntimeError("mine")

    with serving(app) as engine, Client.of(engine) as client:
        for _ in range(2):
            answer = client.ask(get())
            assert (answer.status, answer.body) == (500, b"Internal Server Error\n")
    assert [one.levelno for one in caplog.records] == [logging.ERROR] * 2
    assert "mine" in caplog.text


@pytest.mark.parametrize("answer", [None, 42, Response(42), Response("x", 99), Response(b"", headers={"A": "\n"})])  # type: ignore[arg-type]
def test_what_is_no_answer_is_a_500(caplog: pytest.LogCaptureFixture, answer: object) -> None:
    async def app(request: Request) -> object:
        return answer

    with serving(app) as engine, Client.of(engine) as client:
        assert [client.ask(get()).status for _ in range(2)] == [500, 500]
    assert [one.levelno for one in caplog.records] == [logging.ERROR] * 2


def test_a_client_that_has_gone_cancels_its_task(caplog: pytest.LogCaptureFixture, driver: Any) -> None:
    caplog.set_level(logging.INFO, "floodway.app")
    app = Waiting()
    with serving(app, driver=driver) as engine:
        clients = [Client.of(engine) for _ in range(50)]
        for client in clients:
            client.send(get())
        for _ in clients:
            assert app.begun.acquire(timeout=PATIENCE_SECONDS)
        for client in clients:
            reset(client.socket)
        for _ in clients:
            assert app.cancelled.acquire(timeout=PATIENCE_SECONDS)
        wait_until(lambda: app.alive == 0, "the end of every task")
        wait_until(lambda: not engine.connections(), "the end of every connection")
    assert not [one for one in caplog.records if one.name.startswith("floodway.app")]


def test_a_client_that_has_finished_sending_gets_its_answer() -> None:
    async def app(request: Request) -> bytes:
        await asyncio.sleep(0.05)
        return PIECE

    with serving(app) as engine, Client.of(engine) as client:
        client.send(get())
        client.socket.shutdown(1)
        assert client.answer().body == PIECE
        assert client.is_closed()


def test_what_it_raises_for_a_client_that_has_gone_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    raised = threading.Event()
    begun = threading.Event()

    async def app(request: Request) -> bytes:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raised.set()
            raise RuntimeError("could not clean up") from None
        return b""

    with serving(app) as engine, Client.of(engine) as client:
        client.send(get())
        assert begun.wait(PATIENCE_SECONDS)
        reset(client.socket)
        assert raised.wait(PATIENCE_SECONDS)
    assert [one for one in caplog.records if one.levelno > logging.INFO] == []


def test_a_task_that_outlasts_the_grace_time_is_cancelled(caplog: pytest.LogCaptureFixture) -> None:
    app = Waiting()
    with serving(app, grace=0.2) as engine, Client.of(engine) as client:
        client.send(get())
        assert app.begun.acquire(timeout=PATIENCE_SECONDS)
    assert app.cancelled.acquire(timeout=PATIENCE_SECONDS)
    assert "the grace time is over" in caplog.text


def test_a_stop_lets_a_request_finish() -> None:
    begun = threading.Event()

    async def app(request: Request) -> bytes:
        begun.set()
        await asyncio.sleep(0.3)
        return b"done"

    with serving(app) as engine, Client.of(engine) as client:
        client.send(get())
        assert begun.wait(PATIENCE_SECONDS)
        engine.stop()
        assert client.answer().body == b"done"


def test_an_asynchronous_body_arrives_whole(driver: Any) -> None:
    app = Pieces(500)
    with serving(app, driver=driver) as engine, Client.of(engine, receive_buffer=4096) as client:
        for _ in range(2):
            answer = client.ask(get())
            assert (answer["transfer-encoding"], answer.body) == ("chunked", PIECE * 500)
        assert app.closed.acquire(timeout=PATIENCE_SECONDS)


def test_an_iterator_is_a_body_too() -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(500):
            yield PIECE

    async def app(request: Request) -> Response:
        return Response(pieces(), headers={"content-length": str(500 * len(PIECE))})

    with serving(app) as engine, Client.of(engine, receive_buffer=4096) as client:
        for _ in range(2):
            answer = client.ask(get())
            assert (answer.body, "transfer-encoding" in answer) == (PIECE * 500, False)


@pytest.mark.parametrize("leave", [lambda client: client.socket.close(), lambda client: reset(client.socket)])
def test_an_asynchronous_body_waits_for_its_client_and_is_closed_when_that_leaves(
    caplog: pytest.LogCaptureFixture, leave: Callable[[Client], None]
) -> None:
    caplog.set_level(logging.INFO, "floodway.app")
    app = Pieces()
    with serving(app) as engine, Client.of(engine, receive_buffer=4096) as client:
        client.send(get())
        wait_until(lambda: engine.stats().total.output_queued > 0, "a client that is behind")
        assert engine.stats().total.output_queued <= (256 << 10) + len(PIECE) + 1_000
        leave(client)
        assert app.closed.acquire(timeout=PATIENCE_SECONDS)
        wait_until(lambda: not engine.connections(), "the end of the connection")
    assert not [one for one in caplog.records if one.name.startswith("floodway.app")]


def test_nothing_is_drawn_for_head() -> None:
    app = Pieces()
    with serving(app) as engine, Client.of(engine) as client:
        for _ in range(2):
            assert client.ask(get(method="HEAD")).status == 200
    assert app.drawn == 0


def test_a_body_that_raises_ends_the_connection_within_the_answer(caplog: pytest.LogCaptureFixture) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"one"
        await asyncio.sleep(0)
        raise RuntimeError("mine")

    async def app(request: Request) -> Response:
        return Response(pieces())

    with serving(app) as engine, Client.of(engine) as client:
        client.send(get())
        try:
            assert not client.answer().complete
        except ConnectionResetError:
            pass  # it need not see what was sent before
    assert [one.levelno for one in caplog.records] == [logging.ERROR]


def test_a_function_that_is_none_says_why_it_cannot_send_an_asynchronous_body(caplog: pytest.LogCaptureFixture) -> None:
    pieces = Pieces(1)
    with serving(lambda _: Response(pieces._make())) as engine, Client.of(engine) as client:
        assert client.ask(get()).status == 500
    assert "write async def" in caplog.text
