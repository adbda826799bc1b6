"""The generators of a repetition, one for each server; and the two kinds of scene that need no more than those.

`echo`: bytes come back. `work`: the body of a POST is summed up, and every sum is checked.
"""

from typing import Final

from harness.added import add
from harness.crew import Crew
from harness.generator import Order
from harness.process import resident_bytes
from harness.scenario import Load
from harness.servers import Server

from figures.scene import split
from figures.turn import Turn

GENERATOR_BOUND: Final = 0.97  # of its core: beyond, the generator was the limit and not the server
SOURCES: Final = 256  # local addresses of a generator: each has its own range of ports
CONNECTS_PER_SECOND: Final = 200.0  # less than that is no progress; a peer that computes says how long it takes


def crew(turn: Turn, servers: list[Server], connections: int) -> Crew:
    """Generators for the load of the turn's point over so many connections, which wait to connect."""
    point = turn.point
    shares = split(connections, point.processes)
    active = split(point.active, point.processes) if point.active else [None] * point.processes
    return Crew(
        servers,
        [
            Order(
                Load(
                    connections=shares[number],
                    size=point.size,
                    path="/" if point.additions else None,
                    seconds=point.seconds,
                    rate=point.rate / point.processes or None,
                ),
                "echo",
                active=active[number],
                additions=point.additions,
                source=f"127.{1 + number // SOURCES}.{number % SOURCES}.1",
            )
            for number in range(point.processes)
        ],
        turn.cores.generator,
    )


def connect_seconds(turn: Turn) -> float:
    """How long connecting may take before it counts as stuck."""
    each = 1 / CONNECTS_PER_SECOND + 3 * turn.scene.answer_seconds_of(turn.peer.name)
    return 60.0 + turn.point.connections * each


def measure(turn: Turn) -> None:
    """Connect, load, read memory while all connections are open, close."""
    with turn.servers() as servers, crew(turn, servers, turn.point.connections) as generators:
        generators.connect(connect_seconds(turn))
        generators.load()
        rss = sum(resident_bytes(server.pid) for server in servers)
        reports = generators.reports()
        turn.judge(reports)
        turn.metrics |= {**add(reports), "rss": rss}
    if turn.metrics["messages_per_second"] == 0.0:
        turn.problems.append(f"no answer came within {turn.point.seconds:g} s")
    if turn.metrics.get("generator_core", 0.0) > GENERATOR_BOUND:
        turn.remarks.append("the generator's core was full: requests per second are its limit, not the server's")
