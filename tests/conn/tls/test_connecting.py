"""Outgoing connections with TLS: whom they believe, and what their handler is told."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import floodway
from tests.helpers.certificates import Authority
from tests.helpers.journal import Echo, Journal
from tests.helpers.peers import port_of
from tests.helpers.waiting import wait_until

pytestmark = pytest.mark.usefixtures("no_descriptor_left")


class Collector(Journal):
    """Keeps what arrives."""

    def __init__(self) -> None:
        super().__init__()
        self.received = b""

    def on_data(self, conn: floodway.Connection, data: bytes) -> None:
        self.received += data


@contextmanager
def server(authority: Authority) -> Iterator[int]:
    """An echo with TLS; gives its port."""
    with floodway.Engine(Echo(), "tls://127.0.0.1:0", tls=authority.config) as engine:
        yield port_of(engine)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_server_is_believed_whose_certificate_is_for_the_host(authority: Authority, driver: Any, host: str) -> None:
    client = Collector()
    with server(authority) as port, floodway.Engine(driver=driver) as engine:
        trust = floodway.ClientTLS(ca=authority.root)
        conn = engine.connect(f"tls://{host}:{port}", client, tls=trust)
        conn.write(b"written before the handshake")
        wait_until(lambda: client.received == b"written before the handshake")
        assert conn.tls is not None
        assert conn.tls.version == "TLSv1.3"
        assert len(conn.tls.peer_certificates) == 1
        conn.close()
        assert client.wait_closed() == [None]


def test_a_server_for_another_name_or_of_another_root_is_refused(authority: Authority) -> None:
    trust = floodway.ClientTLS(ca=authority.root)
    with server(authority) as port, floodway.Engine() as engine:
        cases: list[tuple[bool | floodway.ClientTLS, str]] = [
            (floodway.ClientTLS(ca=authority.root, server_name="other.test"), "(?i)not valid for name"),
            (True, "(?i)UnknownIssuer"),
        ]
        for tls, reason in cases:
            client = Collector()
            engine.connect(f"tcp://127.0.0.1:{port}", client, tls=tls)
            (error,) = client.wait_closed()
            assert isinstance(error, floodway.TLSError)
            assert client.opened == []
            with pytest.raises(floodway.TLSError, match=reason):
                raise error
        client = Collector()
        engine.connect(
            f"tcp://127.0.0.1:{port}", client, tls=floodway.ClientTLS(verify=False, server_name="other.test")
        )
        client.wait_opened()
        other = Collector()
        engine.connect(f"tcp://localhost:{port}", other, tls=trust).write(b"x")
        wait_until(lambda: other.received == b"x")


def test_a_close_during_the_handshake_ends_it_at_once(authority: Authority) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, floodway.Engine() as engine:
        client = Collector()
        conn = engine.connect(
            f"tls://127.0.0.1:{silent.getsockname()[1]}", client, tls=floodway.ClientTLS(ca=authority.root)
        )
        peer, _ = silent.accept()
        with peer:
            assert peer.recv(1) == b"\x16"  # its greeting
            conn.write(b"never sent")
            assert conn.state == "opening"
            conn.close()
            assert client.wait_closed() == [None]
            assert client.opened == []


def test_a_client_shows_its_certificate_to_a_server_that_asks(authority: Authority) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.root)
    context.load_cert_chain(*authority.server)
    context.verify_mode = ssl.CERT_REQUIRED
    shown: list[object] = []

    def accept() -> None:
        plain, _ = listener.accept()
        with context.wrap_socket(plain, server_side=True) as peer:
            shown.append(peer.getpeercert())
            peer.sendall(b"welcome")
            peer.unwrap()

    with socket.create_server(("127.0.0.1", 0)) as listener, floodway.Engine() as engine:
        thread = threading.Thread(target=accept)
        thread.start()
        client = Collector()
        files = authority.issue("client")
        tls = floodway.ClientTLS(ca=authority.root, certificate=floodway.Certificate(*files))
        engine.connect(f"tls://127.0.0.1:{listener.getsockname()[1]}", client, tls=tls)
        assert client.wait_closed() == [None]
        thread.join()
    assert client.received == b"welcome"
    assert shown[0]


def test_a_server_without_tls_ends_the_connection_with_an_error(authority: Authority) -> None:
    with floodway.Engine(Echo(), "tcp://127.0.0.1:0") as engine:
        client = Collector()
        engine.connect(f"tls://127.0.0.1:{port_of(engine)}", client, tls=floodway.ClientTLS(ca=authority.root))
        (error,) = client.wait_closed()
        assert isinstance(error, floodway.TLSError)


def test_a_unix_address_needs_the_servers_name(authority: Authority) -> None:
    with floodway.Engine() as engine, pytest.raises(ValueError, match="server_name"):
        engine.connect("unix:///tmp/nobody", Collector(), tls=True)
