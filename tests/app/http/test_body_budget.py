"""The budget of bodies that are kept until they are complete: who passes it is refused, and nobody waits."""

import asyncio
import threading
from contextlib import ExitStack
from typing import Any

import floodway
from floodway.app.message import Request
from tests.helpers.http_client import Client, chunked, get, post, serving
from tests.helpers.waiting import PATIENCE_SECONDS, wait_until

MIB = 1 << 20
BUDGET = 4 * MIB
OPTIONS: dict[str, Any] = {"max_reactor_bodies": BUDGET, "sub_reactors": 0}
HALF = get("/", f"Content-Length: {2 * MIB}", method="POST") + bytes(MIB)


def measure(request: Request) -> str:
    return str(len(request.body))


def fill(engine: floodway.Engine, stack: ExitStack) -> list[Client]:
    """Clients with half a body each, which fill the budget together."""
    before = engine.stats().total.bytes_in
    clients = [stack.enter_context(Client.of(engine)) for _ in range(BUDGET // MIB)]
    for client in clients:
        client.send(HALF)
    wait_until(lambda: engine.stats().total.bytes_in == before + len(clients) * len(HALF), "their halves")
    return clients


def test_who_brings_more_than_there_is_room_for_gets_a_503(driver: Any) -> None:
    with serving(measure, driver=driver, **OPTIONS) as engine, ExitStack() as stack:
        fill(engine, stack)
        for request in (HALF, chunked(bytes(MIB))):
            client = stack.enter_context(Client.of(engine))
            client.send(request)
            answer = client.answer()
            assert (answer.status, answer.closes) == (503, True)
            client.socket.close()
        wait_until(lambda: engine.stats().total.closed.get("refused") == 2, "the ends of both")


def test_some_of_those_that_all_have_half_a_body_get_through() -> None:
    with serving(measure, **OPTIONS) as engine, ExitStack() as stack:
        clients = fill(engine, stack)
        for client in clients:
            client.send_on(bytes(MIB // 4), MIB)
        statuses = [client.answer().status for client in clients]
        assert set(statuses) == {200, 503}


def test_requests_without_much_of_a_body_are_served_while_there_is_no_room() -> None:
    with serving(measure, **OPTIONS) as engine, ExitStack() as stack:
        fill(engine, stack)
        client = stack.enter_context(Client.of(engine))
        assert client.ask(get()).body == b"0"
        assert client.ask(post(bytes(1000))).body == b"1000"


def test_clients_that_left_and_requests_that_were_answered_leave_their_room() -> None:
    with serving(measure, **OPTIONS) as engine, Client.of(engine) as client:
        for _ in range(3):
            with ExitStack() as stack:
                fill(engine, stack)
            wait_until(lambda: len(engine.connections()) == 1, "the ends of the others")
            assert client.ask(post(bytes(BUDGET))).body == str(BUDGET).encode()


def test_a_body_counts_until_its_request_is_answered() -> None:
    begun, may_end = threading.Event(), threading.Event()

    async def app(request: Request) -> str:
        begun.set()
        while not may_end.is_set():  # noqa: ASYNC110 - set by another thread
            await asyncio.sleep(0.005)
        return measure(request)

    with serving(app, **OPTIONS) as engine, Client.of(engine) as first, Client.of(engine) as second:
        first.send(post(bytes(BUDGET)))
        assert begun.wait(PATIENCE_SECONDS)
        second.send(HALF)
        assert second.answer().status == 503
        may_end.set()
        assert first.answer().body == str(BUDGET).encode()
        assert first.ask(post(bytes(BUDGET))).body == str(BUDGET).encode()


def test_requests_that_the_application_keeps_hold_no_room_once_they_are_answered() -> None:
    kept: list[Request] = []

    def app(request: Request) -> str:
        kept.append(request)
        return measure(request)

    with serving(app, **OPTIONS) as engine, Client.of(engine) as client:
        for _ in range(3):
            assert client.ask(post(bytes(BUDGET))).status == 200


def test_a_body_that_would_never_find_room_gets_a_413() -> None:
    with serving(measure, **OPTIONS) as engine, Client.of(engine) as client:
        client.send(get("/", f"Content-Length: {BUDGET + 1}", method="POST"))
        assert client.answer().status == 413


def test_bodies_that_are_streamed_count_for_nothing() -> None:
    @floodway.streaming
    async def app(request: Request) -> str:
        return str(sum([len(piece) async for piece in request.stream()]))

    with serving(app, **OPTIONS) as engine, Client.of(engine) as client:
        assert client.ask(post(bytes(2 * BUDGET))).body == str(2 * BUDGET).encode()
