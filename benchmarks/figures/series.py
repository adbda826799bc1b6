"""What a journal says, gathered: for every scene, peer and point the median and range of the sound rounds.

A journal has a line for each repetition, and one for each peer that could not take part at a point. Lines of the same
repetition may follow each other, when it was measured again: the last one counts. How long a point was loaded and by
how many processes does not make it another point.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from harness.summary import Spread, spread

from figures.journal import Line, read_lines

FULL_CORE: Final = 0.97  # a generator that used this much of its core sets the rate, not the server
HOW: Final = frozenset({"seconds", "processes"})  # how a point was measured, which does not make it another one


@dataclass(frozen=True, slots=True)
class Cell:
    """One peer at one point: measured (`rounds` sound ones), failed (none sound), or skipped with a reason."""

    peer: str
    label: str
    point: Mapping[str, Any]
    rounds: int
    metrics: Mapping[str, Spread]  # empty without a sound round
    problems: tuple[str, ...]  # why repetitions count for nothing: "round 2: 7 bytes came back wrong"
    remarks: Mapping[str, int]  # what was remarked on sound rounds, and on how many
    judged: bool  # whether fairness was judged in every sound round
    skipped: str | None
    versions: Mapping[str, str]
    server_cores: int  # 0 where nothing was measured

    @property
    def bound(self) -> bool:
        """Whether the generator's core was full, so that the rate is the generator's and not the server's."""
        return "generator_core" in self.metrics and self.metrics["generator_core"].median >= FULL_CORE


@dataclass(frozen=True, slots=True)
class Scene:
    """All that was found of a scene: its cells in the order of the journal, and the lines they were made of."""

    name: str
    cells: Sequence[Cell]
    lines: Sequence[Line]

    @property
    def labels(self) -> dict[str, str]:
        """Every peer of the scene, also those that only skipped, with the name that people read."""
        return {cell.peer: cell.label for cell in self.cells}

    @property
    def measured(self) -> list[Line]:
        """The lines of repetitions, sound or not."""
        return [line for line in self.lines if "skipped" not in line]

    def places(self, x: str) -> list[float]:
        """The values of a key of the points, ascending, also where nobody could be measured."""
        return sorted({cell.point[x] for cell in self.cells})

    def series(self, metric: str, x: str) -> dict[str, list[Cell]]:
        """By peer, the cells that have the metric, in ascending order of the points' key."""
        found: dict[str, list[Cell]] = {}
        for cell in sorted(self.cells, key=lambda cell: cell.point[x]):
            if metric in cell.metrics:
                found.setdefault(cell.peer, []).append(cell)
        return {peer: found[peer] for peer in self.labels if peer in found}


def read_journal(folder: Path) -> dict[str, Scene]:
    """The scenes of a folder of journals, by name. Raises ValueError for lines of another format."""
    return {path.stem: gather(path.stem, read_lines(path)) for path in sorted(folder.glob("*.jsonl"))}


def gather(name: str, lines: Sequence[Line]) -> Scene:
    """One scene out of its lines."""
    cells: dict[tuple[str, str], dict[int, Line]] = {}
    skipped: dict[tuple[str, str], Line] = {}
    for line in lines:
        key = (_identity(line["point"]), line["peer"])
        rounds = cells.setdefault(key, {})
        if "skipped" in line:
            skipped[key] = line
        else:
            rounds[line["round"]] = line
    counted = [line for rounds in cells.values() for line in rounds.values()]
    absent = [line for key, line in skipped.items() if not cells[key]]
    made = [_cell(list(rounds.values()), skipped.get(key)) for key, rounds in cells.items()]
    return Scene(name, made, [*counted, *absent])


def _cell(rounds: Sequence[Line], skip: Line | None) -> Cell:
    line = rounds[-1] if rounds else skip
    assert line is not None  # a key comes from a line
    sound = [line for line in rounds if not line["problems"]]
    names = dict.fromkeys(name for line in sound for name in line["metrics"])
    return Cell(
        peer=line["peer"],
        label=line["label"],
        point=line["point"],
        rounds=len(sound),
        metrics={name: spread(_values(sound, name)) for name in names},
        problems=tuple(f"round {line['round']}: {problem}" for line in rounds for problem in line["problems"]),
        remarks=Counter(remark for line in sound for remark in line["remarks"]),
        judged=all(line["judged"] for line in sound),
        skipped=None if rounds else line["skipped"],
        versions=line.get("versions", {}),
        server_cores=len(line["cores"]["server"]) if rounds else 0,
    )


def _values(lines: Iterable[Line], metric: str) -> list[float]:
    return [line["metrics"][metric] for line in lines if metric in line["metrics"]]


def _identity(point: Mapping[str, Any]) -> str:
    return json.dumps({key: value for key, value in point.items() if key not in HOW}, sort_keys=True)
