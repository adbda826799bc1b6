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
BUDGET = 16 * MIB
LARGE = bytes(8 * MIB)  # twice what the kernel takes
CROWD = 20
OPTIONS: dict[str, Any] = {"max_reactor_output": BUDGET, "sub_reactors": 0}

pytestmark = pytest.mark.usefixtures("no_descriptor_left")


class Answering(Journal):
    """Answers the first bytes of a connection with what `make` makes."""

    def __init__(self, make: Callable[[], bytes]) -> None:
        super().__init__()
        self.make = make
        self.answered = 0

    def on_data(self, conn: floodway.Connection, data: floodway.View) -> None:
        conn.write(self.make())
        self.answered += 1


def another() -> bytes:
    """As long as the large one, and not the same."""
    return bytes(bytearray(len(LARGE)))


def slow(engine: floodway.Engine) -> int:
    """Connections that were ended because of the budget. There are no other ends."""
    closed = engine.stats().total.closed
    assert set(closed) <= {"slow_consumer"}
    return closed.get("slow_consumer", 0)


@contextmanager
def crowd(engine: floodway.Engine, count: int = CROWD) -> Iterator[list[socket.socket]]:
    """So many peers, which have asked."""
    with ExitStack() as stack:
        peers = [stack.enter_context(dial(engine, receive_buffer=64 << 10)) for _ in range(count)]
        for peer in peers:
            peer.sendall(b"?")
        yield peers


def test_bytes_that_many_are_sent_count_once(engine_with: MakeEngine) -> None:
    with engine_with(Answering(lambda: LARGE), **OPTIONS) as engine, crowd(engine) as peers:
        wait_until(lambda: engine.stats().total.output_queued > 2 * BUDGET)
        for peer in peers:
            assert read_exactly(peer, len(LARGE)) == LARGE
        assert slow(engine) == 0


def test_bytes_of_one_connection_each_are_bounded(engine_with: MakeEngine) -> None:
    handler = Answering(another)
    with engine_with(handler, **OPTIONS) as engine, crowd(engine):
        wait_until(lambda: handler.answered == CROWD)
        wait_until(lambda: engine.stats().total.output_queued <= BUDGET)
        assert CROWD // 4 < slow(engine) < CROWD


@pytest.mark.alone  # a reader that gets no processor for 200 ms looks like one that does not read
def test_who_reads_stays_where_others_do_not(engine_with: MakeEngine) -> None:
    """The budget is passed again and again by those who take nothing, and each time they are the ones that it hits."""
    handler = Answering(another)
    stop = threading.Event()
    answers = 0
    with engine_with(handler, **OPTIONS) as engine, crowd(engine, 1) as [reader]:

        def read() -> None:
            nonlocal answers
            while not stop.is_set():
                read_exactly(reader, len(LARGE))
                answers += 1
                reader.sendall(b"?")

        thread = threading.Thread(target=read)
        thread.start()
        try:
            with ExitStack() as stack:
                for count in range(1, CROWD):
                    stack.enter_context(crowd(engine, 1))
                    wait_until(lambda: answers >= 2 * count)  # noqa: B023 - it is waited for here
                assert slow(engine) > CROWD // 4
        finally:
            stop.set()
            thread.join()


def test_what_is_shared_does_not_hide_what_is_not(engine_with: MakeEngine) -> None:
    bodies = iter([LARGE] * CROWD)
    handler = Answering(lambda: next(bodies, None) or another())
    with engine_with(handler, **OPTIONS) as engine, crowd(engine) as peers:
        wait_until(lambda: engine.stats().total.output_queued > 2 * BUDGET)
        with crowd(engine):
            wait_until(lambda: handler.answered == 2 * CROWD)
            wait_until(lambda: slow(engine) > CROWD // 4)
        # Those that share have a small share each, so none of them was ended.
        for peer in peers:
            assert read_exactly(peer, len(LARGE)) == LARGE
