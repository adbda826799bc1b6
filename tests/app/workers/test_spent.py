"""`--limit-max-requests`: a worker leaves in order, after another has taken its place."""

import http.client
import re
import threading
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from tests.helpers.waiting import wait_until
from tests.helpers.worker_service import WorkerService

APPLICATION = """
import os, time

STARTED = time.time()

def app(request):
    return str(os.getpid())
"""


def visit(service: WorkerService) -> str:
    assert isinstance(service.target, tuple)
    with closing(http.client.HTTPConnection(*service.target, timeout=20)) as client:
        return ask(client)


def ask(client: http.client.HTTPConnection) -> str:
    client.request("GET", "/")
    return client.getresponse().read().decode()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_worker_is_replaced_after_its_requests_and_nobody_notices(tmp_path: Path, workers: str) -> None:
    answered: Counter[str] = Counter()
    failures: list[Exception] = []
    lock = threading.Lock()
    with WorkerService(
        tmp_path, "--workers", workers, "--limit-max-requests", "10", application=APPLICATION
    ) as service:

        def visitor() -> None:
            try:
                while len(answered) < 5:
                    pid = visit(service)
                    with lock:
                        answered[pid] += 1
            except Exception as error:
                failures.append(error)

        visitors = [threading.Thread(target=visitor) for _ in range(2)]
        for one in visitors:
            one.start()
        for one in visitors:
            one.join()
        assert failures == []
        service.wait_serving(int(workers))
    spent = re.findall(r"worker \d \(pid (\d+)\) has served what it should", service.log())
    assert len(spent) >= 3
    assert all(answered[pid] >= 10 for pid in spent)
    assert "killed" not in service.log()


def test_an_idle_client_keeps_no_worker(tmp_path: Path) -> None:
    with WorkerService(tmp_path, "--workers", "1", "--limit-max-requests", "5", application=APPLICATION) as service:
        assert isinstance(service.target, tuple)
        with closing(http.client.HTTPConnection(*service.target, timeout=20)) as client:
            pids = [ask(client) for _ in range(5)]
            assert len(set(pids)) == 1
            service.wait_said("has ended")  # not kept by a connection that is idle
        assert visit(service) not in pids


def test_a_successor_that_cannot_start_leaves_the_old_one_serving(tmp_path: Path) -> None:
    with WorkerService(tmp_path, "--workers", "1", "--limit-max-requests", "5", application=APPLICATION) as service:
        service.write("raise LookupError\n")
        pids = {visit(service) for _ in range(20)}
        service.wait_said("the old workers serve on", 3)
        assert len({*pids, visit(service)}) == 1
        service.write(APPLICATION)
        wait_until(lambda: visit(service) not in pids, "the successor")
