"""What is refused, with which status; and that the client sees the answer although it is still sending."""

import logging
from collections.abc import Iterator

import pytest

from floodway.app.message import Request
from tests.helpers.http_client import Client, chunked, get, serving
from tests.helpers.waiting import wait_until

CHUNKS = get("/", "Transfer-Encoding: chunked", method="POST")

REFUSED = {
    "no HTTP": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"),
    "no version": (400, b"GET /\r\n\r\n"),
    "bare LF": (400, b"GET / HTTP/1.1\nHost: here\n\n"),
    "bare CR in a value": (400, get("/", "A: b\rc")),
    "NUL in a value": (400, get("/", "A: b\0c")),
    "a line that is folded": (400, get("/", "A: b", " c")),
    "white space before the colon": (400, get("/", "A : b")),
    "an invalid name": (400, get("/", "A(b): c")),
    "a name without a value": (400, get("/", "A")),
    "an empty name": (400, get("/", ": c")),
    "no host": (400, b"GET / HTTP/1.1\r\n\r\n"),
    "two hosts": (400, get("/", "Host: there")),
    "two spaces": (400, b"GET  / HTTP/1.1\r\nHost: here\r\n\r\n"),
    "a target with a space": (400, b"GET /a b HTTP/1.1\r\nHost: here\r\n\r\n"),
    "a relative target": (400, get("a")),
    "length beside chunks": (400, get("/", "Content-Length: 1", "Transfer-Encoding: chunked", method="POST")),
    "two lengths": (400, get("/", "Content-Length: 1", "Content-Length: 1", method="POST")),
    "a list of lengths": (400, get("/", "Content-Length: 1, 1", method="POST")),
    "a signed length": (400, get("/", "Content-Length: +1", method="POST")),
    "a length beyond 64 bits": (400, get("/", f"Content-Length: {2**64}", method="POST")),
    "chunks in HTTP/1.0": (400, get("/", "Transfer-Encoding: chunked", method="POST", version="1.0")),
    "a malformed chunk": (400, CHUNKS + b"x\r\n"),
    "a signed chunk": (400, CHUNKS + b"+1\r\nx\r\n"),
    "a chunk that is longer than it says": (400, CHUNKS + b"1\r\nxx\r\n"),
    "a chunk that ends in LF": (400, CHUNKS + b"1\nx\n0\n\n"),
    "a chunk beyond 64 bits": (400, CHUNKS + b"1" * 17 + b"\r\n"),
    "an endless extension": (400, CHUNKS + b"1;" + b"x" * 20_000),
    "endless trailers": (431, CHUNKS + b"0\r\n" + b"A: b\r\n" * 10_000),
    "a long body": (413, get("/", "Content-Length: 20000000", method="POST")),
    "a long body in chunks": (413, CHUNKS + b"1312d00\r\n"),
    "a long target": (414, get("/" + "x" * 9_000)),
    "a target without an end": (414, b"GET /" + b"x" * 9_000),
    "another expectation": (417, get("/", "Expect: nothing")),
    "a long head": (431, get("/", "A: " + "x" * 17_000)),
    "a head without an end": (431, get("/", "A: " + "x" * 17_000)[:-4]),
    "many headers": (431, get("/", *(f"A{number}: b" for number in range(101)))),
    "CONNECT": (501, get("here:80", method="CONNECT")),
    "another coding": (501, get("/", "Transfer-Encoding: gzip, chunked", method="POST")),
    "two codings": (501, get("/", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked", method="POST")),
    "HTTP/2.0": (505, b"GET / HTTP/2.0\r\nHost: here\r\n\r\n"),
    "HTTP/0.9": (505, b"GET / HTTP/0.9\r\nHost: here\r\n\r\n"),
    "the preface of HTTP/2": (505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
}


class Application:
    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, request: Request) -> bytes:
        self.asked += 1
        return b"served"


@pytest.fixture
def client(application: Application) -> Iterator[Client]:
    with serving(application) as engine, Client.of(engine) as client:
        yield client


@pytest.fixture
def application() -> Application:
    return Application()


@pytest.mark.parametrize(("status", "request_"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_refused_is_told_and_ends_the_connection(
    client: Client, application: Application, status: int, request_: bytes
) -> None:
    client.send(request_)
    answer = client.answer()
    assert (answer.status, answer.closes) == (status, True)
    assert client.is_closed()
    assert application.asked == 0


@pytest.mark.parametrize("name", ["bare LF", "a long target", "a long head", "a malformed chunk", "another coding"])
def test_a_refusal_does_not_depend_on_where_the_input_is_cut(client: Client, name: str) -> None:
    status, request = REFUSED[name]
    step = 1 if len(request) < 500 else 997
    for start in range(0, len(request), step):
        client.send(request[start : start + step])
    assert client.answer().status == status


def test_requests_before_one_that_is_refused_are_answered(client: Client) -> None:
    client.send(get() + get() + get("/", "A : b") + get())
    assert [client.answer().status for _ in range(3)] == [200, 200, 400]
    assert client.is_closed()


@pytest.mark.parametrize("name", ["a long body", "a long body in chunks", "another coding", "no host"])
def test_a_client_that_goes_on_sending_sees_why_it_was_refused(client: Client, name: str) -> None:
    status, request = REFUSED[name]
    client.send(request)
    for _ in range(8):  # less than what is discarded for its sake
        client.send(bytes(100_000))
    assert client.answer().status == status
    assert client.is_closed()


def test_a_client_that_goes_on_sending_for_ever_is_cut_off(client: Client) -> None:
    client.send(REFUSED["a long body"][1])
    # What is discarded, and what fits into the kernel's buffers.
    assert client.send_on(bytes(100_000), 100 << 20) < 32 << 20


def test_a_body_that_grows_too_long_in_chunks_is_refused_when_it_does() -> None:
    application = Application()
    with serving(application, max_body=1000) as engine, Client.of(engine) as client:
        assert client.ask(chunked(bytes(600), bytes(600))).status == 413
        assert application.asked == 0


def test_a_refusal_is_counted_and_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with serving(Application()) as engine:
        with Client.of(engine) as client:
            assert client.ask(get("/", "A : b")).status == 400
        wait_until(lambda: engine.stats().total.connections == 0, "the end of the connection")
        assert engine.stats().total.closed["refused"] == 1
    assert [one for one in caplog.records if one.levelno > logging.INFO] == []


@pytest.mark.parametrize("size", [20, 90])
def test_a_client_that_ends_within_a_request_gets_no_answer(
    client: Client, application: Application, size: int
) -> None:
    client.send((get("/", "Content-Length: 100", method="POST") + bytes(100))[:size])
    client.socket.shutdown(1)
    assert client.rest() == b""
    assert application.asked == 0
