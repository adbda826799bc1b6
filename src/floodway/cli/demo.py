"""`floodway demo`: one server, ten thousand connections, three kinds of load, and the same on asyncio beside it.

The server is a child process, the generator runs here. Each server goes through the three phases; what they measured
fills a table, at a terminal while they run.
"""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal

import click

from floodway.base import platform
from floodway.cli.demo_screen import Screen, open_screen
from floodway.cli.load import milliseconds, run
from floodway.conn.stats import LoadReport

RATE: Final = 10_000
IDLE_SECONDS: Final = 1.0
PHASE_SECONDS: Final = 3.0
MESSAGE_BYTES: Final = 64
READY_SECONDS: Final = 10.0
END_SECONDS: Final = 3.0

Server = Literal["floodway", "asyncio"]
COMMANDS: Final[dict[Server, list[str]]] = {
    "floodway": ["-m", "floodway", "serve", "floodway.app.echo:Echo", "fd://{fd}", "--log-level", "warning",
                 "--max-connections", "none", "--backlog", "65535", "--grace", "2"],
    "asyncio": ["-m", "floodway.cli.asyncio_echo", "{fd}"],
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Phase:
    """One kind of load, and the rows of the table that it fills."""

    title: str
    mode: Literal["echo", "idle"]
    rate: float | None
    seconds: float
    rows: dict[str, Callable[[LoadReport], str]]


def _memory(report: LoadReport) -> str:
    if report.server_rss_before is None or report.server_rss_with_connections is None or not report.connected:
        return "-"
    each = (report.server_rss_with_connections - report.server_rss_before) / report.connected
    return f"{each:,.0f} bytes"


def _cpu(report: LoadReport) -> str:
    return "-" if report.cpu_per_message is None else f"{report.cpu_per_message * 1e6:.1f} us"


PHASES: Final = (
    Phase("idle mass", "idle", None, IDLE_SECONDS, {
        "connections open": lambda report: f"{report.connected:,}",
        "connects per second": lambda report: f"{report.connects_per_second:,.0f}",
        "memory per idle connection": _memory,
    }),
    Phase(f"{RATE:,} messages a second", "echo", RATE, PHASE_SECONDS, {
        "latency p50": lambda report: milliseconds(report.p50),
        "latency p99": lambda report: milliseconds(report.p99),
    }),
    Phase("saturation", "echo", None, PHASE_SECONDS, {
        "messages per second": lambda report: f"{report.messages_per_second:,.0f}",
        "server CPU per message": _cpu,
    }),
)  # fmt: skip


@click.command()
@click.option("--connections", type=click.IntRange(1), default=10_000, show_default=True)
@click.option("--against", type=click.Choice(["asyncio", "none"]), default="asyncio", show_default=True)
def demo(connections: int, against: str) -> None:
    """Show ten thousand connections on one Python handler, and the same on asyncio. Takes half a minute."""
    connections = _affordable(connections)
    servers: list[Server] = ["floodway", "asyncio"] if against == "asyncio" else ["floodway"]
    try:
        with open_screen(servers, [row for phase in PHASES for row in phase.rows]) as screen:
            reports: dict[Server, list[LoadReport]] = {}
            for server in servers:
                reports[server] = _measure(server, connections, screen)
    except OSError as error:
        raise click.ClickException(f"the demo could not run: {error}") from error
    for line in _summary(connections, reports):
        print(line)


def _affordable(connections: int) -> int:
    """As many connections as the descriptor limit has room for, with a word if those are fewer."""
    most = platform.auto_connections(platform.raise_descriptor_limit())
    if connections <= most:
        return connections
    print(f"{most:,} connections instead of {connections:,}: the descriptor limit has no room (see floodway info)")
    return most


def _measure(server: Server, connections: int, screen: Screen) -> list[LoadReport]:
    """Put one server through the phases. Returns their reports."""
    reports: list[LoadReport] = []
    with _serving(server) as (address, pid):
        for phase in PHASES:
            report = run(
                address,
                connections=connections,
                mode=phase.mode,
                rate=phase.rate,
                size=MESSAGE_BYTES,
                seconds=phase.seconds,
                pid=pid,
                progress=screen.progress(f"{server}, {phase.title}"),
            )
            for name, shown in phase.rows.items():
                screen.fill(server, name, shown(report))
            reports.append(report)
    return reports


@contextmanager
def _serving(server: Server) -> Generator[tuple[tuple[str, int], int]]:
    """Run a server in a child process. Gives its address and process id; the port is bound here, so it is known."""
    with socket.create_server(("127.0.0.1", 0), backlog=65535) as listener:
        address: tuple[str, int] = listener.getsockname()
        fd = listener.fileno()
        command = [sys.executable, *(part.format(fd=fd) for part in COMMANDS[server])]
        # A session of its own: Ctrl-C at the terminal is for us, and we end the child.
        child = subprocess.Popen(command, pass_fds=[fd], start_new_session=True)  # noqa: S603 - our own commands
    try:
        _wait_ready(address, child)
        yield address, child.pid
    finally:
        _end(child)


def _wait_ready(address: tuple[str, int], child: subprocess.Popen[bytes]) -> None:
    """Return once the server answers: a byte sent before it accepts waits for it in the kernel."""
    with socket.create_connection(address, timeout=READY_SECONDS) as visitor:
        visitor.sendall(b"?")
        try:
            if visitor.recv(1) == b"?":
                return
        except OSError:
            pass  # told below, with what became of the child
    raise OSError(f"the server did not answer (exit code {child.poll()})")


def _end(child: subprocess.Popen[bytes]) -> None:
    child.send_signal(signal.SIGTERM)
    try:
        child.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _summary(connections: int, reports: dict[Server, list[LoadReport]]) -> list[str]:
    """A few sentences that say what the table means."""
    idle, _, saturated = reports["floodway"]
    lines = [f"\n{idle.connected:,} of {connections:,} connections on one Python handler, {_memory(idle)} each."]
    if saturated.fair is not None:
        lines.append("Every connection had its share." if saturated.fair else f"Not every one: {saturated.verdict}")
    if "asyncio" in reports:
        _, _, other = reports["asyncio"]
        if other.cpu_per_message and saturated.cpu_per_message:
            ratio = other.cpu_per_message / saturated.cpu_per_message
            lines.append(f"asyncio needs {ratio:.1f} times the processor time for a message.")
    return [*lines, "Your turn: floodway serve floodway.app.echo:Echo tcp://127.0.0.1:9000"]
