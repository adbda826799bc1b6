"""`receive`: bodies in every size and order, and `http.disconnect` after them."""

import asyncio
from typing import Any

import pytest

from tests.helpers.asgi import Client, Gate, Receive, Scope, Send, Signal, answer, read_body, request, serving
from tests.helpers.peers import converse
from tests.helpers.waiting import wait_until


async def measure(scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send, str(len(await read_body(receive))).encode())


@pytest.mark.parametrize("size", [0, 1, 1000, 70_000, 3_000_000])
def test_a_body_comes_whole_whatever_its_size(size: int, driver: Any) -> None:
    with serving(measure, driver=driver) as engine, Client(engine) as client:
        for _ in range(2):
            assert client.get(method="POST", body=b"x" * size).body == str(size).encode()


def test_chunks_are_put_together_or_come_as_they_arrive() -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, await read_body(receive))

    chunked = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (b"a", b"bc" * 3000, b"d")) + b"0\r\n\r\n"
    with serving(application) as engine, Client(engine) as client:
        wanted = b"a" + b"bc" * 3000 + b"d"
        assert client.get(method="POST", headers="Transfer-Encoding: chunked\r\n", body=chunked).body == wanted
        head = request(method="POST", headers="Transfer-Encoding: chunked\r\n")
        for byte in head + b"3\r\nabc\r\n0\r\n\r\n":
            client.send(bytes([byte]))
        assert client.read().body == b"abc"


def test_a_request_without_a_body_has_one_empty_part() -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        parts.append(await receive())
        await answer(send)

    parts: list[Any] = []
    with serving(application) as engine, Client(engine) as client:
        client.get()
    assert parts == [{"type": "http.request", "body": b"", "more_body": False}]


def test_parts_come_as_they_are_sent_and_answers_go_out_meanwhile() -> None:
    async def echo(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        more = True
        while more:
            message = await receive()
            more = message["more_body"]
            await send({"type": "http.response.body", "body": message["body"], "more_body": True})
        await send({"type": "http.response.body"})

    with serving(echo) as engine, Client(engine) as client:
        client.send(request(method="POST", headers="Transfer-Encoding: chunked\r\n"))
        for number in range(20):
            client.send(b"6\r\npart%02d\r\n" % number)
            if number == 0:
                assert client.read_head()[0] == 200
            assert client.piece() == b"part%02d" % number
        client.send(b"0\r\n\r\n")
        assert client.pieces() == []
        assert client.get(method="POST", body=b"again").body == b"again"


def test_megabytes_stream_both_ways_at_once() -> None:
    async def echo(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"8000000")]})
        more = True
        while more:
            message = await receive()
            more = message["more_body"]
            await send({"type": "http.response.body", "body": message["body"], "more_body": more})

    body = bytes(range(250)) * 32_000
    with serving(echo) as engine, Client(engine) as client:
        raw = request(method="POST", body=body, headers="Connection: close\r\n")
        (received,) = converse([client.socket], [raw], finish=True)
    assert received.partition(b"\r\n\r\n")[2] == body


def test_a_body_that_nobody_receives_stays_with_the_client() -> None:
    gate, waits = Gate(), Signal()

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        waits.set()
        await gate.wait()
        await answer(send, str(len(await read_body(receive))).encode())

    body = b"x" * 30_000_000
    with serving(application) as engine, Client(engine) as client:
        client.socket.setblocking(False)
        raw, sent = request(method="POST", body=body), 0
        waits_for_room = 0
        while waits_for_room < 20:
            try:
                sent += client.socket.send(raw[sent:])
                waits_for_room = 0
            except BlockingIOError:
                waits_for_room += 1
                asyncio.run(asyncio.sleep(0.01))
        waits.wait()
        assert sent < 20_000_000  # two buffers of the kernel, and ours
        assert engine.stats().total.bytes_in < sent
        gate.open()
        client.socket.settimeout(20)
        client.send(raw[sent:])
        assert client.read().body == b"30000000"


def test_receive_after_the_body_waits_for_the_end_of_the_answer() -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await read_body(receive)
        waiting = asyncio.ensure_future(receive())
        await asyncio.sleep(0.01)
        events.append(waiting.done())
        await answer(send, b"ok")
        events.append(await waiting)
        events.append(await receive())

    events: list[Any] = []
    with serving(application) as engine, Client(engine) as client:
        assert client.get(method="POST", body=b"x").body == b"ok"
        wait_until(lambda: len(events) == 3)
    assert events == [False, {"type": "http.disconnect"}, {"type": "http.disconnect"}]


def test_several_receives_at_once_share_the_parts_in_order() -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        async def receive_one() -> None:
            parts.append(await receive())

        all_three = asyncio.gather(receive_one(), receive_one(), receive_one())
        waiting.set()
        await all_three
        await answer(send)

    parts: list[Any] = []
    waiting = Signal()
    with serving(application) as engine, Client(engine) as client:
        client.send(request(method="POST", headers="Transfer-Encoding: chunked\r\n"))
        waiting.wait()
        for count, part in enumerate((b"1\r\na\r\n", b"1\r\nb\r\n", b"0\r\n\r\n"), 1):
            client.send(part)
            wait_until(lambda: len(parts) == count)  # noqa: B023 - it is waited for here
        assert client.read().status == 200
    assert [part.get("body") for part in parts] == [b"a", b"b", b""]
    assert [part.get("more_body") for part in parts] == [True, True, False]


def test_a_cancelled_receive_loses_nothing() -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        for _ in range(3):
            try:
                async with asyncio.timeout(0.01):
                    await receive()
            except TimeoutError:
                pass
        waiting.set()
        await asyncio.sleep(0.05)  # the part comes while nobody waits
        await answer(send, await read_body(receive))

    waiting = Signal()
    with serving(application) as engine, Client(engine) as client:
        client.send(request(method="POST", headers="Content-Length: 4\r\n"))
        waiting.wait()
        client.send(b"body")
        assert client.read().body == b"body"


def test_receive_and_send_can_be_made_tasks_of() -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        first: Any = receive()
        body = (await asyncio.create_task(first))["body"]
        start: Any = send({"type": "http.response.start", "status": 200})
        await asyncio.create_task(start)
        waiting: Any = receive()
        left = asyncio.create_task(waiting)
        await asyncio.sleep(0.01)
        rest: Any = send({"type": "http.response.body", "body": body})
        await asyncio.create_task(rest)
        events.append(await left)

    events: list[Any] = []
    with serving(application) as engine, Client(engine) as client:
        assert client.get(method="POST", body=b"x").body == b"x"
        wait_until(lambda: events)
    assert events == [{"type": "http.disconnect"}]


def test_a_task_of_receive_can_be_cancelled() -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await read_body(receive)
        waiting: Any = receive()
        task = asyncio.create_task(waiting)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await answer(send, b"cancelled")

    with serving(application) as engine, Client(engine) as client:
        assert client.get().body == b"cancelled"
        assert client.get().body == b"cancelled"


def test_continue_is_sent_when_the_application_first_receives() -> None:
    gate, waits = Gate(), Signal()

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        waits.set()
        await gate.wait()
        await answer(send, await read_body(receive))

    with serving(application) as engine, Client(engine) as client:
        client.send(request(method="PUT", headers="Expect: 100-continue\r\nContent-Length: 4\r\n"))
        waits.wait()
        client.socket.settimeout(0.1)
        with pytest.raises(TimeoutError):
            client.read_head()
        client.socket.settimeout(20)
        gate.open()
        assert client.read_head() == (100, {})
        client.send(b"body")
        assert client.read().body == b"body"
        assert client.get(method="POST", body=b"more").body == b"more"


def test_an_application_that_refuses_a_body_sends_no_continue() -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, b"too large", 413)

    with serving(application) as engine, Client(engine) as client:
        client.send(request(method="PUT", headers="Expect: 100-continue\r\nContent-Length: 4\r\n"))
        assert client.read_head()[0] == 413
        assert client.rest() == b"too large"


def test_a_body_that_was_not_received_does_not_become_the_next_request() -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, scope["path"].encode())

    with serving(application) as engine, Client(engine) as client:
        client.send(request("/first", method="POST", body=b"GET /smuggled HTTP/1.1\r\n\r\n") + request("/second"))
        assert client.read().body == b"/first"
        assert client.read().body == b"/second"


def test_pipelined_requests_are_answered_in_order() -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0.02 if scope["path"] == "/0" else 0)
        body = await read_body(receive)
        await answer(send, scope["path"].encode() + body)

    with serving(application) as engine, Client(engine) as client:
        client.send(b"".join(request(f"/{n}", method="POST", body=b"body%d" % n) for n in range(40)))
        assert [client.read().body for _ in range(40)] == [b"/%dbody%d" % (n, n) for n in range(40)]
