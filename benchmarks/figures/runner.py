"""Measures scene after scene: at each point, round by round, every peer in turn on fresh servers.

A machine that is slow for a minute slows all peers of that minute. Each repetition is a line in the journal as soon as
it is over, so a run may be ended at any time, and the next one goes on from there.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from harness import generator
from harness.machine import Patience, describe_machine, divide_cores
from harness.metric import METRICS
from harness.prepared import Prepared
from harness.result import commit, today
from harness.servers import Peer

from figures.cell import line_of, measure
from figures.journal import Journal, read_lines
from figures.plan import Cell, cells_of, seconds_of
from figures.scene import Scene
from figures.turn import Turn

# What the line at the terminal shows of a repetition.
SHOWN: Final = {
    "echo": ("messages_per_second", "cpu_per_message"),
    "work": ("messages_per_second", "rss"),
    "memory": ("bytes_per_connection_exchange", "bytes_per_connection_burst_3s"),
    "mass": ("p99", "server_core"),
    "collector": ("connecting_longest", "full"),
}


class Runner:
    """Runs scenes into a folder of journals. `say` is called with each line for people."""

    def __init__(
        self,
        peers: dict[str, Peer],
        folder: Path,
        profile: str,
        *,
        only: Sequence[str] = (),
        fresh: bool = False,
        say: Callable[[str], object],
    ) -> None:
        self._peers = peers
        self._folder = folder
        self._profile = profile
        self._only = only
        self._fresh = fresh
        self._say = say
        self._prepared = Prepared(peers)
        self._commit = commit()
        self._machine = describe_machine()
        self._cores = divide_cores()
        self._no_generator = generator.check_available()
        self.failed: set[str] = set()
        """Peers that took part in a cell and gave nothing sound there."""

    def plan(self, scene: Scene) -> list[Cell]:
        """The cells of a scene as they stand now: what memory connections take is known once that was measured."""
        return cells_of(scene, self._peers, self._profile, self._bytes_each(), self._only)

    def run(self, scene: Scene) -> None:
        """Measure what the journal does not have yet."""
        path = self._folder / f"{scene.name}.jsonl"
        journal = Journal(path, profile=self._profile, commit=self._commit, machine=self._machine, fresh=self._fresh)
        self._say(f"\n{scene.name}: {scene.title}")
        for cell in self.plan(scene):
            self._run(cell, journal)

    def _run(self, cell: Cell, journal: Journal) -> None:
        point = cell.point.as_json()
        self._say("  " + ", ".join(f"{name} {value:g}" for name, value in point.items()))
        no_generator = self._no_generator if cell.scene.kind != "memory" else None
        reasons = {name: no_generator or self._prepared.lacks(name) for name in cell.peers}
        skipped = {**cell.skipped, **{name: reason for name, reason in reasons.items() if reason}}
        for name, reason in skipped.items():
            label = self._peers[name].label
            self._say(f"    - {label:32} skipped: {reason}")
            skip = {"scene": cell.scene.name, "point": point, "peer": name, "label": label, "skipped": reason}
            journal.append({**skip, "profile": self._profile, "commit": self._commit, "date": today()})
        patience = Patience() if self._profile != "quick" else Patience(left=0.0)
        sound: set[str] = set()
        peers = [name for name in cell.peers if name not in skipped]
        for round_number in range(1, cell.scene.rounds + 1):
            missing = [name for name in peers if not journal.has(point, name, round_number)]
            sound |= set(peers) - set(missing)
            if missing:
                patience.wait_quiet()
            for name in missing:
                turn = Turn(cell.scene, cell.point, self._peers[name], round_number, self._cores)
                began = time.monotonic()
                measure(turn)
                if patience.gave_up:
                    turn.remarks.append("the machine was not quiet before")
                journal.append({**line_of(turn), **self._circumstances(name, patience, time.monotonic() - began)})
                self._say(f"    {round_number} {turn.peer.label:32} {_shown(turn)}")
                if not turn.problems:
                    sound.add(name)
        self.failed |= set(peers) - sound

    def _circumstances(self, peer: str, patience: Patience, took: float) -> dict[str, object]:
        """What a line says beside what was measured. `took` is for whoever mends the plan's seconds."""
        return {
            "waited_for_quiet": round(patience.waited, 1),
            "took": round(took, 1),
            "profile": self._profile,
            "commit": self._commit,
            "date": today(),
            "machine": self._machine,
            "versions": self._prepared.versions([peer]),
            "cores": {
                "server": sorted(self._cores.server),
                "generator": sorted(self._cores.generator),
                "apart": self._cores.apart,
            },
        }

    def _bytes_each(self) -> dict[str, float]:
        """What a connection costs each peer, by the journal of the scene that measures it."""
        found: dict[str, list[float]] = {}
        for line in read_lines(self._folder / "memory.jsonl"):
            if not line.get("problems") and "metrics" in line:
                found.setdefault(line["peer"], []).append(line["metrics"]["bytes_per_connection_exchange"])
        return {peer: statistics.median(values) for peer, values in found.items()}


def overview(cells: Sequence[Cell]) -> list[str]:
    """The cells of a plan and their seconds, for people."""
    lines = []
    for cell in cells:
        each = [seconds_of(cell.scene, cell.point, peer) for peer in cell.peers] or [0.0]
        what = ", ".join(f"{name} {value:g}" for name, value in cell.point.as_json().items())
        lines.append(
            f"{cell.seconds:6.0f} s  {cell.scene.name}: {what}; {len(cell.peers)} peers of {min(each):.1f} to "
            f"{max(each):.1f} s, {cell.scene.rounds} rounds, {len(cell.skipped)} skipped"
        )
    minutes = sum(cell.seconds for cell in cells) / 60
    return [*lines, f"about {minutes:.0f} minutes, and up to {len(cells) * 20 / 60:.0f} more if the machine is busy"]


def _shown(turn: Turn) -> str:
    values = [
        f"{METRICS[name].show(turn.metrics[name])} {METRICS[name].unit}".rstrip()
        for name in SHOWN[turn.scene.kind]
        if name in turn.metrics
    ]
    marks = [*(f"NOT COUNTED: {problem}" for problem in turn.problems), *turn.remarks]
    return "; ".join([", ".join(values), *marks])
