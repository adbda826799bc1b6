"""What becomes of an iterable that a WSGI application has returned, if it is no list."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

from floodway.app.message import Request
from floodway.app.wsgi.files import part_of

Environ: TypeAlias = dict[
    str, Any
]  # Any: PEP 3333 puts text, numbers, flags and files there, and applications what they like
Application: TypeAlias = Callable[[Environ, Callable[..., Callable[[bytes], object]]], Iterable[bytes]]


class Answer:
    """The rest of the answer to one request. Belongs to the thread that calls the application."""

    __slots__ = ("_close", "_pieces", "_result", "request")

    def __init__(self, request: Request, result: Iterable[bytes]) -> None:
        self.request: Request = request
        self._result = result
        self._pieces: Iterator[bytes] | None = None
        self._close: Callable[[], object] | None = getattr(result, "close", None)

    def send(self) -> bool:
        """Send what the application has returned, until the client is behind. Returns whether that was all."""
        part = part_of(self._result)
        if part is not None and not self.request._started:  # noqa: SLF001 - made for this module
            self.request._complete_file(*part)  # noqa: SLF001 - the same
            return True
        self._pieces = iter(self._result)
        return self.go_on()

    def go_on(self) -> bool:
        """Send more of it. Returns whether that was all."""
        put = self.request._put  # noqa: SLF001 - made for this module
        for piece in self._pieces or ():
            if piece and not put(piece):
                return False
        self.request._complete(b"")  # noqa: SLF001 - made for this module
        return True

    def close(self) -> None:
        """Tell the iterable that nobody draws from it any more. Once."""
        close, self._close = self._close, None
        if close is not None:
            close()
