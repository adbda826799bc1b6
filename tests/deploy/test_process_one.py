"""The supervisor as process 1, as in a container: it reaps what others leave to it, and SIGTERM drains."""

import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.waiting import wait_until

NAMESPACE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
APPLICATION = """
import subprocess, sys
import floodway

class App(floodway.Handler):
    framing = floodway.Lines()

    def on_data(self, conn, line):
        if line == b"orphan":  # a child that leaves a child behind, which then ends
            code = "import os\\nif os.fork() == 0:\\n    os.execvp('sleep', ['sleep', '0.2'])"
            subprocess.run([sys.executable, "-c", code], check=True)
        conn.write(b"done\\n")

    def on_stop(self):
        print("drained", flush=True)

app = App()
"""


@pytest.fixture
def contained(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], int, Path]]:
    """`unshare`, the supervisor's process id as seen from outside, and its log."""
    if not shutil.which("unshare") or subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("not on this platform: a PID namespace is not permitted")
    (tmp_path / "application.py").write_text(APPLICATION)
    log = tmp_path / "log"
    serve = [
        sys.executable,
        "-m",
        "floodway",
        "serve",
        "application:app",
        f"unix://{tmp_path}/socket",
        "--workers",
        "2",
    ]
    with log.open("w") as output:
        process = subprocess.Popen([*NAMESPACE, *serve], cwd=tmp_path, stdout=output, stderr=output)
    try:
        wait_until(lambda: log.read_text().count(" serves") >= 2 or process.poll() is not None, "two workers")
        yield process, children(process.pid)[0], log
    finally:
        process.kill()
        process.wait()


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def command_of(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def test_orphans_are_reaped(contained: tuple[subprocess.Popen[bytes], int, Path]) -> None:
    _, supervisor, log = contained
    workers = children(supervisor)
    assert len(workers) == 2
    assert Path(f"/proc/{supervisor}/status").read_text().partition("NSpid:")[2].split("\n")[0].split()[-1] == "1"
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(log.parent / "socket"))
        peer.sendall(b"orphan\n")
        assert peer.recv(10) == b"done\n"
    wait_until(lambda: children(supervisor) == workers, "the orphan's end")


def test_sigterm_drains(contained: tuple[subprocess.Popen[bytes], int, Path]) -> None:
    process, supervisor, log = contained
    subprocess.run(["kill", f"-{signal.SIGTERM.value}", str(supervisor)], check=True)
    assert process.wait(20) == 0, log.read_text()
    assert log.read_text().count("drained") == 2
