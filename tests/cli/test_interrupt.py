"""Ctrl-C before a command has begun, and while it runs: no traceback, and the exit code that shells know."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import floodway
from floodway.app.echo import Echo
from tests.helpers.waiting import PATIENCE_SECONDS, wait_until

SCRIPT = [str(Path(sys.executable).with_name("floodway"))]
MODULE = [sys.executable, "-m", "floodway"]
COMMANDS = [["demo"], ["serve", "floodway.app.echo:Echo"], ["load", "tcp://127.0.0.1:1"]]
# Takes as long as the test likes.
SLOW = "import sys; print('importing', flush=True); sys.stdin.readline()\n"


@contextmanager
def run(command: list[str], path: Path) -> Iterator[subprocess.Popen[str]]:
    """A command that finds the modules in `path` first."""
    pipe = subprocess.PIPE
    environment = {**os.environ, "PYTHONPATH": str(path)}
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment) as child:
        try:
            yield child
        finally:
            child.kill()


def interrupt_import(child: subprocess.Popen[str]) -> None:
    assert child.stdout is not None
    assert child.stdout.readline() == "importing\n"
    child.send_signal(signal.SIGINT)


@pytest.mark.parametrize(
    ("program", "slow"),
    [
        (SCRIPT, "difflib"),  # which the package itself imports
        (SCRIPT, "click"),
        (MODULE, "click"),
    ],
)
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_ctrl_c_while_python_imports_the_command_ends_it_silently(
    program: list[str], slow: str, command: list[str], tmp_path: Path
) -> None:
    (tmp_path / f"{slow}.py").write_text(SLOW)
    with run([*program, *command], tmp_path) as child:
        interrupt_import(child)
        out, err = child.communicate(timeout=PATIENCE_SECONDS)
    assert (child.returncode, out, err) == (-signal.SIGINT, "", "")


def test_an_ignored_ctrl_c_stays_ignored(tmp_path: Path) -> None:
    """As under nohup, or in the background of a script."""
    (tmp_path / "difflib.py").write_text(SLOW)
    with run(["sh", "-c", 'trap "" INT; exec "$@"', "sh", *SCRIPT, "--version"], tmp_path) as child:
        interrupt_import(child)
        out, err = child.communicate("go on\n", timeout=PATIENCE_SECONDS)
    assert (child.returncode, err) == (0, "")
    assert floodway.__version__ in out


def test_ctrl_c_while_an_application_is_imported_ends_it_with_a_word(tmp_path: Path) -> None:
    (tmp_path / "slow_application.py").write_text(SLOW)
    with run([*SCRIPT, "serve", "slow_application:handler"], tmp_path) as child:
        interrupt_import(child)
        out, err = child.communicate(timeout=PATIENCE_SECONDS)
    assert (child.returncode, out, err) == (130, "", "\nstopped\n")


def test_ctrl_c_ends_a_load_with_a_word(tmp_path: Path) -> None:
    with (
        floodway.Engine(Echo(), "tcp://127.0.0.1:0") as engine,
        run([*SCRIPT, "load", str(engine.addresses[0]), "--seconds", "60"], tmp_path) as child,
    ):
        wait_until(lambda: engine.stats().total.bytes_in > 0, "the load has begun")
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=PATIENCE_SECONDS)
    assert (child.returncode, out, err) == (130, "", "\nstopped\n")
