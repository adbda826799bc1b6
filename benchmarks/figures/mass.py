"""`mass`: very many connections, all of them idle at first, then one in a hundred active."""

import time
from typing import Final

from harness.added import add
from harness.machine import RESERVE_BYTES, meminfo
from harness.process import cpu_seconds, resident_bytes

from figures.loads import connect_seconds, crew
from figures.turn import Turn

SETTLE_SECONDS: Final = 0.5  # what connecting left to do is not idling
IDLE_SECONDS: Final = 3.0


def measure(turn: Turn) -> None:
    """Connect, look at the servers' processor time while nothing is sent, let some talk."""
    with turn.servers() as servers, crew(turn, servers, turn.point.connections) as generators:
        generators.connect(connect_seconds(turn))
        if (left := meminfo("MemAvailable")) < RESERVE_BYTES:
            turn.problems.append(f"only {left / 2**30:.1f} GiB were left with all connections open")
            return
        time.sleep(SETTLE_SECONDS)
        pids = [server.pid for server in servers]
        began, before = time.monotonic(), sum(map(cpu_seconds, pids))
        time.sleep(IDLE_SECONDS)
        used = sum(map(cpu_seconds, pids)) - before
        turn.metrics["server_core"] = used / (time.monotonic() - began)
        generators.load()
        turn.metrics["rss"] = sum(map(resident_bytes, pids))
        reports = generators.reports()
    turn.judge(reports)
    added = add(reports)
    turn.metrics |= {name: added[name] for name in ("p50", "p99") if name in added}
    late = max(report.number("lateness_p99") or 0.0 for report in reports)
    if late > turn.metrics.get("p99", 0.0) / 2:
        turn.remarks.append("the generators were late themselves: they were the limit, not the server")
