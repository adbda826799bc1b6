"""`wsgi.file_wrapper`: plain files go out natively, everything else piece by piece, and all are closed."""

import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from tests.helpers.waiting import wait_until
from tests.helpers.wsgi import TEXT, Environ, Start, ask, client_of, serving

CONTENT = bytes(range(251)) * 20_000

OPENED: dict[str, Callable[[Path], Any]] = {
    "buffered": lambda path: path.open("rb"),
    "raw": lambda path: path.open("rb", buffering=0),
    "both ways": lambda path: path.open("r+b"),
    "in memory": lambda path: io.BytesIO(path.read_bytes()),
}


class Files:
    """An application that answers with one file, and has those that it opened."""

    def __init__(self, path: Path, opener: Callable[[Path], Any], headers: list[tuple[str, str]] = TEXT) -> None:
        self.path, self.opener, self.headers = path, opener, headers
        self.opened: list[BinaryIO] = []
        self.skipped = 0

    def __call__(self, environ: Environ, start: Start) -> Any:
        file = self.opener(self.path)
        self.opened.append(file)
        file.seek(self.skipped)
        start("200 OK", self.headers)
        return environ["wsgi.file_wrapper"](file, 65_536)

    @property
    def closed(self) -> bool:
        return all(file.closed for file in self.opened)


@pytest.fixture
def path(tmp_path: Path, no_descriptor_left: None) -> Path:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    return path


@pytest.mark.parametrize("kind", OPENED)
@pytest.mark.parametrize("skipped", [0, 1000])
@pytest.mark.parametrize("threads", [0, 1])
def test_a_file_goes_out_from_where_it_stands(path: Path, threads: int, skipped: int, kind: str) -> None:
    app = Files(path, OPENED[kind])
    app.skipped = skipped
    with serving(app, threads) as engine, client_of(engine) as client:
        for _ in range(2):
            assert ask(client)[2] == CONTENT[skipped:]
        wait_until(lambda: app.closed, "the end of the files")


@pytest.mark.parametrize("threads", [0, 1])
def test_a_file_that_decompresses_is_sent_as_it_reads(path: Path, threads: int) -> None:
    path.write_bytes(gzip.compress(CONTENT))
    app = Files(path, gzip.GzipFile)
    with serving(app, threads) as engine, client_of(engine) as client:
        assert ask(client)[2] == CONTENT


@pytest.mark.parametrize("kind", ["buffered", "raw"])
@pytest.mark.parametrize("threads", [0, 1])
def test_a_plain_file_has_its_length_and_costs_no_memory(path: Path, threads: int, kind: str) -> None:
    app = Files(path, OPENED[kind])
    with serving(app, threads, high_water=2000, low_water=1000, max_output=2000) as engine, client_of(engine) as client:
        status, headers, body = ask(client)
        assert (status, headers["content-length"], body) == (200, str(len(CONTENT)), CONTENT)
        assert ask(client, "HEAD")[1]["content-length"] == str(len(CONTENT))


@pytest.mark.parametrize("threads", [0, 1])
def test_a_content_length_ends_a_file(path: Path, threads: int) -> None:
    app = Files(path, OPENED["buffered"], [("Content-Length", "1000")])
    with serving(app, threads) as engine, client_of(engine) as client:
        for _ in range(2):
            assert ask(client)[2] == CONTENT[:1000]


@pytest.mark.parametrize("threads", [0, 1])
def test_a_file_that_is_shorter_than_was_said_is_a_500(path: Path, threads: int) -> None:
    app = Files(path, OPENED["buffered"], [("Content-Length", str(len(CONTENT) + 1))])
    with serving(app, threads) as engine, client_of(engine) as client:
        assert ask(client)[0] == 500
        wait_until(lambda: app.closed, "the end of the files")
