"""What our server and two parsers say about a request."""

import json
from typing import Any, NamedTuple

from floodway.app.message import Request
from tests.helpers.http_client import Client
from tests.helpers.optional import module


class Verdict(NamedTuple):
    """Whether a request is accepted, and then what it is: method, target, headers, body."""

    accepted: bool
    request: tuple[str, str, list[list[str]], str] | None = None
    status: int = 0
    """Ours: of the answer."""


REFUSED = Verdict(accepted=False)


def describe(request: Request) -> str:
    """The application that lets a client see what the server has understood."""
    headers = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in request.raw_headers]
    return json.dumps([request.method, request.target, headers, request.body.decode("latin-1")])


def ours(client: Client, data: bytes) -> Verdict:
    """What a server of ours with `describe` says."""
    client.send(data)
    answer = client.answer()
    if answer.status == 100:
        answer = client.answer()
    if answer.status != 200:
        return Verdict(accepted=False, status=answer.status)
    method, target, headers, body = json.loads(answer.body)
    return Verdict(accepted=True, request=(method, target, headers, body), status=200)


def of_h11(data: bytes) -> Verdict:
    """What h11 says. What it waits for the rest of is refused: each case is whole."""
    h11 = module("h11")
    connection = h11.Connection(h11.SERVER)
    request, body = None, b""
    try:
        connection.receive_data(data)
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage) and request is not None:
                headers = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in request.headers]
                method, target = request.method.decode("latin-1"), request.target.decode("latin-1")
                return Verdict(accepted=True, request=(method, target, headers, body.decode("latin-1")))
            else:
                return REFUSED
    except h11.RemoteProtocolError:
        return REFUSED


class _Events:
    """What httptools tells of the first request; of its headers those before the body."""

    def __init__(self) -> None:
        self.parser: Any = module("httptools").HttpRequestParser(self)
        self.target, self.body = b"", b""
        self.headers: list[list[str]] = []
        self.has_headers = False
        self.verdict = REFUSED

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.has_headers:
            self.headers.append([name.decode("latin-1").lower(), value.decode("latin-1")])

    def on_headers_complete(self) -> None:
        self.has_headers = True

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        if not self.verdict.accepted:
            words = self.parser.get_method(), self.target, self.body
            method, target, body = (word.decode("latin-1") for word in words)
            self.verdict = Verdict(accepted=True, request=(method, target, self.headers.copy(), body))


def of_httptools(data: bytes) -> Verdict:
    """What httptools (llhttp) says of the first request."""
    httptools = module("httptools")
    events = _Events()
    try:
        events.parser.feed_data(data)
    except (httptools.HttpParserUpgrade, httptools.HttpParserError):
        pass  # it may be the second
    return events.verdict
