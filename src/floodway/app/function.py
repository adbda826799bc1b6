"""Plain functions as applications: a request in, an answer out.

A request comes when its body is complete. What the function returns is sent at once; a body that is an iterator is
drawn from as fast as the client takes it.
"""

import logging
from collections.abc import AsyncIterable, Callable, Iterator
from typing import Final

from floodway.app.apology import ErrorLog, apologise
from floodway.app.application import describe_failure
from floodway.app.front import Front
from floodway.app.handler import Handler
from floodway.app.http1 import Http1
from floodway.app.message import BODILESS, Request, Response, complete
from floodway.config import ApplicationOptions
from floodway.conn.connection import Connection
from floodway.conn.engine import Engine
from floodway.conn.route import FramingLike
from floodway.errors import ConnectionClosed

logger: Final = logging.getLogger(__name__)


class FunctionHandler(Handler[Request]):
    """Serves a function of one parameter over HTTP. One that raises costs its client a 500, nobody else anything."""

    def __init__(self, function: Callable[[Request], object], options: ApplicationOptions) -> None:
        self._front = Front(options)
        self.framing: FramingLike = Http1(whole_bodies=True, server=options.server_header, intake=self._front.intake)
        self._function = function
        self._debug = options.debug
        self._errors = ErrorLog(logger)

    def on_start(self, engine: Engine) -> None:
        """Begin to count and log."""
        self._front.start(engine)

    def on_stop(self) -> None:
        """Write what is to be logged."""
        self._front.stop()

    def on_data(self, conn: Connection, data: Request) -> None:
        """Answer a request."""
        try:
            unsent = complete(data, self._function(data))
            if unsent is not None:
                self._begin(conn, data, unsent)
        except ConnectionClosed:
            pass  # the client has left; on_close says why
        except Exception as error:  # noqa: BLE001 - the application's
            self._fail(data, error)

    def on_writable(self, conn: Connection) -> None:
        """Go on with a body that waited for the client."""
        stream = conn.user_data
        if isinstance(stream, _Stream):
            self._continue(conn, stream)

    def on_close(self, conn: Connection, error: BaseException | None) -> None:  # noqa: ARG002 - Handler's
        """Let go of a body that nobody takes any more."""
        if isinstance(conn.user_data, _Stream):
            conn.user_data.close()

    def _begin(self, conn: Connection, request: Request, answer: Response) -> None:
        if isinstance(answer.body, AsyncIterable):
            raise TypeError("an asynchronous body needs a coroutine function: write async def, or make it an iterator")
        stream = _Stream(request, iter(answer.body))  # type: ignore[arg-type]  # TypeError if it is no iterable
        try:
            request._start(answer.status, answer.headers)  # noqa: SLF001 - made for applications' handlers
        except BaseException:
            stream.close()
            raise
        if request.method == "HEAD" or answer.status in BODILESS:
            stream.finish()  # nobody would ever be behind with what is not sent
            return
        conn.user_data = stream
        self._continue(conn, stream)

    def _continue(self, conn: Connection, stream: "_Stream") -> None:
        try:
            if stream.send():
                conn.user_data = None
        except ConnectionClosed:
            stream.close()
        except Exception as error:  # noqa: BLE001 - the application's
            stream.close()
            self._fail(stream.request, error)

    def _fail(self, request: Request, error: Exception) -> None:
        self._errors.log(request, error)
        if self._debug:
            apologise(request, describe_failure(error))
        else:
            apologise(request)


class _Stream:
    """A body that is being sent, and where it comes from."""

    __slots__ = ("_pieces", "request")

    def __init__(self, request: Request, pieces: Iterator[bytes]) -> None:
        self.request = request
        self._pieces = pieces

    def send(self) -> bool:
        """Send until the client is behind. Returns whether that was all; if not, on_writable follows."""
        for piece in self._pieces:
            if not self.request._send(piece, more=True):  # noqa: SLF001 - made for applications' handlers
                return False
        self.request._send(b"", more=False)  # noqa: SLF001 - the same
        return True

    def finish(self) -> None:
        """End the answer without drawing any more."""
        self.close()
        self.request._send(b"", more=False)  # noqa: SLF001 - the same

    def close(self) -> None:
        """Tell a generator that nobody draws from it any more."""
        close = getattr(self._pieces, "close", None)
        if close is not None:
            close()
