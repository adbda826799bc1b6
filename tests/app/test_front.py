"""What happens to every HTTP request around the application: proxies' headers, limits, the access log, debugging."""

import http.client
import logging
import re
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

import floodway
from floodway.app.access_log import write
from floodway.app.front import Front
from floodway.config import ApplicationOptions
from floodway.testing import Server, serving
from tests.helpers.waiting import wait_until

LINE = re.compile(
    r'(?P<client>\S+) - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "(?P<request>[^"]*)" (?P<status>\d{3})'
    r' (?P<size>\d+) "(?P<referer>[^"]*)" "(?P<agent>[^"]*)"'
)


def whoami(request: floodway.Request) -> str:
    assert isinstance(request.peer, tuple)
    return f"{request.peer[0]} {request.scheme}"


async def asgi_whoami(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": f"{scope['client'][0]} {scope['scheme']}".encode()})


def wsgi_whoami(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [f"{environ['REMOTE_ADDR']} {environ['wsgi.url_scheme']}".encode()]


INTERFACES = [
    pytest.param(whoami, {}, id="function"),
    pytest.param(asgi_whoami, {}, id="asgi"),
    pytest.param(wsgi_whoami, {"threads": 1}, id="wsgi"),
    pytest.param(wsgi_whoami, {"threads": 0}, id="wsgi-inline"),
]


def streamed(request: floodway.Request) -> floodway.Response:
    return floodway.Response(iter([b"one", b"two"]))


def ask(server: Server, path: str = "/", method: str = "GET", **headers: str) -> tuple[int, bytes]:
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        client.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = client.getresponse()
        return answer.status, answer.read()
    finally:
        client.close()


@pytest.mark.parametrize(
    ("forwarded", "proto", "seen"),
    [
        ("192.0.2.1", "https", b"192.0.2.1 https"),
        ("192.0.2.1, 198.51.100.2", "http", b"198.51.100.2 http"),
        ("192.0.2.1, 127.0.0.1", "https", b"192.0.2.1 https"),
        ("127.0.0.1, ::1", "", b"127.0.0.1 http"),
        ("[2001:db8::1]:4711", "wss", b"2001:db8::1 https"),
        ("192.0.2.1:80", "gopher", b"192.0.2.1 http"),
        ("unknown", "http, https", b"127.0.0.1 https"),
        ("192.0.2.1, unknown", "https, http", b"127.0.0.1 http"),
        ("", "", b"127.0.0.1 http"),
    ],
)
def test_a_proxy_on_this_machine_speaks_for_its_clients(forwarded: str, proto: str, seen: bytes) -> None:
    with serving(whoami, proxy_headers=True) as server:
        assert ask(server, X_Forwarded_For=forwarded, X_Forwarded_Proto=proto) == (200, seen)


def test_a_list_may_be_spread_over_several_headers() -> None:
    with serving(whoami, proxy_headers=True) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
            client.sendall(
                b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                b"X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: 127.0.0.1\r\n\r\n"
            )
            answer = b"".join(iter(lambda: client.recv(4096), b""))
        assert answer.endswith(b"192.0.2.1 http")


@pytest.mark.parametrize("trusted", ["", "10.0.0.0/8, 192.0.2.1,unix", "::/96", "127.0.0.2/32", "128.0.0.0/1"])
def test_nobody_else_does(trusted: str) -> None:
    options: dict[str, Any] = {"proxy_headers": True, "forwarded_allow_ips": trusted} if trusted else {}
    with serving(whoami, **options) as server:
        assert ask(server, X_Forwarded_For="192.0.2.1", X_Forwarded_Proto="https") == (200, b"127.0.0.1 http")


@pytest.mark.parametrize("trusted", ["*", "127.0.0.0/8", "0.0.0.0/0", "::1, 127.0.0.1", "::ffff:127.0.0.1"])
def test_whom_to_trust_is_a_list_of_networks(trusted: str) -> None:
    with serving(whoami, proxy_headers=True, forwarded_allow_ips=trusted) as server:
        assert ask(server, X_Forwarded_For="192.0.2.1") == (200, b"192.0.2.1 http")


@pytest.mark.parametrize("wrong", ["localhost", "10.0.0.0/33", "", "127.0.0.1,"])
def test_what_is_no_network_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="forwarded_allow_ips"):
        ApplicationOptions(forwarded_allow_ips=wrong)


@pytest.mark.parametrize("wrong", ["api", "/api/", "/"])
def test_a_root_path_begins_with_a_slash_only(wrong: str) -> None:
    with pytest.raises(ValueError, match="root_path"):
        ApplicationOptions(root_path=wrong)


class Gate:
    """An application whose answers stay unfinished until the gate is opened."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.begun = 0

    def __call__(self, request: floodway.Request) -> floodway.Response:
        if request.path == "/quick":
            return floodway.Response("quick")
        self.begun += 1
        return floodway.Response(self.pieces())

    def pieces(self) -> Iterator[bytes]:
        while not self.opened.is_set():
            yield b"x" * 65536  # until the client is behind


def test_requests_beyond_the_limit_are_answered_with_503() -> None:
    gate = Gate()
    with serving(gate, limit_concurrency=1, access_log=True) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as slow:
            slow.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
            wait_until(lambda: gate.begun)
            client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
            for _ in range(2):  # the connection stays
                client.request("GET", "/quick")
                answer = client.getresponse()
                assert (answer.status, answer.headers["retry-after"]) == (503, "1")
                assert answer.read() == b"Too many requests are under way\n"
            client.close()
        # The slow one has left: there is room again.
        wait_until(lambda: ask(server, "/quick") == (200, b"quick"))


def test_an_application_that_is_given_up_leaves_its_place() -> None:
    def failing(request: floodway.Request) -> str:
        raise LookupError

    with serving(failing, limit_concurrency=1) as server:
        assert [ask(server)[0] for _ in range(3)] == [500, 500, 500]


def test_a_server_without_workers_ends_after_its_requests() -> None:
    with serving(whoami, limit_max_requests=3) as server:
        assert [ask(server)[0] for _ in range(3)] == [200, 200, 200]
        server.engine.join(timeout=20)
        with pytest.raises(OSError):
            ask(server)


@pytest.mark.parametrize(("requests", "most"), [(9, 9), (1000, 1100)])
def test_up_to_a_tenth_is_left_to_chance(requests: int, most: int) -> None:
    class Recorder:
        _retire = None

    front = Front(ApplicationOptions(limit_max_requests=requests))
    expected: set[int] = set()

    class Intake:
        def expect(self, number: int, _: object) -> None:
            expected.add(number)

    front.intake = Intake()  # type: ignore[assignment]
    for _ in range(200):
        front.start(Recorder())  # type: ignore[arg-type]
    assert min(expected) >= requests
    assert max(expected) <= most
    assert (len(expected) > 1) == (most > requests)


@pytest.mark.parametrize(("application", "options"), INTERFACES)
def test_every_interface_has_it(application: object, options: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="floodway.access")
    options |= {"proxy_headers": True, "access_log": True, "limit_max_requests": 2}
    with serving(application, **options) as server:
        assert ask(server, "/a", X_Forwarded_For="192.0.2.1", X_Forwarded_Proto="https") == (200, b"192.0.2.1 https")
        assert ask(server, "/b") == (200, b"127.0.0.1 http")
        server.engine.join(timeout=20)  # after two requests
    first, second = (LINE.fullmatch(record.getMessage()) for record in access(caplog))
    assert first is not None
    assert second is not None
    assert (first["client"], first["request"], first["status"], first["size"]) == (
        "192.0.2.1",
        "GET /a HTTP/1.1",
        "200",
        "15",
    )
    assert (second["client"], second["size"]) == ("127.0.0.1", "14")


async def asgi_paths(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        body = f"{scope['root_path']} {scope['path']} {scope['raw_path'].decode()}".encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})


@pytest.mark.parametrize(
    ("path", "seen"),
    [
        ("/shop/a%20b", b"/shop /shop/a b /shop/a%20b"),
        ("/a%20b", b"/shop /shop/a b /shop/a%20b"),
        ("/shop", b"/shop /shop /shop"),
        ("/shopping", b"/shop /shop/shopping /shop/shopping"),
    ],
)
def test_a_path_of_asgi_begins_with_the_root_path_whatever_the_proxy_does(path: str, seen: bytes) -> None:
    with serving(asgi_paths, root_path="/shop") as server:
        assert ask(server, path) == (200, seen)


def test_nothing_is_made_where_nothing_is_asked_for() -> None:
    assert Front(ApplicationOptions()).intake is None


def test_answers_are_logged_in_the_combined_format(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="floodway.access")
    with serving(whoami, access_log=True) as server:
        ask(server, "/a?b=c", Referer="http://x/", User_Agent="test/1")
        ask(server, "/", method="HEAD")
        ask(server, "/" + "a" * 9000)  # refused before it is a request
    first, second = (LINE.fullmatch(record.getMessage()) for record in access(caplog))
    assert first is not None
    assert first.groupdict() == {
        "client": "127.0.0.1",
        "request": "GET /a?b=c HTTP/1.1",
        "status": "200",
        "size": "14",
        "referer": "http://x/",
        "agent": "test/1",
    }
    assert second is not None
    assert (second["request"], second["size"], second["referer"]) == ("HEAD / HTTP/1.1", "0", "-")


def test_a_record_has_its_parts_for_json(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="floodway.access")
    with serving(streamed, access_log=True, proxy_headers=True) as server:
        ask(server, "/a", X_Forwarded_For="192.0.2.1")
    (record,) = access(caplog)
    parts = {name: getattr(record, name) for name in ("client", "method", "target", "status", "size", "referer")}
    assert parts == {
        "client": "192.0.2.1",
        "method": "GET",
        "target": "/a",
        "status": 200,
        "size": 6,
        "referer": None,
    }
    assert 0 <= record.__dict__["seconds"] < 20


def test_an_answer_that_is_never_complete_is_logged_with_what_was_sent(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="floodway.access")
    gate = Gate()
    with serving(gate, access_log=True) as server, socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until(lambda: gate.begun)
        client.settimeout(20)
        assert client.recv(1) == b"H"
    (record,) = access(caplog)
    assert record.__dict__["status"] == 200
    assert record.__dict__["size"] > 0


def test_a_client_cannot_write_into_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="floodway.access")
    write((time.time(), 0.1, None, "GET", '/"\\\x1b', "1.1", 200, 1, "a\nb", "\x85\xff"))
    (record,) = access(caplog)
    assert record.getMessage().startswith("unix - - [")
    assert record.getMessage().endswith(r'"GET /\x22\x5c\x1b HTTP/1.1" 200 1 "a\x0ab" "\x85\xff"')


def test_a_handler_may_serve_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="floodway.access")
    from floodway.app.interface import load_application

    handler = load_application(whoami, ApplicationOptions(access_log=True))
    for _ in range(2):
        with serving(handler) as server:
            ask(server)
    assert len(access(caplog)) == 2


@pytest.mark.parametrize(("debug", "shown"), [(False, False), (True, True)])
def test_a_traceback_is_shown_to_clients_only_for_debugging(debug: bool, shown: bool) -> None:
    def failing(request: floodway.Request) -> str:
        raise LookupError("a secret")

    with serving(failing, debug=debug) as server:
        status, body = ask(server)
    assert status == 500
    assert (b"LookupError: a secret" in body) == shown
    assert b"function.py" not in body, "our frames are left out"


def access(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name == "floodway.access"]
