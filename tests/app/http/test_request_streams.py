"""Bodies of requests that a coroutine function takes piece by piece."""

import asyncio
import logging
import threading
from typing import Any

import pytest

import floodway
from floodway.app.interface import load_application
from floodway.app.message import Request
from floodway.config import ApplicationOptions
from tests.helpers.http_client import Client, chunked, get, post, serving
from tests.helpers.peers import reset
from tests.helpers.waiting import PATIENCE_SECONDS, wait_until

LARGE = bytes(range(256)) * (24 << 12)  # 24 MiB: more than a whole body may have


@floodway.streaming
async def measure(request: Request) -> str:
    pieces = [len(piece) async for piece in request.stream()]
    return f"{sum(pieces)} {0 in pieces}"


def test_a_body_of_any_size_comes_piece_by_piece(driver: Any) -> None:
    largest = 0

    @floodway.streaming
    async def app(request: Request) -> str:
        nonlocal largest
        length = 0
        async for piece in request.stream():
            largest = max(largest, len(piece))
            length += len(piece)
        return str(length)

    with serving(app, driver=driver) as engine, Client.of(engine) as client:
        for _ in range(2):
            assert client.ask(post(LARGE)).body == str(len(LARGE)).encode()
    assert largest < 1 << 20


@pytest.mark.parametrize("request_", [get(), post(b""), chunked()], ids=["none", "empty", "no chunks"])
def test_where_there_is_no_body_there_is_no_piece(request_: bytes) -> None:
    with serving(measure) as engine, Client.of(engine) as client:
        assert [client.ask(request_).body for _ in range(2)] == [b"0 False"] * 2


def test_chunks_are_taken_apart() -> None:
    with serving(measure) as engine, Client.of(engine) as client:
        assert client.ask(chunked(b"one", b"three")).body == b"8 False"


def test_a_body_that_is_there_is_one_piece() -> None:
    async def app(request: Request) -> str:
        pieces = [piece async for piece in request.stream()]
        return str(pieces == [request.body])

    with serving(app) as engine, Client.of(engine) as client:
        assert client.ask(post(b"x" * 100_000)).body == b"True"


def test_max_body_holds_where_it_is_set(caplog: pytest.LogCaptureFixture) -> None:
    with serving(measure, max_body=1000) as engine, Client.of(engine) as client:
        assert client.ask(post(b"x" * 1000)).body == b"1000 False"
        assert client.ask(get("/", "Content-Length: 1001", method="POST")).status == 413


def test_a_client_is_told_to_continue_at_the_first_read() -> None:
    reading = threading.Event()

    @floodway.streaming
    async def app(request: Request) -> str:
        while not reading.is_set():  # noqa: ASYNC110 - set by another thread
            await asyncio.sleep(0.005)
        return await measure(request)

    with serving(app) as engine, Client.of(engine) as client:
        client.send(get("/", "Content-Length: 3", "Expect: 100-continue", method="POST"))
        client.socket.settimeout(0.1)
        with pytest.raises(TimeoutError):
            client.socket.recv(1)
        client.socket.settimeout(PATIENCE_SECONDS)
        reading.set()
        assert client.answer().status == 100
        client.send(b"abc")
        assert client.answer().body == b"3 False"


def test_an_answer_without_a_read_needs_no_body() -> None:
    @floodway.streaming
    async def app(request: Request) -> str:
        return "refused"

    with serving(app) as engine, Client.of(engine) as client:
        answer = client.ask(get("/", "Content-Length: 3", "Expect: 100-continue", method="POST"))
        assert (answer.body, answer.closes) == (b"refused", False) or client.is_closed()


def test_what_is_not_read_stays_with_the_client() -> None:
    reading, begun = threading.Event(), threading.Event()

    @floodway.streaming
    async def app(request: Request) -> str:
        begun.set()
        while not reading.is_set():  # noqa: ASYNC110 - set by another thread
            await asyncio.sleep(0.005)
        return await measure(request)

    with serving(app) as engine, Client.of(engine) as client:
        sender = threading.Thread(target=client.send, args=(post(b"x" * (64 << 20)),))
        sender.start()
        assert begun.wait(PATIENCE_SECONDS)
        asyncio.run(asyncio.sleep(0.2))
        assert engine.stats().total.bytes_in < 2 << 20
        reading.set()
        assert client.answer().body == b"%d False" % (64 << 20)
        sender.join()


@pytest.mark.parametrize("how", ["fin", "reset"])
def test_a_client_that_leaves_within_its_body_ends_the_function(caplog: pytest.LogCaptureFixture, how: str) -> None:
    caplog.set_level(logging.INFO, "floodway.app")
    ends: list[type[BaseException]] = []
    begun = threading.Event()

    @floodway.streaming
    async def app(request: Request) -> str:
        try:
            async for _ in request.stream():
                begun.set()
        except BaseException as error:
            ends.append(type(error))
            raise
        return "never"

    with serving(app) as engine:
        with Client.of(engine) as client:
            client.send(get("/", "Content-Length: 100", method="POST") + b"12345")
            assert begun.wait(PATIENCE_SECONDS)
            if how == "reset":
                reset(client.socket)
        wait_until(lambda: ends != [], "the end of the function")
        wait_until(lambda: not engine.connections(), "the end of the connection")
    assert ends[0] in (floodway.ConnectionClosed, asyncio.CancelledError)
    assert not [one for one in caplog.records if one.name.startswith("floodway.app")]


def test_a_body_is_streamed_once(caplog: pytest.LogCaptureFixture) -> None:
    @floodway.streaming
    async def app(request: Request) -> str:
        await measure(request)
        return await measure(request)

    with serving(app) as engine, Client.of(engine) as client:
        assert client.ask(post(LARGE)).status == 500
    assert "streamed already" in caplog.text


class Streaming:
    streams_body = True

    async def __call__(self, request: Request) -> str:
        return await measure(request)


class Decorated:
    @floodway.streaming
    async def __call__(self, request: Request) -> str:
        return await measure(request)


@pytest.mark.parametrize("app", [Streaming(), Decorated(), Decorated().__call__])
def test_objects_may_ask_for_it_too(app: Any) -> None:
    with serving(app) as engine, Client.of(engine) as client:
        assert client.ask(post(LARGE)).body == b"%d False" % len(LARGE)


def test_a_function_that_cannot_wait_cannot_stream() -> None:
    @floodway.streaming
    def app(request: Request) -> str:
        return "never"

    with pytest.raises(TypeError, match="asks to stream bodies and is no coroutine function; write async def"):
        load_application(app, ApplicationOptions())
