"""Whether a second run says the same as a first: pairs that differed clearly have to keep their order.

A pair of peers at one point differs clearly when the medians of the first run are more than 15 % apart and its ranges
do not overlap. How far apart they are may change between runs; who is ahead may not.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Final

from harness.summary import Spread

from figures.figure import FIGURES, Figure
from figures.series import Cell, Scene, read_journal

APART: Final = 1.15


@dataclass(frozen=True, slots=True)
class Comparison:
    """What became of the pairs that differed clearly in the first run."""

    kept: int
    exceptions: tuple[str, ...]  # the pairs that changed their order, in words
    missing: int  # of which the second run has only one, or none


def compare(first: Mapping[str, Scene], second: Mapping[str, Scene]) -> Comparison:
    """Compare two runs, scene by scene and point by point, in all that the figures show."""
    kept, exceptions, missing = 0, [], 0
    for figure in FIGURES:
        for name in figure.quantities:
            later = _cells(second, figure, name)
            for one, other in _clear_pairs(_cells(first, figure, name), figure, name):
                then = [later.get(_key(cell, figure)) for cell in (one, other)]
                if then[0] is None or then[1] is None:
                    missing += 1
                elif _ahead(then[0], then[1], name) == _ahead(one, other, name):
                    kept += 1
                else:
                    exceptions.append(_in_words(figure, name, (one, other), (then[0], then[1])))
    return Comparison(kept, tuple(exceptions), missing)


def print_comparison(first: Path, second: Path) -> int:
    """Compare the journals of two folders and say what came of it. Returns how many pairs changed their order."""
    comparison = compare(read_journal(first), read_journal(second))
    print(text(comparison))
    return len(comparison.exceptions)


def text(comparison: Comparison) -> str:
    """A comparison in words, a line for each exception."""
    clear = comparison.kept + len(comparison.exceptions)
    lines = [
        (
            f"{clear} pairs differed by more than {APART - 1:.0%} in the median, without overlapping ranges, "
            f"and were measured again: {comparison.kept} kept their order, {len(comparison.exceptions)} did not."
        )
    ]
    if comparison.missing:
        lines.append(f"{comparison.missing} more were not measured again.")
    return "\n".join([*lines, *(f"- {exception}" for exception in comparison.exceptions)])


def _cells(scenes: Mapping[str, Scene], figure: Figure, name: str) -> dict[tuple[float, str], Cell]:
    scene = scenes.get(figure.scene)
    cells = scene.series(name, figure.x).values() if scene else ()
    return {_key(cell, figure): cell for own in cells for cell in own}


def _key(cell: Cell, figure: Figure) -> tuple[float, str]:
    return cell.point[figure.x], cell.peer


def _clear_pairs(cells: Mapping[tuple[float, str], Cell], figure: Figure, name: str) -> Iterator[tuple[Cell, Cell]]:
    for one, other in combinations(cells.values(), 2):
        if one.point[figure.x] == other.point[figure.x] and _clear(one.metrics[name], other.metrics[name]):
            yield one, other


def _clear(one: Spread, other: Spread) -> bool:
    less, more = sorted((one, other), key=lambda spread: spread.median)
    return more.median > APART * less.median and less.high < more.low


def _ahead(one: Cell, other: Cell, name: str) -> bool:
    return one.metrics[name].median > other.metrics[name].median


def _in_words(figure: Figure, name: str, before: tuple[Cell, Cell], after: tuple[Cell, Cell]) -> str:
    quantity = figure.quantity(name)
    first, second = (
        " and ".join(f"{cell.label} {quantity.show(cell.metrics[name].median)}" for cell in pair)
        for pair in (before, after)
    )
    at = before[0].point[figure.x]
    return f"{figure.number} at {at:,} {figure.x}, {quantity.heading}: {first}; the second time {second}"
