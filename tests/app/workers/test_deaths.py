"""Workers that die: who notices, who does not, and who comes in their place."""

import os
import signal
from pathlib import Path

import pytest

from tests.app.workers.conftest import Front
from tests.helpers.waiting import wait_until
from tests.helpers.worker_service import APPLICATION, Visitors, WorkerService, ask, persistent


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_killing_a_worker_20_times_under_load_costs_only_its_own_connections(tmp_path: Path, front: Front) -> None:
    with (
        WorkerService(tmp_path, "--workers", "4", *front.arguments, address=front.address) as service,
        Visitors(service.target) as visitors,
    ):
        seats = service.wait_serving(4)
        for number in range(20):
            index = number % 4
            victim = seats[index]
            with persistent(service, 12) as peers:
                os.kill(victim, signal.SIGKILL)
                service.wait_said(rf"worker {index} \(pid {victim}\) was killed by SIGKILL")
                for peer, pid in peers:
                    if pid == victim:
                        with pytest.raises((EOFError, ConnectionError)):
                            ask(peer)
                    else:
                        assert ask(peer)[0] == pid, "a connection of another worker goes on"
            seats = service.wait_serving(4)
            assert seats[index] != victim
        before = visitors.outcomes["answered"]
        wait_until(lambda: visitors.outcomes["answered"] > before + 20, "further answers")
    outcomes = visitors.outcomes
    assert set(outcomes) <= {"answered", "ended without an answer", "ConnectionResetError", "BrokenPipeError"}
    assert outcomes["answered"] > 200
    assert outcomes.total() - outcomes["answered"] <= 20 * 3, "each kill may cost what the worker held of 3 visitors"


def test_while_a_seat_is_empty_another_worker_serves_its_queue(tmp_path: Path, front: Front) -> None:
    with WorkerService(tmp_path, "--workers", "2", *front.arguments, address=front.address) as service:
        seats = service.wait_serving(2)
        service.write("raise LookupError('no database')")
        os.kill(seats[0], signal.SIGKILL)
        service.wait_said(r"could not be imported: LookupError: no database; another attempt", 2)
        for _ in range(40):
            with service.dial() as peer:
                assert ask(peer)[0] == seats[1]
        service.write(APPLICATION)
        again = service.wait_serving(2)
        assert again[1] == seats[1]
        pids: set[int] = set()
        while len(pids) < 2:
            with service.dial() as peer:
                pids.add(ask(peer)[0])
        assert pids == set(again.values()), "its own worker has the queue again"


def test_a_worker_that_exits_is_replaced_and_its_code_is_logged(tmp_path: Path) -> None:
    with WorkerService(tmp_path, "--workers", "1") as service:
        (first,) = service.wait_serving(1).values()
        with service.dial() as peer:
            peer.sendall(b"exit\n")
            service.wait_said(rf"worker 0 \(pid {first}\) exited with code 7; another starts at once")
        (second,) = service.wait_serving(1).values()
        assert second != first


def test_a_worker_that_stops_by_itself_has_a_successor_before_it_has_drained(tmp_path: Path) -> None:
    """One busy connection keeps it for its grace time; its seat is not empty meanwhile."""
    with WorkerService(tmp_path, "--workers", "1") as service:
        (first,) = service.wait_serving(1).values()
        with service.dial() as busy:
            busy.sendall(b"who\nhalf a line")
            assert busy.recv(100)
            with service.dial() as peer:
                peer.sendall(b"stop\n")
                service.wait_said(rf"worker 0 \(pid {first}\) stops by itself; another starts at once")
                wait_until(lambda: len(service.said(r" serves$")) == 2, "the successor")
                with service.dial() as newcomer:
                    assert ask(newcomer)[0] != first


def test_who_dies_again_and_again_is_started_ever_more_slowly(tmp_path: Path) -> None:
    with WorkerService(tmp_path, "--workers", "1") as service:
        for pause in ("at once", "in 0.1 s", "in 0.2 s"):
            (victim,) = service.wait_serving(1).values()
            os.kill(victim, signal.SIGKILL)
            service.wait_said(rf"\(pid {victim}\) was killed by SIGKILL; another starts {pause}")


def test_every_worker_is_gone_within_two_seconds_of_the_supervisors_death(tmp_path: Path) -> None:
    """One idles, one is stuck in a call, one computes for ever, one still imports."""
    slow = "import time\n" + APPLICATION
    with WorkerService(tmp_path, "--workers", "3") as service:
        service.wait_serving(3)
        with persistent(service, 12) as peers:
            blocked, blocked_pid = peers[0]
            spinning = next(peer for peer, pid in peers if pid != blocked_pid)
            blocked.sendall(b"block\n")
            spinning.sendall(b"spin\n")
            service.wait_said("has been in one batch", 2)
        service.write(slow.replace("import floodway", "print('imports', flush=True); time.sleep(60)"))
        service.signal(signal.SIGHUP)
        service.wait_said("^imports$")
        assert len(service.workers()) == 4
        service.child.kill()
        service.child.wait()
    # Leaving the block has waited for the end of every worker, for two seconds and a bit.
