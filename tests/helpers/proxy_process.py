"""A proxy in a process of its own, so that its memory can be looked at: `with Proxy(sink_port) as proxy`.

Each client gets a connection to the sink. When the sink does not keep up, the client is no longer read.
"""

import json
import subprocess
import sys
from types import TracebackType
from typing import Any, Self

import floodway
from tests.helpers.peers import port_of
from tests.helpers.waiting import PATIENCE_SECONDS


class Forward(floodway.Handler[Any]):
    """Both sides of a client's way to the sink: each is the other's user_data."""

    def __init__(self, engine: floodway.Engine, sink: str) -> None:
        self._engine = engine
        self._sink = sink

    def on_open(self, conn: floodway.Connection) -> None:
        if conn.user_data is None:
            conn.user_data = self._engine.connect(self._sink, self, user_data=conn)

    def on_data(self, conn: floodway.Connection, data: Any) -> None:
        # A LinkBuffer that is written is left empty, so all of it goes on.
        if not conn.user_data.write(data):
            conn.pause_reading()

    def on_writable(self, conn: floodway.Connection) -> None:
        conn.user_data.resume_reading()

    def on_close(self, conn: floodway.Connection, error: BaseException | None) -> None:
        conn.user_data.close()


class Proxy:
    """A child that forwards to a port of ours. Leaving the block stops it, and fails if it does not end well."""

    def __init__(self, sink_port: int, framing: str, **options: Any) -> None:
        self._arguments = json.dumps([sink_port, framing, options])

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "tests.helpers.proxy_process", self._arguments]
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._child.stdout is not None
        self.pid = self._child.pid
        self.port = int(self._child.stdout.readline() or 0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._child.communicate(timeout=PATIENCE_SECONDS)
        finally:
            self._child.kill()
            self._child.communicate()
        assert error is not None or self._child.returncode == 0


def main() -> None:
    """The child: see the module text."""
    port, framing, options = json.loads(sys.argv[1])
    with floodway.Engine(**options) as engine:
        handler = Forward(engine, f"tcp://127.0.0.1:{port}")
        engine.listen("tcp://127.0.0.1:0", handler=handler, framing=getattr(floodway, framing)())
        print(port_of(engine), flush=True)
        sys.stdin.read()
        engine.stop(0)


if __name__ == "__main__":
    main()
