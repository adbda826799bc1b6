"""Idle timeouts by the thousand: exactly those that were idle, none early, none late."""

import selectors
import socket
import time
from contextlib import ExitStack
from typing import Any

import pytest

from floodway.app.framing import Raw
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


def is_ended(peer: socket.socket) -> bool:
    try:
        return peer.recv(1) == b""
    except BlockingIOError:
        return False


def test_an_idle_timeout_comes_within_two_ticks_of_the_fake_clock(driver: Any) -> None:
    clock = FakeClock()
    limits = Limits(idle_timeout=10)
    core = Reactor("timed", driver=driver, limits=limits, admission=Admission(None, None), clock=clock)
    route = core.add_route(
        interest=0, framing=Raw().native(), limits=limits, keepalive=None, nodelay=False, serialized=False
    )
    count = 1000
    with socket.create_server(("127.0.0.1", 0), backlog=count) as listener, ExitStack() as stack:
        listener.setblocking(False)
        core.listen(listener.fileno(), route)
        port = listener.getsockname()[1]
        peers = [stack.enter_context(dial_port(port)) for _ in range(count)]
        for peer in peers:
            peer.setblocking(False)
        busy, idle = peers[::2], peers[1::2]
        wait_until(lambda: (core.poll(0), core.stats().connections == count)[1], "all are accepted")
        clock.advance(5)
        for peer in busy:
            peer.send(b"x")
        wait_until(lambda: (core.poll(0), core.stats().bytes_in == len(busy))[1], "their bytes are read")
        clock.advance(5 - 2 * TICK)
        settle(core)
        assert not any(map(is_ended, peers))
        clock.advance(4 * TICK)
        settle(core)
        assert all(map(is_ended, idle))
        assert not any(map(is_ended, busy))
        clock.advance(5 - 4 * TICK)
        settle(core)
        assert not any(map(is_ended, busy))
        clock.advance(4 * TICK)
        settle(core)
        assert all(map(is_ended, busy))
    core.close()
