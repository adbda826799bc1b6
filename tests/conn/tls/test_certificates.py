"""Certificates: which one is shown, what is wrong with a file, clients' own, and reading them all again."""

import ssl
from pathlib import Path
from typing import Any

import pytest

import floodway
from tests.helpers.certificates import Authority
from tests.helpers.journal import Echo
from tests.helpers.peers import dial, read_exactly


def shown_to(engine: floodway.Engine, authority: Authority, name: str) -> str:
    """The name in the certificate that a client gets that asks for this one."""
    context = authority.context()
    context.check_hostname = False
    with context.wrap_socket(dial(engine), server_hostname=name) as peer:
        certificate: Any = peer.getpeercert()
        return str(dict(field[0] for field in certificate["subject"])["commonName"])


def test_the_name_that_a_client_asks_for_chooses_the_certificate(authority: Authority) -> None:
    certificates = [authority.server, authority.issue("one.test"), authority.issue("wild", "DNS:*.two.test")]
    config = floodway.TLSConfig(certificates=tuple(floodway.Certificate(*files) for files in certificates))
    with floodway.Engine(Echo(), "tls://127.0.0.1:0", tls=config) as engine:
        names = ["one.test", "ONE.test", "a.two.test", "localhost", "unknown.test", "a.b.two.test"]
        assert [shown_to(engine, authority, name) for name in names] == [
            *("one.test", "one.test", "wild", "localhost", "localhost", "localhost")
        ]


def test_a_reload_is_for_newcomers_and_leaves_open_connections_alone(authority: Authority, tmp_path: Path) -> None:
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    _install(authority.issue("before.test"), chain, key)
    config = floodway.TLSConfig.from_files(chain, key)
    with floodway.Engine(Echo(), "tls://127.0.0.1:0", tls=config, sub_reactors=2) as engine:
        context = authority.context()
        with context.wrap_socket(dial(engine), server_hostname="before.test") as peer:
            _install(authority.issue("after.test"), chain, key)
            assert shown_to(engine, authority, "x.test") == "before.test"
            engine.reload_tls()
            assert shown_to(engine, authority, "x.test") == "after.test"
            chain.write_text("nonsense")
            with pytest.raises(ValueError, match="there is no certificate in it"):
                engine.reload_tls()
            assert shown_to(engine, authority, "x.test") == "after.test"
            peer.sendall(b"still here")
            assert read_exactly(peer, 10) == b"still here"


def _install(files: tuple[Path, Path], chain: Path, key: Path) -> None:
    chain.write_bytes(files[0].read_bytes())
    key.write_bytes(files[1].read_bytes())


def test_a_session_is_resumed_on_every_reactor_and_after_a_reload(authority: Authority) -> None:
    with floodway.Engine(Echo(), "tls://127.0.0.1:0", tls=authority.config, main_reactors=2, sub_reactors=0) as engine:
        context = authority.context(version="1.2")
        with context.wrap_socket(dial(engine), server_hostname="localhost") as peer:
            session = peer.session
        engine.reload_tls()
        for _ in range(8):
            with context.wrap_socket(dial(engine), server_hostname="localhost", session=session) as peer:
                assert peer.session_reused


def test_without_a_ticket_secret_nothing_is_resumed(authority: Authority) -> None:
    config = floodway.TLSConfig(certificates=(floodway.Certificate(*authority.server),), ticket_secret=None)
    with floodway.Engine(Echo(), "tls://127.0.0.1:0", tls=config) as engine:
        context = authority.context(version="1.2")
        with context.wrap_socket(dial(engine), server_hostname="localhost") as peer:
            session = peer.session
        with context.wrap_socket(dial(engine), server_hostname="localhost", session=session) as peer:
            assert not peer.session_reused


def test_clients_have_to_show_a_certificate_where_that_is_required(authority: Authority) -> None:
    files = authority.issue("client")
    config = floodway.TLSConfig.from_files(*authority.server, client_ca=authority.root, verify_client="required")
    handler = Echo()
    with floodway.Engine(handler, "tls://127.0.0.1:0", tls=config) as engine:
        context = authority.context(version="1.2")
        with dial(engine) as plain, pytest.raises(ssl.SSLError):
            context.wrap_socket(plain, server_hostname="localhost")
        context.load_cert_chain(*files)
        with context.wrap_socket(dial(engine), server_hostname="localhost"):
            (conn,) = handler.wait_opened()
            assert conn.tls is not None
            assert conn.tls.peer_certificates[0] == ssl.PEM_cert_to_DER_cert(files[0].read_text())


def test_what_is_wrong_with_a_file_is_said_with_its_name(authority: Authority, tmp_path: Path) -> None:
    chain, key = authority.server
    other_key = authority.issue("other")[1]
    encrypted = authority.encrypted(key, "secret")
    empty, broken = tmp_path / "empty.pem", tmp_path / "broken.pem"
    empty.write_text("")
    broken.write_text("-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n")
    cases: list[tuple[tuple[Path, Path | None], str | None, str]] = [
        ((empty, key), None, rf"{empty}: there is no certificate in it"),
        ((broken, key), None, rf"{broken}: the certificate cannot be read"),
        ((chain, None), None, rf"{chain}: there is no private key in it"),
        ((chain, other_key), None, rf"{other_key}: the private key does not belong to the certificate in {chain}"),
        ((chain, encrypted), None, rf"{encrypted}: the private key is encrypted and there is no password"),
        ((chain, encrypted), "wrong", rf"{encrypted}: the password does not open the private key"),
    ]
    for files, password, message in cases:
        with pytest.raises(ValueError, match=message) as caught:
            floodway.TLSConfig.from_files(*files, password=password)
        assert "\n" not in str(caught.value)
    with pytest.raises(FileNotFoundError, match=r"missing.pem"):
        floodway.TLSConfig.from_files(tmp_path / "missing.pem")
    with pytest.raises(ValueError, match=rf"{empty}: there is no certificate in it"):
        floodway.TLSConfig.from_files(chain, key, client_ca=empty, verify_client="required")
    floodway.TLSConfig.from_files(chain, encrypted, password="secret")


def test_secrets_are_not_shown(authority: Authority) -> None:
    config = floodway.TLSConfig.from_files(
        authority.server[0], authority.encrypted(authority.server[1], "hidden"), password="hidden"
    )
    assert "hidden" not in repr(config)
    assert "ticket_secret" not in repr(config)


def test_what_cannot_be_meant_is_refused_with_advice(authority: Authority) -> None:
    with pytest.raises(ValueError, match=r"tls://127.0.0.1:0 needs a certificate; pass tls=floodway.TLSConfig"):
        floodway.Engine(Echo(), "tls://127.0.0.1:0")
    with pytest.raises(ValueError, match=r"tcp://127.0.0.1:0 is not to be encrypted; write tls://127.0.0.1:0"):
        floodway.Engine(Echo(), "tcp://127.0.0.1:0", tls=authority.config)
    with pytest.raises(ValueError, match="certificates is empty"):
        floodway.TLSConfig(certificates=())
    with pytest.raises(ValueError, match="pass client_ca"):
        floodway.TLSConfig.from_files(*authority.server, verify_client="optional")
    with pytest.raises(ValueError, match="verify_client"):
        floodway.TLSConfig.from_files(*authority.server, client_ca=authority.root)
    with pytest.raises(ValueError, match="min_version"):
        floodway.TLSConfig.from_files(*authority.server, min_version="1.1")  # type: ignore[arg-type]
