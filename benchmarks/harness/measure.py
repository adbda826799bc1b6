"""One repetition: one server, started fresh, under one scenario's load, and what was seen."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from harness import generator, servers
from harness.generator import GeneratorError, Order, Report
from harness.holder import Holder, HolderError
from harness.machine import Cores, NoiseMeter, inherited
from harness.process import cpu_seconds
from harness.scenario import Scenario
from harness.servers import Peer, Server, ServerError

NOISY_CORES: Final = 0.25  # foreign load worth a remark
GENERATOR_BOUND: Final = 0.97  # of its core: beyond, the generator was the limit and not the server

# From a report to metrics: the names are the generator's own.
ECHO_METRICS: Final = (
    "cpu_per_message",
    "messages_per_second",
    "p50",
    "p90",
    "p99",
    "p999",
    "max",
    "generator_cpu_per_message",
)


@dataclass(slots=True)
class Repetition:
    """What one turn of one peer gave. With problems it counts for nothing; remarks only qualify it."""

    peer: str
    round: int
    metrics: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    foreign_cores: float = 0.0
    stolen_cores: float = 0.0
    reports: list[Mapping[str, Any]] = field(default_factory=list)  # Any: JSON as the generator gave it


def measure(scenario: Scenario, peer: Peer, round_number: int, cores: Cores, *, additions: int = 0) -> Repetition:
    """Start the peer, load it, end it. What goes wrong is a problem of the repetition, not an exception."""
    result = Repetition(peer.name, round_number)
    try:
        with servers.running(peer, cores.server, additions=additions) as server:
            noise = NoiseMeter(server.pid)
            try:
                _KINDS[scenario.kind](scenario, server, cores, result)
            finally:
                server.check_alive()  # if it is dead, that is the reason, and not what followed from it
            result.foreign_cores, result.stolen_cores = noise.read()
        result.remarks += server.remarks
    except (ServerError, GeneratorError, HolderError, OSError) as error:
        result.problems.append(servers.without_paths(str(error)))
    if result.foreign_cores > NOISY_CORES:
        result.remarks.append(f"others used {result.foreign_cores:.2f} cores meanwhile")
    if not result.problems and scenario.metric not in result.metrics:
        result.problems.append(f"the generator did not report {scenario.metric}")
    return result


def _echo(scenario: Scenario, server: Server, cores: Cores, result: Repetition) -> None:
    (report,) = _load(server, [Order(scenario.load, "echo")], cores, result)
    _keep(report, ECHO_METRICS, result)
    rate = report.number("messages_per_second") or 0.0
    for metric, per_message in (("server_core", "cpu_per_message"), ("generator_core", "generator_cpu_per_message")):
        if (seconds := report.number(per_message)) is not None:
            result.metrics[metric] = seconds * rate
    if not scenario.share_cores and result.metrics.get("generator_core", 0.0) > GENERATOR_BOUND:
        result.remarks.append("the generator's core was full: requests per second are its limit, not the server's")


def _memory(scenario: Scenario, server: Server, cores: Cores, result: Repetition) -> None:
    load = scenario.load
    low, high = load.connections_low, load.connections
    with inherited(cores.generator), Holder(server) as holder:
        holder.grow_to(low, exchange=load.size, path=load.path)
        rss_low = holder.settled_rss()
        holder.grow_to(high, exchange=load.size, path=load.path)
        rss_high = holder.settled_rss()
    result.metrics |= {
        "rss_low": rss_low,
        "rss_high": rss_high,
        "bytes_per_connection": (rss_high - rss_low) / (high - low),
    }


def _accept(scenario: Scenario, server: Server, cores: Cores, result: Repetition) -> None:
    before = cpu_seconds(server.pid)
    (report,) = _load(server, [Order(scenario.load, "idle")], cores, result)
    used = cpu_seconds(server.pid) - before
    _keep(report, ("connects_per_second",), result)
    if connected := report.number("connected"):
        result.metrics["cpu_per_connect"] = used / connected


def _handshakes(scenario: Scenario, server: Server, cores: Cores, result: Repetition) -> None:
    """Connecting, shaking hands by TLS and closing, again and again: the generator calls one of these a message."""
    (report,) = _load(server, [Order(scenario.load, "handshake")], cores, result)
    _keep(report, ("p50", "p99", "generator_cpu_per_message"), result)
    if unended := report.number("unanswered"):
        result.problems.append(f"{unended:.0f} connections were not ended by the server when their client had")
    rate = report.number("messages_per_second") or 0.0
    if (seconds := report.number("cpu_per_message")) is not None:
        result.metrics |= {"handshakes_per_second": rate, "cpu_per_handshake": seconds, "server_core": seconds * rate}
    if (seconds := report.number("generator_cpu_per_message")) is not None:
        result.metrics["generator_core"] = seconds * rate
    if result.metrics.get("generator_core", 0.0) > GENERATOR_BOUND:
        result.remarks.append("the generator's core was full: handshakes per second are its limit, not the server's")


def _neighbour(scenario: Scenario, server: Server, cores: Cores, result: Repetition) -> None:
    """The flood lasts as long as the pings, and a little longer at both ends, so that every ping has it beside it."""
    assert scenario.flood is not None
    flood = replace(scenario.flood, seconds=scenario.load.seconds + 1.0)
    orders = [Order(flood, "flood"), Order(scenario.load, "echo", first=True)]
    flooding, pinging = _load(server, orders, cores, result)
    _keep(pinging, ECHO_METRICS, result)
    if (rate := flooding.number("messages_per_second")) is not None:
        result.metrics["flood_bytes_per_second"] = rate * flood.size


def _load(server: Server, orders: list[Order], cores: Cores, result: Repetition) -> list[Report]:
    reports, remarks = generator.run(server, orders, cores.generator)
    result.remarks += remarks
    for report in reports:
        result.problems += report.problems
        result.reports.append(report.raw)
    return reports


def _keep(report: Report, names: tuple[str, ...], result: Repetition) -> None:
    for name in names:
        if (value := report.number(name)) is not None:
            result.metrics[name] = value


_KINDS: Final[dict[str, Callable[[Scenario, Server, Cores, Repetition], None]]] = {
    "echo": _echo,
    "memory": _memory,
    "accept": _accept,
    "neighbour": _neighbour,
    "handshake": _handshakes,
}
