"""The smallest application of each interface. All answer alike, and as the C server does but for their own headers."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any  # Any: what each interface passes

TEXT = "Hello, world!"
BODY = TEXT.encode()


def function(_request: object) -> str:
    """Floodway's own interface."""
    return TEXT


def wsgi(_environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(BODY)))])
    return [BODY]


async def asgi(
    scope: dict[str, Any], _receive: Callable[[], Awaitable[Any]], send: Callable[[dict[str, Any]], Awaitable[None]]
) -> None:
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])  # the way to say that there is no lifespan
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(BODY))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": BODY})


async def rsgi(_scope: object, protocol: Any) -> None:
    """Granian's own interface; it adds the length."""
    protocol.response_str(200, [("content-type", "text/plain; charset=utf-8")], TEXT)
