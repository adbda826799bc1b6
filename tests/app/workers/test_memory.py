"""What workers cost together: memory that several processes share counts for each by its part."""

from pathlib import Path

import pytest

from tests.helpers.fault_process import proportional_bytes
from tests.helpers.worker_service import APPLICATION, WorkerService, ask

TABLE_BYTES = 16 << 20
TABLE = f"TABLE = [bytes(1024) for _ in range({TABLE_BYTES // 1024})]\n"
WORKERS = 8


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
