"""What follows from the repetitions: medians, ranges, ratios by pair, and whether a target was met.

Two servers are compared within a round, where they ran one after the other, and never across rounds: a machine that is
slow for a minute slows both. The verdict is on the median of these ratios; its range says how sure it is.
"""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from harness.measure import Repetition
from harness.scenario import Scenario, Target

ENOUGH_PAIRS: Final = 5  # design section 13


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some values, their range, and how many there were."""

    median: float
    low: float
    high: float
    count: int


class Outcome(StrEnum):
    """Whether a target was met. The range decides nothing, but it says how sure the median is."""

    MET = "met"
    MET_NARROWLY = "met, range crosses the target"
    MISSED_NARROWLY = "missed, range crosses the target"
    MISSED = "missed"
    UNMEASURED = "not measured"
    TOO_FEW = "too few repetitions to judge"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target beside what was measured."""

    target: Target
    measured: Spread | None
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Summary:
    """One peer in one scenario."""

    peer: str
    metrics: Mapping[str, Spread]
    ratios: Mapping[str, Spread]  # of the scenario's metric to that of each baseline, by pair, where there are pairs
    failed: int  # repetitions that count for nothing


def spread(values: Iterable[float]) -> Spread:
    """The spread of at least one value."""
    ordered = sorted(values)
    return Spread(statistics.median(ordered), ordered[0], ordered[-1], len(ordered))


def pair_ratios(
    metric: str, peer: Sequence[Repetition], baseline: Sequence[Repetition]
) -> list[float]:  # in order of the rounds
    """Round by round, the peer's value over the baseline's. Rounds in which either is missing give none."""
    base = {repetition.round: repetition.metrics[metric] for repetition in _sound(baseline, metric)}
    return [
        repetition.metrics[metric] / base[repetition.round]
        for repetition in _sound(peer, metric)
        if base.get(repetition.round)
    ]


def summarise(scenario: Scenario, repetitions: Sequence[Repetition]) -> dict[str, Summary]:
    """A summary of every peer that was measured, in the scenario's order."""
    by_peer = {peer: [repetition for repetition in repetitions if repetition.peer == peer] for peer in scenario.peers}
    baselines = {scenario.baseline, *(target.baseline for target in scenario.targets if target.baseline)}
    summaries = {}
    for peer, own in by_peer.items():
        if not own:
            continue
        names = {name for repetition in own if not repetition.problems for name in repetition.metrics}
        metrics = {name: spread(repetition.metrics[name] for repetition in _sound(own, name)) for name in sorted(names)}
        pairs = {name: pair_ratios(scenario.metric, own, by_peer[name]) for name in sorted(baselines)}
        ratios = {name: spread(values) for name, values in pairs.items() if values}
        failed = sum(bool(repetition.problems) for repetition in own)
        summaries[peer] = Summary(peer, metrics, ratios, failed)
    return summaries


def judge(scenario: Scenario, summaries: Mapping[str, Summary]) -> list[Verdict]:
    """A verdict on each of the scenario's targets."""
    return [_judge(target, scenario, summaries.get(target.peer)) for target in scenario.targets]


def _judge(target: Target, scenario: Scenario, summary: Summary | None) -> Verdict:
    measured = None
    if summary is not None and target.is_ratio:
        measured = summary.ratios.get(target.baseline or scenario.baseline)
    elif summary is not None:
        measured = summary.metrics.get(scenario.metric)
    if measured is None:
        return Verdict(target, None, Outcome.UNMEASURED)
    if measured.count < ENOUGH_PAIRS:
        return Verdict(target, measured, Outcome.TOO_FEW)
    met = _meets(target, measured.median)
    sure = _meets(target, measured.low) == _meets(target, measured.high)
    if met:
        return Verdict(target, measured, Outcome.MET if sure else Outcome.MET_NARROWLY)
    return Verdict(target, measured, Outcome.MISSED if sure else Outcome.MISSED_NARROWLY)


def _meets(target: Target, value: float) -> bool:
    if target.upper is not None:
        return value <= target.upper
    assert target.lower is not None
    return value >= target.lower


def _sound(repetitions: Iterable[Repetition], metric: str) -> list[Repetition]:
    return [repetition for repetition in repetitions if not repetition.problems and metric in repetition.metrics]
