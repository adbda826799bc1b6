"""The Python objects of connections: one for each as long as anybody could tell, and none for those nobody looks at."""

import sys

import pytest

import floodway
from floodway.base import platform
from tests.helpers.peers import dial_many, read_exactly
from tests.helpers.waiting import wait_until

CONNECTIONS = 400  # more than a reactor keeps objects for in any case


class Echo(floodway.Handler):
    def __init__(self) -> None:
        self.reactor: floodway.Reactor | None = None

    def on_data(self, conn: floodway.Connection, data: bytes) -> None:
        self.reactor = conn.reactor
        conn.write(data)


class Hoards(Echo):
    """Remembers every connection, and whether one came back as another object."""

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[int, floodway.Connection] = {}
        self.strangers = 0

    def on_data(self, conn: floodway.Connection, data: bytes) -> None:
        self.strangers += self.known.setdefault(conn.id, conn) is not conn
        conn.write(data)


class Counts(floodway.Handler):
    """Keeps a number in the connection and nowhere else."""

    def on_data(self, conn: floodway.Connection, data: bytes) -> None:
        conn.user_data = (conn.user_data or 0) + len(data)
        conn.write(b"%04d" % conn.user_data)


def ask_all(engine: floodway.Engine, times: int) -> list[bytes]:
    """What each of many connections is answered at last."""
    with dial_many(engine, CONNECTIONS) as peers:
        for _ in range(times):
            for peer in peers:
                peer.sendall(b"ping")
            answers = [read_exactly(peer, 4) for peer in peers]
        return answers


def test_a_connection_that_somebody_holds_is_the_same_object_every_time() -> None:
    handler = Hoards()
    with floodway.Engine(handler, "tcp://127.0.0.1:0") as engine:
        ask_all(engine, 3)
        assert (len(handler.known), handler.strangers) == (CONNECTIONS, 0)


def test_user_data_outlives_every_reference_to_its_connection() -> None:
    with floodway.Engine(Counts(), "tcp://127.0.0.1:0") as engine:
        assert set(ask_all(engine, 3)) == {b"0012"}


@pytest.mark.skipif(not platform.has_gil(), reason="without the GIL nobody can tell who refers to an object")
def test_an_idle_connection_that_nobody_holds_has_no_object() -> None:
    handler = Echo()
    with floodway.Engine(handler, "tcp://127.0.0.1:0") as engine, dial_many(engine, CONNECTIONS) as peers:
        for peer in peers:
            peer.sendall(b"ping")
            assert read_exactly(peer, 4) == b"ping"
        # Every object refers to its reactor.
        wait_until(lambda: sys.getrefcount(handler.reactor) < CONNECTIONS, "objects to be dropped")
