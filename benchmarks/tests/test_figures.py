"""What is gathered from a journal, said below a figure, and that all of it is drawn and shown.

The journal is made up, see `made_up_journal.py`; nothing of it is kept.
"""

from itertools import pairwise
from pathlib import Path

import pytest
from figures import caption
from figures.draw import draw
from figures.figure import FIGURES, Figure
from figures.lines import spaced
from figures.look import described
from figures.losses import loss_rows, loss_table
from figures.page import BEGIN, END, MANUAL, redraw, with_losses
from figures.part import figures_part
from figures.series import read_journal
from harness.result import read_results
from made_up_journal import GO_REASON, POINT, THREADS_REASON, echo, rounds, skip, write_journal
from report import JOURNALS, RESULTS, report

ECHO = FIGURES[0]


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("journal")
    write_journal(folder)
    return folder


@pytest.fixture(scope="module")
def drawn(journal: Path) -> list[Path]:
    return redraw(journal)


def test_a_cell_has_median_and_range_of_its_rounds() -> None:
    (cell,) = echo(rounds("c", [300.0, 100.0, 250.0])).cells
    rate = cell.metrics["messages_per_second"]
    assert (rate.median, rate.low, rate.high, cell.rounds) == (250.0, 100.0, 300.0, 3)


def test_an_unsound_round_counts_for_nothing_and_is_told() -> None:
    lines = rounds("c", [300.0, 100.0, 250.0])
    lines[1]["problems"] = ["7 bytes came back wrong"]
    scene = echo(lines)
    assert scene.cells[0].metrics["messages_per_second"].low == 250.0
    assert caption.unsound(scene) == ["c at 50 connections, 1,024 bytes, round 2: 7 bytes came back wrong"]


def test_a_round_that_was_measured_again_counts_once_with_its_last_line() -> None:
    (cell,) = echo(rounds("c", [300.0]), rounds("c", [100.0])).cells
    assert (cell.rounds, cell.metrics["messages_per_second"].median) == (1, 100.0)


def test_seconds_and_processes_do_not_make_another_point() -> None:
    scene = echo(rounds("c", [1.0]), rounds("c", [3.0], point=POINT | {"seconds": 9.0}))
    assert len(scene.cells) == 1


def test_who_was_skipped_once_and_measured_later_is_not_missing() -> None:
    later = [skip("echo-connections", POINT, "c", "C", "cc is not installed"), *rounds("c", [1.0])]
    assert caption.missing(echo(later), "connections") == []


def test_who_is_missing_stands_with_places_and_reason() -> None:
    wide = POINT | {"connections": 15_000}
    scene = echo(
        rounds("c", [1.0]),
        rounds("c", [1.0], point=wide),
        [skip("echo-connections", wide, "python_threads", "threads", "too many")],
        rounds("python_threads", [1.0], label="threads"),
    )
    assert caption.missing(scene, "connections") == ["Not there: threads at 15,000. Reason: too many."]


def test_who_failed_in_all_rounds_is_missing_too() -> None:
    scene = echo(rounds("c", [1.0]), rounds("gnet", [1.0], label="Go, gnet", problems=["it died"]))
    (said,) = caption.missing(scene, "connections")
    assert said == "Not there: “Go, gnet” at 50. Reason: no sound round: round 1: it died."


def test_a_point_is_bound_where_the_generator_had_no_core_left() -> None:
    lines = rounds("c", [200_000.0], label="C") + rounds("gnet", [100_000.0], label="gnet")
    lines[0]["metrics"] |= {"generator_core": 0.98, "generator_cpu_per_message": 4e-6}
    lines[1]["metrics"] |= {"generator_core": 0.60, "generator_cpu_per_message": 6e-6}
    scene = echo(lines)
    assert [cell.bound for cell in scene.cells] == [True, False]
    said = caption.generator(scene, ECHO)
    assert said is not None
    assert "250,000 at 50" in said, "the ceiling is by what the generator spends against the C server"
    assert "Hollow points are bound by it, and their servers could do more: C at 50." in said


def test_a_figure_without_rates_says_nothing_of_the_generator(journal: Path) -> None:
    scenes = read_journal(journal)
    assert [figure.number for figure in FIGURES if caption.generator(scenes[figure.scene], figure)] == [
        "F1",
        "F2",
        "F3",
    ]


def test_unjudged_points_are_named_together() -> None:
    scene = echo(rounds("c", [1.0], judged=False), rounds("gnet", [1.0], judged=False))
    assert caption.unjudged(scene, ECHO) == (
        "Ringed points had fewer than three answers per connection, too few to judge fairness: all at 50."
    )


def test_lines_of_another_format_are_refused(tmp_path: Path) -> None:
    (tmp_path / "echo-connections.jsonl").write_text('{"format": 99}\n')
    with pytest.raises(ValueError, match="another format"):
        read_journal(tmp_path)


def test_a_line_that_was_cut_off_is_left_out(journal: Path, tmp_path: Path) -> None:
    whole = (journal / "memory.jsonl").read_text()
    (tmp_path / "memory.jsonl").write_text(whole + whole[:100])
    assert len(read_journal(tmp_path)["memory"].lines) == len(read_journal(journal)["memory"].lines)


def test_who_is_clearly_ahead_of_floodway_is_listed() -> None:
    scene = echo(
        rounds("floodway_raw", [100.0], label="Floodway, Raw"),
        rounds("floodway_buffered", [90.0], label="Floodway, Buffered"),
        rounds("c", [130.0], label="C"),
        rounds("gnet", [103.0], label="gnet"),
    )
    _, rows = loss_rows({"echo-connections": scene})
    assert rows == [["F1, 50 connections, 1,024 bytes", "requests per second", "Floodway, Raw 100", "C 130"]]


def test_a_legend_leaves_out_what_its_axes_say_of_all_and_keeps_the_version_apart(journal: Path) -> None:
    cells = {cell.peer: cell for cell in read_journal(journal)["http-work"].cells}
    native = next(figure for figure in FIGURES if figure.number == "F4").panels[0]
    assert described(cells["floodway_asgi_native"], native) == ("Floodway, ASGI", "0.1.0")
    assert described(cells["uvicorn_native"], native) == ("uvicorn", "Python 3.13.0")
    assert described(cells["go_net_http"], native) == ("Go, net/http", "Go 1.26.8")


def test_labels_are_kept_apart_in_order_and_within_the_axes() -> None:
    placed = spaced([0.0, 0.5, 0.5, 0.51, 1.0], 0.1)
    assert all(b - a >= 0.1 - 1e-9 for a, b in pairwise(placed))
    assert placed[0] == 0.0
    assert placed[-1] <= 1.0
    assert placed[1:4] == pytest.approx([0.40333, 0.50333, 0.60333], abs=1e-4), "a crowd stays around its middle"


@pytest.mark.parametrize("kind", ["lines", "bars"])
def test_drawing_again_changes_no_byte(kind: str, journal: Path, drawn: list[Path], tmp_path: Path) -> None:
    figure = next(figure for figure in FIGURES if figure.kind == kind)
    again = draw(figure, read_journal(journal)[figure.scene], tmp_path)
    before = {path.name: path.read_bytes() for path in drawn}
    assert [path.name for path in again if path.read_bytes() != before[path.name]] == []


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.number)
def test_each_figure_is_drawn_and_shown_with_everybody(figure: Figure, journal: Path, drawn: list[Path]) -> None:
    names = {f"{figure.name}{rest}" for rest in (".svg", "-dark.svg", ".png")}
    assert names <= {path.name for path in drawn}
    page = drawn[-1].read_text()
    _, _, section = page.partition(f"### {figure.number}: {figure.title} ({figure.better} is better)")
    section = section.partition("\n### ")[0]
    assert section
    scene = read_journal(journal)[figure.scene]
    assert [label for label in scene.labels.values() if f"| {label} |" not in section] == []
    assert f"make figures ARGS='--only {figure.scene}'" in section
    assert f"{figure.name}-dark.svg" in section


def test_the_page_says_what_was_measured_on_what_and_how_sure_it_is(journal: Path) -> None:
    page = figures_part(read_journal(journal), "drawn", ".")
    for said in ("Made-up processor", "Linux 6.18", "floodway 0.1.0", "0123456789ab", "2026-01-01", "Foreign load",
                 "repetitions do not count", "◇", "○", THREADS_REASON, GO_REASON):  # fmt: skip
        assert said in page


def test_without_a_journal_the_report_has_no_figures() -> None:
    assert "The figures" not in report(read_results(RESULTS), {})


def test_the_losses_stand_between_their_marks() -> None:
    page = f"before\n{BEGIN}\nold\n{END}\nafter"
    assert with_losses(page, "| new |") == f"before\n{BEGIN}\n\n| new |\n\n{END}\nafter"


def test_the_losses_in_the_manual_are_those_of_the_journals() -> None:
    page = MANUAL.read_text()
    assert page == with_losses(page, loss_table(read_journal(JOURNALS)))
