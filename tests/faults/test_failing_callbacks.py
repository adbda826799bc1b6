"""Callbacks and balancers that raise, block, or interfere with connections of the same batch."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

import floodway
from floodway.conn.balancing import Newcomer
from tests.helpers.fault_handlers import Ledger
from tests.helpers.fault_peers import ask
from tests.helpers.peers import dial, dial_many, read_exactly
from tests.helpers.waiting import wait_until

MODELS: list[dict[str, Any]] = [{}, {"threads": 2}, {"sub_reactors": 2}, {"sub_reactors": 2, "threads": 2}]

pytestmark = pytest.mark.usefixtures("no_descriptor_left")


@contextmanager
def held(engine: floodway.Engine, reactor: Any = None) -> Iterator[None]:
    """While the block runs the reactor is busy, so that what happens in it comes in one batch."""
    is_held, leave = threading.Event(), threading.Event()

    def hold() -> None:
        is_held.set()
        leave.wait(20)

    engine.call_soon(hold, reactor)
    assert is_held.wait(10)
    try:
        yield
    finally:
        leave.set()


class Fragile(Ledger):
    """Raises in the callback of this name, for a connection that says "boom" (for on_open: the first)."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where = where
        self.dialled = threading.Event()

    def on_open(self, conn: floodway.Connection) -> None:
        super().on_open(conn)
        if self.where == "on_open" and self.opened == 1:
            self.dialled.wait(20)
            raise LookupError("boom")

    def on_data(self, conn: floodway.Connection, data: bytes) -> None:
        if data == b"boom":
            if self.where == "on_data":
                raise LookupError("boom")
            if self.where == "on_writable":
                conn.user_data = "armed"
                conn.write(bytes(1 << 20))
                return
            conn.user_data = "armed"
            conn.close()
        else:
            conn.write(data)

    def on_writable(self, conn: floodway.Connection) -> None:
        raise LookupError("boom")

    def on_close(self, conn: floodway.Connection, error: BaseException | None) -> None:
        super().on_close(conn, error)
        if self.where == "on_close" and conn.user_data == "armed":
            raise LookupError("boom")


@pytest.mark.parametrize("options", MODELS)
@pytest.mark.parametrize("where", ["on_open", "on_data", "on_writable", "on_close"])
def test_a_callback_that_raises_loses_its_connection_and_no_other(
    options: dict[str, Any], where: str, driver: Any, caplog: pytest.LogCaptureFixture
) -> None:
    handler = Fragile(where)
    with floodway.Engine(handler, "tcp://127.0.0.1:0", driver=driver, **options) as engine:
        with dial(engine) as fragile:
            handler.next()
            handler.dialled.set()
            with dial(engine) as other:
                assert ask(other) == b"hello"
                try:
                    if where != "on_open":  # else it is closed already
                        fragile.sendall(b"boom")
                    while fragile.recv(1 << 18):
                        pass
                except ConnectionResetError:
                    pass
                fragile.close()
                wait_until(lambda: len(handler.errors) == 1, "on_close")
                assert ask(other) == b"hello"
            expected = type(None) if where == "on_close" else LookupError
            assert type(handler.errors[0]) is expected
            wait_until(lambda: caplog.text.count("LookupError: boom") == 1, "its traceback in the log")
        wait_until(lambda: handler.is_balanced, "everything is closed")
    assert caplog.text.count("LookupError: boom") == 1
    caplog.clear()  # tracebacks keep frames, and these the reactor


@pytest.mark.parametrize("end", [floodway.Connection.close, floodway.Connection.abort])
@pytest.mark.parametrize("options", [{"sub_reactors": 0}, {"sub_reactors": 0, "threads": 2}])  # one batch: one reactor
def test_a_connection_closed_by_another_of_its_batch_gets_no_more_data(
    options: dict[str, Any], end: Callable[[floodway.Connection], None], driver: Any
) -> None:
    """Both have input in the same batch; whichever is first ends the other."""

    class Rivals(Ledger):
        connections_open: list[floodway.Connection]
        data: list[floodway.Connection]
        lock = threading.Lock()

        def on_data(self, conn: floodway.Connection, data: bytes) -> None:
            with self.lock:
                self.data.append(conn)
                (other,) = (one for one in self.connections_open if one is not conn)
                if not other.is_closed and len(self.data) == 1:
                    end(other)
            with contextlib.suppress(floodway.ConnectionClosed):  # with threads it may be ended meanwhile
                conn.write(data)

    handler = Rivals()
    handler.data = []
    with floodway.Engine(handler, "tcp://127.0.0.1:0", driver=driver, **options) as engine:
        with dial(engine) as one, dial(engine) as other:
            handler.connections_open = [handler.next(), handler.next()]
            with held(engine):
                one.sendall(b"x")
                other.sendall(b"x")
            answers = []
            for peer in (one, other):
                try:
                    answers.append(peer.recv(10))
                except ConnectionResetError:
                    answers.append(b"")
            if "threads" not in options:  # with threads both may be handled at the same time
                assert sorted(answers) == [b"", b"x"]
                assert len(handler.data) == 1
        wait_until(lambda: handler.is_balanced, "each is closed once")
        assert sorted(handler.closes.values()) == [1, 1]


def test_a_reactor_that_is_blocked_is_reported_once_and_holds_up_no_other(caplog: pytest.LogCaptureFixture) -> None:
    leave = threading.Event()

    class Blocks(Ledger):
        def on_data(self, conn: floodway.Connection, data: bytes) -> None:
            if data == b"block":
                leave.wait(20)
            conn.write(data)

    options: dict[str, Any] = {"sub_reactors": 2, "balancer": floodway.RoundRobin(), "watchdog": 0.05}
    with (
        floodway.Engine(Blocks(), "tcp://127.0.0.1:0", **options) as engine,
        dial(engine) as blocked,
        dial(engine) as other,
    ):
        blocked.sendall(b"block")
        wait_until(lambda: "has been in one batch for" in caplog.text, "the watchdog speaks")
        assert "leave.wait(20)" in caplog.text
        looks_over = time.monotonic() + 0.2
        while time.monotonic() < looks_over:  # several looks of the watchdog
            assert ask(other) == b"hello"
        leave.set()
        assert read_exactly(blocked, 5) == b"block"
    assert caplog.text.count("has been in one batch for") == 1


def test_with_threads_a_call_that_blocks_holds_up_no_connection_of_its_reactor(
    driver: Any, caplog: pytest.LogCaptureFixture
) -> None:
    leave = threading.Event()

    class Blocks(Ledger):
        def on_data(self, conn: floodway.Connection, data: bytes) -> None:
            if data == b"block":
                leave.wait(20)
            conn.write(data)

    with (
        floodway.Engine(Blocks(), "tcp://127.0.0.1:0", driver=driver, threads=2, watchdog=0.05) as engine,
        dial(engine) as blocked,
        dial(engine) as other,
    ):
        blocked.sendall(b"block")
        looks_over = time.monotonic() + 0.2
        while time.monotonic() < looks_over:
            assert ask(other) == b"hello"
        leave.set()
        assert read_exactly(blocked, 5) == b"block"
    assert "has been in one batch" not in caplog.text


class Picks:
    """A balancer that answers with this, or raises LookupError."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def pick(self, loads: Sequence[int], newcomer: Newcomer, /) -> Any:
        if self.answer is LookupError:
            raise LookupError("boom")
        return self.answer


@pytest.mark.parametrize("answer", [LookupError, 2, -1, None, "0", 0.0, True])
@pytest.mark.parametrize("main_reactors", [1, 2])
def test_a_bad_balancer_is_replaced_by_least_connections(
    answer: Any, main_reactors: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    handler = Ledger()
    options = {"main_reactors": main_reactors, "sub_reactors": 2}
    balancer = Picks(answer)
    with floodway.Engine(handler, "tcp://127.0.0.1:0", balancer=balancer, **options) as engine:  # type: ignore[arg-type]
        with dial_many(engine, 20) as peers:
            for peer in peers:
                assert ask(peer) == b"hello"
            loads = [part.connections for part in engine.stats().reactors if part.name.startswith("sub")]
            assert abs(loads[0] - loads[1]) <= main_reactors
        wait_until(lambda: handler.is_balanced, "everything is closed")
    records = [record for record in caplog.records if "least connections picks for it" in record.message]
    assert 1 <= len(records) <= main_reactors * 10
    caplog.clear()
