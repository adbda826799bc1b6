"""One HTTP request and its answer, as ASGI has it: what `receive` and `send` do (ASGI, HTTP, spec version 2.4)."""

import asyncio
from typing import Any, Final

from floodway.app.asgi.lifespan import Message
from floodway.app.message import Request

_DISCONNECT: Final = {"type": "http.disconnect"}


class Exchange:
    """What the application gets as `receive` and `send`. Belongs to the event loop's thread."""

    __slots__ = ("_body", "_has_left", "_head", "_is_read", "_loop", "_room", "request")

    def __init__(self, request: Request, loop: asyncio.AbstractEventLoop) -> None:
        self.request = request
        self._loop = loop
        self._head: tuple[int, Any] | None = None  # Any: the application's headers; status and headers, until sent
        self._is_read = False
        self._body: asyncio.Future[Message] | None = None
        self._room: asyncio.Future[None] | None = None
        self._has_left = False

    async def receive(self) -> Message:
        """The next part of the body; after the last, wait until the client leaves or the answer is complete."""
        if not self._is_read:
            self._is_read = not self.request._more or self._has_left  # noqa: SLF001 - made for applications' handlers
            if self._is_read or self.request.body:
                body, more = self.request.body, not self._is_read
                return {"type": "http.request", "body": body, "more_body": more}
        if self._has_left or self.request._finished:  # noqa: SLF001 - the same
            return _DISCONNECT.copy()
        if self._body is None:
            self._body = self._loop.create_future()
            if not self._is_read:
                self.request._read()  # noqa: SLF001 - the same
        return await asyncio.shield(self._body)

    async def send(self, message: Message) -> None:
        """Send the head or a part of the body. Returns when there is room for more.

        Raises ConnectionClosed, an OSError, once the client has gone; RuntimeError and ValueError for messages that
        cannot be sent.
        """
        kind = message["type"]
        if kind == "http.response.body":
            self._send_body(message.get("body", b""), more=message.get("more_body", False))
            while self._room is not None and not self._has_left:
                await self._room
        elif kind == "http.response.start":
            if self._head is not None or self.request._started:  # noqa: SLF001 - made for applications' handlers
                raise RuntimeError("http.response.start was sent twice; send http.response.body after it")
            self._head = message["status"], message.get("headers", ())
        else:
            raise RuntimeError(f"{kind!r} cannot be sent in answer to an HTTP request")

    def _send_body(self, body: bytes, *, more: bool) -> None:
        request, head = self.request, self._head
        if head is not None:
            self._head = None
            if not more:
                request._respond(head[0], head[1], body)  # noqa: SLF001 - made for applications' handlers
                return self._finish()
            request._start(head[0], head[1])  # noqa: SLF001 - the same
        if not request._send(body, more):  # noqa: SLF001 - the same
            self._room = self._loop.create_future()
        if not more:
            self._finish()
        return None

    def _finish(self) -> None:
        if self._body is not None and not self._body.done():
            self._body.set_result(_DISCONNECT.copy())

    def on_body(self, piece: bytes, *, more: bool) -> None:
        """A part of the body that was asked for has come."""
        self._is_read = not more
        future, self._body = self._body, None
        if future is not None and not future.done():
            future.set_result({"type": "http.request", "body": piece, "more_body": more})

    def on_writable(self) -> None:
        """There is room for more of the body."""
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)

    def on_left(self) -> None:
        """The client has finished, or the connection has ended."""
        self._has_left = True
        self.on_writable()
        self._finish()

    @property
    def is_begun(self) -> bool:
        """Whether the client has got a part of the answer."""
        return self.request._started  # noqa: SLF001 - made for applications' handlers
