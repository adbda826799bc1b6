"""How results look: the same rows for the terminal and for the report."""

from collections.abc import Mapping, Sequence

from harness.metric import METRICS
from harness.result import Result
from harness.scenario import Scenario, Target
from harness.summary import Spread, Verdict, judge, summarise

Row = list[str]
NOTHING = "–"


def cell_rows(result: Result) -> tuple[Row, list[Row]]:
    """Heading and rows of one cell: a row for each peer that was asked for, also for those that were skipped."""
    scenario = result.scenario
    metric = METRICS[scenario.metric]
    baseline = result.labels.get(scenario.baseline, scenario.baseline)
    heading = [
        "server",
        metric.heading,
        "range",
        f"ratio to {baseline}",
        "range of the ratio",
        *(METRICS[name].heading for name in scenario.show),
    ]
    summaries = summarise(scenario, result.repetitions)
    rows = []
    for peer in scenario.peers:
        label = result.labels.get(peer, peer)
        summary = summaries.get(peer)
        main = summary.metrics.get(scenario.metric) if summary else None
        if summary is None and peer not in result.skipped:
            continue  # --peer left it out
        if summary is None or main is None:
            rows.append([label, "skipped" if summary is None else "failed", *[NOTHING] * (len(heading) - 2)])
            continue
        shown = [summary.metrics.get(name) for name in scenario.show]
        rows.append(
            [
                label,
                metric.show(main.median),
                f"{metric.show(main.low)}–{metric.show(main.high)}",
                *_ratio_columns(summary.ratios.get(scenario.baseline)),
                *(
                    METRICS[name].show(value.median) if value else NOTHING
                    for name, value in zip(scenario.show, shown, strict=True)
                ),
            ]
        )
    return heading, rows


def verdict_rows(results: Sequence[Result]) -> tuple[Row, list[Row]]:
    """Heading and rows of all targets."""
    heading = ["scenario", "server", "what", "target", "median", "range", "pairs", "outcome"]
    return heading, [
        [
            result.scenario.name,
            result.labels.get(verdict.target.peer, verdict.target.peer),
            _what(result, verdict.target),
            target_text(result.scenario, verdict.target),
            *_measured_columns(result.scenario, verdict),
            verdict.outcome.value,
        ]
        for result in results
        for verdict in judge(result.scenario, summarise(result.scenario, result.repetitions))
    ]


def notes(result: Result) -> list[str]:
    """What qualifies a cell: who was skipped and why, what failed, how noisy it was."""
    by_reason: dict[str, list[str]] = {}
    for peer, reason in result.skipped.items():
        by_reason.setdefault(reason, []).append(result.labels.get(peer, peer))
    lines = [f"skipped: {'; '.join(labels)} ({reason})" for reason, labels in by_reason.items()]
    for repetition in result.repetitions:
        label = result.labels.get(repetition.peer, repetition.peer)
        lines += [f"{label}, round {repetition.round}, not counted: {problem}" for problem in repetition.problems]
    remarks: dict[str, int] = {}
    for repetition in result.repetitions:
        for remark in repetition.remarks:
            text = "others used the machine meanwhile" if remark.startswith("others used") else remark
            key = f"{result.labels.get(repetition.peer, repetition.peer)}: {text}"
            remarks[key] = remarks.get(key, 0) + 1
    lines += [f"{remark} ({count} of its repetitions)" for remark, count in remarks.items()]
    if result.gave_up_waiting:
        lines.append(f"the machine was not quiet; the cell went on after {result.waited_for_quiet:.0f} s of waiting")
    return lines


def target_text(scenario: Scenario, target: Target) -> str:
    """A target as people read it."""
    metric = METRICS[scenario.metric]
    bound = target.upper if target.upper is not None else target.lower
    assert bound is not None
    sign = "≤" if target.upper is not None else "≥"
    return f"{sign} {bound:.2f} x" if target.is_ratio else f"{sign} {metric.show(bound)} {metric.unit}".rstrip()


def markdown_table(heading: Row, rows: Sequence[Row]) -> str:
    """A table in Markdown: names to the left, figures to the right."""
    lines = [heading, ["---"] + ["---:"] * (len(heading) - 1), *rows]
    return "\n".join("| " + " | ".join(part.replace("|", "\\|") for part in line) + " |" for line in lines)


def bullets(title: str, lines: Sequence[str]) -> str:
    """One line where all cells agree, otherwise a list."""
    distinct = list(dict.fromkeys(line for line in lines if line))
    if len(distinct) == 1:
        return f"**{title}**: {distinct[0]}"
    return f"**{title}**, not the same for all cells:\n\n" + "\n".join(f"- {line}" for line in distinct)


def machine_text(machine: Mapping[str, str | int]) -> str:
    """What is recorded of a machine, in a line."""
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['kernel']} "
        f"{machine['architecture']}, virtual: {machine['virtual']}, somaxconn {machine['somaxconn']}, "
        f"{machine['descriptor_limit']} descriptors"
    )


def _what(result: Result, target: Target) -> str:
    label = METRICS[result.scenario.metric].label
    baseline = target.baseline or result.scenario.baseline
    return f"{label} / {result.labels.get(baseline, baseline)}" if target.is_ratio else label


def _ratio_columns(ratio: Spread | None) -> tuple[str, str]:
    return (f"{ratio.median:.3f}", f"{ratio.low:.3f}–{ratio.high:.3f}") if ratio else (NOTHING, NOTHING)


def _measured_columns(scenario: Scenario, verdict: Verdict) -> tuple[str, str, str]:
    measured = verdict.measured
    if measured is None:
        return NOTHING, NOTHING, "0"
    if verdict.target.is_ratio:
        return (*_ratio_columns(measured), str(measured.count))
    metric = METRICS[scenario.metric]
    value_range = f"{metric.show(measured.low)}–{metric.show(measured.high)}"
    return f"{metric.show(measured.median)} {metric.unit}".rstrip(), value_range, str(measured.count)
