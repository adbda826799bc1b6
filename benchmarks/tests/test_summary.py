"""The statistics on made-up repetitions whose answer is plain."""

import dataclasses

import pytest
from harness.measure import Repetition
from harness.result import Result, read_results, write_result
from harness.scenario import Load, Scenario, Target
from harness.summary import Outcome, Spread, judge, pair_ratios, spread, summarise

SCENARIO = Scenario(
    name="made-up",
    order=1,
    title="Made up",
    question="Does arithmetic work?",
    kind="echo",
    peers=("c", "floodway_raw"),
    metric="cpu_per_message",
    load=Load(connections=1, size=1),
    targets=(Target(peer="floodway_raw", ratio_at_most=1.10),),
)


def repetitions(peer: str, *values: float) -> list[Repetition]:
    return [Repetition(peer, number, {"cpu_per_message": value}) for number, value in enumerate(values, 1)]


def test_ratios_are_taken_within_a_round_and_not_between_medians() -> None:
    """The machine becomes ten times slower in round 2: pairs do not notice, medians of each server would."""
    base = repetitions("c", 1.0, 10.0, 1.0)
    ours = repetitions("floodway_raw", 1.1, 11.0, 11.0)
    assert pair_ratios("cpu_per_message", ours, base) == pytest.approx([1.1, 1.1, 11.0])
    summary = summarise(SCENARIO, base + ours)["floodway_raw"]
    assert summary.ratios["c"].median == pytest.approx(1.1)
    assert summary.metrics["cpu_per_message"].median / 1.0 == pytest.approx(11.0)


def test_a_repetition_with_a_problem_takes_its_pair_with_it() -> None:
    base = repetitions("c", 1.0, 1.0, 1.0)
    base[1].problems.append("7 bytes came back wrong")
    ours = repetitions("floodway_raw", 2.0, 3.0, 4.0)
    ours[2].problems.append("ended with -11")
    assert pair_ratios("cpu_per_message", ours, base) == [2.0]
    summaries = summarise(SCENARIO, base + ours)
    assert summaries["c"].failed == 1
    assert summaries["floodway_raw"].metrics["cpu_per_message"] == Spread(2.5, 2.0, 3.0, 2)


def test_a_baseline_of_nothing_gives_no_ratio() -> None:
    summaries = summarise(SCENARIO, repetitions("c", 0.0) + repetitions("floodway_raw", 80.0))
    assert summaries["floodway_raw"].ratios == {}


def test_the_spread_of_an_even_count_lies_between_the_middle_two() -> None:
    assert spread([4.0, 1.0, 3.0, 2.0]) == Spread(2.5, 1.0, 4.0, 4)


@pytest.mark.parametrize(
    ("ratios", "outcome"),
    [
        ((1.0, 1.0, 1.05, 1.09, 1.1), Outcome.MET),
        ((1.0, 1.0, 1.05, 1.09, 1.11), Outcome.MET_NARROWLY),
        ((1.0, 1.2, 1.2, 1.2, 1.2), Outcome.MISSED_NARROWLY),
        ((1.2, 1.2, 1.2, 1.2, 1.2), Outcome.MISSED),
        ((1.0, 1.0, 1.0, 1.0), Outcome.TOO_FEW),
        ((), Outcome.UNMEASURED),
    ],
)
def test_the_verdict_is_on_the_median_and_tells_whether_the_range_agrees(
    ratios: tuple[float, ...], outcome: Outcome
) -> None:
    made_up = repetitions("c", *[1.0] * len(ratios)) + repetitions("floodway_raw", *ratios)
    (verdict,) = judge(SCENARIO, summarise(SCENARIO, made_up))
    assert verdict.outcome == outcome


def test_a_bound_from_below_is_met_by_more() -> None:
    scenario = dataclasses.replace(SCENARIO, targets=(Target(peer="floodway_raw", at_least=5.0),))
    (verdict,) = judge(scenario, summarise(scenario, repetitions("floodway_raw", 6, 7, 8, 9, 10)))
    assert verdict.outcome == Outcome.MET


def test_a_target_may_have_a_baseline_of_its_own() -> None:
    scenario = dataclasses.replace(
        SCENARIO,
        peers=("c", "floodway_asgi", "granian_asgi"),
        targets=(
            Target(peer="floodway_asgi", ratio_at_most=1.55),
            Target(peer="floodway_asgi", baseline="granian_asgi", ratio_at_most=0.36),
        ),
    )
    made_up = repetitions("c", *[1.0] * 5) + repetitions("floodway_asgi", *[1.5] * 5)
    made_up += repetitions("granian_asgi", *[3.0] * 5)
    to_c, to_granian = judge(scenario, summarise(scenario, made_up))
    assert (to_c.outcome, to_granian.outcome) == (Outcome.MET, Outcome.MISSED)
    assert to_granian.measured == Spread(0.5, 0.5, 0.5, 5)
    with pytest.raises(ValueError, match="is no ratio"):
        Target(peer="floodway_asgi", baseline="granian_asgi", at_most=1.0)
    with pytest.raises(ValueError, match="names 'gnet'"):
        dataclasses.replace(SCENARIO, targets=(Target(peer="c", baseline="gnet", ratio_at_most=1.0),))


def test_a_target_has_exactly_one_bound() -> None:
    with pytest.raises(ValueError, match="exactly one"):
        Target(peer="c", at_most=1.0, ratio_at_most=1.0)


def test_a_result_is_read_back_as_it_was_written(tmp_path) -> None:  # type: ignore[no-untyped-def]
    result = Result(
        scenario=SCENARIO,
        profile="standard",
        date="2026-01-01T00:00:00+00:00",
        seconds=1.0,
        commit="0123456789ab",
        machine={"cores": 2},
        versions={"python": "CPython 3.13.0"},
        labels={"c": "C, epoll"},
        cores={"server": [1], "generator": [0], "apart": True},
        waited_for_quiet=0.0,
        gave_up_waiting=False,
        skipped={"floodway_raw": "not built"},
        repetitions=repetitions("c", 1.0, 2.0),
    )
    write_result(result, tmp_path)
    assert read_results(tmp_path) == [result]
