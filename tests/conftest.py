"""What every test gets: the drivers as a parameter, and a check that nothing is left behind.

Helpers that tests call by name live in `tests/helpers`; here is only what pytest itself has to know.
"""

import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest

import floodway
from tests.helpers.certificates import Authority

# A skip is a fact about the machine, and CI runs on one that we know: there it fails, unless its reason starts so.
ALLOWED_SKIP = "not on this platform"
# Processes that Python starts for itself and keeps.
KEPT_BY_PYTHON = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")
# How long a child or a thread that is on its way out may take.
PATIENCE_SECONDS = 5.0

Left = TypeVar("Left")

# A shell without job control has its background jobs ignore Ctrl-C, and what they start inherits that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(params=["epoll", "portable"])
def driver(request: pytest.FixtureRequest) -> str:
    """Each driver that runs on Linux, for `Engine(..., driver=driver)`."""
    return str(request.param)


@pytest.fixture(params=["tcp", "unix"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Each transport: an address to listen on."""
    return "tcp://127.0.0.1:0" if request.param == "tcp" else f"unix://{tmp_path}/s"


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Issues certificates for servers and clients with TLS."""
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(params=["tcp-epoll", "unix-portable"])
def engine_with(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., floodway.Engine]:
    """`Engine` on each transport and each driver once: `engine_with(handler, **options)`."""
    transport, driver = request.param.split("-")
    address = "tcp://127.0.0.1:0" if transport == "tcp" else f"unix://{tmp_path}/s"
    return partial(_engine, address=address, driver=driver)


def _engine(handler: floodway.Handler[Any], *, address: str, **options: Any) -> floodway.Engine:
    return floodway.Engine(handler, address, **options)


@pytest.fixture(autouse=True)
def leaves_nothing_behind() -> Iterator[None]:
    """After each test: no child process, dead or alive, and no new thread that would keep the interpreter alive."""
    children_before = _children()
    threads_before = set(threading.enumerate())
    yield
    threads = [t for t in threading.enumerate() if t not in threads_before and not t.daemon]
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert not [t for t in threads if t.is_alive()], "the test left threads that keep the interpreter alive"
    left = _wait_until_empty(lambda: _children() - children_before)
    assert not left, f"the test left child processes: {[_describe(pid) for pid in left]}"


@pytest.fixture
def no_descriptor_left() -> Iterator[None]:
    """For tests that ask for it: afterwards the process has no more descriptors open than before."""
    gc.collect()
    before = _descriptors()
    yield
    gc.collect()
    left = _wait_until_empty(lambda: {f"{fd}: {target}" for fd, target in _descriptors().items() if fd not in before})
    assert not left, f"the test left descriptors open: {sorted(left)}"


@pytest.fixture
def repetition(request: pytest.FixtureRequest) -> int:
    """The number of this repetition, see --repetitions."""
    return int(request.param)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--repetitions", type=int, default=1, help="run each test so many times (for races)")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    repetitions = metafunc.config.getoption("--repetitions")
    if repetitions > 1:
        metafunc.fixturenames.append("repetition")
        metafunc.parametrize("repetition", range(repetitions), indirect=True)


def pytest_collection_finish() -> None:
    # What pytest has collected lives until the end: without it, looking for garbage takes a tenth of the time.
    gc.collect()
    gc.freeze()


def pytest_report_header() -> str:
    gil = "GIL on" if getattr(sys, "_is_gil_enabled", lambda: True)() else "GIL off"
    kernel = os.uname().release
    return f"floodway: Python {sys.version.split()[0]}, {gil}, kernel {kernel}, {os.cpu_count()} cores"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    expected_failure = hasattr(report, "wasxfail")
    if os.environ.get("CI") and report.skipped and not expected_failure and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if not reason.startswith(ALLOWED_SKIP):
            report.outcome = "failed"
            report.longrepr = f"{item.nodeid} was skipped under CI ({reason}); only '{ALLOWED_SKIP}: ...' is accepted"
    return report


def _children() -> set[int]:
    """Process ids of our children, zombies included."""
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        try:
            found.update(map(int, (task / "children").read_text().split()))
        except OSError:  # the thread ended meanwhile
            continue
    return {pid for pid in found if not any(name in _describe(pid) for name in KEPT_BY_PYTHON)}


def _describe(pid: int) -> str:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        command = "gone"
    return f"{pid} {command.strip() or 'zombie, nobody waited for it'}"


def _descriptors() -> dict[int, str]:
    found = {}
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found[int(entry.name)] = str(entry.readlink())
        except OSError:  # the descriptor with which we read the folder
            continue
    return found


def _wait_until_empty(look: Callable[[], set[Left]]) -> set[Left]:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (left := look()) and time.monotonic() < deadline:
        time.sleep(0.01)  # waiting for the kernel, not for our own code
    return left
