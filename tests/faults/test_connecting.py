"""`Engine.connect`: what fails, what is closed before it opens, what was written before it opens."""

import errno
import hashlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

import floodway
from floodway.base.address import TcpAddress
from tests.helpers.fault_handlers import Ledger
from tests.helpers.peers import port_of, read_to_end
from tests.helpers.waiting import wait_until

MODELS: list[dict[str, Any]] = [{}, {"threads": 2}, {"sub_reactors": 2}]

pytestmark = pytest.mark.usefixtures("no_descriptor_left")


class Client(floodway.Handler):
    """Notes every callback."""

    def __init__(self) -> None:
        self.events: SimpleQueue[tuple[str, Any]] = SimpleQueue()

    def on_open(self, conn: floodway.Connection) -> None:
        self.events.put(("open", conn))

    def on_data(self, conn: floodway.Connection, data: bytes) -> None:
        self.events.put(("data", data))

    def on_writable(self, conn: floodway.Connection) -> None:
        self.events.put(("writable", None))

    def on_close(self, conn: floodway.Connection, error: BaseException | None) -> None:
        self.events.put(("close", error))

    def next(self, name: str) -> Any:
        event = self.events.get(timeout=20)
        assert event[0] == name, event
        return event[1]


@contextmanager
def accepting() -> Iterator[tuple[socket.socket, str]]:
    """A listening socket of the standard library, and its address for Floodway."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        yield listener, f"tcp://127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def silent() -> Iterator[str]:
    """An address that does not answer: its backlog is full, so that the kernel drops every SYN."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        with socket.create_connection(address):
            yield f"tcp://127.0.0.1:{address[1]}"


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.parametrize("options", MODELS)
def test_a_refused_connect_has_the_systems_error(options: dict[str, Any], driver: Any) -> None:
    client = Client()
    with floodway.Engine(driver=driver, **options) as engine:
        conn = engine.connect(f"tcp://127.0.0.1:{unused_port()}", client, user_data="mine")
        error = client.next("close")
        assert isinstance(error, ConnectionRefusedError)
        assert error.errno == errno.ECONNREFUSED
        assert conn.is_closed
        wait_until(lambda: conn.user_data is None, "user data is dropped")
    assert client.events.empty()


@pytest.mark.parametrize("options", MODELS)
def test_a_connect_that_nobody_answers_times_out(options: dict[str, Any], driver: Any) -> None:
    client = Client()
    with silent() as address, floodway.Engine(driver=driver, **options) as engine:
        conn = engine.connect(address, client, timeout=0.1)
        assert conn.state == "opening"
        error = client.next("close")
        assert isinstance(error, floodway.ConnectTimeout)
        assert isinstance(error, TimeoutError)
        assert engine.stats().total.closed["connect_timeout"] == 1
    assert client.events.empty()


def test_a_name_that_nobody_knows_is_reported_as_such(driver: Any) -> None:
    client = Client()
    with floodway.Engine(driver=driver) as engine:
        engine.connect("tcp://name.invalid:1", client)
        assert isinstance(client.next("close"), socket.gaierror)
    assert client.events.empty()


def test_the_timeout_counts_from_the_call_and_a_late_answer_is_ignored(
    driver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answer = threading.Event(), threading.Event()

    def resolve(self: TcpAddress, *, passive: bool = False) -> list[tuple[str, int]]:
        asked.set()
        answer.wait(20)
        return [("127.0.0.1", 1)]

    monkeypatch.setattr(TcpAddress, "resolve", resolve)
    client = Client()
    with floodway.Engine(driver=driver) as engine:
        engine.connect("tcp://slow.invalid:1", client, timeout=0.05)
        assert asked.wait(10)
        assert isinstance(client.next("close"), floodway.ConnectTimeout)
        answer.set()
    assert client.events.empty()


def test_the_next_address_of_a_name_is_tried(driver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with accepting() as (listener, _):
        port = listener.getsockname()[1]
        addresses = [("127.0.0.1", unused_port()), ("127.0.0.1", port)]
        monkeypatch.setattr(TcpAddress, "resolve", lambda self, **_: addresses)
        client = Client()
        with floodway.Engine(driver=driver) as engine:
            conn = engine.connect(f"tcp://two.invalid:{port}", client)
            conn.write(b"hello")
            assert client.next("open") is conn
            assert conn.peer == ("127.0.0.1", port)
            accepted, _ = listener.accept()
            with accepted:
                assert accepted.recv(5) == b"hello"


@pytest.mark.parametrize("end", ["close", "abort"])
@pytest.mark.parametrize("options", MODELS)
def test_closed_while_opening_it_never_opens(end: str, options: dict[str, Any], driver: Any) -> None:
    client = Client()
    with silent() as address, floodway.Engine(driver=driver, **options) as engine:
        conn = engine.connect(address, client, timeout=None)
        assert conn.state == "opening"
        getattr(conn, end)()
        error = client.next("close")
        assert type(error) is (type(None) if end == "close" else ConnectionAbortedError)
        getattr(conn, end)()
        with pytest.raises(floodway.ConnectionClosed):
            conn.write(b"x")
    assert client.events.empty()


def test_closed_while_its_name_is_resolved_it_never_opens(driver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = threading.Event()

    def resolve(self: TcpAddress, *, passive: bool = False) -> list[tuple[str, int]]:
        answer.wait(20)
        return [("127.0.0.1", port)]

    monkeypatch.setattr(TcpAddress, "resolve", resolve)
    client = Client()
    with accepting() as (listener, _), floodway.Engine(driver=driver) as engine:
        port = listener.getsockname()[1]
        conn = engine.connect(f"tcp://slow.invalid:{port}", client)
        conn.close()
        assert client.next("close") is None
        answer.set()
    assert client.events.empty()


@pytest.mark.parametrize("options", MODELS)
def test_an_engine_stops_although_a_connection_is_opening(options: dict[str, Any], driver: Any) -> None:
    client = Client()
    with silent() as address:
        with floodway.Engine(driver=driver, **options) as engine:
            engine.connect(address, client, timeout=None)
            engine.stop(grace=600)  # it does not wait for what has not begun
            engine.join(10)
        assert isinstance(client.next("close"), floodway.ServerStopping)
    assert client.events.empty()


def test_an_engine_stops_although_a_name_is_being_resolved(driver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, answer = threading.Event(), threading.Event()

    def resolve(self: TcpAddress, *, passive: bool = False) -> list[tuple[str, int]]:
        asked.set()
        answer.wait(20)
        return [("127.0.0.1", 1)]

    monkeypatch.setattr(TcpAddress, "resolve", resolve)
    client = Client()
    with floodway.Engine(driver=driver) as engine:
        engine.connect("tcp://slow.invalid:1", client, timeout=None)
        assert asked.wait(10)
        engine.stop(grace=600)
        assert isinstance(client.next("close"), floodway.ServerStopping)
        answer.set()
        engine.join(10)
    assert client.events.empty()


@pytest.mark.parametrize("options", MODELS)
def test_what_is_written_while_opening_arrives_in_order(options: dict[str, Any], driver: Any) -> None:
    pieces = [bytes([number]) * size for number, size in enumerate([1, 100, 20_000, 3, 200_000, 7])]
    with accepting() as (listener, address), floodway.Engine(driver=driver, **options) as engine:
        conn = engine.connect(address, Client())
        for piece in pieces[:3]:
            conn.write(piece)
        conn.writelines(pieces[3:])
        conn.write_eof()
        accepted, _ = listener.accept()
        with accepted:
            assert read_to_end(accepted) == b"".join(pieces)


def test_much_that_is_written_before_a_name_resolves_arrives(driver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """And `write` says so above the high-water mark; `on_writable` follows."""
    answer = threading.Event()

    def resolve(self: TcpAddress, *, passive: bool = False) -> list[tuple[str, int]]:
        answer.wait(20)
        return [("127.0.0.1", port)]

    monkeypatch.setattr(TcpAddress, "resolve", resolve)
    client = Client()
    piece = bytes(range(256)) * 256
    with accepting() as (listener, _), floodway.Engine(driver=driver) as engine:
        port = listener.getsockname()[1]
        conn = engine.connect(f"tcp://slow.invalid:{port}", client)
        has_room = [conn.write(piece) for _ in range(32)]
        assert has_room[0] is True
        assert has_room[-1] is False
        conn.write_eof()
        answer.set()
        accepted, _ = listener.accept()
        with accepted:
            received = read_to_end(accepted)
        assert hashlib.sha256(received).digest() == hashlib.sha256(piece * 32).digest()
        assert client.next("open") is conn
        client.next("writable")


@pytest.mark.parametrize("options", MODELS)
def test_connecting_to_a_unix_socket(options: dict[str, Any], driver: Any, tmp_path: Path) -> None:
    server, client = Ledger(), Client()
    with floodway.Engine(server, f"unix://{tmp_path}/echo.sock", driver=driver, **options) as engine:
        conn = engine.connect(engine.addresses[0], client)
        conn.write(b"early")
        assert client.next("open") is conn
        assert client.next("data") == b"early"
        conn.close()
        assert client.next("close") is None
        wait_until(lambda: server.is_balanced, "the server closes too")


def test_connecting_to_a_unix_socket_that_is_not_there(driver: Any, tmp_path: Path) -> None:
    client = Client()
    with floodway.Engine(driver=driver) as engine:
        engine.connect(f"unix://{tmp_path}/nobody.sock", client)
        assert isinstance(client.next("close"), FileNotFoundError)


def test_connecting_to_a_unix_socket_that_nobody_serves(driver: Any, tmp_path: Path) -> None:
    client = Client()
    path = tmp_path / "dead.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with floodway.Engine(driver=driver) as engine:
        engine.connect(f"unix://{path}", client)
        assert isinstance(client.next("close"), ConnectionRefusedError)


def test_connecting_in_a_callback(driver: Any) -> None:
    """A small proxy: each connection opens another to the same engine's second listener."""
    client = Client()

    class Front(floodway.Handler):
        def on_data(self, conn: floodway.Connection, data: bytes) -> None:
            back = engine.connect(engine.addresses[1], client)
            assert back.reactor is conn.reactor
            back.write(data)

    with floodway.Engine(Front(), "tcp://127.0.0.1:0", driver=driver, sub_reactors=2) as engine:
        engine.listen("tcp://127.0.0.1:0", handler=Ledger())
        with socket.create_connection(("127.0.0.1", port_of(engine))) as peer:
            peer.sendall(b"through")
            client.next("open")
            assert client.next("data") == b"through"


def test_many_connects_at_once_all_open(driver: Any) -> None:
    client, server = Client(), Ledger()
    with floodway.Engine(server, "tcp://127.0.0.1:0", driver=driver, sub_reactors=2) as engine:
        for _ in range(500):
            engine.connect(engine.addresses[0], client)
        opened = {id(client.next("open")) for _ in range(500)}
        assert len(opened) == 500
        assert engine.stats().total.connected == 500
        wait_until(lambda: server.opened == 500, "the server has them all")
