"""Every reactor model on one handler: `models.py MODEL [ADDRESS]`.

docs/models.md draws them and says when to take each.
"""

import socketserver
import sys
from typing import Any, Final
from urllib.parse import urlsplit

import floodway

MODELS: Final[dict[str, dict[str, Any]]] = {
    "single": {"main_reactors": 1, "sub_reactors": 0},
    "single+threads": {"main_reactors": 1, "sub_reactors": 0, "threads": 4},
    "main/sub": {"main_reactors": 1, "sub_reactors": 2},
    "main/sub+threads": {"main_reactors": 1, "sub_reactors": 2, "threads": 4},
    "mains/subs": {"main_reactors": 2, "sub_reactors": 2, "balancer": floodway.RoundRobin()},
}


class Upper(floodway.Handler):
    """Answers in capitals."""

    framing = floodway.Lines()

    def on_data(self, conn: floodway.Connection, line: bytes) -> None:
        conn.write_frame(line.upper())


class BlockingUpper(socketserver.StreamRequestHandler):
    """The same with blocking I/O, for contrast: a thread, its stack and a scheduler's attention per connection."""

    def handle(self) -> None:
        for line in self.rfile:
            self.wfile.write(line.upper())


def serve_blocking(address: str) -> None:
    """A thread per connection: fine for dozens."""
    url = urlsplit(address)
    with socketserver.ThreadingTCPServer((url.hostname or "", url.port or 0), BlockingUpper) as server:
        server.daemon_threads = True
        server.serve_forever()


if __name__ == "__main__":
    model, address = [*sys.argv[1:], "tcp://127.0.0.1:9000"][:2]
    if model == "blocking":
        serve_blocking(address)
    elif model in MODELS:
        floodway.serve(Upper(), address, **MODELS[model])
    else:
        sys.exit(f"{model!r} is no model; choose one of blocking, {', '.join(MODELS)}")
