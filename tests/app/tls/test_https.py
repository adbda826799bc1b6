"""HTTP over TLS: what applications are told, and what foreign clients see."""

import asyncio
import json
import ssl
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import floodway
from floodway.app.interface import handler_of
from tests.helpers.certificates import Authority
from tests.helpers.peers import dial, port_of, read_to_end
from tests.helpers.waiting import wait_until

MIB = 1 << 20


def application(request: floodway.Request) -> floodway.Response | bytes:
    if request.path == "/large":
        return b"x" * 8 * MIB
    if request.path == "/length":
        return str(len(request.body)).encode()
    return f"{request.scheme} {request.method} {request.path}".encode()


async def asgi_application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    tls = scope["extensions"]["tls"]
    answer = json.dumps({"scheme": scope["scheme"], "tls": tls}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": answer})


@contextmanager
def serving(authority: Authority, app: object, **options: Any) -> Iterator[tuple[floodway.Engine, str]]:
    """An engine that serves the application, and the URL of it."""
    handler = handler_of(app, floodway.ApplicationOptions(), "the test")
    with floodway.Engine(handler, "tls://127.0.0.1:0", tls=authority.config, **options) as engine:
        yield engine, f"https://localhost:{port_of(engine)}"


def fetch(authority: Authority, url: str) -> bytes:
    with urllib.request.urlopen(url, context=authority.context()) as answer:
        return bytes(answer.read())


@pytest.mark.parametrize("arguments", [(), ("--tlsv1.3",), ("--tls-max", "1.2"), ("--http1.1",)])
def test_curl_gets_answers(authority: Authority, arguments: tuple[str, ...]) -> None:
    with serving(authority, application) as (_, url):
        command: tuple[str | Path, ...] = (
            "curl",
            "--silent",
            "--show-error",
            "--fail",
            "--cacert",
            authority.root,
            *arguments,
        )
        one = subprocess.run([*command, f"{url}/hello", f"{url}/again"], check=True, capture_output=True)
        assert one.stdout == b"https GET /helloGET /again".replace(b"GET /again", b"https GET /again")
        large = subprocess.run([*command, f"{url}/large"], check=True, capture_output=True)
        assert large.stdout == b"x" * 8 * MIB


def test_a_body_is_uploaded(authority: Authority, tmp_path: Path) -> None:
    body = tmp_path / "body"
    body.write_bytes(b"y" * 8 * MIB)
    with serving(authority, application) as (_, url):
        command: tuple[str | Path, ...] = (
            "curl",
            "--silent",
            "--fail",
            "--cacert",
            authority.root,
            "--data-binary",
            f"@{body}",
        )
        done = subprocess.run([*command, f"{url}/length"], check=True, capture_output=True)
        assert done.stdout == str(8 * MIB).encode()


def test_http_is_agreed_on_and_other_protocols_are_refused(authority: Authority) -> None:
    with serving(authority, application) as (engine, _):
        context = authority.context()
        context.set_alpn_protocols(["h2", "http/1.1"])
        with context.wrap_socket(dial(engine), server_hostname="localhost") as peer:
            assert peer.selected_alpn_protocol() == "http/1.1"
        context.set_alpn_protocols(["h2"])
        with dial(engine) as plain, pytest.raises(ssl.SSLError, match=r"(?i)no.application.protocol"):
            context.wrap_socket(plain, server_hostname="localhost")


def test_plain_http_is_told_so_in_plain_http(authority: Authority) -> None:
    with serving(authority, application) as (engine, _), dial(engine) as peer:
        peer.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = read_to_end(peer)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"connection: close" in answer.lower()


def test_asgi_applications_are_told_of_tls(authority: Authority) -> None:
    with serving(authority, asgi_application) as (_, url):
        told = json.loads(fetch(authority, url))
        assert told["scheme"] == "https"
        assert told["tls"] == {
            "server_cert": None,
            "client_cert_chain": [],
            "client_cert_name": None,
            "client_cert_error": None,
            "tls_version": 0x0304,
            "cipher_suite": told["tls"]["cipher_suite"],
        }
        assert told["tls"]["cipher_suite"] in {0x1301, 0x1302, 0x1303}


def test_a_client_that_just_leaves_after_its_answer_is_no_error(authority: Authority) -> None:
    with serving(authority, application) as (engine, _), dial(engine) as plain:
        peer = authority.context().wrap_socket(plain, server_hostname="localhost")
        peer.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert peer.recv(1_000)
        peer.close()  # without close_notify
        wait_until(lambda: engine.stats().total.connections == 0)
        assert engine.stats().total.closed == {"finished": 1}


def test_a_silent_client_is_ended_by_the_time_for_a_request_not_by_keep_alive(authority: Authority) -> None:
    with (
        serving(authority, application, head_timeout=0.3, keep_alive_timeout=60) as (engine, _),
        authority.context().wrap_socket(dial(engine), server_hostname="localhost") as peer,
    ):
        assert read_to_end(peer) == b""


def test_asyncio_clients_and_many_requests_at_once(authority: Authority) -> None:
    async def ask(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("localhost", port, ssl=authority.context())
        for _ in range(20):
            writer.write(b"GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 ")
            await reader.readexactly(len(b"https GET /a"))
        writer.close()
        await writer.wait_closed()
        return b"done"

    async def ask_all(port: int) -> list[bytes]:
        return await asyncio.gather(*(ask(port) for _ in range(20)))

    with serving(authority, application) as (engine, _):
        assert asyncio.run(ask_all(port_of(engine))) == [b"done"] * 20


def test_a_reload_under_load_loses_nothing(authority: Authority) -> None:
    with serving(authority, application) as (engine, url):
        stop = threading.Event()

        def reload() -> None:
            while not stop.wait(0.005):
                engine.reload_tls()

        thread = threading.Thread(target=reload)
        thread.start()
        try:
            assert {fetch(authority, f"{url}/a") for _ in range(50)} == {b"https GET /a"}
        finally:
            stop.set()
            thread.join()
