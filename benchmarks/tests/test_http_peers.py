"""Every HTTP server that can be built here answers on connections that are kept, and is measured where it serves."""

import dataclasses
import http.client
import socket
import time
from collections.abc import Iterator

import pytest
from harness import generator
from harness.encryption import unverified_context
from harness.generator import Order
from harness.holder import Holder, HolderError
from harness.process import PROC, cpu_seconds, process_tree
from harness.scenario import Load
from harness.servers import Server, ServerError, prepare, read_peers, running
from started import ALL_CORES, started

PEERS = read_peers()
# Those with work are tested in test_work_peers.py.
HTTP = [name for name, peer in PEERS.items() if peer.protocol in ("http", "https") and not peer.does]
HTTPS = [name for name, peer in PEERS.items() if peer.protocol == "https"]
BODIES = (b"Hello, world!", b'{"message":"Hello, world!"}')


@pytest.fixture(params=HTTP)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with started(PEERS[request.param]) as server:
        yield server


@pytest.fixture
def c_server() -> Iterator[Server]:
    prepare(PEERS["c_http"])
    with running(PEERS["c_http"], ALL_CORES) as server:
        yield server


def client_for(server: Server) -> http.client.HTTPConnection:
    if server.peer.protocol == "https":
        context = unverified_context()
        return http.client.HTTPSConnection(server.host, server.port, timeout=20, context=context)
    return http.client.HTTPConnection(server.host, server.port, timeout=20)


def test_answers_on_a_connection_that_is_kept_and_is_measured_where_it_serves(server: Server) -> None:
    client = client_for(server)
    client.connect()
    kept = client.sock
    before = cpu_seconds(server.pid)
    for _ in range(300):
        client.request("GET", "/")
        response = client.getresponse()
        assert (response.status, response.read() in BODIES) == (200, True)
        assert client.sock is kept
    # No server answers within a microsecond: the process that does is in the tree that is measured.
    assert cpu_seconds(server.pid) - before > 300e-6
    client.close()


def test_many_connections_are_answered_once_and_kept(server: Server) -> None:
    with Holder(server) as holder:
        holder.grow_to(200, exchange=0, path="/")
        holder.grow_to(300, exchange=0, path="/")
        assert holder.settled_rss() > 0


def test_the_generator_asks_it(server: Server) -> None:
    load = Load(connections=20, path="/", seconds=0.3)
    (report,), _ = generator.run(server, [Order(load, "echo")], ALL_CORES)
    assert report.raw["messages"] > 0
    assert [problem for problem in report.problems if not problem.startswith("unfair")] == []
    assert (report.number("cpu_per_message") or 0) > 1e-6


@pytest.mark.parametrize("server", HTTPS, indirect=True)
def test_handshakes_are_repeated_and_ended_by_the_server(server: Server) -> None:
    load = Load(connections=10, path="/", seconds=0.5)
    (report,), _ = generator.run(server, [Order(load, "handshake")], ALL_CORES)
    assert report.raw["messages"] > 10
    assert (report.problems, report.raw["unanswered"]) == ([], 0)
    assert (report.number("cpu_per_message") or 0) > 10e-6


def test_the_holder_takes_nothing_but_an_answer() -> None:
    echo = PEERS["c"]
    prepare(echo)
    with (
        running(echo, ALL_CORES) as wrong,
        Holder(wrong) as holder,
        pytest.raises(HolderError, match="began with b'GET"),
    ):
        holder.grow_to(1, exchange=0, path="/")


def test_requests_may_come_in_any_pieces_and_together(c_server: Server) -> None:
    request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.create_connection((c_server.host, c_server.port), timeout=20) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.sendall(request)
        answer = client.recv(4096)
        for cut in range(1, len(request)):
            client.sendall(request[:cut])
            time.sleep(0.001)  # so that the pieces arrive apart
            client.sendall(request[cut:])
            assert client.recv(4096) == answer
        client.sendall(request * 3)
        client.shutdown(socket.SHUT_WR)
        received = bytearray()
        while data := client.recv(4096):
            received += data
        assert bytes(received) == answer * 3


def test_answers_in_full_to_a_client_that_reads_late(c_server: Server) -> None:
    count = 100_000
    with socket.create_connection((c_server.host, c_server.port), timeout=20) as client:
        unsent = memoryview(b"GET /\r\n\r\n" * count)
        received, length = 0, 0
        while unsent:
            client.settimeout(0)
            try:
                unsent = unsent[client.send(unsent) :]
            except BlockingIOError:
                client.settimeout(20)
                data = client.recv(50_000)
                length = length or data.index(b"Hello, world!") + 13
                received += len(data)
        client.settimeout(20)
        while received < count * length:
            received += len(client.recv(50_000))
        assert received == count * length


def test_workers_end_with_their_server() -> None:
    """Also those of one that has to be killed; else they would use the processor beside the next repetition."""
    program = """
import http.server, os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
server = http.server.HTTPServer(("127.0.0.1", $port), http.server.SimpleHTTPRequestHandler)
os.fork()
server.serve_forever()"""
    peer = dataclasses.replace(PEERS["uvicorn"], command=("$python", "-c", program))
    with running(peer, ALL_CORES) as server:
        tree = process_tree(server.pid)
        assert len(tree) == 2
    # The worker is reaped by another process, so it may be a zombie for a moment.
    assert [pid for pid in tree if (PROC / str(pid) / "fd").exists() and any((PROC / str(pid) / "fd").iterdir())] == []


def test_one_that_does_not_answer_with_200_is_no_peer() -> None:
    command = ("$python", "-m", "http.server", "--bind", "127.0.0.1", "--directory", "/nonexistent", "$port")
    peer = dataclasses.replace(PEERS["uvicorn"], command=command)
    with pytest.raises(ServerError), running(peer, ALL_CORES):
        pass
