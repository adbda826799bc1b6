"""Lines over connections or sizes: medians with bars for their range, and labels at the height where a line ends."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from harness.summary import Spread
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Card
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter, LogLocator, NullLocator

from figures.caption import ceiling, span
from figures.figure import Figure, Panel
from figures.look import Look, Theme, described, look
from figures.series import Cell, Scene

ROW: Final = 0.205  # between two labels, in inches
BELOW_HEADING: Final = 0.1  # the middle of the first label below the top of the axes, in inches
MARGIN: Final = 0.05  # of the axis on either side of the first and the last place
GAP: Final = Spread(math.nan, math.nan, math.nan, 0)
RING: Final = 5  # points that a ring is wider than its marker
SHOWN_CEILING: Final = 1.5  # times the greatest value: a ceiling that is higher stands only in the caption


@dataclass(frozen=True, slots=True)
class End:
    """Where a line ends, and what stands there."""

    name: str
    version: str
    x: float
    y: float
    look: Look


def draw_lines(axes: Axes, figure: Figure, panel: Panel, scene: Scene, theme: Theme) -> None:
    """Fill the axes with a line for each peer."""
    (name,) = panel.quantities
    quantity = figure.quantity(name)
    series = {peer: cells for peer, cells in scene.series(name, figure.x).items() if panel.shows(peer)}
    places = scene.places(figure.x)
    where = _positions(axes, places, figure, theme)
    ends = []
    for peer, cells in series.items():
        how = look(peer, theme)
        at = {where[cell.point[figure.x]]: cell for cell in cells}
        # No line leads over a place where the peer is missing.
        xs = [x for x in where.values() if min(at) <= x <= max(at)]
        spreads = [at[x].metrics[name] if x in at else GAP for x in xs]
        ys = [spread.median * quantity.scale for spread in spreads]
        below = [(spread.median - spread.low) * quantity.scale for spread in spreads]
        above = [(spread.high - spread.median) * quantity.scale for spread in spreads]
        axes.errorbar(
            xs, ys, (below, above), color=how.colour, linestyle=how.dash, linewidth=how.width, zorder=how.above,
            elinewidth=1.3, capsize=3, capthick=1.3, clip_on=False,
        )  # fmt: skip
        for x, y in zip(xs, ys, strict=True):
            if x in at:
                _point(axes, at[x], x, y, how, theme)
        ends.append(End(*described(cells[-1], panel), xs[-1], ys[-1], how))
    rates = _ceilings(scene, figure, where) if name == "messages_per_second" else {}
    _scale(axes, [value.high * quantity.scale for value in _spreads(series, name)], rates, log=panel.log)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.grid(axis="y", color=theme.grid, linewidth=0.8)
    _draw_ceiling(axes, rates, theme)
    if ends:
        cores = span(cell.server_cores for cells in series.values() for cell in cells)
        heading = f"server, version; Python unless named; {cores} core{'' if cores == '1' else 's'} each"
        _legend(axes, ends, heading, theme)


def short(value: float) -> str:
    """A number on an axis: 15000 is "15k"."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def _positions(axes: Axes, places: Sequence[float], figure: Figure, theme: Theme) -> dict[float, float]:
    """Where each place is on the axis: by its logarithm, or in equal steps where there is a zero."""
    where = {place: float(number) for number, place in enumerate(places)}
    if 0 not in places:
        where = {place: place for place in places}
        axes.set_xscale("log")
    first, last = min(where.values()), max(where.values())
    if 0 in places:
        axes.set_xlim(first - MARGIN * (last - first), last + MARGIN * (last - first))
    else:
        axes.set_xlim(first / (last / first) ** MARGIN, last * (last / first) ** MARGIN)
    names = [f"{place / 1024:g} KiB" if figure.x == "size" else short(place) for place in places]
    axes.xaxis.set_major_locator(FixedLocator(list(where.values())))
    axes.xaxis.set_major_formatter(FixedFormatter(names))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.tick_params(axis="x", labelsize=8.4, pad=7)  # markers at zero reach below the axis
    axes.set_xlabel("connections" if figure.x == "connections" else "size of a packet", color=theme.faint, fontsize=9.5)
    return where


def _point(axes: Axes, cell: Cell, x: float, y: float, how: Look, theme: Theme) -> None:
    """A marker: hollow where the generator set the rate, ringed where fairness was not judged."""
    size = 7.5 if how.width > 2 else 6
    inside = theme.card if cell.bound else how.colour
    axes.plot([x], [y], how.marker, color=how.colour, markerfacecolor=inside, markersize=size, zorder=how.above + 1,
              clip_on=False)  # fmt: skip
    if not cell.judged:
        axes.plot([x], [y], "o", color=theme.faint, markerfacecolor="none", markersize=size + RING, markeredgewidth=0.8,
                  zorder=how.above + 1)  # fmt: skip


def draw_mark(card: Card, x: float, y: float, theme: Theme, *, ringed: bool) -> None:
    """A marker for a key, at inches of the card: within a ring, or hollow."""
    inside = theme.faint if ringed else theme.card
    shapes = [Line2D([x], [y], marker="o", color=theme.faint, markerfacecolor=inside, markersize=6)]
    if ringed:
        shapes.append(Line2D([x], [y], marker="o", color=theme.faint, markerfacecolor="none", markersize=6 + RING,
                             markeredgewidth=0.8))  # fmt: skip
    for shape in shapes:
        shape.set_transform(card.dpi_scale_trans)
        card.add_artist(shape)


def _scale(axes: Axes, highest: Sequence[float], rates: Mapping[float, float], *, log: bool) -> None:
    """Room for all ranges, and for the ceiling where it is not far above them. From zero, or by the logarithm."""
    top = max(highest, default=1.0) or 1.0
    top = max([top, *(rate for rate in rates.values() if rate < SHOWN_CEILING * top)])
    if log:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.set_ylim(top=top * 1.3)
    else:
        axes.set_ylim(0, top * 1.07)


def _ceilings(scene: Scene, figure: Figure, where: Mapping[float, float]) -> dict[float, float]:
    """By position on the axis, the rate at which the generator's core is full."""
    return {at: rate for place, at in where.items() if (rate := ceiling(scene, place, figure.x))}


def _draw_ceiling(axes: Axes, rates: Mapping[float, float], theme: Theme) -> None:
    """A dotted line, with its name where it begins; what is above the axes is cut off."""
    shown = {at: rate for at, rate in rates.items() if rate <= axes.get_ylim()[1]}
    if not shown:
        return
    axes.plot(list(shown), list(shown.values()), color=theme.faint, linestyle=":", linewidth=1.3, zorder=2)
    (x, y), (later, lower) = [*shown.items(), *shown.items()][:2]
    middle = _between(axes.get_xscale(), x, later), _between(axes.get_yscale(), y, lower)
    # Beside the first point its range and markers would be in the way.
    axes.annotate("here the generator's core is full", middle, (2, 4), textcoords="offset points",
                  color=theme.faint, fontsize=8, zorder=2,
                  bbox={"facecolor": theme.card, "edgecolor": "none", "pad": 0.5})  # fmt: skip


def _between(scale: str, one: float, other: float) -> float:
    """What an axis shows half-way between two values."""
    return math.sqrt(one * other) if scale == "log" else (one + other) / 2


def _spreads(series: Mapping[str, Sequence[Cell]], name: str) -> list[Spread]:
    return [cell.metrics[name] for cells in series.values() for cell in cells]


def _legend(axes: Axes, ends: Sequence[End], heading: str, theme: Theme) -> None:
    """A column of labels to the right, each as near to its line's end as the others let it."""
    card = axes.get_figure(root=True)
    assert card is not None
    height = axes.get_position().height * card.get_figheight()
    width = axes.get_position().width * card.get_figwidth()
    reached = axes.get_xlim()[1]
    last = max(end.x for end in ends)
    axes.text(1 + 0.3 / width, 1 + 0.11 / height, heading, transform=axes.transAxes, fontsize=8, color=theme.faint)
    ordered = sorted(ends, key=lambda end: end.y)
    heights = [axes.transAxes.inverted().transform(axes.transData.transform((reached, end.y)))[1] for end in ordered]
    room = 1 - BELOW_HEADING / height
    levels = [room * level for level in spaced([natural / room for natural in heights], ROW / height / room)]
    for end, natural, y in zip(ordered, heights, levels, strict=True):
        at = 1 + 0.30 / width
        if end.x == last:
            start = axes.transAxes.inverted().transform(axes.transData.transform((end.x, end.y)))[0]
            axes.plot([start + 0.08 / width, 1 + 0.04 / width, at - 0.04 / width], [natural, natural, y],
                      color=end.look.colour, linewidth=0.6, alpha=0.7, transform=axes.transAxes,
                      clip_on=False)  # fmt: skip
        handle = Line2D([at, at + 0.2 / width, at + 0.4 / width], [y] * 3, transform=axes.transAxes, clip_on=False,
                        color=end.look.colour, linestyle=end.look.dash, linewidth=end.look.width,
                        marker=end.look.marker, markevery=[1], markersize=6)  # fmt: skip
        axes.add_artist(handle)
        bold = "bold" if end.look.width > 2 else "normal"
        name = axes.annotate(end.name, (at + 0.5 / width, y), xycoords=axes.transAxes, va="center_baseline",
                             color=theme.ink, fontsize=8.8, fontweight=bold)  # fmt: skip
        axes.annotate(end.version, (1, y), (5, 0), xycoords=(name, axes.transAxes), textcoords="offset points",
                      va="center_baseline", color=theme.faint, fontsize=7.6)  # fmt: skip


def spaced(heights: Sequence[float], step: float) -> list[float]:
    """Ascending heights, moved as little as possible so that each is `step` above the last and all are within 0 and 1.

    Where there is no room for all, the highest go above 1. Less their own share of steps the heights must not fall:
    what does is pooled to its mean, which is the nearest solution.
    """
    pools: list[list[float]] = []
    for number, height in enumerate(heights):
        pools.append([height - number * step])
        while len(pools) > 1 and _mean(pools[-2]) > _mean(pools[-1]):
            pools[-2:] = [pools[-2] + pools[-1]]
    room = max(0.0, 1 - (len(heights) - 1) * step)
    levels = [min(max(_mean(pool), 0.0), room) for pool in pools for _ in pool]
    return [level + number * step for number, level in enumerate(levels)]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
