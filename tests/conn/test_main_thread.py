"""The main thread while it waits for an engine: signals, however they come, calls of other threads, fork.

Every script runs in a process of its own, since signals are a process's.
"""

import subprocess
import sys
import textwrap

import pytest

from tests.helpers.waiting import PATIENCE_SECONDS

BEGINNING = """
    import asyncio, os, random, resource, signal, socket, sys, threading, time, warnings
    from queue import SimpleQueue
    import floodway

    warnings.simplefilter("ignore", DeprecationWarning)  # of fork, where there are threads

    class Echo(floodway.Handler):
        def on_data(self, conn, data):
            conn.write(data)

    def started():
        engine = floodway.Engine(Echo(), "tcp://127.0.0.1:0")
        engine.start()
        return engine

    def beside(function):
        threading.Thread(target=function, daemon=True).start()

    def to_process(number):
        os.kill(os.getpid(), number)

    def to_thread(number):
        signal.pthread_kill(threading.get_ident(), number)  # Python calls the handler on the main thread all the same

    def descriptors():
        return sorted(os.listdir("/proc/self/fd"))
"""


def output_of(script: str) -> list[str]:
    """What this prints after BEGINNING, by lines. It has to end by itself, with code 0 and without a word of errors."""
    code = textwrap.dedent(BEGINNING) + textwrap.dedent(script)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=2 * PATIENCE_SECONDS, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


@pytest.mark.parametrize("way", ["to_process", "to_thread"])
def test_each_of_many_signals_ends_the_sleep(way: str) -> None:
    """Each is sent when the one before was handled: one that is slept through would be the last."""
    script = f"""
        engine, handled = started(), SimpleQueue()
        signal.signal(signal.SIGUSR1, lambda *_: handled.put(None))

        def send():
            for _ in range(300):
                time.sleep(random.random() / 1000)
                {way}(signal.SIGUSR1)
                handled.get(timeout={PATIENCE_SECONDS})
            engine.stop()

        beside(send)
        engine.join()
        print("stopped")
    """
    assert output_of(script) == ["stopped"]


@pytest.mark.parametrize("way", ["to_process", "to_thread"])
def test_ctrl_c_comes_out_of_join_and_leaves_nothing(way: str) -> None:
    script = f"""
        engine = started()
        try:
            engine.join(0.2)  # its threads have begun
        except TimeoutError:
            before = descriptors()
        beside(lambda: (time.sleep(0.1), {way}(signal.SIGINT)))
        try:
            engine.join()
        except KeyboardInterrupt:
            print("interrupted", signal.set_wakeup_fd(-1), descriptors() == before)
        engine.stop()
        engine.join()
    """
    assert output_of(script) == ["interrupted -1 True"]


@pytest.mark.parametrize("way", ["to_process", "to_thread"])
def test_who_was_told_of_signals_before_is_told_during_join_and_after(way: str) -> None:
    script = f"""
        engine = started()
        reading, writing = socket.socketpair()
        reading.setblocking(False)
        writing.setblocking(False)
        signal.set_wakeup_fd(writing.fileno())

        def interrupt(*_):
            raise InterruptedError

        for raises in (False, True):
            signal.signal(signal.SIGUSR1, interrupt if raises else lambda *_: None)
            beside(lambda: (time.sleep(0.1), {way}(signal.SIGUSR1)))
            try:
                engine.join(0.5)
            except InterruptedError:
                print("interrupted")
            except TimeoutError:
                print("time is over")
            print(reading.recv(100) == bytes([signal.SIGUSR1]))
        print(signal.set_wakeup_fd(-1) == writing.fileno())
        engine.stop()
        engine.join()
    """
    assert output_of(script) == ["time is over", "True", "interrupted", "True", "True"]


def test_an_event_loop_that_is_held_up_by_join_learns_of_its_signals_afterwards() -> None:
    script = """
        engine = started()

        async def main():
            came = asyncio.Event()
            asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, came.set)
            beside(lambda: (to_process(signal.SIGUSR1), engine.stop()))
            engine.join()
            await came.wait()
            print("came")

        asyncio.run(main())
    """
    assert output_of(script) == ["came"]


def test_a_signal_handler_may_join_while_join_waits() -> None:
    script = """
        inner, outer = started(), started()

        def handle(*_):
            inner.stop()
            inner.join()
            print("inner")
            outer.stop()

        signal.signal(signal.SIGUSR1, handle)
        beside(lambda: (time.sleep(0.1), to_thread(signal.SIGUSR1)))
        outer.join()
        print("outer", signal.set_wakeup_fd(-1))
    """
    assert output_of(script) == ["inner", "outer -1"]


def test_what_ends_the_outer_wait_may_come_during_an_inner_one() -> None:
    script = """
        inner, outer = started(), started()

        def handle(*_):
            outer.stop()
            outer_stops = time.monotonic() + 0.2
            beside(lambda: (time.sleep(max(0, outer_stops - time.monotonic())), inner.stop()))
            inner.join()

        signal.signal(signal.SIGUSR1, handle)
        beside(lambda: (time.sleep(0.1), to_process(signal.SIGUSR1)))
        outer.join()
        print("outer")
    """
    assert output_of(script) == ["outer"]


def test_handlers_that_raise_at_any_moment_leave_the_programs_wakeup_descriptor() -> None:
    script = """
        class Boom(Exception):
            pass

        def raise_it(*_):
            raise Boom

        engine, done, booms = started(), threading.Event(), 0
        reading, writing = socket.socketpair()
        writing.setblocking(False)
        signal.set_wakeup_fd(writing.fileno())
        signal.signal(signal.SIGUSR1, raise_it)

        def read():
            while True:
                reading.recv(4096)

        def bombard():
            for _ in range(500):
                time.sleep(random.random() / 1000)
                to_thread(signal.SIGUSR1)
            done.set()

        beside(read)
        beside(bombard)
        while True:
            try:
                while not done.is_set():
                    try:
                        engine.join(0.0005)
                    except TimeoutError:
                        pass
                break
            except Boom:
                booms += 1
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        print(booms > 0, signal.set_wakeup_fd(-1) == writing.fileno())
        engine.stop()
        engine.join()
    """
    assert output_of(script) == ["True True"]


def test_a_coroutine_has_its_signal_handled_while_the_main_thread_sleeps() -> None:
    script = """
        async def application(scope, receive, send):
            came = asyncio.Event()
            asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, came.set)
            to_process(signal.SIGUSR1)
            await came.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"came"})

        port = socket.create_server(("127.0.0.1", 0))

        def ask():
            with socket.create_connection(port.getsockname()) as client:
                client.sendall(b"GET / HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n")
                print(client.makefile().read().endswith("came"), flush=True)
            to_process(signal.SIGTERM)

        beside(ask)
        floodway.serve(application, fd=port.fileno(), interface="asgi")
    """
    assert output_of(script) == ["True"]


def test_a_forked_child_waits_for_an_engine_of_its_own() -> None:
    script = """
        engine = started()

        def fork():
            time.sleep(0.1)  # the main thread waits now
            pid = os.fork()
            if pid == 0:
                code = 1
                try:
                    signal.signal(signal.SIGUSR1, lambda *_: own.stop())
                    wakeup = signal.set_wakeup_fd(-1)
                    own = started()
                    beside(lambda: to_thread(signal.SIGUSR1))
                    own.join()
                    code = 0 if wakeup == -1 else 2
                finally:
                    os._exit(code)
            print("child", os.waitpid(pid, 0)[1], flush=True)
            engine.stop()

        beside(fork)
        engine.join()
        print("parent")
    """
    assert output_of(script) == ["child 0", "parent"]


def test_a_child_that_a_signal_handler_forks_does_not_wait_in_its_parents_place() -> None:
    script = """
        engine, child = started(), []

        def fork(*_):
            child.append(os.fork())

        signal.signal(signal.SIGUSR1, fork)
        beside(lambda: (time.sleep(0.1), to_process(signal.SIGUSR1), time.sleep(0.2), engine.stop()))
        try:
            engine.join()
        except RuntimeError as error:
            os._exit(7 if "forked" in str(error) else 1)
        print("child", os.waitstatus_to_exitcode(os.waitpid(child[0], 0)[1]))
    """
    assert output_of(script) == ["child 7"]


def test_a_process_without_descriptors_waits_too() -> None:
    script = """
        engine, fds = floodway.Engine(), []
        engine.start()
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
        try:
            while True:
                fds.append(os.dup(0))
        except OSError:
            pass
        signal.signal(signal.SIGUSR1, lambda *_: engine.stop())
        beside(lambda: (time.sleep(0.1), to_thread(signal.SIGUSR1)))
        engine.join()
        print("stopped")
    """
    assert output_of(script) == ["stopped"]
