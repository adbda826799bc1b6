"""A server in a process of its own, for faults that concern a process: `with Server("echo", threads=2) as server`.

The child serves what its name in HANDLERS says, prints the port, and answers each line on its standard input with one
line of JSON. Its log goes to standard error, which is kept in a file.
"""

import json
import logging
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import floodway
from floodway.base import platform
from floodway.base.address import TcpAddress
from tests.helpers.http_application import make_handler
from tests.helpers.waiting import PATIENCE_SECONDS


class Echo(floodway.Handler):
    def on_data(self, conn: floodway.Connection, data: bytes) -> None:
        conn.write(data)


class EchoLines(Echo):
    framing = floodway.Lines()

    def on_data(self, conn: floodway.Connection, data: bytes) -> None:
        conn.write(data + b"\n")


class Ignore(floodway.Handler):
    """Nothing of it ever runs: the native core discards input and closes what is idle."""


HANDLERS: dict[str, Callable[[], floodway.Handler[Any]]] = {
    "echo": Echo,
    "lines": EchoLines,
    "ignore": Ignore,
    "http": make_handler,
}


class Server:
    """A child that serves. Leaving the block stops it in order, and fails if it does not end well."""

    def __init__(self, handler: str, *, descriptors: int | None = None, **options: Any) -> None:
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed in __exit__
        platform.raise_descriptor_limit()  # for its many clients
        self._arguments = json.dumps([handler, descriptors, options])

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "tests.helpers.fault_server", self._arguments]
        pipe = subprocess.PIPE
        self._child = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=self._log, text=True)
        self.pid = self._child.pid
        try:
            self.port = int(self._line())
        except BaseException:
            self._child.kill()
            self._child.communicate()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._child.communicate("stop\n", timeout=PATIENCE_SECONDS)
                assert self._child.returncode == 0, self.log()
        finally:
            self._child.kill()
            self._child.communicate()
            self._log.close()

    def stats(self) -> dict[str, Any]:
        """The fields of `engine.stats().total`."""
        return dict(json.loads(self._ask("stats")))

    def log(self) -> str:
        """What it has logged so far."""
        self._log.seek(0)
        return self._log.read()

    def _ask(self, question: str) -> str:
        assert self._child.stdin is not None
        self._child.stdin.write(question + "\n")
        self._child.stdin.flush()
        return self._line()

    def _line(self) -> str:
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        assert line, f"the server ended:\n{self.log()}"
        return line


def main() -> None:
    """The child: see the module text."""
    name, descriptors, options = json.loads(sys.argv[1])
    if descriptors is not None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    with floodway.Engine(HANDLERS[name](), "tcp://127.0.0.1:0", **options) as engine:
        address = engine.addresses[0]
        assert isinstance(address, TcpAddress)
        print(address.port, flush=True)
        for line in sys.stdin:
            if line == "stop\n":
                engine.stop(0)
                return
            total = engine.stats().total
            print(json.dumps({field: getattr(total, field) for field in total.__slots__}), flush=True)


if __name__ == "__main__":
    main()
