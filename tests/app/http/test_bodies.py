"""Bodies of requests: how they are framed, wherever they are cut; and who is asked to send them."""

import hashlib
from collections.abc import Iterator

import pytest

from floodway.app.message import Request
from tests.helpers.http_client import Client, chunked, get, post, serving
from tests.helpers.waiting import wait_until

BODY = bytes(number * 31 % 251 for number in range(300_007))


def digest(request: Request) -> str:
    return f"{len(request.body)} {hashlib.sha256(request.body).hexdigest()}"


def digest_of(body: bytes) -> bytes:
    return f"{len(body)} {hashlib.sha256(body).hexdigest()}".encode()


@pytest.fixture
def client() -> Iterator[Client]:
    with serving(digest) as engine, Client.of(engine) as client:
        yield client


@pytest.mark.parametrize("step", [1, 7, 4096, 65_537])
def test_a_body_of_known_length_is_whole_however_it_is_sent(client: Client, step: int) -> None:
    body = BODY if step > 100 else BODY[:500]
    request = post(body)
    for start in range(0, len(request), step):
        client.send(request[start : start + step])
    assert client.answer().body == digest_of(body)


@pytest.mark.parametrize("step", [1, 7, 4096, 65_537])
@pytest.mark.parametrize("size", [1, 333, 70_000])
def test_a_body_in_chunks_is_whole_however_it_is_sent(client: Client, step: int, size: int) -> None:
    body = BODY if step * size > 20_000 else BODY[:500]
    request = chunked(*(body[start : start + size] for start in range(0, len(body), size)))
    for start in range(0, len(request), step):
        client.send(request[start : start + step])
    assert client.answer().body == digest_of(body)


def test_requests_with_and_without_bodies_may_follow_each_other_in_one_packet(client: Client) -> None:
    bodies = [b"", b"x" * 10, BODY, b"", b"y" * 70_000]
    client.send(b"".join(post(body) + chunked(body[:5], body[5:]) if body[5:] else post(body) for body in bodies))
    for body in bodies:
        for _ in range(1 + bool(body[5:])):
            assert client.answer().body == digest_of(body)


def test_an_empty_body_in_chunks_is_one(client: Client) -> None:
    assert client.ask(chunked()).body == digest_of(b"")


def test_trailers_and_extensions_of_chunks_are_read_past(client: Client) -> None:
    head = get("/", "Transfer-Encoding: chunked", method="POST")
    client.send(head + b'5;name="a;b"\r\nhello\r\n0;last\r\nTrailer: value\r\n\r\n' + post(b"next"))
    assert client.answer().body == digest_of(b"hello")
    assert client.answer().body == digest_of(b"next")


def test_a_client_that_expects_it_is_told_to_continue_before_the_body(client: Client) -> None:
    client.send(get("/", "Content-Length: 5", "Expect: 100-continue", method="POST"))
    assert client.answer().status == 100
    client.send(b"hello")
    assert client.answer().body == digest_of(b"hello")


def test_a_client_that_sends_its_body_at_once_need_not_be_told_to_continue(client: Client) -> None:
    answer = client.ask(post(b"hello", "Expect: 100-continue"))
    assert (answer.status, answer.body) == (200, digest_of(b"hello"))


def test_a_client_of_http_1_0_is_never_told_to_continue(client: Client) -> None:
    client.send(b"POST / HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    client.send(b"hello")
    assert client.answer().body == digest_of(b"hello")


def test_another_expectation_cannot_be_met(client: Client) -> None:
    assert client.ask(get("/", "Content-Length: 5", "Expect: a miracle", method="POST")).status == 417


def test_a_client_is_not_told_to_continue_with_a_body_that_is_too_long() -> None:
    with serving(digest, max_body=10) as engine, Client.of(engine) as client:
        client.send(get("/", "Content-Length: 11", "Expect: 100-continue", method="POST"))
        assert client.answer().status == 413
        assert client.is_closed()


def test_a_body_may_be_as_long_as_the_limit_says() -> None:
    with serving(digest, max_body=1000) as engine, Client.of(engine) as client:
        assert client.ask(post(BODY[:1000])).body == digest_of(BODY[:1000])
        assert client.ask(chunked(BODY[:600], BODY[600:1000])).body == digest_of(BODY[:1000])


def test_a_plain_function_takes_16_mib_unless_it_is_told_otherwise() -> None:
    body = bytes(16 << 20)
    with serving(digest) as engine:
        with Client.of(engine) as client:
            assert client.ask(post(body)).body == digest_of(body)
        with Client.of(engine) as client:
            client.send(get("/", f"Content-Length: {len(body) + 1}", method="POST"))
            assert client.answer().status == 413


def test_who_waits_for_a_100_on_a_connection_that_takes_no_output_harms_nobody(driver: str) -> None:
    def finish(request: Request) -> str:
        request.connection.reactor.call_soon(request.connection.write_eof)
        return "the last one"

    with serving(finish, driver=driver) as engine:
        with Client.of(engine) as client:
            assert client.ask(get()).body == b"the last one"
            assert client.is_closed()
            client.send(get("/", "Content-Length: 5", "Expect: 100-continue", method="POST"))
            wait_until(lambda: engine.stats().total.bytes_in > 100, "the request")
        with Client.of(engine) as other:
            assert other.ask(get()).status == 200
