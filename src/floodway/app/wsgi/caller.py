"""Calls a WSGI application, and sees to what it raises: its client gets a 500, nobody else anything."""

import logging
from typing import Final

from floodway.app.message import Request, Response, complete
from floodway.app.wsgi.answer import Answer, Application, Environ
from floodway.errors import ConnectionClosed
from floodway.log import Throttle

logger: Final = logging.getLogger(__name__)


class Caller:
    """An application and its failures. Any thread."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._throttle = Throttle(burst=20)  # clients may be able to make it raise at will

    def call(self, request: Request, environ: Environ) -> Answer | None:
        """Answer a request. Returns what is still to be sent, when the client is behind; `go_on` does that."""
        answer = Answer(request)
        try:
            if not answer.send(self._application(environ, answer.start_response)):
                return answer
        except Exception as error:  # noqa: BLE001 - the application's
            self._apologise(request, error)
        self.close(answer)
        return None

    def go_on(self, answer: Answer) -> bool:
        """Send more of an answer. Returns whether it is over."""
        try:
            if not answer.go_on():
                return False
        except Exception as error:  # noqa: BLE001 - the application's
            self._apologise(answer.request, error)
        self.close(answer)
        return True

    def close(self, answer: Answer) -> None:
        """Close the application's iterable, whatever has become of the answer."""
        try:
            answer.close()
        except Exception as error:  # noqa: BLE001 - the application's
            self._log(answer.request, error)

    def _apologise(self, request: Request, error: Exception) -> None:
        """Answer with 500; where an answer has begun, only the end of the connection says that it failed."""
        if request.connection.is_closed:
            return  # the client has left or was refused, and an application may well raise then
        if isinstance(error, ConnectionClosed):
            request.connection.abort()  # it has left within its body
            return
        self._log(request, error)
        if request._started:  # noqa: SLF001 - made for applications' handlers
            request.connection.abort()
            return
        try:
            complete(request, Response("Internal Server Error\n", 500))
        except ConnectionClosed:
            pass  # it has left meanwhile

    def _log(self, request: Request, error: Exception) -> None:
        text = "the application raised for %s %s from %s"
        extra = {"conn": request.connection.id, "peer": request.peer}
        self._throttle.log(
            logger, logging.ERROR, text, request.method, request.path, request.peer, error=error, extra=extra
        )
