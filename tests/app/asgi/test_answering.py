"""`send`: what becomes of an application's messages on the wire."""

import asyncio
from typing import Any

import pytest

from tests.helpers.asgi import Answer, Client, Receive, Scope, Send, answer, request, serving


def answered(*messages: dict[str, Any], method: str = "GET", raw: bytes | None = None) -> tuple[Answer, bool]:
    """The answer that these messages become, and whether the connection stays."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/again":
            return await answer(send, b"again")
        for message in messages:
            await send(message)
        return None

    with serving(application) as engine, Client(engine) as client:
        client.send(raw or request(method=method))
        first = client.read(method=method)
        try:
            stays = client.get("/again").body == b"again"
        except (EOFError, OSError):
            stays = False
    return first, stays


def start(status: int = 200, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def body(content: bytes = b"", more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": content, "more_body": more}


@pytest.mark.parametrize("size", [0, 1, 5000, 100_000, 3_000_000])
def test_an_answer_in_one_piece_has_its_length(size: int) -> None:
    got, stays = answered(start(), body(b"x" * size))
    assert (got.status, got.body) == (200, b"x" * size)
    assert got.headers["content-length"] == str(size)
    assert stays


def test_an_answer_in_pieces_is_chunked() -> None:
    got, stays = answered(start(), body(b"one", True), body(b"", True), body(b"two" * 9000, True), body(b"three"))
    assert got.body == b"one" + b"two" * 9000 + b"three"
    assert got.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in got.headers
    assert stays


def test_a_length_that_the_application_gives_is_kept() -> None:
    got, stays = answered(start(200, (b"Content-Length", b"6")), body(b"one", True), body(b"two"))
    assert (got.headers["content-length"], got.body) == ("6", b"onetwo")
    assert "transfer-encoding" not in got.headers
    assert stays


def test_messages_may_leave_out_what_has_a_default() -> None:
    got, stays = answered({"type": "http.response.start", "status": 201}, {"type": "http.response.body"})
    assert (got.status, got.body) == (201, b"")
    assert stays


def test_more_body_without_a_body_is_an_empty_piece() -> None:
    got, stays = answered(start(), {"type": "http.response.body", "more_body": True}, {"type": "http.response.body"})
    assert (got.status, got.body) == (200, b"")
    assert stays


def test_headers_may_be_lists_tuples_or_any_iterable() -> None:
    headers = ([name, value] for name, value in [(b"x-a", b"1"), (b"x-a", b"2")])
    got, _ = answered({"type": "http.response.start", "status": 200, "headers": headers}, body(b"x"))
    assert got.headers["x-a"] == "1, 2"


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_a_body_may_be_any_bytes(kind: Any) -> None:
    got, _ = answered(start(), {"type": "http.response.body", "body": kind(b"abc")})
    assert got.body == b"abc"


def test_head_gets_the_headers_of_get_and_no_body() -> None:
    got, stays = answered(start(200, (b"content-length", b"3")), body(b"abc"), method="HEAD")
    assert got.headers["content-length"] == "3"
    assert stays
    got, stays = answered(start(), body(b"abc", True), body(b"d"), method="HEAD")
    assert stays


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_content_has_no_body(status: int) -> None:
    got, stays = answered(start(status), body())
    assert got.status == status
    assert got.headers.keys().isdisjoint({"content-length", "transfer-encoding"})
    assert stays


def test_http_1_0_gets_no_chunks() -> None:
    got, stays = answered(start(), body(b"one", True), body(b"two"), raw=b"GET / HTTP/1.0\r\n\r\n")
    assert got.body == b"onetwo"
    assert "transfer-encoding" not in got.headers
    assert not stays


def test_http_1_0_with_keep_alive_stays_when_the_length_is_known() -> None:
    got, stays = answered(start(), body(b"one"), raw=b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert got.headers["connection"] == "keep-alive"
    assert stays


def test_an_application_can_close() -> None:
    got, stays = answered(start(200, (b"Connection", b"close")), body(b"bye"))
    assert (got.headers["connection"], got.body) == ("close", b"bye")
    assert not stays


def test_a_client_can_close() -> None:
    got, stays = answered(start(), body(b"bye"), raw=request(headers="Connection: close\r\n"))
    assert got.headers["connection"] == "close"
    assert not stays


def test_date_and_server_are_added_unless_the_application_has_them() -> None:
    got, _ = answered(start(), body())
    assert got.headers["server"] == "floodway"
    assert got.headers["date"].endswith(" GMT")
    got, _ = answered(start(200, (b"server", b"mine"), (b"date", b"today")), body())
    assert (got.headers["server"], got.headers["date"]) == ("mine", "today")


def test_the_head_goes_out_with_the_first_piece() -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        await asyncio.sleep(0.01)
        raise LookupError("before anything was sent")  # so there can still be a 500

    with serving(application) as engine, Client(engine) as client:
        assert client.get().status == 500


def test_an_empty_first_piece_sends_the_head_alone() -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        await send(body(b"", True))
        message = await receive()
        while message["type"] != "http.disconnect":
            message = await receive()

    with serving(application) as engine, Client(engine) as client:
        client.send(request())
        assert client.read_head()[0] == 200


def test_a_thousand_requests_on_a_connection() -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].endswith("7"):
            await asyncio.sleep(0)
        await answer(send, scope["path"].encode())

    with serving(application) as engine, Client(engine) as client:
        for number in range(1000):
            assert client.get(f"/{number}").body == b"/%d" % number
