"""Some clients take all they can; nobody is refused and nobody starves."""

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest

from floodway.cli.load import run as load
from floodway.conn.stats import LoadReport
from tests.helpers.fault_peers import ask, dial_port
from tests.helpers.fault_server import Server
from tests.helpers.peers import read_exactly
from tests.helpers.waiting import wait_until

PINGERS = 20
STARVED_SECONDS = 5.0  # an answer that takes longer counts as none


@contextmanager
def pingers(port: int) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        peers = [stack.enter_context(dial_port(port)) for _ in range(PINGERS)]
        for peer in peers:
            peer.settimeout(STARVED_SECONDS)
        yield peers


def ping(peers: list[socket.socket]) -> None:
    """All ask, and each has to get its answer."""
    for peer in peers:
        peer.sendall(b"ping\n")
    for peer in peers:
        assert read_exactly(peer, 5) == b"ping\n"


@contextmanager
def in_background(port: int, **plan: object) -> Iterator[Future[LoadReport]]:
    """The native load generator on a thread of its own, until it is done."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(load, ("127.0.0.1", port), rate=None, pid=None, **plan)  # type: ignore[arg-type]


def test_one_that_floods_starves_no_pinger(driver: str) -> None:
    with Server("echo", driver=driver) as server, pingers(server.port) as peers:
        with in_background(server.port, connections=1, mode="flood", size=65536, seconds=2.0) as flood:
            wait_until(lambda: server.stats()["bytes_in"] > 1 << 20, "the flood has begun")
            rounds = 0
            while not flood.done():
                ping(peers)
                rounds += 1
        assert flood.result().broken == 0
        assert rounds > 10
        assert server.stats()["bytes_in"] > 16 << 20


def test_one_that_floods_and_never_reads_starves_no_pinger(driver: str) -> None:
    with Server("echo", driver=driver) as server, pingers(server.port) as peers, dial_port(server.port) as greedy:
        greedy.setblocking(False)
        until = time.monotonic() + 1
        while time.monotonic() < until:
            with contextlib.suppress(BlockingIOError):
                while True:
                    greedy.send(bytes(1 << 18))
            ping(peers)


def test_a_pipelining_client_starves_no_pinger(driver: str) -> None:
    """Each segment holds thousands of frames, which would fill batch after batch."""
    with Server("lines", driver=driver) as server, pingers(server.port) as peers, dial_port(server.port) as greedy:
        segment = b"\n" * (1 << 16)

        def send() -> None:
            with contextlib.suppress(OSError):  # it is cut off in the end
                while True:
                    greedy.sendall(segment)

        def receive() -> None:
            with contextlib.suppress(OSError):
                while greedy.recv(1 << 18):
                    pass

        threads = [threading.Thread(target=send), threading.Thread(target=receive)]
        for thread in threads:
            thread.start()
        try:
            until = time.monotonic() + 1
            while time.monotonic() < until:
                ping(peers)
        finally:
            greedy.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()
        assert server.stats()["events"] > 20_000


@pytest.mark.timeout(120)
def test_five_thousand_connects_at_once_are_all_served_beside_pingers(driver: str) -> None:
    """More than the backlog holds: the kernel may let some ask again, which is no refusal."""
    with Server("echo", driver=driver) as server, pingers(server.port) as peers, ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        for number in range(5000):
            client = stack.enter_context(socket.socket())
            client.setsockopt(socket.IPPROTO_IP, getattr(socket, "IP_BIND_ADDRESS_NO_PORT", 24), 1)
            client.bind((f"127.0.2.{number % 4 + 1}", 0))
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", server.port))
            selector.register(client, selectors.EVENT_WRITE, client)
        deadline = time.monotonic() + 60
        while selector.get_map():
            assert time.monotonic() < deadline, f"{len(selector.get_map())} of 5000 are not served"
            for key, ready in selector.select(0):
                if ready & selectors.EVENT_WRITE:
                    assert key.data.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
                    key.data.send(b"hello")
                    selector.modify(key.data, selectors.EVENT_READ, key.data)
                else:
                    assert key.data.recv(5) == b"hello"
                    selector.unregister(key.data)
            ping(peers)
        stats = server.stats()
        assert (stats["accepted"], stats["shed"]) == (5000 + PINGERS, 0)


@pytest.mark.timeout(120)
def test_two_thousand_that_dribble_a_byte_a_second_are_served_beside_pingers(driver: str) -> None:
    line = b"abc\n"
    with Server("lines", driver=driver) as server, pingers(server.port) as peers, ExitStack() as stack:
        dribblers = [stack.enter_context(dial_port(server.port, source="127.0.3.1")) for _ in range(2000)]
        for position in range(len(line)):
            next_byte = time.monotonic() + 1
            for dribbler in dribblers:
                dribbler.send(line[position : position + 1])
            while time.monotonic() < next_byte:
                ping(peers)
        for dribbler in dribblers:
            assert read_exactly(dribbler, len(line)) == line
        assert server.stats()["shed"] == 0


@pytest.mark.alone
def test_a_thousand_closed_loop_clients_are_served_equally(driver: str) -> None:
    with Server("echo", driver=driver) as server:
        report = load(
            ("127.0.0.1", server.port), connections=1000, mode="echo", rate=None, size=64, seconds=5.0, pid=None
        )
        assert (report.connected, report.failed, report.broken, report.corrupt_bytes) == (1000, 0, 0, 0)
        assert report.per_connection_min >= report.per_connection_mean / 2
        assert report.per_connection_max <= report.per_connection_mean * 2
        with dial_port(server.port) as late:
            assert ask(late) == b"hello"
