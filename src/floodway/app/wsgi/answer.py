"""One call of a WSGI application: `start_response`, `write`, and what becomes of the iterable that it returns."""

from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, TypeAlias

from floodway.app.message import Request
from floodway.app.wsgi.files import part_of

ExcInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]
Environ: TypeAlias = dict[
    str, Any
]  # Any: PEP 3333 puts text, numbers, flags and files there, and applications what they like
Application: TypeAlias = Callable[[Environ, Callable[..., Callable[[bytes], object]]], Iterable[bytes]]


class Answer:
    """The answer to one request, as the application gives it. Belongs to the thread that calls the application."""

    __slots__ = ("_close", "_pieces", "request")

    def __init__(self, request: Request) -> None:
        self.request: Request = request
        self._pieces: Iterator[bytes] | None = None
        self._close: Callable[[], object] | None = None

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: ExcInfo | None = None
    ) -> Callable[[bytes], None]:
        """Take status and headers, which go out with the first piece of the body; see PEP 3333.

        With `exc_info` they replace those of an earlier call; once a piece has gone out, its exception is raised.
        Raises TypeError, ValueError or RuntimeError for what PEP 3333 forbids.
        """
        if exc_info is not None:
            try:
                if self.request._started and exc_info[1] is not None:  # noqa: SLF001 - made for this module
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # it refers to this frame
            self.request._prepare(status, headers, True)  # noqa: SLF001, FBT003 - made for this module
        else:
            self.request._prepare(status, headers, False)  # noqa: SLF001, FBT003 - made for this module
        return self.write

    def write(self, piece: bytes) -> None:
        """Send a piece of the body at once: for applications from before iterables."""
        if piece:
            self.request._put(piece)  # noqa: SLF001 - made for this module

    def send(self, result: Iterable[bytes]) -> bool:
        """Send what the application has returned, until the client is behind. Returns whether that was all."""
        kind = type(result)
        if kind is list or kind is tuple:
            self.request._complete(b"".join(result))  # noqa: SLF001 - made for this module; one piece is not copied
            return True
        self._close = getattr(result, "close", None)
        part = part_of(result)
        if part is not None and not self.request._started:  # noqa: SLF001 - the same
            self.request._complete_file(*part)  # noqa: SLF001 - the same
            return True
        self._pieces = iter(result)
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
