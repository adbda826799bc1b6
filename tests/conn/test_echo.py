"""Echo of random sizes from many clients at once: every byte comes back, whoever writes it and however."""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

import pytest

import floodway
from tests.helpers.journal import Echo, Journal
from tests.helpers.models import BALANCERS
from tests.helpers.peers import converse, dial_many
from tests.helpers.waiting import wait_until

CLIENTS = 200
LARGEST_BYTES = 400_000

pytestmark = pytest.mark.usefixtures("no_descriptor_left")

MODELS: dict[str, dict[str, Any]] = {
    "single": {"sub_reactors": 0},
    **{
        f"main-sub-{name}": {"main_reactors": 1, "sub_reactors": 2, "balancer": balancer}
        for name, balancer in BALANCERS.items()
    },
}


class Lines(Journal):
    """Answers with `writelines`, in pieces on both sides of the size that is queued by reference."""

    def on_data(self, conn: floodway.Connection, data: bytes) -> None:
        third = len(data) // 3
        conn.writelines(
            [data[:third], b"", memoryview(data)[third:-third], data[len(data) - third :]] if third else [data]
        )


class Elsewhere(Journal):
    """Has another thread write the answer."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: SimpleQueue[tuple[floodway.Connection, bytes] | None] = SimpleQueue()

    def on_data(self, conn: floodway.Connection, data: bytes) -> None:
        self.answers.put((conn, data))

    def write_answers(self) -> None:
        while (answer := self.answers.get()) is not None:
            conn, data = answer
            conn.write(data)


@contextmanager
def elsewhere() -> Iterator[Journal]:
    handler = Elsewhere()
    writer = threading.Thread(target=handler.write_answers)
    writer.start()
    try:
        yield handler
    finally:
        handler.answers.put(None)
        writer.join()


@contextmanager
def here(kind: Callable[[], Journal]) -> Iterator[Journal]:
    yield kind()


WRITERS: dict[str, Callable[[], Any]] = {
    "write": lambda: here(Echo),
    "writelines": lambda: here(Lines),
    "write-from-another-thread": elsewhere,
}


def random_payloads(seed: int) -> list[bytes]:
    """One a client, of 1 byte to LARGEST_BYTES, short ones as often as long ones."""
    dice = random.Random(seed)
    return [dice.randbytes(round(LARGEST_BYTES ** dice.random())) for _ in range(CLIENTS)]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("writer", WRITERS)
def test_every_byte_of_200_clients_comes_back(model: str, writer: str, address: str, driver: Any) -> None:
    options = dict(MODELS[model])
    if "balancer" in options:
        options["balancer"] = options["balancer"]()
    payloads = random_payloads(seed=1)
    with WRITERS[writer]() as handler, floodway.Engine(handler, address, driver=driver, **options) as engine:
        with dial_many(engine, CLIENTS) as peers:
            assert converse(peers, payloads) == payloads
            assert len(engine.connections()) == CLIENTS
        assert handler.wait_closed(CLIENTS) == [None] * CLIENTS
        wait_until(lambda: engine.stats().total.connections == 0)
        total = engine.stats().total
    assert len(handler.closed) == len(handler.opened) == total.accepted == CLIENTS
    assert total.bytes_in == total.bytes_out == sum(map(len, payloads))
    assert {conn for conn, _ in handler.closed} == set(handler.opened)
    assert total.closed["finished"] == CLIENTS
