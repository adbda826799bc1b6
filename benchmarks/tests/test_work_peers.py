"""Every HTTP server with work that can be built here adds rightly, on connections that are kept."""

import contextlib
import re
import socket
import time
from collections.abc import Iterator

import pytest
from harness.servers import Server, prepare, read_peers, running
from started import ALL_CORES, started

pytestmark = pytest.mark.timeout(300)  # the first test of a Go server compiles it, with what it imports

PEERS = read_peers()
WORK = [name for name, peer in PEERS.items() if peer.does == "work"]
ADDITIONS = 5_000
# All values of a byte, half of them negative where they are taken for signed; lengths that divide the additions or not.
BODIES = (bytes(range(256)) * 4, bytes(range(255, -1, -1)) * 4, b"\xff" * 1000, b"\x01", b"")


@pytest.fixture(params=WORK)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with started(PEERS[request.param], additions=ADDITIONS) as server:
        yield server


@pytest.fixture
def c_server() -> Iterator[Server]:
    prepare(PEERS["c_work"])
    with running(PEERS["c_work"], ALL_CORES, additions=ADDITIONS) as server:
        yield server


def test_adds_the_bytes_of_each_body_and_keeps_the_connection(server: Server) -> None:
    with connect(server) as client:
        for body in BODIES * 3:
            client.sendall(post(body))
            assert read_answer(client) == expected(body)


def test_a_body_may_come_in_two_pieces(server: Server) -> None:
    """In the middle, and behind the head. Not within the head: socketify refuses that."""
    request = post(BODIES[0])
    with connect(server) as client:
        for cut in (len(request) - 512, len(request) - 1024):
            client.sendall(request[:cut])
            time.sleep(0.01)  # so that the pieces arrive apart
            client.sendall(request[cut:])
            assert read_answer(client) == expected(BODIES[0])


def test_requests_may_come_in_any_pieces_and_together(c_server: Server) -> None:
    bodies = (b"\xf0\x01\r\n\r\n", b"", b"abc")
    request = b"".join(post(body) for body in bodies)
    with connect(c_server) as client:
        for cut in range(1, len(request)):
            client.sendall(request[:cut])
            time.sleep(0.001)  # so that the pieces arrive apart
            client.sendall(request[cut:])
            assert [read_answer(client) for _ in bodies] == [expected(body) for body in bodies]
        client.sendall(request)
        client.shutdown(socket.SHUT_WR)
        assert [read_answer(client) for _ in bodies] == [expected(body) for body in bodies]
        assert client.recv(1) == b""


def test_answers_in_full_to_a_client_that_reads_late(c_server: Server) -> None:
    """Answers are sent in parts, and what came behind the request of a stuck one waits; reading stops meanwhile."""
    count, body = 40_000, b"\x07\x05"
    unsent, received = memoryview(post(body) * count), bytearray()
    with connect(c_server, buffers=16384) as client:
        client.settimeout(0.3)
        with contextlib.suppress(TimeoutError):
            while unsent:
                unsent = unsent[client.send(unsent) :]
        assert unsent, "the server read on although its answers were stuck"
        while unsent:
            client.settimeout(0)
            with contextlib.suppress(BlockingIOError):
                unsent = unsent[client.send(unsent) :]
            client.settimeout(20)
            received += client.recv(50_000)
        client.shutdown(socket.SHUT_WR)
        while data := client.recv(50_000):
            received += data
    assert received.count(expected(body)) == count
    assert received.endswith(expected(body))


@pytest.mark.parametrize("length", ["x", "-1", "", "1x", "9999999999"])
def test_a_length_that_is_no_number_ends_the_connection(c_server: Server, length: str) -> None:
    with connect(c_server) as client:
        client.sendall(f"POST / HTTP/1.1\r\nContent-Length: {length}\r\n\r\n".encode())
        assert client.recv(100) == b""


def test_a_request_longer_than_a_read_ends_the_connection(c_server: Server) -> None:
    with connect(c_server) as client:
        client.sendall(post(b"x" * 131072)[:131072])
        assert client.recv(100) == b""


def connect(server: Server, *, buffers: int | None = None) -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if buffers is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffers)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffers)
    client.settimeout(20)
    client.connect((server.host, server.port))
    return client


def post(body: bytes) -> bytes:
    return b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def expected(body: bytes) -> bytes:
    """The body of the right answer, counted otherwise than the servers count: by rounds of the body."""
    rounds, rest = divmod(ADDITIONS, len(body) or 1)
    return str(rounds * sum(body) + sum(body[:rest])).encode().ljust(1024)


def read_answer(client: socket.socket) -> bytes:
    """The body of the next answer, after a look at its head."""
    head = bytearray()
    while not head.endswith(b"\r\n\r\n"):
        head += client.recv(1) or pytest.fail(f"closed after {bytes(head)!r}")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert re.search(rb"\r\ncontent-type: text/plain\r\n", head, re.IGNORECASE)
    assert re.search(rb"\r\ncontent-length: 1024\r\n", head, re.IGNORECASE)
    return client.recv(1024, socket.MSG_WAITALL)
