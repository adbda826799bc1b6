"""What workers cost together: memory that several processes share counts for each by its part."""

from pathlib import Path

import pytest

from tests.helpers.fault_process import private_bytes, proportional_bytes
from tests.helpers.worker_service import APPLICATION, WorkerService, ask

TABLE_BYTES = 16 << 20
TABLE = f"TABLE = [bytes(1024) for _ in range({TABLE_BYTES // 1024})]\n"
WORKERS = 8
MOST_PRIVATE_BYTES = 5 << 20


@pytest.mark.alone
def test_preloaded_workers_share_the_applications_memory(tmp_path: Path) -> None:
    measured = {}
    for arguments in ([], ["--preload"]):
        service = WorkerService(tmp_path, "--workers", str(WORKERS), *arguments, application=TABLE + APPLICATION)
        with service:
            service.wait_serving(WORKERS)
            for _ in range(20 * WORKERS):
                with service.dial() as peer:
                    ask(peer)
            pids = [service.pid, *service.workers()]
            measured[bool(arguments)] = sum(map(proportional_bytes, pids))
    assert measured[False] > WORKERS * TABLE_BYTES
    assert measured[True] < measured[False] - (WORKERS - 2) * TABLE_BYTES


@pytest.mark.alone
@pytest.mark.parametrize("arguments", [[], ["--preload"]])
def test_a_worker_has_little_for_itself(tmp_path: Path, arguments: list[str]) -> None:
    """Measured: 2.8 and 2.1 MB where objects can be immortal, 3.4 at least elsewhere; 7.2 when nothing was shared."""
    with WorkerService(tmp_path, "--workers", "4", *arguments) as service:
        service.wait_serving(4)
        assert max(map(private_bytes, service.workers())) < MOST_PRIVATE_BYTES
