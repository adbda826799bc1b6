"""The flags of `floodway serve`, each in a process of its own that is asked over its socket."""

import http.client
import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from floodway.cli.foreign import FAMILIES, INSTEAD, advice_for
from floodway.cli.serve import serve
from tests.helpers.waiting import PATIENCE_SECONDS, wait_until

APPLICATION = """
    import os

    def app(request):
        if request.path == "/boom":
            raise LookupError("a secret")
        return os.environ.get("GREETING", "hello")

    def make():
        return app
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "application.py").write_text(textwrap.dedent(APPLICATION))
    return tmp_path


class Process:
    """`floodway serve` with these arguments, as a child of the test."""

    def __init__(
        self, folder: Path, *arguments: str, fd: int | None = None, variables: dict[str, str] | None = None
    ) -> None:
        self.out, self.err = folder / "out", folder / "err"
        command = [sys.executable, "-m", "floodway", "serve", *arguments]
        environment = os.environ | (variables or {})
        with self.out.open("w") as out, self.err.open("w") as err:
            self.child = subprocess.Popen(
                command, cwd=folder, env=environment, stdout=out, stderr=err, pass_fds=() if fd is None else (fd,)
            )

    def wait_said(self, pattern: str) -> str:
        def found() -> re.Match[str] | None:
            said = re.search(pattern, self.err.read_text())
            assert said or self.child.poll() is None, self.err.read_text()
            return said

        said = wait_until(found, pattern)
        assert said is not None
        return said[1] if said.re.groups else said[0]

    def stop(self) -> None:
        self.child.send_signal(signal.SIGTERM)
        assert self.child.wait(PATIENCE_SECONDS) == 0, self.err.read_text()


@contextmanager
def serving(
    folder: Path, *arguments: str, fd: int | None = None, variables: dict[str, str] | None = None
) -> Iterator[tuple[Process, str]]:
    """The process, once it listens, and where; it has to end in order."""
    process = Process(folder, *arguments, fd=fd, variables=variables)
    try:
        yield process, process.wait_said(r"listening on ([^\s\",]+)")
        process.stop()
    finally:
        process.child.kill()
        process.child.wait()


def get(address: str, path: str = "/", **headers: str) -> tuple[int, str]:
    client = http.client.HTTPConnection("localhost", timeout=20)
    if address.startswith("unix://"):
        client.sock = socket.socket(socket.AF_UNIX)
        client.sock.connect(address.removeprefix("unix://"))
    else:
        host, _, port = address.removeprefix("tcp://").rpartition(":")
        client = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=20)
    try:
        client.request("GET", path, headers=headers)
        answer = client.getresponse()
        return answer.status, answer.read().decode()
    finally:
        client.close()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--port", "0"],
        ["--host", "127.0.0.1", "--port", "0"],
        ["--host", "localhost", "--port", "0"],
        ["127.0.0.1:0"],
        ["http://127.0.0.1:0"],
        [":0"],
    ],
)
def test_it_listens_where_it_is_told(folder: Path, arguments: list[str]) -> None:
    with serving(folder, "application:app", *arguments) as (_, address):
        assert get(address.replace("0.0.0.0", "127.0.0.1")) == (200, "hello")


def test_host_and_port_are_one_address_beside_others(folder: Path) -> None:
    with serving(folder, "application:app", f"unix://{folder}/s", "--port", "0") as (process, _):
        tcp = process.wait_said(r"listening on (tcp://\S+)")
        assert get(tcp) == get(f"unix://{folder}/s") == (200, "hello")


def test_port_8000_is_the_default(folder: Path) -> None:
    process = Process(folder, "application:app")
    try:
        if "cannot listen" in process.wait_said(r"listening on tcp://127\.0\.0\.1:8000|cannot listen on \S+:8000"):
            process.child.wait(PATIENCE_SECONDS)  # somebody else has it, and so it was tried
        else:
            process.stop()
    finally:
        process.child.kill()
        process.child.wait()


def test_a_unix_socket_may_be_relative(folder: Path) -> None:
    with serving(folder, "application:app", "--uds", "s") as (_, address):
        assert address == f"unix://{folder}/s"
        assert get(address) == (200, "hello")


def test_a_descriptor_is_served(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port, fd = listener.getsockname()[1], listener.fileno()
        with serving(folder, "application:app", "--fd", str(fd), fd=fd) as (_, address):
            assert address == f"fd://{fd}"
            assert get(f"127.0.0.1:{port}") == (200, "hello")


def test_every_flag_has_a_variable(folder: Path) -> None:
    variables = {
        "FLOODWAY_PORT": "0",
        "FLOODWAY_FACTORY": "true",
        "FLOODWAY_SERVER_HEADER": "none",
        "FLOODWAY_LOG_FORMAT": "json",
    }
    with serving(folder, "application:make", variables=variables) as (process, address):
        assert get(address) == (200, "hello")
        assert process.err.read_text().startswith("{")


def test_a_flag_goes_before_its_variable(folder: Path) -> None:
    with serving(folder, "application:app", "--port", "0", variables={"FLOODWAY_PORT": "1"}) as (_, address):
        assert get(address) == (200, "hello")


def test_a_variable_that_cannot_be_meant_is_wrong_usage(folder: Path) -> None:
    process = Process(folder, "application:app", variables={"FLOODWAY_PORT": "http"})
    assert process.child.wait(PATIENCE_SECONDS) == 2
    assert "'http' is none of: number" in process.err.read_text()


def test_an_env_file_is_for_the_application_and_for_flags(folder: Path) -> None:
    (folder / "settings").write_text("# comment\nGREETING='good morning'\nexport FLOODWAY_PORT=0\nSET=file\n")
    with serving(folder, "application:app", "--env-file", "settings") as (_, address):
        assert get(address) == (200, "good morning")
    with serving(folder, "application:app", "--env-file", "settings", variables={"GREETING": "mine"}) as (_, address):
        assert get(address) == (200, "mine"), "what is set already stays"


@pytest.mark.parametrize(
    ("module", "arguments", "extra"),
    [("dotenv", ["--env-file", "application.py"], "env-file"), ("watchfiles", ["--reload"], "reload")],
)
def test_a_missing_package_is_named_with_what_installs_it(
    folder: Path, module: str, arguments: list[str], extra: str
) -> None:
    script = f"import sys; sys.modules[{module!r}] = None; from floodway.cli.main import main; main()"
    if module == "watchfiles":
        script = (
            "import importlib.util as u; find = u.find_spec;"
            "u.find_spec = lambda name, *a: None if name == 'watchfiles' else find(name, *a);"
            "from floodway.cli.main import main; main()"
        )
    command = [sys.executable, "-c", script, "serve", "application:app", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    assert done.returncode == 2
    assert f"pip install 'floodway[{extra}]'" in done.stderr.splitlines()[-1]


def test_both_packages_are_there_for_these_tests() -> None:
    assert importlib.util.find_spec("watchfiles")
    assert importlib.util.find_spec("dotenv")


def test_the_access_log_is_what_standard_output_has(folder: Path) -> None:
    with serving(folder, "application:app", "--port", "0", "--access-log") as (process, address):
        get(address, "/a")
        wait_until(lambda: '"GET /a HTTP/1.1" 200 5 "-" "-"\n' in process.out.read_text())
        assert process.out.read_text().startswith("127.0.0.1 - - [")
        assert "GET /a" not in process.err.read_text()


def test_the_access_log_is_json_where_the_log_is(folder: Path) -> None:
    with serving(folder, "application:app", "--port", "0", "--access-log", "--log-format", "json") as (process, at):
        get(at, "/a")
        process.wait_said(r'"logger": ?"floodway.access".*"status": ?200')
        assert process.out.read_text() == ""


def test_the_access_log_of_workers_is_complete(folder: Path) -> None:
    with serving(folder, "application:app", "--port", "0", "--access-log", "--workers", "2") as (process, address):
        process.wait_said(r"worker 1 \(pid \d+\) serves")
        for number in range(20):
            get(address, f"/{number}")
    lines = process.out.read_text()
    assert all(f"GET /{number} HTTP/1.1" in lines for number in range(20))


def test_debugging_shows_tracebacks_and_logs_more(folder: Path) -> None:
    with serving(folder, "application:app", "--port", "0", "--debug") as (_, address):
        status, body = get(address, "/boom")
    assert status == 500
    assert "LookupError: a secret" in body


def test_proxies_are_believed_when_told_so(folder: Path) -> None:
    (folder / "application.py").write_text("app = lambda request: f'{request.peer} {request.scheme}'\n")
    headers = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https"}
    with serving(folder, "application:app", "--port", "0", "--proxy-headers") as (_, address):
        assert get(address, **headers) == (200, "('192.0.2.1', 0) https")
    with serving(folder, "application:app", "--uds", "s", "--proxy-headers") as (_, address):
        assert get(address, **headers) == (200, "('192.0.2.1', 0) https")
    with serving(folder, "application:app", "--port", "0", "--proxy-headers", "--forwarded-allow-ips", "192.0.2.9") as (
        _,
        address,
    ):
        assert get(address, **headers)[1].startswith("('127.0.0.1'")


def test_times_have_the_names_that_other_servers_gave_them(folder: Path) -> None:
    arguments = ["--port", "0", "--timeout-keep-alive", "0.2", "--timeout-graceful-shutdown", "0"]
    with serving(folder, "application:app", *arguments) as (_, address):
        port = int(address.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            received = b"".join(iter(lambda: client.recv(4096), b""))
    assert b"connection: close" not in received, "the time ended it"


@pytest.mark.parametrize(
    "flag", ["--bind", "-w", "--worker-class", "--keyfile", "--ssl-ca", "--http1-buffer-size", "--ws-max-size"]
)
def test_a_flag_of_another_server_is_answered_with_ours(flag: str) -> None:
    done = CliRunner().invoke(serve, ["application:app", flag, "1"])
    assert done.exit_code == 2
    assert f"{flag} is no flag here; {advice_for(flag)}" in done.output


def test_a_flag_that_is_nobodys_is_refused_as_ever() -> None:
    done = CliRunner().invoke(serve, ["application:app", "--workerz", "1"])
    assert done.exit_code == 2
    assert "--workers" in done.output


def test_what_is_advised_exists() -> None:
    ours = {name for param in serve.params for name in [*param.opts, *param.secondary_opts]}
    advised = {flag for text in [*INSTEAD.values(), *FAMILIES.values()] for flag in re.findall(r"--[a-z-]+", text)}
    assert advised - ours == set()
    assert ours & set(INSTEAD) == set(), "a flag that we have is never asked for here"
