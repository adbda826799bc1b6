"""Addresses: read, printed back, and refused with what to write instead."""

import os

import pytest

import floodway
from floodway.base.address import FdAddress, TcpAddress, UnixAddress, inherited_addresses, parse


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("tcp://127.0.0.1:9000", TcpAddress("127.0.0.1", 9000)),
        ("tcp://localhost:0", TcpAddress("localhost", 0)),
        ("tcp://[::1]:65535", TcpAddress("::1", 65535)),
        ("tcp://[::]:80", TcpAddress("::", 80)),
        ("tls://[::1]:443", TcpAddress("::1", 443, tls=True)),
        ("unix:///run/a.sock", UnixAddress("/run/a.sock")),
        ("unix:///run/a.sock?mode=660", UnixAddress("/run/a.sock", 0o660)),
        ("unix://@name", UnixAddress("@name")),
        ("fd://3", FdAddress(3)),
        ("tls://example.org:443", TcpAddress("example.org", 443, tls=True)),
    ],
)
def test_an_address_is_read_and_printed_back(text: str, address: object) -> None:
    assert parse(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:80", "tcp://127.0.0.1:80"),
        ("localhost:0", "tcp://localhost:0"),
        ("[::1]:80", "tcp://[::1]:80"),
        (":80", "tcp://0.0.0.0:80"),
        ("http://host:8000", "tcp://host:8000"),
        ("http://host:8000/", "tcp://host:8000"),
        ("http://host", "tcp://host:80"),
        ("http://[::1]", "tcp://[::1]:80"),
        ("https://host:8443", "tls://host:8443"),
        ("https://host", "tls://host:443"),
    ],
)
def test_other_ways_to_write_an_address_are_read(text: str, address: str) -> None:
    assert str(parse(text)) == address


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("127.0.0.1", "host:port"),
        ("", "host:port"),
        ("::1:80", "[::1]:port"),
        ("ftp://host:80", "'ftp'"),
        ("https://:80", "has no host"),
        ("http://host:80/path", "only a host and a port"),
        ("tcp://:80", "tcp://[::]:port for all"),
        ("tcp://host", "0 to 65535"),
        ("tcp://host:http", "0 to 65535"),
        ("tcp://host:65536", "0 to 65535"),
        ("tcp://::1:80", "tcp://[::1]:port"),
        ("tcp://host:80/path", "only a host and a port"),
        ("tcp://user@host:80", "only a host and a port"),
        ("unix://relative", "absolute"),
        ("unix://@", "absolute"),
        ("unix:///a?mode=9", "three octal digits"),
        ("unix:///a?mod=660", "?mode=660"),
        ("unix://@a?mode=660", "no permissions"),
        ("fd://x", "fd://3"),
    ],
)
def test_a_wrong_address_is_refused_with_its_value_and_what_to_write(text: str, advice: str) -> None:
    with pytest.raises(ValueError, match="address") as caught:
        parse(text)
    assert repr(text) in str(caught.value)
    assert advice in str(caught.value)


@pytest.mark.parametrize("text", ["tls://127.0.0.1:0", "https://127.0.0.1:0"])
def test_tls_needs_a_certificate(text: str) -> None:
    with pytest.raises(ValueError, match="needs a certificate; pass tls="):
        floodway.Engine(floodway.Handler(), text)


def test_an_address_is_taken_as_it_is() -> None:
    assert parse(TcpAddress("::1", 1)) == TcpAddress("::1", 1)


def test_only_a_number_resolves_without_asking() -> None:
    assert TcpAddress("127.0.0.1", 1).is_numeric
    assert TcpAddress("::1", 1).is_numeric
    assert not TcpAddress("localhost", 1).is_numeric


def test_resolving_gives_socket_addresses() -> None:
    assert TcpAddress("127.0.0.1", 80).resolve() == [("127.0.0.1", 80)]
    assert TcpAddress("::1", 80).resolve() == [("::1", 80)]
    assert ("127.0.0.1", 80) in TcpAddress("localhost", 80).resolve()


def test_an_abstract_name_begins_with_a_zero_byte_for_the_kernel() -> None:
    assert UnixAddress("@name").socket_address == "\0name"
    assert UnixAddress("/name").socket_address == "/name"


def test_inherited_sockets_are_taken_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    monkeypatch.setenv("LISTEN_FDS", "2")
    monkeypatch.setenv("LISTEN_FDNAMES", "a:b")
    assert inherited_addresses() == [FdAddress(3), FdAddress(4)]
    assert not {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} & set(os.environ)
    assert inherited_addresses() == []


def test_sockets_inherited_by_another_process_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTEN_PID", "1")
    monkeypatch.setenv("LISTEN_FDS", "2")
    assert inherited_addresses() == []
