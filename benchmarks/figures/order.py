"""Whether a second run says the same as a first: pairs that differed clearly have to keep their order.

A pair of peers at one point differs clearly when the medians of the first run are more than 15 % apart and its ranges
do not overlap. How far apart they are may change between runs; who is ahead may not.
"""

import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from harness.summary import Spread

from figures.caption import UNITS, place
from figures.figure import FIGURES, Figure, Panel
from figures.series import Cell, Scene

APART: Final = 1.15
Place = tuple[float, str]  # a value of the figure's axis, and a peer


@dataclass(frozen=True, slots=True)
class Axes:
    """What became of the pairs that differed clearly in the first run, for one quantity on one pair of axes."""

    figure: str
    what: str
    kept: int
    exceptions: tuple[str, ...]  # the pairs that changed their order, in words
    missing: int  # pairs of which the second run has only one, or none
    cells: int  # that both runs have
    moved: float | None  # by which share of the first run's medians the second's differ, in the middle of all cells
    most: float | None  # and at most
    mover: str  # the cell that moved most

    @property
    def judged(self) -> int:
        """How many pairs both runs have."""
        return self.kept + len(self.exceptions)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Of all that the figures show."""

    axes: tuple[Axes, ...]

    @property
    def kept(self) -> int:
        """How many pairs kept their order."""
        return sum(axes.kept for axes in self.axes)

    @property
    def exceptions(self) -> tuple[str, ...]:
        """The pairs that changed their order."""
        return tuple(exception for axes in self.axes for exception in axes.exceptions)

    @property
    def missing(self) -> int:
        """How many clear pairs were not measured again."""
        return sum(axes.missing for axes in self.axes)


def compare(first: Mapping[str, Scene], second: Mapping[str, Scene]) -> Comparison:
    """Compare two runs, point by point, among the servers that a figure shows on the same axes."""
    return Comparison(
        tuple(
            _axes(figure, panel, name, first, second)
            for figure in FIGURES
            for panel in figure.panels
            for name in panel.quantities
            if figure.scene in first
        )
    )


def _axes(figure: Figure, panel: Panel, name: str, first: Mapping[str, Scene], second: Mapping[str, Scene]) -> Axes:
    before, after = (_cells(run.get(figure.scene), figure, panel, name) for run in (first, second))
    kept, exceptions, missing = 0, [], 0
    for one, other in _clear_pairs(before, name):
        then = [after.get(key) for key in (one, other)]
        if then[0] is None or then[1] is None:
            missing += 1
        elif _ahead(then[0], then[1], name) == _ahead(before[one], before[other], name):
            kept += 1
        else:
            exceptions.append(_in_words(figure, name, (before[one], before[other]), (then[0], then[1])))
    shares = _shares(before, after, name)
    mover = max(shares, key=lambda key: shares[key]) if shares else None
    return Axes(
        figure.number,
        figure.says(panel, name),
        kept,
        tuple(exceptions),
        missing,
        cells=len(before.keys() & after.keys()),
        moved=statistics.median(shares.values()) if shares else None,
        most=shares[mover] if mover else None,
        mover=f"{before[mover].label} at {place(before[mover])}" if mover else "",
    )


def _cells(scene: Scene | None, figure: Figure, panel: Panel, name: str) -> dict[Place, Cell]:
    series = scene.series(name, figure.x) if scene else {}
    return {(cell.point[figure.x], peer): cell for peer, own in series.items() if panel.shows(peer) for cell in own}


def _clear_pairs(cells: Mapping[Place, Cell], name: str) -> Iterator[tuple[Place, Place]]:
    for one, other in combinations(cells, 2):
        if one[0] == other[0] and _clear(cells[one].metrics[name], cells[other].metrics[name]):
            yield one, other


def _clear(one: Spread, other: Spread) -> bool:
    less, more = sorted((one, other), key=lambda spread: spread.median)
    return more.median > APART * less.median and _apart(less, more)


def _apart(one: Spread, other: Spread) -> bool:
    return one.high < other.low or other.high < one.low


def _ahead(one: Cell, other: Cell, name: str) -> bool:
    return one.metrics[name].median > other.metrics[name].median


def _shares(before: Mapping[Place, Cell], after: Mapping[Place, Cell], name: str) -> dict[Place, float]:
    """By how much medians moved; without those that were nothing, or less, of which there is no share."""
    return {
        key: abs(after[key].metrics[name].median / cell.metrics[name].median - 1)
        for key, cell in before.items()
        if key in after and cell.metrics[name].median > 0
    }


def _in_words(figure: Figure, name: str, before: tuple[Cell, Cell], after: tuple[Cell, Cell]) -> str:
    quantity = figure.quantity(name)
    first, second = (
        " and ".join(f"{cell.label} {quantity.show(cell.metrics[name].median)}" for cell in pair)
        for pair in (before, after)
    )
    at = f"{before[0].point[figure.x]:,} {UNITS[figure.x]}"
    overlap = "" if _apart(after[0].metrics[name], after[1].metrics[name]) else ", with overlapping ranges"
    return f"{figure.number} at {at}, {quantity.heading}: {first}; the second time {second}{overlap}"
