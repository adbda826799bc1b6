"""How an encrypted connection ends, and what is said about ends that are not orderly."""

import socket
import ssl
from typing import Any

import pytest

import floodway
from tests.helpers.certificates import Authority
from tests.helpers.journal import Echo
from tests.helpers.peers import dial, read_exactly, read_to_end
from tests.helpers.waiting import wait_until

pytestmark = pytest.mark.usefixtures("no_descriptor_left")


def engine_of(authority: Authority, handler: floodway.Handler[Any], **options: Any) -> floodway.Engine:
    return floodway.Engine(handler, "tls://127.0.0.1:0", tls=authority.config, **options)


def encrypted(engine: floodway.Engine, authority: Authority, version: str | None = None) -> ssl.SSLSocket:
    context = authority.context(version=version)
    return context.wrap_socket(dial(engine), server_hostname="localhost", suppress_ragged_eofs=False)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_client_that_says_goodbye_is_answered_so(authority: Authority, version: str) -> None:
    handler = Echo()
    with engine_of(authority, handler) as engine, encrypted(engine, authority, version) as peer:
        peer.sendall(b"x")
        read_exactly(peer, 1)
        peer.unwrap().close()  # raises unless close_notify comes back
        assert handler.wait_closed() == [None]


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_close_says_goodbye_after_everything_that_was_written(authority: Authority, version: str) -> None:
    class Bye(Echo):
        def on_data(self, conn: floodway.Connection, data: bytes) -> None:
            conn.write(b"x" * 1_000_000)
            conn.close()

    handler = Bye()
    with engine_of(authority, handler) as engine, encrypted(engine, authority, version) as peer:
        peer.sendall(b"x")
        assert len(read_to_end(peer)) == 1_000_000  # a FIN without close_notify would raise
        peer.close()
        assert handler.wait_closed() == [None]


def test_an_end_without_goodbye_is_an_error_that_says_so(authority: Authority) -> None:
    handler = Echo()
    with engine_of(authority, handler) as engine, encrypted(engine, authority) as peer:
        peer.sendall(b"x")
        read_exactly(peer, 1)
        socket.socket.shutdown(peer, socket.SHUT_WR)
        (error,) = handler.wait_closed()
        assert isinstance(error, floodway.TLSError)
        assert "close_notify" in str(error)
        assert error.reason == "session"


def test_a_record_that_was_tampered_with_ends_the_connection_with_an_alert(authority: Authority) -> None:
    handler = Echo()
    with engine_of(authority, handler) as engine, encrypted(engine, authority) as peer:
        peer.sendall(b"x")
        read_exactly(peer, 1)
        socket.socket.sendall(peer, b"\x17\x03\x03\x00\x20" + bytes(32))
        with pytest.raises(ssl.SSLError, match=r"(?i)bad.record.mac"):
            read_to_end(peer)
        (error,) = handler.wait_closed()
        assert isinstance(error, floodway.TLSError)


def test_garbage_in_place_of_a_greeting_is_answered_with_an_alert(authority: Authority) -> None:
    handler = Echo()
    with engine_of(authority, handler) as engine, dial(engine) as peer:
        peer.sendall(b"SSH-2.0-OpenSSH_9.9\r\n")
        assert read_to_end(peer)[:1] == b"\x15"  # an alert
        peer.close()
        wait_until(lambda: engine.stats().total.closed.get("session") == 1)
        assert (handler.opened, handler.closed) == ([], [])


def test_plain_http_sent_to_a_handler_of_bytes_ends_without_a_word(authority: Authority) -> None:
    with engine_of(authority, Echo()) as engine, dial(engine) as peer:
        peer.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert read_to_end(peer) == b""


def test_a_version_or_a_protocol_that_is_not_spoken_is_refused(authority: Authority) -> None:
    config = floodway.TLSConfig.from_files(*authority.server, min_version="1.3", alpn=["ours"])
    with floodway.Engine(Echo(), "tls://127.0.0.1:0", tls=config) as engine:
        with dial(engine) as plain, pytest.raises(ssl.SSLError, match=r"(?i)protocol.version"):
            authority.context(version="1.2").wrap_socket(plain, server_hostname="localhost")
        context = authority.context()
        context.set_alpn_protocols(["theirs"])
        with dial(engine) as plain, pytest.raises(ssl.SSLError, match=r"(?i)no.application.protocol"):
            context.wrap_socket(plain, server_hostname="localhost")
        context.set_alpn_protocols(["theirs", "ours"])
        with context.wrap_socket(dial(engine), server_hostname="localhost") as peer:
            assert peer.selected_alpn_protocol() == "ours"
