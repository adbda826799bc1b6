"""A peer that has sent FIN is not gone: its input is delivered to the end, and it gets its whole answer, then EOF."""

import random
import socket
import threading
from typing import Any

import pytest

import floodway
from tests.helpers.journal import Echo, Journal
from tests.helpers.models import MODELS, MakeEngine
from tests.helpers.peers import converse, dial, dial_many, read_exactly, read_to_end
from tests.helpers.waiting import wait_until

KIB = 1 << 10
MIB = 1 << 20

pytestmark = pytest.mark.usefixtures("no_descriptor_left")


class Answer(Journal):
    """Answers the first input with `answer`, and ignores the rest."""

    def __init__(self, answer: bytes, *, close: bool = False) -> None:
        super().__init__()
        self._answer = answer
        self._close = close

    def on_data(self, conn: floodway.Connection, data: bytes) -> None:
        if conn.user_data is None:
            conn.user_data = "answered"
            conn.write(self._answer)
            if self._close:
                conn.close()


@pytest.mark.parametrize("model", MODELS)
def test_200_small_requests_that_end_at_once_are_answered(model: str, engine_with: MakeEngine) -> None:
    payloads = [b"request %d" % number for number in range(200)]
    handler = Echo()
    with (
        engine_with(handler, **MODELS[model]) as engine,
        dial_many(engine, len(payloads)) as peers,
    ):
        assert converse(peers, payloads, finish=True) == payloads
        assert handler.wait_closed(len(payloads)) == [None] * len(payloads)


@pytest.mark.parametrize("model", MODELS)
def test_8_mib_that_end_at_once_are_answered(model: str, engine_with: MakeEngine) -> None:
    payload = random.Random(1).randbytes(8 * MIB)
    handler = Echo()
    with engine_with(handler, **MODELS[model]) as engine, dial(engine) as peer:
        assert converse([peer], [payload], finish=True) == [payload]
        assert handler.wait_closed() == [None]


@pytest.mark.parametrize("size", [300 * KIB, 4 * MIB])
@pytest.mark.parametrize("model", MODELS)
def test_output_pending_at_a_half_close_arrives(size: int, model: str, engine_with: MakeEngine) -> None:
    """Of 300 KiB the kernel takes all at once although they are above the high-water mark; of 4 MiB it does not."""
    answer = random.Random(2).randbytes(size)
    handler = Answer(answer)
    with engine_with(handler, **MODELS[model]) as engine, dial(engine) as peer:
        peer.sendall(b"go")
        peer.shutdown(socket.SHUT_WR)
        (conn,) = handler.wait_opened()
        wait_until(lambda: conn.bytes_out > 0)
        assert read_to_end(peer) == answer
        assert handler.wait_closed() == [None]


def test_a_half_close_does_not_cut_a_batch_short(engine_with: MakeEngine) -> None:
    """Three times as many lines as fit into a batch, and the FIN behind them."""
    lines = [b"%d" % number for number in range(300)]

    class Lines(Journal):
        framing = floodway.Lines()

        def on_data(self, conn: floodway.Connection, data: bytes) -> None:
            conn.write_frame(data)

    handler = Lines()
    with engine_with(handler, max_batch=100) as engine, dial(engine) as peer:
        peer.sendall(b"".join(line + b"\n" for line in lines))
        peer.shutdown(socket.SHUT_WR)
        assert read_to_end(peer).split() == lines


def test_input_of_a_paused_connection_is_delivered_after_the_end(engine_with: MakeEngine) -> None:
    class Paused(Echo):
        def on_open(self, conn: floodway.Connection) -> None:
            if not self.opened:
                conn.pause_reading()
            super().on_open(conn)

    handler = Paused()
    payload = random.Random(3).randbytes(200 * KIB)
    with engine_with(handler) as engine, dial(engine) as peer:
        (conn,) = handler.wait_opened()
        sender = threading.Thread(target=_send_and_finish, args=(peer, payload))
        sender.start()
        peer_is_served(engine)
        assert not conn.is_closed
        conn.resume_reading()
        assert read_to_end(peer) == payload
        sender.join()
        wait_until(lambda: (conn, None) in handler.closed)


def test_close_with_unread_input_still_delivers_the_answer(engine_with: MakeEngine) -> None:
    """Closing a socket with input in it would send RST, which destroys the answer on its way."""
    answer = random.Random(4).randbytes(100 * KIB)
    handler = Answer(answer, close=True)
    with engine_with(handler) as engine, dial(engine) as peer:
        sender = threading.Thread(target=peer.sendall, args=(bytes(700 * KIB),))
        sender.start()
        wait_until(lambda: handler.opened and handler.opened[0].is_closed)
        sender.join()
        assert read_to_end(peer) == answer
        peer.close()
        assert handler.wait_closed() == [None]


def test_a_closing_connection_ends_although_its_peer_does_not(driver: Any) -> None:
    """After two seconds, and the peer then sees that nobody listens any more."""
    handler = Answer(b"bye", close=True)
    with floodway.Engine(handler, "tcp://127.0.0.1:0", driver=driver) as engine, dial(engine) as peer:
        peer.sendall(b"go")
        assert read_to_end(peer) == b"bye"
        assert not handler.closed
        assert handler.wait_closed() == [None]


def test_a_closing_connection_discards_no_more_than_a_mebibyte(driver: Any) -> None:
    """A peer that goes on sending is cut off long before the two seconds are over: bounded by bytes as well."""
    handler = Answer(b"bye", close=True)
    with floodway.Engine(handler, "tcp://127.0.0.1:0", driver=driver) as engine, dial(engine) as peer:
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            peer.sendall(bytes(64 * MIB))
        assert handler.wait_closed() == [None]
        assert engine.stats().total.bytes_in < 2 * MIB


@pytest.mark.parametrize("model", MODELS)
def test_the_other_direction_stays_open_after_write_eof(model: str, engine_with: MakeEngine) -> None:
    class Farewell(Journal):
        def __init__(self) -> None:
            super().__init__()
            self.heard = bytearray()

        def on_open(self, conn: floodway.Connection) -> None:
            conn.write(b"bye")
            conn.write_eof()
            super().on_open(conn)

        def on_data(self, conn: floodway.Connection, data: bytes) -> None:
            self.heard += data

    handler = Farewell()
    with engine_with(handler, **MODELS[model]) as engine, dial(engine) as peer:
        assert read_to_end(peer) == b"bye"
        (conn,) = handler.wait_opened()
        assert conn.state == "half-closed"
        with pytest.raises(floodway.ConnectionClosed):
            conn.write(b"more")
        peer.sendall(b"and " * 50_000)
        peer.sendall(b"goodbye")
        peer.shutdown(socket.SHUT_WR)
        assert handler.wait_closed() == [None]
        assert handler.heard == b"and " * 50_000 + b"goodbye"


def test_a_half_closed_peer_is_still_pushed_to(engine_with: MakeEngine) -> None:
    class Paused(Journal):
        def on_open(self, conn: floodway.Connection) -> None:
            conn.pause_reading()
            super().on_open(conn)

    handler = Paused()
    with engine_with(handler) as engine, dial(engine) as peer:
        peer.shutdown(socket.SHUT_WR)
        (conn,) = handler.wait_opened()
        conn.write(b"news")
        assert read_exactly(peer, 4) == b"news"
        conn.write(b"more")
        conn.close()
        assert read_to_end(peer) == b"more"


def test_a_half_closed_connection_with_pending_output_does_not_spin(engine_with: MakeEngine) -> None:
    """Level-triggered polling reports the end of input again and again, unless the interest in it is dropped."""
    handler = Answer(bytes(4 * MIB))
    with engine_with(handler) as engine, dial(engine, receive_buffer=8 * KIB) as peer:
        peer.sendall(b"go")
        peer.shutdown(socket.SHUT_WR)
        (conn,) = handler.wait_opened()
        wait_until(lambda: conn.bytes_out > 0)
        before = engine.stats().total.waits
        for _ in range(50):
            peer_is_served(engine)
        assert engine.stats().total.waits - before < 50 * 20
        assert len(read_to_end(peer)) == 4 * MIB


def peer_is_served(engine: floodway.Engine) -> None:
    """A whole life of another connection beside: the reactor has waited several times meanwhile."""
    before = engine.stats().total.accepted
    with dial(engine):
        wait_until(lambda: engine.stats().total.accepted > before)


def _send_and_finish(peer: socket.socket, payload: bytes) -> None:
    peer.sendall(payload)
    peer.shutdown(socket.SHUT_WR)
