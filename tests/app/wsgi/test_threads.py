"""WSGI on threads: the reactor goes on whatever the application does, and every wait of a thread ends."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

import floodway
from tests.helpers.peers import dial, dial_many, read_to_end, reset
from tests.helpers.waiting import PATIENCE_SECONDS, wait_until
from tests.helpers.wsgi import TEXT, Environ, Start, ask, client_of, serving

REQUEST = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
LAST_REQUEST = b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"
UPLOAD_BYTES = 64 << 20


class Gate:
    """An application that waits until it is let go, and counts who is inside."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.leave = threading.Event()

    def __call__(self, environ: Environ, start_response: Start) -> Iterable[bytes]:
        self.entered.release()
        assert self.leave.wait(PATIENCE_SECONDS)
        start_response("200 OK", TEXT)
        return [b"late"]

    def wait_entered(self) -> None:
        assert self.entered.acquire(timeout=PATIENCE_SECONDS)


def test_a_request_that_finds_too_many_waiting_gets_a_503() -> None:
    gate = Gate()
    with serving(gate, 1, max_waiting=2) as engine, dial_many(engine, 4) as peers:
        for number, peer in enumerate(peers[:3]):
            peer.sendall(LAST_REQUEST)
            if number == 0:
                gate.wait_entered()
        wait_until(lambda: engine.stats().total.bytes_in == 3 * len(LAST_REQUEST))
        peers[3].sendall(REQUEST)
        refused = read_to_end(peers[3])
        assert refused.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert b"connection: close\r\n" in refused
        gate.leave.set()
        assert [read_to_end(peer)[-4:] for peer in peers[:3]] == [b"late"] * 3


def test_clients_that_left_make_room_in_the_queue() -> None:
    gate = Gate()
    with serving(gate, 1, max_waiting=2) as engine, dial(engine) as first, dial(engine) as last:
        first.sendall(LAST_REQUEST)
        gate.wait_entered()
        for _ in range(2):
            peer = dial(engine)
            peer.sendall(REQUEST)
            reset(peer)
        wait_until(lambda: engine.stats().total.accepted == 4 and len(engine.connections()) == 2)
        last.sendall(LAST_REQUEST)
        gate.leave.set()
        assert read_to_end(first).endswith(b"late")
        assert read_to_end(last).endswith(b"late")
    assert not gate.entered.acquire(blocking=False) or not gate.entered.acquire(blocking=False), (
        "nobody else was served"
    )


def test_threads_answer_at_the_same_time() -> None:
    together = threading.Barrier(3)

    def application(environ: Environ, start_response: Start) -> Iterable[bytes]:
        together.wait(PATIENCE_SECONDS)
        start_response("200 OK", TEXT)
        return [threading.current_thread().name.encode()]

    with serving(application, 3) as engine, dial_many(engine, 3) as peers:
        for peer in peers:
            peer.sendall(LAST_REQUEST)
        names = {read_to_end(peer).rpartition(b"\r\n")[2] for peer in peers}
    assert names == {b"floodway-wsgi-0", b"floodway-wsgi-1", b"floodway-wsgi-2"}


def test_the_reactor_goes_on_while_the_application_holds_its_thread() -> None:
    gate = Gate()
    with serving(gate, 1, head_timeout=0.3) as engine, dial(engine) as busy:
        busy.sendall(LAST_REQUEST)
        gate.wait_entered()
        with dial(engine) as slow:
            slow.sendall(b"GET / HTTP/1.1\r\n")
            assert read_to_end(slow).startswith(b"HTTP/1.1 408 ")
        gate.leave.set()
        assert read_to_end(busy).endswith(b"late")


def test_an_upload_streams(tmp_path: Path) -> None:
    most = 0

    def application(environ: Environ, start_response: Start) -> Iterable[bytes]:
        nonlocal most
        count = 0
        while piece := environ["wsgi.input"].read(100_000):
            count += len(piece)
            most = max(most, len(piece))
        start_response("200 OK", TEXT)
        return [str(count).encode()]

    path = tmp_path / "upload"
    path.write_bytes(bytes(UPLOAD_BYTES))
    with serving(application, 1) as engine, client_of(engine) as client, path.open("rb") as file:
        headers = {"Content-Length": str(UPLOAD_BYTES)}
        assert ask(client, "POST", body=file, headers=headers)[2] == str(UPLOAD_BYTES).encode()
        assert engine.stats().total.bytes_in >= UPLOAD_BYTES
    assert most == 100_000


def test_a_body_that_nobody_reads_is_not_taken_in() -> None:
    gate = Gate()
    with serving(gate, 1) as engine, dial(engine) as peer:
        peer.sendall(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 999999999\r\n\r\n")
        gate.wait_entered()
        peer.settimeout(0.3)
        with pytest.raises(TimeoutError):
            peer.sendall(b"x" * 100_000_000)
        assert engine.stats().total.bytes_in < 2 << 20
        gate.leave.set()


def test_the_client_is_told_to_continue_when_the_body_is_read() -> None:
    gate = Gate()

    def application(environ: Environ, start_response: Start) -> Iterable[bytes]:
        gate(environ, lambda *_: None)  # type: ignore[arg-type]
        body = environ["wsgi.input"].read()
        start_response("200 OK", TEXT)
        return [body]

    with serving(application, 1) as engine, dial(engine) as peer:
        peer.sendall(b"POST / HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Length: 2\r\n")
        peer.sendall(b"Expect: 100-continue\r\n\r\n")
        gate.wait_entered()
        peer.settimeout(0.1)
        with pytest.raises(TimeoutError):
            peer.recv(1)
        peer.settimeout(PATIENCE_SECONDS)
        gate.leave.set()
        assert peer.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        peer.sendall(b"ok")
        assert read_to_end(peer).endswith(b"\r\n\r\nok")


class Endless:
    """An application that sends until it is told that it cannot, and notes what it was told."""

    def __init__(self) -> None:
        self.error: list[BaseException] = []
        self.sent = 0
        self.ended = threading.Event()

    def __call__(self, environ: Environ, start_response: Start) -> Iterable[bytes]:
        write = start_response("200 OK", TEXT)
        try:
            while True:
                write(b"x" * 100_000)
                self.sent += 100_000
        except BaseException as error:
            self.error.append(error)
            raise
        finally:
            self.ended.set()


def _wait_blocked(sent: Callable[[], int]) -> None:
    """Until nothing more is sent: what is pending is above the mark, and the kernel's buffers are full."""
    before = -1

    def stands() -> bool:
        nonlocal before
        time.sleep(0.1)  # for something not to happen
        stood, before = before == sent() and before > 0, sent()
        return stood

    wait_until(stands)


@pytest.mark.cross_thread
@pytest.mark.parametrize("how", ["leaves", "resets"])
def test_a_write_that_waits_ends_when_the_client_leaves(how: str, caplog: pytest.LogCaptureFixture) -> None:
    application = Endless()
    with serving(application, 1) as engine:
        peer = dial(engine, receive_buffer=4096)
        peer.sendall(REQUEST)
        _wait_blocked(lambda: application.sent)
        if how == "resets":
            reset(peer)
        else:
            peer.close()
        assert application.ended.wait(PATIENCE_SECONDS)
    assert [type(error) for error in application.error] == [floodway.ConnectionClosed]
    assert [record for record in caplog.records if record.levelno > logging.WARNING] == []


@pytest.mark.cross_thread
def test_a_write_that_waits_ends_when_the_engine_stops() -> None:
    application = Endless()
    with serving(application, 1, grace=0.2) as engine, dial(engine, receive_buffer=4096) as peer:
        peer.sendall(REQUEST)
        _wait_blocked(lambda: application.sent)
        engine.stop()
        assert application.ended.wait(PATIENCE_SECONDS)
    assert [type(error) for error in application.error] == [floodway.ConnectionClosed]


def test_a_write_that_waits_goes_on_when_the_client_reads() -> None:
    body = b"x" * 100_000
    sent = 0

    def application(environ: Environ, start_response: Start) -> Iterator[bytes]:
        nonlocal sent
        start_response("200 OK", [("Content-Length", str(200 * len(body)))])
        for _ in range(200):
            yield body
            sent += 1

    with serving(application, 1) as engine, dial(engine, receive_buffer=4096) as peer:
        peer.sendall(LAST_REQUEST)
        _wait_blocked(lambda: sent)
        assert sent < 200
        assert 0 < max(conn.pending_output for conn in engine.connections()) < 1 << 20
        assert read_to_end(peer).count(b"x") == 200 * len(body)


@pytest.mark.cross_thread
@pytest.mark.parametrize("how", ["finishes", "resets"])
def test_a_read_that_waits_ends_when_the_client_leaves(how: str, caplog: pytest.LogCaptureFixture) -> None:
    errors: list[BaseException] = []
    reading, ended = threading.Event(), threading.Event()

    def application(environ: Environ, start_response: Start) -> Iterable[bytes]:
        reading.set()
        try:
            environ["wsgi.input"].read()
        except OSError as error:
            errors.append(error)
            raise
        finally:
            ended.set()
        raise AssertionError("it was not all there")

    with serving(application, 1) as engine:
        peer = dial(engine)
        peer.sendall(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 10\r\n\r\nabc")
        assert reading.wait(PATIENCE_SECONDS)
        if how == "resets":
            reset(peer)
        else:
            peer.close()
        assert ended.wait(PATIENCE_SECONDS)
    assert [type(error) for error in errors] == [floodway.ConnectionClosed]
    assert [record for record in caplog.records if record.levelno > logging.WARNING] == []


def test_a_read_that_waits_too_long_ends_with_a_408() -> None:
    ended = threading.Event()

    def application(environ: Environ, start_response: Start) -> Iterable[bytes]:
        try:
            environ["wsgi.input"].read()
        finally:
            ended.set()
        return []

    with serving(application, 1, body_timeout=0.1) as engine, dial(engine) as peer:
        peer.sendall(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 10\r\n\r\nabc")
        assert read_to_end(peer).startswith(b"HTTP/1.1 408 ")
        assert ended.wait(PATIENCE_SECONDS)


@pytest.mark.cross_thread
def test_accepted_requests_are_answered_before_the_engine_ends() -> None:
    gate = Gate()
    with serving(gate, 1) as engine, dial_many(engine, 5) as peers:
        for peer in peers:
            peer.sendall(REQUEST)
        gate.wait_entered()
        wait_until(lambda: engine.stats().total.bytes_in == 5 * len(REQUEST))
        engine.stop()
        wait_until(lambda: "draining" in repr(engine))
        gate.leave.set()
        answers = [read_to_end(peer) for peer in peers]
        engine.join()
    assert all(answer.endswith(b"late") for answer in answers)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("floodway-wsgi")]


def test_a_thread_that_the_application_holds_is_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    gate = Gate()
    with serving(gate, 1, grace=0.1) as engine, dial(engine) as peer:
        peer.sendall(REQUEST)
        gate.wait_entered()
        engine.stop()
        engine.join()
    assert "floodway-wsgi-0 is stuck in the application:" in caplog.text
    assert "self.leave.wait" in caplog.text
    gate.leave.set()


@pytest.mark.cross_thread
def test_many_clients_at_once_get_their_own_answers() -> None:
    def application(environ: Environ, start_response: Start) -> Iterable[bytes]:
        body = environ["wsgi.input"].read()
        start_response("200 OK", TEXT)
        return [environ["PATH_INFO"].encode() + body]

    failures: list[str] = []

    def talk(engine: floodway.Engine, number: int) -> None:
        with client_of(engine) as client:
            for turn in range(50):
                body = b"%d" % turn * (turn * 97 % 3000)
                got = ask(client, "POST", f"/{number}/{turn}", body=body)[2]
                if got != f"/{number}/{turn}".encode() + body:
                    failures.append(f"{number}, {turn}: {got[:50]!r}")

    with serving(application, 4) as engine:
        talkers = [threading.Thread(target=talk, args=(engine, number)) for number in range(8)]
        for talker in talkers:
            talker.start()
        for talker in talkers:
            talker.join()
    assert failures == []


def test_nothing_is_left_of_a_request_while_the_thread_waits() -> None:
    gone = threading.Event()

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            yield b"x"

        def __del__(self) -> None:
            gone.set()

    def application(environ: Environ, start_response: Start) -> Body:
        start_response("200 OK", TEXT)
        return Body()

    with serving(application, 1) as engine, client_of(engine) as client:
        assert ask(client)[2] == b"x"
        assert gone.wait(PATIENCE_SECONDS)


def test_an_http_1_0_client_gets_the_end_of_the_connection() -> None:
    def application(environ: Environ, start_response: Start) -> Iterator[bytes]:
        start_response("200 OK", TEXT)
        yield b"a"
        yield b"b"

    with serving(application, 1) as engine, dial(engine) as peer:
        peer.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert read_to_end(peer).endswith(b"\r\n\r\nab")


def test_a_handler_serves_several_reactors() -> None:
    def application(environ: Environ, start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", TEXT)
        return [environ["REMOTE_PORT"].encode()]

    with serving(application, 2, sub_reactors=2) as engine, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(client_of(engine)) for _ in range(6)]
        for client in clients:
            client.connect()
            port = client.sock.getsockname()[1]
            assert ask(client)[2] == b"%d" % port
