"""ASGI applications behind an engine of this process: they share their lists and events with the test."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import floodway
from floodway.app.asgi.handler import ASGIHandler
from floodway.config import ApplicationOptions
from tests.helpers.waiting import PATIENCE_SECONDS

ADDRESS = "tcp://127.0.0.1:0"

Scope: TypeAlias = dict[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[dict[str, Any]]]
Send: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


@contextmanager
def serving(
    application: Application, *addresses: str, application_options: ApplicationOptions | None = None, **options: Any
) -> Iterator[floodway.Engine]:
    """A running engine with this application, which need not know lifespan. Options: the engine's."""

    async def http_only(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])
        await application(scope, receive, send)

    with serving_with_lifespan(http_only, *addresses, application_options=application_options, **options) as engine:
        yield engine


@contextmanager
def serving_with_lifespan(
    application: Application, *addresses: str, application_options: ApplicationOptions | None = None, **options: Any
) -> Iterator[floodway.Engine]:
    """A running engine with this application, which gets every scope."""
    options.setdefault("grace", 5)
    handler = ASGIHandler(application, application_options or ApplicationOptions())
    with floodway.Engine(handler, *(addresses or (ADDRESS,)), **options) as engine:
        yield engine


async def answer(send: Send, body: bytes = b"", status: int = 200, headers: Any = ()) -> None:
    """A whole answer."""
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def read_body(receive: Receive) -> bytes:
    """The whole body of the request."""
    body = bytearray()
    while True:
        message = await receive()
        assert message["type"] == "http.request", message
        body += message["body"]
        if not message["more_body"]:
            return bytes(body)


class Gate:
    """What a test opens and an application waits for."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def open(self) -> None:
        """From the test."""
        self._event.set()

    async def wait(self) -> None:
        """In the application."""
        while not self._event.is_set():
            await asyncio.sleep(0.005)


class Signal:
    """What an application sets and a test waits for."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        """In the application."""
        self._event.set()

    def wait(self) -> None:
        """In the test."""
        assert self._event.wait(PATIENCE_SECONDS), "the application did not get that far"
