"""Lifespan: an application starts before the first connection, and ends after its last request."""

import asyncio
import logging
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import floodway
from floodway.app.asgi.handler import ASGIHandler
from floodway.config import ApplicationOptions
from floodway.errors import ApplicationError
from tests.helpers.asgi import Client, Gate, Receive, Scope, Send, Signal, answer, request, serving_with_lifespan
from tests.helpers.waiting import wait_until


class Journal:
    """Writes down what happens; how it starts, serves and ends is for tests to change."""

    def __init__(self) -> None:
        self.log: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.log.append("request")
            await self.serve(scope, receive, send)
            self.log.append("answered")
            return
        self.scope = scope
        assert (await receive()) == {"type": "lifespan.startup"}
        self.log.append("starting")
        await self.start(send)
        assert (await receive()) == {"type": "lifespan.shutdown"}
        self.log.append("ending")
        await self.end(send)
        self.log.append("ended")

    async def start(self, send: Send) -> None:
        await asyncio.sleep(0.02)
        self.log.append("started")
        await send({"type": "lifespan.startup.complete"})

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, b"ok")

    async def end(self, send: Send) -> None:
        await asyncio.sleep(0.01)
        await send({"type": "lifespan.shutdown.complete"})


def test_startup_comes_before_the_first_request_and_shutdown_after_the_last(driver: Any) -> None:
    journal = Journal()
    with serving_with_lifespan(journal, driver=driver) as engine, Client(engine) as client:
        assert journal.log == ["starting", "started"]
        client.get()
    assert journal.log == ["starting", "started", "request", "answered", "ending", "ended"]
    assert journal.scope["asgi"] == {"version": "3.0", "spec_version": "2.0"}
    assert journal.scope["state"] == {}


def test_a_connection_that_comes_during_startup_waits(driver: Any) -> None:
    gate, begun = Gate(), Signal()

    class Slow(Journal):
        async def start(self, send: Send) -> None:
            begun.set()
            await gate.wait()
            await super().start(send)

    journal = Slow()
    engine = floodway.Engine(ASGIHandler(journal, ApplicationOptions()), "tcp://127.0.0.1:0", driver=driver)
    starting = thread_of(engine.start)
    begun.wait()
    with Client(engine) as client:
        client.send(request())
        time.sleep(0.05)
        assert "request" not in journal.log
        gate.open()
        starting.join()
        assert client.read().body == b"ok"
    engine.stop()
    engine.join()


def thread_of(function: Any) -> threading.Thread:
    thread = threading.Thread(target=function)
    thread.start()
    return thread


def test_shutdown_waits_for_a_request_that_runs_and_for_its_background_work(driver: Any) -> None:
    begun = Signal()

    class Late(Journal):
        async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
            begun.set()
            while "draining" not in repr(engine):  # noqa: ASYNC110 - on another thread
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)  # the reactor's turn
            await answer(send, b"late")
            await asyncio.sleep(0.3)
            self.log.append("background work done")

    journal = Late()
    with serving_with_lifespan(journal, driver=driver) as engine, Client(engine) as client:
        client.send(request())
        begun.wait()
        engine.stop(10)
        got = client.read()
        assert (got.body, got.headers["connection"]) == (b"late", "close")
    assert journal.log[3:] == ["background work done", "answered", "ending", "ended"]


def test_what_runs_when_the_grace_time_is_over_is_cancelled_before_shutdown(caplog: pytest.LogCaptureFixture) -> None:
    class Endless(Journal):
        async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
            await answer(send, b"ok")
            try:
                await asyncio.sleep(60)
            finally:
                self.log.append("cancelled")

    journal = Endless()
    with serving_with_lifespan(journal, grace=0.3) as engine, Client(engine) as client:
        client.get()
    assert journal.log[3:] == ["cancelled", "ending", "ended"]
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert "the grace time is over; requests cancelled: 1" in caplog.text


def test_an_unanswered_request_ends_with_the_grace_time(caplog: pytest.LogCaptureFixture) -> None:
    class Silent(Journal):
        async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            self.log.append("told")

    journal = Silent()
    begin = time.monotonic()
    with serving_with_lifespan(journal, grace=0.3) as engine, Client(engine) as client:
        client.send(request())
        wait_until(lambda: "request" in journal.log)
    assert journal.log[2:] == ["request", "told", "answered", "ending", "ended"]
    assert time.monotonic() - begin < 5
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_every_loop_runs_the_application_once_with_a_state_of_its_own() -> None:
    states = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            scope["state"]["loop"] = asyncio.get_running_loop()
            states.append(scope["state"])
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
        else:
            assert scope["state"]["loop"] is asyncio.get_running_loop()
            await answer(send)

    with serving_with_lifespan(application, main_reactors=1, sub_reactors=2) as engine:
        for _ in range(4):
            with Client(engine) as client:
                assert client.get().status == 200
    assert len(states) == 2


@pytest.mark.parametrize("message", [{"message": "no database"}, {}], ids=["told", "not told"])
def test_startup_that_failed_is_an_application_error(message: Any, no_descriptor_left: None) -> None:
    class Failing(Journal):
        async def start(self, send: Send) -> None:
            await send({"type": "lifespan.startup.failed", **message})

    wanted = "no database" if message else "it said lifespan.startup.failed"
    with (
        pytest.raises(ApplicationError, match=f"the application could not start: {wanted}"),
        serving_with_lifespan(Failing()),
    ):
        pass


def test_startup_that_failed_does_not_wait_for_an_application_that_goes_on(no_descriptor_left: None) -> None:
    class Failing(Journal):
        async def start(self, send: Send) -> None:
            await send({"type": "lifespan.startup.failed", "message": "no"})
            await asyncio.sleep(60)

    begin = time.monotonic()
    with pytest.raises(ApplicationError), serving_with_lifespan(Failing()):
        pass
    assert time.monotonic() - begin < 10


@pytest.mark.parametrize("early", [True, False], ids=["at once", "at startup"])
def test_an_application_without_lifespan_is_served(early: bool, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            if not early:
                await receive()
            raise KeyError("lifespan")
        assert scope["state"] == {}
        await answer(send, b"served")

    with serving_with_lifespan(application) as engine, Client(engine) as client:
        assert client.get().body == b"served"
    assert "the application does not speak lifespan (KeyError: 'lifespan')" in caplog.text
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


def test_an_application_whose_lifespan_returns_at_once_is_served() -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await answer(send, b"served")

    with serving_with_lifespan(application) as engine, Client(engine) as client:
        assert client.get().body == b"served"


def test_an_application_that_ends_its_lifespan_after_startup_is_served() -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            return await answer(send, b"served")
        await receive()
        await send({"type": "lifespan.startup.complete"})
        return None

    with serving_with_lifespan(application) as engine, Client(engine) as client:
        assert client.get().body == b"served"


@pytest.mark.parametrize("kind", ["lifespan.shutdown.failed", "raise"])
def test_a_shutdown_that_failed_is_logged(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    class Failing(Journal):
        async def end(self, send: Send) -> None:
            if kind == "raise":
                raise LookupError("lost")
            await send({"type": kind, "message": "lost"})

    with serving_with_lifespan(Failing()):
        pass
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert "lost" in (record.exc_text or record.getMessage())


@pytest.mark.parametrize("wrong", [{"type": "http.response.start"}, {"type": "lifespan.startup.done"}, {}, "x"])
def test_a_wrong_message_of_startup_is_refused(wrong: Any) -> None:
    class Wrong(Journal):
        async def start(self, send: Send) -> None:
            with pytest.raises((RuntimeError, KeyError, TypeError)):
                await send(wrong)
            self.log.append("refused")
            await super().start(send)

    journal = Wrong()
    with serving_with_lifespan(journal):
        assert "refused" in journal.log


@pytest.mark.parametrize("stubborn", [False, True])
def test_a_stop_during_startup_ends_it(
    stubborn: bool, caplog: pytest.LogCaptureFixture, no_descriptor_left: None
) -> None:
    begun = Signal()

    class Slow(Journal):
        async def start(self, send: Send) -> None:
            begun.set()
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                self.log.append("cancelled")
                if stubborn:
                    await asyncio.sleep(60)
                raise

    journal = Slow()
    engine = floodway.Engine(ASGIHandler(journal, ApplicationOptions()), "tcp://127.0.0.1:0", grace=1)
    starting = thread_of(engine.start)
    begun.wait()
    engine.stop()
    starting.join(10)
    assert not starting.is_alive()
    engine.join(10)
    assert journal.log == ["starting", "cancelled"]
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_a_shutdown_longer_than_the_grace_time_is_left(caplog: pytest.LogCaptureFixture) -> None:
    class Slow(Journal):
        async def end(self, send: Send) -> None:
            try:
                await asyncio.sleep(60)
            finally:
                self.log.append("cut off")

    journal = Slow()
    begin = time.monotonic()
    with serving_with_lifespan(journal, grace=0.2):
        pass
    assert time.monotonic() - begin < 5
    assert "the application has not ended" in caplog.text
    assert journal.log[-1] == "cut off"


def test_an_interrupt_during_startup_is_raised_at_once_and_leaves_no_task(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(INTERRUPTED)
    run = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, timeout=20, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "interrupted\n", "")


INTERRUPTED = """
import asyncio, os, signal
import floodway
from floodway.app.asgi.handler import ASGIHandler
from floodway.config import ApplicationOptions

async def application(scope, receive, send):
    await receive()
    asyncio.get_running_loop().call_later(0.1, os.kill, os.getpid(), signal.SIGINT)
    await asyncio.sleep(60)

try:
    with floodway.Engine(ASGIHandler(application, ApplicationOptions()), "tcp://127.0.0.1:0"):
        print("started")
except KeyboardInterrupt:
    print("interrupted")
"""
