"""Plain functions as users write them. Only type-checked, never run.

Lines with an ignore must not type-check: should one begin to, mypy reports the ignore as unused.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import assert_type

import floodway


def app(request: floodway.Request) -> floodway.Response | bytes | str:
    assert_type(request.body, bytes)
    if request.path == "/file":
        return floodway.Response(Path("index.html"), headers={"cache-control": "no-store"})
    if request.path == "/numbers":
        return floodway.Response(b"%d" % number for number in range(10))
    return floodway.Response(42)  # type: ignore[arg-type]


async def pieces() -> AsyncIterator[bytes]:
    yield b"piece"


@floodway.streaming
async def upload(request: floodway.Request) -> floodway.Response:
    async for piece in request.stream():
        assert_type(piece, bytes)
    return floodway.Response(pieces(), 201)


async def again(request: floodway.Request) -> floodway.Response:
    """What is decorated keeps its type."""
    return await upload(request)


floodway.serve(app, "tcp://127.0.0.1:8000")
floodway.serve(upload, "tcp://127.0.0.1:8000")
