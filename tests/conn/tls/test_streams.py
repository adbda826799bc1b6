"""What a plain connection does, an encrypted one does too: whole, in order, both ways, and slowed by its peer."""

import contextlib
import random
import socket
import ssl
import threading
from typing import Any

import pytest

import floodway
from tests.helpers.certificates import Authority, exchange
from tests.helpers.journal import Echo, Journal
from tests.helpers.models import MODELS
from tests.helpers.peers import dial, read_exactly, read_to_end
from tests.helpers.waiting import wait_until

MIB = 1 << 20

pytestmark = pytest.mark.usefixtures("no_descriptor_left")


def engine_of(authority: Authority, handler: floodway.Handler[Any], **options: Any) -> floodway.Engine:
    return floodway.Engine(handler, "tls://127.0.0.1:0", tls=authority.config, **options)


def encrypted(engine: floodway.Engine, authority: Authority, version: str | None = None) -> ssl.SSLSocket:
    return authority.context(version=version).wrap_socket(dial(engine), server_hostname="localhost")


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("model", MODELS)
def test_echoes_with_every_model_and_version(authority: Authority, driver: str, model: str, version: str) -> None:
    handler = Echo()
    with (
        engine_of(authority, handler, driver=driver, **MODELS[model]) as engine,
        encrypted(engine, authority, version) as peer,
    ):
        assert str(engine.addresses[0]).startswith("tls://127.0.0.1:")
        assert peer.version() == f"TLSv{version}"
        for size in (1, 100, 16_384, 16_385, 300_000):
            payload = random.Random(size).randbytes(size)
            assert exchange(peer, payload, size) == payload
        peer.unwrap()
        assert handler.wait_closed() == [None]


@pytest.mark.timeout(120)
def test_64_mib_pass_both_ways_at_once(authority: Authority, driver: str) -> None:
    payload = random.Random(3).randbytes(64 * MIB)
    with engine_of(authority, Echo(), driver=driver) as engine, encrypted(engine, authority) as peer:
        assert exchange(peer, payload, len(payload), seconds=100) == payload
        (conn,) = engine.connections()
        assert (conn.bytes_in, conn.bytes_out) == (len(payload), len(payload))


def test_a_peer_that_does_not_read_stops_the_server_from_reading(authority: Authority) -> None:
    handler = Echo()
    with (
        engine_of(authority, handler, high_water=65_536, low_water=1_024) as engine,
        encrypted(engine, authority) as peer,
    ):
        peer.setblocking(False)
        sent = 0
        with contextlib.suppress(ssl.SSLWantWriteError, ssl.SSLWantReadError):
            while sent < 64 * MIB:
                sent += peer.send(b"x" * 65_536)
        assert sent < 64 * MIB
        (conn,) = handler.wait_opened()
        assert conn.pending_output < 2 * MIB
        peer.settimeout(20)
        assert len(read_exactly(peer, sent)) == sent


def test_a_peer_that_never_reads_is_closed_by_the_output_limit(authority: Authority) -> None:
    class Flood(Journal):
        def on_open(self, conn: floodway.Connection) -> None:
            super().on_open(conn)
            conn.write(b"x" * 8 * MIB)
            conn.write(b"x" * 8 * MIB)
            conn.write(b"x")

    handler = Flood()
    with engine_of(authority, handler, max_output=4 * MIB) as engine, encrypted(engine, authority):
        assert isinstance(handler.wait_closed()[0], floodway.SlowConsumer)


def test_input_after_our_end_is_read_and_output_after_the_peers_end_is_sent(authority: Authority) -> None:
    class Late(Journal):
        def on_open(self, conn: floodway.Connection) -> None:
            super().on_open(conn)
            conn.write(b"first")
            conn.write_eof()

        def on_data(self, conn: floodway.Connection, data: bytes) -> None:
            received.append(data)

    received: list[bytes] = []
    handler = Late()
    with engine_of(authority, handler) as engine, encrypted(engine, authority) as peer:
        assert read_to_end(peer) == b"first"  # close_notify came: a bare FIN would raise
        peer.sendall(b"after your end")
        wait_until(lambda: received == [b"after your end"])
        peer.unwrap()
        assert handler.wait_closed() == [None]


def test_frames_are_cut_out_of_records(authority: Authority) -> None:
    class Lines(Journal):
        framing = floodway.Lines()

        def on_data(self, conn: floodway.Connection, data: bytes) -> None:
            conn.write_frame(data.upper())

    with engine_of(authority, Lines()) as engine, encrypted(engine, authority) as peer:
        for piece in (b"on", b"e\ntwo\nthr", b"ee\n"):
            peer.sendall(piece)
        assert read_exactly(peer, 14) == b"ONE\nTWO\nTHREE\n"


def test_a_buffered_handler_consumes_what_was_decrypted(authority: Authority, driver: str) -> None:
    class Eights(Journal):
        framing = floodway.Buffered()

        def on_data(self, conn: floodway.Connection, data: floodway.LinkBuffer) -> None:
            while len(data) >= 8:
                conn.write(data.read(8))

    payload = random.Random(4).randbytes(1 * MIB)
    with engine_of(authority, Eights(), driver=driver) as engine, encrypted(engine, authority) as peer:
        assert exchange(peer, payload + b"1234", len(payload)) == payload


def test_other_threads_write_and_ask_what_was_agreed_on(authority: Authority) -> None:
    handler = Echo()
    with engine_of(authority, handler) as engine, encrypted(engine, authority, "1.3") as peer:
        (conn,) = handler.wait_opened()
        threads = [threading.Thread(target=conn.write, args=(bytes([number]) * 1_000,)) for number in range(8)]
        for thread in threads:
            thread.start()
        received = read_exactly(peer, 8_000)
        for thread in threads:
            thread.join()
        assert sorted(received[start : start + 1_000] for start in range(0, 8_000, 1_000)) == [
            bytes([number]) * 1_000 for number in range(8)
        ]
        assert conn.tls is not None
        assert (conn.tls.version, conn.tls.server_name, conn.tls.alpn) == ("TLSv1.3", "localhost", None)
        assert conn.tls.cipher == peer.cipher()[0]  # type: ignore[index]
        peer.unwrap()
        handler.wait_closed()
        assert conn.tls is None


def test_the_socket_of_a_tls_connection_cannot_be_taken(authority: Authority) -> None:
    class Taker(Journal):
        def on_data(self, conn: floodway.Connection, data: bytes) -> None:
            with pytest.raises(RuntimeError, match="TLS"):
                conn.take_socket()
            conn.write(b"refused")

    with engine_of(authority, Taker()) as engine, encrypted(engine, authority) as peer:
        peer.sendall(b"x")
        assert read_exactly(peer, 7) == b"refused"


def test_an_engine_that_stops_says_goodbye_to_idle_connections(authority: Authority) -> None:
    handler = Echo()
    with engine_of(authority, handler) as engine, encrypted(engine, authority) as peer:
        peer.sendall(b"x")
        read_exactly(peer, 1)
        engine.stop()
        assert read_to_end(peer) == b""
        peer.close()
        assert [type(error) for error in handler.wait_closed()] == [floodway.ServerStopping]


def test_a_unix_socket_is_encrypted_where_listen_says_so(authority: Authority, tmp_path: Any) -> None:
    engine = floodway.Engine()
    engine.listen(f"unix://{tmp_path}/s", handler=Echo(), tls=authority.config)
    with engine, socket.socket(socket.AF_UNIX) as plain:
        plain.connect(f"{tmp_path}/s")
        with authority.context().wrap_socket(plain, server_hostname="localhost") as peer:
            peer.sendall(b"hello")
            assert read_exactly(peer, 5) == b"hello"
