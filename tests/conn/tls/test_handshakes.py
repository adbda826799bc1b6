"""Handshakes: in whatever pieces, however slow, however many, they complete, and delay nobody."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

import floodway
from tests.helpers.certificates import Authority
from tests.helpers.journal import Echo
from tests.helpers.peers import dial, dial_many, read_exactly, read_to_end
from tests.helpers.waiting import wait_until

pytestmark = pytest.mark.usefixtures("no_descriptor_left")

PAUSE_SECONDS = 2.0
STORM = 200


class Client:
    """A client whose every byte the test sends itself."""

    def __init__(self, authority: Authority, engine: floodway.Engine, version: str) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = authority.context(version=version)
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")
        self.socket = dial(engine)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def steps(self) -> Iterator[bytes]:
        """What has to be sent for the handshake, one flight after the other; whoever takes one sends it."""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                if flight := self._outgoing.read():
                    yield flight
                received = self.socket.recv(65_536)
                assert received, "the server has ended the handshake"
                self._incoming.write(received)
            else:
                if flight := self._outgoing.read():
                    yield flight
                return

    def echo(self, payload: bytes) -> bytes:
        """What comes back."""
        self._tls.write(payload)
        self.socket.sendall(self._outgoing.read())
        answer = b""
        while len(answer) < len(payload):
            try:
                answer += self._tls.read(65_536)
            except ssl.SSLWantReadError:
                self._incoming.write(self.socket.recv(65_536))
        return answer


def engine_of(authority: Authority, handler: floodway.Handler[Any], **options: Any) -> floodway.Engine:
    return floodway.Engine(handler, "tls://127.0.0.1:0", tls=authority.config, **options)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_handshake_cut_at_every_byte_completes(authority: Authority, version: str) -> None:
    """Every flight is cut in two, the first at each of its bytes, the others at as many places as they have."""
    with engine_of(authority, Echo()) as engine:
        lengths: list[int] = []
        for cut in range(1, 1_000):
            client = Client(authority, engine, version)
            with client.socket as plain:
                lengths = []
                for flight in client.steps():
                    lengths.append(len(flight))
                    at = min(cut, len(flight))
                    plain.sendall(flight[:at])
                    if at < len(flight):
                        time.sleep(0.0005)  # so that it arrives in two parts
                        plain.sendall(flight[at:])
                assert client.echo(b"done") == b"done"
            if cut > max(lengths):
                break
        assert lengths


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_client_that_pauses_before_its_last_flight_delays_nobody(authority: Authority, version: str) -> None:
    with engine_of(authority, Echo()) as engine:
        client = Client(authority, engine, version)
        with client.socket as plain:
            flights = client.steps()
            plain.sendall(next(flights))
            last = next(flights)
            resumed_at = time.monotonic() + PAUSE_SECONDS
            slowest = 0.0
            with authority.context().wrap_socket(dial(engine), server_hostname="localhost") as other:
                while time.monotonic() < resumed_at:
                    before = time.monotonic()
                    other.sendall(b"x")
                    read_exactly(other, 1)
                    slowest = max(slowest, time.monotonic() - before)
                    time.sleep(0.01)
            assert slowest < 0.5
            plain.sendall(last)
            for flight in flights:
                plain.sendall(flight)
            assert client.echo(b"still here") == b"still here"


def test_a_handshake_that_takes_too_long_is_ended_and_nobody_hears_of_it(authority: Authority, driver: str) -> None:
    handler = Echo()
    with engine_of(authority, handler, driver=driver, handshake_timeout=0.2) as engine, dial(engine) as silent:
        assert read_to_end(silent) == b""
        wait_until(lambda: engine.stats().total.closed.get("handshake_timeout") == 1)
        assert (handler.opened, handler.closed) == ([], [])


def test_a_storm_of_handshakes_does_not_starve_a_live_connection(authority: Authority, driver: str) -> None:
    handler = Echo()
    with (
        engine_of(authority, handler, driver=driver) as engine,
        authority.context().wrap_socket(dial(engine), server_hostname="localhost") as live,
        dial_many(engine, STORM) as plain,
    ):
        clients = [Client(authority, engine, "1.3") for _ in range(STORM)]
        flights = [next(client.steps()) for client in clients]
        for client, flight in zip(clients, flights, strict=True):
            client.socket.sendall(flight)
        times: list[float] = []
        until = time.monotonic() + 1.0
        while time.monotonic() < until:
            before = time.monotonic()
            live.sendall(b"ping")
            read_exactly(live, 4)
            times.append(time.monotonic() - before)
        assert max(times) < 0.5, f"the slowest of {len(times)} pings took {max(times):.3f} s"
        for client in clients:
            assert client.socket.recv(1), "every handshake has gone on"
            client.socket.close()
        assert len(plain) == STORM


def test_an_accepted_connection_is_nobodys_business_before_it_is_open(authority: Authority) -> None:
    handler = Echo()
    with engine_of(authority, handler) as engine, dial(engine) as silent:
        wait_until(lambda: engine.stats().total.connections == 1)
        assert engine.connections() == []
        silent.close()
        wait_until(lambda: engine.stats().total.connections == 0)
        assert (handler.opened, handler.closed) == ([], [])


def test_a_client_may_ask_and_leave_in_one_go(authority: Authority) -> None:
    """Its last flight, its request, its close_notify and its FIN arrive together."""
    with engine_of(authority, Echo()) as engine:
        for _ in range(20):
            clients = [Client(authority, engine, "1.3") for _ in range(10)]
            for client in clients:
                *_, last = list(_all_but_last_sent(client))
                client._tls.write(b"question")
                with pytest.raises(ssl.SSLWantReadError):
                    client._tls.unwrap()
                client.socket.sendall(last + client._outgoing.read())
                client.socket.shutdown(socket.SHUT_WR)
            for client in clients:
                with client.socket:
                    client._incoming.write(read_to_end(client.socket))
                    assert client._tls.read(100) == b"question"


def _all_but_last_sent(client: Client) -> Iterator[bytes]:
    steps = client.steps()
    first = next(steps)
    client.socket.sendall(first)
    yield first
    yield next(steps)


def test_stopping_waits_for_a_client_in_its_handshake(authority: Authority) -> None:
    handler = Echo()
    with engine_of(authority, handler) as engine:
        client = Client(authority, engine, "1.3")
        with client.socket as plain:
            flights = client.steps()
            plain.sendall(next(flights))
            last = next(flights)
            stopper = threading.Thread(target=engine.stop, args=(10,))
            stopper.start()
            stopper.join()
            plain.sendall(last)
            assert client.echo(b"served") == b"served"
