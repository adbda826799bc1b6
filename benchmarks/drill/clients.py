"""The asking side: many `floodway load --on-cue`, which connect one after the other and then act together."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from drill.servers import DrillError
from drill.size import MESSAGES_PER_SECOND, Size

MESSAGE_BYTES: Final = 64


@dataclass(frozen=True, slots=True)
class Order:
    """What all generators are asked to do."""

    address: str
    connect_rate: float
    seconds: float
    """Of the load on the active ones."""


class Client:
    """One generator process, waiting for its cues."""

    def __init__(self, order: Order, size: Size, number: int, folder: Path) -> None:
        self.connections = size.shares[number]
        active = size.active(self.connections)
        self._errors = folder / f"client-{number}.log"
        command = [
            *(sys.executable, "-m", "floodway", "load", order.address, "--json", "--on-cue"),
            *("--connections", str(self.connections), "--connect-rate", str(order.connect_rate)),
            *("--source", str(size.source(number)), "--size", str(MESSAGE_BYTES)),
            *("--active", str(active), "--rate", str(active * MESSAGES_PER_SECOND), "--seconds", str(order.seconds)),
        ]
        with self._errors.open("w") as errors:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
            )

    def wait_for(self, phase: str) -> None:
        """Block until it waits for the cue to this phase."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        if line != phase:
            raise DrillError(f"a generator ended instead of {phase}: {line} {self._errors.read_text()[-300:].strip()}")

    def cue(self) -> None:
        """Let the phase begin that it waits for."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended, and whoever waits for it next learns why

    def report(self) -> dict[str, Any]:  # Any: JSON
        """What it found, after its last cue."""
        output, _ = self.process.communicate()
        try:
            report: dict[str, Any] = json.loads(output)
        except ValueError:
            raise DrillError(f"a generator gave no report: {self._errors.read_text()[-300:].strip()}") from None
        return report

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.communicate()
