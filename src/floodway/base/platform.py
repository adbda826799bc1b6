"""Facts about this machine and this Python: cores, the GIL, descriptors, memory, and what the native core found out.

One of the two places that ask for the operating system or the Python build (the other is `conn.reactor`).
"""

import logging
import os
import resource
import sys
from pathlib import Path
from typing import Final

from floodway._core import probe

__all__ = [
    "AUTO_CONNECTIONS_SHARE",
    "auto_connections",
    "cores",
    "descriptor_limits",
    "has_gil",
    "kernel_setting",
    "probe",
    "raise_descriptor_limit",
    "resident_bytes",
    "somaxconn",
]

logger = logging.getLogger(__name__)

AUTO_CONNECTIONS_SHARE: Final = 0.8
"""The part of the descriptor limit that `max_connections="auto"` gives to connections."""

_CGROUP_V2: Final = Path("/sys/fs/cgroup/cpu.max")
_CGROUP_V1: Final = Path("/sys/fs/cgroup/cpu")


def cores() -> int:
    """Processor cores this process may use: its affinity, capped by the quota of its control group."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _cgroup_quota()
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


def resident_bytes() -> int:
    """Memory of this process that is in RAM."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:  # no procfs: the largest it ever was is the nearest answer
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return pages * resource.getpagesize()


def somaxconn() -> int | None:
    """The kernel's cap of every listener's backlog, where it tells."""
    return kernel_setting("net/core/somaxconn")


def kernel_setting(name: str) -> int | None:
    """The first number of a setting under /proc/sys, None where there is no such setting."""
    try:
        return int(Path("/proc/sys", name).read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None


def _finite(limit: int) -> int:
    return sys.maxsize if limit == resource.RLIM_INFINITY else limit


def _cgroup_quota() -> float | None:
    """The cores' worth of time that the control group grants, None without a quota."""
    try:
        if _CGROUP_V2.exists():
            quota, period = _CGROUP_V2.read_text().split()
        else:
            quota = (_CGROUP_V1 / "cpu.cfs_quota_us").read_text().strip()
            period = (_CGROUP_V1 / "cpu.cfs_period_us").read_text().strip()
        return None if quota in ("max", "-1") else int(quota) / int(period)
    except (OSError, ValueError):
        return None
