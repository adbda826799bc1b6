"""From what was seen to figures: the result file, and the lines that people read."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from harness.added import quantile

from drill.memory import Share

TARGET_CONNECTIONS: Final = 1_000_000
TARGET_BYTES: Final = 225_000_000
QUANTILES: Final = {"p50": 0.5, "p99": 0.99, "p999": 0.999, "max": 1.0}

Report = Mapping[str, Any]  # a generator's, from JSON


def latency(reports: Iterable[Report]) -> dict[str, float | None]:
    """Percentiles over the messages of all generators together, in seconds."""
    counts = [pair for report in reports for pair in report["latency_counts"]]
    return {name: quantile(counts, share) for name, share in QUANTILES.items()}


def totals(reports: Sequence[Report]) -> dict[str, int]:
    """Sums over all generators."""
    names = ("connected", "answered", "failed", "broken", "messages", "unanswered", "bytes_checked", "corrupt_bytes")
    return {name: sum(report[name] for report in reports) for name in names}


def user_memory(alone: Share, before: Share, held: Share, after: Share, connections: int) -> dict[str, float]:
    """Of all servers together. `alone` is from before there were generators, `before` from before their connections."""
    first, total = before.with_files_of(alone), held.with_files_of(alone)
    return {
        "before": first,
        "held": total,
        "after_load": after.with_files_of(alone),
        "for_connections": total - first,
        "per_connection": (total - first) / connections,
        "held_as_the_kernel_says": held.total,
        "held_anonymous": held.anonymous,
    }


def problems(result: Mapping[str, Any], connections: int) -> list[str]:
    """What makes the drill a failure."""
    found, sums = [], result["totals"]
    if sums["answered"] != connections:
        found.append(f"{connections - sums['answered']:,} of {connections:,} connections were not answered")
    if sums["failed"] or sums["broken"]:
        found.append(f"{sums['failed']:,} connections failed, {sums['broken']:,} broke")
    if sums["corrupt_bytes"]:
        found.append(f"{sums['corrupt_bytes']:,} bytes came back wrong")
    if sums["unanswered"]:
        found.append(f"{sums['unanswered']:,} messages were not answered")
    held = result["user_memory"]["held"]
    if connections >= TARGET_CONNECTIONS and held >= TARGET_BYTES:
        found.append(f"{held / 1e6:.0f} MB of user memory; the target is {TARGET_BYTES / 1e6:.0f}")
    return found


def lines(result: Mapping[str, Any]) -> list[str]:
    """The result for people."""
    user, kernel, sums = result["user_memory"], result["kernel_memory"], result["totals"]
    active, collector, spread = result["active"], result["collector"], result["spread"]
    held, before, after = (user[name] / 1e6 for name in ("held", "before", "after_load"))
    shown: dict[str, str] = {
        "connections": f"{sums['connected']:,} held by {result['servers']} workers, {result['generators']} generators; "
        f"{spread['least']:,} to {spread['most']:,} descriptors a worker",
        "opened": f"{result['connects_per_second']:,.0f}/s, each with an echo ({result['connect_seconds']:.1f} s)",
        "user memory": f"{held:.1f} MB for all servers, {before:.1f} of it before the connections: "
        f"{user['per_connection']:.0f} bytes each; {after:.1f} MB after the load",
        "kernel": f"{kernel['for_connections'] / 1e9:.2f} GB of slab more: "
        f"{kernel['per_connection'] / 1e3:.1f} KB for both ends of a connection",
        "active": f"{active['connections']:,} with a message a second each: p50 {_ms(active['p50'])}, "
        f"p99 {_ms(active['p99'])}, longest {_ms(active['max'])} (generators late: p99 {_ms(active['lateness_p99'])})",
        "collector": f"{collector['collections']} pauses, the longest {_ms(collector['longest'])}; a full one with "
        f"all connections open {_ms(collector['longest_full'])} at most",
        "checked": f"{sums['bytes_checked']:,} bytes came back, {sums['corrupt_bytes']:,} of them wrong; "
        f"{sums['failed']:,} connections failed, {sums['broken']:,} broke",
    }
    return [f"{name:<13} {text}" for name, text in shown.items()]


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1e3:.2f} ms"
