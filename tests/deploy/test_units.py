"""The systemd units: their syntax, and the socket as systemd passes it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.waiting import wait_until

DEPLOY = Path(__file__).parents[2] / "deploy"
# What systemd does: the socket is descriptor 3, and the variables name the process that it becomes.
ACTIVATE = """
import os, sys
os.environ["LISTEN_FDS"], os.environ["LISTEN_PID"] = "1", str(os.getpid())
os.execv(sys.executable, [sys.executable, "-m", "floodway", "serve", *sys.argv[1:]])
"""


def test_the_units_are_valid(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("not on this platform: there is no systemd-analyze")
    for unit in ("floodway.service", "floodway.socket"):
        text = (
            (DEPLOY / unit).read_text().replace("/opt/floodway/bin/floodway", "/bin/true")
        )  # it looks for the program
        (tmp_path / unit).write_text(text)
    command = ["systemd-analyze", "verify", str(tmp_path / "floodway.service"), str(tmp_path / "floodway.socket")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    ours = [line for line in done.stderr.splitlines() if "floodway" in line]
    assert (done.returncode, ours) == (0, []), done.stderr


def test_a_socket_that_systemd_passed_is_served(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()

        def pass_socket() -> None:
            os.dup2(listener.fileno(), 3)

        arguments = [sys.executable, "-c", ACTIVATE, "floodway.app.echo:Echo", "--workers", "2"]
        with log.open("w") as output:
            process = subprocess.Popen(
                arguments, preexec_fn=pass_socket, pass_fds=[3], cwd=tmp_path, stdout=output, stderr=output
            )
        try:
            with socket.create_connection(address, timeout=20) as peer:  # it waits in the queue until somebody serves
                peer.sendall(b"hello")
                assert peer.recv(10) == b"hello"
            wait_until(lambda: log.read_text().count(" serves") >= 2, "two workers")
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0, log.read_text()
        finally:
            process.kill()
            process.wait()
