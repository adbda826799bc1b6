"""Where Floodway is behind: at every point of every figure, who has a clearly better median than its best variant."""

from collections.abc import Mapping, Sequence
from typing import Final

from harness.table import Row, markdown_table

from figures.caption import place
from figures.figure import FIGURES, Figure, Panel
from figures.look import language
from figures.series import Cell, Scene

CLEARLY: Final = 1.05  # less is noise on a shared machine


def loss_rows(scenes: Mapping[str, Scene]) -> tuple[Row, list[Row]]:
    """Heading and rows: a row for each point and quantity with somebody ahead."""
    rows = [
        row
        for figure in FIGURES
        if figure.scene in scenes
        for panel in figure.panels
        for name in panel.quantities
        for row in _rows(figure, panel, name, scenes[figure.scene])
    ]
    return ["where", "what", "Floodway's best", "ahead of it"], rows


def loss_table(scenes: Mapping[str, Scene]) -> str:
    """The rows as Markdown, or a sentence where there are none."""
    heading, rows = loss_rows(scenes)
    if rows:
        return markdown_table(heading, rows)
    return "Nobody is clearly ahead anywhere." if scenes else "Not measured yet: `make figures` fills in who is ahead."


def _rows(figure: Figure, panel: Panel, name: str, scene: Scene) -> list[Row]:
    quantity = figure.quantity(name)
    what = figure.says(panel, name)
    rows = []
    at: dict[float, list[Cell]] = {}
    for peer, cells in scene.series(name, figure.x).items():
        for cell in cells:
            if panel.shows(peer):
                at.setdefault(cell.point[figure.x], []).append(cell)
    for _, cells in sorted(at.items()):
        ranked = sorted(cells, key=lambda cell: cell.metrics[name].median, reverse=figure.better == "higher")
        ours = next((cell for cell in ranked if language(cell.peer) == "Floodway"), None)
        if ours is None:
            continue
        if ahead := _ahead(ranked[: ranked.index(ours)], ours, name):
            shown = "; ".join(f"{cell.label} {quantity.show(cell.metrics[name].median)}" for cell in ahead)
            best = f"{ours.label} {quantity.show(ours.metrics[name].median)}"
            rows.append([f"{figure.number}, {place(ours)}", what, best, shown])
    return rows


def _ahead(better: Sequence[Cell], ours: Cell, name: str) -> list[Cell]:
    own = ours.metrics[name].median
    return [
        cell for cell in better if max(own, cell.metrics[name].median) > CLEARLY * min(own, cell.metrics[name].median)
    ]
