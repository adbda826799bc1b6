"""The budget of pending output: it bounds what is in memory, and who reads is not ended for what others do not."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

import floodway
from tests.helpers.journal import Journal
from tests.helpers.models import MakeEngine
from tests.helpers.peers import dial, read_exactly
from tests.helpers.waiting import wait_until

MIB = 1 << 20
BUDGET = 8 * MIB
LARGE = bytes(4 * MIB)
LIMITS: dict[str, Any] = {"max_reactor_output": BUDGET, "write_timeout": 30.0}

pytestmark = pytest.mark.usefixtures("no_descriptor_left")


class Answering(Journal):
    """Answers the first bytes of a connection with what `make` makes."""

    def __init__(self, make: Callable[[], bytes]) -> None:
        super().__init__()
        self.make = make

    def on_data(self, conn: floodway.Connection, data: floodway.View) -> None:
        conn.write(self.make())


def another() -> bytes:
    """As long as the large one, and not the same."""
    return bytes(bytearray(len(LARGE)))


@contextmanager
def crowd(engine: floodway.Engine, count: int) -> Iterator[list[socket.socket]]:
    """So many peers, which have asked."""
    with ExitStack() as stack:
        peers = [stack.enter_context(dial(engine, receive_buffer=64 << 10)) for _ in range(count)]
        for peer in peers:
            peer.sendall(b"?")
        yield peers


def test_bytes_that_many_are_sent_count_once(engine_with: MakeEngine) -> None:
    with engine_with(Answering(lambda: LARGE), **LIMITS) as engine, crowd(engine, 40) as peers:
        wait_until(lambda: engine.stats().total.output_queued > 10 * BUDGET)
        for peer in peers:
            assert read_exactly(peer, len(LARGE)) == LARGE
        assert engine.stats().total.closed == {}


def test_bytes_of_one_connection_each_are_bounded(engine_with: MakeEngine) -> None:
    with engine_with(Answering(another), **LIMITS) as engine, crowd(engine, 40):
        wait_until(lambda: sum(engine.stats().total.closed.values()) >= 30)
        assert set(engine.stats().total.closed) == {"slow_consumer"}
        assert engine.stats().total.output_queued <= BUDGET


def test_who_reads_stays_where_others_do_not(engine_with: MakeEngine) -> None:
    """The budget is passed again and again by those who take nothing, and each time they are the ones that it hits."""
    handler = Answering(another)
    reading, stop = 0, threading.Event()
    with engine_with(handler, **LIMITS) as engine, crowd(engine, 1) as [reader]:

        def read() -> None:
            nonlocal reading
            while not stop.is_set():
                reading += len(read_exactly(reader, len(LARGE)))
                reader.sendall(b"?")

        thread = threading.Thread(target=read)
        thread.start()
        try:
            with crowd(engine, 30):
                wait_until(lambda: engine.stats().total.closed.get("slow_consumer", 0) >= 25)
                before = reading
                wait_until(lambda: reading > before + len(LARGE))
        finally:
            stop.set()
            thread.join()
        assert not thread.is_alive()


def test_what_is_shared_does_not_hide_what_is_not(engine_with: MakeEngine) -> None:
    bodies = iter([LARGE] * 20)
    handler = Answering(lambda: next(bodies, None) or another())
    with engine_with(handler, **LIMITS) as engine, crowd(engine, 20) as peers:
        wait_until(lambda: engine.stats().total.output_queued > 5 * BUDGET)
        with crowd(engine, 20):
            wait_until(lambda: engine.stats().total.closed.get("slow_consumer", 0) >= 18)
        # Those that share have a small share each, so none of them was ended.
        for peer in peers:
            assert read_exactly(peer, len(LARGE)) == LARGE
