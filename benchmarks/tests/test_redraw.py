"""The runner of the figures: what it plans, what it keeps, how it goes on, and how it ends."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from figures.journal import Journal, read_lines
from figures.plan import cells_of
from figures.scene import Scene, read_scenes, scene_from
from harness.added import add, objections
from harness.generator import Report
from harness.process import process_tree
from harness.servers import WORK_BODY, read_peers, sum_of

PROGRAM = Path(__file__).resolve().parent.parent / "redraw.py"
PEERS = read_peers()
POINT = {"connections": 50, "size": 1024, "processes": 1, "seconds": 1.0}


@pytest.fixture(params=["quick", "standard", "full"])
def scenes(request: pytest.FixtureRequest) -> list[Scene]:
    return read_scenes(request.param)


def scene_named(name: str, profile: str) -> Scene:
    return next(scene for scene in read_scenes(profile) if scene.name == name)


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [sys.executable, PROGRAM, "--quick", "--no-draw", "--results", folder, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def line(*, commit: str = "abc", machine: str = "ours", round_number: int = 1) -> dict[str, Any]:
    about = {"scene": "s", "point": POINT, "peer": "c", "label": "C", "profile": "standard", "commit": commit}
    return about | {"machine": machine, "round": round_number, "metrics": {}, "problems": []}


def opened(path: Path, *, commit: str = "abc", fresh: bool = False) -> Journal:
    return Journal(path, profile="standard", commit=commit, machine="ours", fresh=fresh)


def test_every_peer_of_a_scene_exists_and_speaks_what_is_asked(scenes: list[Scene]) -> None:
    for scene in scenes:
        expected = ("http", "work") if scene.kind == "work" else ("echo", "")
        assert {(PEERS[name].protocol, PEERS[name].does) for name in scene.peers} == {expected}, scene.name


def test_no_cell_has_fewer_than_three_rounds_where_figures_are_drawn() -> None:
    for profile in ("standard", "full"):
        assert min(scene.rounds for scene in read_scenes(profile)) >= 3


def test_the_full_profile_has_all_points_of_the_standard_one() -> None:
    for standard, full in zip(read_scenes("standard"), read_scenes("full"), strict=True):
        assert set(standard.points) <= set(full.points)
        assert standard.points


def test_the_standard_profile_is_planned_for_less_than_an_hour() -> None:
    cells = [cell for scene in read_scenes("standard") for cell in cells_of(scene, PEERS, "standard", {})]
    assert sum(cell.seconds for cell in cells) < 3600


def test_connections_that_one_process_cannot_hold_are_over_several() -> None:
    table = {
        "order": 1,
        "title": "",
        "question": "",
        "axis": "connections",
        "kind": "echo",
        "peers": ["c"],
        "points": [{"connections": count, "size": 1, "seconds": 1.0} for count in (1, 15_000, 15_001, 200_000)],
    }
    assert [point.processes for point in scene_from("x", table, "full").points] == [1, 1, 2, 14]


def test_a_misspelt_key_is_refused() -> None:
    with pytest.raises(TypeError, match="conections"):
        scene_from("x", {"points": [{"conections": 1, "size": 1, "seconds": 1.0}]}, "full")


def test_who_is_not_measured_has_a_reason() -> None:
    skipped = {cell.point.connections: cell.skipped for cell in cells_of(
        scene_named("echo-connections", "full"), PEERS, "full", {"c": 1e9})}  # fmt: skip
    assert "python_threads" not in skipped[5000]
    assert "thread" in skipped[15_000]["python_threads"]
    assert "1000000000 bytes of a server each" in skipped[50]["c"]
    left_out = [cell.skipped for cell in cells_of(scene_named("http-work", "standard"), PEERS, "standard", {})]
    assert "first answer" in left_out[-2]["uvicorn_loop"]
    assert "go_hertz" not in left_out[-2]
    assert "not in the standard profile" in left_out[-1]["go_hertz"]


def test_a_journal_does_not_go_on_with_what_another_machine_measured(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    opened(path).append(line(machine="theirs"))
    assert not opened(path).has(POINT, "c", 1)
    assert read_lines(path) == []


def test_a_journal_goes_on_with_the_same_commit_and_profile_only(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    journal = opened(path)
    assert not journal.has(POINT, "c", 1)
    journal.append(line())
    assert journal.has(POINT, "c", 1)

    again = opened(path)
    assert again.has(dict(reversed(POINT.items())), "c", 1)
    assert not again.has(POINT, "c", 2)
    assert not again.has(POINT | {"size": 1}, "c", 1)
    assert not opened(path, fresh=True).has(POINT, "c", 1)
    again.append(line(commit="older"))
    assert not opened(path, commit="newer").has(POINT, "c", 1)
    assert read_lines(path) == []


def test_who_was_skipped_is_looked_at_again(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    skip = {"scene": "s", "point": POINT, "peer": "go", "label": "Go", "skipped": "go is not installed"}
    opened(path).append({**skip, "profile": "standard", "commit": "abc"})
    assert [each["skipped"] for each in read_lines(path)] == ["go is not installed"]
    opened(path)
    assert read_lines(path) == []


def test_a_line_that_was_cut_off_is_measured_again(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    journal = opened(path)
    journal.append(line())
    journal.append(line(round_number=2))
    path.write_text(path.read_text()[:-20])
    assert [each["round"] for each in read_lines(path)] == [1]

    again = opened(path)
    assert again.has(POINT, "c", 1)
    assert not again.has(POINT, "c", 2)
    again.append(line(round_number=2))
    assert [each["round"] for each in read_lines(path)] == [1, 2]


def test_reports_of_several_generators_are_added_up() -> None:
    busy = {
        "messages": 300,
        "messages_per_second": 150.0,
        "server_cpu_seconds": 1.2,
        "generator_cpu_per_message": 0.002,
    }
    calm = {
        "messages": 100,
        "messages_per_second": 100.0,
        "server_cpu_seconds": 0.2,
        "generator_cpu_per_message": 0.001,
    }
    added = add([Report(busy, [(0.001, 295), (0.5, 5)]), Report(calm, [(0.002, 97), (0.7, 3)])])
    assert added == pytest.approx(
        {
            "messages_per_second": 250.0,
            "cpu_per_message": 1.4 / 400,
            "generator_cpu_per_message": 0.7 / 400,
            "server_core": 0.6 + 0.2,
            "generator_core": 0.3 + 0.1,
            "p50": 0.001,
            "p99": 0.5,
        }
    )


def test_what_generators_object_to_is_said_of_all_together() -> None:
    fair = Report({"fair": True, "verdict": "all alike", "broken": 2})
    unfair = Report({"fair": False, "verdict": "some were starved", "broken": 3})
    wrong = Report({"fair": None, "verdict": "2 sums were wrong", "wrong_sums": 2})
    assert objections([fair, unfair]) == ["5 connections ended before the load did", "unfair: some were starved"]
    assert objections([fair, wrong]) == ["wrong answers: 2 sums were wrong", "2 connections ended before the load did"]
    assert objections([wrong]) == ["wrong answers: 2 sums were wrong"]
    assert objections([Report({"fair": True})]) == []


def test_what_is_per_message_is_missing_where_no_message_came_back() -> None:
    assert add([Report({"messages": 0, "messages_per_second": 0.0, "server_cpu_seconds": 0.5})]) == {
        "messages_per_second": 0.0
    }


@pytest.mark.parametrize("additions", [0, 1, 1024, 1025, 100_000])
def test_the_sum_that_a_server_is_asked_for_is_that_of_the_literal_loop(additions: int) -> None:
    total = 0
    for i in range(additions):
        total += WORK_BODY[i % len(WORK_BODY)]
    assert sum_of(WORK_BODY, additions) == str(total).encode().ljust(1024)


def test_a_cell_is_measured_over_several_processes_and_not_twice(tmp_path: Path) -> None:
    arguments = ("--only", "echo-connections", "--peer", "c", "--peer", "asyncio_protocol")
    done = run(tmp_path, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = read_lines(tmp_path / "echo-connections.jsonl")
    assert [each["peer"] for each in lines] == ["c", "asyncio_protocol"]
    for each in lines:
        assert each["point"] == {"connections": 300, "size": 1024, "processes": 2, "seconds": 0.3}
        assert each["problems"] == []
        metrics = each["metrics"]
        assert metrics["messages_per_second"] > 0
        assert 0 < metrics["p50"] <= metrics["p99"]
        assert metrics["cpu_per_message"] > 0
        assert metrics["rss"] > 2 * 500_000, "that is less than two processes have"
        assert each["versions"]["python"]
        assert {"machine", "commit", "profile", "date", "cores", "foreign_cores"} <= set(each)
    assert run(tmp_path, *arguments).returncode == 0
    assert read_lines(tmp_path / "echo-connections.jsonl") == lines


@pytest.mark.parametrize(
    ("scene", "peer", "metrics"),
    [
        ("memory", "c", {"bytes_per_connection_exchange", "bytes_per_connection_burst_3s", "rss_high"}),
        ("mass", "floodway_raw", {"p50", "p99", "server_core", "rss"}),
        ("collector", "collector_floodway_state", {"pauses", "longest", "total", "full", "connections"}),
        ("collector", "collector_asyncio", {"pauses", "longest", "total", "full", "connections"}),
        ("http-work", "c_work", {"messages_per_second", "p99", "rss", "server_core"}),
    ],
)
def test_each_kind_of_scene_measures_what_its_figure_shows(
    tmp_path: Path, scene: str, peer: str, metrics: set[str]
) -> None:
    done = run(tmp_path, "--only", scene, "--peer", peer)
    assert done.returncode == 0, done.stdout + done.stderr
    (measured,) = read_lines(tmp_path / f"{scene}.jsonl")
    assert measured["problems"] == []
    assert metrics <= set(measured["metrics"])


def test_a_peer_that_nobody_knows_is_an_error(tmp_path: Path) -> None:
    done = run(tmp_path, "--peer", "nobody")
    assert done.returncode == 1
    assert "unknown peer nobody" in done.stderr


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_ended_leaves_no_process_and_a_journal_to_go_on_with(tmp_path: Path, end: signal.Signals) -> None:
    command: list[str | Path] = [
        sys.executable,
        PROGRAM,
        "--only",
        "echo-connections",
        "--peer",
        "c",
        "--results",
        tmp_path,
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as runner:
        path = tmp_path / "echo-connections.jsonl"
        deadline = time.monotonic() + 50
        while len(family := process_tree(runner.pid)) < 3 or not read_lines(path):  # a server, a generator, a line
            assert time.monotonic() < deadline, runner.communicate()
            time.sleep(0.05)  # until it measures its second round
        runner.send_signal(end)
        _, errors = runner.communicate(timeout=20)
    assert runner.returncode == 130, errors
    assert "goes on from here" in errors
    assert [pid for pid in family if Path(f"/proc/{pid}").exists()] == []
    assert all(json.loads(text) for text in path.read_text().splitlines())
