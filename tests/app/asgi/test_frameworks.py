"""FastAPI, Starlette, Litestar and Django run unchanged: JSON, streams, uploads, background work, state, files."""

import asyncio
import hashlib
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from floodway.testing import serving
from tests.helpers.waiting import wait_until

httpx = pytest.importorskip("httpx", reason="not on this platform: no frameworks")
fastapi = pytest.importorskip("fastapi", reason="not on this platform: no frameworks")
litestar = pytest.importorskip("litestar", reason="not on this platform: no frameworks")
starlette = pytest.importorskip("starlette", reason="not on this platform: no frameworks")

UPLOAD_BYTES = 64 << 20
PIECE = bytes(range(256)) * 256


class Journal(list[str]):
    """What an application did."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file.bin"
    path.write_bytes(PIECE * 50)
    return path


def fastapi_application(journal: Journal, file: Path) -> Any:
    from fastapi import BackgroundTasks, FastAPI, HTTPException, Request, UploadFile
    from fastapi.responses import FileResponse, StreamingResponse

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[dict[str, str]]:
        journal.append("started")
        yield {"database": "open"}
        journal.append("ended")

    app = FastAPI(lifespan=lifespan)

    async def item(number: int, page: int = 1) -> dict[str, int]:
        return {"number": number, "page": page}

    async def upload(request: Request) -> dict[str, str]:
        digest = hashlib.sha256()
        async for part in request.stream():
            digest.update(part)
        return {"digest": digest.hexdigest()}

    async def form(file: UploadFile) -> dict[str, Any]:
        digest = hashlib.sha256()
        while part := await file.read(1 << 20):
            digest.update(part)
        return {"name": file.filename, "digest": digest.hexdigest()}

    def stream() -> StreamingResponse:
        return StreamingResponse(iter([PIECE] * 100))

    async def events(request: Request) -> StreamingResponse:
        async def messages() -> AsyncIterator[str]:
            try:
                for number in range(1_000_000):
                    yield f"data: {number}\n\n"
                    await asyncio.sleep(0.001)
            finally:
                journal.append("events ended")

        return StreamingResponse(messages(), media_type="text/event-stream")

    def blocking() -> str:
        return threading.current_thread().name

    def background(tasks: BackgroundTasks) -> str:
        tasks.add_task(journal.append, "in the background")
        return "accepted"

    async def state(request: Request) -> str:
        return str(request.state.database)

    def missing() -> None:
        raise HTTPException(404, "no such thing")

    def broken() -> None:
        raise LookupError("broken")

    def download() -> FileResponse:
        return FileResponse(file)

    endpoints: dict[str, Any] = {
        "/items/{number}": item, "/stream": stream, "/events": events, "/blocking": blocking,
        "/background": background, "/state": state, "/missing": missing, "/broken": broken, "/file": download,
    }  # fmt: skip
    for path, endpoint in endpoints.items():
        app.get(path, response_model=None)(endpoint)
    app.post("/upload")(upload)
    app.post("/form")(form)
    return app


def starlette_application(journal: Journal, file: Path) -> Any:
    from starlette.applications import Starlette
    from starlette.background import BackgroundTask
    from starlette.exceptions import HTTPException
    from starlette.middleware import Middleware
    from starlette.middleware.base import BaseHTTPMiddleware
    from starlette.middleware.gzip import GZipMiddleware
    from starlette.requests import Request
    from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, StreamingResponse
    from starlette.routing import Route

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[dict[str, str]]:
        journal.append("started")
        yield {"database": "open"}
        journal.append("ended")

    async def item(request: Request) -> JSONResponse:
        page = int(request.query_params.get("page", "1"))
        return JSONResponse({"number": request.path_params["number"], "page": page})

    async def upload(request: Request) -> JSONResponse:
        digest = hashlib.sha256()
        async for part in request.stream():
            digest.update(part)
        return JSONResponse({"digest": digest.hexdigest()})

    async def form(request: Request) -> JSONResponse:
        async with request.form() as fields:
            sent: Any = fields["file"]
            digest = hashlib.sha256()
            while part := await sent.read(1 << 20):
                digest.update(part)
            return JSONResponse({"name": sent.filename, "digest": digest.hexdigest()})

    async def stream(request: Request) -> StreamingResponse:
        return StreamingResponse(iter([PIECE] * 100), headers={"content-encoding": "identity"})

    async def events(request: Request) -> StreamingResponse:
        async def messages() -> AsyncIterator[str]:
            try:
                for number in range(1_000_000):
                    yield f"data: {number}\n\n"
                    await asyncio.sleep(0.001)
            finally:
                journal.append("events ended")

        return StreamingResponse(messages(), media_type="text/event-stream")

    def blocking(request: Request) -> PlainTextResponse:
        return PlainTextResponse(threading.current_thread().name)

    async def background(request: Request) -> PlainTextResponse:
        return PlainTextResponse("accepted", background=BackgroundTask(journal.append, "in the background"))

    async def state(request: Request) -> JSONResponse:
        return JSONResponse(request.state.database)

    async def missing(request: Request) -> None:
        raise HTTPException(404, "no such thing")

    async def broken(request: Request) -> None:
        raise LookupError("broken")

    async def download(request: Request) -> FileResponse:
        return FileResponse(file)

    class Timing(BaseHTTPMiddleware):
        async def dispatch(self, request: Request, call_next: Any) -> Any:
            answer = await call_next(request)
            answer.headers["x-timed"] = "yes"
            return answer

    routes = [
        Route("/items/{number:int}", item), Route("/stream", stream), Route("/events", events),
        Route("/blocking", blocking), Route("/background", background), Route("/state", state),
        Route("/missing", missing), Route("/broken", broken), Route("/file", download),
        Route("/upload", upload, methods=["POST"]), Route("/form", form, methods=["POST"]),
    ]  # fmt: skip
    return Starlette(routes=routes, lifespan=lifespan, middleware=[Middleware(GZipMiddleware), Middleware(Timing)])


@pytest.fixture(params=[fastapi_application, starlette_application], ids=["fastapi", "starlette"])
def served(request: pytest.FixtureRequest, file: Path) -> Iterator[tuple[Any, Journal]]:
    journal = Journal()
    make: Callable[[Journal, Path], Any] = request.param
    with client_of(make(journal, file)) as client:
        assert journal == ["started"]
        yield client, journal
    assert journal[-1] == "ended"


@contextmanager
def client_of(application: Any) -> Iterator[Any]:
    with serving(application) as server, httpx.Client(base_url=server.url, timeout=30, trust_env=False) as client:
        yield client


def test_a_json_route(served: Any) -> None:
    client, _ = served
    assert client.get("/items/7", params={"page": 3}).json() == {"number": 7, "page": 3}
    assert client.get("/missing").status_code == 404
    assert client.get("/nowhere").status_code == 404


def test_lifespan_state(served: Any) -> None:
    client, _ = served
    assert client.get("/state").json() == "open"


def test_a_stream(served: Any) -> None:
    client, _ = served
    with client.stream("GET", "/stream") as answer:
        assert answer.headers["transfer-encoding"] == "chunked"
        assert b"".join(answer.iter_bytes()) == PIECE * 100


def test_server_sent_events_end_when_the_client_leaves(served: Any) -> None:
    client, journal = served
    with client.stream("GET", "/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        assert [next(lines) for _ in range(3)] == ["data: 0", "", "data: 1"]
    wait_until(lambda: "events ended" in journal)


def test_an_upload_of_64_mib(served: Any) -> None:
    client, _ = served
    pieces = [PIECE * 16] * (UPLOAD_BYTES // (len(PIECE) * 16))
    digest = hashlib.sha256(b"".join(pieces)).hexdigest()
    assert client.post("/upload", content=b"".join(pieces)).json() == {"digest": digest}
    assert client.post("/upload", content=iter(pieces)).json() == {"digest": digest}


@pytest.mark.slow
def test_an_upload_of_64_mib_in_a_form(served: Any) -> None:
    client, _ = served
    with tempfile.TemporaryFile() as file:
        file.write(PIECE * (UPLOAD_BYTES // len(PIECE)))
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        got = client.post("/form", files={"file": ("large.bin", file)}).json()
    assert got == {"name": "large.bin", "digest": digest}


def test_blocking_code_runs_on_a_thread_of_the_pool(served: Any) -> None:
    client, _ = served
    assert "AnyIO worker" in client.get("/blocking").text


def test_background_work_runs_after_the_answer(served: Any) -> None:
    client, journal = served
    assert "accepted" in client.get("/background").text
    wait_until(lambda: "in the background" in journal)


def test_a_file(served: Any, file: Path) -> None:
    client, _ = served
    assert client.get("/file").content == file.read_bytes()
    part = client.get("/file", headers={"range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, file.read_bytes()[10:20])


def test_an_exception_is_a_500_and_in_the_log(served: Any, caplog: pytest.LogCaptureFixture) -> None:
    client, _ = served
    assert client.get("/broken").status_code == 500
    assert client.get("/items/1").status_code == 200
    wait_until(lambda: "LookupError: broken" in caplog.text)


def test_litestar() -> None:
    from litestar import Litestar, Request, get, post
    from litestar.response import Stream

    @get("/items/{number:int}")
    async def item(request: Request[Any, Any, Any]) -> dict[str, int]:
        return {"number": request.path_params["number"]}

    @get("/stream")
    async def stream() -> Stream:
        return Stream(iter([PIECE] * 20))

    @post("/upload", request_max_body_size=None)
    async def upload(request: Request[Any, Any, Any]) -> int:
        return sum([len(part) async for part in request.stream()])

    @get("/blocking", sync_to_thread=True)
    def blocking() -> str:
        return "blocking"

    with client_of(Litestar([item, stream, upload, blocking])) as client:
        assert client.get("/items/3").json() == {"number": 3}
        assert client.get("/stream").content == PIECE * 20
        assert client.post("/upload", content=PIECE * 100).json() == len(PIECE) * 100
        assert client.get("/blocking").text == "blocking"


def test_django() -> None:
    command = [sys.executable, "-m", "floodway", "serve", "tests.helpers.django_application:application", ":0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as child:
        try:
            assert child.stderr is not None
            port = next(found[1] for line in child.stderr if (found := re.search(r"listening on .*:(\d+)$", line)))
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client:
                assert client.get("/items/3/?page=2").json() == {"number": 3, "page": "2"}
                assert client.get("/sync/").text == "sync"
                assert client.get("/stream/").content == PIECE * 20
                assert client.post("/upload/", content=PIECE * 100).json() == {"length": len(PIECE) * 100}
                assert client.get("/broken/").status_code == 500
                assert client.get("/nowhere/").status_code == 404
            child.terminate()
            assert child.wait(20) == 0
        finally:
            child.kill()
