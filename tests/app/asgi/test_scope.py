"""What an application is told about a request (ASGI, HTTP, "HTTP Connection Scope")."""

from pathlib import Path
from typing import Any

import pytest

from floodway.base.address import TcpAddress
from floodway.config import ApplicationOptions
from tests.helpers.asgi import Client, Receive, Scope, Send, answer, request, serving, serving_with_lifespan
from tests.helpers.peers import port_of

KEYS = [
    "type", "asgi", "http_version", "method", "scheme", "path", "raw_path", "query_string", "root_path", "headers",
    "client", "server", "state", "extensions",
]  # fmt: skip


class Scopes:
    """Keeps every scope."""

    def __init__(self) -> None:
        self.seen: list[Scope] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.seen.append(scope)
        await answer(send, b"ok")


def scope_of(raw: bytes, *addresses: str, index: int = 0, **options: Any) -> tuple[Scope, Client]:
    scopes = Scopes()
    with serving(scopes, *addresses, **options) as engine, Client(engine, index) as client:
        client.send(raw)
        assert client.read().status == 200
    return scopes.seen[0], client


def test_a_scope_has_every_key_and_its_value() -> None:
    scopes = Scopes()
    with serving(scopes) as engine, Client(engine) as client:
        client.get("/a%20b/%C3%BC%2Fc?q=%20x&y", method="PATCH", headers="X-One: 1\r\nx-TWO:  zw\xe4i \r\nX-One: 2\r\n")
        peer = client.socket.getsockname()
        address = engine.addresses[0]
    assert isinstance(address, TcpAddress)
    (scope,) = scopes.seen
    assert list(scope) == KEYS
    assert scope["type"] == "http"
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.4"}
    assert scope["http_version"] == "1.1"
    assert scope["method"] == "PATCH"
    assert scope["scheme"] == "http"
    assert scope["path"] == "/a b/ü/c"
    assert scope["raw_path"] == b"/a%20b/%C3%BC%2Fc"
    assert scope["query_string"] == b"q=%20x&y"
    assert scope["root_path"] == ""
    assert scope["headers"] == [(b"host", b"test"), (b"x-one", b"1"), (b"x-two", b"zw\xe4i"), (b"x-one", b"2")]
    assert scope["client"] == peer
    assert scope["server"] == ("127.0.0.1", address.port)
    assert scope["state"] == {}
    assert isinstance(scope["extensions"], dict)


def test_a_plain_request_has_an_empty_query_and_the_usual_method() -> None:
    scope, _ = scope_of(request("/"))
    assert (scope["method"], scope["path"], scope["raw_path"], scope["query_string"]) == ("GET", "/", b"/", b"")


def test_an_empty_query_after_a_question_mark_is_empty() -> None:
    scope, _ = scope_of(request("/x?"))
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/x", b"/x", b"")


def test_a_path_that_is_no_utf8_is_replaced_where_it_is_none() -> None:
    scope, _ = scope_of(request("/%ff%zz/a"))
    assert scope["path"] == "/�%zz/a"
    assert scope["raw_path"] == b"/%ff%zz/a"


def test_a_method_is_told_as_it_was_sent_in_upper_case_or_not() -> None:
    scope, _ = scope_of(request("/", method="PROPFIND"))
    assert scope["method"] == "PROPFIND"


def test_http_1_0_is_told() -> None:
    scope, _ = scope_of(b"GET / HTTP/1.0\r\n\r\n")
    assert scope["http_version"] == "1.0"
    assert scope["headers"] == []


def test_an_absolute_target_is_told_as_its_path_and_its_host() -> None:
    scope, _ = scope_of(b"GET http://there:81/p?q HTTP/1.1\r\nHost: there:81\r\n\r\n")
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/p", b"/p", b"q")


def test_the_star_of_options_is_the_path() -> None:
    scope, _ = scope_of(b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (scope["path"], scope["raw_path"]) == ("*", b"*")


def test_ipv6_addresses_are_host_and_port() -> None:
    try:
        scope, _ = scope_of(request(), "tcp://[::1]:0")
    except OSError:
        pytest.skip("not on this platform: no IPv6")
    for host, port in (scope["client"], scope["server"]):
        assert (host, type(port)) == ("::1", int)


@pytest.mark.parametrize("index", [0, 1])
def test_with_several_listeners_the_server_is_where_this_request_came_in(index: int, tmp_path: Path) -> None:
    addresses = ("tcp://127.0.0.1:0", "tcp://127.0.0.2:0")
    scopes = Scopes()
    with serving(scopes, *addresses) as engine, Client(engine, index) as client:
        client.get()
        assert scopes.seen[0]["server"] == client.socket.getpeername()


def test_on_a_wildcard_listener_the_server_is_the_address_that_the_client_used() -> None:
    import socket

    scopes = Scopes()
    with serving(scopes, "tcp://0.0.0.0:0") as engine:
        port = port_of(engine)
        with socket.create_connection(("127.0.0.3", port), timeout=20) as peer:
            peer.sendall(request())
            peer.recv(1000)
            assert scopes.seen[0]["client"] == peer.getsockname()
            assert scopes.seen[0]["server"] == ("127.0.0.3", port)


def test_on_a_unix_socket_the_server_is_its_path_and_the_client_unknown(tmp_path: Path) -> None:
    scope, _ = scope_of(request(), f"unix://{tmp_path}/s")
    assert scope["server"] == (f"{tmp_path}/s", None)
    assert scope["client"] is None


def test_a_websocket_upgrade_is_a_plain_request() -> None:
    headers = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAA\r\n"
    scope, _ = scope_of(request("/ws", headers=headers))
    assert scope["type"] == "http"
    assert (b"upgrade", b"websocket") in scope["headers"]


def test_state_is_copied_for_every_request() -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            shared: list[int] = []
            scope["state"]["shared"] = shared
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
        else:
            state = scope["state"]
            seen.append(sorted(state))
            state["own"] = 1
            state["shared"].append(1)
            await answer(send, str(len(state["shared"])).encode())

    seen: list[list[str]] = []
    with serving_with_lifespan(application) as engine, Client(engine) as client:
        assert [client.get().body for _ in range(3)] == [b"1", b"2", b"3"]
    assert seen == [["shared"]] * 3


def test_what_an_application_writes_into_a_scope_is_gone_with_it() -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append((list(scope["extensions"]), sorted(scope["asgi"]), len(scope["headers"])))
        scope["extensions"]["mine"] = {}
        scope["asgi"]["mine"] = 1
        scope["headers"].append((b"mine", b"1"))
        await answer(send)

    seen: list[Any] = []
    with serving(application) as engine, Client(engine) as client:
        client.get()
        client.get()
    assert seen[0] == seen[1]


def test_the_root_path_is_told_and_part_of_the_path() -> None:
    options = ApplicationOptions(root_path="/shop")
    scope, _ = scope_of(request("/items%20"), application_options=options)
    assert (scope["root_path"], scope["path"], scope["raw_path"]) == ("/shop", "/shop/items ", b"/shop/items%20")
