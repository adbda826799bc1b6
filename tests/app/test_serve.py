"""`serve` and `floodway serve` as processes: signals, exit codes, what is printed."""

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

PATIENCE_SECONDS = 20

HANDLERS = """
    import sys, time
    import floodway

    class Echo(floodway.Handler):
        def on_data(self, conn, data):
            if data == b"block":
                time.sleep(60)
            if data == b"exit":
                sys.exit(7)
            conn.write(data)

        def on_stop(self):
            print("on_stop", flush=True)

    class NoDatabase(floodway.Handler):
        def on_start(self, engine):
            raise LookupError("no database")

        def on_data(self, conn, data):
            pass

    echo = Echo()
    number = 3
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "handlers.py").write_text(textwrap.dedent(HANDLERS))
    (tmp_path / "broken.py").write_text("def answer():\n    return 1 / 0\n\nanswer()\n")
    return tmp_path


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "floodway", "serve", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)


@contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A running `floodway serve`, and its port."""
    command = [sys.executable, "-m", "floodway", "serve", *arguments]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        try:
            assert child.stderr is not None
            for line in child.stderr:
                if found := re.search(r"listening on tcp://127.0.0.1:(\d+)", line):
                    yield child, int(found[1])
                    return
            pytest.fail("it did not begin to listen")
        finally:
            child.kill()


def visit(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)


def echo(port: int, data: bytes = b"hello") -> None:
    with visit(port) as visitor:
        visitor.sendall(data)
        assert visitor.recv(100) == data


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("model", [[], ["--sub-reactors", "2"], ["--threads", "2"]])
def test_a_signal_stops_it_in_order(folder: Path, number: signal.Signals, model: list[str]) -> None:
    with serving(folder, "handlers:echo", "tcp://127.0.0.1:0", *model) as (child, port):
        echo(port)
        child.send_signal(number)
        out, err = child.communicate(timeout=PATIENCE_SECONDS)
    assert child.returncode == 0
    assert out == "on_stop\n"
    assert "Traceback" not in err


def test_a_callback_that_never_returns_is_left_behind_after_the_grace_time(folder: Path) -> None:
    with (
        serving(folder, "handlers:echo", "tcp://127.0.0.1:0", "--sub-reactors", "0", "--grace", "0.2") as (child, port),
        visit(port) as visitor,
    ):
        visitor.sendall(b"block")
        assert child.stderr is not None
        assert any("has been in one batch" in line for line in child.stderr)
        child.send_signal(signal.SIGTERM)
        out, err = child.communicate(timeout=PATIENCE_SECONDS)
    assert child.returncode == 0
    assert "reactor is stuck in a callback; ending the process" in err
    assert out == "", "its last callbacks are forgone"


def test_a_second_signal_does_not_wait(folder: Path) -> None:
    with (
        serving(folder, "handlers:echo", "tcp://127.0.0.1:0", "--grace", "60") as (child, port),
        visit(port) as visitor,
    ):
        visitor.sendall(b"block")
        assert child.stderr is not None
        assert any("has been in one batch" in line for line in child.stderr)
        child.send_signal(signal.SIGTERM)
        assert any("closing the listeners" in line for line in child.stderr)
        child.send_signal(signal.SIGTERM)
        child.wait(timeout=PATIENCE_SECONDS)
    assert child.returncode == 0


def test_sigusr1_logs_statistics_and_stacks(folder: Path) -> None:
    with serving(folder, "handlers:echo", "tcp://127.0.0.1:0", "--sub-reactors", "0", "--threads", "1") as (
        child,
        port,
    ):
        echo(port)
        child.send_signal(signal.SIGUSR1)
        child.send_signal(signal.SIGTERM)
        _, err = child.communicate(timeout=PATIENCE_SECONDS)
    assert "accepted=1" in err
    assert re.search(r"reactor:\n(  .*\n)*  .*sub_reactor.py", err)
    assert "floodway-worker-0:" in err


def test_sys_exit_in_a_callback_is_the_exit_code(folder: Path) -> None:
    with serving(folder, "handlers:echo", "tcp://127.0.0.1:0") as (child, port), visit(port) as visitor:
        visitor.sendall(b"exit")
        out, _ = child.communicate(timeout=PATIENCE_SECONDS)
    assert (child.returncode, out) == (7, "on_stop\n")


def test_a_handler_class_is_called(folder: Path) -> None:
    with serving(folder, "handlers:Echo", "tcp://127.0.0.1:0") as (_, port):
        echo(port)


def test_another_folder_may_hold_the_application(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    with serving(elsewhere, "handlers:echo", "tcp://127.0.0.1:0", "--app-dir", str(folder)) as (_, port):
        echo(port)


def test_sockets_from_systemd_are_served(folder: Path) -> None:
    script = (
        "import os, socket, sys;"
        "s = socket.create_server(('127.0.0.1', 0)); os.dup2(s.fileno(), 3); os.set_inheritable(3, True);"
        "print(s.getsockname()[1], flush=True);"
        "os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()));"
        "os.execv(sys.executable, [sys.executable, '-m', 'floodway', 'serve', 'handlers:echo'])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        try:
            assert child.stdout is not None
            echo(int(child.stdout.readline()))
            child.send_signal(signal.SIGTERM)
            _, err = child.communicate(timeout=PATIENCE_SECONDS)
        finally:
            child.kill()
    assert child.returncode == 0
    assert "listening on fd://3" in err


@pytest.mark.parametrize(
    ("arguments", "code", "last_line"),
    [
        (["handlers"], 2, "is not MODULE:ATTRIBUTE"),
        (["handlers:echo", "127.0.0.1"], 2, "has no port and no scheme"),
        (["handlers:echo", "https://127.0.0.1:0"], 2, "needs a certificate"),
        (["handlers:echo", "--bind", ":80"], 2, "--bind is no flag here; write the address behind the application"),
        (["handlers:echo", "--threds", "1"], 2, "--threads"),
        (["handlers:echo", "--threads", "many"], 2, "'many' is none of: number"),
        (["handlers:echo", "--low-water", "9999999"], 2, "lower low_water or raise high_water"),
        (["handlers:echo", "tcp://192.0.2.1:0"], 1, "cannot listen on tcp://192.0.2.1:0"),
        (["nowhere:echo"], 3, "there is no module 'nowhere'"),
        (["handlers:nothing"], 3, "has no attribute 'nothing'"),
        (["handlers:number"], 3, "handlers:number is 3, which is no application"),
        (["handlers:NoDatabase", "tcp://127.0.0.1:0"], 3, "handlers:NoDatabase could not be started"),
        (["broken:echo"], 3, "broken:echo could not be imported"),
    ],
)
def test_what_goes_wrong_has_an_exit_code_and_one_line(
    folder: Path, arguments: list[str], code: int, last_line: str
) -> None:
    done = run(folder, *arguments)
    assert done.returncode == code
    assert last_line in done.stderr.splitlines()[-1]


def test_the_traceback_of_users_code_is_without_our_frames(folder: Path) -> None:
    shown = run(folder, "broken:echo").stderr
    assert "return 1 / 0" in shown
    assert "ZeroDivisionError" in shown
    assert set(re.findall(r'File "([^"]+)"', shown)) == {str(folder / "broken.py")}


def test_only_users_code_has_a_traceback(folder: Path) -> None:
    for arguments in (["nowhere:echo"], ["handlers:echo", "tcp://192.0.2.1:0"], ["handlers:number"]):
        assert "Traceback" not in run(folder, *arguments).stderr


def test_a_person_at_a_terminal_is_greeted(folder: Path) -> None:
    """Nothing is configured: a banner at the terminal, no log."""
    controller, terminal = os.openpty()
    command = [sys.executable, "-m", "floodway", "serve", "handlers:echo", "tcp://127.0.0.1:0"]
    with subprocess.Popen(command, cwd=folder, stderr=terminal, stdout=subprocess.DEVNULL) as child:
        os.close(terminal)
        shown = b""
        try:
            while b"Ctrl-C to stop" not in shown:
                shown += os.read(controller, 1024)
            child.send_signal(signal.SIGINT)
            assert child.wait(PATIENCE_SECONDS) == 0
        finally:
            child.kill()
            os.close(controller)
    assert re.search(rb"Floodway serves tcp://127.0.0.1:\d+\r\n", shown)
    assert b"INFO" not in shown


def test_serve_in_a_thread_is_stopped_by_its_engine(folder: Path) -> None:
    script = """
        import threading, floodway

        class Stops(floodway.Handler):
            def on_start(self, engine):
                engine.stop()

        thread = threading.Thread(target=floodway.serve, args=(Stops(), "tcp://127.0.0.1:0"))
        thread.start()
        thread.join()
        print("done")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=folder, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_the_interpreter_exits_under_a_running_engine(folder: Path) -> None:
    script = """
        import floodway
        from handlers import Echo

        floodway.Engine(Echo(), "tcp://127.0.0.1:0").start()
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=folder, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "on_stop\n", "")
