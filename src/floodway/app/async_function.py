"""Coroutine functions as applications: as `function`, on an event loop.

The task of a request ends with its connection: it is cancelled once nobody is there to get an answer, so whatever a
function waits for, clients that leave cannot make a server collect those who wait.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Final, cast

from floodway.app.asgi.http import AsgiExchange, new_context
from floodway.app.message import BODILESS, Request, Response, complete, streams_body
from floodway.app.task_handler import TaskHandler
from floodway.config import ApplicationOptions
from floodway.conn.connection import Connection
from floodway.errors import ConnectionClosed

_PIECE: Final = "http.response.body"


class AsyncFunctionHandler(TaskHandler):
    """Serves a coroutine function of one parameter. One that raises costs its client a 500, nobody else anything."""

    def __init__(self, function: Callable[[Request], Awaitable[object]], options: ApplicationOptions) -> None:
        super().__init__(options, whole_bodies=not streams_body(function), debug=options.debug)
        self._function = function

    def lifespan(self) -> AbstractAsyncContextManager[None]:
        """Functions have none: what is entered is the taking of requests."""
        return self.running(new_context(asyncio.get_running_loop(), self._call))

    async def _call(self, exchange: AsgiExchange) -> None:
        """Answer a request."""
        request = exchange.request
        if not request._more:  # noqa: SLF001 - made for applications' handlers
            return await self._answer(exchange)
        conn = request.connection
        conn.user_data = exchange  # where `Request.stream` looks for it
        try:
            await self._answer(exchange)
        finally:
            if conn.user_data is exchange:
                conn.user_data = None
        return None

    async def _answer(self, exchange: AsgiExchange) -> None:
        unsent = complete(exchange.request, await self._function(exchange.request))
        if unsent is not None:
            await _stream(exchange, unsent)

    def on_close(self, conn: Connection, error: BaseException | None) -> None:
        """Cancel the task, unless its answer is complete."""
        exchange = conn.user_data
        if type(exchange) is AsgiExchange and not exchange.request._finished:  # noqa: SLF001 - the same
            task = self.task_of(exchange)
            if task is not None:
                task.cancel()
        super().on_close(conn, error)

    def was_told(self, conn: Connection, task: asyncio.Task[None]) -> bool:
        """Whether it was cancelled because its client has left."""
        return conn.is_closed and task.cancelling() > 0

    def end(self, conn: Connection, exchange: AsgiExchange, error: BaseException | None, *, knows: bool) -> None:
        """The same as for any task; but an answer that nobody can get is missed by nobody."""
        is_for_nobody = conn.is_closed and (error is None or isinstance(error, ConnectionClosed))
        super().end(conn, exchange, error, knows=knows or is_for_nobody)


async def _stream(exchange: AsgiExchange, answer: Response) -> None:
    """Send a body piece by piece, as fast as the client takes it."""
    request, body = exchange.request, answer.body
    pieces = aiter(body) if isinstance(body, AsyncIterable) else iter(cast("Iterable[bytes]", body))
    try:
        request._start(answer.status, answer.headers)  # noqa: SLF001 - made for applications' handlers
        if request.method == "HEAD" or answer.status in BODILESS:
            pass  # nobody would ever be behind with what is not sent
        elif isinstance(pieces, AsyncIterator):
            async for piece in pieces:
                await exchange.send({"type": _PIECE, "body": piece, "more_body": True})
        else:
            for piece in pieces:
                await exchange.send({"type": _PIECE, "body": piece, "more_body": True})
        request._send(b"", more=False)  # noqa: SLF001 - the same
    finally:
        await _close(pieces)


async def _close(pieces: object) -> None:
    """Tell a generator of either kind that nobody draws from it any more."""
    if (aclose := getattr(pieces, "aclose", None)) is not None:
        await aclose()
    elif (close := getattr(pieces, "close", None)) is not None:
        close()
