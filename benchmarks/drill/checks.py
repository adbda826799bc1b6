"""Whether this machine has room for the drill; each thing that it lacks comes with the command that mends it.

Looked at before anything is started, and from outside of the drill's own network namespace: `tcp_mem` counts for the
whole machine and is not shown within one.
"""

import resource
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.machine import KERNEL_BYTES, RESERVE_BYTES

from drill.memory import available_bytes
from drill.size import ACTIVE_SHARE, Size

USER_BYTES: Final = 300
"""Of both ends: the server's slot and object, and the generator's record."""
PROCESS_BYTES: Final = 14 << 20
"""Of a generator or a worker, without its connections, not shared."""
PORTS: Final = 10_000  # that one source address needs: the generator takes 8,000 from each
PAGE_BYTES: Final = resource.getpagesize()


@dataclass(frozen=True, slots=True)
class Lack:
    """What is too little, and what to do. `fits`: how many connections fit in as it is, where that can be said."""

    what: str
    command: str
    fits: int | None = None


def descriptor_limit() -> int:
    """How many descriptors a process may have, after raising the soft limit to the hard one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        hard = int(Path("/proc/sys/fs/nr_open").read_text())
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def lacks(size: Size, *, own_network: bool) -> list[Lack]:
    """What keeps this machine from the drill. With a network of its own, ports are set there."""
    found = [_memory(size), _files(size), _tcp_memory(size)]
    if not own_network:
        found.append(_ports())
    return [lack for lack in found if lack is not None]


def _memory(size: Size) -> Lack | None:
    there = available_bytes() - RESERVE_BYTES
    each = KERNEL_BYTES + USER_BYTES + PROCESS_BYTES * (size.servers + size.generators) / size.connections
    fits = max(0, int(there / each)) // 1000 * 1000
    if fits >= size.connections:
        return None
    needed = (each * size.connections + RESERVE_BYTES) / 2**30
    available = available_bytes() / 2**30
    return Lack(
        f"{size.connections:,} connections take {needed:.1f} GiB with a reserve, and {available:.1f} GiB are available",
        f"make million CONNECTIONS={fits}    # or end what uses the memory: ps aux --sort=-rss | head",
        fits,
    )


def _files(size: Size) -> Lack | None:
    allowed = int(Path("/proc/sys/fs/file-max").read_text())
    used = int(Path("/proc/sys/fs/file-nr").read_text().split()[0])
    needed = used + 2 * size.connections + 64 * (size.servers + size.generators)
    if needed <= allowed:
        return None
    return Lack(
        f"the machine needs {needed:,} open files and fs.file-max is {allowed:,}",
        f"sysctl -w fs.file-max={needed * 5 // 4}",
        max(0, (allowed - used) // 2 // 1000 * 1000),
    )


def _tcp_memory(size: Size) -> Lack | None:
    """Empty sockets take none of it; a message under way takes up to two pages at either end."""
    least, pressure, most = (int(word) for word in Path("/proc/sys/net/ipv4/tcp_mem").read_text().split())
    needed = 4096 + round(size.connections * ACTIVE_SHARE) * 4
    if pressure >= needed:
        return None
    return Lack(
        f"what is under way needs {needed:,} pages and net.ipv4.tcp_mem calls {pressure:,} pressure",
        f'sysctl -w net.ipv4.tcp_mem="{max(least, needed)} {2 * needed} {max(most, 3 * needed)}"',
        max(0, int((pressure - 4096) / 4 / ACTIVE_SHARE) // 1000 * 1000),
    )


def _ports() -> Lack | None:
    low, high = (int(word) for word in Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    if high - low + 1 >= PORTS:
        return None
    return Lack(
        f"one local address has the ports {low}-{high}, and the drill takes up to 8,000 from each",
        'sysctl -w net.ipv4.ip_local_port_range="1024 65535"',
    )
