"""ASGI applications behind an engine of this process: they share their lists and events with the test."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from socket import SHUT_WR
from typing import Any, TypeAlias

import floodway
from floodway.app.asgi.handler import ASGIHandler
from floodway.config import ApplicationOptions
from tests.helpers import http_client
from tests.helpers.peers import dial
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
        while not self._event.is_set():  # noqa: ASYNC110 - set by another thread
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer. Names of headers are in lower case; values of a name that comes twice are joined by ", "."""

    status: int
    headers: dict[str, str]
    body: bytes


class Client(http_client.Client):
    """One connection; an answer that is cut off raises EOFError."""

    def __init__(self, engine: floodway.Engine, index: int = 0, *, receive_buffer: int | None = None) -> None:
        super().__init__(dial(engine, index, receive_buffer=receive_buffer))

    def get(self, target: str = "/", *, method: str = "GET", headers: str = "", body: bytes = b"") -> Answer:
        """Send a request and read its answer. `headers`: whole lines, each ended by CR LF."""
        self.send(request(target, method=method, headers=headers, body=body))
        return self.read(method=method)

    def read(self, *, method: str = "GET") -> Answer:
        """The next answer, whole. `method`: of its request."""
        found = self.answer(method)
        if not found.complete:
            raise EOFError(f"the answer was cut off after {len(found.body)} bytes")
        return Answer(status=found.status, headers=_joined(found.headers), body=found.body)

    def read_head(self) -> tuple[int, dict[str, str]]:
        """Status and headers of what comes next."""
        status, headers = self.head()
        return status, _joined(headers)

    def pieces(self) -> list[bytes]:
        """The chunks up to the last one."""
        return list(iter(self.piece, b""))

    def finish(self) -> None:
        """Send FIN and go on reading."""
        self.socket.shutdown(SHUT_WR)


def request(target: str = "/", *, method: str = "GET", headers: str = "", body: bytes = b"") -> bytes:
    """A request of HTTP/1.1. Its length is given if there is a body, unless `headers` frame it."""
    is_framed = "transfer-encoding" in headers.lower() or "content-length" in headers.lower()
    length = f"content-length: {len(body)}\r\n" if body and not is_framed else ""
    return f"{method} {target} HTTP/1.1\r\nhost: test\r\n{length}{headers}\r\n".encode("latin-1") + body


def _joined(headers: list[tuple[str, str]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        joined[key] = f"{joined[key]}, {value}" if key in joined else value
    return joined
