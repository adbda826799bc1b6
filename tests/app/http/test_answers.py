"""What an application may answer, and what its mistakes become: a 500, a line in the log, and no harm to others."""

import logging
import re
import time
from email.utils import parsedate_to_datetime

import pytest

from floodway.app.message import Request, Response
from tests.helpers.http_client import Client, get, serving


def test_text_goes_out_as_utf_8() -> None:
    with serving(lambda _: "grüß") as engine, Client.of(engine) as client:
        answer = client.ask(get())
        assert (answer.body.decode(), answer["content-type"]) == ("grüß", "text/plain; charset=utf-8")


def test_bytes_go_out_as_they_are() -> None:
    with serving(lambda _: b"\0\xff") as engine, Client.of(engine) as client:
        answer = client.ask(get())
        assert (answer.body, answer["content-type"]) == (b"\0\xff", "application/octet-stream")


def test_a_response_has_status_and_headers_of_its_own() -> None:
    headers = [("Set-Cookie", "a"), ("Set-Cookie", "b"), ("Content-Type", "text/html")]
    with serving(lambda _: Response("hi", 404, headers)) as engine, Client.of(engine) as client:
        answer = client.ask(get())
        assert (answer.status, answer.body) == (404, b"hi")
        assert [pair for pair in answer.headers if pair in headers] == headers
        assert answer["content-type"] == "text/html"


def test_an_empty_answer_says_so() -> None:
    with serving(lambda _: b"") as engine, Client.of(engine) as client:
        answer = client.ask(get())
        assert (answer.body, answer["content-length"]) == (b"", "0")


@pytest.mark.parametrize("size", [1, 4095, 4096, 65_536, 3_000_000])
def test_an_answer_of_any_size_arrives_whole(size: int) -> None:
    body = bytes(number % 251 for number in range(size))
    with serving(lambda _: body) as engine, Client.of(engine) as client:
        for _ in range(3):
            assert client.ask(get()).body == body


def test_every_answer_has_the_date_of_its_second() -> None:
    with serving(lambda _: b"") as engine, Client.of(engine) as client:
        before = int(time.time())
        date = client.ask(get())["date"]
        after = time.time()
    assert re.fullmatch(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", date)
    assert before <= parsedate_to_datetime(date).timestamp() <= after


def test_the_date_goes_on_from_second_to_second() -> None:
    with serving(lambda _: b"") as engine, Client.of(engine) as client:
        first = date = client.ask(get())["date"]
        deadline = time.monotonic() + 20
        while date == first and time.monotonic() < deadline:
            date = client.ask(get())["date"]
    passed = parsedate_to_datetime(date) - parsedate_to_datetime(first)
    assert passed.total_seconds() >= 1


def test_the_server_says_its_name_unless_it_is_told_not_to() -> None:
    for name in ("floodway", "another", None):
        with serving(lambda _: b"", server_header=name) as engine, Client.of(engine) as client:
            answer = client.ask(get())
            assert [value for known, value in answer.headers if known == "server"] == [name] * (name is not None)


def test_an_application_may_give_date_and_server_itself() -> None:
    headers = {"Date": "then", "Server": "mine"}
    with serving(lambda _: Response(b"", headers=headers)) as engine, Client.of(engine) as client:
        answer = client.ask(get())
        assert (answer["date"], answer["server"]) == ("then", "mine")


WRONG = {
    "a line break in a value": Response(b"", headers={"Location": "/\r\nSet-Cookie: stolen=1"}),
    "LF in a value": Response(b"", headers={"A": "b\nc"}),
    "NUL in a value": Response(b"", headers={"A": "b\0c"}),
    "a line break in a name": Response(b"", headers={"A: b\r\nC": "d"}),
    "an empty name": Response(b"", headers={"": "d"}),
    "a value beyond latin-1": Response(b"", headers={"A": "\u20ac"}),
    "a status that is none": Response(b"", 99),
    "a status that is not final": Response(b"", 103),
    "a length that is too short": Response(b"body", headers={"Content-Length": "3"}),
    "a length that is too long": Response(b"body", headers={"Content-Length": "5"}),
    "a length that is none": Response(b"body", headers={"Content-Length": "four"}),
    "two lengths": Response(b"body", headers=[("Content-Length", "4"), ("content-length", "4")]),
    "a coding": Response(b"body", headers={"Transfer-Encoding": "gzip"}),
    "a line break in a stream's header": Response(iter([b"x"]), headers={"A": "b\r\nc"}),
    "a stream's status that is none": Response(iter([b"x"]), 1000),
    "no answer": None,
    "a number": 42,
    "a body that is none": Response(42),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("answer", WRONG.values(), ids=WRONG.keys())
def test_an_answer_that_cannot_be_sent_becomes_a_500_and_is_logged(
    caplog: pytest.LogCaptureFixture, answer: object
) -> None:
    with serving(lambda r: answer if r.path == "/wrong" else b"right") as engine, Client.of(engine) as client:
        wrong = client.ask(get("/wrong"))
        assert (wrong.status, wrong.body) == (500, b"Internal Server Error\n")
        assert "stolen" not in str(wrong.headers)
        assert client.ask(get()).body == b"right"
    errors = [one for one in caplog.records if one.levelno >= logging.WARNING]
    assert [one.getMessage()[:32] for one in errors] == ["the application raised for GET /"]


def test_an_exception_becomes_a_500_that_says_nothing_of_it(caplog: pytest.LogCaptureFixture) -> None:
    def fail(request: Request) -> bytes:
        raise RuntimeError("the secret")

    with serving(fail) as engine, Client.of(engine) as client:
        for _ in range(2):
            answer = client.ask(get())
            assert (answer.status, answer.body) == (500, b"Internal Server Error\n")
    assert [record.levelno for record in caplog.records].count(logging.ERROR) == 2
    assert "the secret" in caplog.text


def test_exceptions_by_the_thousand_do_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    def fail(request: Request) -> bytes:
        raise RuntimeError("again")

    with serving(fail) as engine, Client.of(engine) as client:
        client.send(get() * 500)
        assert {client.answer().status for _ in range(500)} == {500}
    assert len(caplog.records) < 100


def test_an_application_that_raises_after_ending_its_connection_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(request: Request) -> bytes:
        request.connection.abort()
        raise RuntimeError("mine")

    with serving(fail) as engine, Client.of(engine) as client:
        client.send(get())
        with pytest.raises(ConnectionResetError):
            client.rest()
    errors = [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]
    assert len(errors) == 1, errors


def test_a_wrong_answer_leaves_nothing_for_the_next_one_to_stumble_over(caplog: pytest.LogCaptureFixture) -> None:
    """A stream that could not be started is not gone on with when the client is behind with another answer."""
    large = b"x" * 3_000_000
    drawn: list[int] = []

    def pieces() -> object:
        drawn.append(1)
        yield b"never"

    def answer(request: Request) -> object:
        return Response(pieces(), headers={"A": "\n"}) if request.path == "/wrong" else large  # type: ignore[arg-type]

    with serving(answer) as engine, Client.of(engine, receive_buffer=4096) as client:
        assert client.ask(get("/wrong")).status == 500
        for _ in range(3):
            assert client.ask(get()).body == large
    assert drawn == []
