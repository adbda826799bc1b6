"""What processes and the kernel use. Proportional: memory that several processes share counts for each by its part."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.machine import meminfo


@dataclass(frozen=True, slots=True)
class Share:
    """User memory of some processes together, in bytes."""

    anonymous: int
    """Heaps and stacks. Workers share with their supervisor what none of them has changed."""
    files: int
    """Mapped files. The generators run the same interpreter, so once they run this is less."""
    shared: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.anonymous + self.files + self.shared

    def with_files_of(self, alone: "Share") -> int:
        """All of it, as if nobody else had the same files mapped: with the files' part from when that was so."""
        return self.anonymous + self.shared + max(self.files, alone.files)


def share_of(pids: Iterable[int]) -> Share:
    """The proportional memory of these processes (`smaps_rollup`, Linux 5.4)."""
    sums = dict.fromkeys(("Pss_Anon", "Pss_File", "Pss_Shmem"), 0)
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            name, _, rest = line.partition(":")
            if name in sums:
                sums[name] += int(rest.split()[0]) * 1024
    return Share(sums["Pss_Anon"], sums["Pss_File"], sums["Pss_Shmem"])


def slab_bytes() -> int:
    """Of the whole machine: what the kernel keeps its own objects in, sockets and files among them."""
    return meminfo("Slab")


def available_bytes() -> int:
    """What may still be used without swapping."""
    return meminfo("MemAvailable")
