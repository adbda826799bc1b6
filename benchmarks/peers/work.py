"""HTTP with work, for WSGI and ASGI: bytes of a request's body are added, and the sum is the answer.

Two variables of the environment say what is done: ADDITIONS how many bytes are added, beginning anew at the end of the
body, and ADDED_BY who adds: `python`, literally, or `native`, the loop of the C server, with which a request's
work costs the same everywhere.
"""

import ctypes
import os
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, Final  # Any: what each interface passes

TYPE: Final = "text/plain"
ANSWER_BYTES: Final = 1024
ADDITIONS: Final = int(os.environ["ADDITIONS"])
LIBRARY: Final = Path(__file__).with_name("bin") / "additions.so"


def answer(body: bytes) -> bytes:
    """The body of the answer: the sum in decimal, filled up with spaces."""
    return (b"%d" % add(body)).ljust(ANSWER_BYTES)


def add_in_python(body: bytes) -> int:
    """The loop as one writes it."""
    if not body:
        return 0
    total, length = 0, len(body)
    for i in range(ADDITIONS):
        total += body[i % length]
    return total


def native() -> Callable[[bytes], int]:
    """The C server's loop. It keeps the GIL, as the one in Python does: handing it over would be work of its own."""
    add_bytes = ctypes.PyDLL(str(LIBRARY)).add_bytes
    add_bytes.argtypes = [ctypes.c_char_p, ctypes.c_uint32, ctypes.c_uint32]
    add_bytes.restype = ctypes.c_uint64
    return lambda body: int(add_bytes(body, len(body), ADDITIONS))


add: Final = {"python": lambda: add_in_python, "native": native}[os.environ["ADDED_BY"]]()


def wsgi(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start_response("200 OK", [("Content-Type", TYPE), ("Content-Length", str(ANSWER_BYTES))])
    return [answer(body)]


async def asgi(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])  # the way to say that there is no lifespan
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    headers = [(b"content-type", TYPE.encode()), (b"content-length", b"%d" % ANSWER_BYTES)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer(body)})
