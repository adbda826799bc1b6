"""Stopping: what becomes of idle, busy, half-received and stuck connections, and what is left afterwards."""

import socket
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import floodway
from tests.helpers.fault_handlers import Ledger
from tests.helpers.fault_peers import ask
from tests.helpers.peers import dial, port_of, read_exactly, read_to_end, reset
from tests.helpers.waiting import wait_until

MODELS: list[dict[str, Any]] = [
    {},
    {"threads": 2},
    {"main_reactors": 1, "sub_reactors": 2},
    {"main_reactors": 2, "sub_reactors": 2, "threads": 2},
]
MUCH = 8 << 20  # more than the kernel keeps for a reader that does not read

pytestmark = pytest.mark.usefixtures("no_descriptor_left")


class Generous(Ledger):
    """Answers anything with much."""

    def on_data(self, conn: floodway.Connection, data: bytes) -> None:
        conn.write(bytes(MUCH))


class Shouts(Ledger):
    framing = floodway.Lines()

    def on_data(self, conn: floodway.Connection, data: bytes) -> None:
        conn.write(data.upper() + b"\n")


def is_draining(engine: floodway.Engine) -> bool:
    return "draining" in repr(engine)


@pytest.mark.parametrize("options", MODELS)
def test_an_idle_connection_is_closed_at_once(options: dict[str, Any], driver: Any) -> None:
    handler = Ledger()
    with floodway.Engine(handler, "tcp://127.0.0.1:0", driver=driver, **options) as engine:
        with dial(engine) as peer:
            ask(peer)
            engine.stop(grace=60)
            assert read_to_end(peer) == b""
        engine.join(10)
    assert handler.is_balanced
    assert isinstance(handler.errors[0], floodway.ServerStopping)


@pytest.mark.parametrize("options", MODELS)
def test_pending_output_is_delivered_before_the_end(options: dict[str, Any], driver: Any) -> None:
    handler = Generous()
    with floodway.Engine(handler, "tcp://127.0.0.1:0", driver=driver, **options) as engine:
        with dial(engine, receive_buffer=1 << 16) as peer:
            peer.sendall(b"?")
            assert peer.recv(1) == b"\0"
            engine.stop(grace=60)
            wait_until(lambda: is_draining(engine), "draining")
            assert read_to_end(peer) == bytes(MUCH - 1)
        engine.join(10)
    assert handler.is_balanced


@pytest.mark.parametrize("options", MODELS)
def test_half_a_frame_may_still_become_whole(options: dict[str, Any], driver: Any) -> None:
    handler = Shouts()
    with floodway.Engine(handler, "tcp://127.0.0.1:0", driver=driver, **options) as engine:
        with dial(engine) as peer:
            peer.sendall(b"one\nha")
            assert read_exactly(peer, 4) == b"ONE\n"
            engine.stop(grace=60)
            wait_until(lambda: is_draining(engine), "draining")
            peer.sendall(b"lf\n")
            assert read_to_end(peer) == b"HALF\n"
        engine.join(10)
    assert handler.is_balanced


def test_a_call_in_a_worker_thread_is_waited_for(driver: Any) -> None:
    entered, leave = threading.Event(), threading.Event()

    class Slow(Ledger):
        def on_data(self, conn: floodway.Connection, data: bytes) -> None:
            entered.set()
            leave.wait(20)
            conn.write(b"done")

    with floodway.Engine(Slow(), "tcp://127.0.0.1:0", driver=driver, threads=1) as engine:
        with dial(engine) as peer:
            peer.sendall(b"?")
            assert entered.wait(10)
            engine.stop(grace=60)
            wait_until(lambda: is_draining(engine), "draining")
            leave.set()
            assert read_to_end(peer) == b"done"
        engine.join(10)


def test_a_connection_that_has_not_yet_sent_a_byte_is_still_answered(driver: Any) -> None:
    with floodway.Engine(Ledger(), "tcp://127.0.0.1:0", driver=driver) as engine:
        with dial(engine) as peer:
            wait_until(lambda: engine.stats().total.connections == 1, "the connection is accepted")
            engine.stop(grace=60)
            wait_until(lambda: is_draining(engine), "draining")
            peer.sendall(b"first")
            assert read_to_end(peer) == b"first"
        engine.join(10)


def test_a_connection_that_the_kernel_has_completed_is_accepted_and_answered(driver: Any) -> None:
    """The reactor is held up while a client connects and sends, and told to stop before it can accept."""
    held, leave = threading.Event(), threading.Event()

    def hold() -> None:
        held.set()
        leave.wait(20)

    with floodway.Engine(Ledger(), "tcp://127.0.0.1:0", driver=driver, sub_reactors=0) as engine:
        engine.call_soon(hold)
        assert held.wait(10)
        with dial(engine) as peer:
            peer.sendall(b"in time")
            engine.stop(grace=60)
            wait_until(lambda: "listeners" in repr(engine), "the stop has begun")
            leave.set()
            assert read_to_end(peer) == b"in time"
        engine.join(10)


@pytest.mark.parametrize("options", MODELS)
def test_what_is_stuck_is_aborted_at_the_deadline(options: dict[str, Any], driver: Any) -> None:
    handler = Generous()
    with (
        floodway.Engine(handler, "tcp://127.0.0.1:0", driver=driver, **options) as engine,
        dial(engine, receive_buffer=1 << 16) as peer,
    ):
        peer.sendall(b"?")
        peer.recv(1)
        asked = time.monotonic()
        engine.stop(grace=0.3)
        engine.join(10)
        assert time.monotonic() - asked >= 0.3
        with pytest.raises(ConnectionResetError):
            read_to_end(peer)
    assert [type(error) for error in handler.errors] == [floodway.ServerStopping]
    assert handler.stopped


def test_a_later_stop_brings_the_deadline_nearer(driver: Any) -> None:
    handler = Generous()
    with (
        floodway.Engine(handler, "tcp://127.0.0.1:0", driver=driver) as engine,
        dial(engine, receive_buffer=1 << 16) as peer,
    ):
        peer.sendall(b"?")
        peer.recv(1)
        engine.stop(grace=3600)
        wait_until(lambda: is_draining(engine), "draining")
        engine.stop(grace=0)
        engine.join(10)
    assert handler.is_balanced


def test_a_later_stop_does_not_put_the_deadline_off() -> None:
    handler = Generous()
    with floodway.Engine(handler, "tcp://127.0.0.1:0") as engine, dial(engine, receive_buffer=1 << 16) as peer:
        peer.sendall(b"?")
        peer.recv(1)
        engine.stop(grace=0.1)
        engine.stop(grace=3600)
        engine.join(10)
    assert handler.is_balanced


def test_reading_that_is_paused_does_not_keep_the_engine_beyond_its_deadline(driver: Any) -> None:
    class Pauses(Ledger):
        def on_data(self, conn: floodway.Connection, data: bytes) -> None:
            conn.pause_reading()
            conn.write(data)

    handler = Pauses()
    with floodway.Engine(handler, "tcp://127.0.0.1:0", driver=driver) as engine, dial(engine) as peer:
        ask(peer)
        engine.stop(grace=0.2)
        engine.join(10)
    assert handler.is_balanced


@pytest.mark.parametrize("options", MODELS)
@pytest.mark.parametrize("where", ["on_open", "on_data", "on_close", "timer", "call"])
def test_a_callback_may_stop_the_engine(options: dict[str, Any], where: str) -> None:
    class Stops(Ledger):
        def on_open(self, conn: floodway.Connection) -> None:
            super().on_open(conn)
            self._stop_in("on_open")

        def on_data(self, conn: floodway.Connection, data: bytes) -> None:
            super().on_data(conn, data)
            self._stop_in("on_data")
            if where == "timer":
                conn.reactor.call_later(0.01, engine.stop)
            elif where == "call":
                engine.call_soon(engine.stop, conn.reactor)

        def on_close(self, conn: floodway.Connection, error: BaseException | None) -> None:
            super().on_close(conn, error)
            self._stop_in("on_close")

        def _stop_in(self, place: str) -> None:
            if place == where:
                engine.stop()

    handler = Stops()
    engine = floodway.Engine(handler, "tcp://127.0.0.1:0", **options)
    engine.start()
    with dial(engine) as peer:
        ask(peer)
        if where != "on_close":
            assert read_to_end(peer) == b""
    engine.join(10)
    assert handler.is_balanced
    assert handler.stopped


@pytest.mark.parametrize("leave", [socket.socket.close, reset])
def test_on_stop_comes_after_the_last_on_close(leave: Callable[[socket.socket], object]) -> None:
    events: list[str] = []

    class Notes(floodway.Handler):
        def on_close(self, conn: floodway.Connection, error: BaseException | None) -> None:
            events.append("close")

        def on_stop(self) -> None:
            events.append("stop")

    with floodway.Engine(Notes(), "tcp://127.0.0.1:0", sub_reactors=2) as engine:
        peers = [dial(engine) for _ in range(20)]
        wait_until(lambda: engine.stats().total.connections == 20, "all are accepted")
        engine.stop()
        for peer in peers:
            leave(peer)
        engine.join(10)
    assert events == ["close"] * 20 + ["stop"]


@pytest.mark.parametrize("main_reactors", [1, 2])
def test_the_same_port_is_served_again_at_once(main_reactors: int, driver: Any) -> None:
    """The server closes first, so its side of the connections stays behind in TIME_WAIT."""
    port = 0
    for _ in range(3):
        address = f"tcp://127.0.0.1:{port}"
        options = {"main_reactors": main_reactors, "sub_reactors": 1}
        with floodway.Engine(Ledger(), address, driver=driver, **options) as engine:  # type: ignore[arg-type]
            port = port_of(engine)
            peers = [dial(engine) for _ in range(10)]
            for peer in peers:
                ask(peer)
            engine.stop()
            for peer in peers:
                assert read_to_end(peer) == b""
                peer.close()
            engine.join(10)


@pytest.mark.parametrize("options", MODELS)
def test_who_keeps_an_engine_or_a_connection_after_the_end_keeps_no_descriptor(
    options: dict[str, Any], driver: Any
) -> None:
    handler = Ledger()
    before = set(Path("/proc/self/fd").iterdir())
    with floodway.Engine(handler, "tcp://127.0.0.1:0", driver=driver, **options) as engine, dial(engine) as peer:
        ask(peer)
        conn = handler.next()
    assert set(Path("/proc/self/fd").iterdir()) <= before
    conn.reactor.wake()
    conn.reactor.call_soon(engine.stop)
    with pytest.raises(floodway.ConnectionClosed):
        conn.write(b"late")
    assert engine.stats().total.accepted == 1


def test_a_timer_that_waits_when_the_engine_ends_keeps_nothing_alive(driver: Any) -> None:
    """The timer refers to its reactor, and the reactor to what the timer would have called."""

    class Call:
        def __call__(self) -> None:
            raise AssertionError("an hour is over")

    handler, call = Ledger(), Call()
    with floodway.Engine(handler, "tcp://127.0.0.1:0", driver=driver) as engine, dial(engine) as peer:
        ask(peer)
        timer = handler.next().reactor.call_later(3600, call)
        assert timer.is_pending
    assert not timer.is_pending
    del timer
    left = weakref.ref(call)
    del call
    wait_until(lambda: left() is None, "nobody refers to the call")
