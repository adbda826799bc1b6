"""Descriptors run out: a server with 60 of them, and 120 clients.

Where 80 % of them are for connections there is one reactor: several, with descriptors of their own, do not fit into the
rest of so few.
"""

import gc
import os
import resource
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from floodway.app.framing import Raw
from floodway.base.clock import FakeClock
from floodway.conn.reactor import EVENT_ACCEPTED, Admission, Reactor
from floodway.limits import Limits
from tests.helpers import fault_process as process
from tests.helpers.fault_peers import ask, dial_port
from tests.helpers.fault_server import Server
from tests.helpers.peers import read_exactly
from tests.helpers.waiting import wait_until

DESCRIPTORS = 60
CLIENTS = 120
MODELS: list[dict[str, Any]] = [{}, {"sub_reactors": 2}]


@contextmanager
def clients(port: int, count: int) -> Iterator[list[socket.socket]]:
    """So many that the kernel has connected, whether the server has accepted them or not."""
    with ExitStack() as stack:
        yield [stack.enter_context(dial_port(port)) for _ in range(count)]


def serve_through(exhausted: Server, early: list[socket.socket]) -> None:
    """What has to hold while descriptors are exhausted, for two seconds."""
    logged, used, started = exhausted.log().count("\n"), process.cpu_seconds(exhausted.pid), time.monotonic()
    served = 0
    while time.monotonic() < started + 2:
        assert ask(early[served % len(early)]) == b"hello"
        served += 1
        time.sleep(0.1)  # the pace of the questions
    share = (process.cpu_seconds(exhausted.pid) - used) / (time.monotonic() - started)
    assert share < 0.05
    assert exhausted.log().count("\n") - logged < 20


@pytest.mark.alone
def test_beyond_the_default_limit_newcomers_are_shed_and_counted(driver: str) -> None:
    with Server("echo", descriptors=DESCRIPTORS, driver=driver, sub_reactors=0) as server:
        with clients(server.port, 5) as early, clients(server.port, CLIENTS - 5):
            wait_until(lambda: server.stats()["accepted"] == CLIENTS, "all are accepted or shed")
            stats = server.stats()
            assert stats["connections"] == DESCRIPTORS * 8 // 10
            assert stats["shed"] == CLIENTS - DESCRIPTORS * 8 // 10
            serve_through(server, early)
        wait_until(lambda: server.stats()["connections"] == 0, "all are closed")
        with dial_port(server.port) as newcomer:
            assert ask(newcomer) == b"hello"


def test_a_burst_beyond_the_limit_is_shed_without_running_out_of_descriptors(driver: str) -> None:
    """The server finds all of them at once, since it was halted while they came."""
    with Server("echo", descriptors=DESCRIPTORS, driver=driver, sub_reactors=0) as server:
        os.kill(server.pid, signal.SIGSTOP)
        try:
            stack = ExitStack()
            peers = stack.enter_context(clients(server.port, CLIENTS))
        finally:
            os.kill(server.pid, signal.SIGCONT)
        with stack:
            wait_until(lambda: server.stats()["accepted"] == CLIENTS, "all are accepted or shed")
            stats = server.stats()
            assert stats["connections"] == DESCRIPTORS * 8 // 10
            assert stats["accept_errors"] == {}
            assert ask(peers[0]) == b"hello"


@contextmanager
def no_descriptor_free() -> Iterator[None]:
    """Lower this process's limit to what it has open, once every number below is taken."""
    gc.collect()  # what earlier tests left behind closes now
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(entry.name) for entry in Path("/proc/self/fd").iterdir())
    fillers = [os.dup(0)]
    while fillers[-1] < highest:
        fillers.append(os.dup(0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(*fillers, highest) + 1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for filler in fillers:
            os.close(filler)


def turn(core: Reactor) -> list[tuple[int, Any, Any]]:
    """The events of one poll that does not wait."""
    return list(core.poll(0) or ())


@pytest.mark.parametrize("outgoing", [False, True])
def test_a_close_on_a_sub_reactor_lets_the_main_reactor_accept_again(outgoing: bool, driver: Any) -> None:
    """The clock stands still, so the back-off of the main reactor never ends by itself."""
    admission, clock, limits = Admission(None, None), FakeClock(), Limits()
    main, sub = (
        Reactor(name, driver=driver, limits=limits, admission=admission, clock=clock) for name in ("main", "sub")
    )
    route = sub.add_route(
        interest=0, framing=Raw().native(), limits=limits, keepalive=None, nodelay=False, serialized=False
    )
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as stack:
        listener.setblocking(False)
        main.listen(listener.fileno(), 0, delivery="hand_over")
        port = listener.getsockname()[1]
        if outgoing:
            other = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            conn = sub.connect(other.getsockname(), route, timeout=None)
        else:
            stack.enter_context(dial_port(port))
            ((_, newcomer, _),) = wait_until(lambda: turn(main), "the first is accepted")
            sub.adopt(newcomer, route)
            turn(sub)
            (conn,) = sub.connections()
        wait_until(lambda: (turn(sub), conn.state == "open")[1], "the first connection is open")
        stack.enter_context(dial_port(port))
        with no_descriptor_free():
            wait_until(lambda: (turn(main), main.stats().accept_errors)[1], "accepting fails")
            failures = main.stats().accept_errors
            turn(main)
            assert main.stats().accept_errors == failures
            conn.abort()
            turn(sub)
            newcomers = [event for event in turn(main) if event[0] == EVENT_ACCEPTED]
        assert len(newcomers) == 1
        newcomers.clear()
    main.close()
    sub.close()


@pytest.mark.alone
@pytest.mark.parametrize("model", MODELS)
def test_without_a_limit_accepting_waits_for_descriptors(model: dict[str, Any], driver: str) -> None:
    """Clients without a descriptor wait in the backlog, and have their answer once others leave."""
    options = {"max_connections": None, "driver": driver, **model}
    with Server("echo", descriptors=DESCRIPTORS, **options) as server:
        with clients(server.port, 5) as early:
            for peer in early:
                assert ask(peer) == b"hello"
            with clients(server.port, CLIENTS - 5) as late:
                for peer in late:
                    peer.sendall(b"hello")
                wait_until(lambda: server.stats()["accept_errors"].get("EMFILE", 0) > 0, "accepting fails")
                serve_through(server, early)
                stats = server.stats()
                assert stats["shed"] == 0
                assert stats["connections"] < DESCRIPTORS
                for peer in late:  # as each is served it leaves its descriptor to the next
                    assert read_exactly(peer, 5) == b"hello"
                    peer.close()
                for peer in early:
                    assert ask(peer) == b"hello"
        wait_until(lambda: server.stats()["connections"] == 0, "all are closed")
        with dial_port(server.port) as newcomer:
            assert ask(newcomer) == b"hello"
        assert server.stats()["accepted"] == CLIENTS + 1
