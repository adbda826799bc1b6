"""A mixed load for a while: clients that behave, reset, leave half-way, vanish. The server's memory stays as it is.

`make soak` has it last three minutes; otherwise FLOODWAY_SOAK says for how many seconds it is judged.
"""

import contextlib
import os
import random
import socket
import statistics
import time
from collections import Counter, deque
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.helpers.crew import Crew
from tests.helpers.fault_peers import dial_port
from tests.helpers.fault_process import descriptors, resident_bytes
from tests.helpers.fault_server import Server
from tests.helpers.http_client import Client, chunked, get, post
from tests.helpers.peers import reset
from tests.helpers.waiting import wait_until

SOAK_SECONDS = float(os.environ.get("FLOODWAY_SOAK", "12"))
# Until everything that is made once has been made, and the pools have what the load wants.
WARM_UP_SECONDS = max(6.0, SOAK_SECONDS / 4)
SAMPLES = 60
GROWTH_BYTES = 1 << 20
LIMITS: dict[str, Any] = {"head_timeout": 2.0, "body_timeout": 2.0, "keep_alive_timeout": 2.0, "write_timeout": 2.0}
TCP_REPAIR = 19

HALVES = [
    b"",
    get()[:10],
    get(),
    get("/large"),
    get("/stream"),
    get("/large") * 20,
    post(bytes(100_000))[:50_000],
    chunked(bytes(10_000))[:5_000],
    get("/", "Content-Length: 9", "Expect: 100-continue", method="POST"),
    get("/", "A : b"),
    get("/") * 100,
]


class Crowd(Crew):
    """Threads that each do one thing to the server over and over, until the block ends."""

    def __init__(self, port: int) -> None:
        acts = [behave, behave, stay, leave_half_way, reset_half_way, vanish, linger_half_open]
        super().__init__(*[partial(self._run, act) for act in acts])
        self._port = port
        self.counts: Counter[str] = Counter()
        self.failures: list[str] = []

    def _run(self, act: "Act") -> None:
        chance = random.Random(act.__name__)
        kept: deque[socket.socket] = deque()
        while not self.is_over:
            try:
                act(self._port, chance, kept)
                self.counts[act.__name__] += 1
            except (AssertionError, EOFError, OSError) as error:
                self.failures.append(f"{act.__name__}: {error!r}")
            while len(kept) > 30:
                kept.popleft().close()
        for peer in kept:
            peer.close()


Act = Callable[[int, random.Random, deque[socket.socket]], None]


def behave(port: int, chance: random.Random, kept: deque[socket.socket]) -> None:
    """One connection, a few exchanges of each kind."""
    with Client.at(port) as client:
        for _ in range(chance.randrange(1, 30)):
            body = bytes(chance.randrange(100_000))
            assert client.ask(get()).body == b"served 0"
            assert client.ask(post(body)).body == f"served {len(body)}".encode()
            assert client.ask(chunked(body + b"x")).body == f"served {len(body) + 1}".encode()
            assert client.ask(get(method="HEAD")).status == 200
        assert client.ask(get("/stream")).complete
        assert client.ask(get("/fail")).status == 500


def stay(port: int, chance: random.Random, kept: deque[socket.socket]) -> None:
    """Pipelining, and an idle connection until the server ends it."""
    with Client.at(port) as client:
        client.send(get() * 50)
        assert all(client.answer().body == b"served 0" for _ in range(50))
        assert client.is_closed()


def leave_half_way(port: int, chance: random.Random, kept: deque[socket.socket]) -> None:
    peer = started(port, chance)
    if chance.random() < 0.5:
        with contextlib.suppress(OSError):
            peer.shutdown(socket.SHUT_WR)
    peer.close()
    time.sleep(0.005)  # its port is taken for a minute


def reset_half_way(port: int, chance: random.Random, kept: deque[socket.socket]) -> None:
    reset(started(port, chance))
    time.sleep(0.001)  # the others want the processor, too


def vanish(port: int, chance: random.Random, kept: deque[socket.socket]) -> None:
    """Be gone without a FIN, as a host that lost its power; what may not do that goes like others."""
    peer = started(port, chance)
    with contextlib.suppress(OSError):
        peer.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    peer.close()
    time.sleep(0.02)  # the server keeps each for a while


def linger_half_open(port: int, chance: random.Random, kept: deque[socket.socket]) -> None:
    """Stay, and neither send nor read any more."""
    kept.append(started(port, chance))
    time.sleep(0.05)


def started(port: int, chance: random.Random) -> socket.socket:
    """A connection in some state."""
    peer = dial_port(port, receive_buffer=4096)
    peer.setblocking(False)
    with contextlib.suppress(OSError):
        peer.send(chance.choice(HALVES))
        if chance.random() < 0.5:
            peer.recv(1000)
    return peer


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(SOAK_SECONDS + WARM_UP_SECONDS + 60)
def test_a_mixed_load_leaves_nothing_behind() -> None:
    with Server("http", **LIMITS) as server:
        before = descriptors(server.pid)
        with Crowd(server.port) as crowd:
            time.sleep(WARM_UP_SECONDS)
            memory = []
            for _ in range(SAMPLES):
                time.sleep(SOAK_SECONDS / SAMPLES)
                memory.append(resident_bytes(server.pid))
        wait_until(lambda: server.stats()["connections"] == 0, "the end of every connection")
        stats = server.stats()
        third = SAMPLES // 3
        growth = statistics.median(memory[-third:]) - statistics.median(memory[:third])
        slope = statistics.linear_regression(range(SAMPLES), memory).slope * SAMPLES / SOAK_SECONDS
        print(f"{dict(crowd.counts)}; closed {stats['closed']}; {min(memory):,} to {max(memory):,} bytes;")
        print(f"grown by {growth:,.0f} bytes, {slope:,.0f} bytes a second")
        assert not crowd.failures, crowd.failures[:5]
        assert (stats["output_queued"], stats["blocks_in_use"]) == (0, 0)
        assert descriptors(server.pid) == before
        assert growth < GROWTH_BYTES
        errors = [line for line in server.log().splitlines() if line.startswith(("ERROR", "WARNING"))]
        # What /fail raises, and that those who never read have more pending than max_reactor_output.
        assert [line for line in errors if "floodway.app.function" not in line and "output-budget" not in line] == []
