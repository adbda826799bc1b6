"""Crowds of HTTP clients that are slow on purpose: others are served, memory is bounded, each is ended by its limit.

`make test` has some hundreds of them, so that it takes seconds; `make test-slow` as many as FLOODWAY_CROWD says.
"""

import contextlib
import os
import selectors
import socket
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from floodway.base import platform
from tests.helpers.fault_peers import dial_port
from tests.helpers.fault_process import resident_bytes
from tests.helpers.fault_server import Server
from tests.helpers.http_client import Client, get
from tests.helpers.waiting import wait_until

MIB = 1 << 20
CROWD = int(os.environ.get("FLOODWAY_CROWD", "400"))
READERS = max(CROWD // 4, 100)
LARGE_BYTES = 10 * MIB


@contextlib.contextmanager
def crowd(server: Server, count: int, greeting: bytes) -> Iterator[list[socket.socket]]:
    """So many clients, each of which has sent this."""
    platform.raise_descriptor_limit()
    with contextlib.ExitStack() as stack:
        peers = []
        for _ in range(count):
            peer = stack.enter_context(dial_port(server.port, receive_buffer=4096))
            peer.sendall(greeting)
            peer.setblocking(False)
            peers.append(peer)
        yield peers


def dribble(server: Server, peers: list[socket.socket], interval: float, seconds: float) -> Counter[bytes]:
    """Send a byte on each connection at each interval until the server has ended it; another client asks meanwhile.

    Returns how often each status line came.
    """
    answers: Counter[bytes] = Counter()
    deadline = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector, Client.at(server.port) as other:
        for peer in peers:
            selector.register(peer, selectors.EVENT_READ)
        due = time.monotonic()
        while selector.get_map():
            assert time.monotonic() < deadline, f"{len(selector.get_map())} are still there after {seconds} seconds"
            for key, _ in selector.select(max(0.0, due - time.monotonic())):
                ended = key.fileobj
                assert isinstance(ended, socket.socket)
                answers[ended.recv(4096).split(b"\r\n")[0]] += 1
                selector.unregister(ended)
                ended.close()  # which the server waits for
            if time.monotonic() >= due:
                due = time.monotonic() + interval
                assert other.ask(get()).body == b"served 0"
                for key in list(selector.get_map().values()):
                    with contextlib.suppress(OSError):
                        os.write(key.fd, b"x")
    return answers


def check(server: Server, before: int, most: int, closed: dict[str, int]) -> None:
    """What the crowd has cost, while it is there, and how the server counted its ends."""
    assert resident_bytes(server.pid) - before < most
    wait_until(lambda: ends(server) == closed, "the counters", 10)


def ends(server: Server) -> dict[str, int]:
    """Ends by their reasons, but those of clients that had all they wanted."""
    return {reason: count for reason, count in server.stats()["closed"].items() if reason != "finished"}


def test_heads_that_are_dribbled_are_each_ended_by_their_deadline() -> None:
    with Server("http", head_timeout=3.0) as server:
        before = resident_bytes(server.pid)
        with crowd(server, CROWD, b"GET / HTTP/1.1\r\nHost: here\r\nA: ") as peers:
            answers = dribble(server, peers, 0.5, 30 + CROWD / 100)
            assert answers == {b"HTTP/1.1 408 Request Timeout": CROWD}
            check(server, before, 8 * MIB + 8192 * CROWD, {"refused": CROWD})
        assert "ERROR" not in server.log()


@pytest.mark.slow
def test_bodies_that_are_dribbled_are_each_ended_by_the_least_rate() -> None:
    head = get("/", "Content-Length: 10000", method="POST")
    with Server("http") as server:
        before = resident_bytes(server.pid)
        with crowd(server, CROWD, head) as peers:
            answers = dribble(server, peers, 1.0, 40 + CROWD / 100)
            assert answers == {b"HTTP/1.1 408 Request Timeout": CROWD}
            check(server, before, 8 * MIB + 8192 * CROWD, {"refused": CROWD})
        assert "ERROR" not in server.log()


# A stream is made as its clients take it: 256 KiB and what one piece has above. A body that is there is referred to.
@pytest.mark.parametrize(("path", "each"), [("/stream", 320 << 10), ("/large", 16 << 10)])
def test_clients_that_never_read_are_each_ended_by_a_limit_of_output(path: str, each: int) -> None:
    with Server("http", write_timeout=4.0) as server, Client.at(server.port) as other:
        assert other.ask(get("/large")).body
        before = most = resident_bytes(server.pid)
        with crowd(server, READERS, get(path)):
            while sum(server.stats()["closed"].values()) < READERS:
                assert other.ask(get()).body == b"served 0"
                most = max(most, resident_bytes(server.pid))
            counted = ends(server)
        assert most - before < 8 * MIB + each * READERS
        assert counted == {"write_timeout": READERS}  # max_reactor_output counts the body once
        assert "ERROR" not in server.log()


def test_clients_that_say_nothing_are_each_left_without_a_word() -> None:
    limits: dict[str, Any] = {"head_timeout": 3.0}
    with Server("http", **limits) as server:
        before = resident_bytes(server.pid)
        with crowd(server, CROWD, b"") as peers:
            with Client.at(server.port) as other:
                wait_until(lambda: server.stats()["connections"] == CROWD + 1, "the crowd")
                assert resident_bytes(server.pid) - before < 2 * MIB + 1024 * CROWD
                assert other.ask(get()).body == b"served 0"
            for peer in peers:
                peer.settimeout(20)
                assert peer.recv(1) == b""
                peer.close()
            wait_until(lambda: ends(server) == {"idle_timeout": CROWD}, "the counters")
