"""An idle process sleeps: how often its threads wake while nothing happens, by the kernel's count."""

import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from tests.helpers.fault_process import waits
from tests.helpers.waiting import PATIENCE_SECONDS

IDLE_SECONDS = 2.0
PREFIX = """
    import floodway

    class Echo(floodway.Handler):
        def on_start(self, engine):
            print("started", flush=True)

        def on_data(self, conn, data):
            conn.write(data)
"""
JOIN = """
    with floodway.Engine(Echo(), "tcp://127.0.0.1:0", {}) as engine:
        engine.join()
"""
SERVE = 'floodway.serve(Echo(), "tcp://127.0.0.1:0", {})'


@pytest.mark.parametrize(
    ("program", "options", "most"),
    [
        (JOIN, "watchdog=None", 1),
        (JOIN, "idle_timeout=60, sub_reactors=2, threads=2, watchdog=None", 1),
        (JOIN, "driver='portable', watchdog=None", 1),
        (JOIN, "event_loop=True, watchdog=None", 1),
        (JOIN, "", 4),  # the watchdog: once a second
        (SERVE, "watchdog=None", 1),
        (SERVE, "workers=2, watchdog=None", 2),
    ],
)
def test_a_process_that_serves_nobody_hardly_wakes(program: str, options: str, most: int) -> None:
    code = textwrap.dedent(PREFIX) + textwrap.dedent(program).format(options)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline().startswith("started")
            time.sleep(1)  # until it waits
            processes = [child.pid, *children(child.pid)]
            before = sum(map(waits, processes))
            time.sleep(IDLE_SECONDS)
            assert sum(map(waits, processes)) - before <= most
        finally:
            child.send_signal(signal.SIGTERM)
            child.wait(PATIENCE_SECONDS)


def children(pid: int) -> list[int]:
    """The processes that the main thread of this one has forked."""
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
