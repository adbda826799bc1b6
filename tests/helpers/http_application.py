"""A plain function for servers in processes of their own: what it does stands in the path."""

from collections.abc import Iterator

from floodway.app.function import FunctionHandler
from floodway.app.message import Request, Response
from floodway.config import ApplicationOptions

LARGE = b"x" * (10 << 20)
PIECE = LARGE[: 1 << 14]


def application(request: Request) -> object:
    if request.path == "/large":
        return LARGE
    if request.path == "/stream":
        return Response(stream(len(LARGE)))
    if request.path == "/fail":
        raise RuntimeError("as it was told to")
    return f"served {len(request.body)}"


def stream(size: int) -> Iterator[bytes]:
    for _ in range(0, size, len(PIECE)):
        yield PIECE


def make_handler() -> FunctionHandler:
    return FunctionHandler(application, ApplicationOptions())
