"""`floodway.new_event_loop`: what asyncio's own tests do not ask."""

import asyncio
import contextlib
import gc
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from itertools import pairwise
from typing import Any

import pytest

import floodway
from floodway.conn.reactor import EVENT_CALL, Admission, make_reactor
from floodway.conn.reactor_event_loop import ReactorEventLoop
from floodway.conn.selector import ReactorSelector
from floodway.conn.sub_reactor import make_call
from floodway.limits import Limits
from tests.helpers.event_loops import loop_on


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(100):
        writer.write(data)
        await writer.drain()
    writer.close()


async def _everything() -> list[object]:
    """One of each: streams, timers, a thread, a process, a group of tasks, a timeout."""
    results: list[object] = []
    server = await asyncio.start_server(_echo, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"ping")
        results.append(await reader.readexactly(4))
        writer.close()
        await writer.wait_closed()
    results.append(await asyncio.to_thread(lambda: "thread"))
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "print(6 * 7)", stdout=subprocess.PIPE)
    results.append((await process.communicate())[0])
    async with asyncio.TaskGroup() as group:
        task = group.create_task(asyncio.sleep(0.01, "task"))
    results.append(task.result())
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.01):
            await asyncio.sleep(60)
    return results


def test_it_runs_what_asyncio_runs_and_leaves_nothing(driver: str, no_descriptor_left: None) -> None:
    with asyncio.Runner(loop_factory=lambda: loop_on(driver)) as runner:
        assert runner.run(_everything()) == [b"ping", "thread", b"42\n", "task"]


def test_the_public_name_makes_a_standard_loop_on_a_reactor(no_descriptor_left: None) -> None:
    loop = floodway.new_event_loop()
    assert isinstance(loop, asyncio.SelectorEventLoop)
    assert loop.run_until_complete(asyncio.sleep(0, "done")) == "done"
    loop.close()
    loop.close()


def test_a_loop_that_is_dropped_warns_and_leaves_nothing(no_descriptor_left: None) -> None:
    floodway.new_event_loop()  # nobody keeps it, but it is in a cycle
    with pytest.warns(ResourceWarning, match="unclosed event loop"):
        gc.collect()


def test_it_may_run_on_one_thread_after_the_other_and_be_closed_on_a_third(driver: str) -> None:
    loop = loop_on(driver)
    loop.run_until_complete(asyncio.sleep(0))
    for _ in range(2):
        thread = threading.Thread(target=lambda: loop.run_until_complete(asyncio.sleep(0)))
        thread.start()
        thread.join()
    closer = threading.Thread(target=loop.close)
    closer.start()
    closer.join()
    assert loop.is_closed()


def test_another_thread_ends_its_wait_at_once(driver: str) -> None:
    loop = loop_on(driver)
    timer = threading.Timer(0.05, loop.call_soon_threadsafe, [loop.stop])
    timer.start()
    started = time.monotonic()
    loop.call_later(30, loop.stop)
    loop.run_forever()
    assert time.monotonic() - started < 10
    timer.join()
    loop.close()


def test_ctrl_c_cancels_the_main_task_as_with_asyncio_run(driver: str) -> None:
    cancelled = []

    async def main() -> None:
        threading.Timer(0.05, os.kill, [os.getpid(), signal.SIGINT]).start()
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt), asyncio.Runner(loop_factory=lambda: loop_on(driver)) as runner:
        runner.run(main())
    assert cancelled
    assert time.monotonic() - started < 10
    assert signal.set_wakeup_fd(-1) == -1


def test_signals_reach_its_handlers_and_then_python_again(driver: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        came = asyncio.Event()
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            loop.add_signal_handler(number, came.set)
            os.kill(os.getpid(), number)
            await came.wait()
            loop.remove_signal_handler(number)
            came.clear()

    with asyncio.Runner(loop_factory=lambda: loop_on(driver)) as runner:
        runner.run(main())
    assert signal.set_wakeup_fd(-1) == -1


def test_an_idle_loop_does_not_wake_up(driver: str) -> None:
    loop = loop_on(driver)
    loop.run_until_complete(asyncio.sleep(0))
    before = loop._core.stats().waits
    loop.run_until_complete(asyncio.sleep(0.3))
    assert loop._core.stats().waits - before < 10
    loop.close()


def test_a_descriptor_that_stays_ready_costs_one_wait_for_each_turn(driver: str) -> None:
    loop = loop_on(driver)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.send(b"x")
        turns: list[int] = []

        def on_readable() -> None:
            turns.append(loop._core.stats().waits)
            if len(turns) == 10:
                loop.remove_reader(ours)
                loop.call_soon(loop.stop)

        loop.add_reader(ours, on_readable)
        loop.run_forever()
        assert [later - earlier for earlier, later in pairwise(turns)] == [1] * 9
    loop.close()


def test_a_forked_child_closes_its_copy_without_harm(driver: str) -> None:
    loop = loop_on(driver)
    ours, theirs = socket.socketpair()
    came: list[bytes] = []
    with ours, theirs:

        def on_readable() -> None:
            came.append(ours.recv(1))
            loop.stop()

        loop.add_reader(ours, on_readable)
        pid = os.fork()
        if pid == 0:
            try:
                loop.remove_reader(ours)
                loop.close()
                with asyncio.Runner(loop_factory=lambda: loop_on(driver)) as runner:
                    runner.run(asyncio.sleep(0))
            except BaseException:
                os._exit(1)
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        theirs.send(b"x")
        loop.run_forever()
        assert came == [b"x"]
        loop.remove_reader(ours)
    loop.close()


def test_what_a_native_call_schedules_is_done_at_once(driver: Any) -> None:
    """It is called within `select`, which was told to wait for half a minute."""
    core = make_reactor("test", driver, Limits(), Admission(None, None))
    calls: list[Any] = [None] * 4
    calls[EVENT_CALL] = make_call
    loop = ReactorEventLoop(core, ReactorSelector(core, calls))
    done: list[str] = []

    def native() -> None:
        assert asyncio.get_running_loop() is loop
        loop.call_soon(done.append, "soon")
        loop.call_later(0.02, done.append, "later")
        core.call_later(0.05, native_stop)

    def native_stop() -> None:
        loop.stop()

    started = time.monotonic()
    loop.call_later(30, done.append, "much later")
    threading.Timer(0.05, core.call_soon, [native]).start()
    loop.run_forever()
    assert time.monotonic() - started < 10
    assert done == ["soon", "later"]
    loop.close()
    core.close()
