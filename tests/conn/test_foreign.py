"""Descriptors that the reactor watches for somebody else."""

import contextlib
import errno
import os
import socket
from collections.abc import Callable, Iterator
from selectors import EVENT_READ, EVENT_WRITE
from typing import Any

import pytest

import floodway
from floodway.config import ListenerOptions
from floodway.conn.failures import Failures
from floodway.conn.reactor import EVENT_CALL, EVENT_FOREIGN, Admission, Reactor, make_reactor
from floodway.conn.route import Route
from floodway.conn.sub_reactor import SubReactor
from floodway.limits import Limits

BOTH = EVENT_READ | EVENT_WRITE

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def core(driver: Any) -> Iterator[Reactor]:
    core = make_reactor("test", driver, Limits(max_batch=4), Admission(None, None))
    yield core
    core.close()


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        yield ours, theirs


def poll(core: Reactor, timeout: float | None = 0) -> dict[int, int]:
    """What is ready now, by descriptor; calls are made."""
    ready: dict[int, int] = {}
    batch = core.poll(timeout)
    assert batch is not None
    for kind, target, payload in batch:
        if kind == EVENT_FOREIGN:
            assert target not in ready, "told twice in one batch"
            ready[target] = payload
        else:
            assert kind == EVENT_CALL
            target(*payload)
    return ready


def test_what_is_readable_is_told_by_every_poll_until_it_was_read(core: Reactor, pair: Pair) -> None:
    ours, theirs = pair
    core.watch(ours.fileno(), read=True, write=False)
    assert poll(core) == {}
    theirs.send(b"x")
    assert poll(core, None) == {ours.fileno(): EVENT_READ}
    assert poll(core, None) == {ours.fileno(): EVENT_READ}
    ours.recv(1)
    assert poll(core) == {}


def test_what_is_wanted_can_be_changed(core: Reactor, pair: Pair) -> None:
    ours, theirs = pair
    theirs.send(b"x")
    fd = ours.fileno()
    core.watch(fd, read=False, write=True)
    assert poll(core) == {fd: EVENT_WRITE}
    core.watch(fd, read=True, write=True)
    assert poll(core) == {fd: BOTH}
    core.watch(fd, read=True, write=False)
    assert poll(core) == {fd: EVENT_READ}


@pytest.mark.parametrize(
    ("read", "write", "told"), [(True, False, EVENT_READ), (False, True, EVENT_WRITE), (True, True, BOTH)]
)
def test_a_peer_that_has_gone_is_told_as_whatever_was_wanted(
    core: Reactor, pair: Pair, read: bool, write: bool, told: int
) -> None:
    ours, theirs = pair
    while True:
        try:
            ours.send(bytes(1 << 16))
        except BlockingIOError:
            break
    core.watch(ours.fileno(), read=read, write=write)
    assert poll(core) == {}
    theirs.close()
    assert poll(core, None) == {ours.fileno(): told}


def test_a_descriptor_that_is_ready_ends_one_wait_for_each_poll(core: Reactor, pair: Pair) -> None:
    ours, theirs = pair
    core.watch(ours.fileno(), read=True, write=True)
    theirs.send(b"x")
    before = core.stats().waits
    for _ in range(10):
        assert poll(core, None)
    assert core.stats().waits - before == 10
    theirs.close()
    core.unwatch(ours.fileno())
    before = core.stats().waits
    assert poll(core, 0.05) == {}
    assert core.stats().waits - before <= 2


def test_what_a_call_of_the_same_batch_takes_back_is_not_told(core: Reactor, pair: Pair) -> None:
    ours, theirs = pair
    fd = ours.fileno()
    core.watch(fd, read=True, write=False)
    theirs.send(b"x")
    core.call_soon(core.unwatch, fd)
    assert poll(core, None) == {}
    assert poll(core) == {}


def test_a_full_batch_does_not_keep_a_descriptor_waiting(core: Reactor, pair: Pair) -> None:
    ours, theirs = pair
    core.watch(ours.fileno(), read=True, write=False)
    theirs.send(b"x")
    calls: list[int] = []
    for number in range(10):  # a batch has room for four
        core.call_soon(calls.append, number)
    assert poll(core) == {ours.fileno(): EVENT_READ}
    assert calls == [0, 1, 2, 3]


def test_a_duplicate_of_what_was_closed_without_a_word_does_not_shut_python_out(core: Reactor, pair: Pair) -> None:
    """The kernel reports it for ever: every poll has to come back then, so that a signal can still end the program."""
    ours, theirs = pair
    fd = ours.fileno()
    core.watch(fd, read=True, write=False)
    with ours.dup():
        ours.close()
        assert core.unwatch(fd), "it was watched, though this is too late"
        theirs.send(b"x")
        for _ in range(3):
            assert poll(core, None) == {fd: 0}
    assert poll(core) == {}


def test_unwatch_says_whether_it_was_watched(core: Reactor, pair: Pair) -> None:
    fd = pair[0].fileno()
    assert not core.unwatch(fd)
    core.watch(fd, read=True, write=False)
    assert core.unwatch(fd)
    assert not core.unwatch(fd)
    assert not core.unwatch(-1)


def test_a_number_that_is_another_file_by_now_is_watched_anew(core: Reactor, pair: Pair) -> None:
    ours, theirs = pair
    fd = ours.fileno()
    core.watch(fd, read=False, write=True)
    ours.close()  # without a word to the reactor
    read_end, write_end = os.pipe()
    try:
        assert read_end == fd, "the number was not given again"
        assert poll(core) == {}
        core.watch(read_end, read=True, write=False)
        assert poll(core) == {}
        os.write(write_end, b"x")
        assert poll(core) == {read_end: EVENT_READ}
        assert core.unwatch(read_end)
    finally:
        os.close(read_end)
        os.close(write_end)
    assert theirs.recv(1) == b""


class _Echo(floodway.Handler):
    def on_data(self, conn: floodway.Connection, data: bytes) -> None:
        conn.write(data)


def test_a_number_that_is_a_connection_by_now_is_left_alone(driver: Any, pair: Pair) -> None:
    """Nobody said that the descriptor was closed; what is said of its number must not reach the connection."""
    errors: list[BaseException] = []
    core = make_reactor("test", driver, Limits(), Admission(None, None))
    reactor = SubReactor(core, Failures(errors.append, lambda: None), None)
    calls = reactor._calls
    route = Route(handler=_Echo(), framing=floodway.Raw(), limits=Limits(), options=ListenerOptions())
    reactor.add_route(route)
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()

    def run_until(condition: Callable[[], bool]) -> None:
        while not condition():
            batch = core.poll(0.05)
            assert batch is not None
            for kind, target, payload in batch:
                calls[kind](target, payload)

    with contextlib.closing(core), socket.socket() as client:
        listener.setblocking(False)
        reactor.accept_on(listener, route)
        client.settimeout(5)
        client.connect(address)
        fd = pair[0].fileno()
        core.watch(fd, read=True, write=True)
        pair[0].close()
        run_until(lambda: bool(core.connections()))
        assert not core.unwatch(fd), "the connection has the number, so nobody else watches it"
        with pytest.raises(FileExistsError):  # so it is the connection's
            core.watch(fd, read=True, write=False)
        client.send(b"still served")
        run_until(lambda: core.connections()[0].bytes_in == 12)
        core.poll(0)
        assert client.recv(100) == b"still served"
    assert not errors


def test_what_cannot_be_watched_is_refused(core: Reactor, tmp_path: Any) -> None:
    with (tmp_path / "file").open("w") as file:
        with pytest.raises(PermissionError):
            core.watch(file.fileno(), read=True, write=False)
        assert not core.unwatch(file.fileno())
        closed = file.fileno()
    for fd in (closed, -1):
        with pytest.raises(OSError, match="Bad file descriptor") as caught:
            core.watch(fd, read=True, write=False)
        assert caught.value.errno == errno.EBADF
    with pytest.raises(ValueError, match="nothing to watch fd 0 for"):
        core.watch(0, read=False, write=False)


def test_a_reactor_that_has_ended_watches_nothing(core: Reactor, pair: Pair) -> None:
    core.watch(pair[0].fileno(), read=True, write=False)
    core.close()
    assert not core.unwatch(pair[0].fileno())
    with pytest.raises(OSError, match="Bad file descriptor"):
        core.watch(pair[0].fileno(), read=True, write=False)
    pair[1].send(b"the descriptor is its owner's, still open")
    assert pair[0].recv(100)
