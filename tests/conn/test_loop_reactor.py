"""An engine whose reactors run an asyncio event loop: handlers can make tasks."""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

import floodway
from tests.helpers.peers import dial, port_of, read_exactly
from tests.helpers.waiting import wait_until

ADDRESS = "tcp://127.0.0.1:0"


class Upper(floodway.Handler):
    def on_data(self, conn: floodway.Connection, data: bytes) -> None:
        conn.write(data.upper())


class Asking(floodway.Handler):
    """Asks another server, with asyncio's streams, and passes its answer on."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.tasks: set[asyncio.Task[None]] = set()

    def on_data(self, conn: floodway.Connection, data: bytes) -> None:
        task = asyncio.get_running_loop().create_task(self.ask(conn, data))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def ask(self, conn: floodway.Connection, data: bytes) -> None:
        await asyncio.sleep(0.01)
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        conn.write(await reader.readexactly(len(data)))
        writer.close()


@pytest.mark.parametrize("model", [{}, {"main_reactors": 1, "sub_reactors": 2}], ids=["single", "main-and-subs"])
def test_a_handler_makes_a_task_that_asks_another_server(driver: Any, model: Any, no_descriptor_left: None) -> None:
    with (
        floodway.Engine(Upper(), ADDRESS) as other,
        floodway.Engine(Asking(port_of(other)), ADDRESS, event_loop=True, driver=driver, **model) as engine,
    ):
        peers = [dial(engine) for _ in range(20)]
        for number, peer in enumerate(peers):
            peer.sendall(b"question %02d" % number)
        for number, peer in enumerate(peers):
            assert read_exactly(peer, 11) == b"QUESTION %02d" % number
            peer.close()


class Recorder(floodway.Handler):
    """Lets the test do something on the reactor's thread when data comes, and writes down what happened."""

    def __init__(self, on_data: Any) -> None:
        self.act = on_data
        self.log: list[str] = []

    def on_data(self, conn: floodway.Connection, data: bytes) -> None:
        self.act(self, conn, data)


def test_tasks_are_cancelled_and_clean_up_when_the_engine_stops(driver: Any, no_descriptor_left: None) -> None:
    async def numbers(log: list[str]) -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            await asyncio.sleep(0.01)
            log.append("generator ended")

    async def wait(handler: Recorder) -> None:
        generator = numbers(handler.log)
        handler.log.append(f"number {await anext(generator)}")
        handler.generator = generator  # type: ignore[attr-defined] # left open
        try:
            await asyncio.sleep(60)
        finally:
            reader, writer = await asyncio.open_connection("127.0.0.1", port_of(other))  # the reactor still polls
            writer.write(b"bye")
            handler.log.append((await reader.readexactly(3)).decode())
            writer.close()

    def act(handler: Recorder, conn: floodway.Connection, data: bytes) -> None:
        handler.task = asyncio.ensure_future(wait(handler))  # type: ignore[attr-defined]

    handler = Recorder(act)
    with (
        floodway.Engine(Upper(), ADDRESS) as other,
        floodway.Engine(handler, ADDRESS, event_loop=True, driver=driver) as engine,
    ):
        with dial(engine) as peer:
            peer.sendall(b"x")
            wait_until(lambda: handler.log == ["number 1"])
        engine.stop()
        engine.join()
    assert handler.log == ["number 1", "BYE", "generator ended"]


def test_a_task_that_will_not_end_is_left_after_a_moment(caplog: pytest.LogCaptureFixture) -> None:
    async def stubborn(handler: Recorder) -> None:
        handler.log.append("started")
        for _ in range(3):
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                continue

    def act(handler: Recorder, conn: floodway.Connection, data: bytes) -> None:
        handler.task = asyncio.ensure_future(stubborn(handler))  # type: ignore[attr-defined]

    handler = Recorder(act)
    with caplog.at_level(logging.WARNING), floodway.Engine(handler, ADDRESS, event_loop=True) as engine:
        with dial(engine) as peer:
            peer.sendall(b"x")
            wait_until(lambda: handler.log)
        started = time.monotonic()
        engine.stop(0)
        engine.join()
        assert time.monotonic() - started < 10
    assert "1 tasks have not ended within 0.4 s and are left" in caplog.text


def test_stopping_the_loop_does_not_stop_the_reactor(driver: Any) -> None:
    def act(_: Recorder, conn: floodway.Connection, data: bytes) -> None:
        asyncio.get_running_loop().stop()
        conn.write(data)

    with floodway.Engine(Recorder(act), ADDRESS, event_loop=True, driver=driver) as engine, dial(engine) as peer:
        for _ in range(3):
            peer.sendall(b"x")
            assert read_exactly(peer, 1) == b"x"


def test_a_handler_may_stop_the_engine(driver: Any) -> None:
    def act(_: Recorder, conn: floodway.Connection, data: bytes) -> None:
        engine.stop(0)

    engine: floodway.Engine = floodway.Engine(Recorder(act), ADDRESS, event_loop=True, driver=driver)
    with engine, dial(engine) as peer:
        peer.sendall(b"x")
        engine.join(10)


@pytest.mark.parametrize("ending", [SystemExit(3), KeyboardInterrupt()], ids=["SystemExit", "KeyboardInterrupt"])
def test_what_means_the_process_stops_the_engine_also_from_a_task(ending: BaseException) -> None:
    async def raise_it() -> None:
        raise ending

    def act(handler: Recorder, conn: floodway.Connection, data: bytes) -> None:
        handler.task = asyncio.ensure_future(raise_it())  # type: ignore[attr-defined]

    handler = Recorder(act)
    engine = floodway.Engine(handler, ADDRESS, event_loop=True)
    engine.start()
    with dial(engine) as peer:
        peer.sendall(b"x")
        with pytest.raises(type(ending)):
            engine.join(10)
    handler.task.exception()  # type: ignore[attr-defined] # seen


def test_a_handler_that_runs_the_loop_once_more_loses_its_connection_only(driver: Any) -> None:
    def act(_: Recorder, conn: floodway.Connection, data: bytes) -> None:
        if data == b"nest":
            asyncio.get_running_loop().run_forever()
        conn.write(data)

    engine = floodway.Engine(Recorder(act), ADDRESS, event_loop=True, driver=driver)
    with engine, dial(engine) as peer, dial(engine) as other:
        peer.sendall(b"nest")
        with contextlib.suppress(ConnectionResetError):
            assert peer.recv(1) == b""
        other.sendall(b"x")
        assert read_exactly(other, 1) == b"x"


def test_without_the_option_there_is_no_loop() -> None:
    found: list[object] = []

    def act(_: Recorder, conn: floodway.Connection, data: bytes) -> None:
        found.append(asyncio._get_running_loop())
        conn.write(data)

    with floodway.Engine(Recorder(act), ADDRESS) as engine, dial(engine) as peer:
        peer.sendall(b"x")
        read_exactly(peer, 1)
    assert found == [None]


def test_the_watchdog_sees_a_task_that_blocks(caplog: pytest.LogCaptureFixture) -> None:
    free = threading.Event()

    async def block() -> None:
        free.wait(20)

    def act(handler: Recorder, conn: floodway.Connection, data: bytes) -> None:
        handler.task = asyncio.ensure_future(block())  # type: ignore[attr-defined]

    with floodway.Engine(Recorder(act), ADDRESS, event_loop=True, watchdog=0.05) as engine, dial(engine) as peer:
        peer.sendall(b"x")
        wait_until(lambda: "free.wait(20)" in caplog.text)
        free.set()


def test_threads_and_an_event_loop_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="worker threads have no event loop; leave one out"):
        floodway.EngineOptions(event_loop=True, threads=2)
