"""Facts about this machine and this Python: kernel, cores, the GIL, descriptors, memory.

One of the two places that ask for the operating system or the Python build (the other is `conn.reactor`).
"""

import logging
import resource
import sys
import threading
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from floodway._core import probe

logger: Final = logging.getLogger(__name__)

AUTO_CONNECTIONS_SHARE: Final = 0.8
"""The part of the descriptor limit that `max_connections="auto"` gives to connections."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the native core found out about kernel and machine; None for what it could not."""

    kernel_release: str | None
    somaxconn: int | None
    """The longest backlog that the kernel grants."""
    local_port_range: tuple[int, int] | None
    """First and last port of outgoing connections."""
    tcp_mem_pages: tuple[int, int, int] | None
    """Memory of all TCP sockets in pages: low, pressure, high."""
    tcp_rmem_bytes: tuple[int, int, int] | None
    """Receive buffer of one TCP socket: least, default, most."""
    tcp_wmem_bytes: tuple[int, int, int] | None
    """Send buffer of one TCP socket: least, default, most."""
    nr_open: int | None
    """The most that anyone can raise the descriptor limit to."""
    epoll: bool
    affinity_cpus: int | None
    """Processors this process may run on."""
    cpu_quota: float | None
    """Processors' worth of time that the control groups grant; None also means no quota."""


def facts() -> Facts:
    """Ask the native core; it reads a dozen small files."""
    found = probe()
    values: dict[str, Any] = {field.name: found.get(field.name) for field in fields(Facts)}  # Any: as each field says
    return Facts(**values)


def cores() -> int:
    """Processor cores this process may use: its affinity, capped by the quota of its control group."""
    found = facts()
    quota = found.cpu_quota
    allowed = found.affinity_cpus or 1
    return allowed if quota is None else max(1, min(allowed, round(quota)))


def has_gil() -> bool:
    """Whether only one thread at a time runs Python now."""
    is_enabled = getattr(sys, "_is_gil_enabled", None)  # since Python 3.13
    return True if is_enabled is None else bool(is_enabled())


def descriptor_limits() -> tuple[int, int]:
    """The soft and the hard limit of open descriptors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _finite(soft), _finite(hard)


def raise_descriptor_limit() -> int:
    """Raise the soft limit of open descriptors to the hard one, say so in the log, and return the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard:
        return _finite(soft)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError) as error:
        logger.warning("the descriptor limit stays at %d: it could not be raised to %d: %s", soft, hard, error)
        return _finite(soft)
    logger.info("raised the descriptor limit from %d to %d", soft, hard)
    return _finite(hard)


def auto_connections(descriptor_limit: int) -> int:
    """The connections that fit under a descriptor limit and leave room for files."""
    return max(1, int(descriptor_limit * AUTO_CONNECTIONS_SHARE))


def thread_count() -> int:
    """Threads of this process, those that Python does not know included where the system can say."""
    try:
        return sum(1 for _ in Path("/proc/self/task").iterdir())
    except OSError:
        return threading.active_count()


def resident_bytes() -> int:
    """Memory of this process that is in RAM."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:  # no procfs: the largest it ever was is the nearest answer
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return pages * resource.getpagesize()


def _finite(limit: int) -> int:
    return sys.maxsize if limit == resource.RLIM_INFINITY else limit
