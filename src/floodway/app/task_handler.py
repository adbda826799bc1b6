"""Requests as tasks: the base of handlers that call applications on the event loop of the reactor that has a request.

The task starts at once (Python 3.12 and newer), so a request whose application never waits is answered within its
batch.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

from floodway.app.apology import RAISED, ErrorLog, apologise
from floodway.app.application import describe_failure
from floodway.app.asgi.http import AsgiContext, AsgiExchange
from floodway.app.front import Front
from floodway.app.handler import Handler
from floodway.app.http1 import Http1
from floodway.app.message import Request
from floodway.config import ApplicationOptions
from floodway.conn.connection import Connection
from floodway.conn.engine import Engine
from floodway.conn.loop_reactor import CLEAN_UP_SECONDS
from floodway.conn.route import FramingLike

logger: Final = logging.getLogger(__name__)

STEP_SECONDS: Final = 0.1
"""How often a stop that waits for requests looks how long it still may."""

Tasks = dict[AsgiExchange, asyncio.Task[None]]


class TaskHandler(Handler[Any]):  # Any: a Request, a part of its body, or None for a client that has finished
    """Has a task answer each request. One that raises costs its client a 500, and nobody else anything."""

    event_loop = True

    def __init__(self, options: ApplicationOptions, *, whole_bodies: bool, debug: bool = False) -> None:
        """`debug`: send the traceback of what an application raises to the client."""
        self._front = Front(options)
        self.framing: FramingLike = Http1(
            whole_bodies=whole_bodies, server=options.server_header, intake=self._front.intake
        )
        self._debug = debug
        self._runs: dict[asyncio.AbstractEventLoop, tuple[AsgiContext, Tasks]] = {}
        self._errors = ErrorLog(logger)

    def on_start(self, engine: Engine) -> None:
        """Begin to count and log."""
        self._front.start(engine)
        self._engine = engine

    def on_stop(self) -> None:
        """Write what is to be logged."""
        self._front.stop()

    @asynccontextmanager
    async def running(self, context: AsgiContext) -> AsyncGenerator[None]:
        """Take requests on the running loop. It ends when they have, or their time is over."""
        loop = asyncio.get_running_loop()
        tasks: Tasks = {}  # asyncio itself does not keep them alive
        self._runs[loop] = context, tasks
        yield
        while tasks and (seconds := self._engine._seconds_left) > 0:  # noqa: SLF001 - made for this
            await asyncio.wait(tasks.values(), timeout=min(seconds, STEP_SECONDS))
        if tasks:
            logger.warning("the grace time is over; requests cancelled: %d", len(tasks))
            for task in tasks.values():
                task.cancel()
            await asyncio.wait(tasks.values(), timeout=CLEAN_UP_SECONDS)
        del self._runs[loop]

    def on_data(self, conn: Connection, data: Request | tuple[bytes, bool] | None) -> None:
        """A request begins, goes on, or its client has finished."""
        if type(data) is Request:
            context, tasks = self._runs[asyncio.get_running_loop()]
            begun = context.begin(data)
            if begun is None:
                return None  # answered already
            exchange, task = begun
            if isinstance(task, Exception):  # the application's: it is no coroutine function
                return self.end(conn, exchange, task, knows=False)
            if not task.done():
                conn.user_data = exchange  # what else happens to the connection is its matter
                tasks[exchange] = task
                task.add_done_callback(partial(_forget, tasks, exchange))
                task.add_done_callback(partial(self._on_done, conn, exchange))
            else:
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

    def task_of(self, exchange: AsgiExchange) -> asyncio.Task[None] | None:
        """The task of a request of the running loop, while it has one."""
        run = self._runs.get(asyncio.get_running_loop())
        return None if run is None else run[1].get(exchange)

    def _on_done(self, conn: Connection, exchange: AsgiExchange, task: asyncio.Task[None]) -> None:
        """The application has returned."""
        error = asyncio.CancelledError("its task was cancelled") if task.cancelled() else task.exception()
        if task.cancelled() and conn.is_closed:
            return  # the server stops, or it was cancelled since its client has left
        # Once it knows that the client has left, an application may well raise, or give up.
        self.end(conn, exchange, error, knows=exchange.knows or self.was_told(conn, task))

    def was_told(self, conn: Connection, task: asyncio.Task[None]) -> bool:  # noqa: ARG002 - for those that tell
        """Whether the application learned otherwise than from the exchange that its client has left."""
        return False

    def end(self, conn: Connection, exchange: AsgiExchange, error: BaseException | None, *, knows: bool) -> None:
        """See to what is missing of an answer. `knows`: the application was told that the client has left."""
        if conn.user_data is exchange:
            conn.user_data = None
        request = exchange.request
        if error is None and request._finished:  # noqa: SLF001 - made for applications' handlers
            return
        is_its_own = request._finished or not knows  # noqa: SLF001 - the same
        if not isinstance(error, (KeyboardInterrupt, SystemExit)):  # the event loop has raised those
            self._log(request, error, is_its_own=is_its_own)
        if not request._finished and not conn.is_closed:  # noqa: SLF001 - the same
            if self._debug and error is not None:
                apologise(request, describe_failure(error))
            else:
                apologise(request)

    def _log(self, request: Request, error: BaseException | None, *, is_its_own: bool) -> None:
        text = RAISED if error is not None else "the application returned without a complete answer to %s %s from %s"
        if is_its_own:
            self._errors.log(request, error, text)
        else:
            logger.debug(text, request.method, request.path, request.peer, exc_info=error)


def _forget(tasks: Tasks, exchange: AsgiExchange, _task: asyncio.Task[None]) -> None:
    tasks.pop(exchange, None)
