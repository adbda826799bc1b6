"""What the kernel says of a process and its children: CPU time, memory, descriptors. Linux, through /proc."""

from pathlib import Path

PROC = Path("/proc")


def process_tree(pid: int) -> list[int]:
    """A process and all its descendants. Reads every process's parent: the kernel need not offer the children."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended meanwhile
            parent = int(stat.rpartition(")")[2].split()[1])  # proc_pid_stat(5): the name may hold blanks and ")"
            children.setdefault(parent, []).append(int(entry.name))
    tree = [pid]
    for member in tree:  # grows while it is walked
        tree.extend(children.get(member, ()))
    return tree


def cpu_seconds(pid: int) -> float:
    """CPU time that a process's living threads have used, from the scheduler's nanoseconds. Short of ended threads."""
    total = 0
    for member in process_tree(pid):
        for task in _tasks(member):
            try:
                total += int((task / "schedstat").read_text().split()[0])
            except (FileNotFoundError, ProcessLookupError):
                continue
    return total / 1e9


def resident_bytes(pid: int) -> int:
    """Resident memory of a process and its children.

    Not from `statm`: since Linux 6.2 its counts are kept per processor and lag by up to some hundred KiB, which would
    be tens of bytes a connection here. `smaps_rollup` walks the page table and is exact.
    """
    total = 0
    for member in process_tree(pid):
        for line in (PROC / str(member) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Rss:"):
                total += int(line.split()[1]) * 1024
    return total


def open_descriptors(pid: int) -> int:
    """How many descriptors a process and its children hold."""
    return sum(sum(1 for _ in (PROC / str(member) / "fd").iterdir()) for member in process_tree(pid))


def _tasks(pid: int) -> list[Path]:
    try:
        return list((PROC / str(pid) / "task").iterdir())
    except (FileNotFoundError, ProcessLookupError):
        return []
