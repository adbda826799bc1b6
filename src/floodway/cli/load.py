"""`floodway load ADDRESS`: the native load generator, and how its report is printed."""

import json
import socket
import sys
from collections.abc import Callable
from dataclasses import asdict
from ipaddress import IPv4Address
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import urlsplit

import click

from floodway._core import load as run
from floodway.base import platform
from floodway.base.address import IpAddress, TcpAddress, UnixAddress, parse
from floodway.cli.options import Parameter, Value
from floodway.conn.stats import LoadReport

__all__ = ["lines", "load", "milliseconds", "run", "socket_address"]


KNOCK_SECONDS: Final = 5.0
PORTS: Final = {"http": 80, "https": 443}
CUED: Final = frozenset({"connecting", "warming up", "closing"})
"""The phases before which everything waits without anything being measured."""


class Source(Parameter):
    """An IPv4 address."""

    name: str = "address"

    def convert(
        self,
        value: Any,  # Any: click's
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> IPv4Address:
        """Read what was typed."""
        try:
            return IPv4Address(value)
        except ValueError as error:
            return self.fail(str(error), param, ctx)


@click.command()
@click.argument("address")
@click.option("--connections", type=click.IntRange(1), default=50, show_default=True)
@click.option("--mode", type=click.Choice(["echo", "idle", "flood", "handshake"]), default="echo", show_default=True,
              help="echo: messages that come back; idle: only connect; flood: send without waiting; "
              "handshake: over TLS, connect, shake hands and close, again and again.")  # fmt: skip
@click.option("--rate", type=Value(float | Literal["closed"]), default="closed", show_default=True,
              help="Messages a second, all connections together; closed: the next as soon as one is back.")  # fmt: skip
@click.option("--active", type=click.IntRange(1),
              help="How many take part in the load; the others echo once and are held. [default: all]")  # fmt: skip
@click.option("--size", type=click.IntRange(1), default=64, show_default=True,
              help="Bytes of a message; over HTTP, of the body of a POST.")  # fmt: skip
@click.option("--method", type=click.Choice(["GET", "POST"]), default="GET", show_default=True,
              help="Over HTTP, how to ask.")  # fmt: skip
@click.option("--expect-echo", is_flag=True,
              help="Over HTTP, each body has to be the one that was posted. [default: all of one length]")  # fmt: skip
@click.option("--additions", type=click.IntRange(1),
              help="Over HTTP, POST bodies that differ, and expect the sum of so many of their bytes, body[i % size], "
              "padded with spaces to --size bytes.")  # fmt: skip
@click.option("--seconds", type=click.FloatRange(0, min_open=True), default=10.0, show_default=True)
@click.option("--connect-rate", type=click.FloatRange(0, min_open=True),
              help="Connections opened a second. [default: as fast as they are answered]")  # fmt: skip
@click.option("--source", type=Source(), default="127.0.0.1", show_default=True,
              help="First local address, in 127.0.0.0/8; many connections take those that follow it, too.")  # fmt: skip
@click.option("--on-cue", is_flag=True,
              help="Print 'connecting', 'warming up', 'closing', and wait for a line before each.")  # fmt: skip
@click.option("--pid", type=int, help="Process whose CPU time and memory, with its children's, are reported.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def load(  # noqa: PLR0913, PLR0917 - a parameter for each flag
    address: str,
    connections: int,
    mode: Literal["echo", "idle", "flood", "handshake"],
    rate: float | Literal["closed"],
    size: int,
    method: Literal["GET", "POST"],
    expect_echo: bool,
    additions: int | None,
    seconds: float,
    active: int | None,
    connect_rate: float | None,
    source: IPv4Address,
    on_cue: bool,
    pid: int | None,
    as_json: bool,
) -> None:
    """Put load on the server at ADDRESS and measure it.

    At tcp://host:port or unix:///path an echo server, which sends every byte back. At http://host:port/path an HTTP/1.1
    server: a message is a request there, the next one follows its answer, and each has to be answered with status 200.

    At tls://host:port and https://host:port/path the same over TLS 1.3 or 1.2. Certificates are NOT verified: whoever
    answers is measured. Each connection begins with a whole handshake, none is resumed.
    """
    platform.raise_descriptor_limit()
    try:
        asked = _asked(address)
        if asked.target is None and (method != "GET" or expect_echo or additions):
            raise ValueError(f"--method, --expect-echo and --additions need http:// or https://, not {address}")
        _knock(asked.server)
        report = run(
            asked.server,
            connections=connections,
            mode=mode,
            rate=None if rate == "closed" else rate,
            size=size,
            seconds=seconds,
            pid=pid,
            progress=_cued() if on_cue else _progress(),
            active=active,
            connect_rate=connect_rate,
            first_source=source,
            target=asked.target,
            host=asked.host,
            method="POST" if additions else method,
            expect_echo=expect_echo,
            additions=additions,
            server_name=asked.server_name,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"{address}: {error.strerror or error}") from error
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    print(
        json.dumps(asdict(report))
        if as_json
        else "\n".join(lines(report, "handshake" if mode == "handshake" else "message"))
    )
    if report.connected == 0 or report.corrupt_bytes or _has_wrong_answers(report):
        sys.exit(1)


class Asked(NamedTuple):
    """What an address stands for."""

    server: IpAddress | str
    server_name: str | None = None
    """Whom to ask for by TLS; None: not encrypted."""
    target: str | None = None
    """What to request over HTTP; None: no HTTP."""
    host: str = ""
    """The value of the Host field."""


def _asked(address: str) -> Asked:
    """What to connect to, and what to ask for there. Raises ValueError for what is no such address."""
    if not address.startswith(("http://", "https://")):
        name = parsed.host if isinstance(parsed := parse(address), TcpAddress) and parsed.tls else None
        return Asked(socket_address(address), name)
    url = urlsplit(address)
    if not url.hostname or url.username is not None or url.fragment:
        raise ValueError(f"{address} cannot be asked for; write {url.scheme}://host:port/path?query")
    host = f"[{url.hostname}]" if ":" in url.hostname else url.hostname
    return Asked(
        socket_address(f"tcp://{host}:{url.port or PORTS[url.scheme]}"),
        url.hostname if url.scheme == "https" else None,
        (url.path or "/") + (f"?{url.query}" if url.query else ""),
        url.netloc,
    )


def _has_wrong_answers(report: LoadReport) -> bool:
    return bool(report.other_statuses or report.wrong_lengths or report.wrong_sums or report.malformed)


def socket_address(text: str) -> IpAddress | str:
    """The first socket address that an address stands for."""
    address = parse(text)
    if isinstance(address, TcpAddress):
        return address.resolve()[0]
    if isinstance(address, UnixAddress):
        return address.socket_address
    raise ValueError(
        f"{text} cannot be connected to; write tcp://host:port, unix:///path or http://host:port/path, or tls:// or https://"
    )


def _knock(target: IpAddress | str) -> None:
    """Connect once, so that an address where nobody answers is an OSError that says why."""
    family = socket.AF_UNIX if isinstance(target, str) else socket.AF_INET6 if ":" in target[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as visitor:
        visitor.settimeout(KNOCK_SECONDS)
        visitor.connect(target)


def lines(report: LoadReport, message: str = "message") -> list[str]:
    """The report for people, without what was not measured; `message`: what one is called."""
    text = [
        f"connections  {report.connected:,} open, {report.failed:,} failed, {report.connects_per_second:,.0f}/s",
        f"{message + 's':12} {report.messages:,}, {report.messages_per_second:,.0f}/s",
    ]
    if report.broken:
        text.append(f"broken       {report.broken:,} connections ended before the run did")
    if report.p50 is not None:
        shares = {"p50": report.p50, "p90": report.p90, "p99": report.p99, "p99.9": report.p999, "max": report.max}
        text.append("latency      " + ", ".join(f"{name} {milliseconds(value)}" for name, value in shares.items()))
    if report.lateness_p99 is not None and report.p99 is not None and report.lateness_p99 > report.p99 / 2:
        text.append(
            f"note         the generator itself was late (p99 {milliseconds(report.lateness_p99)}): it was the limit"
        )
    if report.messages:
        counts = f"{report.per_connection_min:,} / {report.per_connection_mean:,.1f} / {report.per_connection_max:,}"
        text.append(f"each         {counts} {message}s (least, mean, most)")
    if report.cpu_per_message is not None:
        generator = report.generator_cpu_per_message
        beside = "" if generator is None else f", generator {generator * 1e6:.1f} us"
        text.append(f"CPU          server {report.cpu_per_message * 1e6:.1f} us a {message}{beside}")
    if report.server_rss_before is not None and report.server_rss_with_connections is not None:
        grown = report.server_rss_with_connections - report.server_rss_before
        each = grown / report.connected if report.connected else 0.0
        text.append(f"memory       server {grown / 2**20:.1f} MiB for the connections, {each:.0f} bytes each")
    if report.corrupt_bytes:
        text.append(f"CORRUPT      {report.corrupt_bytes:,} bytes came back other than they were sent")
    if _has_wrong_answers(report):
        text.append("WRONG        answers: the verdict begins with what is wrong with them")
    return [*text, f"verdict      {report.verdict}"]


def milliseconds(seconds: float | None) -> str:
    """A latency, readable."""
    return "-" if seconds is None else f"{seconds * 1000:.2f} ms"


def _cued() -> Callable[[str, int, float], object]:
    """For several generators that are to move together: whoever started them gives the cues."""
    told: set[str] = set()

    def wait(phase: str, _connections: int, _rate: float) -> None:
        if phase in told or phase not in CUED:
            return
        told.add(phase)
        print(phase, flush=True)
        if not sys.stdin.readline():
            raise click.ClickException("standard input has ended, so no cue will come")

    return wait


def _progress() -> Callable[[str, int, float], object] | None:
    """A line at the terminal that is written over; nothing elsewhere."""
    if not sys.stderr.isatty():
        return None

    def show(phase: str, connections: int, rate: float) -> None:
        print(
            f"\r{phase}: {connections:,} connections, {rate:,.0f} messages/s \x1b[K",
            end="",
            file=sys.stderr,
            flush=True,
        )

    return show
