"""Listening sockets that several processes, here several engines, accept on."""

import select
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

import floodway
from floodway.app.echo import Echo
from floodway.base.address import from_socket
from floodway.config import ListenerOptions
from floodway.conn.held_listener import HeldListener
from floodway.conn.route import Route
from floodway.limits import Limits
from tests.helpers.waiting import PATIENCE_SECONDS, wait_until

pytestmark = pytest.mark.usefixtures("no_descriptor_left")

MODELS = [{}, {"sub_reactors": 2}, {"main_reactors": 2, "sub_reactors": 2}]


@contextmanager
def listening(address: str, folder: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX if address == "unix" else socket.AF_INET) as listener:
        listener.bind(str(folder / "s") if address == "unix" else ("127.0.0.1", 0))
        listener.listen(64)
        listener.setblocking(False)
        yield listener


@contextmanager
def accepting(listener: socket.socket, **options: object) -> Iterator[tuple[floodway.Engine, HeldListener]]:
    handler = Echo()
    route = Route(handler=handler, framing=handler.framing, limits=Limits(), options=ListenerOptions())
    held = HeldListener(from_socket(listener), listener.dup(), route, "shared", 0)
    engine = floodway.Engine(handler, **options)  # type: ignore[arg-type]  # whatever the test asks for
    engine._hold(held)
    with engine:
        yield engine, held


def visit(listener: socket.socket) -> socket.socket:
    peer = socket.socket(listener.family)
    peer.settimeout(PATIENCE_SECONDS)
    peer.connect(listener.getsockname())
    return peer


def echo(listener: socket.socket) -> None:
    with visit(listener) as peer:
        peer.sendall(b"hello")
        assert peer.recv(5) == b"hello"


def accepted(engine: floodway.Engine) -> int:
    return engine.stats().total.accepted


@pytest.mark.parametrize("address", ["tcp", "unix"])
def test_whoever_is_there_accepts_and_the_socket_outlives_them(tmp_path: Path, address: str, driver: str) -> None:
    with listening(address, tmp_path) as listener:
        for _ in range(2):
            with accepting(listener, driver=driver) as (one, _), accepting(listener, driver=driver) as (other, _):
                assert one.addresses == other.addresses == (from_socket(listener),)
                for _ in range(20):
                    echo(listener)
                assert accepted(one) + accepted(other) == 20
        waiting = visit(listener)  # in the queue: nobody accepts
        with accepting(listener, driver=driver):
            waiting.sendall(b"hello")
            assert waiting.recv(5) == b"hello"
        waiting.close()


@pytest.mark.parametrize("options", MODELS)
def test_a_covered_socket_is_accepted_from_until_it_is_uncovered(tmp_path: Path, options: dict[str, int]) -> None:
    with (
        listening("tcp", tmp_path) as own,
        listening("tcp", tmp_path) as absent,
        accepting(own, **options) as (engine, held),
    ):
        for number in range(3):
            held.cover(7, absent.dup())
            echo(absent)
            echo(own)
            held.uncover(7)
            held.uncover(7)
            with accepting(absent) as (back, _):
                while accepted(back) == 0:  # the other one may still be about to leave it
                    echo(absent)
            assert accepted(engine) >= 2 * (number + 1)
            assert not absent.getblocking()


@pytest.mark.parametrize("options", MODELS)
def test_what_another_was_woken_for_and_left_is_found_by_looking_again(tmp_path: Path, options: dict[str, int]) -> None:
    """The kernel wakes one of those that wait with EPOLLEXCLUSIVE, the first to come. That one is as good as dead."""
    with listening("unix", tmp_path) as listener, select.epoll() as dead:
        dead.register(listener, select.EPOLLIN | select.EPOLLEXCLUSIVE)
        with accepting(listener, **options) as (engine, _), ThreadPoolExecutor(1) as pool:
            tid = pool.submit(threading.get_native_id).result()
            woken = pool.submit(dead.poll, PATIENCE_SECONDS)
            wait_until(lambda: "epoll_wait" in Path(f"/proc/self/task/{tid}/wchan").read_text())
            with visit(listener) as peer:
                assert woken.result(), "it is the one that the kernel woke"
                engine._look_again()
                peer.sendall(b"hello")
                assert peer.recv(5) == b"hello"
            assert accepted(engine) == 1
