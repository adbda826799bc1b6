"""An accepting process that hands connections to workers: who gets how many, and what becomes of them in trouble."""

import json
import os
import select
import signal
import socket
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.waiting import PATIENCE_SECONDS, wait_until
from tests.helpers.worker_service import APPLICATION, Visitors, WorkerService, ask, persistent

LEAST = ("--balancer", "least-connections")


def entrance(service: WorkerService) -> int:
    """The process id of the one that accepts now."""
    (pid,) = set(service.workers()) - set(service.serving().values())
    return pid


@pytest.mark.parametrize("balancer", ["round-robin", "fd-hash", "least-connections"])
def test_every_balancer_deals_evenly_to_workers_that_keep_what_they_get(tmp_path: Path, balancer: str) -> None:
    with WorkerService(tmp_path, "--workers", "3", "--balancer", balancer) as service:
        service.wait_serving(3)
        with ExitStack() as kept:
            # One after the other: what a worker that gets no processor leaves in its channel would go to others.
            dealt = Counter(ask(kept.enter_context(service.dial()))[0] for _ in range(90))
        assert sorted(dealt.values()) == [30, 30, 30]


@pytest.mark.parametrize("mains", [1, 2])
def test_least_connections_fills_the_gaps_that_closes_have_left(tmp_path: Path, mains: int) -> None:
    arguments = ("--workers", "3", *LEAST, "--main-reactors", str(mains))
    with WorkerService(tmp_path, *arguments) as service, ExitStack() as kept:
        service.wait_serving(3)
        peers = [kept.enter_context(service.dial()) for _ in range(90)]
        by_worker = [(peer, ask(peer)[0]) for peer in peers]
        emptied = by_worker[0][1]
        for peer, pid in by_worker:
            if pid == emptied:
                peer.close()
        left = [pair for pair in by_worker if pair[1] != emptied]
        wait_until(lambda: _connections(left[0][0])[emptied] == 0, "the closes to be seen")
        # One by one: to a worker that has not taken some ten yet, no more are handed.
        newcomers = Counter(ask(kept.enter_context(service.dial()))[0] for _ in range(60))
        counts = Counter(pid for _, pid in left) + newcomers
        assert max(counts.values()) - min(counts.values()) <= 2, counts


def test_a_balancer_object_of_the_users_is_asked_with_loads_and_addresses(tmp_path: Path) -> None:
    program = """
import logging

import floodway
from application import App


class Second:
    def pick(self, loads, newcomer):
        assert len(loads) == 3 and newcomer.fd > 0 and newcomer.peer[0] == "127.0.0.1"
        if sum(loads) >= 5:
            raise LookupError("no more ideas")
        return 1 if sum(loads) < 4 else 99


logging.basicConfig(level=logging.DEBUG)
floodway.serve(App(), "tcp://127.0.0.1:0", workers=3, balancer=Second())
"""
    with WorkerService(tmp_path, *LEAST, program=program) as service:
        second = service.wait_serving(3)[1]
        with persistent(service, 4) as peers:
            assert {pid for _, pid in peers} == {second}
            with persistent(service, 2) as others:
                assert second not in {pid for _, pid in others}, "least connections picks in its place"
                service.wait_said("the balancer (picked 99 of 3|raised)")


def test_killing_the_accepting_process_costs_no_established_connection(tmp_path: Path) -> None:
    with (
        WorkerService(tmp_path, "--workers", "2", *LEAST) as service,
        Visitors(service.target) as visitors,
    ):
        service.wait_said(r"the accepting process \(pid \d+\) serves")
        service.wait_serving(2)
        with persistent(service, 10) as peers:
            for number in range(1, 7):
                victim = entrance(service)
                os.kill(victim, signal.SIGKILL)
                service.wait_said(rf"the accepting process \(pid {victim}\) was killed by SIGKILL")
                service.wait_said(r"the accepting process \(pid \d+\) serves", number + 1)
                service.wait_serving(2)
            for peer, pid in peers:
                assert ask(peer)[0] == pid
        before = visitors.outcomes["answered"]
        wait_until(lambda: visitors.outcomes["answered"] > before + 20, "further answers")
    # Of what it had accepted and not handed over, the kernel resets where a question had come, and else ends in order.
    assert set(visitors.outcomes) <= {"answered", "ConnectionResetError", "ended without an answer"}, visitors.outcomes
    assert visitors.outcomes.total() - visitors.outcomes["answered"] <= 6 * 3


def test_nobody_is_handed_to_a_worker_that_is_full(tmp_path: Path) -> None:
    arguments = ("--workers", "2", *LEAST, "--max-connections", "10")
    with WorkerService(tmp_path, *arguments) as service, ExitStack() as kept:
        service.wait_serving(2)
        peers = [kept.enter_context(service.dial()) for _ in range(20)]
        assert sorted(Counter(ask(peer)[0] for peer in peers).values()) == [10, 10]
        waiting = [kept.enter_context(service.dial()) for _ in range(5)]
        service.wait_said("no worker can take a connection now; accepting pauses")
        for peer in peers[:5]:
            peer.close()
        for peer in waiting:
            ask(peer)
        assert _stats(peers[5])["total"]["shed"] == 0


def test_what_finds_no_descriptor_in_a_worker_is_counted_and_accepting_goes_on(tmp_path: Path) -> None:
    few = "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\n"
    arguments = ("--workers", "1", *LEAST, "--max-connections", "none")
    with WorkerService(tmp_path, *arguments, application=few + APPLICATION) as service, ExitStack() as kept:
        service.wait_serving(1)
        first = kept.enter_context(service.dial())
        ask(first)
        for _ in range(100):
            kept.enter_context(service.dial())
        wait_until(lambda: _stats(first)["total"]["lost"] > 0, "a connection that found no descriptor")
        assert _stats(first)["total"]["accept_errors"]["EMFILE"] > 0
        kept.close()
        with service.dial() as peer:
            ask(peer)


def test_a_worker_that_is_stuck_in_a_handler_keeps_few_waiting(tmp_path: Path) -> None:
    with WorkerService(tmp_path, "--workers", "2", *LEAST, "--grace", "0.5") as service, ExitStack() as kept:
        service.wait_serving(2)
        stuck = kept.enter_context(service.dial())
        blocked = ask(stuck)[0]
        stuck.sendall(b"block\n")
        service.wait_said("has been in one batch")
        answered = 0
        for _ in range(100):
            peer = kept.enter_context(service.dial())
            peer.settimeout(0.2)
            peer.sendall(b"who\n")
            try:
                answered += bool(peer.recv(100))
            except TimeoutError:
                peer.close()  # it waits for the one that is stuck, whose load shows it
        assert answered >= 40
        service.signal(signal.SIGTERM)
        assert service.child.wait(PATIENCE_SECONDS) == 0  # a second SIGTERM might meet an interpreter that is ending
        assert service.said(rf"worker \d \(pid {blocked}\).* stuck")


def test_an_application_that_never_starts_ends_the_service_with_exit_code_3(tmp_path: Path) -> None:
    service = WorkerService(tmp_path, "--workers", "2", *LEAST, application="raise LookupError('no database')")
    with pytest.raises(AssertionError, match="LookupError: no database"), service:
        pass
    assert service.child.returncode == 3


def test_a_worker_that_was_added_gets_its_share(tmp_path: Path) -> None:
    with WorkerService(tmp_path, "--workers", "1", *LEAST) as service:
        service.wait_serving(1)
        with persistent(service, 10):
            service.signal(signal.SIGTTIN)
            added = service.wait_serving(2)[1]
            with persistent(service, 10) as peers:
                assert {pid for _, pid in peers} == {added}


def test_what_waits_for_a_worker_that_dies_is_served_by_another(tmp_path: Path) -> None:
    with WorkerService(tmp_path, "--workers", "2", *LEAST) as service, ExitStack() as kept:
        seats = service.wait_serving(2)
        os.kill(seats[0], signal.SIGSTOP)
        peers = [kept.enter_context(service.dial()) for _ in range(20)]
        for peer in peers:
            peer.sendall(b"who\n")
        wait_until(lambda: sum(_has_answer(peer) for peer in peers) == 10, "those of the worker that runs")
        os.kill(seats[0], signal.SIGKILL)
        wait_until(lambda: all(map(_has_answer, peers)), "those that waited")


def test_seats_added_while_the_accepting_process_is_replaced_are_known_to_the_next(tmp_path: Path) -> None:
    with WorkerService(tmp_path, "--workers", "1", *LEAST) as service:
        service.wait_serving(1)
        os.kill(entrance(service), signal.SIGKILL)
        for count in (2, 3, 4):
            service.signal(signal.SIGTTIN)
            service.wait_said(f"one worker more, {count} now")
        seats = service.wait_serving(4)
        with persistent(service, 40) as peers:
            assert Counter(pid for _, pid in peers) == dict.fromkeys(seats.values(), 10)


def test_a_worker_that_was_taken_away_gets_nobody_any_more(tmp_path: Path) -> None:
    with WorkerService(tmp_path, "--workers", "2", "--balancer", "round-robin") as service:
        seats = service.wait_serving(2)
        kept, taken = seats[0], seats[1]
        with persistent(service, 4) as peers:
            busy = next(peer for peer, pid in peers if pid == taken)
            busy.sendall(b"half a line")
            service.signal(signal.SIGTTOU)
            service.wait_said("one worker less")
            for _ in range(20):
                with service.dial() as peer:
                    assert ask(peer)[0] == kept


def test_a_stop_hands_over_what_was_accepted_before_the_workers_go(tmp_path: Path) -> None:
    service = WorkerService(tmp_path, "--workers", "2", *LEAST)
    with service, Visitors(service.target) as visitors:
        service.wait_serving(2)
        wait_until(lambda: visitors.outcomes["answered"] > 50, "visitors")
        service.signal(signal.SIGTERM)
        assert service.child.wait(PATIENCE_SECONDS) == 0
    outcomes = visitors.outcomes
    assert set(outcomes) <= {"answered", "ConnectionRefusedError", "ConnectionResetError"}, outcomes


def _has_answer(peer: socket.socket) -> bool:
    return bool(select.select([peer], [], [], 0)[0])


def _stats(peer: socket.socket) -> dict[str, Any]:  # Any: whatever JSON holds
    peer.sendall(b"stats\n")
    received = b""
    while not received.endswith(b"\n"):
        received += peer.recv(1 << 16)
    stats: dict[str, Any] = json.loads(received)
    return stats


def _connections(peer: socket.socket) -> dict[int, int]:
    return {one["pid"]: one["stats"]["total"]["connections"] for one in _stats(peer)["workers"]}
