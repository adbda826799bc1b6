"""`floodway demo`: it runs to its end without a terminal, and Ctrl-C ends it clean."""

import signal
import subprocess
import sys

import pytest

COMMAND = [sys.executable, "-m", "floodway", "demo", "--connections", "50"]
PATIENCE_SECONDS = 60


@pytest.mark.slow
def test_the_demo_prints_every_figure_and_a_summary() -> None:
    done = subprocess.run(COMMAND, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    for server in ("floodway", "asyncio"):
        for row in ("connections open: 50", "memory per idle connection:", "latency p99:", "server CPU per message:"):
            assert f"  {server}: {row}" in done.stdout
    assert "50 of 50 connections on one Python handler" in done.stdout
    assert "times the processor time for a message" in done.stdout


@pytest.mark.parametrize("lines", [1, 5])
def test_ctrl_c_ends_the_demo_clean(lines: int) -> None:
    with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for _ in range(lines):
            assert child.stdout.readline()
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=PATIENCE_SECONDS)
    assert (child.returncode, err) == (130, "\nstopped\n")
