"""Draws all figures of a journal and writes the pages that show them."""

from pathlib import Path
from typing import Final

from harness.result import read_results
from harness.servers import ROOT
from report import FIGURES_DRAWN, JOURNALS, REPORT, RESULTS, report

from figures.draw import draw
from figures.figure import FIGURES
from figures.losses import loss_table
from figures.part import figures_part
from figures.second import kept
from figures.series import read_journal

MANUAL: Final = ROOT.parent / "docs" / "figures.md"
BEGIN: Final = "<!-- Written by benchmarks/redraw.py from the journals. Edits are lost. -->"
END: Final = "<!-- Here what was written ends. -->"


def redraw(journal_folder: Path) -> list[Path]:
    """Draw what the folder's journals have, and write the pages. Returns what was written.

    The pictures of the journals that the documentation cites go to `figures/drawn/`, with RESULTS.md and the table of
    losses in docs/figures.md. Those of any other folder stay in it: `drawn/`, and a RESULTS.md of the figures alone.
    """
    scenes = read_journal(journal_folder)
    second = kept(journal_folder, scenes)
    cited = journal_folder.resolve() == JOURNALS.resolve()
    drawn = FIGURES_DRAWN if cited else journal_folder / "drawn"
    written = [
        path
        for figure in FIGURES
        if figure.scene in scenes and scenes[figure.scene].measured
        for path in draw(figure, scenes[figure.scene], drawn)
    ]
    if cited:
        REPORT.write_text(report(read_results(RESULTS), scenes, second))
        MANUAL.write_text(with_losses(MANUAL.read_text(), loss_table(scenes)))
        return [*written, REPORT, MANUAL]
    page = journal_folder / "RESULTS.md"
    page.write_text(f"# Results\n\n{figures_part(scenes, 'drawn', '.', second)}\n")
    return [*written, page]


def with_losses(page: str, table: str) -> str:
    """The page with the table between its two marks. Raises ValueError if it has none."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError("the page has lost the marks that its table of losses stands between")
    return f"{before}{BEGIN}\n\n{table}\n\n{END}{after}"
