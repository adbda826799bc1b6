"""`floodway.testing`: servers for the tests of applications."""

import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.request import urlopen

import pytest

import floodway
from floodway.testing import serving


def hello(request: floodway.Request) -> str:
    return f"hello from {request.path}"


async def asgi(scope: dict[str, object], receive: object, send: object) -> None:
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})  # type: ignore[operator]
        await send({"type": "http.response.body", "body": b"asgi"})  # type: ignore[operator]


class Echo(floodway.Handler):
    def on_data(self, conn: floodway.Connection, data: bytes) -> None:
        conn.write(data)


def read(url: str) -> bytes:
    with urlopen(url, timeout=20) as answer:
        return bytes(answer.read())


@pytest.mark.usefixtures("no_descriptor_left")
def test_an_application_is_served_until_the_block_is_left() -> None:
    with serving(hello) as server:
        assert server.url == f"http://127.0.0.1:{server.port}"
        assert read(f"{server.url}/a") == b"hello from /a"
        assert server.engine.stats().total.accepted == 1
    with pytest.raises(OSError):
        read(server.url)


def test_every_interface_is_served() -> None:
    with serving(asgi) as server:
        assert read(server.url) == b"asgi"
    with serving(Echo()) as server:
        assert server.url.startswith("tcp://127.0.0.1:")


def test_options_are_those_of_serve() -> None:
    with serving(lambda: hello, factory=True, server_header=None) as server, urlopen(server.url, timeout=20) as answer:
        assert answer.headers["server"] is None


def test_what_is_no_server_of_this_process_is_refused() -> None:
    with pytest.raises(ValueError, match="leave workers and reload out"), serving(hello, workers=2):
        pass


def test_the_fixture_serves_until_the_end_of_the_test(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["floodway.testing.plugin"]\n')
    (tmp_path / "test_app.py").write_text(
        textwrap.dedent("""
            from urllib.request import urlopen

            def test_greeting(floodway_serve):
                server = floodway_serve(lambda request: "hello", server_header="mine")
                with urlopen(server.url) as answer:
                    assert (answer.read(), answer.headers["server"]) == (b"hello", "mine")
        """)
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


def test_pytest_is_imported_by_the_plugin_alone() -> None:
    script = "import sys, floodway.testing; assert 'pytest' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_the_threads_of_wsgi_are_as_many_as_it_is_told() -> None:
    names: set[str] = set()
    together = threading.Barrier(2, timeout=20)

    def wsgi(environ: dict[str, object], start_response: Callable[..., object]) -> list[bytes]:
        names.add(threading.current_thread().name)
        together.wait()
        start_response("200 OK", [])
        return [b"done"]

    with serving(wsgi, threads=2) as server, ThreadPoolExecutor(2) as clients:
        assert list(clients.map(read, [server.url] * 2)) == [b"done"] * 2
    assert len(names) == 2
