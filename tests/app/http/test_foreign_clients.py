"""Clients that others wrote: each makes real exchanges, and finds nothing to complain about."""

import asyncio
import hashlib
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import floodway
from floodway.app.message import Request, Response
from tests.helpers.http_client import serving
from tests.helpers.optional import module
from tests.helpers.peers import port_of

MIB = 1 << 20
PIECE = bytes(number * 31 % 251 for number in range(65_537))
UPLOAD_BYTES = 64 * MIB


def application(request: Request) -> object:
    if request.path == "/stream":
        return Response(iter([PIECE] * 100))
    if request.path == "/fail":
        raise RuntimeError("mine")
    if request.path == "/none":
        return Response(status=204)
    return f"{request.method} {len(request.body)} {hashlib.sha256(request.body).hexdigest()}"


def said(method: str, body: bytes) -> str:
    return f"{method} {len(body)} {hashlib.sha256(body).hexdigest()}"


@pytest.fixture
def engine() -> Iterator[floodway.Engine]:
    with serving(application, max_body=2 * UPLOAD_BYTES) as engine:
        yield engine


@pytest.fixture
def url(engine: floodway.Engine) -> str:
    return f"http://127.0.0.1:{port_of(engine)}"


@pytest.fixture
def upload(tmp_path: Path) -> Path:
    file = tmp_path / "upload"
    file.write_bytes((PIECE * (UPLOAD_BYTES // len(PIECE) + 1))[:UPLOAD_BYTES])
    return file


def run(*command: str) -> str:
    """What a program prints, which has to end well. Skips where it is not installed."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_curl_keeps_its_connection(url: str, engine: floodway.Engine) -> None:
    connects = run(
        "curl", "-sS", "-o", "/dev/null", "-w", "%{http_code} %{num_connects}\n", url, "-o", "/dev/null", url
    )
    assert connects.split() == ["200", "1", "200", "0"]
    assert engine.stats().total.accepted == 1


@pytest.mark.parametrize("framing", ["Content-Length:", "Transfer-Encoding: chunked"])
def test_curl_uploads_64_mib_after_it_was_told_to_continue(url: str, upload: Path, framing: str) -> None:
    headers = ["-H", "Expect: 100-continue", *(["-H", framing] if "chunked" in framing else [])]
    text = run("curl", "-sS", "-i", "-T", str(upload), *headers, url + "/put")
    assert text.startswith("HTTP/1.1 100 Continue")
    assert text.endswith(said("PUT", upload.read_bytes()))


def test_curl_asks_for_the_head_alone(url: str) -> None:
    text = run("curl", "-sS", "-I", url)
    assert text.startswith("HTTP/1.1 200 OK")
    assert f"content-length: {len(said('HEAD', b''))}" in text


def test_curl_speaks_http_1_0(url: str) -> None:
    assert run("curl", "-sS", "--http1.0", url) == said("GET", b"")
    assert len(run("curl", "-sS", "--http1.0", "-o", "/dev/null", "-w", "%{size_download}", url + "/stream")) > 0


def test_curl_gets_a_stream_whole(url: str) -> None:
    size = run("curl", "-sS", "-o", "/dev/null", "-w", "%{size_download}", url + "/stream")
    assert int(size) == 100 * len(PIECE)


def test_curl_sees_why_its_upload_was_refused(upload: Path) -> None:
    with serving(application, max_body=MIB) as engine:
        text = run(
            "curl", "-sS", "-T", str(upload), "-H", "Expect: 100-continue", f"http://127.0.0.1:{port_of(engine)}/"
        )
    assert "body" in text


def test_wrk_finds_no_error(url: str) -> None:
    report = run("wrk", "-t1", "-c20", "-d1s", url)
    assert "Socket errors" not in report, report
    assert "Non-2xx" not in report, report


def test_ab_keeps_connections_of_http_1_0(url: str) -> None:
    report = run("ab", "-q", "-k", "-n", "2000", "-c", "20", url + "/")
    counts = dict(re.findall(r"^([\w -]+ requests):\s+(\d+)", report, re.MULTILINE))
    assert counts == {"Complete requests": "2000", "Failed requests": "0", "Keep-Alive requests": "2000"}


@pytest.mark.parametrize("path", ["/", "/stream"])
def test_h2load_finds_no_error_in_http_1(url: str, path: str) -> None:
    count = 2000 if path == "/" else 40
    report = run("h2load", "--h1", "-n", str(count), "-c", "20", url + path)
    assert f"{count} succeeded, 0 failed, 0 errored, 0 timeout" in report


def pieces() -> Iterator[bytes]:
    for _ in range(100):
        yield PIECE


def ask_with_httpx(url: str) -> None:
    with module("httpx").Client(base_url=url) as client:
        check_library(
            lambda method, path, body: body_of(client.request(method, path, content=body)),
            lambda: httpx_stream(client),
        )


def body_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.text


def httpx_stream(client: Any) -> int:
    with client.stream("GET", "/stream") as answer:
        return sum(map(len, answer.iter_raw()))


def ask_with_requests(url: str) -> None:
    with module("requests").Session() as session:
        check_library(
            lambda method, path, body: body_of(session.request(method, url + path, data=body, timeout=20)),
            lambda: sum(map(len, session.get(url + "/stream", stream=True, timeout=20).iter_content(10_000))),
        )


def ask_with_aiohttp(url: str) -> None:
    aiohttp = module("aiohttp")

    async def ask() -> None:
        async with aiohttp.ClientSession(url) as session:
            for method, path, body, expected in EXCHANGES:
                async with session.request(method, path, data=body) as answer:
                    assert (answer.status, await answer.text()) == expected
            async with session.post("/", data=asynchronous_pieces()) as answer:
                assert await answer.text() == said("POST", PIECE * 100)
            async with session.get("/stream") as answer:
                assert sum([len(piece) async for piece in answer.content.iter_chunked(10_000)]) == 100 * len(PIECE)

    asyncio.run(ask())


async def asynchronous_pieces() -> AsyncIterator[bytes]:
    for _ in range(100):
        yield PIECE


EXCHANGES: list[tuple[str, str, bytes | None, tuple[int, str]]] = [
    ("GET", "/", None, (200, said("GET", b""))),
    ("HEAD", "/", None, (200, "")),
    ("POST", "/", PIECE, (200, said("POST", PIECE))),
    ("DELETE", "/none", None, (204, "")),
    ("HEAD", "/stream", None, (200, "")),
    ("GET", "/fail", None, (500, "Internal Server Error\n")),
    ("PUT", "/", b"", (200, said("PUT", b""))),
]


def check_library(ask: Callable[[str, str, Any], tuple[int, str]], stream: Callable[[], int]) -> None:
    for method, path, body, expected in EXCHANGES:
        assert ask(method, path, body) == expected
    assert ask("POST", "/", pieces()) == (200, said("POST", PIECE * 100))
    assert stream() == 100 * len(PIECE)


# aiohttp gives a connection up after an answer to HEAD that says no length.
@pytest.mark.parametrize(("ask", "connections"), [(ask_with_httpx, 1), (ask_with_requests, 1), (ask_with_aiohttp, 2)])
def test_a_client_library_keeps_its_connection_over_all_its_exchanges(
    url: str, engine: floodway.Engine, ask: Callable[[str], None], connections: int
) -> None:
    ask(url)
    assert engine.stats().total.accepted == connections
