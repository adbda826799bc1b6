"""Peers that send and do not read, or read slowly: what they cost, when they are cut, and that nobody else notices."""

import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

import floodway
from floodway.base import platform
from tests.helpers.fault_process import cpu_seconds, resident_bytes
from tests.helpers.fault_server import Server
from tests.helpers.journal import Echo
from tests.helpers.models import MakeEngine
from tests.helpers.peers import dial
from tests.helpers.proxy_process import Proxy
from tests.helpers.waiting import wait_until

KIB = 1 << 10
MIB = 1 << 20
# Its length is prime, so no power of two of lost or doubled bytes goes unnoticed.
PATTERN = bytes(number * 31 % 251 for number in range(65_537))
BLOCK = PATTERN * 16


class Stream:
    """One connection that sends the pattern over and over, and expects it back."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.socket.setblocking(False)
        self.sent = self.received = 0

    def send(self, most: int) -> bool:
        """Send what the kernel takes now. Returns whether it took something."""
        start = self.sent % len(PATTERN)
        try:
            self.sent += self.socket.send(memoryview(BLOCK)[start : start + min(most, len(BLOCK) - start)])
        except BlockingIOError:
            return False
        return True

    def receive(self, most: int = len(BLOCK) - len(PATTERN)) -> None:
        """Read what is there, and check it."""
        data = self.socket.recv(most)
        assert data, "the server has ended the connection"
        start = self.received % len(PATTERN)
        assert data == BLOCK[start : start + len(data)]
        self.received += len(data)

    def send_until_stuck(self, most: int) -> None:
        """Send until nothing was taken for half a second: every buffer on the way is full."""
        while self.sent < most and select.select([], [self.socket], [], 0.5)[1]:
            self.send(most - self.sent)

    def is_stuck_for(self, seconds: float) -> bool:
        return not select.select([], [self.socket], [], seconds)[1]

    def finish(self, total: int) -> None:
        """Send up to `total` bytes in all while reading, and read everything back."""
        while self.received < total:
            writers = [self.socket] if self.sent < total else []
            ready = select.select([self.socket], writers, [], 20)
            assert any(ready), f"stuck at {self.sent} sent and {self.received} received of {total}"
            if ready[1]:
                self.send(total - self.sent)
            if ready[0]:
                self.receive()


@contextmanager
def streaming(port: int) -> Iterator[Stream]:
    stream = Stream(port)
    try:
        yield stream
    finally:
        stream.socket.close()


def check_stuck_client(server: Server, *, stuck_seconds: float, total: int, most: int = 2 * MIB) -> None:
    """The whole of what a client that does not read may cost, then everything arrives."""
    with streaming(server.port) as stream, streaming(server.port) as other:
        other.finish(8 * MIB)  # what the first use of everything costs is not the stuck client's
        before = resident_bytes(server.pid)
        stream.send_until_stuck(total)
        assert stream.sent < total
        cpu = cpu_seconds(server.pid)
        waits = server.stats()["waits"]
        assert stream.is_stuck_for(stuck_seconds)
        assert cpu_seconds(server.pid) - cpu < 0.05
        assert server.stats()["waits"] - waits < 100
        for _ in range(200):
            other.finish(other.received + 1_000)
        assert resident_bytes(server.pid) - before < most
        stream.finish(total)


def test_a_client_that_never_reads_costs_little_and_gets_everything_once_it_does() -> None:
    with Server("echo") as server:
        check_stuck_client(server, stuck_seconds=5, total=400 * MIB)


OTHER_MODELS = [
    ({"driver": "portable"}, 2 * MIB),
    ({"sub_reactors": 2}, 2 * MIB),
    # Beside its output, what may wait for a worker thread (thread_backlog_bytes), in a block that has doubled.
    ({"threads": 2}, 4 * MIB),
]
# What is allocated by one thread and freed by another: without the GIL Python's allocator keeps it for its thread. How
# much that is depends on the threads, not on the clients: 20 to 35 MB after one client as after thirty.
KEPT_BY_THREADS = 0 if platform.has_gil() else 40 * MIB


@pytest.mark.parametrize(("options", "most"), OTHER_MODELS)
def test_a_client_that_never_reads_costs_little_in_other_models(options: dict[str, Any], most: int) -> None:
    if "threads" in options:
        most += KEPT_BY_THREADS
    with Server("echo", **options) as server:
        check_stuck_client(server, stuck_seconds=1, total=100 * MIB, most=most)


@pytest.mark.parametrize(("options", "most"), OTHER_MODELS)
def test_each_further_client_that_never_reads_costs_little(options: dict[str, Any], most: int) -> None:
    """After some that were stuck for a while: what those have left behind is there to be used again."""
    count = 8
    with Server("echo", **options) as server:
        for is_first in (True, False):
            before = resident_bytes(server.pid)
            with ExitStack() as stack:
                streams = [stack.enter_context(streaming(server.port)) for _ in range(count)]
                for stream in streams:
                    stream.send_until_stuck(100 * MIB)
                assert is_first or resident_bytes(server.pid) - before < count * most
                for stream in streams:
                    assert 0 < stream.sent < 100 * MIB
                    stream.finish(stream.sent)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_without_a_write_timeout_a_client_may_be_stuck_for_long() -> None:
    with Server("echo", write_timeout=None) as server:
        check_stuck_client(server, stuck_seconds=40, total=400 * MIB)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_with_the_defaults_a_client_is_cut_after_thirty_seconds() -> None:
    with Server("echo") as server, streaming(server.port) as stream:
        stream.send_until_stuck(400 * MIB)
        assert stream.is_stuck_for(28)
        wait_until(lambda: server.stats()["closed"].get("write_timeout"), "the cut", seconds=20)


@pytest.mark.parametrize("pushed", [False, True])
def test_a_stuck_client_is_cut_after_the_write_timeout(pushed: bool, engine_with: MakeEngine) -> None:
    """Whether the output answers its input, or is pushed in one write."""
    handler = Echo()
    with engine_with(handler, write_timeout=1) as engine, dial(engine) as peer:
        (conn,) = handler.wait_opened()
        if pushed:
            conn.write(bytes(16 * MIB))
        else:
            peer.settimeout(0.5)
            with pytest.raises(TimeoutError):
                peer.sendall(bytes(400 * MIB))
        (error,) = handler.wait_closed()
        assert isinstance(error, floodway.WriteTimeout)
        assert engine.stats().total.closed["write_timeout"] == 1


def test_a_closing_connection_is_cut_after_the_write_timeout_too(engine_with: MakeEngine) -> None:
    handler = Echo()
    with engine_with(handler, write_timeout=1) as engine, dial(engine):
        (conn,) = handler.wait_opened()
        conn.write(bytes(16 * MIB))
        conn.close()
        assert isinstance(handler.wait_closed()[0], floodway.WriteTimeout)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_reader_that_is_slow_from_the_start_is_never_cut() -> None:
    """20 KB a second, longer than the write timeout; the kernel of the peer tells of room only now and then."""
    with Server("echo") as server, streaming(server.port) as stream:
        end = time.monotonic() + 42
        stop = threading.Event()
        sender = threading.Thread(target=_send_until, args=(stream, stop))
        sender.start()
        try:
            while time.monotonic() < end:
                assert select.select([stream.socket], [], [], 20)[0]
                stream.receive(1_000)
                time.sleep(0.05)  # the reader's speed is what this is about
        finally:
            stop.set()
            sender.join()
        assert server.stats()["closed"] == {}


@pytest.mark.parametrize("framing", ["Raw", "Buffered"])
@pytest.mark.parametrize("driver", ["epoll", "portable"])
def test_a_proxy_goes_at_the_pace_of_its_sink_with_bounded_memory(framing: str, driver: str) -> None:
    """The source sends for all it is worth; whatever it is ahead of the sink has to lie in a buffer of known size."""
    total, kernel = 64 * MIB, 256 * KIB
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, kernel)
        port = listener.getsockname()[1]
        options = {"receive_buffer": kernel, "send_buffer": kernel, "driver": driver}
        with Proxy(port, framing, **options) as proxy, streaming(proxy.port) as source:
            sink, _ = listener.accept()
            with sink:
                stop = threading.Event()
                sender = threading.Thread(target=_send_until, args=(source, stop))
                sender.start()
                try:
                    received = _receive(sink, 0, 8 * MIB)
                    before = resident_bytes(proxy.pid)
                    while received < total:
                        received = _receive(sink, received, received + MIB)
                        assert source.sent - received < 16 * MIB
                        assert resident_bytes(proxy.pid) - before < 2 * MIB
                    wait_until(lambda: source.sent > total)
                finally:
                    stop.set()
                    sender.join()


def _receive(sink: socket.socket, received: int, until: int) -> int:
    """Read and check the pattern up to this position."""
    while received < until:
        data = sink.recv(min(256 * KIB, until - received))
        start = received % len(PATTERN)
        assert data == BLOCK[start : start + len(data)]
        received += len(data)
    return received


def _send_until(stream: Stream, stop: threading.Event) -> None:
    while not stop.is_set():
        if select.select([], [stream.socket], [], 0.1)[1]:
            stream.send(256 * KIB)
