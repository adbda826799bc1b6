"""The engine's life: start, listen, connect, stop, join, and what it says when it is misused."""

import gc
import os
import socket
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

import floodway
from floodway.base.address import TcpAddress
from floodway.errors import NotStopped

MODELS: list[dict[str, int]] = [
    {},
    {"threads": 2},
    {"main_reactors": 1, "sub_reactors": 2},
    {"main_reactors": 2, "sub_reactors": 2, "threads": 2},
    {"main_reactors": 2, "sub_reactors": 0},
]


class Recorder(floodway.Handler):
    """Echoes, and writes down every callback."""

    def __init__(self) -> None:
        self.events: SimpleQueue[tuple[Any, ...]] = SimpleQueue()

    def on_start(self, engine: floodway.Engine) -> None:
        self.events.put(("start",))

    def on_open(self, conn: floodway.Connection) -> None:
        self.events.put(("open", conn))

    def on_data(self, conn: floodway.Connection, data: bytes) -> None:
        self.events.put(("data", data))
        conn.write(data)

    def on_close(self, conn: floodway.Connection, error: BaseException | None) -> None:
        self.events.put(("close", error))

    def on_stop(self) -> None:
        self.events.put(("stop",))

    def next(self, name: str) -> Any:
        """The argument of the next callback, which has to be this one."""
        event = self.events.get(timeout=10)
        assert event[0] == name
        return event[-1]


def port_of(engine: floodway.Engine, index: int = 0) -> int:
    address = engine.addresses[index]
    assert isinstance(address, TcpAddress)
    return address.port


def visit(engine: floodway.Engine, index: int = 0) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port_of(engine, index)), timeout=10)


def echo(visitor: socket.socket, data: bytes = b"hello") -> None:
    visitor.sendall(data)
    assert visitor.recv(1024) == data


@pytest.mark.usefixtures("no_descriptor_left")
@pytest.mark.parametrize("options", MODELS)
def test_callbacks_come_in_order_from_start_to_stop(options: dict[str, Any], driver: Any) -> None:
    handler = Recorder()
    with floodway.Engine(handler, "tcp://127.0.0.1:0", driver=driver, **options) as engine:
        with visit(engine) as visitor:
            echo(visitor)
        handler.next("start")
        handler.next("open")
        assert handler.next("data") == b"hello"
        assert handler.next("close") is None
    handler.next("stop")
    assert handler.events.empty()


@pytest.mark.parametrize("options", MODELS)
def test_listening_and_connecting_while_it_runs(options: dict[str, Any]) -> None:
    handler, client = Recorder(), Recorder()
    with floodway.Engine(**options) as engine:
        engine.listen("tcp://127.0.0.1:0", handler=handler)
        handler.next("start")
        conn = engine.connect(engine.addresses[0], client, user_data="mine")
        conn.write(b"early")
        client.next("start")
        opened = client.next("open")
        assert opened is conn
        assert conn.user_data == "mine"
        handler.next("open")
        assert handler.next("data") == b"early"
        assert client.next("data") == b"early"


def test_a_name_is_connected_to() -> None:
    handler, client = Recorder(), Recorder()
    with floodway.Engine(handler, "tcp://127.0.0.1:0") as engine:
        engine.connect(f"tcp://localhost:{port_of(engine)}", client)
        client.next("start")
        client.next("open")


def test_a_unix_socket_is_connected_to_and_removed(tmp_path: Path) -> None:
    handler, client = Recorder(), Recorder()
    path = tmp_path / "a.sock"
    with floodway.Engine(handler, f"unix://{path}") as engine:
        engine.connect(f"unix://{path}", client)
        client.next("start")
        client.next("open")
    assert not path.exists()


@pytest.mark.parametrize(
    ("address", "error"), [("tcp://name.invalid:1", socket.gaierror), ("unix:///nowhere/at.all", FileNotFoundError)]
)
def test_a_failed_connect_is_on_close_alone(address: str, error: type[Exception]) -> None:
    client = Recorder()
    with floodway.Engine() as engine:
        engine.connect(address, client)
        client.next("start")
        assert isinstance(client.next("close"), error)


def test_a_refused_connect_keeps_its_errno() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    client = Recorder()
    with floodway.Engine() as engine:
        engine.connect(f"tcp://127.0.0.1:{port}", client)
        client.next("start")
        assert isinstance(client.next("close"), ConnectionRefusedError)


def test_different_listeners_have_different_handlers_and_framings() -> None:
    raw, lines = Recorder(), Recorder()
    with floodway.Engine(raw, "tcp://127.0.0.1:0", sub_reactors=2) as engine:
        engine.listen("tcp://127.0.0.1:0", handler=lines, framing=floodway.Lines())
        with visit(engine, 0) as one, visit(engine, 1) as other:
            echo(one, b"a\nb")
            other.sendall(b"a\nb\n")
            raw.next("start")
            raw.next("open")
            assert raw.next("data") == b"a\nb"
            lines.next("start")
            lines.next("open")
            assert [lines.next("data"), lines.next("data")] == [b"a", b"b"]


def test_a_handler_that_raises_loses_its_connection_only(caplog: pytest.LogCaptureFixture) -> None:
    class Fragile(Recorder):
        def on_data(self, conn: floodway.Connection, data: bytes) -> None:
            if data == b"boom":
                raise ValueError("boom")
            super().on_data(conn, data)

    handler = Fragile()
    with floodway.Engine(handler, "tcp://127.0.0.1:0") as engine, visit(engine) as one, visit(engine) as other:
        echo(other)
        one.sendall(b"boom")
        events = [handler.events.get(timeout=10) for _ in range(5)]
        assert [str(event[1]) for event in events if event[0] == "close"] == ["boom"]
        echo(other)
        assert one.getsockname()[1] == _peer_port_in(caplog)
    assert caplog.text.count("ValueError: boom") == 1


def _peer_port_in(caplog: pytest.LogCaptureFixture) -> int:
    (record,) = (record for record in caplog.records if record.name == "floodway.conn.failures")
    assert isinstance(record.args, tuple)
    (peer,) = record.args
    assert isinstance(peer, tuple)
    return int(peer[1])


@pytest.mark.parametrize("options", MODELS)
@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_what_means_the_process_stops_the_engine(options: dict[str, Any], kind: type[BaseException]) -> None:
    class Leaves(floodway.Handler):
        def on_data(self, conn: floodway.Connection, data: bytes) -> None:
            raise kind(3)

    engine = floodway.Engine(Leaves(), "tcp://127.0.0.1:0", **options)
    engine.start()
    with visit(engine) as visitor:
        visitor.sendall(b"x")
        with pytest.raises(kind, match="3"):
            engine.join(10)
    engine.join(10)


@pytest.mark.parametrize("options", MODELS)
def test_stop_from_a_callback_and_from_many_threads(options: dict[str, Any]) -> None:
    class Stops(floodway.Handler):
        def on_data(self, conn: floodway.Connection, data: bytes) -> None:
            engine.stop()

    engine = floodway.Engine(Stops(), "tcp://127.0.0.1:0", **options)
    engine.start()
    with visit(engine) as visitor:
        visitor.sendall(b"x")
        engine.join(10)
    threads = [threading.Thread(target=engine.stop) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_another_engine_starts_in_a_callback() -> None:
    inner_handler = Recorder()

    class Starts(floodway.Handler):
        def on_open(self, conn: floodway.Connection) -> None:
            inner.start()
            ready.set()

    ready = threading.Event()
    inner = floodway.Engine(inner_handler, "tcp://127.0.0.1:0")
    with floodway.Engine(Starts(), "tcp://127.0.0.1:0") as outer, visit(outer):
        assert ready.wait(10)
        with visit(inner) as visitor:
            echo(visitor)
        inner.stop()
        inner.join(10)


def test_on_start_may_listen_and_stop() -> None:
    class Starter(Recorder):
        def on_start(self, engine: floodway.Engine) -> None:
            engine.listen("tcp://127.0.0.1:0")
            assert len(engine.addresses) == 1
            super().on_start(engine)
            engine.stop()

    handler = Starter()
    engine = floodway.Engine(handler)
    engine.start()
    engine.join(10)
    handler.next("start")
    handler.next("stop")


@pytest.mark.usefixtures("no_descriptor_left")
def test_a_failed_start_leaves_nothing_and_may_be_tried_again() -> None:
    handler = Recorder()
    with socket.create_server(("127.0.0.1", 0)) as rival:
        port = rival.getsockname()[1]
        engine = floodway.Engine(handler, "tcp://127.0.0.1:0", f"tcp://127.0.0.1:{port}")
        with pytest.raises(floodway.ListenError, match=f"tcp://127.0.0.1:{port}"):
            engine.start()
        assert not engine.addresses
    with engine:
        assert len(engine.addresses) == 2
    assert [handler.events.get(timeout=1) for _ in range(2)] == [("start",), ("stop",)]


def test_an_on_start_that_raises_keeps_the_engine_from_starting() -> None:
    class Fails(floodway.Handler):
        def on_start(self, engine: floodway.Engine) -> None:
            raise LookupError("no database")

    first = Recorder()
    engine = floodway.Engine(first, "tcp://127.0.0.1:0")
    engine.listen("tcp://127.0.0.1:0", handler=Fails())
    with pytest.raises(LookupError, match="no database"):
        engine.start()
    first.next("start")
    first.next("stop")


def test_the_port_is_free_at_once() -> None:
    with floodway.Engine(Recorder(), "tcp://127.0.0.1:0") as engine, visit(engine) as visitor:
        port = port_of(engine)
        echo(visitor)
        engine.stop()
        engine.join(10)
    with floodway.Engine(Recorder(), f"tcp://127.0.0.1:{port}") as engine, visit(engine) as visitor:
        echo(visitor)


def test_call_soon_runs_on_the_reactor_asked_for() -> None:
    ran: SimpleQueue[str] = SimpleQueue()
    handler = Recorder()
    with floodway.Engine(handler, "tcp://127.0.0.1:0", sub_reactors=2) as engine, visit(engine):
        handler.next("start")
        conn = handler.next("open")
        engine.call_soon(lambda: ran.put(threading.current_thread().name), conn.reactor)
        assert ran.get(timeout=10) == f"floodway-{conn.reactor.name}"
        engine.call_soon(lambda: ran.put("anywhere"))
        assert ran.get(timeout=10) == "anywhere"


def test_stats_and_connections_count_what_is_there() -> None:
    handler = Recorder()
    engine = floodway.Engine(handler, "tcp://127.0.0.1:0", sub_reactors=2, max_connections=7)
    with engine, visit(engine) as one, visit(engine) as other:
        echo(one)
        echo(other)
        stats = engine.stats()
        assert [part.name for part in stats.reactors] == ["sub-0", "sub-1", "main-0"]
        assert (stats.total.connections, stats.total.accepted, stats.max_connections) == (2, 2, 7)
        assert stats.resident_bytes > 0
        ports = {one.getsockname()[1], other.getsockname()[1]}
        assert {conn.peer[1] for conn in engine.connections()} == ports
    assert engine.stats().total.connections == 0
    assert engine.connections() == []


def test_join_names_the_thread_that_is_stuck(caplog: pytest.LogCaptureFixture) -> None:
    entered, leave = threading.Event(), threading.Event()

    class Blocks(floodway.Handler):
        def on_data(self, conn: floodway.Connection, data: bytes) -> None:
            entered.set()
            leave.wait(30)

    engine = floodway.Engine(Blocks(), "tcp://127.0.0.1:0", watchdog=0.05, sub_reactors=0)
    engine.start()
    with visit(engine) as visitor:
        visitor.sendall(b"x")
        assert entered.wait(10)
        with pytest.raises(TimeoutError, match=r"still serves after 0\.01 seconds"):
            engine.join(0.01)
        _wait_for("has been in one batch", caplog)
        engine.stop(0)
        with pytest.raises(NotStopped, match="reactor is stuck in a callback"):
            engine.join()
        leave.set()
        engine.join(10)
    assert caplog.text.count("has been in one batch") == 1
    assert "in on_data" in caplog.text


def _wait_for(text: str, caplog: pytest.LogCaptureFixture) -> None:
    deadline = time.monotonic() + 10
    while text not in caplog.text:
        assert time.monotonic() < deadline
        time.sleep(0.01)  # for the watchdog


def test_join_names_the_worker_that_is_stuck() -> None:
    entered, leave = threading.Event(), threading.Event()

    class Blocks(floodway.Handler):
        def on_data(self, conn: floodway.Connection, data: bytes) -> None:
            entered.set()
            leave.wait(30)

    engine = floodway.Engine(Blocks(), "tcp://127.0.0.1:0", threads=1)
    engine.start()
    with visit(engine) as visitor:
        visitor.sendall(b"x")
        assert entered.wait(10)
        engine.stop(0)
        with pytest.raises(NotStopped, match="floodway-worker-0 is stuck in a callback"):
            engine.join()
        leave.set()
        engine.join(10)


def test_join_waits_as_long_as_it_is_told_for_a_callback_that_returns_late() -> None:
    """Although the time to stop is over, which without a timeout ends the wait."""
    entered, leave = threading.Event(), threading.Event()

    class Blocks(floodway.Handler):
        def on_data(self, conn: floodway.Connection, data: bytes) -> None:
            entered.set()
            leave.wait(30)

    engine = floodway.Engine(Blocks(), "tcp://127.0.0.1:0", threads=1)
    engine.start()
    with visit(engine) as visitor:
        visitor.sendall(b"x")
        assert entered.wait(10)
        engine.stop(0)
        with pytest.raises(NotStopped):
            engine.join()
        begun = time.monotonic()
        with pytest.raises(NotStopped, match="floodway-worker-0 is stuck in a callback"):
            engine.join(0.2)
        assert time.monotonic() - begun >= 0.2
        late = threading.Timer(0.2, leave.set)
        late.start()
        engine.join(20)
        late.join()


def test_a_stuck_reactor_holds_up_no_other() -> None:
    leave = threading.Event()

    class Blocks(floodway.Handler):
        def on_data(self, conn: floodway.Connection, data: bytes) -> None:
            if data == b"block":
                leave.wait(30)
            conn.write(data)

    engine = floodway.Engine(Blocks(), "tcp://127.0.0.1:0", sub_reactors=2, balancer=floodway.RoundRobin())
    with engine, visit(engine) as one, visit(engine) as other:
        one.sendall(b"block")
        echo(other)
        leave.set()
        assert one.recv(10) == b"block"


@pytest.mark.parametrize(
    ("use", "advice"),
    [
        (lambda engine: engine.join(), "call start() first"),
        (lambda engine: engine.stats(), "call start() first"),
        (lambda engine: engine.connections(), "call start() first"),
        (lambda engine: engine.call_soon(print), "call start() first"),
        (lambda engine: engine.connect("tcp://127.0.0.1:1", Recorder()), "call start() first"),
    ],
)
def test_use_before_the_start_says_what_to_do(use: Callable[[floodway.Engine], object], advice: str) -> None:
    with pytest.raises(RuntimeError) as caught:
        use(floodway.Engine())
    assert advice in str(caught.value)


@pytest.mark.parametrize(
    "use",
    [
        lambda engine: engine.start(),
        lambda engine: engine.call_soon(print),
        lambda engine: engine.listen("tcp://127.0.0.1:0", handler=Recorder()),
        lambda engine: engine.connect("tcp://127.0.0.1:1", Recorder()),
    ],
)
def test_use_after_the_end_says_what_to_do(use: Callable[[floodway.Engine], object]) -> None:
    with floodway.Engine() as engine:
        pass
    with pytest.raises(RuntimeError, match="make a new Engine"):
        use(engine)
    engine.stop()


def test_join_in_a_callback_is_refused() -> None:
    caught: SimpleQueue[BaseException] = SimpleQueue()

    def join() -> None:
        try:
            engine.join()
        except RuntimeError as error:
            caught.put(error)

    with floodway.Engine() as engine:
        engine.call_soon(join)
        assert "would wait for itself" in str(caught.get(timeout=10))


def test_a_listener_without_a_handler_is_refused() -> None:
    with pytest.raises(ValueError, match=r"nobody to serve tcp://127.0.0.1:0; pass handler="):
        floodway.Engine().listen("tcp://127.0.0.1:0")


def test_an_endless_number_of_connecting_handlers_is_refused() -> None:
    with floodway.Engine() as engine:
        for _ in range(128):
            engine.connect("unix:///nowhere/at.all", Recorder())
        with pytest.raises(RuntimeError, match="128 different handler objects"):
            engine.connect("unix:///nowhere/at.all", Recorder())


@pytest.mark.usefixtures("no_descriptor_left")
def test_starting_and_stopping_leaves_no_thread() -> None:
    before = threading.active_count()
    for _ in range(5):
        with floodway.Engine(Recorder(), "tcp://127.0.0.1:0", sub_reactors=2, threads=2) as engine, visit(engine):
            pass
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)  # the attendant ends right after join() returns
    assert threading.active_count() == before


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_forked_child_is_told_and_disturbs_nobody() -> None:
    with floodway.Engine(Recorder(), "tcp://127.0.0.1:0") as engine, visit(engine) as visitor:
        echo(visitor)
        pid = os.fork()
        if pid == 0:
            told = 1
            try:
                engine.stop()
            except RuntimeError as error:
                told = 0 if "make and start a new Engine in the child" in str(error) else 2
            os._exit(told)
        assert os.waitpid(pid, 0)[1] == 0
        echo(visitor)


@pytest.mark.parametrize("options", MODELS)
def test_a_call_that_comes_after_the_end_keeps_no_reactor(options: dict[str, Any]) -> None:
    """Nobody will make it, and it refers to the reactor: left in the reactor it would keep it for ever."""
    handler = Recorder()
    with floodway.Engine(handler, "tcp://127.0.0.1:0", **options) as engine, visit(engine):
        handler.next("start")
        reactor = handler.next("open").reactor
    reactor.call_soon(reactor.wake)
    assert not reactor.call_later(0, reactor.wake).is_pending
    left = weakref.ref(reactor)
    del engine, handler, reactor
    gc.collect()
    assert left() is None


@pytest.mark.cross_thread
def test_calls_that_meet_the_end_keep_no_reactor() -> None:
    handler = Recorder()
    ended = threading.Event()
    with floodway.Engine(handler, "tcp://127.0.0.1:0") as engine, visit(engine):
        handler.next("start")
        reactor = handler.next("open").reactor

        def call(reactor: Any) -> None:
            while not ended.is_set():
                reactor.call_soon(reactor.wake)
                reactor.call_later(60, reactor.wake)
                time.sleep(0.0001)  # with the GIL three that never pause would leave the reactor none

        callers = [threading.Thread(target=call, args=(reactor,)) for _ in range(3)]
        for caller in callers:
            caller.start()
    ended.set()
    for caller in callers:
        caller.join()
    left = weakref.ref(reactor)
    del engine, handler, reactor, callers, caller, call
    gc.collect()
    assert left() is None
