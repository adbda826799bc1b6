"""Handles of closed connections, used by other threads while their descriptors and slots serve others.

Each connection carries an identity: its number and its client's address. The clients check that every byte is theirs,
the server that every handle, however old, still names its own peer.
"""

import contextlib
import random
import socket
import threading
from collections import deque

import pytest

import floodway
from tests.helpers.journal import Journal
from tests.helpers.models import MODELS
from tests.helpers.peers import port_of, read_exactly, reset
from tests.helpers.waiting import wait_until

THREADS = 20
CONNECTS = 1_000
KEPT = 2_000
STAMP_BYTES = 32

pytestmark = [pytest.mark.usefixtures("no_descriptor_left"), pytest.mark.cross_thread]


class Registrar(Journal):
    """Echoes; remembers the handles of closed connections with the address that their client claimed."""

    framing = floodway.Fixed(STAMP_BYTES)

    def __init__(self) -> None:
        super().__init__()
        self.stale: deque[tuple[floodway.Connection, tuple[str, int]]] = deque(maxlen=KEPT)
        self.wrong: list[str] = []
        self.counts = threading.Lock()
        self.opens = self.closes = 0

    def on_open(self, conn: floodway.Connection) -> None:
        with self.counts:
            self.opens += 1

    def on_data(self, conn: floodway.Connection, data: bytes) -> None:
        conn.user_data = claimed = address_of(data)
        if conn.peer != claimed:
            self.wrong.append(f"{claimed} said hello, and its handle says {conn.peer!r}")
        conn.write(data)

    def on_close(self, conn: floodway.Connection, error: BaseException | None) -> None:
        claimed = conn.user_data
        if claimed is not None:
            self.stale.append((conn, claimed))
        with self.counts:
            self.closes += 1


def stamp(number: int, peer: socket.socket) -> bytes:
    host, port = peer.getsockname()
    return " ".join(map(str, (number, host, port))).encode().ljust(STAMP_BYTES)


def address_of(data: bytes) -> tuple[str, int]:
    _, host, port = data.decode().split()
    return host, int(port)


def visit(port: int, thread: int, handler: Registrar) -> None:
    """Connect again and again, from an address of its own; end with FIN and RST in turn; misuse an old handle."""
    dice = random.Random(thread)
    for number in range(CONNECTS):
        with socket.socket() as peer:
            peer.settimeout(20)
            peer.bind((f"127.0.1.{thread + 1}", 0))
            peer.connect(("127.0.0.1", port))
            mine = stamp(thread * CONNECTS + number, peer)
            peer.sendall(mine)
            with contextlib.suppress(IndexError):  # there is none yet
                misuse(*handler.stale[dice.randrange(-KEPT // 10, 0)], handler.wrong)
            got = read_exactly(peer, STAMP_BYTES)
            if got != mine:
                handler.wrong.append(f"sent {mine!r}, received {got!r}")
            if number % 2:
                reset(peer)


def misuse(conn: floodway.Connection, claimed: tuple[str, int], wrong: list[str]) -> None:
    """Do everything to a stale handle that could hurt a successor."""
    if conn.peer != claimed or not conn.is_closed or conn.state != "closed":
        wrong.append(f"the stale handle of {claimed} became {conn!r}")
    with contextlib.suppress(floodway.ConnectionClosed):
        conn.write(b"foreign " * 4)
        wrong.append("a stale handle took a write")
    with contextlib.suppress(floodway.ConnectionClosed):
        conn.writelines([bytes(20_000)])
        wrong.append("a stale handle took writelines")
    conn.pause_reading()
    conn.set_framing(floodway.Fixed(1))
    conn.set_idle_timeout(0.01)
    conn.write_eof()
    conn.close()
    conn.abort()


@pytest.mark.timeout(180)
@pytest.mark.parametrize("model", ["single", "main-sub"])
def test_stale_handles_never_touch_their_successors(model: str) -> None:
    handler = Registrar()
    broken: list[str] = []

    def guarded(port: int, thread: int) -> None:
        try:
            visit(port, thread, handler)
        except (OSError, AssertionError) as error:
            broken.append(repr(error))

    with floodway.Engine(handler, "tcp://127.0.0.1:0", **MODELS[model]) as engine:
        port = port_of(engine)
        visitors = [threading.Thread(target=guarded, args=(port, number)) for number in range(THREADS)]
        for visitor in visitors:
            visitor.start()
        for visitor in visitors:
            visitor.join()
        assert (broken, handler.wrong) == ([], [])
        wait_until(lambda: handler.closes == THREADS * CONNECTS)
        assert handler.opens == THREADS * CONNECTS
        wait_until(lambda: engine.stats().total.connections == 0)
