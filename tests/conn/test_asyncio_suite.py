"""CPython's own tests of asyncio's loops and of selectors, on ours. They ship with most interpreters.

Left out are the modules that make no loop of the system's: they test pieces of asyncio with a pretended one.
"""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "helpers" / "asyncio_suite.py"
SECONDS = 170

# Those that wait for sockets, pipes, signals and processes: on every driver.
SYSTEM = ["test_buffered_proto", "test_sendfile", "test_server", "test_sock_lowlevel", "test_sslproto", "test_streams"]
SYSTEM += ["test_events", "test_ssl", "test_subprocess", "test_unix_events"]
# Those that only need some loop.
OTHER = ["test_base_events", "test_context", "test_eager_task_factory", "test_futures2", "test_locks", "test_queues"]
OTHER += [
    "test_staggered",
    "test_taskgroups",
    "test_tasks",
    "test_threads",
    "test_timeouts",
    "test_waitfor",
]
SLOW = ["test_events", "test_ssl", "test_subprocess", "test_tasks"]

# What is not run, with the reason.
EXCLUDED = {
    # `select` alone goes on waiting there when a signal comes; the loop has a wake-up descriptor for signals instead.
    ("test_selectors", "portable"): ["test_select_interrupt_exc"],
}


def _cases() -> list[object]:
    both = [(module, driver) for module in ["test_selectors", *SYSTEM] for driver in ("epoll", "portable")]
    cases = both + [(module, "epoll") for module in OTHER]
    return [
        pytest.param(*case, marks=[pytest.mark.slow] if case[0] in SLOW else [], id="-".join(case)) for case in cases
    ]


@pytest.mark.timeout(SECONDS + 10)
@pytest.mark.parametrize(("module", "driver"), _cases())
def test_cpythons_own_tests_pass_on_our_loop(module: str, driver: str) -> None:
    package = "test" if module == "test_selectors" else "test.test_asyncio"
    try:
        found = importlib.util.find_spec(f"{package}.{module}")
    except ModuleNotFoundError:
        found = None
    if found is None:
        pytest.skip(f"not on this platform: the interpreter comes without {package}.{module}")
    excluded = EXCLUDED.get((module, driver), [])
    command = [sys.executable, str(SCRIPT), driver, module, *excluded]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert not result["failed"], done.stderr
    assert result["run"] > 0
    assert result["loops"] > 0, "none of these tests made a loop of ours"
