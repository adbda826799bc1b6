"""What PEP 3333 demands of a server, with and without threads."""

import logging
import sys
from collections.abc import Iterable, Iterator
from typing import Any
from wsgiref.validate import validator

import pytest

from tests.helpers.peers import dial, read_to_end
from tests.helpers.wsgi import TEXT, Environ, Start, ask, client_of, serving

pytestmark = pytest.mark.parametrize("threads", [0, 1, 3])


def test_the_validator_finds_nothing_wrong(threads: int) -> None:
    def application(environ: Environ, start_response: Start) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.errors"].write("")
        start_response("200 OK", TEXT)
        return [body.upper()]

    with serving(validator(application), threads) as engine, client_of(engine) as client:
        assert ask(client)[::2] == (200, b"")
        assert ask(client, "POST", "/a%20b?c=d", body=b"abc")[::2] == (200, b"ABC")
        assert ask(client, "POST", body=b"a" * 1_000_000)[::2] == (200, b"A" * 1_000_000)
        status, headers, body = ask(client, "HEAD")
        assert (status, body) == (200, b"")
        assert headers["content-type"] == "text/plain"


def test_what_environ_has(threads: int) -> None:
    seen: list[Environ] = []

    def application(environ: Environ, start_response: Start) -> Iterable[bytes]:
        seen.append(environ | {"wsgi.input": environ["wsgi.input"].read()})
        start_response("204 No Content", [])
        return []

    with serving(application, threads, root_path="/shop") as engine, client_of(engine) as client:
        client.putrequest("PUT", "/shop/caf%C3%A9%2fx?a=%20b&c")
        client.putheader("Content-Type", "text/x")
        client.putheader("Content-Length", "2")
        client.putheader("X-One", "1")
        client.putheader("X-One", "2")
        client.putheader("X_One", "forged")
        client.putheader("Cookie", "a=b")
        client.putheader("Cookie", "c=d")
        client.endheaders(b"hi")
        client.getresponse().read()
        host, port = client.sock.getsockname()
        environ = seen[0]
        server = engine.addresses[0]
    assert environ == {
        "REQUEST_METHOD": "PUT",
        "SCRIPT_NAME": "/shop",
        "PATH_INFO": "/caf\xc3\xa9/x",
        "QUERY_STRING": "a=%20b&c",
        "CONTENT_TYPE": "text/x",
        "CONTENT_LENGTH": "2",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": str(getattr(server, "port", None)),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": "floodway",
        "REMOTE_ADDR": host,
        "REMOTE_PORT": str(port),
        "HTTP_HOST": f"127.0.0.1:{getattr(server, 'port', None)}",
        "HTTP_ACCEPT_ENCODING": "identity",
        "HTTP_X_ONE": "1,2",
        "HTTP_COOKIE": "a=b; c=d",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": b"hi",
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": threads > 1,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": environ["wsgi.file_wrapper"],
        "wsgi.input_terminated": True,
    }
    assert all(type(value) is str for name, value in environ.items() if not name.startswith("wsgi."))


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("GET http://other:81/x HTTP/1.1\r\nHost: here", {"PATH_INFO": "/x", "HTTP_HOST": "other:81"}),
        ("OPTIONS * HTTP/1.1\r\nHost: here", {"PATH_INFO": "", "REQUEST_METHOD": "OPTIONS"}),
        ("GET /a?b HTTP/1.0", {"SERVER_PROTOCOL": "HTTP/1.0", "QUERY_STRING": "b", "HTTP_HOST": None}),
        ("GET /%zz%4 HTTP/1.1\r\nHost: here", {"PATH_INFO": "/%zz%4"}),
    ],
)
def test_targets_of_other_forms(threads: int, head: str, expected: dict[str, str | None]) -> None:
    seen: list[Environ] = []

    def application(environ: Environ, start_response: Start) -> Iterable[bytes]:
        seen.append(environ)
        start_response("200 OK", TEXT)
        return [b"x"]

    with serving(application, threads) as engine, dial(engine) as peer:
        peer.sendall(f"{head}\r\nConnection: close\r\n\r\n".encode())
        assert read_to_end(peer).endswith(b"x")
    assert {name: seen[0].get(name) for name in expected} == expected


def test_a_path_that_only_looks_like_the_root_path_stays(threads: int) -> None:
    def application(environ: Environ, start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", TEXT)
        return [environ["PATH_INFO"].encode()]

    with serving(application, threads, root_path="/shop") as engine, client_of(engine) as client:
        assert ask(client, target="/shopping")[2] == b"/shopping"
        assert ask(client, target="/shop")[2] == b""


def test_a_unix_socket_has_a_server_name_too(threads: int, tmp_path: Any) -> None:
    def application(environ: Environ, start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", TEXT)
        return [f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']} {environ['REMOTE_ADDR']!r}".encode()]

    with serving(validator(application), threads, address=f"unix://{tmp_path}/s") as engine, dial(engine) as peer:
        peer.sendall(b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        assert b"localhost:80 ''" in read_to_end(peer)


def test_a_chunked_body_ends_by_itself(threads: int) -> None:
    def application(environ: Environ, start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", TEXT)
        return [environ["wsgi.input"].read() + environ["wsgi.input"].read(5)]

    with serving(application, threads) as engine, client_of(engine) as client:
        pieces = [b"ab", b"c" * 300_000, b"d"]
        assert ask(client, "POST", body=iter(pieces), encode_chunked=True)[2] == b"".join(pieces)
        assert ask(client, "POST", body=iter([b"1", b"2"]), encode_chunked=True)[2] == b"12"


def test_lines_of_a_body(threads: int) -> None:
    def application(environ: Environ, start_response: Start) -> Iterable[bytes]:
        body = environ["wsgi.input"]
        first, some, rest = body.readline(), body.readlines(1), list(body)
        start_response("200 OK", TEXT)
        return [b"|".join([first, *some, *rest])]

    with serving(application, threads) as engine, client_of(engine) as client:
        lines = [b"%d" % number * 1000 + b"\n" for number in range(200)]
        assert ask(client, "POST", body=b"".join(lines))[2] == b"|".join(lines)


def test_one_piece_gets_a_length_and_an_iterator_chunks(threads: int) -> None:
    def application(environ: Environ, start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", TEXT)
        if environ["PATH_INFO"] == "/list":
            return [b"ab", b"", b"c"]
        if environ["PATH_INFO"] == "/nothing":
            return []
        return (piece for piece in [b"", b"ab", b"", b"c"])

    with serving(application, threads) as engine, client_of(engine) as client:
        _, headers, body = ask(client, target="/list")
        assert (headers["content-length"], body) == ("3", b"abc")
        _, headers, body = ask(client, target="/nothing")
        assert (headers["content-length"], body) == ("0", b"")
        _, headers, body = ask(client, target="/iterator")
        assert (headers["transfer-encoding"], body) == ("chunked", b"abc")


def test_pieces_go_out_as_they_come(threads: int) -> None:
    def application(environ: Environ, start_response: Start) -> Iterator[bytes]:
        start_response("200 OK", [*TEXT, ("Content-Length", "2")])
        yield b"a"
        yield b"b"

    with serving(application, threads) as engine, client_of(engine) as client:
        client.request("GET", "/")
        answer = client.getresponse()
        assert answer.read(1) == b"a"
        assert answer.read() == b"b"


def test_write_sends_before_the_iterable(threads: int) -> None:
    def application(environ: Environ, start_response: Start) -> Iterable[bytes]:
        write = start_response("200 OK", TEXT)
        write(b"a")
        write(b"")
        write(b"b")
        return [b"c"]

    with serving(application, threads) as engine, client_of(engine) as client:
        assert ask(client)[2] == b"abc"


def test_reason_and_headers_go_out_as_given(threads: int) -> None:
    def application(environ: Environ, start_response: Start) -> Iterable[bytes]:
        start_response("299 Rather fine", [("X-Name", "caf\xe9"), ("Set-Cookie", "a=b"), ("Set-Cookie", "c=d")])
        return [b""]

    with serving(application, threads) as engine, dial(engine) as peer:
        peer.sendall(b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        lines = read_to_end(peer).split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 299 Rather fine"
    assert [line for line in lines if line.startswith((b"X-", b"Set"))] == [
        b"X-Name: caf\xe9",
        b"Set-Cookie: a=b",
        b"Set-Cookie: c=d",
    ]


@pytest.mark.parametrize(
    ("status", "headers", "text"),
    [
        ("200", [], "is no status"),
        ("2x0 OK", [], "is no status"),
        ("100 Continue", [], "100 is not the status of an answer"),
        (b"200 OK", [], "the status is a str"),
        ("200 OK\r\nX: y", [], "control character"),
        ("200 OK", (), "headers are a list"),
        ("200 OK", [["a", "b"]], "a tuple of two str"),
        ("200 OK", [("a", "b", "c")], "a tuple of two str"),
        ("200 OK", [("a", 1)], "a tuple of two str"),
        ("200 OK", [(b"a", "b")], "a tuple of two str"),
        ("200 OK", [("a b", "c")], "not the name of a header"),
        ("200 OK", [("a", "b\r\nc: d")], "control character"),
        ("200 OK", [("a", "\u20ac")], "beyond latin-1"),
        ("200 OK", [("Content-Length", "x")], "content-length"),
        ("200 OK", [("Content-Length", "1"), ("Content-Length", "1")], "content-length"),
        ("200 OK", [("Transfer-Encoding", "chunked")], "hop-by-hop"),
        ("200 OK", [("CONNECTION", "close")], "hop-by-hop"),
        ("200 OK", [("Keep-Alive", "9")], "hop-by-hop"),
        ("200 OK", [("upgrade", "x")], "hop-by-hop"),
    ],
)
def test_start_response_refuses_what_cannot_be_sent(threads: int, status: Any, headers: Any, text: str) -> None:
    def application(environ: Environ, start_response: Start) -> Iterable[bytes]:
        with pytest.raises((TypeError, ValueError)) as caught:
            start_response(status, headers)
        start_response("200 OK", TEXT)  # what was refused leaves nothing behind
        return [str(caught.value).encode()]

    with serving(application, threads) as engine, client_of(engine) as client:
        got, _, body = ask(client)
        assert (got, text in body.decode()) == (200, True), body


def test_exc_info_replaces_a_head_that_has_not_gone_out(threads: int) -> None:
    def application(environ: Environ, start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", [("X-First", "1")])
        try:
            raise KeyError("late")
        except KeyError:
            start_response("503 Sorry", [("X-Second", "2")], sys.exc_info())
        return [b"sorry"]

    with serving(application, threads) as engine, client_of(engine) as client:
        status, headers, body = ask(client)
        assert (status, body, "x-first" in headers, headers["x-second"]) == (503, b"sorry", False, "2")


def test_exc_info_raises_once_the_head_has_gone_out(threads: int, caplog: pytest.LogCaptureFixture) -> None:
    raised: list[BaseException] = []

    def application(environ: Environ, start_response: Start) -> Iterator[bytes]:
        start_response("200 OK", TEXT)
        yield b"x"
        try:
            raise KeyError("late")
        except KeyError:
            try:
                start_response("500 Sorry", TEXT, sys.exc_info())
            except KeyError as error:
                raised.append(error)
                raise

    with serving(application, threads) as engine, dial(engine) as peer:
        peer.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            read_to_end(peer)
    assert [type(error) for error in raised] == [KeyError]
    assert "the application raised for GET / from" in caplog.text


def test_a_second_call_without_exc_info_is_refused(threads: int) -> None:
    def application(environ: Environ, start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", TEXT)
        with pytest.raises(RuntimeError, match="called twice"):
            start_response("200 OK", TEXT)
        return [b"x"]

    with serving(application, threads) as engine, client_of(engine) as client:
        assert ask(client)[::2] == (200, b"x")


def _raises(environ: Environ, start_response: Start) -> Iterable[bytes]:
    raise ValueError("boom")


def _raises_when_drawn_from(environ: Environ, start_response: Start) -> Iterator[bytes]:
    start_response("200 OK", TEXT)
    yield b""
    raise ValueError("boom")


def _never_starts(environ: Environ, start_response: Start) -> Iterable[bytes]:
    return [b"x"]


def _returns_text(environ: Environ, start_response: Start) -> Iterable[str]:
    start_response("200 OK", TEXT)
    return ["x"]


def _returns_bytes(environ: Environ, start_response: Start) -> bytes:
    start_response("200 OK", TEXT)
    return b"x"


def _returns_nothing(environ: Environ, start_response: Start) -> None:
    start_response("200 OK", TEXT)


def _lies_about_its_length(environ: Environ, start_response: Start) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Length", "5")])
    return [b"x"]


@pytest.mark.parametrize(
    "application",
    [
        _raises,
        _raises_when_drawn_from,
        _never_starts,
        _returns_text,
        _returns_bytes,
        _returns_nothing,
        _lies_about_its_length,
    ],
)
def test_an_error_before_the_first_piece_is_a_500(
    threads: int, application: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(application, threads) as engine, client_of(engine) as client:
        assert ask(client, target="/x")[::2] == (500, b"Internal Server Error\n")
        assert ask(client, target="/x")[0] == 500, "the connection goes on"
    assert caplog.text.count("the application raised for GET /x from") == 2


def _fails_later(environ: Environ, start_response: Start) -> Iterator[bytes]:
    start_response("200 OK", TEXT)
    yield b"x"
    raise ValueError("boom")


def _sends_too_much(environ: Environ, start_response: Start) -> Iterator[bytes]:
    start_response("200 OK", [("Content-Length", "3")])
    yield b"ab"
    yield b"cd"


def _sends_too_little(environ: Environ, start_response: Start) -> Iterator[bytes]:
    start_response("200 OK", [("Content-Length", "3")])
    yield b"ab"


@pytest.mark.parametrize("application", [_fails_later, _sends_too_much, _sends_too_little])
def test_an_error_after_the_first_piece_ends_the_connection(
    threads: int, application: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(application, threads) as engine, dial(engine) as peer:
        peer.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            read_to_end(peer)
    assert "the application raised for GET / from" in caplog.text


class Pieces:
    """An iterable that says whether it was closed."""

    def __init__(self, pieces: Iterable[bytes], error: Exception | None = None) -> None:
        self.pieces = iter(pieces)
        self.error = error
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        return self.pieces

    def close(self) -> None:
        self.closed += 1
        if self.error is not None:
            raise self.error


def _failing() -> Iterator[bytes]:
    yield b"x"
    raise ValueError("boom")


@pytest.mark.parametrize("what", ["complete", "empty", "failing", "unstarted"])
def test_the_iterable_is_closed_once_whatever_happens(threads: int, what: str) -> None:
    pieces = Pieces({"complete": [b"a", b"b"], "empty": [], "failing": _failing(), "unstarted": [b"a"]}[what])

    def application(environ: Environ, start_response: Start) -> Pieces:
        if what != "unstarted":
            start_response("200 OK", TEXT)
        return pieces

    with serving(application, threads) as engine, dial(engine) as peer:
        peer.sendall(b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        try:
            read_to_end(peer)
        except ConnectionResetError:
            assert what == "failing"
    assert pieces.closed == 1


def test_an_error_of_close_is_logged_and_the_answer_stands(threads: int, caplog: pytest.LogCaptureFixture) -> None:
    def application(environ: Environ, start_response: Start) -> Pieces:
        start_response("200 OK", TEXT)
        return Pieces([b"fine"], ValueError("at the end"))

    with serving(application, threads) as engine, client_of(engine) as client:
        assert ask(client)[::2] == (200, b"fine")
        assert ask(client)[::2] == (200, b"fine")
    assert "at the end" in caplog.text


def test_the_iterable_is_closed_when_the_client_leaves(threads: int, caplog: pytest.LogCaptureFixture) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b"x" * 100_000

    pieces = Pieces(endless())

    def application(environ: Environ, start_response: Start) -> Pieces:
        start_response("200 OK", TEXT)
        return pieces

    with serving(application, threads) as engine, dial(engine) as peer:
        peer.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        assert peer.recv(1000)
        peer.close()
    assert pieces.closed == 1
    assert [record for record in caplog.records if record.levelno > logging.WARNING] == []


def test_the_file_wrapper_sends_a_file_and_closes_it(threads: int, tmp_path: Any) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * 4000)
    files = []

    def application(environ: Environ, start_response: Start) -> Iterable[bytes]:
        files.append(path.open("rb"))
        start_response("200 OK", [("Content-Length", str(path.stat().st_size))])
        wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](files[0], 65_536)
        return wrapped

    with serving(application, threads) as engine, client_of(engine) as client:
        assert ask(client)[2] == path.read_bytes()
    assert files[0].closed


def test_head_has_the_length_and_no_body(threads: int) -> None:
    def application(environ: Environ, start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", TEXT)
        return [b"abc"]

    with serving(application, threads) as engine, client_of(engine) as client:
        _, headers, body = ask(client, "HEAD")
        assert (headers["content-length"], body) == ("3", b"")
        assert ask(client)[2] == b"abc", "the connection is in order"


def test_pipelined_requests_are_answered_in_order(threads: int) -> None:
    def application(environ: Environ, start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", TEXT)
        return [environ["PATH_INFO"].encode()]

    with serving(application, threads) as engine, dial(engine) as peer:
        requests = [f"GET /{number} HTTP/1.1\r\nHost: here\r\n\r\n" for number in range(10)]
        last = "GET /last HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"
        peer.sendall("".join([*requests, last]).encode())
        text = read_to_end(peer)
    bodies = [one.partition(b"\r\n\r\n")[2] for one in text.split(b"HTTP/1.1 200 OK\r\n")[1:]]
    assert bodies == [b"/%d" % number for number in range(10)] + [b"/last"]


def test_an_answer_beyond_every_mark_arrives_whole(threads: int) -> None:
    body = bytes(range(256)) * 40_000  # 10 MiB

    def application(environ: Environ, start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", TEXT)
        return [body] if environ["PATH_INFO"] == "/list" else (body for _ in range(2))

    with serving(application, threads) as engine, client_of(engine) as client:
        assert ask(client, target="/list")[2] == body
        assert ask(client, target="/iterator")[2] == body * 2


def test_system_exit_stops_the_engine(threads: int) -> None:
    def application(environ: Environ, start_response: Start) -> Iterable[bytes]:
        raise SystemExit(7)

    with serving(application, threads) as engine, dial(engine) as peer:
        peer.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        with pytest.raises(SystemExit) as caught:
            engine.join()
    assert caught.value.code == 7
