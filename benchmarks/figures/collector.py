"""`collector`: how long Python's garbage collector stops a server, while so many connections are opened and held.

Opening leaves objects behind, and so makes collections; echoes, in the long run, leave none.

The peer notes each pause (`gc.callbacks`). Asked by a signal it says in one JSON line what there was since the last
time, and how long a full collection takes that it makes for us: `peers/collector_report.py`.
"""

import json
import os
from typing import Any

from harness.process import resident_bytes
from harness.servers import Server
from peers.collector_report import ASK

from figures.loads import connect_seconds, crew
from figures.turn import Turn


def measure(turn: Turn) -> None:
    """Hold the connections, ask; let the active ones echo at a fixed rate, ask again."""
    connections = turn.point.connections + turn.point.active
    with turn.servers() as (server,), crew(turn, [server], connections) as generators:
        generators.connect(connect_seconds(turn))
        connecting = _ask(server)
        generators.load()
        loaded = _ask(server)
        turn.metrics["rss"] = resident_bytes(server.pid)
        reports = generators.reports()
    turn.judge(reports)
    turn.metrics |= {
        "connections": turn.point.connections,
        "pauses": loaded["pauses"],
        "longest": loaded["longest"],
        "total": loaded["total"],
        "full": loaded["full"],
        "connecting_pauses": connecting["pauses"],
        "connecting_longest": connecting["longest"],
        "connecting_total": connecting["total"],
    }


def _ask(server: Server) -> dict[str, Any]:  # Any: parsed JSON
    os.kill(server.pid, ASK)
    answer: dict[str, Any] = json.loads(server.next_line())
    return answer
