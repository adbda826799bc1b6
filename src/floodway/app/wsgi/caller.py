"""Calls a WSGI application, and sees to what it raises: its client gets a 500, nobody else anything."""

import logging
from typing import Final

from floodway.app.apology import ErrorLog, apologise
from floodway.app.message import Request
from floodway.app.wsgi.answer import Answer, Application, Environ
from floodway.errors import ConnectionClosed

logger: Final = logging.getLogger(__name__)


class Caller:
    """An application and its failures. Any thread."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._errors = ErrorLog(logger)

    def call(self, request: Request, environ: Environ) -> Answer | None:
        """Answer a request. Returns what is still to be sent, when the client is behind; `go_on` does that."""
        answer: Answer | None = None
        try:
            result = request._call(self._application, environ)  # noqa: SLF001 - made for this module
            if result is None:
                return None
            answer = Answer(request, result)
            if not answer.send():
                return answer
        except Exception as error:  # noqa: BLE001 - the application's
            self._fail(request, error)
        if answer is not None:
            self.close(answer)
        return None

    def go_on(self, answer: Answer) -> bool:
        """Send more of an answer. Returns whether it is over."""
        try:
            if not answer.go_on():
                return False
        except Exception as error:  # noqa: BLE001 - the application's
            self._fail(answer.request, error)
        self.close(answer)
        return True

    def close(self, answer: Answer) -> None:
        """Close the application's iterable, whatever has become of the answer."""
        try:
            answer.close()
        except Exception as error:  # noqa: BLE001 - the application's
            self._errors.log(answer.request, error)

    def _fail(self, request: Request, error: Exception) -> None:
        if request.connection.is_closed:
            return  # the client has left or was refused, and an application may well raise then
        if isinstance(error, ConnectionClosed):
            request.connection.abort()  # it has left within its body
            return
        self._errors.log(request, error)
        apologise(request)
