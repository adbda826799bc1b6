"""Requests and answers on one connection: how long it stays, in which order they come, and what each has of a body."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from floodway.app.message import Request, Response
from tests.helpers.http_client import Client, get, post, serving
from tests.helpers.waiting import wait_until


def echo(request: Request) -> str:
    return f"{request.method} {request.path} {request.body.decode()}"


@pytest.fixture
def client() -> Iterator[Client]:
    with serving(echo) as engine, Client.of(engine) as client:
        yield client


def test_a_connection_stays_for_the_next_request(client: Client) -> None:
    for number in range(5):
        assert client.ask(get(f"/{number}")).body == f"GET /{number} ".encode()


def test_a_connection_ends_after_an_answer_where_the_client_says_close(client: Client) -> None:
    answer = client.ask(get("/", "Connection: close"))
    assert answer.closes
    assert client.is_closed()


def test_what_follows_a_request_that_says_close_is_ignored(client: Client) -> None:
    client.send(get("/first", "Connection: close") + get("/second") + b"\0no request")
    assert client.answer().body == b"GET /first "
    assert client.rest() == b""


def test_an_application_can_end_the_connection() -> None:
    with serving(lambda _: Response(b"bye", headers={"Connection": "close"})) as engine, Client.of(engine) as client:
        answer = client.ask(get())
        assert (answer.body, answer.closes) == (b"bye", True)
        assert client.is_closed()


@pytest.mark.parametrize("count", [16, 100])
def test_requests_of_one_packet_are_answered_in_their_order(client: Client, count: int) -> None:
    client.send(b"".join(post(str(number).encode(), path=f"/{number}") for number in range(count)))
    for number in range(count):
        assert client.answer().body == f"POST /{number} {number}".encode()


@pytest.mark.parametrize("options", [{}, {"threads": 2}, {"output_policy": "error"}])
def test_large_answers_to_requests_of_one_packet_are_not_too_much_at_once(options: dict[str, Any]) -> None:
    body = b"x" * 3_000_000
    with serving(lambda _: body, **options) as engine, Client.of(engine) as client:
        client.send(get() * 8)
        assert all(client.answer().body == body for _ in range(8))


def test_a_client_that_pipelines_and_never_reads_is_not_read_either() -> None:
    answer = b"x" * 100_000
    with serving(lambda _: answer) as engine, Client.of(engine, receive_buffer=4096) as client:
        client.socket.settimeout(0.5)
        requests = get("/", "Fill: " + "x" * 8_000) * 100
        sent = client.send_on(requests, 100 << 20)
        assert sent < 100 << 20  # every buffer on the way is full
        assert engine.stats().total.output_queued < 1 << 20
        events = engine.stats().total.events
        assert client.socket.recv(1000).startswith(b"HTTP/1.1 200 ")
        assert events < sent / 8_000


def test_requests_behind_a_slow_answer_wait_and_none_is_lost() -> None:
    may_answer = threading.Event()

    def wait_for_first(request: Request) -> str:
        if request.path == "/0":
            assert may_answer.wait(20)
        return request.path

    with serving(wait_for_first, threads=1) as engine, Client.of(engine) as client:
        client.send(b"".join(get(f"/{number}") for number in range(20)))
        wait_until(lambda: engine.stats().total.bytes_in > 500, "the requests")
        may_answer.set()
        assert [client.answer().body for _ in range(20)] == [f"/{number}".encode() for number in range(20)]


def test_http_1_0_ends_after_an_answer(client: Client) -> None:
    answer = client.ask(b"GET /old HTTP/1.0\r\n\r\n")
    assert (answer.body, answer.closes) == (b"GET /old ", True)
    assert client.is_closed()


def test_http_1_0_stays_where_both_sides_say_keep_alive(client: Client) -> None:
    for _ in range(3):
        answer = client.ask(b"GET /old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert (answer.body, answer["connection"]) == (b"GET /old ", "keep-alive")


def test_http_1_0_gets_a_stream_up_to_the_end_of_the_connection() -> None:
    with serving(lambda _: Response(iter([b"a", b"b"]))) as engine, Client.of(engine) as client:
        answer = client.ask(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert (answer.body, answer.closes) == (b"ab", True)
        assert "transfer-encoding" not in answer


def test_head_is_answered_with_the_length_and_without_the_body(client: Client) -> None:
    answer = client.ask(get("/", method="HEAD"))
    assert (answer.status, answer["content-length"]) == (200, str(len("HEAD / ")))
    assert client.ask(get("/next")).body == b"GET /next "


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_whose_status_allows_no_body_has_none(status: int) -> None:
    def answer(request: Request) -> Response:
        return Response(b"a body", status) if request.path == "/" else Response(b"after")

    with serving(answer) as engine, Client.of(engine) as client:
        client.send(get("/"))
        assert client.answer().status == status
        assert client.ask(get("/next")).body == b"after"


def test_a_204_has_no_content_length() -> None:
    with serving(lambda _: Response(status=204)) as engine, Client.of(engine) as client:
        assert "content-length" not in client.ask(get())


def endless() -> Iterator[bytes]:
    while True:
        yield b"x" * 1000


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_a_stream_is_not_drawn_from_where_the_answer_has_no_body(method: str, status: int) -> None:
    def answer(request: Request) -> object:
        return Response(endless(), status) if request.path == "/" else b"after"

    with serving(answer) as engine, Client.of(engine) as client:
        assert client.ask(get("/", method=method)).status == status
        assert client.ask(get("/next")).body == b"after"


def test_a_target_may_be_absolute_and_then_names_the_host() -> None:
    with serving(lambda r: f"{r.path} {r.query} {r.authority}") as engine, Client.of(engine) as client:
        assert client.ask(get("http://elsewhere:81/a?b=c")).body == b"/a b=c elsewhere:81"


def test_options_may_be_asked_of_the_whole_server(client: Client) -> None:
    assert client.ask(get("*", method="OPTIONS")).body == b"OPTIONS * "


def test_connect_is_not_implemented(client: Client) -> None:
    assert client.ask(get("here:80", method="CONNECT")).status == 501


def test_methods_are_passed_on_as_they_are(client: Client) -> None:
    assert client.ask(get(method="propfind")).body == b"propfind / "


def test_an_empty_line_before_a_request_is_ignored(client: Client) -> None:
    client.send(b"\r\n" + get("/1") + b"\r\n" + get("/2"))
    assert [client.answer().body for _ in range(2)] == [b"GET /1 ", b"GET /2 "]


def test_a_client_that_has_finished_sending_gets_every_answer(client: Client) -> None:
    client.send(get("/1") + get("/2"))
    client.socket.shutdown(1)
    assert [client.answer().body for _ in range(2)] == [b"GET /1 ", b"GET /2 "]
    assert client.is_closed()


def test_unix_sockets_serve_it_too(address: str, driver: str) -> None:
    with serving(echo, address, driver=driver) as engine, Client.of(engine) as client:
        assert client.ask(post(b"hello", path="/x")).body == b"POST /x hello"


@pytest.mark.parametrize("options", [{"threads": 2}, {"sub_reactors": 2}, {"event_loop": True}])
def test_every_model_serves_it(options: dict[str, Any]) -> None:
    with serving(echo, **options) as engine, Client.of(engine) as client:
        for number in range(10):
            assert client.ask(post(b"x" * number)).body == b"POST / " + b"x" * number


def test_request_attributes_are_what_was_sent() -> None:
    seen: list[object] = []

    def look(request: Request) -> bytes:
        seen.extend([request.method, request.target, request.path, request.query, request.scheme, request.http_version])
        seen.extend([request.headers["X-One"], request.headers.get("none")])
        return b""

    with serving(look) as engine, Client.of(engine) as client:
        client.ask(get("/a%20b%2Fc?d=%20", "x-oNE: 1"))
    assert seen[:6] == ["GET", "/a%20b%2Fc?d=%20", "/a b/c", "d=%20", "http", "1.1"]
    assert seen[6:] == ["1", None]


def test_a_request_knows_its_client_when_another_has_taken_the_place() -> None:
    requests: list[Request] = []

    def keep(request: Request) -> str:
        requests.append(request)
        return str(request.peer)

    with serving(keep) as engine:
        for _ in range(2):
            with Client.of(engine) as client:
                client.ask(get())
            wait_until(lambda: engine.stats().total.connections == 0, "the end of the connection")
        with Client.of(engine) as client:
            client.ask(get())
            assert len({request.peer for request in requests}) == 3
