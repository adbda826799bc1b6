"""What /proc says about a process."""

import os
from pathlib import Path

PAGE = os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pid: int) -> float:
    """CPU time of all its threads so far."""
    nanos = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        nanos += int((task / "schedstat").read_text().split()[0])
    return nanos / 1e9


def resident_bytes(pid: int) -> int:
    """Memory of its own that is in RAM; pages of files do not count."""
    return _rollup(pid, "Anonymous")


def proportional_bytes(pid: int) -> int:
    """Memory that is in RAM; a page that several processes have counts for each by its part."""
    return _rollup(pid, "Pss")


def private_bytes(pid: int) -> int:
    """Memory that this process alone has and has written to."""
    return _rollup(pid, "Private_Dirty")


def _rollup(pid: int, field: str) -> int:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    fields = dict(line.split(":", 1) for line in rollup.splitlines()[1:])
    return int(fields[field].split()[0]) * 1024


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def threads(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def waits(pid: int) -> int:
    """How often its threads have begun to wait for something so far."""
    statuses = [(task / "status").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    return sum(int(text.partition("\nvoluntary_ctxt_switches:")[2].split()[0]) for text in statuses)
