"""The socket options of a connection, as the kernel sees them."""

import socket
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import pytest

import floodway
from tests.helpers.models import MODELS
from tests.helpers.peers import dial

KEEPALIVE = socket.SOL_SOCKET, socket.SO_KEEPALIVE
NODELAY = socket.IPPROTO_TCP, socket.TCP_NODELAY
# Worker threads do not own a socket, so they cannot take it out to look at it.
OWNING = [name for name in MODELS if "threads" not in name]


class Taker(floodway.Handler):
    """Takes each connection's socket out of the engine."""

    def __init__(self) -> None:
        self.taken: SimpleQueue[socket.socket] = SimpleQueue()

    def on_open(self, conn: floodway.Connection) -> None:
        taken, _ = conn.take_socket()
        self.taken.put(taken)


def accepted(engine: floodway.Engine, taker: Taker) -> socket.socket:
    with dial(engine):
        return taker.taken.get(timeout=20)


def connected(engine: floodway.Engine, taker: Taker) -> socket.socket:
    engine.connect(engine.addresses[0], taker)
    return taker.taken.get(timeout=20)


@pytest.mark.parametrize("side", [accepted, connected])
@pytest.mark.parametrize("model", OWNING)
@pytest.mark.parametrize(
    ("options", "nodelay", "keepalive"),
    [({}, True, False), ({"nodelay": False}, False, False), ({"keepalive": 77}, True, True)],
)
def test_a_connection_has_the_options_asked_for(
    side: Callable[[floodway.Engine, Taker], socket.socket],
    model: str,
    options: dict[str, Any],
    nodelay: bool,
    keepalive: bool,
) -> None:
    taker = Taker()
    with floodway.Engine(taker, "tcp://127.0.0.1:0", **MODELS[model], **options) as engine:
        with side(engine, taker) as taken:
            assert bool(taken.getsockopt(*NODELAY)) is nodelay
            assert bool(taken.getsockopt(*KEEPALIVE)) is keepalive
            if keepalive:
                assert taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 77
        if side is connected:
            taker.taken.get(timeout=20).close()
