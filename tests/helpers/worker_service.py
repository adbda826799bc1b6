"""`floodway serve --workers N` in a process of its own, and clients that note what becomes of each of their requests.

    with WorkerService(folder, "--workers", "3") as service: ...

serves APPLICATION, which is written to the folder, on port 0 or a Unix socket. Leaving the block stops it in order,
and fails unless it ends with exit code 0 and leaves no process behind.
"""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.helpers.crew import Crew
from tests.helpers.waiting import PATIENCE_SECONDS, wait_until

APPLICATION = """
import json, os, sys, time
from dataclasses import asdict

import floodway

ANSWER = "0"


class App(floodway.Handler):
    framing = floodway.Lines()

    def on_start(self, engine):
        self.engine = engine

    def on_data(self, conn, line):
        if line == b"block":
            time.sleep(60)
        if line == b"spin":
            while True:
                pass
        if line == b"exit":
            os._exit(7)
        if line == b"stop":
            self.engine.stop(grace=30)
        if line == b"stats":
            stats = asdict(self.engine.service_stats())
            del stats["total"]["driver"]
            conn.write(json.dumps(stats).encode() + b"\\n")
            return
        conn.write(f"{os.getpid()} {ANSWER}\\n".encode())
        if line == b"once":
            conn.close()

    def on_stop(self):
        os.write(1, f"on_stop {os.getpid()}\\n".encode())  # at once: the workers share the file


app = App()
"""


class WorkerService:
    """The supervisor, as a child of the test. See the module text."""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        address: str = "tcp://127.0.0.1:0",
        application: str = "",
        program: str = "",
    ) -> None:
        """`program`: what to run in place of the command line; `arguments` then only say what it will do."""
        self.folder = folder
        self._log_file = folder / "service.log"
        self._arguments = [*arguments, "--log-level", "debug"]
        self._address = address
        self._program = program
        self._seen: set[int] = set()
        self._is_balanced = "--balancer" in arguments  # then there is an accepting process beside the workers
        if application or not (folder / "application.py").exists():
            self.write(application or APPLICATION)

    def write(self, text: str) -> None:
        """What the next worker imports."""
        draft = self.folder / "application.new"
        draft.write_text(text)
        draft.replace(self.folder / "application.py")

    def answers(self, answer: str) -> None:
        """The next worker gives this answer."""
        self.write(APPLICATION.replace('ANSWER = "0"', f'ANSWER = "{answer}"'))

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "floodway", "serve", "application:app", self._address, *self._arguments]
        if self._program:
            (self.folder / "program.py").write_text(self._program)
            command = [sys.executable, "program.py"]
        # Compiled modules are told apart by second and size: here they are edited faster.
        environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
        with self._log_file.open("w") as log:
            self.child = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log, env=environment)
        self.pid = self.child.pid
        try:
            wait_until(lambda: self._ended() or self.said(r"worker .* serves$"), "a worker that serves")
            assert self.child.poll() is None, self.log()
        except BaseException:
            self._kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None and self.child.poll() is None:
                self.workers()
                self.child.send_signal(signal.SIGTERM)
                assert self.child.wait(PATIENCE_SECONDS) == 0, self.log()
        finally:
            self._kill()
            if error is not None:
                print(self.log())
        wait_until(lambda: not [pid for pid in self._seen if is_alive(pid)], "the end of every worker", 2.5)

    @property
    def target(self) -> str | tuple[str, int]:
        """Where to connect."""
        if self._address.startswith("unix://"):
            return self._address.removeprefix("unix://")
        return "127.0.0.1", int(self.said(r"listening on t(?:cp|ls)://127.0.0.1:(\d+)")[0])

    def dial(self) -> socket.socket:
        """A connected client."""
        return dial(self.target)

    def log(self) -> str:
        """What it has logged and printed so far."""
        return self._log_file.read_text()

    def said(self, pattern: str) -> list[str]:
        """What the log has of this pattern."""
        return re.findall(pattern, self.log(), re.MULTILINE)

    def wait_said(self, pattern: str, count: int = 1) -> list[str]:
        """Wait until the log has it so many times."""
        wait_until(lambda: len(self.said(pattern)) >= count, f"{count} times {pattern!r} in the log")
        return self.said(pattern)

    def workers(self) -> list[int]:
        """Process ids of its children, oldest first."""
        try:
            text = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        except OSError:
            return []
        self._seen.update(map(int, text.split()))
        return [int(pid) for pid in text.split()]

    def serving(self) -> dict[int, int]:
        """Index and process id of the workers that said that they serve and live."""
        alive = set(self.workers())
        said = re.finditer(r"worker (\d+) \(pid (\d+)\) serves", self.log())
        return {int(one[1]): int(one[2]) for one in said if int(one[2]) in alive}

    def wait_serving(self, count: int) -> dict[int, int]:
        """Wait until exactly so many serve, and nobody else lives."""
        processes = count + self._is_balanced

        def settled() -> dict[int, int] | None:
            serving = self.serving()
            return serving if len(serving) == count and len(self.workers()) == processes else None

        return wait_until(settled, f"{count} workers that serve") or {}

    def signal(self, number: signal.Signals) -> None:
        """Send it to the supervisor."""
        self.workers()
        self.child.send_signal(number)

    def _ended(self) -> bool:
        return self.child.poll() is not None

    def _kill(self) -> None:
        self.workers()
        self.child.kill()
        self.child.wait()


def dial(target: str | tuple[str, int]) -> socket.socket:
    """A connected client. What waits for a full backlog on a Unix socket is not refused, so it tries again."""
    peer = socket.socket(socket.AF_UNIX if isinstance(target, str) else socket.AF_INET)
    peer.settimeout(PATIENCE_SECONDS)
    try:
        peer.connect(target)
    except OSError:
        peer.close()
        raise
    return peer


def ask(peer: socket.socket, line: bytes = b"who") -> tuple[int, str]:
    """The process id and the answer that one line gets. EOFError at an orderly end."""
    peer.sendall(line + b"\n")
    received = b""
    while not received.endswith(b"\n"):
        data = peer.recv(4096)
        if not data:
            raise EOFError
        received += data
    pid, answer = received.decode().split()
    return int(pid), answer


def is_alive(pid: int) -> bool:
    """Whether there is such a process, and it is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Visitors(Crew):
    """Threads that connect, ask once, and note what came of it, until the block is left."""

    def __init__(self, target: str | tuple[str, int], threads: int = 3) -> None:
        super().__init__(*[self._run] * threads)
        self._target = target
        self._lock = threading.Lock()
        self.outcomes: Counter[str] = Counter()
        self.answers: Counter[str] = Counter()

    def wait_for(self, answer: str) -> None:
        """Wait until somebody got this answer."""
        wait_until(lambda: self.answers[answer], f"the answer {answer}")

    def _run(self) -> None:
        while not self.is_over:
            outcome, answer = self._visit()
            with self._lock:
                self.outcomes[outcome] += 1
                self.answers[answer] += 1

    def _visit(self) -> tuple[str, str]:
        try:
            with dial(self._target) as peer:
                _, answer = ask(peer, b"once")
                assert peer.recv(1) == b""
                return "answered", answer
        except EOFError:
            return "ended without an answer", ""
        except OSError as error:
            return type(error).__name__, ""


@contextlib.contextmanager
def persistent(service: WorkerService, count: int) -> Iterator[list[tuple[socket.socket, int]]]:
    """So many connections that stay, each with the process id of its worker."""
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(service.dial()) for _ in range(count)]
        yield [(peer, ask(peer)[0]) for peer in peers]
