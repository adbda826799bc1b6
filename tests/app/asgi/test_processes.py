"""`floodway serve` with ASGI applications: how a process starts, fails to, and ends."""

import re
import signal
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PATIENCE_SECONDS = 20

APPLICATIONS = """
    import asyncio, os, signal, time

    def say(word):
        os.write(1, f"{word}\\n".encode())

    def application(start, end=None):
        async def app(scope, receive, send):
            if scope["type"] == "lifespan":
                await receive()
                await start(send)
                await receive()
                if end is not None:
                    await end(send)
                say("ended")
                await send({"type": "lifespan.shutdown.complete"})
            else:
                await send({"type": "http.response.start", "status": 200})
                await send({"type": "http.response.body", "body": str(os.getpid()).encode()})
        return app

    async def complete(send):
        say("started")
        await send({"type": "lifespan.startup.complete"})

    async def failed(send):
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    async def slow(send):
        say("starting")
        try:
            await asyncio.sleep(60)
        finally:
            say("cancelled")

    async def blocked(send):
        say("starting")
        time.sleep(60)

    async def endless(send):
        await asyncio.sleep(60)

    async def handling(send):
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR2, say, "usr2")
        loop.add_signal_handler(signal.SIGTERM, refuse_once, loop)
        await complete(send)

    def refuse_once(loop):
        say("term")
        loop.remove_signal_handler(signal.SIGTERM)

    good = application(complete)
    handles = application(handling)
    bad = application(failed)
    slow_start = application(slow)
    blocked_start = application(blocked)
    slow_end = application(complete, endless)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "apps.py").write_text(textwrap.dedent(APPLICATIONS))
    return tmp_path


@contextmanager
def started(folder: Path, name: str, *flags: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "floodway", "serve", f"apps:{name}", "tcp://127.0.0.1:0", *flags]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=folder, stdout=pipe, stderr=pipe, text=True) as child:
        try:
            yield child
        finally:
            child.kill()


def port_of(child: subprocess.Popen[str]) -> int:
    assert child.stderr is not None
    return int(next(found[1] for line in child.stderr if (found := re.search(r"listening on .*:(\d+)$", line))))


def ask(port: int) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=PATIENCE_SECONDS) as answer:
        body: bytes = answer.read()
        return body


@pytest.mark.parametrize("flags", [[], ["--workers", "2"]], ids=["one process", "workers"])
def test_startup_that_failed_is_exit_code_3_and_one_line(folder: Path, flags: list[str]) -> None:
    with started(folder, "bad", *flags) as child:
        out, err = child.communicate(timeout=PATIENCE_SECONDS)
    assert child.returncode == 3
    assert out == ""
    assert "Traceback" not in err
    assert [line for line in err.splitlines() if "the application could not start: no database" in line]


@pytest.mark.parametrize("flags", [[], ["--workers", "2"]], ids=["one process", "workers"])
def test_a_signal_ends_a_service_and_its_application(folder: Path, flags: list[str]) -> None:
    with started(folder, "good", *flags) as child:
        port = port_of(child)
        assert child.stdout is not None
        for _ in range(2 if flags else 1):
            assert child.stdout.readline() == "started\n"
        assert ask(port)
        child.send_signal(signal.SIGTERM)
        out, err = child.communicate(timeout=PATIENCE_SECONDS)
    assert child.returncode == 0
    assert out.split() == ["ended"] * (2 if flags else 1)
    assert "Traceback" not in err
    assert " ERROR " not in err


def test_an_application_handles_signals_on_its_loop(folder: Path) -> None:
    with started(folder, "handles") as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "started\n"
        for number, word in ((signal.SIGUSR2, "usr2"), (signal.SIGUSR2, "usr2"), (signal.SIGTERM, "term")):
            child.send_signal(number)
            assert child.stdout.readline() == f"{word}\n"
        assert ask(port_of(child)), "it had the signal to itself, and has handed it back"
        child.send_signal(signal.SIGTERM)
        out, err = child.communicate(timeout=PATIENCE_SECONDS)
    assert (child.returncode, out) == (0, "ended\n")
    assert "Traceback" not in err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("flags", [[], ["--workers", "2"]], ids=["one process", "workers"])
def test_a_signal_ends_a_slow_startup(folder: Path, flags: list[str], number: signal.Signals) -> None:
    with started(folder, "slow_start", *flags) as child:
        assert child.stdout is not None
        for _ in range(2 if flags else 1):
            assert child.stdout.readline() == "starting\n"
        begin = time.monotonic()
        child.send_signal(number)
        out, err = child.communicate(timeout=PATIENCE_SECONDS)
    assert time.monotonic() - begin < 10
    assert child.returncode == 0
    assert out.split() == ["cancelled"] * (2 if flags else 1)
    assert "Traceback" not in err
    assert " ERROR " not in err


def test_a_startup_that_blocks_is_left_after_the_grace_time(folder: Path) -> None:
    with started(folder, "blocked_start", "--grace", "0.5") as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "starting\n"
        begin = time.monotonic()
        child.send_signal(signal.SIGTERM)
        child.communicate(timeout=PATIENCE_SECONDS)
    assert time.monotonic() - begin < 10
    assert child.returncode == 0


def test_a_shutdown_longer_than_the_grace_time_is_left(folder: Path) -> None:
    with started(folder, "slow_end", "--grace", "0.5") as child:
        ask(port_of(child))
        begin = time.monotonic()
        child.send_signal(signal.SIGTERM)
        out, err = child.communicate(timeout=PATIENCE_SECONDS)
    assert time.monotonic() - begin < 10
    assert (child.returncode, out) == (0, "started\n")
    assert "the application has not ended" in err


def test_a_second_signal_cuts_a_long_shutdown_short(folder: Path) -> None:
    with started(folder, "slow_end") as child:
        ask(port_of(child))
        child.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        begin = time.monotonic()
        child.send_signal(signal.SIGTERM)
        child.communicate(timeout=PATIENCE_SECONDS)
    assert time.monotonic() - begin < 10
    assert child.returncode == 0
