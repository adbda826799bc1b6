"""Rolling replacements leave nothing behind in the supervisor: no descriptor, no memory, no zombie.

`make test-slow` makes a thousand; otherwise thirty, of which the first ten are not judged.
"""

import os
import signal
from functools import partial
from pathlib import Path

import pytest

from tests.helpers.waiting import wait_until
from tests.helpers.worker_service import WorkerService

REPLACEMENTS = int(os.environ.get("FLOODWAY_REPLACEMENTS", "30"))
SETTLED = min(100, REPLACEMENTS // 3)
GROWTH_BYTES = 1 << 20


@pytest.mark.slow
@pytest.mark.alone
def test_replacements_leave_nothing_behind(tmp_path: Path) -> None:
    with WorkerService(tmp_path, "--workers", "1", "--grace", "1") as service:
        service.wait_serving(1)
        measured: dict[int, tuple[int, int]] = {}
        for number in range(1, REPLACEMENTS + 1):
            (old,) = service.workers()
            os.kill(service.pid, signal.SIGHUP)
            wait_until(partial(_is_replaced, service.pid, old), "the successor alone")
            if number in {SETTLED, REPLACEMENTS}:
                measured[number] = _descriptors(service.pid), _anonymous(service.pid)
        (descriptors, memory), (descriptors_end, memory_end) = measured[SETTLED], measured[REPLACEMENTS]
        print(f"after {SETTLED}: {descriptors} descriptors, {memory} bytes")
        print(f"after {REPLACEMENTS}: {descriptors_end} descriptors, {memory_end} bytes")
        assert descriptors_end == descriptors
        assert memory_end - memory < GROWTH_BYTES
        assert len(_children(service.pid)) == 1  # a zombie would be one too


def _is_replaced(supervisor: int, old: int) -> bool:
    children = _children(supervisor)
    return len(children) == 1 and children != [old]


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _descriptors(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def _anonymous(pid: int) -> int:
    """Resident anonymous memory: the supervisor's share in what it has in common with workers does not come and go."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Anonymous:"):
            return int(line.split()[1]) * 1024
    raise LookupError(f"/proc/{pid}/smaps_rollup has no Anonymous")
