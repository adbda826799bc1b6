"""What it costs that an application raises: a line in the log, and its client's answer. Nobody else notices.

Which exceptions are failures, and which only mean that a client has left, is for each interface to say.
"""

import logging
from typing import Final

from floodway.app.message import Request, Response, complete
from floodway.errors import ConnectionClosed
from floodway.log import Throttle

RAISED: Final = "the application raised for %s %s from %s"


class ErrorLog:
    """Logs what one application fails at, to its interface's logger. Any thread."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._throttle = Throttle(burst=20)  # clients may be able to make it raise at will

    def log(self, request: Request, error: BaseException | None, text: str = RAISED) -> None:
        """Log a failure. `text` has places for the request's method, path and client."""
        about = request.method, request.path, request.peer
        extra = {"conn": request.connection.id, "peer": request.peer}
        self._throttle.log(self._logger, logging.ERROR, text, *about, error=error, extra=extra)


def apologise(request: Request, body: str = "Internal Server Error\n") -> None:
    """Answer with 500; where an answer has begun, only the end of the connection says that it failed."""
    if request._started:  # noqa: SLF001 - made for applications' handlers
        request.connection.abort()
        return
    try:
        complete(request, Response(body, 500))
    except ConnectionClosed:
        pass  # the client has left, or the application had it leave
