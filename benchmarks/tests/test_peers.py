"""Every echo server that can be built here echoes every byte: an incorrect one is no yardstick."""

import socket
import struct
from collections.abc import Iterator

import pytest
from harness.holder import Holder
from harness.process import cpu_seconds, open_descriptors, resident_bytes
from harness.servers import Server, ServerError, prepare, read_peers, running
from started import ALL_CORES, started

pytestmark = pytest.mark.timeout(300)  # the first test of a Go server compiles it, with what it imports

PEERS = read_peers()
# Echo servers proper; the others are the same code with work to do, and need a free-threaded interpreter.
ECHO = [name for name, peer in PEERS.items() if peer.protocol == "echo" and not peer.computes]
PAYLOAD = bytes(range(251)) * 40_000  # 10 MB
# More than the kernel holds for a connection: tcp_rmem and tcp_wmem allow some 37 MiB on common settings.
TOO_MUCH_BYTES = 96 << 20


@pytest.fixture(params=ECHO)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with started(PEERS[request.param]) as server:
        yield server


@pytest.fixture
def c_server() -> Iterator[Server]:
    prepare(PEERS["c"])
    with running(PEERS["c"], ALL_CORES) as server:
        yield server


def connect(server: Server, *, receive_buffer: int | None = None) -> socket.socket:
    client = socket.socket()
    if receive_buffer is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.settimeout(20)
    client.connect((server.host, server.port))
    return client


def exchange(client: socket.socket, payload: bytes) -> bytes:
    client.sendall(payload)
    received = bytearray()
    while len(received) < len(payload):
        data = client.recv(65536)
        assert data, f"closed after {len(received)} of {len(payload)} bytes"
        received += data
    return bytes(received)


def test_echoes_what_it_was_sent(server: Server) -> None:
    with connect(server) as client:
        for size in (1, 1024, 65536):
            assert exchange(client, PAYLOAD[:size]) == PAYLOAD[:size]


def test_answers_many_connections_at_once(server: Server) -> None:
    with Holder(server) as holder:
        holder.grow_to(200, exchange=65536)
        holder.grow_to(300, exchange=0)


def test_echoes_every_byte_to_a_client_that_reads_only_when_it_can_no_longer_send(c_server: Server) -> None:
    """Output piles up at the server, is written in parts, and reading stops meanwhile."""
    unsent, received, stalls = memoryview(PAYLOAD), bytearray(), 0
    with connect(c_server, receive_buffer=16384) as client:
        while len(received) < len(PAYLOAD):
            client.settimeout(0)
            try:
                while unsent:
                    unsent = unsent[client.send(unsent) :]
            except BlockingIOError:
                stalls += 1
            client.settimeout(20)
            received += client.recv(50_000)
    assert bytes(received) == PAYLOAD
    assert stalls


def test_a_client_that_never_reads_costs_no_more_than_one_read(c_server: Server) -> None:
    before = resident_bytes(c_server.pid)
    with connect(c_server, receive_buffer=4096) as client:
        fill(client)
        assert resident_bytes(c_server.pid) - before < 256 * 1024
        with connect(c_server) as other:
            assert exchange(other, b"still there") == b"still there"


def test_answers_in_full_after_a_half_close_with_output_pending(c_server: Server) -> None:
    with connect(c_server, receive_buffer=4096) as client:
        sent = fill(client)
        client.settimeout(20)
        client.shutdown(socket.SHUT_WR)
        received = bytearray()
        while data := client.recv(65536):
            received += data
        assert bytes(received) == PAYLOAD[:sent]


def test_an_immediate_half_close_is_answered_and_ended(c_server: Server) -> None:
    with connect(c_server) as client:
        client.sendall(b"hello")
        client.shutdown(socket.SHUT_WR)
        received = bytearray()
        while data := client.recv(100):
            received += data
        assert received == b"hello"


def test_a_reset_with_output_pending_frees_the_connection(c_server: Server) -> None:
    before = open_descriptors(c_server.pid)
    for _ in range(5):
        client = connect(c_server, receive_buffer=4096)
        fill(client)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
    with connect(c_server) as client:  # served after all the resets, which came first
        assert exchange(client, b"x") == b"x"
        assert open_descriptors(c_server.pid) == before + 1


def test_cpu_time_grows_with_work(c_server: Server) -> None:
    before = cpu_seconds(c_server.pid)
    with connect(c_server) as client:
        exchange(client, PAYLOAD[:65536])
    assert cpu_seconds(c_server.pid) > before


def test_a_server_that_dies_is_noticed() -> None:
    prepare(PEERS["c"])
    with running(PEERS["c"], ALL_CORES) as server:
        server.process.kill()
        server.process.wait()
        with pytest.raises(ServerError, match="ended with -9: it said nothing"):
            server.check_alive()


def fill(client: socket.socket) -> int:
    """Send until nothing more fits anywhere between client and server. Returns how much that was."""
    client.settimeout(0.3)
    sent = 0
    try:
        while sent < TOO_MUCH_BYTES:
            start = sent % len(PAYLOAD)
            sent += client.send(PAYLOAD[start : start + 65536])
    except TimeoutError:
        pass
    assert sent < TOO_MUCH_BYTES, "the server read on although its output was stuck"
    return sent
