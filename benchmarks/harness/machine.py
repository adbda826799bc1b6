"""The machine: which cores are whose, whether it is quiet, whether its limits suffice, and what it is.

Load that is not ours ("foreign") is what /proc/stat counted as busy less what server, generator and runner used. It is
recorded for every repetition, since a shared machine is never quiet for long and a reader has to be able to judge.
"""

import os
import platform
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.process import cpu_seconds

QUIET_CORES: Final = 0.10  # a machine that is busier than this, in cores, is not quiet
WAIT_SECONDS: Final = 20.0  # a cell waits at most so long for a quiet machine
SAMPLE_SECONDS: Final = 0.4
SOURCE_ADDRESSES: Final = 4  # over which the clients spread, in 127.0.0.0/8; each has a port range of its own
KERNEL_BYTES: Final = 10_500
"""Of both ends of a connection on loopback: two sockets, two files, two entries in the table, two epoll items."""
RESERVE_BYTES: Final = 2 << 30
"""Of memory, never used: a machine that swaps measures nothing, and may take its neighbours with it."""

_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cores:
    """Who runs where."""

    server: frozenset[int]
    generator: frozenset[int]
    apart: bool  # not the same core, nor two threads of one


def divide_cores(*, share: bool = False) -> Cores:
    """One core for the server and another for the generator, or all of them for both."""
    allowed = sorted(os.sched_getaffinity(0))
    if share:
        return Cores(frozenset(allowed), frozenset(allowed), False)
    server = allowed[-1]  # interrupts tend to sit on the first
    strangers = [core for core in allowed if core not in _siblings(server)]
    others = strangers or [core for core in allowed if core != server] or [server]
    return Cores(frozenset({server}), frozenset({others[0]}), bool(strangers))


@contextmanager
def inherited(cores: frozenset[int], *, first: bool = False) -> Iterator[bool]:
    """Let processes started in the block begin on these cores: some runtimes count their cores at start.

    With `first` they are scheduled before all ordinary ones (SCHED_FIFO), so that their latencies are the server's and
    not those of a neighbour on their own core. Yields whether that was allowed.
    """
    before, policy = os.sched_getaffinity(0), os.sched_getscheduler(0)
    parameters = os.sched_getparam(0)
    os.sched_setaffinity(0, cores)
    granted = False
    if first:
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
            granted = True
        except PermissionError:
            granted = False
    try:
        yield granted
    finally:
        if granted:
            os.sched_setscheduler(0, policy, parameters)
        os.sched_setaffinity(0, before)


class NoiseMeter:
    """Tells, from its making to `read`, how many cores were busy with neither the servers nor with us."""

    def __init__(self, *server_pids: int) -> None:
        self._server_pids = server_pids
        self._began = time.monotonic()
        self._busy, self._stolen = _busy_seconds()
        self._ours = self._our_seconds()

    def read(self) -> tuple[float, float]:
        """Foreign load and time stolen by the hypervisor, both in cores. While the servers live."""
        elapsed = time.monotonic() - self._began
        busy, stolen = _busy_seconds()
        foreign = (busy - self._busy) - (self._our_seconds() - self._ours)
        return max(0.0, foreign / elapsed), max(0.0, (stolen - self._stolen) / elapsed)

    def _our_seconds(self) -> float:
        return _own_seconds() + sum(cpu_seconds(pid) for pid in self._server_pids)


@dataclass(slots=True)
class Patience:
    """How long a cell may still wait for a quiet machine, and what came of it."""

    left: float = WAIT_SECONDS
    waited: float = 0.0
    gave_up: bool = False

    def wait_quiet(self) -> None:
        """Return once the machine is quiet, or when patience has run out."""
        while True:
            load = _load_now()
            if load < QUIET_CORES:
                return
            self.waited += SAMPLE_SECONDS
            self.left -= SAMPLE_SECONDS
            if self.left <= 0:
                self.gave_up = True
                return


def check_limits(connections: int, *, processes: int = 1, filled: bool = False) -> list[str]:
    """What keeps this machine from so many connections, each with the command that mends it. Raises the soft limit.

    They are over so many servers, and as many clients. With `filled`, servers know that all their descriptors are for
    connections; otherwise they may keep some: Floodway takes connections up to 80 % of its descriptors.
    """
    problems = []
    share = -(-connections // processes)
    needed = share * (10 if filled else 13) // 10 + 256
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        problems.append(f"{share} connections need {needed} descriptors and the limit is {hard}; "
                        f"run `ulimit -n {needed}` as root first")  # fmt: skip
    elif soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    low, high = _port_range()
    if (high - low) * SOURCE_ADDRESSES < share * 2:
        problems.append(f"{share} connections need more ports than {low}-{high}; "
                        'run `sysctl -w net.ipv4.ip_local_port_range="10000 65000"`')  # fmt: skip
    return problems


def check_memory(connections: int, each: float = 0.0) -> str | None:
    """Why so many connections do not fit into memory, if a server takes `each` bytes for one; None if they do."""
    needed = connections * (KERNEL_BYTES + each) + RESERVE_BYTES
    available = meminfo("MemAvailable")
    if needed <= available:
        return None
    return (
        f"{connections} connections take {needed / 2**30:.1f} GiB with a reserve ({each:.0f} bytes of a server each), "
        f"and {available / 2**30:.1f} GiB are available; end what uses it: `ps aux --sort=-rss | head`"
    )


def meminfo(name: str) -> int:
    """A line of /proc/meminfo, in bytes. Raises LookupError if there is none of this name."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    raise LookupError(f"/proc/meminfo has no {name}")


def describe_machine() -> dict[str, str | int]:
    """What has to be known of the machine to read a figure. Names no host and no path."""
    low, high = _port_range()
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30),
        "kernel": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
        "virtual": "yes" if "hypervisor" in Path("/proc/cpuinfo").read_text() else "no",
        "somaxconn": int(Path("/proc/sys/net/core/somaxconn").read_text()),
        "descriptor_limit": resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        "ports": f"{low}-{high}",
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _siblings(core: int) -> set[int]:
    path = Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list")
    if not path.exists():
        return {core}
    siblings: set[int] = set()
    for part in path.read_text().strip().split(","):
        first, _, last = part.partition("-")
        siblings.update(range(int(first), int(last or first) + 1))
    return siblings


def _port_range() -> tuple[int, int]:
    low, high = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    return int(low), int(high)


def _busy_seconds() -> tuple[float, float]:
    """Seconds that all cores together were busy, and that the hypervisor took from them: proc_stat(5)."""
    line = Path("/proc/stat").read_text().partition("\n")[0]
    user, nice, system, _idle, _iowait, irq, softirq, steal = (int(field) for field in line.split()[1:9])
    return (user + nice + system + irq + softirq) / _TICKS, steal / _TICKS


def _own_seconds() -> float:
    """CPU time of the runner and of every child that it has waited for: the generators."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _load_now() -> float:
    busy, _ = _busy_seconds()
    time.sleep(SAMPLE_SECONDS)
    return (_busy_seconds()[0] - busy) / SAMPLE_SECONDS
