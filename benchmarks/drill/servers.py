"""The serving side: one `floodway serve --workers N`, and what its workers left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from drill import served
from drill.size import Size

START_SECONDS: Final = 120.0
GRACE_SECONDS: Final = 60.0
BENCHMARKS: Final = Path(__file__).resolve().parent.parent


class DrillError(Exception):
    """The drill cannot go on. The text says why."""


class Servers:
    """A supervisor and its workers, which serve once this is made."""

    def __init__(self, size: Size, port: int, folder: Path) -> None:
        self.address = f"tcp://127.0.0.1:{port}"
        self._folder = folder
        self._log = folder / "servers.log"
        command = [
            *(sys.executable, "-m", "floodway", "serve", "drill.served:handler", self.address),
            *("--app-dir", str(BENCHMARKS), "--workers", str(size.servers), "--preload", "--grace", str(GRACE_SECONDS)),
            *("--max-connections", str(size.max_connections), "--log-level", "info"),
        ]
        with self._log.open("w") as log:
            environment = os.environ | {served.FOLDER: str(folder)}
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            self.workers = self._wait_serving(size.servers)
        except BaseException:
            self.kill()
            raise

    @property
    def pids(self) -> list[int]:
        """The supervisor's first."""
        return [self.process.pid, *self.workers]

    def connections(self) -> list[int]:
        """About how many connections each worker has: by its descriptors, of which about twelve are others."""
        return [sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()) for pid in self.workers]

    def collect(self) -> None:
        """Ask every worker for a full collection."""
        for pid in self.workers:
            os.kill(pid, served.COLLECT)

    def stop(self) -> tuple[list[float], list[float]]:
        """End them in order. Returns the collector's pauses: those that happened, and the full ones asked for."""
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(GRACE_SECONDS + 30)
        except subprocess.TimeoutExpired:
            self.kill()
            raise DrillError(f"the servers did not end: {self.last_words()}") from None
        notes = [json.loads(path.read_text()) for path in self._folder.glob("ended-*")]
        if code or len(notes) < len(self.workers):
            raise DrillError(f"the servers ended with {code}, {len(notes)} workers in order: {self.last_words()}")
        return [p for note in notes for p in note["pauses"]], [p for note in notes for p in note["full"]]

    def kill(self) -> None:
        """End them at once: workers follow their supervisor."""
        self.process.kill()
        self.process.wait()

    def last_words(self) -> str:
        """The end of their log."""
        return " | ".join(self._log.read_text().splitlines()[-3:])

    def _wait_serving(self, workers: int) -> list[int]:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            pids = [int(path.name.partition("-")[2]) for path in self._folder.glob("serves-*")]
            if len(pids) >= workers:
                return sorted(pids)
            time.sleep(0.05)  # between two looks at the folder
        raise DrillError(f"the servers did not start: {self.last_words()}")
