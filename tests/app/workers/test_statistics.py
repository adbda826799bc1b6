"""What the whole service has done: asked by a worker, logged in intervals, and at SIGUSR1."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import floodway
from floodway.app.echo import Echo
from tests.helpers.waiting import wait_until
from tests.helpers.worker_service import WorkerService, persistent


def thread_states(pid: int) -> list[str]:
    stats = [(task / "stat").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    return [stat.rpartition(")")[2].split()[0] for stat in stats]


def service_stats(service: WorkerService) -> Any:
    with service.dial() as peer:
        peer.sendall(b"stats\n")
        received = b""
        while not received.endswith(b"\n"):
            received += peer.recv(1 << 16)
    return json.loads(received)


def test_a_worker_knows_the_statistics_of_all(tmp_path: Path) -> None:
    with WorkerService(tmp_path, "--workers", "3", "--sub-reactors", "2") as service:
        seats = service.wait_serving(3)
        with persistent(service, 20) as peers:
            stats = service_stats(service)
        assert {one["index"]: one["pid"] for one in stats["workers"]} == seats
        assert stats["total"]["connections"] == 21
        assert stats["total"]["accepted"] == sum(one["stats"]["total"]["accepted"] for one in stats["workers"]) == 21
        of = {pid: sum(pid == other for _, other in peers) for pid in seats.values()}
        for one in stats["workers"]:
            assert one["stats"]["total"]["connections"] in (of[one["pid"]], of[one["pid"]] + 1)
            assert len(one["stats"]["reactors"]) == 3
        assert (stats["missing"], stats["deaths"]) == ([], 0)


def test_who_does_not_answer_is_named(tmp_path: Path) -> None:
    with WorkerService(tmp_path, "--workers", "3") as service:
        seats = service.wait_serving(3)
        os.kill(seats[0], signal.SIGKILL)
        service.wait_said("was killed by SIGKILL")
        seats = service.wait_serving(3)
        with persistent(service, 12) as peers:
            silent = next(pid for pid in seats.values() if pid != peers[0][1])
            os.kill(silent, signal.SIGSTOP)
            try:
                wait_until(lambda: set(thread_states(silent)) == {"T"}, "every thread of it to stop")
                peers[0][0].sendall(b"stats\n")
                stats = json.loads(peers[0][0].makefile().readline())
            finally:
                os.kill(silent, signal.SIGCONT)
        assert stats["missing"] == [silent]
        assert stats["deaths"] == 1
        assert len(stats["workers"]) == 2


def test_the_interval_logs_the_sum_and_no_worker_its_own(tmp_path: Path) -> None:
    with WorkerService(tmp_path, "--workers", "2", "--stats-interval", "0.2") as service:
        service.wait_serving(2)
        with persistent(service, 8):
            service.wait_said("supervisor: workers=2 deaths=0 connections=8 accepted=8 ")
    assert not service.said("attendant: ")


def test_sigusr1_logs_statistics_and_stacks_of_all(tmp_path: Path) -> None:
    with WorkerService(tmp_path, "--workers", "2", "--threads", "1") as service:
        seats = service.wait_serving(2)
        service.signal(signal.SIGUSR1)
        service.wait_said("supervisor: workers=2 ")
        for index, pid in seats.items():
            service.wait_said(rf"worker {index} \(pid {pid}\): connections=0")
            service.wait_said(rf"worker {index} \(pid {pid}\): reactor:\n(?:  .*\n)*  .*sub_reactor.py")
            service.wait_said(rf"worker {index} \(pid {pid}\): floodway-worker-0:")


def test_one_process_is_a_service_of_one() -> None:
    with floodway.Engine(Echo(), "tcp://127.0.0.1:0") as engine:
        stats = engine.service_stats()
        assert [(one.index, one.pid) for one in stats.workers] == [(0, os.getpid())]
        assert stats.total.connections == 0
        assert str(stats).startswith("workers=1 deaths=0 connections=0")
