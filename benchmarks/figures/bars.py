"""Bars: for each peer one of each quantity, its length the median, its range a line, the number beside it."""

from collections.abc import Sequence
from typing import Final

from harness.metric import Metric
from harness.summary import Spread
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, NullLocator

from figures.figure import Figure, Panel
from figures.lines import short
from figures.look import Theme, described, look, mixed
from figures.series import Cell, Scene

STRENGTHS: Final = (1.0, 0.62, 0.3)  # of the colour of a peer's first bar, its second and its third
FLOOR: Final = 10.0  # where a logarithmic axis begins, in the unit shown
WIDE: Final = 50.0  # values that differ by more than this factor get a logarithmic axis


def bar_count(panel: Panel, scene: Scene, figure: Figure) -> int:
    """How many bars, and gaps as wide as one, the panel has."""
    return len(_shown(panel, scene, figure)) * (len(panel.quantities) + 1)


def draw_bars(axes: Axes, figure: Figure, panel: Panel, scene: Scene, theme: Theme) -> None:
    """Fill the axes with horizontal bars, the best peer on top."""
    cells = _shown(panel, scene, figure)
    step = len(panel.quantities) + 1
    values = [
        value * figure.quantity(name).scale
        for cell in cells
        for name in panel.quantities
        if name in cell.metrics
        for value in (cell.metrics[name].median, cell.metrics[name].high)
    ]
    log = panel.log or (min(values, default=0.0) > 0 and max(values) > WIDE * min(values))
    floor = FLOOR if panel.log else 0.5 * min(values, default=1.0)
    if log:
        axes.set_xscale("log")
        axes.set_xlim(floor, max([*values, floor]) * 1.6)
    else:
        axes.set_xlim(0, max(values, default=1.0) * 1.15)
    most = max((cell.point[figure.x] for cell in cells), default=0)
    for row, cell in enumerate(cells):
        for number, name in enumerate(panel.quantities):
            if name in cell.metrics:
                y, colour = row * step + number, mixed(look(cell.peer, theme).colour, theme.card, STRENGTHS[number])
                _bar(axes, cell.metrics[name], figure.quantity(name), y, colour, theme)
        at = "" if cell.point[figure.x] == most else f", at {cell.point[figure.x]:,}"
        _name(axes, cell, panel, at, row * step + (step - 2) / 2, theme)
    axes.set_ylim(len(cells) * step - 1, -1)
    axes.yaxis.set_major_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(axis="x", color=theme.grid, linewidth=0.8)
    if len(panel.quantities) > 1:
        _states(axes, figure, panel, theme)


def _shown(panel: Panel, scene: Scene, figure: Figure) -> list[Cell]:
    """The cells with a bar, ascending by the first quantity. Of a peer with several points the one with the most."""
    name = panel.quantities[0]
    cells = [cells[-1] for peer, cells in scene.series(name, figure.x).items() if panel.shows(peer)]
    return sorted(cells, key=lambda cell: cell.metrics[name].median, reverse=figure.better == "higher")


def _bar(axes: Axes, spread: Spread, quantity: Metric, y: float, colour: str, theme: Theme) -> None:
    median, low, high = (value * quantity.scale for value in (spread.median, spread.low, spread.high))
    axes.barh([y], [median], height=0.86, color=[colour], linewidth=0)
    axes.plot([low, high], [y, y], color=theme.ink, linewidth=1.0, solid_capstyle="butt")
    axes.annotate(quantity.show(spread.median), (max(high, axes.get_xlim()[0]), y), (4, 0), textcoords="offset points",
                  va="center_baseline", fontsize=7.5, color=theme.faint)  # fmt: skip


def _name(axes: Axes, cell: Cell, panel: Panel, at: str, y: float, theme: Theme) -> None:
    """To the left of the axis the version, and left of that the name."""
    name, version = described(cell, panel)
    weight = "bold" if look(cell.peer, theme).width > 2 else "normal"
    right = axes.annotate(version, (0, y), (-8, 0), xycoords=axes.get_yaxis_transform(), textcoords="offset points",
                          ha="right", va="center_baseline", fontsize=7.6, color=theme.faint,
                          annotation_clip=False)  # fmt: skip
    axes.annotate(name + at, (0, y), (-5 if version else 0, 0), xycoords=(right, axes.transData),
                  textcoords="offset points", ha="right", va="center_baseline", fontsize=8.8, color=theme.ink,
                  fontweight=weight, annotation_clip=False)  # fmt: skip


def _states(axes: Axes, figure: Figure, panel: Panel, theme: Theme) -> None:
    """Which bar is which: the same three strengths in grey."""
    keys: Sequence[Patch] = [
        Patch(color=mixed(theme.faint, theme.card, strength), linewidth=0, label=figure.quantity(name).label)
        for name, strength in zip(panel.quantities, STRENGTHS, strict=False)
    ]
    card = axes.get_figure(root=True)
    assert card is not None
    above = 1 + 0.28 / (axes.get_position().height * card.get_figheight())  # the title is below
    axes.legend(handles=keys, loc="lower right", bbox_to_anchor=(1, above), ncols=len(keys), frameon=False,
                borderaxespad=0, fontsize=8.6, labelcolor=theme.ink)  # fmt: skip
