"""Serves an ASGI application: every request becomes a task on the event loop of the reactor that has it.

The task starts at once (Python 3.12 and newer), so a request whose application never waits is answered within its
batch.
"""

import asyncio
import logging
import sys
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, Final

from floodway.app.asgi.http import AsgiContext, AsgiExchange, new_context
from floodway.app.asgi.lifespan import Application, Lifespan
from floodway.app.front import Front
from floodway.app.handler import Handler
from floodway.app.http1 import Http1
from floodway.app.message import Request, Response, complete
from floodway.base.address import TcpAddress
from floodway.config import ApplicationOptions
from floodway.conn.connection import Connection
from floodway.conn.engine import Engine
from floodway.conn.route import FramingLike
from floodway.errors import ConnectionClosed
from floodway.log import Throttle

logger: Final = logging.getLogger(__name__)

_EAGER: Final[dict[str, Any]] = {"eager_start": True} if sys.version_info >= (3, 12) else {}


class ASGIHandler(Handler[Any]):  # Any: a Request, a part of its body, or None for a client that has finished
    """Calls an ASGI 3 application. One that raises costs its client a 500, and nobody else anything."""

    event_loop = True

    def __init__(self, application: Application, options: ApplicationOptions) -> None:
        self._front = Front(options)
        self.framing: FramingLike = Http1(whole_bodies=False, server=options.server_header, intake=self._front.intake)
        self._root_path = options.root_path
        self._application = application
        self._server: tuple[str, int | None] | None = None
        self._contexts: dict[asyncio.AbstractEventLoop, AsgiContext] = {}
        self._throttle = Throttle(burst=20)  # clients may be able to make it raise at will

    def on_start(self, engine: Engine) -> None:
        """Remember where all requests will come in, if there is one such place."""
        self._front.start(engine)
        first, *others = engine.addresses
        if isinstance(first, TcpAddress) and first.host not in ("0.0.0.0", "::") and not others:
            self._server = first.host, first.port

    def on_stop(self) -> None:
        """Write what is to be logged."""
        self._front.stop()

    def lifespan(self) -> AbstractAsyncContextManager[object]:
        """One run of the application, on the running loop."""
        loop = asyncio.get_running_loop()
        lifespan = Lifespan(self._application)
        self._contexts[loop] = new_context(loop, lifespan.state, self._server, self._root_path)
        return lifespan

    def on_data(self, conn: Connection, data: Request | tuple[bytes, bool] | None) -> None:
        """A request begins, goes on, or its client has finished."""
        if type(data) is Request:
            loop = asyncio.get_running_loop()
            exchange = AsgiExchange(self._contexts[loop], data)
            conn.user_data = exchange
            coroutine: Any = self._application(exchange.scope(), exchange.receive, exchange.send)
            task: asyncio.Task[None] = asyncio.Task(coroutine, loop=loop, **_EAGER)
            if task.done():
                self._on_done(conn, exchange, task)
            else:
                task.add_done_callback(partial(self._on_done, conn, exchange))
        elif type(exchange := conn.user_data) is AsgiExchange:
            if data is None:
                exchange.on_left()
            else:
                exchange.on_body(*data)

    def on_writable(self, conn: Connection) -> None:
        """Let the application go on."""
        if type(exchange := conn.user_data) is AsgiExchange:
            exchange.on_writable()

    def on_close(self, conn: Connection, error: BaseException | None) -> None:  # noqa: ARG002 - Handler's
        """Tell the application, if it is still at it."""
        if type(exchange := conn.user_data) is AsgiExchange:
            exchange.on_left()

    def _on_done(self, conn: Connection, exchange: AsgiExchange, task: asyncio.Task[None]) -> None:
        """The application has returned."""
        if conn.user_data is exchange:
            conn.user_data = None
        error = asyncio.CancelledError("its task was cancelled") if task.cancelled() else task.exception()
        request = exchange.request
        if error is None and request._finished:  # noqa: SLF001 - made for applications' handlers
            return
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise error  # for the engine, which stops
        if not conn.is_closed:  # nobody would be told, and an application may well raise then
            self._apologise(conn, request, error)

    def _apologise(self, conn: Connection, request: Request, error: BaseException | None) -> None:
        """Say what is wrong in the log, and to the client with 500, unless it has got a part of the answer."""
        text = (
            "the application raised for %s %s from %s"
            if error is not None
            else "the application returned without a complete answer to %s %s from %s"
        )
        extra = {"conn": conn.id, "peer": conn.peer}
        self._throttle.log(
            logger, logging.ERROR, text, request.method, request.path, conn.peer, error=error, extra=extra
        )
        if request._finished:  # noqa: SLF001 - made for applications' handlers
            return
        if request._started:  # noqa: SLF001 - the same
            conn.abort()
            return
        try:
            complete(request, Response("Internal Server Error\n", 500))
        except ConnectionClosed:
            pass  # it has gone
