"""Applications that fail: what their client gets, and what the log says."""

import asyncio
import logging
from typing import Any

import pytest

import floodway
from floodway.app.asgi.handler import ASGIHandler
from floodway.config import ApplicationOptions
from tests.helpers.asgi import Application, Client, Receive, Scope, Send, answer, request, serving
from tests.helpers.waiting import wait_until

START: dict[str, Any] = {"type": "http.response.start", "status": 200, "headers": []}


def sending(*messages: Any) -> Application:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return application


def errors(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize("waits", [False, True], ids=["at once", "later"])
def test_raising_before_the_answer_costs_a_500_and_the_connection_stays(
    waits: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if waits:
            await asyncio.sleep(0.001)
        if scope["path"] == "/good":
            return await answer(send, b"good")
        raise LookupError("no such thing")

    with serving(application) as engine, Client(engine) as client:
        got = client.get("/bad")
        assert (got.status, got.body) == (500, b"Internal Server Error\n")
        assert client.get("/good").body == b"good"
    (record,) = errors(caplog)
    assert record.getMessage().startswith("the application raised for GET /bad from ")
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], LookupError)


@pytest.mark.parametrize("waits", [False, True], ids=["at once", "later"])
def test_raising_within_the_answer_ends_the_connection(waits: bool, caplog: pytest.LogCaptureFixture) -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        if waits:
            await asyncio.sleep(0.02)
        raise LookupError("no such thing")

    with serving(application) as engine, Client(engine) as client:
        client.send(request())
        with pytest.raises((EOFError, ConnectionResetError)):
            client.read()
    assert len(errors(caplog)) == 1


def test_raising_after_the_answer_is_logged_and_the_connection_stays(caplog: pytest.LogCaptureFixture) -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, b"good")
        raise LookupError("in the background")

    with serving(application) as engine, Client(engine) as client:
        assert client.get().body == b"good"
        assert client.get().body == b"good"
        wait_until(lambda: len(errors(caplog)) == 2)


WRONG = {
    "an unknown type": [{"type": "http.response.begin"}],
    "no type": [{"status": 200}],
    "no mapping": ["http.response.start"],
    "a body before the start": [{"type": "http.response.body", "body": b"x"}],
    "two starts": [START, START],
    "a body that is text": [START, {"type": "http.response.body", "body": "text"}],
    "a body that is None": [START, {"type": "http.response.body", "body": None}],
    "no status": [{"type": "http.response.start"}],
    "a status below 200": [START | {"status": 99}, {"type": "http.response.body"}],
    "an interim status": [START | {"status": 101}, {"type": "http.response.body"}],
    "a status that is text": [START | {"status": "200"}, {"type": "http.response.body"}],
    "a status beyond a number": [START | {"status": 70_000}, {"type": "http.response.body"}],
    "headers that are none": [START | {"headers": [b"a"]}, {"type": "http.response.body"}],
    "a header with a line break": [START | {"headers": [(b"a", b"1\r\nb: 2")]}, {"type": "http.response.body"}],
    "a header with a colon in its name": [START | {"headers": [(b"a:", b"1")]}, {"type": "http.response.body"}],
    "a length that is none": [START | {"headers": [(b"content-length", b"x")]}, {"type": "http.response.body"}],
    "a length that is too large": [START | {"headers": [(b"content-length", b"9")]}, {"type": "http.response.body"}],
    "a length that is too small": [
        START | {"headers": [(b"content-length", b"1")]},
        {"type": "http.response.body", "body": b"xx"},
    ],
    "nothing": [],
    "a start alone": [START],
}


@pytest.mark.parametrize("messages", WRONG.values(), ids=WRONG.keys())
def test_wrong_messages_cost_a_500_and_are_logged_once(messages: Any, caplog: pytest.LogCaptureFixture) -> None:
    with serving(sending(*messages)) as engine, Client(engine) as client:
        assert client.get().status == 500
        assert client.get().status == 500
    assert len(errors(caplog)) == 2


PIECE: dict[str, Any] = {"type": "http.response.body", "body": b"x", "more_body": True}
TOO_LATE = {
    "a second start": [START, PIECE, START],
    "a body that is text": [START, PIECE, {"type": "http.response.body", "body": "text"}],
    "a body beyond the length": [START | {"headers": [(b"content-length", b"2")]}, PIECE, PIECE, PIECE],
    "a body that ends too early": [
        START | {"headers": [(b"content-length", b"3")]},
        PIECE,
        {"type": "http.response.body"},
    ],
    "no end": [START, PIECE],
}


@pytest.mark.parametrize("messages", TOO_LATE.values(), ids=TOO_LATE.keys())
def test_wrong_messages_within_an_answer_end_the_connection(messages: Any, caplog: pytest.LogCaptureFixture) -> None:
    with serving(sending(*messages)) as engine, Client(engine) as client:
        client.send(request())
        with pytest.raises((EOFError, ConnectionResetError)):
            client.read()
    assert len(errors(caplog)) == 1


def test_a_message_after_the_answer_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    body = {"type": "http.response.body", "body": b"whole"}
    with serving(sending(START, body, body)) as engine, Client(engine) as client:
        assert client.get().body == b"whole"
        assert client.get().body == b"whole"
        wait_until(lambda: len(errors(caplog)) == 2)


def test_a_wrong_message_can_be_caught_and_mended() -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send({"type": "http.response.body", "body": b"early"})
        except RuntimeError:
            await answer(send, b"mended")

    with serving(application) as engine, Client(engine) as client:
        assert client.get().body == b"mended"


@pytest.mark.parametrize("waits", [False, True], ids=["at once", "later"])
def test_an_application_that_cancels_itself_costs_a_500(waits: bool, caplog: pytest.LogCaptureFixture) -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if waits:
            await asyncio.sleep(0)
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(10)
        raise asyncio.CancelledError

    with serving(application) as engine, Client(engine) as client:
        assert client.get().status == 500
        assert client.get().status == 500
    assert len(errors(caplog)) == 2


@pytest.mark.parametrize("waits", [False, True], ids=["at once", "later"])
@pytest.mark.parametrize("error", [SystemExit(7), KeyboardInterrupt()], ids=["SystemExit", "KeyboardInterrupt"])
def test_exits_of_the_process_stop_the_engine(waits: bool, error: BaseException) -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            raise NotImplementedError
        if waits:
            await asyncio.sleep(0.001)
        raise error

    engine = floodway.Engine(ASGIHandler(application, ApplicationOptions()), "tcp://127.0.0.1:0", grace=20)
    engine.start()
    with Client(engine) as client:
        client.send(request())
        with pytest.raises(type(error)):
            engine.join(timeout=10)


def test_another_exception_that_is_no_exception_costs_a_500(caplog: pytest.LogCaptureFixture) -> None:
    class Odd(BaseException):
        pass

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/later":
            await asyncio.sleep(0)
        raise Odd

    with serving(application) as engine, Client(engine) as client:
        assert client.get().status == 500
        assert client.get("/later").status == 500
    assert len(errors(caplog)) == 2


def test_a_callable_that_returns_no_coroutine_costs_a_500(caplog: pytest.LogCaptureFixture) -> None:
    def application(scope: Scope, receive: Receive, send: Send) -> Any:
        if scope["type"] == "lifespan":
            raise NotImplementedError
        return 3

    handler: Any = ASGIHandler(application, ApplicationOptions())
    with floodway.Engine(handler, "tcp://127.0.0.1:0") as engine, Client(engine) as client:
        assert client.get().status == 500
    assert len(errors(caplog)) == 1
