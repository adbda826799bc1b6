"""Draws a figure as SVG, on a light and on a dark card, and as PNG. The same data give the same bytes.

Beside each pair of axes stands its legend: labels at the height of their lines' ends, or names of bars. Below is what
the figure needs to be read alone. Sizes are in inches, as matplotlib wants them.
"""

import dataclasses
import textwrap
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Card
from matplotlib.patches import FancyBboxPatch

from figures import caption
from figures.bars import bar_count, draw_bars
from figures.figure import Figure
from figures.lines import draw_lines, draw_mark
from figures.look import DARK, LIGHT, Theme
from figures.series import Scene

WIDTH: Final = 10.2
LEFT: Final = 0.95
LEGEND: Final = 3.4  # the column to the right of lines
NAMES: Final = 2.9  # the column to the left of bars
RIGHT: Final = 0.6  # what is right of bars
HEAD: Final = 1.2
GAP: Final = 0.85  # below each panel: its ticks, the name of its axis, the next one's title
LINES_HEIGHT: Final = 4.4
BAR_HEIGHT: Final = 0.17
NOTE_HEIGHT: Final = 0.165
NOTE_LETTERS: Final = 155

STYLE: Final[dict[Any, Any]] = {  # Any: matplotlib lists its hundreds of keys as a type
    "svg.hashsalt": "floodway",  # ids that do not differ from run to run
    "svg.fonttype": "path",  # the same look without the fonts
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 9.5,
    "path.simplify": False,
}


def draw(figure: Figure, scene: Scene, folder: Path) -> list[Path]:
    """Write the pictures of one figure and return their paths: NAME.svg, NAME-dark.svg and NAME.png."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{figure.name}.svg", folder / f"{figure.name}-dark.svg", folder / f"{figure.name}.png"]
    with mpl.rc_context(STYLE):
        light, dark = _card(figure, scene, LIGHT), _card(figure, scene, DARK)
        light.savefig(paths[0], metadata={"Date": None, "Creator": None}, transparent=True)
        dark.savefig(paths[1], metadata={"Date": None, "Creator": None}, transparent=True)
        light.savefig(paths[2], metadata={"Software": None}, dpi=150, transparent=True)
    return paths


def _card(figure: Figure, scene: Scene, theme: Theme) -> Card:
    notes = _notes(figure, scene)
    heights = [_height(figure, scene, panel) for panel in range(len(figure.panels))]
    total = HEAD + sum(heights) + GAP * len(heights) + NOTE_HEIGHT * len(notes) + 0.1
    card = Card(figsize=(WIDTH, total))
    FigureCanvasAgg(card)
    _background(card, theme, total)
    _text(card, 0.35, total - 0.38, f"{figure.number}  {figure.title}", theme.ink, size=14.5, weight="bold")
    arrow = "↑" if figure.better == "higher" else "↓"
    _text(card, 0.35, total - 0.66, f"{arrow} {figure.better} is better", theme.faint, size=11)
    if figure.kind == "lines":
        _marks(card, 2.3, total - 0.66, figure, scene, theme)
    top = total - HEAD
    left, right = (LEFT, LEGEND) if figure.kind == "lines" else (NAMES, RIGHT)
    for panel, height in zip(figure.panels, heights, strict=True):
        axes = card.add_axes((left / WIDTH, (top - height) / total, (WIDTH - left - right) / WIDTH, height / total))
        _plain(axes, theme)
        axes.set_title(panel.title, loc="left", color=theme.ink, fontsize=10.5, pad=7)
        (draw_lines if figure.kind == "lines" else draw_bars)(axes, figure, panel, scene, theme)
        top -= height + GAP
    for number, note in enumerate(notes):
        _text(card, 0.35, top + 0.1 - NOTE_HEIGHT * number, note, theme.faint, size=7.8)
    return card


def _height(figure: Figure, scene: Scene, number: int) -> float:
    if figure.kind == "lines":
        return LINES_HEIGHT if len(figure.panels) == 1 else LINES_HEIGHT * 0.72
    return max(1.0, bar_count(figure.panels[number], scene, figure) * BAR_HEIGHT)


def _notes(figure: Figure, scene: Scene) -> list[str]:
    shown = dataclasses.replace(scene, cells=[cell for cell in scene.cells if figure.shows(cell.peer)])
    lines = [
        caption.conditions(shown),
        caption.generator(shown, figure),
        caption.unjudged(shown, figure),
        *caption.missing(shown, figure.x),
        caption.where(scene),
    ]
    return [part for line in lines if line for part in textwrap.wrap(line, NOTE_LETTERS)]


def _background(card: Card, theme: Theme, height: float) -> None:
    """The card itself, with round corners; what lies outside them stays transparent."""
    box = FancyBboxPatch(
        (0.02, 0.02),
        WIDTH - 0.04,
        height - 0.04,
        boxstyle="round,pad=0,rounding_size=0.12",
        transform=card.dpi_scale_trans,
        facecolor=theme.card,
        edgecolor=theme.border,
        linewidth=1,
        zorder=-1,
    )
    card.add_artist(box)


def _marks(card: Card, x: float, y: float, figure: Figure, scene: Scene, theme: Theme) -> None:
    """A key to the points that are drawn otherwise, if there are any."""
    cells = [cell for cell in scene.cells if cell.rounds and figure.shows(cell.peer)]
    keys = []
    if any(cell.bound for cell in cells):
        keys.append((False, "bound by the generator: the server could do more"))
    if not all(cell.judged for cell in cells):
        keys.append((True, "too few answers to judge fairness"))
    for ringed, meaning in keys:
        draw_mark(card, x, y + 0.05, theme, ringed=ringed)
        _text(card, x + 0.16, y, meaning, theme.faint, size=8.8)
        x += 3.75


def _plain(axes: Axes, theme: Theme) -> None:
    axes.set_facecolor("none")
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(theme.border)
    axes.tick_params(colors=theme.faint, which="both", length=0, labelsize=9)
    axes.set_axisbelow(True)


def _text(card: Card, x: float, y: float, text: str, colour: str, *, size: float, weight: str = "normal") -> None:
    card.text(x, y, text, transform=card.dpi_scale_trans, color=colour, fontsize=size, fontweight=weight, va="baseline")
