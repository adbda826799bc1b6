"""`floodway info`: what this machine allows, what that means for many connections, and the command that raises it."""

import platform as python_platform
import resource
import sys
from dataclasses import dataclass

import click

import floodway
from floodway.base import platform
from floodway.base.platform import Facts
from floodway.conn.model import choose_model
from floodway.conn.reactor import driver_reason

KERNEL_BYTES_PER_CONNECTION = 4096
"""An idle TCP connection's socket, file and entries in the kernel's tables; about so much on Linux 5 and 6."""


@dataclass(frozen=True, slots=True)
class Line:
    """One fact, what follows from it, and how to change it."""

    name: str
    value: str
    meaning: str = ""
    command: str = ""


@click.command()
def info() -> None:
    """Show what runs here, which limits hold, what they cost at scale, and how to raise them."""
    lines = [*_build_lines(), *_limit_lines(platform.facts())]
    width = max(len(line.name) for line in lines)
    for line in lines:
        print(f"{line.name:<{width}}  {line.value}")
        for more in filter(None, (line.meaning, line.command and f"$ {line.command}")):
            print(f"{'':<{width}}    {more}")


def _build_lines() -> list[Line]:
    facts = platform.facts()
    driver = "epoll" if facts.epoll else "portable"
    has_gil = platform.has_gil()
    cores = platform.cores()
    model = choose_model(floodway.EngineOptions(), has_gil=has_gil, cores=cores)
    return [
        Line("floodway", floodway.__version__),
        Line("Python", f"{python_platform.python_version()} ({sys.implementation.name})"),
        Line("GIL", "on" if has_gil else "off", f"by default: {model}"),
        Line("driver", driver, driver_reason("auto", driver)),
        Line("kernel", facts.kernel_release or "unknown"),
        Line("cores", str(cores), "affinity and the control group's quota considered"),
    ]


def _limit_lines(facts: Facts) -> list[Line]:
    lines = [_descriptors(facts)]
    if facts.somaxconn is not None:
        lines.append(
            Line(
                "somaxconn",
                f"{facts.somaxconn:,}",
                f"caps Limits.backlog ({floodway.Limits().backlog:,}): newcomers beyond it try again after a second",
                "sysctl -w net.core.somaxconn=65535",
            )
        )
    if facts.local_port_range is not None:
        first, last = facts.local_port_range
        lines.append(
            Line(
                "local ports",
                f"{first}-{last}",
                f"{last - first + 1:,} outgoing connections from one address of ours to one address and port",
                'sysctl -w net.ipv4.ip_local_port_range="1024 65535"',
            )
        )
    return [*lines, *_memory_lines(facts)]


def _descriptors(facts: Facts) -> Line:
    soft, hard = platform.descriptor_limits()
    connections = platform.auto_connections(hard)
    ceiling = "" if facts.nr_open is None else f"; at most {facts.nr_open:,} (fs.nr_open)"
    return Line(
        "descriptors",
        f"{soft:,} (soft), {hard:,} (hard)",
        f"an engine raises soft to hard; max_connections is then {connections:,} by default{ceiling}",
        "ulimit -Hn 1048576    # as root; LimitNOFILE=1048576 in a systemd unit",
    )


def _memory_lines(facts: Facts) -> list[Line]:
    per_million = KERNEL_BYTES_PER_CONNECTION * 1_000_000 / 2**30
    lines = [
        Line(
            "memory per socket",
            f"about {KERNEL_BYTES_PER_CONNECTION / 1024:.0f} KiB in the kernel, while idle",
            f"1,000,000 idle connections: {per_million:.1f} GiB, beside what this process needs",
        )
    ]
    if facts.tcp_mem_pages is not None:
        page = resource.getpagesize()
        _, pressure, high = (pages * page / 2**30 for pages in facts.tcp_mem_pages)
        lines.append(
            Line(
                "memory of all sockets",
                f"{pressure:.1f} GiB (pressure), {high:.1f} GiB (most)",
                "data in the kernel's buffers; above it connections slow down, then break",
                f'sysctl -w net.ipv4.tcp_mem="{" ".join(str(2 * pages) for pages in facts.tcp_mem_pages)}"',
            )
        )
    for name, sizes, what in (
        ("receive buffer", facts.tcp_rmem_bytes, "that we have not read"),
        ("send buffer", facts.tcp_wmem_bytes, "that the peer has not acknowledged"),
    ):
        if sizes is not None:
            least, default, most = sizes
            setting = "tcp_rmem" if name == "receive buffer" else "tcp_wmem"
            lines.append(
                Line(
                    name,
                    f"{least:,} / {default:,} / {most:,} bytes (least, default, most)",
                    f"data {what}; 10,000 full ones: up to {most * 10_000 / 2**30:.1f} GiB",
                    f'sysctl -w net.ipv4.{setting}="{least} {default} {most}"    # or receive_buffer=, send_buffer=',
                )
            )
    return lines
