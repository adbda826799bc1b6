"""The reports of several generators that loaded the servers of one peer at the same time, added up.

Rates and processor time are sums. Percentiles come from the latencies of all messages together: neither a mean nor the
worst of several percentiles is one.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from harness.generator import FAILURES, WRONG_ANSWERS, Report


def add(reports: Sequence[Report]) -> dict[str, float]:
    """What an echo or HTTP load measured, of all servers and all generators. Names as in `harness.metric`.

    What nothing can be said of is missing: all that is per message where none came back in time.
    """
    total = dict.fromkeys(
        ("messages", "messages_per_second", "server", "generator", "server_core", "generator_core"), 0.0
    )
    for report in reports:
        messages, rate = report.number("messages") or 0.0, report.number("messages_per_second") or 0.0
        generator = (report.number("generator_cpu_per_message") or 0.0) * messages
        total["messages"] += messages
        total["messages_per_second"] += rate
        total["server"] += report.number("server_cpu_seconds") or 0.0
        total["generator"] += generator
        if messages:
            seconds = messages / rate  # each has its own clock
            total["server_core"] += (report.number("server_cpu_seconds") or 0.0) / seconds
            total["generator_core"] += generator / seconds
    if not total["messages"]:
        return {"messages_per_second": 0.0}
    counts = [pair for report in reports for pair in report.latency_counts]
    percentiles = {"p50": quantile(counts, 0.5), "p99": quantile(counts, 0.99)}
    return {
        "messages_per_second": total["messages_per_second"],
        "cpu_per_message": total["server"] / total["messages"],
        "generator_cpu_per_message": total["generator"] / total["messages"],
        "server_core": total["server_core"],
        "generator_core": total["generator_core"],
        **{name: value for name, value in percentiles.items() if value is not None},
    }


def objections(reports: Sequence[Report]) -> list[str]:
    """What makes the figures worthless: failures of all generators together, with the verdict of one that gave one."""
    bad = [report for report in reports if report.problems]
    named = [report for report in bad if report.raw.get("fair") is False or any(map(report.raw.get, WRONG_ANSWERS))]
    together = {name: sum(int(report.number(name) or 0) for report in bad) for name in FAILURES}
    together |= {name: any(report.raw.get(name) for report in bad) for name in WRONG_ANSWERS}
    together |= {"fair": all(report.raw.get("fair") is not False for report in bad)}
    return Report({**together, "verdict": named[0].raw.get("verdict") if named else None}).problems


def quantile(counts: Iterable[tuple[float, int]], share: float) -> float | None:
    """The latency that this share of the messages did not exceed, from (seconds, how many); None if there are none."""
    total = Counter[float]()
    for seconds, count in counts:
        total[seconds] += count
    wanted, seen = math.ceil(share * total.total()), 0
    for seconds in sorted(total):
        seen += total[seconds]
        if seen >= wanted:
            return seconds
    return None
