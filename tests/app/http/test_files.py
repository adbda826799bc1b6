"""Files as bodies: read as they are sent, in bounded parts, and closed whatever happens."""

import asyncio
import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import floodway
from floodway.app.interface import load_application
from floodway.app.message import Request, Response
from floodway.config import ApplicationOptions
from tests.helpers.certificates import Authority
from tests.helpers.http_client import Client, get
from tests.helpers.peers import dial, reset
from tests.helpers.waiting import wait_until

MIB = 1 << 20
SIZES = [0, 1, 4096, 65_536, 262_144, 262_145, 5 * MIB + 1]


def content(size: int) -> bytes:
    return (bytes(range(251)) * (size // 251 + 1))[:size]


class Server:
    """Serves the files of a folder, over one of the transports."""

    def __init__(self, folder: Path, transport: str, driver: Any, authority: Authority) -> None:
        self.folder, self.transport, self.driver, self.authority = folder, transport, driver, authority

    def make(self, name: str, size: int) -> bytes:
        data = content(size)
        (self.folder / name).write_bytes(data)
        return data

    @contextlib.contextmanager
    def serving(self, app: Callable[..., object], **options: Any) -> Iterator[floodway.Engine]:
        handler = load_application(app, ApplicationOptions())
        address = {"tcp": "tcp://127.0.0.1:0", "unix": f"unix://{self.folder}/socket", "tls": "tls://127.0.0.1:0"}
        if self.transport == "tls":
            options["tls"] = self.authority.config
        with floodway.Engine(handler, address[self.transport], driver=self.driver, **options) as engine:
            yield engine

    def client(self, engine: floodway.Engine, **options: Any) -> Client:
        peer = dial(engine, **options)
        if self.transport == "tls":
            peer = self.authority.context().wrap_socket(peer, server_hostname="localhost")
        return Client(peer)

    def file(self, request: Request) -> Response:
        return Response(self.folder / request.path[1:])

    async def file_later(self, request: Request) -> Response:
        await asyncio.sleep(0)
        return self.file(request)

    async def path_sent(self, scope: Any, receive: Any, send: Any) -> None:
        """An ASGI application."""
        if scope["type"] != "http":
            raise NotImplementedError
        assert scope["extensions"]["http.response.pathsend"] == {}
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.pathsend", "path": str(self.folder / scope["path"][1:])})


@pytest.fixture(params=["tcp", "unix", "tls"])
def server(
    request: pytest.FixtureRequest, tmp_path: Path, driver: str, authority: Authority, no_descriptor_left: None
) -> Server:
    return Server(tmp_path, request.param, driver, authority)


@pytest.fixture
def plain(tmp_path: Path, authority: Authority, no_descriptor_left: None) -> Server:
    return Server(tmp_path, "tcp", "auto", authority)


def opened(folder: Path) -> int:
    """How many files of a folder this process has open."""
    count = 0
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            count += entry.readlink().is_relative_to(folder)
    return count


@pytest.mark.parametrize("kind", ["file", "file_later", "path_sent"])
def test_files_of_any_size_arrive_whole_and_the_connection_stays(server: Server, kind: str) -> None:
    files = {str(size): server.make(str(size), size) for size in SIZES}
    with server.serving(getattr(server, kind)) as engine, server.client(engine) as client:
        for name, data in files.items():
            answer = client.ask(get(f"/{name}"))
            assert (answer.status, answer["content-length"]) == (200, name)
            assert answer.body == data
        assert engine.stats().total.output_queued == 0
        wait_until(lambda: opened(server.folder) == 0, "the end of the files")


def test_pipelined_files_arrive_in_order(server: Server) -> None:
    files = [server.make(str(number), number * 100_000) for number in range(10)]
    app = lambda r: server.file(r) if r.path != "/" else b"between"  # noqa: E731
    with server.serving(app) as engine, server.client(engine) as client:
        client.send(b"".join(get(f"/{number}") + get("/") for number in range(10)))
        for data in files:
            assert [client.answer().body, client.answer().body] == [data, b"between"]


def test_a_client_that_does_not_read_costs_no_memory_and_one_descriptor(server: Server) -> None:
    data = server.make("large", 64 * MIB)
    limits: dict[str, Any] = {
        "high_water": 10_000,
        "low_water": 1_000,
        "max_output": 20_000,
        "max_reactor_output": 30_000,
    }
    with server.serving(server.file, **limits) as engine, server.client(engine, receive_buffer=4096) as client:
        client.send(get("/large") * 3)
        wait_until(lambda: opened(server.folder) == 1, "the file")
        threading.Event().wait(0.2)
        total = engine.stats().total
        assert (opened(server.folder), total.connections) == (1, 1)
        assert total.output_queued < 1000
        for _ in range(3):
            assert client.answer().body == data


def test_others_have_their_turn_while_a_file_goes_out(server: Server) -> None:
    server.make("large", 64 * MIB)
    app = lambda r: b"served" if r.path == "/" else server.file(r)  # noqa: E731
    over = threading.Event()
    with server.serving(app) as engine, server.client(engine) as large:

        def read() -> None:
            while not over.is_set():
                large.ask(get("/large"))

        reader = threading.Thread(target=read)
        reader.start()
        try:
            wait_until(lambda: engine.stats().total.bytes_out > MIB, "the file")
            with server.client(engine) as client:
                for _ in range(20):
                    assert client.ask(get()).body == b"served"
        finally:
            over.set()
            reader.join()


@pytest.mark.parametrize("leave", [lambda client: client.socket.close(), lambda client: reset(client.socket)])
def test_the_file_is_closed_when_the_client_leaves(server: Server, leave: Callable[[Client], None]) -> None:
    server.make("large", 64 * MIB)
    with server.serving(server.file) as engine:
        client = server.client(engine, receive_buffer=4096)
        client.send(get("/large"))
        wait_until(lambda: opened(server.folder) == 1, "the file")
        leave(client)
        wait_until(lambda: opened(server.folder) == 0, "the end of the file")
        wait_until(lambda: not engine.connections(), "the end of the connection")


def test_a_client_that_takes_nothing_ends_by_the_write_timeout(server: Server) -> None:
    server.make("large", 64 * MIB)
    with server.serving(server.file, write_timeout=0.3) as engine, server.client(engine, receive_buffer=4096) as client:
        client.send(get("/large"))
        wait_until(lambda: engine.stats().total.closed == {"write_timeout": 1}, "the timeout")
        assert opened(server.folder) == 0


def test_a_file_that_becomes_shorter_ends_the_connection(server: Server) -> None:
    server.make("large", 64 * MIB)
    with server.serving(server.file) as engine, server.client(engine, receive_buffer=4096) as client:
        client.send(get("/large"))
        wait_until(lambda: opened(server.folder) == 1, "the file")
        os.truncate(server.folder / "large", 100)
        with contextlib.suppress(OSError):  # reset, or under TLS cut off
            assert not client.answer().complete
        wait_until(lambda: engine.stats().total.closed == {"file_cut": 1}, "the end of the connection")
        assert opened(server.folder) == 0


def test_a_stop_lets_a_file_go_out(server: Server) -> None:
    data = server.make("large", 32 * MIB)
    with server.serving(server.file, grace=20) as engine, server.client(engine, receive_buffer=4096) as client:
        client.send(get("/large"))
        wait_until(lambda: opened(server.folder) == 1, "the file")
        engine.stop()
        assert client.answer().body == data


def test_the_end_of_the_grace_time_ends_a_file(server: Server) -> None:
    server.make("large", 64 * MIB)
    with server.serving(server.file, grace=0.2) as engine, server.client(engine, receive_buffer=4096) as client:
        client.send(get("/large"))
        wait_until(lambda: opened(server.folder) == 1, "the file")
    assert opened(server.folder) == 0


@pytest.mark.parametrize("kind", ["file", "path_sent"])
def test_head_says_how_long_a_file_is(plain: Server, kind: str) -> None:
    plain.make("five", 5)
    with plain.serving(getattr(plain, kind)) as engine, plain.client(engine) as client:
        for _ in range(2):
            answer = client.ask(get("/five", method="HEAD"))
            assert (answer.status, answer["content-length"]) == (200, "5")
    assert opened(plain.folder) == 0


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_a_body_has_no_file_either(plain: Server, status: int) -> None:
    plain.make("five", 5)
    with plain.serving(lambda _: Response(plain.folder / "five", status)) as engine, plain.client(engine) as client:
        for _ in range(2):
            assert "content-length" not in client.ask(get())
    assert opened(plain.folder) == 0


TYPES = {
    "a.html": "text/html",
    "a.css": "text/css",
    "a.png": "image/png",
    "a.tar.gz": "application/octet-stream",
    "a": "application/octet-stream",
}


def test_the_type_follows_from_the_name_unless_it_is_given(plain: Server) -> None:
    for name in TYPES:
        plain.make(name, 1)
    with plain.serving(plain.file) as engine, plain.client(engine) as client:
        assert {name: client.ask(get(f"/{name}"))["content-type"] for name in TYPES} == TYPES
    given = Response(plain.folder / "a.html", headers={"Content-Type": "text/plain"})
    with plain.serving(lambda _: given) as engine, plain.client(engine) as client:
        assert client.ask(get())["content-type"] == "text/plain"


@pytest.mark.parametrize("kind", ["file", "file_later", "path_sent"])
@pytest.mark.parametrize(
    ("name", "text"),
    [("absent", "No such file"), ("folder", "Is a directory"), ("fifo", "this is no regular file")],
)
def test_what_cannot_be_sent_is_an_exception(
    plain: Server, caplog: pytest.LogCaptureFixture, kind: str, name: str, text: str
) -> None:
    (plain.folder / "folder").mkdir()
    os.mkfifo(plain.folder / "fifo")
    with plain.serving(getattr(plain, kind)) as engine, plain.client(engine) as client:
        for _ in range(2):
            assert client.ask(get(f"/{name}")).status == 500
    errors = [one for one in caplog.records if one.levelno >= logging.WARNING]
    assert len(errors) == 2
    assert text in caplog.text


def test_a_length_that_is_not_the_files_is_an_exception(plain: Server, caplog: pytest.LogCaptureFixture) -> None:
    plain.make("five", 5)
    wrong = Response(plain.folder / "five", headers={"Content-Length": "6"})
    with plain.serving(lambda _: wrong) as engine, plain.client(engine) as client:
        assert client.ask(get()).status == 500
    assert opened(plain.folder) == 0


def test_the_access_log_has_the_files_length(plain: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "floodway.access")
    plain.make("five", 5)
    handler = load_application(plain.file, ApplicationOptions(access_log=True))
    with floodway.Engine(handler, "tcp://127.0.0.1:0") as engine, plain.client(engine) as client:
        client.ask(get("/five"))
    lines = [one for one in caplog.records if one.name == "floodway.access"]
    assert [one.__dict__["size"] for one in lines] == [5]


def test_a_path_is_sent_instead_of_a_body_only(plain: Server, caplog: pytest.LogCaptureFixture) -> None:
    plain.make("five", 5)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise NotImplementedError
        with pytest.raises(RuntimeError, match="is a whole body"):
            await send({"type": "http.response.pathsend", "path": str(plain.folder / "five")})
        await send({"type": "http.response.start", "status": 200, "headers": []})
        with pytest.raises(FileNotFoundError):
            await send({"type": "http.response.pathsend", "path": str(plain.folder / "absent")})
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b"none"})

    with plain.serving(app) as engine, plain.client(engine) as client:
        answer = client.ask(get())
        assert (answer.status, answer.body) == (404, b"none")


def test_a_client_of_http_1_0_gets_a_file_and_the_end(plain: Server) -> None:
    data = plain.make("large", 3 * MIB)
    with plain.serving(plain.file) as engine, plain.client(engine) as client:
        answer = client.ask(get("/large", version="1.0"))
        assert (answer.body, client.is_closed()) == (data, True)


@pytest.mark.parametrize("options", [{"threads": 2}, {"event_loop": True}])
def test_every_model_sends_files(plain: Server, options: dict[str, Any]) -> None:
    data = plain.make("large", 3 * MIB)
    with plain.serving(plain.file, **options) as engine, plain.client(engine) as client:
        for _ in range(3):
            assert client.ask(get("/large")).body == data
