"""A RST in each state of a connection, 500 times: one `on_close` each, nothing left, nothing in the log."""

import gc
import logging
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import floodway
from tests.helpers.fault_handlers import Ledger
from tests.helpers.peers import dial, read_exactly, reset
from tests.helpers.waiting import wait_until

RESETS = 500
AT_ONCE = 50
MUCH = bytes(1 << 19)  # more than the kernel takes for a reader with a small buffer
SMALL: dict[str, Any] = {"send_buffer": 1 << 14}

pytestmark = pytest.mark.usefixtures("no_descriptor_left")


class Obeys(Ledger):
    """Brings its connections into the state that the peer asks for, and acknowledges that with a byte."""

    def on_data(self, conn: floodway.Connection, data: bytes) -> None:
        if data == b"echo":
            conn.write(b"!")
        elif data == b"pause":
            conn.pause_reading()
            conn.write(b"!")
        elif data == b"pause and finish":
            conn.pause_reading()
            conn.write(b"!")
            conn.write_eof()
        elif data == b"finish":
            conn.write(b"!")
            conn.write_eof()
        elif data == b"much":
            conn.write(MUCH)
        elif data == b"much and close":
            conn.write(MUCH)
            conn.close()
        elif data == b"close":
            conn.write(b"!")
            conn.close()
        elif data == b"wait":
            conn.write(b"!")
            wait_until(lambda: conn.is_closed, "the reset is noticed while the worker is busy")


def connected(engine: floodway.Engine) -> socket.socket:
    return dial(engine, receive_buffer=4096)


def told(request: bytes) -> Callable[[floodway.Engine], socket.socket]:
    def make(engine: floodway.Engine) -> socket.socket:
        peer = connected(engine)
        peer.sendall(request)
        read_exactly(peer, 1)
        return peer

    return make


def with_unread_input(engine: floodway.Engine) -> socket.socket:
    peer = told(b"pause")(engine)
    peer.sendall(b"more, which is never read")
    return peer


def with_unread_output(engine: floodway.Engine) -> socket.socket:
    """An ordinary close, which the kernel turns into a reset because the answer was not read."""
    peer = told(b"much")(engine)
    peer.close()
    return peer


def half_closed_by_the_peer(engine: floodway.Engine) -> socket.socket:
    """It has to answer still, and cannot."""
    peer = told(b"much")(engine)
    peer.shutdown(socket.SHUT_WR)
    return peer


def half_closed_while_paused(engine: floodway.Engine) -> socket.socket:
    peer = told(b"pause")(engine)
    peer.shutdown(socket.SHUT_WR)
    return peer


def after_our_end(request: bytes) -> Callable[[floodway.Engine], socket.socket]:
    def make(engine: floodway.Engine) -> socket.socket:
        peer = told(request)(engine)
        assert peer.recv(1) == b""
        return peer

    return make


RESET: set[type] = {ConnectionResetError}
STATES: dict[str, tuple[Callable[[floodway.Engine], socket.socket], set[type]]] = {
    "just connected": (connected, RESET),
    "open": (told(b"echo"), RESET),
    "paused": (told(b"pause"), RESET),
    "paused with unread input": (with_unread_input, RESET),
    "output pending": (told(b"much"), RESET),
    "output pending, closed with it unread": (with_unread_output, RESET),
    "output pending, peer half-closed": (half_closed_by_the_peer, {ConnectionResetError, BrokenPipeError}),
    "paused, peer half-closed": (half_closed_while_paused, {ConnectionResetError, BrokenPipeError}),
    "half-closed": (after_our_end(b"finish"), RESET),
    "half-closed and paused": (after_our_end(b"pause and finish"), RESET),
    "closing": (told(b"much and close"), RESET),
    "lingering": (after_our_end(b"close"), {type(None)}),  # everything was delivered: an orderly end
}


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def reset_many(engine: floodway.Engine, handler: Ledger, make: Callable[[floodway.Engine], socket.socket]) -> None:
    for done in range(0, RESETS, AT_ONCE):
        peers = [make(engine) for _ in range(AT_ONCE)]
        wait_until(lambda: handler.opened == done + AT_ONCE, "all are open")  # noqa: B023
        for peer in peers:
            if peer.fileno() != -1:
                reset(peer)
    wait_until(lambda: handler.is_balanced, "each has an on_close")


def check_reset(engine: floodway.Engine, handler: Ledger, errors: set[type], before: int) -> None:
    assert handler.opened == RESETS
    assert {type(error) for error in handler.errors} <= errors
    total = engine.stats().total
    assert (total.connections, total.output_queued, total.accepted) == (0, 0, RESETS)
    assert sum(total.closed.values()) == RESETS
    assert engine.connections() == []
    gc.collect()
    assert descriptors() == before


@pytest.mark.parametrize("state", STATES)
def test_a_reset_ends_the_connection_once_and_quietly(
    state: str, driver: Any, caplog: pytest.LogCaptureFixture
) -> None:
    make, errors = STATES[state]
    handler = Obeys()
    with floodway.Engine(handler, "tcp://127.0.0.1:0", driver=driver, **SMALL) as engine:
        wait_until(lambda: engine.stats().total.waits > 1, "it accepts")
        caplog.clear()
        before = descriptors()
        reset_many(engine, handler, make)
        check_reset(engine, handler, errors, before)
        assert [record for record in caplog.records if record.levelno > logging.DEBUG] == []


@pytest.mark.parametrize("request_", [b"wait", b"much"])
def test_a_reset_while_worker_threads_are_busy(request_: bytes, driver: Any, caplog: pytest.LogCaptureFixture) -> None:
    handler = Obeys()
    with floodway.Engine(handler, "tcp://127.0.0.1:0", driver=driver, threads=AT_ONCE, **SMALL) as engine:
        wait_until(lambda: engine.stats().total.waits > 1, "it accepts")
        caplog.clear()
        before = descriptors()
        reset_many(engine, handler, told(request_))
        check_reset(engine, handler, RESET, before)
        assert [record for record in caplog.records if record.levelno > logging.DEBUG] == []


def test_input_after_which_a_reset_came_is_not_delivered(driver: Any) -> None:
    """Reading is paused while the input and the reset come."""

    class Pauses(Ledger):
        data: list[bytes]

        def on_open(self, conn: floodway.Connection) -> None:
            conn.pause_reading()
            super().on_open(conn)

        def on_data(self, conn: floodway.Connection, data: bytes) -> None:
            self.data.append(data)

    handler = Pauses()
    handler.data = []
    with floodway.Engine(handler, "tcp://127.0.0.1:0", driver=driver) as engine:
        peer = dial(engine)
        conn = handler.next()
        peer.sendall(b"lost")
        reset(peer)
        wait_until(lambda: handler.is_balanced, "on_close")
        conn.resume_reading()
    assert handler.data == []
    assert isinstance(handler.errors[0], ConnectionResetError)
