"""Idle timeouts by the thousand: exactly those that were idle, none early, none late."""

import json
import selectors
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from typing import Any, Self

import pytest

from floodway.app.framing import Raw
from floodway.base import platform
from floodway.base.clock import FakeClock
from floodway.conn.reactor import Admission, Reactor
from floodway.conn.timers import TICK
from floodway.limits import Limits
from tests.helpers.fault_peers import dial_port
from tests.helpers.fault_server import Server
from tests.helpers.waiting import wait_until

CONNECTIONS = 10_000
SECONDS = 4.0


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(120)
def test_exactly_the_idle_half_of_ten_thousand_closes_and_none_early() -> None:
    """The busy half sends a byte each, round after round, until the idle half is closed."""
    with Server("ignore", idle_timeout=SECONDS) as server, ExitStack() as stack:
        peers = [
            stack.enter_context(dial_port(server.port, source=f"127.0.1.{number % 4 + 1}"))
            for number in range(CONNECTIONS)
        ]
        busy, idle = peers[::2], peers[1::2]
        selector = stack.enter_context(selectors.DefaultSelector())
        last_sent: dict[socket.socket, float] = {}
        for peer in peers:
            last_sent[peer] = time.monotonic()
            peer.send(b"x")
        for peer in idle:
            selector.register(peer, selectors.EVENT_READ, peer)
        lives: list[float] = []
        deadline = time.monotonic() + 60
        while len(lives) < len(idle):
            assert time.monotonic() < deadline, f"{len(idle) - len(lives)} idle connections are still open"
            for peer in busy:
                peer.send(b"x")
            for peer in [key.data for key, _ in selector.select(0)]:
                assert peer.recv(1) == b""
                lives.append(time.monotonic() - last_sent[peer])
                selector.unregister(peer)
                peer.close()
        assert min(lives) >= SECONDS
        wait_until(lambda: server.stats()["closed"]["idle_timeout"] == len(idle), "all are counted")
        stats = server.stats()
        assert stats["connections"] == len(busy)
        assert {reason for reason, count in stats["closed"].items() if count} == {"idle_timeout"}
        for peer in busy:
            peer.send(b"x")


def settle(core: Reactor) -> None:
    """Let the core do all that it has to do at this moment of the fake clock."""
    settled = False
    while not settled:
        before = core.stats()
        for _ in core.poll(0) or ():
            pass
        after = core.stats()
        settled = (before.bytes_in, before.connections) == (after.bytes_in, after.connections)


def open_ones(core: Reactor) -> int:
    return sum(not conn.is_closed for conn in core.connections())


def is_ended(peer: socket.socket) -> bool:
    try:
        return peer.recv(1) == b""
    except BlockingIOError:
        return False


class Crowd:
    """Clients in a process of their own, since their descriptors and the server's are too many for one."""

    def __init__(self, port: int, count: int) -> None:
        command = [sys.executable, "-m", "tests.faults.test_idle_timeouts", str(port), str(count)]
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.kill()
        self._child.communicate()

    def send(self) -> None:
        """Every second client sends a byte."""
        assert self._ask("send") == [0, 0]

    def see(self, busy: int, idle: int) -> None:
        """Wait until exactly so many have seen the end, of those that send and of the others.

        Reactor and clock stand still, but the kernel of a busy machine takes its time to tell the other side.
        """
        wait_until(lambda: self._ask("ended") == [busy, idle], f"{busy} + {idle} clients see the end")

    def _ask(self, question: str) -> list[int]:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write(question + "\n")
        self._child.stdin.flush()
        return list(json.loads(self._child.stdout.readline()))


def crowd(port: int, count: int) -> None:
    """The child: one line of JSON for each line on its standard input."""
    platform.raise_descriptor_limit()
    peers = [dial_port(port) for _ in range(count)]
    for peer in peers:
        peer.setblocking(False)
    busy, idle = peers[::2], peers[1::2]
    for question in sys.stdin:
        answer = [0, 0]
        if question == "ended\n":
            answer = [sum(map(is_ended, half)) for half in (busy, idle)]
        else:
            for peer in busy:
                peer.send(b"x")
        print(json.dumps(answer), flush=True)


@pytest.mark.alone
def test_ten_thousand_idle_timeouts_come_within_two_ticks_of_the_fake_clock(driver: Any) -> None:
    """Half of them are kept alive by a byte after half of the time."""
    clock = FakeClock()
    limits = Limits(idle_timeout=10)
    platform.raise_descriptor_limit()
    core = Reactor("timed", driver=driver, limits=limits, admission=Admission(None, None), clock=clock)
    route = core.add_route(
        interest=0, framing=Raw().native(), limits=limits, keepalive=None, nodelay=False, serialized=False
    )
    half = CONNECTIONS // 2
    with (
        socket.create_server(("127.0.0.1", 0), backlog=CONNECTIONS) as listener,
        Crowd(listener.getsockname()[1], CONNECTIONS) as clients,
    ):
        listener.setblocking(False)
        core.listen(listener.fileno(), route)
        wait_until(lambda: (core.poll(0), core.stats().connections == CONNECTIONS)[1], "all are accepted")
        clock.advance(5)
        clients.send()
        wait_until(lambda: (core.poll(0), core.stats().bytes_in == half)[1], "their bytes are read")
        for seconds, busy, idle in [
            (5 - 2 * TICK, 0, 0),
            (4 * TICK, 0, half),
            (5 - 4 * TICK, 0, half),
            (4 * TICK, half, half),
        ]:
            clock.advance(seconds)
            settle(core)
            assert open_ones(core) == CONNECTIONS - busy - idle
            clients.see(busy, idle)
        closed = {reason: count for reason, count in core.stats().closed.items() if count}
        assert set(closed) == {"idle_timeout"}
    core.close()


if __name__ == "__main__":
    crowd(int(sys.argv[1]), int(sys.argv[2]))
