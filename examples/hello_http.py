"""The smallest application over HTTP. Try `curl 127.0.0.1:8000/you` and `curl 127.0.0.1:8000/count`."""

import sys
from collections.abc import Iterator

import floodway


def app(request: floodway.Request) -> floodway.Response | str:
    """Greet whoever asks; at /count, count as fast as the client reads."""
    if request.path == "/count":
        return floodway.Response(count(), headers={"content-type": "text/plain"})
    return f"hello, {request.path.strip('/') or 'world'}\n"


def count() -> Iterator[bytes]:
    """A body that is made while it is sent."""
    for number in range(100_000):
        yield b"%d\n" % number


if __name__ == "__main__":
    floodway.serve(app, *(sys.argv[1:] or ["tcp://127.0.0.1:8000"]))
