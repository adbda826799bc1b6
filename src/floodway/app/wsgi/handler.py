"""WSGI on the reactor's own thread (`threads=0`), and which handler it is that serves an application.

A request comes when its body is complete, since an application that runs here can wait for nothing.
"""

from io import BytesIO
from typing import cast

from floodway.app.front import Front
from floodway.app.handler import Handler
from floodway.app.http1 import Http1
from floodway.app.message import Request
from floodway.app.wsgi.answer import Answer, Application
from floodway.app.wsgi.caller import Caller
from floodway.app.wsgi.environ import environ_builder
from floodway.app.wsgi.threaded import ThreadedHandler
from floodway.config import ApplicationOptions
from floodway.conn.connection import Connection
from floodway.conn.engine import Engine
from floodway.conn.route import FramingLike, HandlerLike


def wsgi_handler(application: object, options: ApplicationOptions, threads: int | None) -> HandlerLike:
    """What serves a WSGI application with so many threads; None: one, 0: none but the reactor's."""
    called = cast("Application", application)
    if threads == 0:
        return InlineHandler(called, options)
    return ThreadedHandler(called, options, 1 if threads is None else threads)


class InlineHandler(Handler[Request]):
    """Calls an application that never blocks on the thread of its connection's reactor."""

    own_threads = True

    def __init__(self, application: Application, options: ApplicationOptions) -> None:
        self._front = Front(options)
        self.framing: FramingLike = Http1(whole_bodies=True, server=options.server_header, intake=self._front.intake)
        self._root_path = options.root_path
        self._caller = Caller(application)

    def on_start(self, engine: Engine) -> None:
        """Learn what every environ says of the server."""
        self._front.start(engine)
        reactors = engine.model.sub_reactors or engine.model.main_reactors
        builder = environ_builder(root_path=self._root_path, multithread=reactors > 1, multiprocess=engine.is_worker)
        self._environ = builder.build

    def on_stop(self) -> None:
        """Write what is to be logged."""
        self._front.stop()

    def on_data(self, conn: Connection, data: Request) -> None:
        """Answer a request."""
        environ = self._environ(data)
        environ["wsgi.input"] = BytesIO(data.body)
        answer = self._caller.call(data, environ)
        if answer is not None:
            conn.user_data = answer

    def on_writable(self, conn: Connection) -> None:
        """Go on with a body that waited for the client."""
        answer = conn.user_data
        if isinstance(answer, Answer) and self._caller.go_on(answer):
            conn.user_data = None

    def on_close(self, conn: Connection, error: BaseException | None) -> None:  # noqa: ARG002 - Handler's
        """Let go of a body that nobody takes any more."""
        if isinstance(answer := conn.user_data, Answer):
            self._caller.close(answer)
