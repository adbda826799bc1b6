"""Starting and stopping as a process sees it: what grows, interpreter exit, signals, fork."""

import gc
import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from floodway.conn.reactor import Admission, Reactor
from floodway.limits import Limits
from tests.helpers.fault_peers import ask, dial_port
from tests.helpers.peers import read_to_end
from tests.helpers.waiting import PATIENCE_SECONDS

ENGINE = """
    import os, signal, sys
    import floodway

    class Echo(floodway.Handler):
        def on_data(self, conn, data):
            conn.write(data * 16 * 1024 * 1024 if data == b"!" else data)

        def on_close(self, conn, error):
            print("on_close", type(error).__name__, flush=True)

        def on_stop(self):
            print("on_stop", flush=True)

    def begin(**options):
        engine = floodway.Engine(Echo(), "tcp://127.0.0.1:0", **options)
        engine.start()
        print(engine.addresses[0].port, flush=True)
        return engine
"""
MODELS = ["", "threads=2", "sub_reactors=2", "main_reactors=2, sub_reactors=2, threads=2", "driver='portable'"]


@contextmanager
def running(script: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A child that runs this after ENGINE and first prints a port."""
    code = textwrap.dedent(ENGINE) + textwrap.dedent(script)
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, stderr=pipe, text=True) as child:
        try:
            assert child.stdout is not None
            yield child, int(child.stdout.readline())
        finally:
            child.kill()


def end_of(child: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = child.communicate(timeout=PATIENCE_SECONDS)
    return child.returncode, out, err


@pytest.mark.parametrize("options", MODELS)
def test_twenty_starts_and_stops_leave_no_descriptor_thread_or_memory(options: str) -> None:
    """Memory is that after five rounds, when caches are full, against that after twenty more. A reactor's receive area
    alone would be 1 MiB a round; less than 0.2 MiB a round is what the allocator makes of threads that come and go."""
    script = f"""
        import gc, socket, time
        from tests.helpers import fault_process as process

        def round():
            with floodway.Engine(Echo(), "tcp://127.0.0.1:0", {options}) as engine:
                peers = [socket.create_connection(("127.0.0.1", engine.addresses[0].port)) for _ in range(10)]
                for peer in peers:
                    peer.sendall(bytes(4096))
                    left = 4096
                    while left:
                        left -= len(peer.recv(left))
                    peer.close()
            gc.collect()  # an engine is part of reference cycles

        def settled():
            # Threads whose join has returned may still be on their way out of the kernel.
            deadline = time.monotonic() + 10
            while process.threads(os.getpid()) > 1 and time.monotonic() < deadline:
                time.sleep(0.005)
            me = os.getpid()
            return process.descriptors(me), process.threads(me), process.resident_bytes(me)

        print(0, flush=True)
        for _ in range(5):
            round()
        before = settled()
        for _ in range(20):
            round()
        print(*before, *settled())
    """
    with running(script) as (child, _):
        code, out, err = end_of(child)
    assert (code, err) == (0, "")
    figures = out.splitlines()[-1].split()
    descriptors_before, threads_before, memory_before, descriptors, threads, memory = map(int, figures)
    assert (descriptors, threads) == (descriptors_before, threads_before)
    assert memory - memory_before < 4 << 20


@pytest.mark.parametrize("options", MODELS)
def test_the_interpreter_exits_under_an_engine_that_has_connections(options: str) -> None:
    with running(f"begin({options}); sys.stdin.readline()") as (child, port), dial_port(port) as peer:
        assert ask(peer) == b"hello"
        assert child.stdin is not None
        child.stdin.write("end\n")
        child.stdin.flush()
        assert read_to_end(peer) == b""
        peer.close()
        code, out, err = end_of(child)
    assert (code, out, err) == (0, "on_close ServerStopping\non_stop\n", "")


def test_the_interpreter_exits_under_an_engine_with_a_stuck_connection() -> None:
    with running("begin(); sys.stdin.readline()") as (child, port), dial_port(port, receive_buffer=4096) as peer:
        peer.sendall(b"!")
        assert peer.recv(1) == b"!"
        code, out, _ = end_of(child)
    assert (code, out) == (0, "on_close ServerStopping\non_stop\n")


@pytest.mark.parametrize("options", MODELS)
def test_ctrl_c_while_idle_ends_the_block_in_order(options: str) -> None:
    """Without `serve`: KeyboardInterrupt is the main thread's, in `join`."""
    script = f"""
        try:
            with floodway.Engine(Echo(), "tcp://127.0.0.1:0", {options}) as engine:
                print(engine.addresses[0].port, flush=True)
                engine.join()
        except KeyboardInterrupt:
            print("interrupted", flush=True)
    """
    with running(script) as (child, port), dial_port(port) as peer:
        assert ask(peer) == b"hello"
        child.send_signal(signal.SIGINT)
        assert read_to_end(peer) == b""
        peer.close()
        code, out, err = end_of(child)
    assert (code, out, err) == (0, "on_close ServerStopping\non_stop\ninterrupted\n", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_aborts_what_is_stuck(number: signal.Signals) -> None:
    script = """
        class Announces(Echo):
            def on_start(self, engine):
                import threading
                threading.Thread(target=self.announce, args=(engine,), daemon=True).start()

            def announce(self, engine):
                while "serving" not in repr(engine):
                    pass
                print(engine.addresses[0].port, flush=True)
                while "draining" not in repr(engine):
                    pass
                print("draining", flush=True)

        floodway.serve(Announces(), "tcp://127.0.0.1:0", grace=3600)
    """
    with running(script) as (child, port), dial_port(port, receive_buffer=4096) as peer:
        peer.sendall(b"!")
        assert peer.recv(1) == b"!"
        child.send_signal(number)
        assert child.stdout is not None
        assert child.stdout.readline() == "draining\n"
        child.send_signal(number)
        code, out, err = end_of(child)
        with pytest.raises(ConnectionResetError):
            read_to_end(peer)
    assert (code, out) == (0, "on_close ServerStopping\non_stop\n")
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("options", "leave"),
    [
        *((options, "engine = None; import gc; gc.collect(); sys.exit(0)") for options in MODELS),
        ("", "sys.exit(0)"),
        ("", "os._exit(0)"),
    ],
)
def test_a_forked_child_leaves_without_disturbing_its_parents_connections(options: str, leave: str) -> None:
    script = f"""
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        engine = begin({options})
        for line in sys.stdin:
            pid = os.fork()
            if pid == 0:
                {leave}
            print("child", os.waitpid(pid, 0)[1], flush=True)
    """
    with running(script) as (child, port), dial_port(port) as peer:
        assert ask(peer) == b"hello"
        assert child.stdin is not None
        child.stdin.write("fork\n")
        child.stdin.flush()
        assert child.stdout is not None
        assert child.stdout.readline() == "child 0\n"
        assert ask(peer) == b"hello"
        with dial_port(port) as newcomer:
            assert ask(newcomer) == b"hello"
        child.stdin.close()
        child.stdin = None
        assert read_to_end(peer) == b""
        peer.close()
        code, _, err = end_of(child)
    assert (code, err) == (0, "")


def test_a_forked_child_that_lives_on_does_not_keep_closed_connections_in_the_poller() -> None:
    """The child holds the parent's descriptors: closing without EPOLL_CTL_DEL would leave entries that spin."""
    script = """
        import time, warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        engine = begin()
        sys.stdin.readline()
        pid = os.fork()
        if pid == 0:
            signal.pause()
        print("forked", flush=True)
        sys.stdin.readline()
        before = engine.stats().total.waits
        time.sleep(0.3)
        print("waits", engine.stats().total.waits - before, flush=True)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    """
    with running(script) as (child, port), dial_port(port) as peer:
        assert ask(peer) == b"hello"
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write("fork\n")
        child.stdin.flush()
        assert child.stdout.readline() == "forked\n"
        peer.shutdown(socket.SHUT_WR)
        assert child.stdout.readline() == "on_close NoneType\n"
        child.stdin.write("measure\n")
        child.stdin.flush()
        assert int(child.stdout.readline().removeprefix("waits ")) < 20
        code, _, err = end_of(child)
    assert (code, err) == (0, "")


def test_a_forked_child_that_drops_a_reactor_leaves_the_parents_poller_alone(driver: Any) -> None:
    """An epoll instance is shared with a child: what the child removes from it, the parent has lost."""
    core = Reactor("shared", driver=driver, limits=Limits(), admission=Admission(None, None))
    assert list(core.poll(0) or ()) == []
    pid = os.fork()
    if pid == 0:
        try:
            core.close()
            del core
            gc.collect()
        finally:
            os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    core.wake()
    assert list(core.poll(10) or ()) == []
    assert list(core.poll(0.01) or ()) == []
    core.close()
