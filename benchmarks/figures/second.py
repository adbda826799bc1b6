"""The second run: its comparison with the first is kept beside the first's journals, and its own are not needed again.

What is kept names the first run, and counts only as long as the journals are those: a figure that was measured anew
has no second run yet.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

from harness.table import NOTHING, Row, markdown_table

from figures.order import APART, Axes, Comparison, compare
from figures.series import Scene, read_journal

FILE: Final = "second-run.json"
FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Run:
    """Which run it was."""

    repetitions: int
    began: str
    ended: str
    commits: tuple[str, ...]

    @classmethod
    def of(cls, scenes: Mapping[str, Scene]) -> Self:
        """The run that these scenes are from. Raises ValueError if nothing was measured."""
        lines = [line for scene in scenes.values() for line in scene.measured]
        if not lines:
            raise ValueError("there is nothing measured in a folder that was to be compared")
        dates = sorted(line["date"] for line in lines)
        return cls(len(lines), dates[0], dates[-1], tuple(sorted({line["commit"] for line in lines})))

    def __str__(self) -> str:
        return (
            f"{self.repetitions} repetitions from {self.began} to {self.ended}, Floodway at {', '.join(self.commits)}"
        )


@dataclass(frozen=True, slots=True)
class SecondRun:
    """Two runs, and what came of their comparison."""

    first: Run
    second: Run
    comparison: Comparison


def compare_folders(first: Path, second: Path) -> SecondRun:
    """Compare the journals of two folders. Raises ValueError if one has none."""
    runs = read_journal(first), read_journal(second)
    return SecondRun(Run.of(runs[0]), Run.of(runs[1]), compare(*runs))


def keep(run: SecondRun, folder: Path) -> None:
    """Write it to the folder of the first run's journals, for the page."""
    (folder / FILE).write_text(json.dumps({"format": FORMAT, **asdict(run)}, indent=1) + "\n")


def kept(folder: Path, scenes: Mapping[str, Scene]) -> SecondRun | None:
    """What was kept beside these journals; None if there is nothing, or if it is about others.

    Raises ValueError for another format.
    """
    path = folder / FILE
    if not path.exists():
        return None
    table = json.loads(path.read_text())
    if table["format"] != FORMAT:
        raise ValueError(f"{FILE} has another format than {FORMAT}: compare anew")
    axes = tuple(Axes(**each | {"exceptions": tuple(each["exceptions"])}) for each in table["comparison"]["axes"])
    run = SecondRun(_run(table["first"]), _run(table["second"]), Comparison(axes))
    return run if run.first == Run.of(scenes) else None


def text(run: SecondRun) -> str:
    """The comparison as Markdown, for the page and for the terminal."""
    compared = run.comparison
    judged = compared.kept + len(compared.exceptions)
    said = (
        "A pair of servers at one point of one figure is judged where the first run's medians differ by more than "
        f"{APART - 1:.0%} and its ranges do not overlap. Of {judged:,} such pairs {compared.kept:,} kept their order "
        f"in the second run, and {len(compared.exceptions):,} did not."
    )
    if compared.missing:
        said += f" {compared.missing:,} more were not measured again."
    said += " How far medians moved is said of the middle one of all servers and points, and of the one that did most."
    return "\n\n".join(
        [
            f"- First run: {run.first}.\n- Second run: {run.second}.",
            said,
            markdown_table(*_rows(compared)),
            "\n".join(f"- Changed its order: {exception}." for exception in compared.exceptions)
            or "No pair changed its order.",
        ]
    )


def _rows(compared: Comparison) -> tuple[Row, list[Row]]:
    heading = ["figure", "quantity", "pairs judged", "kept their order", "medians moved by", "at most", "which is"]
    return heading, [
        [
            axes.figure,
            axes.what,
            f"{axes.judged:,}",
            f"{axes.kept:,}",
            _percent(axes.moved),
            _percent(axes.most),
            axes.mover or NOTHING,
        ]
        for axes in compared.axes
    ]


def _percent(share: float | None) -> str:
    return NOTHING if share is None else f"{share:.1%}"


def _run(table: Mapping[str, Any]) -> Run:  # Any: JSON
    return Run(**{**table, "commits": tuple(table["commits"])})
