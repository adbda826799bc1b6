"""How long a client may take, for each part of a request. The limits are shortened, and the bounds generous."""

import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from floodway.app.message import Request, Response
from tests.helpers.http_client import Answer, Client, get, post, serving
from tests.helpers.waiting import wait_until

SHORT = 0.5
# How much later than due something may happen on a machine that is busy with other tests.
LATE_SECONDS = 8.0


def served(request: Request) -> bytes:
    return b"served"


def seconds_to(what: Callable[[], object]) -> float:
    start = time.monotonic()
    what()
    return time.monotonic() - start


def check_due(elapsed: float, limit: float) -> None:
    assert limit * 0.9 <= elapsed <= limit + LATE_SECONDS


class Dribble:
    """Sends one byte after the other, a twentieth of a second apart, until the server has enough."""

    def __init__(self, client: Client, byte: bytes = b"x") -> None:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(client.socket, byte))
        self._thread.start()

    def _run(self, peer: socket.socket, byte: bytes) -> None:
        while not self._over.wait(0.05):
            try:
                peer.send(byte)
            except OSError:
                return

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


@pytest.mark.parametrize("keep_alive_timeout", [60.0, None])
def test_a_client_that_says_nothing_is_left_without_a_word(driver: str, keep_alive_timeout: float | None) -> None:
    limits: dict[str, Any] = {"head_timeout": SHORT, "keep_alive_timeout": keep_alive_timeout}
    with serving(served, driver=driver, **limits) as engine, Client.of(engine) as client:
        check_due(seconds_to(lambda: check_silent_end(client)), SHORT)
        wait_until(lambda: engine.stats().total.closed == {"idle_timeout": 1}, "the count")


def check_silent_end(client: Client) -> None:
    assert client.rest() == b""
    client.socket.close()  # which the server waits for, so as not to reset it


def test_a_first_head_that_is_not_complete_in_time_is_answered_with_408(driver: str) -> None:
    with serving(served, head_timeout=SHORT, driver=driver) as engine, Client.of(engine) as client:
        start = time.monotonic()
        client.send(b"GET / HT")
        check_408(client.answer())
        check_due(time.monotonic() - start, SHORT)
        assert client.is_closed()
        client.socket.close()
        wait_until(lambda: engine.stats().total.closed == {"refused": 1}, "the count")


def check_408(answer: Answer) -> None:
    assert (answer.status, answer.closes) == (408, True)


def test_the_time_for_the_first_head_counts_from_the_accept() -> None:
    with serving(served, head_timeout=1.0) as engine, Client.of(engine) as client:
        start = time.monotonic()
        threading.Event().wait(0.7)
        client.send(b"GET / HT")
        check_408(client.answer())
        assert time.monotonic() - start < 1.6  # and not 1.7, which a second from the first byte would be


def test_a_dribbled_head_gets_no_more_time() -> None:
    with serving(served, head_timeout=SHORT) as engine, Client.of(engine) as client:
        start = time.monotonic()
        client.send(b"GET / HTTP/1.1\r\nHost: here\r\nA: ")
        with Dribble(client):
            check_408(client.answer())
        check_due(time.monotonic() - start, SHORT)


def test_a_later_head_has_its_time_from_its_first_byte() -> None:
    with serving(served, head_timeout=SHORT) as engine, Client.of(engine) as client:
        assert client.ask(get()).status == 200
        threading.Event().wait(2 * SHORT)  # idle, which another limit bounds
        assert client.ask(get()).status == 200
        start = time.monotonic()
        client.send(b"G")
        with Dribble(client):
            check_408(client.answer())
        check_due(time.monotonic() - start, SHORT)


def test_a_pipelined_head_that_never_ends_is_refused_too() -> None:
    with serving(served, head_timeout=SHORT) as engine, Client.of(engine) as client:
        client.send(get() + get() + b"GET / HTT")
        assert [client.answer().status for _ in range(3)] == [200, 200, 408]
        assert client.is_closed()


def test_an_idle_connection_ends_after_the_keep_alive_timeout_without_a_word(driver: str) -> None:
    with serving(served, keep_alive_timeout=SHORT, driver=driver) as engine, Client.of(engine) as client:
        assert client.ask(get()).status == 200
        check_due(seconds_to(lambda: check_silent_end(client)), SHORT)
        wait_until(lambda: engine.stats().total.closed == {"idle_timeout": 1}, "the count")


def test_each_request_renews_the_keep_alive_timeout() -> None:
    with serving(served, keep_alive_timeout=2.0) as engine, Client.of(engine) as client:
        for _ in range(6):
            assert client.ask(get()).status == 200
            threading.Event().wait(0.5)
        assert client.ask(get()).status == 200


@pytest.mark.parametrize("streams", [False, True])
def test_an_answer_that_is_taken_slowly_is_not_idle(driver: str, *, streams: bool) -> None:
    large = b"x" * 10_000_000
    body = [large[:10_000]] * 1_000 if streams else large
    with (
        serving(lambda _: Response(body), keep_alive_timeout=SHORT, driver=driver) as engine,
        Client.of(engine, receive_buffer=4096) as client,
    ):
        client.send(get())
        threading.Event().wait(4 * SHORT)
        assert client.answer().body == large
        check_silent_end(client)  # in due time, which counts from when the kernel had all of it


@pytest.mark.parametrize("behind", [get("/next"), post(b"a body", path="/next")])
def test_a_request_behind_an_answer_that_is_taken_slowly_is_not_late(driver: str, behind: bytes) -> None:
    large = b"x" * 10_000_000
    limits: dict[str, Any] = {"head_timeout": SHORT, "body_timeout": SHORT, "keep_alive_timeout": SHORT}
    with (
        serving(lambda r: large if r.path == "/" else b"next", driver=driver, **limits) as engine,
        Client.of(engine, receive_buffer=4096) as client,
    ):
        client.send(get() + behind[:-3])
        wait_until(lambda: engine.stats().total.output_queued > 0, "the answer")
        client.send(behind[-3:])  # which is not read before the client has taken the answer
        threading.Event().wait(4 * SHORT)
        assert client.answer().body == large
        assert client.answer().body == b"next"


def test_an_application_may_take_longer_than_any_timeout_of_the_client() -> None:
    def slow(request: Request) -> bytes:
        threading.Event().wait(4 * SHORT)
        return b"late"

    limits: dict[str, Any] = {"head_timeout": SHORT, "keep_alive_timeout": SHORT, "body_timeout": SHORT}
    with serving(slow, threads=1, **limits) as engine, Client.of(engine) as client:
        for _ in range(2):
            assert client.ask(post(b"x")).body == b"late"


def test_a_body_that_stops_coming_is_answered_with_408(driver: str) -> None:
    with serving(served, body_timeout=SHORT, driver=driver) as engine, Client.of(engine) as client:
        client.send(get("/", "Content-Length: 10", method="POST") + b"half")
        check_due(seconds_to(lambda: check_408(client.answer())), SHORT)
        assert client.is_closed()
        client.socket.close()
        wait_until(lambda: engine.stats().total.closed == {"refused": 1}, "the count")


def test_a_chunk_that_stops_coming_is_answered_with_408() -> None:
    with serving(served, body_timeout=SHORT) as engine, Client.of(engine) as client:
        client.send(get("/", "Transfer-Encoding: chunked", method="POST") + b"5\r\nhel")
        check_due(seconds_to(lambda: check_408(client.answer())), SHORT)


def test_a_client_that_was_told_to_continue_and_does_not_is_answered_with_408() -> None:
    with serving(served, body_timeout=SHORT) as engine, Client.of(engine) as client:
        client.send(get("/", "Content-Length: 10", "Expect: 100-continue", method="POST"))
        assert client.answer().status == 100
        check_due(seconds_to(lambda: check_408(client.answer())), SHORT)


def test_a_body_that_comes_in_steps_is_waited_for() -> None:
    with serving(served, body_timeout=2.0) as engine, Client.of(engine) as client:
        client.send(get("/", "Content-Length: 8", method="POST"))
        for _ in range(8):
            threading.Event().wait(0.5)
            client.send(b"x")
        assert client.answer().body == b"served"


@pytest.mark.slow
def test_a_dribbled_body_is_answered_with_408_after_ten_seconds() -> None:
    with serving(served, body_timeout=2.0) as engine, Client.of(engine) as client:
        start = time.monotonic()
        client.send(get("/", "Content-Length: 10000", method="POST"))
        with Dribble(client):  # 20 bytes a second, where the least are 240
            check_408(client.answer())
        check_due(time.monotonic() - start, 10)


@pytest.mark.slow
def test_a_body_that_is_slow_and_fast_enough_arrives() -> None:
    with serving(served, min_body_rate=10) as engine, Client.of(engine) as client:
        client.send(get("/", "Content-Length: 260", method="POST"))
        with Dribble(client):
            assert client.answer().body == b"served"


@pytest.mark.parametrize("streams", [False, True])
def test_a_client_that_takes_nothing_of_its_answer_is_cut_off(*, streams: bool) -> None:
    large = b"x" * 10_000_000
    body = iter([large[:10_000]] * 1_000) if streams else large
    with (
        serving(lambda _: Response(body), write_timeout=1.0) as engine,
        Client.of(engine, receive_buffer=4096) as client,
    ):
        client.send(get())
        wait_until(lambda: engine.stats().total.closed == {"write_timeout": 1}, "the end")
        with pytest.raises(ConnectionResetError):
            client.read_on()
