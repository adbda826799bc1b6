"""Every example runs as its docstring says, as a program of its own, with foreign clients where there are any."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tests.helpers.waiting import wait_until

EXAMPLES = Path(__file__).parents[2] / "examples"


def connect(path: str) -> socket.socket:
    """A client of the example that listens on this Unix socket."""
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(20)
    try:
        client.connect(path)
    except OSError:
        client.close()
        raise
    return client


def lines_of(client: socket.socket, count: int) -> list[bytes]:
    """The next lines that come."""
    received = b""
    while received.count(b"\n") < count:
        more = client.recv(65536)
        assert more, f"the connection ended after {received!r}"
        received += more
    return received.splitlines()


@contextmanager
def running(path: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The example with these arguments, once it listens on `path`; it has to end well on SIGINT."""
    command = [sys.executable, str(EXAMPLES / arguments[0]), *arguments[1:]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_until(lambda: answers(path) or process.poll() is not None)
            assert process.poll() is None, process.stderr and process.stderr.read()
            yield process
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=20)
            assert (process.returncode, errors) == (0, "")
        finally:
            process.kill()


def answers(path: str) -> bool:
    with suppress(OSError):
        connect(path).close()
        return True
    return False


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "s")


def test_echo_sends_back_what_it_gets(path: str) -> None:
    with running(path, "echo.py", f"unix://{path}"), connect(path) as client:
        client.sendall(b"hello")
        assert client.recv(100) == b"hello"


@pytest.mark.parametrize("model", ["single", "single+threads", "main/sub", "main/sub+threads", "mains/subs"])
def test_every_model_answers_in_capitals(path: str, model: str) -> None:
    with running(path, "models.py", model, f"unix://{path}"), connect(path) as client:
        client.sendall(b"one\ntwo\n")
        assert lines_of(client, 2) == [b"ONE", b"TWO"]


def test_the_blocking_model_answers_in_capitals_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, str(EXAMPLES / "models.py"), "blocking", f"tcp://127.0.0.1:{port}"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process, ExitStack() as stack:
        stack.callback(process.kill)

        def client() -> socket.socket | None:
            with suppress(OSError):
                return socket.create_connection(("127.0.0.1", port), timeout=20)
            return None

        opened = wait_until(client)
        assert opened is not None
        with opened:
            opened.sendall(b"one\n")
            assert lines_of(opened, 1) == [b"ONE"]


def test_in_the_chat_others_read_what_one_says(path: str) -> None:
    with running(path, "chat.py", f"unix://{path}"), connect(path) as ada, connect(path) as bob:
        assert lines_of(ada, 1) == lines_of(bob, 1) == [b"* who are you?"]
        ada.sendall(b"ada\n")
        assert lines_of(ada, 1) == [b"* welcome, ada"]
        bob.sendall(b"bob\n")
        assert lines_of(bob, 1) == [b"* welcome, bob"]
        assert lines_of(ada, 1) == [b"* bob has joined"]
        bob.sendall(b"hello\n")
        assert lines_of(ada, 1) == [b"bob: hello"]
        bob.close()
        assert lines_of(ada, 1) == [b"* bob has left"]


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        (["add", "1", "2"], {"id": 1, "result": 3}),
        (["upper", '"shout"'], {"id": 1, "result": "SHOUT"}),
        (["nonsense"], {"id": 1, "error": "KeyError: 'nonsense'"}),
    ],
)
def test_a_remote_call_returns_the_result_or_the_error(path: str, call: list[str], answer: object) -> None:
    with running(path, "rpc.py", f"unix://{path}"):
        command = [sys.executable, str(EXAMPLES / "rpc.py"), "call", f"unix://{path}", *call]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
        assert json.loads(done.stdout) == answer


def test_the_proxy_passes_every_byte_in_both_directions(path: str, tmp_path: Path) -> None:
    target = str(tmp_path / "target")
    payload = bytes(range(256)) * 16 * 1024
    with (
        running(target, "echo.py", f"unix://{target}"),
        running(path, "proxy.py", f"unix://{path}", f"unix://{target}"),
        connect(path) as client,
        connect(path) as sender,
    ):
        del sender  # a second connection that says nothing does no harm
        client.setblocking(False)
        sent, received = 0, bytearray()

        def exchange() -> bool:
            nonlocal sent
            with suppress(BlockingIOError):
                sent += client.send(payload[sent : sent + 65536])
            with suppress(BlockingIOError):
                received.extend(client.recv(1 << 20))
            return len(received) == len(payload)

        wait_until(exchange)
        assert bytes(received) == payload


def test_hello_over_http_greets_and_counts(path: str) -> None:
    with running(path, "hello_http.py", f"unix://{path}"):
        command = ["curl", "--silent", "--show-error", "--unix-socket", path]
        done = subprocess.run(
            [*command, "http://localhost/you"], capture_output=True, text=True, timeout=30, check=True
        )
        assert done.stdout == "hello, you\n"
        done = subprocess.run(
            [*command, "http://localhost/count"], capture_output=True, text=True, timeout=30, check=True
        )
        assert done.stdout.split() == [str(number) for number in range(100_000)]


def test_redis_cli_sets_and_gets(path: str) -> None:
    with running(path, "redis_server.py", f"unix://{path}"):
        typed = "SET colour blue\nGET colour\nGET nothing\nDEL colour\nPING\nNONSENSE\n"
        command = ["redis-cli", "-s", path, "--no-raw"]
        done = subprocess.run(command, input=typed, capture_output=True, text=True, timeout=30, check=True)
        *answered, error = done.stdout.splitlines()
        assert answered == ["OK", '"blue"', "(nil)", "(integer) 1", "PONG"]
        assert error.startswith("(error) ERR unknown command")


@pytest.mark.parametrize("pipeline", ["1", "16"])
def test_redis_benchmark_runs_to_its_end(path: str, pipeline: str) -> None:
    with running(path, "redis_server.py", f"unix://{path}"):
        command = ["redis-benchmark", "-s", path, "-n", "5000", "-P", pipeline, "-t", "set,get", "--csv"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        assert '"SET"' in done.stdout
        assert '"GET"' in done.stdout


def test_a_peer_that_answers_pings_stays_and_one_that_does_not_is_dropped(path: str) -> None:
    with running(path, "heartbeat.py", f"unix://{path}", "0.3"), connect(path) as lively, connect(path) as silent:
        for _ in range(4):
            assert lines_of(lively, 1) == [b"ping"]
            lively.sendall(b"pong\n")
        assert lines_of(silent, 1) == [b"ping"]
        assert silent.recv(100) == b""
        lively.sendall(b"hello\n")
        assert b"you said hello" in lines_of(lively, 1)


def test_blocking_handlers_do_not_hold_each_other_up(path: str) -> None:
    with running(path, "blocking.py", f"unix://{path}"), connect(path) as slow, connect(path) as quick:
        slow.sendall(b"2\n")
        quick.sendall(b"0\n")
        assert lines_of(quick, 1) == [b"slept for 0"]
        slow.setblocking(False)
        with pytest.raises(BlockingIOError):
            slow.recv(100)
