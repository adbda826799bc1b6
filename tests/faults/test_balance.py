"""Least connections evens out whatever closes."""

import random
import socket
from collections.abc import Callable
from typing import Any

import pytest

import floodway
from tests.helpers.fault_handlers import Ledger
from tests.helpers.peers import dial
from tests.helpers.waiting import wait_until

SUBS = 4
CONNECTIONS = 120

Pattern = Callable[[random.Random, list[list[socket.socket]]], list[socket.socket]]


def everybody(owned: list[list[socket.socket]]) -> list[socket.socket]:
    return [peer for peers in owned for peer in peers]


PATTERNS: dict[str, Pattern] = {
    "all of one reactor": lambda chance, owned: owned[0],
    "all but one reactor": lambda chance, owned: everybody(owned[1:]),
    "half of two": lambda chance, owned: owned[1][::2] + owned[2][::2],
    "everything": lambda chance, owned: everybody(owned),
    "any third": lambda chance, owned: [peer for peer in everybody(owned) if chance.random() < 1 / 3],
    "unevenly": lambda chance, owned: [
        peer for index, peers in enumerate(owned) for peer in peers if chance.random() < index / SUBS
    ],
}


class Names(floodway.Handler):
    """Tells each peer the number of its reactor."""

    def on_open(self, conn: floodway.Connection) -> None:
        conn.write(conn.reactor.name.removeprefix("sub-").encode())


def loads(engine: floodway.Engine) -> list[int]:
    return [part.connections for part in engine.stats().reactors if part.name.startswith("sub-")]


def is_even(counts: list[int]) -> bool:
    return max(counts) - min(counts) <= max(2, max(counts) * 0.05)


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("main_reactors", [1, 2])
def test_newcomers_even_out_what_closed(pattern: str, main_reactors: int) -> None:
    chance = random.Random(pattern)
    options: dict[str, Any] = {"main_reactors": main_reactors, "sub_reactors": SUBS}
    owned: list[list[socket.socket]] = [[] for _ in range(SUBS)]

    def newcomers(count: int) -> None:
        for peer in [dial(engine) for _ in range(count)]:
            owned[int(peer.recv(1))].append(peer)

    with floodway.Engine(Names(), "tcp://127.0.0.1:0", balancer=floodway.LeastConnections(), **options) as engine:
        try:
            newcomers(CONNECTIONS)
            assert is_even(loads(engine))
            for peer in PATTERNS[pattern](chance, owned):
                peer.close()
            owned = [[peer for peer in peers if peer.fileno() != -1] for peers in owned]
            wait_until(lambda: loads(engine) == [len(peers) for peers in owned], "what closed is counted")
            newcomers(sum(max(loads(engine)) - load for load in loads(engine)))
            assert is_even(loads(engine))
            assert loads(engine) == [len(peers) for peers in owned]
        finally:
            for peer in everybody(owned):
                peer.close()


@pytest.mark.parametrize("main_reactors", [1, 2])
def test_connects_and_closes_at_the_same_time_end_even(main_reactors: int) -> None:
    """Waves of connects of which a random part leaves while the next wave comes; then none leaves."""
    chance = random.Random(17)
    options: dict[str, Any] = {"main_reactors": main_reactors, "sub_reactors": SUBS}
    handler = Ledger()
    with floodway.Engine(handler, "tcp://127.0.0.1:0", balancer=floodway.LeastConnections(), **options) as engine:
        peers: list[socket.socket] = []
        for _ in range(5):
            peers += [dial(engine) for _ in range(60)]
            leaving = [peer for peer in peers if chance.random() < 0.5]
            peers = [peer for peer in peers if peer not in leaving]
            for peer in leaving:
                peer.close()
        wait_until(lambda: sum(loads(engine)) == len(peers) and handler.opened == 300, "all are settled")
        most = max(loads(engine))
        peers += [dial(engine) for _ in range(sum(most - load for load in loads(engine)))]
        wait_until(lambda: sum(loads(engine)) == len(peers), "the newcomers are there")
        assert is_even(loads(engine))
        for peer in peers:
            peer.close()
