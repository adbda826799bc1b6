"""Clients that leave: in every phase of a request the application learns of it, and nothing is left of them."""

import asyncio
import gc
import logging
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from tests.helpers.asgi import Client, Gate, Receive, Scope, Send, Signal, answer, request, serving
from tests.helpers.peers import reset
from tests.helpers.waiting import wait_until


def leave_by_fin(client: Client) -> None:
    client.socket.close()


def leave_by_reset(client: Client) -> None:
    reset(client.socket)


leaving = pytest.mark.parametrize("leave", [leave_by_fin, leave_by_reset], ids=["fin", "reset"])


class Traces:
    """Keeps what would be left of requests, weakly, and what applications were told."""

    def __init__(self) -> None:
        self.tasks: weakref.WeakSet[Any] = weakref.WeakSet()
        self.messages: list[str] = []
        self.begun = Signal()
        self.ended = Signal()
        self.error: BaseException | None = None

    def note(self) -> None:
        self.tasks.add(asyncio.current_task())
        self.begun.set()


@pytest.fixture
def traces(caplog: pytest.LogCaptureFixture, no_descriptor_left: None) -> Any:
    caplog.set_level(logging.INFO, "floodway.app")
    kept = Traces()
    yield kept
    wait_until(lambda: gc.collect() is not None and not kept.tasks, "the end of every task")
    assert not [record for record in caplog.records if record.name.startswith("floodway.app")]


def check_empty(engine: Any) -> None:
    wait_until(lambda: not engine.connections(), "the end of every connection")
    wait_until(lambda: engine.stats().total.output_queued == 0, "the end of all output")


@leaving
def test_before_the_body_was_sent(leave: Callable[[Client], None], traces: Traces, driver: Any) -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        traces.note()
        traces.messages.append((await receive())["type"])
        traces.ended.set()

    with serving(application, driver=driver) as engine:
        client = Client(engine)
        client.send(request(method="POST", headers="Content-Length: 10\r\n"))
        traces.begun.wait()
        leave(client)
        traces.ended.wait()
        check_empty(engine)
    assert traces.messages == ["http.disconnect"]


@leaving
def test_during_the_body(leave: Callable[[Client], None], traces: Traces, driver: Any) -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        traces.note()
        while (message := await receive())["type"] == "http.request":
            traces.messages.append(f"{len(message['body'])} {message['more_body']}")
            half.set()
        traces.messages.append(message["type"])
        traces.ended.set()

    half = Signal()
    with serving(application, driver=driver) as engine:
        client = Client(engine)
        client.send(request(method="POST", headers="Content-Length: 10\r\n") + b"12345")
        half.wait()
        leave(client)
        traces.ended.wait()
        check_empty(engine)
    assert traces.messages == ["5 True", "http.disconnect"]


@leaving
def test_a_body_that_was_cut_off_is_never_taken_for_a_whole_one(
    leave: Callable[[Client], None], traces: Traces, driver: Any
) -> None:
    gate = Gate()

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        traces.note()
        await gate.wait()  # it has left before the first part is asked for
        while (message := await receive())["type"] == "http.request":
            traces.messages.append(str(message["more_body"]))
        traces.messages.append(message["type"])
        traces.ended.set()

    with serving(application, driver=driver) as engine:
        client = Client(engine)
        client.send(request(method="POST", headers="Content-Length: 10\r\n") + b"12345")
        traces.begun.wait()
        leave(client)
        asyncio.run(asyncio.sleep(0.1))
        gate.open()
        traces.ended.wait()
        check_empty(engine)
    assert "False" not in traces.messages
    assert traces.messages[-1] == "http.disconnect"


@leaving
def test_while_the_application_pauses_before_its_answer(
    leave: Callable[[Client], None], traces: Traces, driver: Any
) -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        traces.note()
        while (message := await receive())["type"] == "http.request":
            pass
        traces.messages.append(message["type"])
        traces.ended.set()

    with serving(application, driver=driver) as engine:
        client = Client(engine)
        client.send(request())
        traces.begun.wait()
        leave(client)
        traces.ended.wait()
        check_empty(engine)
    assert traces.messages == ["http.disconnect"]


@leaving
def test_during_the_answer(leave: Callable[[Client], None], traces: Traces, driver: Any) -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        traces.note()
        try:
            await send({"type": "http.response.start", "status": 200})
            while True:
                await send({"type": "http.response.body", "body": b"x" * 10_000, "more_body": True})
                await asyncio.sleep(0)
        except OSError:
            traces.ended.set()
            raise

    with serving(application, driver=driver) as engine:
        client = Client(engine)
        client.send(request())
        client.read_head()
        leave(client)
        traces.ended.wait()
        check_empty(engine)


@leaving
def test_during_a_pause_of_the_answer(leave: Callable[[Client], None], traces: Traces, driver: Any) -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        traces.note()
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        await receive()
        traces.messages.append((await receive())["type"])
        traces.ended.set()

    with serving(application, driver=driver) as engine:
        client = Client(engine)
        client.send(request())
        client.read_head()
        leave(client)
        traces.ended.wait()
        check_empty(engine)
    assert traces.messages == ["http.disconnect"]


@leaving
def test_an_application_that_never_looks_is_left_alone_until_it_returns(
    leave: Callable[[Client], None], traces: Traces, driver: Any
) -> None:
    gate = Gate()

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        traces.note()
        await gate.wait()
        try:
            await answer(send, b"for nobody")
        except OSError as error:
            traces.error = error
        traces.ended.set()

    with serving(application, driver=driver) as engine:
        client = Client(engine)
        client.send(request())
        traces.begun.wait()
        leave(client)
        if leave is leave_by_reset:
            wait_until(lambda: not engine.connections())
        gate.open()
        traces.ended.wait()
        check_empty(engine)
    assert (leave is leave_by_reset) == isinstance(traces.error, OSError)


def test_a_client_that_sends_its_end_still_gets_the_answer(traces: Traces, driver: Any) -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        traces.note()
        await receive()
        traces.messages.append((await receive())["type"])
        await send({"type": "http.response.start", "status": 200})
        for _ in range(30):
            await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})
        await send({"type": "http.response.body"})
        traces.ended.set()

    with serving(application, driver=driver) as engine, Client(engine) as client:
        client.send(request())
        traces.begun.wait()
        client.finish()
        assert len(client.read().body) == 3_000_000
        assert client.rest() == b""
        traces.ended.wait()
        check_empty(engine)
    assert traces.messages == ["http.disconnect"]


def test_pipelined_requests_of_a_client_that_has_sent_its_end_are_all_answered(driver: Any) -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0.005)
        await answer(send, scope["path"].encode())

    with serving(application, driver=driver) as engine, Client(engine) as client:
        client.send(b"".join(request(f"/{n}") for n in range(5)))
        client.finish()
        assert [client.read().body for _ in range(5)] == [b"/%d" % n for n in range(5)]
        assert client.rest() == b""


def test_a_whole_body_is_received_although_the_client_has_sent_its_end(driver: Any) -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        while (message := await receive())["type"] == "http.request":
            await asyncio.sleep(0)
            body += message["body"]
            if not message["more_body"]:
                break
        await answer(send, str(len(body)).encode())

    with serving(application, driver=driver) as engine, Client(engine) as client:
        client.send(request(method="POST", body=b"x" * 2_000_000))
        client.finish()
        assert client.read().body == b"2000000"


def test_many_clients_that_leave_at_random_leave_nothing(traces: Traces) -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        traces.note()
        await asyncio.sleep(int(scope["path"][1:]) % 7 / 500)
        try:
            await send({"type": "http.response.start", "status": 200})
            for _ in range(10):
                await send({"type": "http.response.body", "body": b"x" * 50_000, "more_body": True})
            await send({"type": "http.response.body"})
        except OSError:
            pass

    with serving(application) as engine:
        for number in range(200):
            client = Client(engine)
            client.send(request(f"/{number}", headers="" if number % 3 else "Content-Length: 5\r\n"))
            if number % 2:
                client.socket.recv(1000)
            (leave_by_reset if number % 4 else leave_by_fin)(client)
        check_empty(engine)
        wait_until(lambda: gc.collect() is not None and not traces.tasks)
