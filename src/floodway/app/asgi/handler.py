"""Serves an ASGI application: every request becomes a task on the event loop of the reactor that has it.

The task starts at once (Python 3.12 and newer), so a request whose application never waits is answered within its
batch.
"""

import asyncio
import logging
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

from floodway.app.apology import RAISED, ErrorLog, apologise
from floodway.app.asgi.http import AsgiContext, AsgiExchange, new_context
from floodway.app.asgi.lifespan import Application, Lifespan
from floodway.app.front import Front
from floodway.app.handler import Handler
from floodway.app.http1 import Http1
from floodway.app.message import Request
from floodway.base.address import TcpAddress
from floodway.config import ApplicationOptions
from floodway.conn.connection import Connection
from floodway.conn.engine import Engine
from floodway.conn.loop_reactor import CLEAN_UP_SECONDS
from floodway.conn.route import FramingLike

logger: Final = logging.getLogger(__name__)

STEP_SECONDS: Final = 0.1
"""How often a stop that waits for requests looks how long it still may."""

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
        self._runs: dict[asyncio.AbstractEventLoop, tuple[AsgiContext, set[asyncio.Task[None]]]] = {}
        self._errors = ErrorLog(logger)

    def on_start(self, engine: Engine) -> None:
        """Remember where all requests will come in, if there is one such place."""
        self._front.start(engine)
        self._engine = engine
        first, *others = engine.addresses
        if isinstance(first, TcpAddress) and first.host not in ("0.0.0.0", "::") and not others:
            self._server = first.host, first.port

    def on_stop(self) -> None:
        """Write what is to be logged."""
        self._front.stop()

    @asynccontextmanager
    async def lifespan(self) -> AsyncGenerator[None]:
        """One run of the application, on the running loop. It ends when its requests have, or their time is over."""
        loop = asyncio.get_running_loop()
        async with Lifespan(self._application) as lifespan:
            tasks: set[asyncio.Task[None]] = set()  # asyncio itself does not keep them alive
            self._runs[loop] = new_context(loop, lifespan.state, self._server, self._root_path), tasks
            yield
            while tasks and (seconds := self._engine._seconds_left) > 0:  # noqa: SLF001 - made for this
                await asyncio.wait(tasks, timeout=min(seconds, STEP_SECONDS))
            if tasks:
                logger.warning("the grace time is over; requests cancelled: %d", len(tasks))
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks, timeout=CLEAN_UP_SECONDS)
        del self._runs[loop]

    def on_data(self, conn: Connection, data: Request | tuple[bytes, bool] | None) -> None:
        """A request begins, goes on, or its client has finished."""
        if type(data) is Request:
            loop = asyncio.get_running_loop()
            context, tasks = self._runs[loop]
            exchange = AsgiExchange(context, data)
            try:
                coroutine: Any = self._application(exchange.scope(), exchange.receive, exchange.send)
                task: asyncio.Task[None] = asyncio.Task(coroutine, loop=loop, **_EAGER)
            except Exception as error:  # noqa: BLE001 - the application's: it is no coroutine function
                return self._end(conn, exchange, error)
            if not task.done():
                conn.user_data = exchange  # what else happens to the connection is its matter
                tasks.add(task)
                task.add_done_callback(tasks.discard)
                task.add_done_callback(partial(self._on_done, conn, exchange))
            elif task.cancelled() or task.exception() is not None or not data._finished:  # noqa: SLF001 - as below
                self._on_done(conn, exchange, task)
        elif type(exchange := conn.user_data) is AsgiExchange:
            if data is None:
                exchange.on_left()
            else:
                exchange.on_body(*data)
        return None

    def on_writable(self, conn: Connection) -> None:
        """Let the application go on."""
        if type(exchange := conn.user_data) is AsgiExchange:
            exchange.on_writable()

    def on_close(self, conn: Connection, error: BaseException | None) -> None:  # noqa: ARG002 - Handler's
        """Tell the application, if it is still at it."""
        if type(exchange := conn.user_data) is AsgiExchange:
            exchange.on_close()

    def _on_done(self, conn: Connection, exchange: AsgiExchange, task: asyncio.Task[None]) -> None:
        """The application has returned."""
        error = asyncio.CancelledError("its task was cancelled") if task.cancelled() else task.exception()
        if not (task.cancelled() and conn.is_closed):  # if so, the server stops
            self._end(conn, exchange, error)

    def _end(self, conn: Connection, exchange: AsgiExchange, error: BaseException | None) -> None:
        if conn.user_data is exchange:
            conn.user_data = None
        request = exchange.request
        if error is None and request._finished:  # noqa: SLF001 - made for applications' handlers
            return
        # Once it knows that the client has left, an application may well raise, or give up.
        is_its_own = request._finished or not exchange.knows  # noqa: SLF001 - the same
        if not isinstance(error, (KeyboardInterrupt, SystemExit)):  # the event loop has raised those
            self._log(request, error, is_its_own=is_its_own)
        if not request._finished and not conn.is_closed:  # noqa: SLF001 - the same
            apologise(request)

    def _log(self, request: Request, error: BaseException | None, *, is_its_own: bool) -> None:
        text = RAISED if error is not None else "the application returned without a complete answer to %s %s from %s"
        if is_its_own:
            self._errors.log(request, error, text)
        else:
            logger.debug(text, request.method, request.path, request.peer, exc_info=error)
