"""Flask and Django run unchanged, with and without threads."""

import hashlib
import logging
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import flask
import pytest

from tests.helpers.wsgi import ask, client_of, serving

UPLOAD_BYTES = 64 << 20


def flask_application() -> flask.Flask:
    app = flask.Flask("shop")

    @app.get("/items/<int:number>")
    def item(number: int) -> dict[str, Any]:
        return {"number": number, "page": flask.request.args.get("page"), "host": flask.request.host}

    @app.post("/upload")
    def upload() -> dict[str, Any]:
        file = flask.request.files["file"]
        digest = hashlib.file_digest(file.stream, "sha256")  # type: ignore[arg-type]  # it reads, which is all it takes
        return {"name": file.filename, "digest": digest.hexdigest()}

    @app.post("/raw")
    def raw() -> str:
        digest = hashlib.sha256()
        while piece := flask.request.stream.read(1 << 16):
            digest.update(piece)
        return digest.hexdigest()

    @app.get("/stream")
    def stream() -> Iterator[str]:
        return (f"{number}\n" for number in range(1000))

    @app.get("/session")
    def session() -> flask.Response:
        answer = flask.make_response("", 302, {"Location": "/items/1"})
        answer.set_cookie("a", "b")
        answer.set_cookie("c", "d")
        return answer

    @app.get("/boom")
    def boom() -> str:
        raise ValueError("boom")

    return app


def django_application() -> Callable[..., Any]:
    import django  # type: ignore[import-untyped]
    from django.conf import settings  # type: ignore[import-untyped]
    from django.http import (  # type: ignore[import-untyped]
        HttpResponse,
        HttpResponseRedirect,
        JsonResponse,
        StreamingHttpResponse,
    )
    from django.urls import path  # type: ignore[import-untyped]

    def item(request: Any, number: int) -> Any:
        return JsonResponse({"number": number, "page": request.GET.get("page"), "host": request.get_host()})

    def upload(request: Any) -> Any:
        file = request.FILES["file"]
        digest = hashlib.sha256()
        for piece in file.chunks():
            digest.update(piece)
        return JsonResponse({"name": file.name, "digest": digest.hexdigest()})

    def raw(request: Any) -> Any:
        digest = hashlib.sha256()
        while piece := request.read(1 << 16):
            digest.update(piece)
        return HttpResponse(digest.hexdigest())

    def stream(request: Any) -> Any:
        return StreamingHttpResponse(f"{number}\n" for number in range(1000))

    def session(request: Any) -> Any:
        answer = HttpResponseRedirect("/items/1")
        answer.set_cookie("a", "b")
        answer.set_cookie("c", "d")
        return answer

    def boom(request: Any) -> Any:
        raise ValueError("boom")

    if not settings.configured:
        settings.configure(
            ALLOWED_HOSTS=["*"],
            SECRET_KEY="no secret",
            ROOT_URLCONF=(
                path("items/<int:number>", item),
                path("upload", upload),
                path("raw", raw),
                path("stream", stream),
                path("session", session),
                path("boom", boom),
            ),
            MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
            FILE_UPLOAD_TEMP_DIR=tempfile.gettempdir(),
            LOGGING_CONFIG=None,
        )
        django.setup(set_prefix=False)
    from django.core.handlers.wsgi import WSGIHandler  # type: ignore[import-untyped]

    made: Callable[..., Any] = WSGIHandler()
    return made


@pytest.fixture(params=["flask", "django"])
def application(request: pytest.FixtureRequest) -> Callable[..., Any]:
    return flask_application() if request.param == "flask" else django_application()


pytestmark = pytest.mark.parametrize("threads", [0, 1, 3])


def test_routes(application: Callable[..., Any], threads: int) -> None:
    with serving(application, threads) as engine, client_of(engine) as client:
        status, headers, body = ask(client, target="/items/7?page=2", headers={"Host": "shop.example:81"})
        assert (status, headers["content-type"]) == (200, "application/json")
        assert body.replace(b" ", b"").strip() in (
            b'{"host":"shop.example:81","number":7,"page":"2"}',
            b'{"number":7,"page":"2","host":"shop.example:81"}',
        )
        assert ask(client, target="/nothing")[0] == 404
        assert ask(client, "HEAD", "/items/7")[::2] == (200, b"")


def test_redirects_and_cookies(application: Callable[..., Any], threads: int) -> None:
    with serving(application, threads) as engine, client_of(engine) as client:
        client.request("GET", "/session")
        answer = client.getresponse()
        assert (answer.status, answer.getheader("Location")) == (302, "/items/1")
        assert [cookie.partition(";")[0] for cookie in answer.headers.get_all("Set-Cookie", [])] == ["a=b", "c=d"]


def test_a_streamed_answer(application: Callable[..., Any], threads: int) -> None:
    with serving(application, threads) as engine, client_of(engine) as client:
        _, headers, body = ask(client, target="/stream")
        assert headers["transfer-encoding"] == "chunked"
        assert body == b"".join(b"%d\n" % number for number in range(1000))


def test_an_exception_is_the_frameworks_500(
    application: Callable[..., Any], threads: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "django.request")
    with serving(application, threads) as engine, client_of(engine) as client:
        assert ask(client, target="/boom")[0] == 500
        assert ask(client, target="/items/1")[0] == 200
    assert "floodway.app.wsgi" not in caplog.text, "it is no error of the application to us"


@pytest.fixture
def upload(tmp_path: Path) -> tuple[Path, str]:
    """A file of 64 MiB, and its digest."""
    path = tmp_path / "upload"
    block = bytes(range(256)) * 4096
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for _ in range(UPLOAD_BYTES // len(block)):
            file.write(block)
            digest.update(block)
    return path, digest.hexdigest()


def test_an_upload_of_64_mib(application: Callable[..., Any], threads: int, upload: tuple[Path, str]) -> None:
    path, digest = upload
    options: dict[str, Any] = (
        {"max_body": 100 << 20} if threads == 0 else {}
    )  # without threads a body is kept until it is complete
    with serving(application, threads, **options) as engine, client_of(engine) as client, path.open("rb") as file:
        headers = {"Content-Length": str(UPLOAD_BYTES)}  # Django does not read a body whose length it is not told
        assert ask(client, "POST", "/raw", body=file, headers=headers)[2] == digest.encode()


def test_an_upload_in_a_form(application: Callable[..., Any], threads: int, upload: tuple[Path, str]) -> None:
    path, digest = upload
    options: dict[str, Any] = {"max_body": 100 << 20} if threads == 0 else {}
    head = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n'
    foot = b"\r\n--edge--\r\n"
    headers = {
        "Content-Type": "multipart/form-data; boundary=edge",
        "Content-Length": str(len(head) + UPLOAD_BYTES + len(foot)),
    }

    def form() -> Iterator[bytes]:
        yield head
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                yield piece
        yield foot

    with serving(application, threads, **options) as engine, client_of(engine) as client:
        status, _, body = ask(client, "POST", "/upload", body=form(), headers=headers)
        assert (status, digest in body.decode(), "a.bin" in body.decode()) == (200, True, True)
