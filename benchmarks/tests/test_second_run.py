"""Two runs of the figures: which pairs are judged, what is said of them, and how long that stays on the page."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from figures.order import compare
from figures.part import figures_part
from figures.second import kept
from figures.series import read_journal
from made_up_journal import echo, rounds, write_journal

PROGRAM = Path(__file__).resolve().parent.parent / "redraw.py"


def test_pairs_that_differ_clearly_have_to_keep_their_order() -> None:
    first = echo(rounds("c", [200.0, 210.0]), rounds("gnet", [100.0, 110.0]), rounds("gevent", [104.0, 104.0]))
    second = echo(rounds("c", [100.0]), rounds("gnet", [150.0]), rounds("gevent", [140.0]))
    comparison = compare({"echo-connections": first}, {"echo-connections": second})
    assert comparison.kept == 0, "gnet and gevent did not differ clearly, whichever is ahead now"
    assert comparison.exceptions == (
        "F1 at 50 connections, requests per second: c 205 and gnet 105; the second time c 100 and gnet 150",
        "F1 at 50 connections, requests per second: c 205 and gevent 104; the second time c 100 and gevent 140",
    )


def test_pairs_whose_ranges_overlap_are_not_compared() -> None:
    first = echo(rounds("c", [200.0, 210.0, 90.0]), rounds("gnet", [100.0, 110.0, 95.0]))
    assert compare({"echo-connections": first}, {"echo-connections": first}).kept == 0


def test_pairs_that_were_not_measured_again_are_counted() -> None:
    first, second = echo(rounds("c", [200.0]), rounds("gnet", [100.0])), echo(rounds("c", [200.0]))
    comparison = compare({"echo-connections": first}, {"echo-connections": second})
    assert (comparison.kept, comparison.exceptions, comparison.missing) == (0, (), 1)


def test_servers_on_different_axes_are_no_pair(tmp_path: Path) -> None:
    write_journal(tmp_path)
    scenes = read_journal(tmp_path)
    native, loop = (axes for axes in compare(scenes, scenes).axes if axes.figure == "F3")
    assert native.judged > 0
    assert loop.judged == 0, "the loop in Python hides whatever differs"


def test_a_comparison_says_by_how_much_medians_moved() -> None:
    first = echo(rounds("c", [200.0]), rounds("gnet", [100.0]), rounds("gevent", [0.0]))
    second = echo(rounds("c", [220.0]), rounds("gnet", [70.0]), rounds("gevent", [50.0]))
    (axes,) = compare({"echo-connections": first}, {"echo-connections": second}).axes
    assert axes.moved == pytest.approx(0.2)
    assert axes.most == pytest.approx(0.3)
    assert (axes.cells, axes.mover) == (3, "gnet at 50 connections, 1,024 bytes")


def second_run(first: Path, folder: Path) -> Path:
    """The first run once more, later, with one pair the other way round."""
    folder.mkdir()
    for path in first.glob("*.jsonl"):
        lines = [json.loads(text) | {"date": "2026-01-02T00:00:00+00:00"} for text in path.read_text().splitlines()]
        for each in lines:
            if each["peer"] == "c" and path.stem == "mass":
                each["metrics"]["p99"] *= 1000
        (folder / path.name).write_text("".join(json.dumps(each) + "\n" for each in lines))
    return folder


def page_of(folder: Path) -> str:
    """What the page says of a folder's journals, and of what is kept beside them."""
    scenes = read_journal(folder)
    return figures_part(scenes, "drawn", ".", kept(folder, scenes))


def test_the_second_run_stays_on_the_page_as_long_as_the_first_one_does(tmp_path: Path) -> None:
    first = tmp_path / "first"
    write_journal(first)
    for scene in ("echo-sizes", "http-work", "collector"):  # fewer figures to draw
        (first / f"{scene}.jsonl").unlink()
    command: list[str | Path] = [sys.executable, PROGRAM, "--results", first]
    second = second_run(first, tmp_path / "second")
    done = subprocess.run([*command, "--compare", second], capture_output=True, text=True, check=False)
    assert done.returncode == 1, "the C server is not ahead any more"
    shutil.rmtree(second)

    _, _, section = page_of(first).partition("### A second run\n\n")
    assert section.startswith(done.stdout.strip())
    assert "2026-01-02T00:00:00+00:00" in done.stdout
    assert "Changed its order: F6 at 200,000 connections, p99 of the active connections [ms]: C, epoll" in done.stdout
    assert "| F1 | requests per second |" in done.stdout
    assert section in (first / "RESULTS.md").read_text()

    path = first / "memory.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    assert "### A second run" not in page_of(first), "these are other journals"


def test_a_folder_without_journals_cannot_be_compared(tmp_path: Path) -> None:
    write_journal(tmp_path / "first")
    command: list[str | Path] = [sys.executable, PROGRAM, "--results", tmp_path / "first", "--compare", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "nothing measured" in done.stderr
