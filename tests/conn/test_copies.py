"""What is copied on the way, and what is held: with `Buffered()` payload is received into the blocks that are sent."""

import random
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

import floodway
from tests.helpers.journal import Journal
from tests.helpers.models import MODELS, MakeEngine
from tests.helpers.peers import converse, dial, read_exactly
from tests.helpers.waiting import wait_until

KIB = 1 << 10
SIZE = 64 * KIB
MESSAGES = 50
PAYLOAD = random.Random(1).randbytes(SIZE * MESSAGES)

pytestmark = pytest.mark.usefixtures("no_descriptor_left")


class BufferedEcho(Journal):
    """Answers whole messages of 64 KiB with themselves."""

    framing = floodway.Buffered()

    def on_data(self, conn: floodway.Connection, data: floodway.LinkBuffer) -> None:
        while len(data) >= SIZE:
            conn.write(data.slice(SIZE))
            data.skip(SIZE)


class ReadingEcho(Journal):
    framing = floodway.Buffered()

    def on_data(self, conn: floodway.Connection, data: floodway.LinkBuffer) -> None:
        conn.write(data.read())


class RawEcho(Journal):
    def on_data(self, conn: floodway.Connection, data: bytes) -> None:
        conn.write(data)


class Proxy(Journal):
    """Joins each client with a connection of its own to the server; passes whole messages on, both ways."""

    framing = floodway.Buffered()

    def __init__(self, engine: floodway.Engine) -> None:
        super().__init__()
        self._engine = engine

    def on_open(self, conn: floodway.Connection) -> None:
        super().on_open(conn)
        if conn.user_data is None:
            conn.user_data = self._engine.connect(self._engine.addresses[0], self, user_data=conn)

    def on_data(self, conn: floodway.Connection, data: floodway.LinkBuffer) -> None:
        while len(data) >= SIZE:
            conn.user_data.write(data.slice(SIZE))
            data.skip(SIZE)

    def on_close(self, conn: floodway.Connection, error: BaseException | None) -> None:
        conn.user_data.close()
        super().on_close(conn, error)


@pytest.mark.parametrize("model", MODELS)
def test_buffered_messages_are_echoed_without_a_copy(model: str, engine_with: MakeEngine) -> None:
    with engine_with(BufferedEcho(), **MODELS[model]) as engine, dial(engine) as peer:
        assert converse([peer], [PAYLOAD]) == [PAYLOAD]
        assert engine.stats().total.bytes_copied == 0


@pytest.mark.parametrize("model", MODELS)
def test_a_proxy_passes_buffered_messages_on_without_a_copy(model: str, driver: Any) -> None:
    with floodway.Engine(BufferedEcho(), "tcp://127.0.0.1:0", driver=driver, **MODELS[model]) as engine:
        engine.listen("tcp://127.0.0.1:0", handler=Proxy(engine))
        with dial(engine, index=1) as peer:
            assert converse([peer], [PAYLOAD]) == [PAYLOAD]
            assert engine.stats().total.bytes_copied == 0


@pytest.mark.parametrize("handler", [RawEcho, ReadingEcho])
def test_copies_of_other_ways_to_echo_are_counted(handler: Callable[[], Journal], engine_with: MakeEngine) -> None:
    """The control: the counter that stays 0 above counts what is copied for `bytes`."""
    with engine_with(handler()) as engine, dial(engine) as peer:
        assert converse([peer], [PAYLOAD]) == [PAYLOAD]
        assert engine.stats().total.bytes_copied >= len(PAYLOAD)


def test_a_view_across_blocks_is_counted_as_a_copy(engine_with: MakeEngine) -> None:
    class Gathering(Journal):
        framing = floodway.Buffered()

        def on_data(self, conn: floodway.Connection, data: floodway.LinkBuffer) -> None:
            if len(data) == 4 * SIZE:
                conn.write(data.next(4 * SIZE))

    with engine_with(Gathering()) as engine, dial(engine) as peer:
        assert converse([peer], [PAYLOAD[: 4 * SIZE]]) == [PAYLOAD[: 4 * SIZE]]
        wait_until(lambda: engine.stats().total.bytes_copied >= 4 * SIZE)


def test_a_peer_that_sends_byte_by_byte_does_not_cost_a_block_for_each(engine_with: MakeEngine) -> None:
    count = 300

    class Waiting(Journal):
        framing = floodway.Buffered()

        def on_data(self, conn: floodway.Connection, data: floodway.LinkBuffer) -> None:
            if len(data) == count:
                conn.write(str(engine.stats().total.blocks_in_use).encode())

    handler = Waiting()
    with engine_with(handler) as engine, dial(engine) as peer:
        (conn,) = handler.wait_opened()
        for sent in range(count):
            peer.sendall(b"x")
            wait_until(partial(has_received, conn, sent + 1))
        assert int(read_exactly(peer, 1)) <= 2


@pytest.mark.parametrize("framing", [floodway.Raw(), floodway.Buffered(), floodway.Lines()])
def test_an_idle_connection_owns_no_block(framing: Any, engine_with: MakeEngine) -> None:
    class Reading(Journal):
        def on_data(self, conn: floodway.Connection, data: Any) -> None:
            received = data if isinstance(data, bytes) else data.read()  # without Lines, TCP may cut it anywhere
            conn.write(received + b"\n" if isinstance(framing, floodway.Lines) else received)

    handler = Reading()
    with engine_with(handler, framing=framing) as engine, dial(engine) as peer:
        for _ in range(10):
            assert converse([peer], [b"x" * 40_000 + b"\n"]) == [b"x" * 40_000 + b"\n"]
        after_a_poll(handler.opened[0])
        assert engine.stats().total.blocks_in_use == 0


def after_a_poll(conn: floodway.Connection) -> None:
    """Come back once the connection's reactor has been through a poll: it counts its blocks there."""
    for _ in range(2):
        called = threading.Event()
        conn.reactor.call_soon(called.set)
        assert called.wait(20)


def has_received(conn: floodway.Connection, count: int) -> bool:
    return conn.bytes_in >= count
