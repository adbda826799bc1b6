"""The one place that knows `floodway load`: its arguments and its report.

It runs in a process of its own, on the generator's core, and is native, so that it does not measure itself.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from harness.machine import inherited
from harness.scenario import Load
from harness.servers import Server, without_paths

COMMAND: Final = [sys.executable, "-m", "floodway", "load"]
GRACE_SECONDS: Final = 60.0  # to connect, to drain and to report
WRONG_ANSWERS: Final = (
    "other_statuses",
    "wrong_lengths",
    "wrong_sums",
    "malformed",
)  # in a report, where there were any
FAILURES: Final = ("corrupt_bytes", "failed", "broken")  # in a report, how many


class GeneratorError(Exception):
    """The generator did not report. The text says why."""


@dataclass(frozen=True, slots=True)
class Report:
    """What the generator found. Seconds and bytes; None where it could not tell."""

    raw: Mapping[str, Any]  # Any: JSON, kept as it came for the result file
    latency_counts: Sequence[tuple[float, int]] = ()  # (seconds, how many): bulky, for those who add several reports up

    def number(self, key: str) -> float | None:
        """A figure, or None if it is missing or says nothing."""
        value = self.raw.get(key)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    @property
    def problems(self) -> list[str]:
        """What makes these figures worthless: wrong answers, failed connections, unfair service."""
        problems = []
        if any(self.raw.get(name) for name in WRONG_ANSWERS):
            problems.append(f"wrong answers: {self.raw.get('verdict', 'no verdict')}")
        if corrupt := self.raw.get("corrupt_bytes"):
            problems.append(f"{corrupt} bytes came back wrong")
        if failed := self.raw.get("failed"):
            problems.append(f"{failed} connections failed")
        if broken := self.raw.get("broken"):
            problems.append(f"{broken} connections ended before the load did")
        if self.raw.get("fair") is False:
            problems.append(f"unfair: {self.raw.get('verdict', 'no verdict')}")
        return problems


@dataclass(frozen=True, slots=True)
class Order:
    """One generator process: what to send, and whether it goes before others on its core."""

    load: Load
    mode: str  # "echo", "idle", "flood" or "handshake"
    first: bool = False
    active: int | None = None  # how many take part in the load; None: all
    additions: int = 0  # over HTTP: POST bodies, and check the sum in each answer
    source: str | None = None  # first of the local addresses


def run(server: Server, orders: Sequence[Order], cores: frozenset[int]) -> tuple[list[Report], list[str]]:
    """Run generators at the same time against one server. Returns their reports and remarks on how they ran."""
    remarks = []
    started = []
    try:
        for order in orders:
            with inherited(cores, first=order.first) as granted:
                if order.first and not granted:
                    remarks.append("the pinging generator had to share its core as an equal (no SCHED_FIFO)")
                started.append(start(server, order))
        deadline = max(order.load.seconds for order in orders) + GRACE_SECONDS
        return [finish(process, deadline) for process in started], remarks
    finally:
        for process in started:
            process.kill()
            process.wait()


def check_available() -> str | None:
    """Why the generator cannot be used here, or None."""
    done = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return None
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return f"`floodway load` does not run: {without_paths(lines[-1]) if lines else done.returncode}"


def start(server: Server, order: Order, *, on_cue: bool = False) -> subprocess.Popen[str]:
    """A generator process; with `on_cue` it waits for a line on its standard input before each phase."""
    load = order.load
    scheme = "tcp" if server.peer.protocol == "echo" else server.peer.protocol
    arguments = [
        f"{scheme}://{server.host}:{server.port}{load.path or ''}",
        *("--connections", str(load.connections)),
        *("--mode", order.mode),
        *("--seconds", str(load.seconds)),
        *("--pid", str(server.pid)),
        "--json",
    ]
    if load.size:
        arguments += ["--size", str(load.size)]
    if load.rate is not None:
        arguments += ["--rate", str(load.rate)]
    if order.active is not None:
        arguments += ["--active", str(order.active)]
    if order.additions:
        arguments += ["--additions", str(order.additions)]
    if order.source is not None:
        arguments += ["--source", order.source]
    if on_cue:
        arguments += ["--on-cue"]
    stdin = subprocess.PIPE if on_cue else None
    return subprocess.Popen(
        [*COMMAND, *arguments], stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(process: subprocess.Popen[str], seconds: float) -> Report:
    """Wait for a generator's end and read its report. Raises GeneratorError if there is none within so many seconds."""
    try:
        output, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        raise GeneratorError(f"the generator did not end within {seconds:.0f} s") from None
    try:
        report = json.loads(output)
    except ValueError:
        lines = [line.strip() for line in errors.splitlines() if line.strip()]
        reason = without_paths(lines[-1]) if lines else "it said nothing"
        raise GeneratorError(f"the generator ended with {process.returncode} and no report: {reason}") from None
    counts = report.pop("latency_counts", ())
    return Report(report, [(seconds, count) for seconds, count in counts])
