"""What plain functions get and give: home of the native `Request` and `Headers`, and `Response`."""

import mimetypes
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar, cast

from floodway._core import Headers, Request

__all__ = ["BODILESS", "Fields", "Headers", "Request", "Response", "complete", "streaming", "streams_body"]

F = TypeVar("F", bound=Callable[..., object])

Fields: TypeAlias = Mapping[str, str] | Iterable[tuple[str | bytes, str | bytes]]
"""Headers to send: a mapping, or pairs where a name comes more than once."""

Mapping.register(Headers)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]  # an ABC at run time

BODILESS: Final = (204, 304)
"""Statuses whose answers have no body (RFC 9110, sections 15.3.5 and 15.4.5)."""

_TEXT: Final = ((b"content-type", b"text/plain; charset=utf-8"),)
_BYTES: Final = ((b"content-type", b"application/octet-stream"),)


class Response:
    """An answer. `str` goes out as UTF-8; an iterable of bytes is sent piece by piece, as fast as the client takes it.

    A coroutine function may also give an asynchronous iterable. A `Path` is a file, read as it is sent. Without a
    `content-type` among the headers it is `text/plain` for `str`, `application/octet-stream` for bytes, and for a file
    what its name says.
    Sending changes nothing in it: one with a plain body may answer many requests, on any thread.

    >>> Response("moved", 301, {"location": "/there"}).status
    301
    """

    __slots__ = ("body", "headers", "status")

    def __init__(
        self,
        body: bytes | str | Path | Iterable[bytes] | AsyncIterable[bytes] = b"",
        status: int = 200,
        headers: Fields = (),
    ) -> None:
        self.body: bytes | str | Path | Iterable[bytes] | AsyncIterable[bytes] = body
        self.status: int = status
        pairs = cast("Mapping[str, str]", headers).items() if isinstance(headers, Mapping) else headers
        self.headers: tuple[tuple[str | bytes, str | bytes], ...] = tuple(pairs)

    def __repr__(self) -> str:
        return f"<floodway.Response {self.status}>"


def streaming(function: F) -> F:
    """Ask that a coroutine function be called when a request's head is there; `request.stream()` then has its body.

    Limits.max_body is then none unless it is set. A class may say `streams_body = True` instead.

    >>> @streaming
    ... async def app(request):
    ...     return str(sum([len(piece) async for piece in request.stream()]))
    """
    cast("Any", function).streams_body = True
    return function


def streams_body(function: Callable[..., object]) -> bool:
    """Whether it asks to stream the bodies of requests."""
    return bool(getattr(function, "streams_body", False) or getattr(type(function).__call__, "streams_body", False))


def complete(request: Request, answer: object) -> Response | None:
    """Answer with what a function has returned, if it is all there; else return it: its body has to be streamed.

    Raises TypeError for what is no answer, ValueError for one that HTTP cannot carry, ConnectionClosed if the client
    has left, OSError for a file that cannot be opened.
    """
    if type(answer) is bytes:
        request._respond(200, _BYTES, answer)  # noqa: SLF001 - made for this module
        return None
    if isinstance(answer, str):
        request._respond(200, _TEXT, answer.encode())  # noqa: SLF001 - the same
        return None
    if not isinstance(answer, Response):
        raise TypeError(f"a function answers with a Response, bytes or str, not {type(answer).__name__}")
    body = answer.body
    if isinstance(body, str):
        request._respond(answer.status, _with_type(answer, _TEXT), body.encode())  # noqa: SLF001 - the same
    elif isinstance(body, Path):
        request._respond_file(answer.status, _with_type(answer, _type_of(body)), body)  # noqa: SLF001 - the same
    elif isinstance(body, (bytes, bytearray, memoryview)):
        fields = _with_type(answer, _BYTES) if body else answer.headers
        request._respond(answer.status, fields, bytes(body))  # noqa: SLF001 - the same
    else:
        return answer
    return None


def _type_of(path: Path) -> tuple[tuple[bytes, bytes], ...]:
    """The usual type of a file with this name; one that says that it is compressed is just bytes."""
    kind, coding = mimetypes.guess_type(path.name)
    return _BYTES if kind is None or coding is not None else ((b"content-type", kind.encode()),)


def _with_type(answer: Response, usual: tuple[tuple[bytes, bytes], ...]) -> tuple[tuple[str | bytes, str | bytes], ...]:
    """The answer's headers, with the usual type where it has none."""
    for name, _ in answer.headers:
        if name.lower() in ("content-type", b"content-type"):
            return answer.headers
    return answer.headers + usual
