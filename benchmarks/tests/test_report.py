"""The report says what the result files say, and what keeps them from saying more."""

import dataclasses

import pytest
from figures.second import kept
from figures.series import read_journal
from harness.measure import Repetition
from harness.result import Result, read_results
from harness.scenario import Load, Scenario, Target
from report import JOURNALS, REPORT, RESULTS, report

SCENARIO = Scenario(
    name="made-up",
    order=1,
    title="Made up",
    question="Does the report tell?",
    kind="echo",
    peers=("c", "floodway_raw", "gnet"),
    metric="cpu_per_message",
    load=Load(connections=50, size=1024, seconds=2.0),
    targets=(Target(peer="floodway_raw", ratio_at_most=1.10),),
)


def result(values: dict[str, list[float]], **changes: object) -> Result:
    described: dict[str, object] = {
        "scenario": SCENARIO,
        "profile": "standard",
        "date": "2026-01-01T00:00:00+00:00",
        "seconds": 60.0,
        "commit": "0123456789ab",
        "machine": dict.fromkeys(
            (
                "processor",
                "cores",
                "memory_gib",
                "kernel",
                "architecture",
                "virtual",
                "somaxconn",
                "descriptor_limit",
            ),
            "?",
        ),
        "versions": {"python": "CPython 3.13.0"},
        "labels": {"c": "C, epoll", "floodway_raw": "Floodway, Raw", "gnet": "Go, gnet"},
        "cores": {"server": [1], "generator": [0], "apart": True},
        "waited_for_quiet": 0.0,
        "gave_up_waiting": False,
        "repetitions": [
            Repetition(peer, number, {"cpu_per_message": value * 1e-6})
            for peer, own in values.items()
            for number, value in enumerate(own, 1)
        ],
    }
    return Result(**(described | changes))  # type: ignore[arg-type]  # keywords of Result, each of its type


def test_medians_ratios_and_verdict_stand_in_the_tables() -> None:
    text = report([result({"c": [5, 5, 5, 5, 5], "floodway_raw": [5.2, 5.3, 5.25, 5.2, 5.3]})], {})
    assert "| Floodway, Raw | 5.25 | 5.20–5.30 | 1.050 | 1.040–1.060 |" in text
    assert "| made-up | Floodway, Raw | server CPU per request / C, epoll | ≤ 1.10 x | 1.050 |" in text
    assert text.count("| met |") == 1


def test_a_request_and_another_baseline_stand_in_words() -> None:
    targets = (Target(peer="floodway_raw", baseline="gnet", ratio_at_most=0.36),)
    load = Load(connections=50, path="/", seconds=2.0)
    cell = result({"c": [5.0], "floodway_raw": [6.0], "gnet": [12.0]})
    cell.scenario = dataclasses.replace(SCENARIO, load=load, targets=targets)
    text = report([cell], {})
    assert "50 connections, GET /, as fast as they are answered" in text
    assert "| made-up | Floodway, Raw | server CPU per request / Go, gnet | ≤ 0.36 x | 0.500 |" in text


def test_who_is_missing_stands_with_the_reason() -> None:
    text = report([result({"c": [5.0]}, skipped={"gnet": "go is not installed"})], {})
    assert "| Go, gnet | skipped |" in text
    assert "skipped: Go, gnet (go is not installed)" in text


def test_a_failed_repetition_stands_with_its_problem() -> None:
    cell = result({"c": [5.0, 5.0]})
    cell.repetitions[1].problems.append("7 bytes came back wrong")
    text = report([cell], {})
    assert "C, epoll, round 2, not counted: 7 bytes came back wrong" in text
    assert "1 repetitions do not count" in text


def test_noise_and_short_profiles_are_admitted() -> None:
    cell = result({"c": [5.0]}, profile="quick", gave_up_waiting=True)
    cell.repetitions[0].foreign_cores = 0.9
    text = report([cell], {})
    assert "no basis for a verdict: made-up" in text
    assert "It stayed busy for made-up" in text
    assert "the most was 0.90" in text


@pytest.mark.skipif(not REPORT.exists(), reason="no report yet: `make bench` writes it")
def test_the_report_in_the_repository_is_what_its_result_files_say() -> None:
    scenes = read_journal(JOURNALS)
    assert REPORT.read_text() == report(read_results(RESULTS), scenes, kept(JOURNALS, scenes))
