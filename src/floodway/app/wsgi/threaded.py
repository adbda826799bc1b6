"""WSGI on threads of its own, which wait in the native core for the next request.

The reactor reads requests, sends answers and never needs the interpreter. A request comes with its head, and its body
as it is read. Reading and writing wait for the client, and end with ConnectionClosed when it leaves.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from floodway.app.front import Front
from floodway.app.handler import Handler
from floodway.app.http1 import Http1, RequestQueue
from floodway.app.message import Request
from floodway.app.wsgi.answer import Application, Environ
from floodway.app.wsgi.body import body_of
from floodway.app.wsgi.caller import Caller
from floodway.app.wsgi.environ import environ_builder
from floodway.config import ApplicationOptions
from floodway.conn.engine import Engine
from floodway.conn.reactor import stack_of
from floodway.conn.route import FramingLike
from floodway.limits import MAX_WAITING_REQUESTS

logger: Final = logging.getLogger(__name__)

SETTLE_SECONDS: Final = 0.75
"""How long threads have to end, once every connection has: well before `Engine.join` would take `on_stop` for stuck."""


class ThreadedHandler(Handler[Request]):
    """Calls an application on `threads` threads, for one engine. A request that finds too many waiting gets a 503."""

    own_threads = True

    def __init__(
        self,
        application: Application,
        options: ApplicationOptions,
        threads: int,
        max_waiting: int = MAX_WAITING_REQUESTS,
    ) -> None:
        self._queue = RequestQueue(max_waiting)
        self._front = Front(options)
        self.framing: FramingLike = Http1(
            whole_bodies=False, server=options.server_header, queue=self._queue, intake=self._front.intake
        )
        self._root_path = options.root_path
        self._caller = Caller(application)
        self._threads = [
            threading.Thread(target=self._run, name=f"floodway-wsgi-{number}", daemon=True) for number in range(threads)
        ]

    def on_start(self, engine: Engine) -> None:
        """Start the threads."""
        self._front.start(engine)
        self._is_worker = engine.is_worker
        for thread in self._threads:
            thread.start()

    def on_stop(self) -> None:
        """Let the threads end. One that the application holds is named in the log, and left behind."""
        self._queue.end()
        deadline = time.monotonic() + SETTLE_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                logger.error("%s is stuck in the application:\n%s", thread.name, stack_of(thread))
        self._front.stop()

    def _run(self) -> None:
        builder = environ_builder(
            root_path=self._root_path, multithread=len(self._threads) > 1, multiprocess=self._is_worker
        )
        while self._run_next(builder.build):
            pass

    def _run_next(self, environ_of: Callable[[Request], Environ]) -> bool:
        """Answer one request, in a frame of its own: while the thread waits it must hold nothing of the last one."""
        request = self._queue.next()
        if request is None:
            return False
        environ = environ_of(request)
        if request._more:  # noqa: SLF001 - made for applications' handlers
            environ["wsgi.input"] = body_of(request)
        try:
            self._caller.call(request, environ)
        except BaseException as error:  # noqa: BLE001 - SystemExit or KeyboardInterrupt: the engine is to stop
            request.connection.abort()
            request.connection.reactor.call_soon(_raise, error)
        return True


def _raise(error: BaseException) -> None:
    raise error
