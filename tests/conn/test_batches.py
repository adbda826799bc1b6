"""What one batch may take: events, time and memory, whatever peers send and however slow handlers are."""

import selectors
import socket
import threading
import time
from typing import Any

import pytest

import floodway
from tests.helpers.journal import Journal
from tests.helpers.models import MODELS, MakeEngine
from tests.helpers.peers import dial, dial_many, read_exactly
from tests.helpers.waiting import wait_until

MIB = 1 << 20

pytestmark = pytest.mark.usefixtures("no_descriptor_left")


class Slow(Journal):
    """Answers each message after a while, and counts them."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.handled = 0
        self._seconds = seconds

    def on_data(self, conn: floodway.Connection, data: bytes) -> None:
        time.sleep(self._seconds)
        self.handled += 1
        conn.write(data)


def test_an_answer_does_not_wait_for_the_other_messages_of_its_batch(engine_with: MakeEngine) -> None:
    handler, clients = Slow(0.05), 40
    with engine_with(handler, **MODELS["single"]) as engine, dial_many(engine, clients) as peers:
        for peer in peers:
            peer.sendall(b"ping")
        with selectors.DefaultSelector() as selector:
            for peer in peers:
                selector.register(peer, selectors.EVENT_READ)
            assert selector.select(10.0)
        assert handler.handled < clients
        for peer in peers:
            assert read_exactly(peer, 4) == b"ping"


def test_every_connection_has_its_turn_when_batches_pause_after_each_message(engine_with: MakeEngine) -> None:
    handler = Slow(0.015)
    with (
        engine_with(handler, framing=floodway.Fixed(1), **MODELS["single"]) as engine,
        dial_many(engine, 5) as peers,
    ):
        for _ in range(3):
            for peer in peers:
                peer.sendall(b"....")
        for peer in peers:
            assert read_exactly(peer, 12) == b"." * 12


@pytest.mark.parametrize("framing", [floodway.Lines(), floodway.Buffered()], ids=repr)
def test_who_sends_faster_than_it_is_handled_waits_in_the_kernel(framing: Any, engine_with: MakeEngine) -> None:
    taken = 0

    class Sink(Journal):
        def on_data(self, conn: floodway.Connection, data: Any) -> None:
            nonlocal taken
            taken += len(data) if framing == floodway.Buffered() else len(data) + 1
            if framing == floodway.Buffered():
                data.skip(len(data))
                time.sleep(0.012)

    def flood(peer: socket.socket) -> None:
        while time.monotonic() < until:
            try:
                peer.send(b"\n" * MIB)
            except TimeoutError:
                continue

    with engine_with(Sink(), framing=framing, **MODELS["single"]) as engine, dial(engine) as peer:
        peer.settimeout(0.1)
        until = time.monotonic() + 1.5
        sender = threading.Thread(target=flood, args=(peer,))
        sender.start()
        while sender.is_alive():
            before = taken  # first: what is taken meanwhile may not count as waiting
            assert engine.stats().total.bytes_in - before < 4 * MIB
            time.sleep(0.02)
        sender.join()
        peer.close()
        wait_until(lambda: engine.stats().total.bytes_in == taken)


def test_who_waits_in_the_kernel_is_not_idle(engine_with: MakeEngine) -> None:
    class Count(Journal):
        handled = 0

        def on_data(self, conn: floodway.Connection, data: bytes) -> None:
            time.sleep(0.005)
            self.handled += 1

    handler, frames = Count(), 400  # two reads of 131 frames take longer than the idle timeout
    with (
        engine_with(handler, framing=floodway.Fixed(1000), idle_timeout=0.4) as engine,
        dial(engine) as peer,
    ):
        peer.sendall(bytes(1000 * frames))
        (error,) = handler.wait_closed()
        assert isinstance(error, floodway.IdleTimeout)
        assert handler.handled == frames


def test_a_stop_while_a_batch_pauses_loses_no_answer(engine_with: MakeEngine) -> None:
    handler, clients = Slow(0.02), 40
    with engine_with(handler, **MODELS["single"]) as engine, dial_many(engine, clients) as peers:
        for peer in peers:
            peer.sendall(b"ping")
        assert read_exactly(peers[0], 4) == b"ping"
        engine.stop()
        for peer in peers[1:]:
            assert read_exactly(peer, 4) == b"ping"
