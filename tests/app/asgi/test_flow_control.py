"""Back-pressure on `send`: an application waits for a client that reads slowly, until there is room or nobody."""

import asyncio
import threading
from typing import Any

import pytest

from tests.helpers.asgi import Client, Receive, Scope, Send, Signal, answer, request, serving
from tests.helpers.peers import reset
from tests.helpers.waiting import wait_until

PIECE = b"x" * 100_000
PIECES = 400


class Streaming:
    """Sends 40 MB, and counts."""

    def __init__(self) -> None:
        self.sent = 0
        self.ended = Signal()
        self.error: BaseException | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send({"type": "http.response.start", "status": 200})
            for _ in range(PIECES):
                await send({"type": "http.response.body", "body": PIECE, "more_body": True})
                self.sent += len(PIECE)
            await send({"type": "http.response.body"})
        except BaseException as error:
            self.error = error
            raise
        finally:
            self.ended.set()


def wait_still(look: Any) -> Any:
    """The value of `look()` once it has not changed for a while."""
    last, same = look(), 0
    while same < 20:
        asyncio.run(asyncio.sleep(0.01))
        same = same + 1 if (now := look()) == last else 0
        last = now
    return last


def test_an_application_waits_for_a_client_that_does_not_read(driver: Any) -> None:
    streaming = Streaming()
    with serving(streaming, driver=driver) as engine, Client(engine, receive_buffer=20_000) as client:
        client.send(request())
        assert client.read_head()[0] == 200
        assert 0 < wait_still(lambda: streaming.sent) < 10_000_000
        assert engine.stats().total.output_queued < 500_000
        assert sum(map(len, client.pieces())) == PIECES * len(PIECE)
        streaming.ended.wait()


def test_the_same_holds_for_a_client_that_has_sent_its_end(driver: Any) -> None:
    streaming = Streaming()
    with serving(streaming, driver=driver) as engine, Client(engine, receive_buffer=20_000) as client:
        client.send(request())
        client.finish()
        assert client.read_head()[0] == 200
        assert 0 < wait_still(lambda: streaming.sent) < 10_000_000
        assert sum(map(len, client.pieces())) == PIECES * len(PIECE)
        assert client.rest() == b""


def test_a_reset_wakes_who_waits_in_send_and_the_next_raises(driver: Any, no_descriptor_left: None) -> None:
    streaming = Streaming()
    with serving(streaming, driver=driver) as engine:
        client = Client(engine, receive_buffer=20_000)
        client.send(request())
        wait_still(lambda: streaming.sent)
        reset(client.socket)
        streaming.ended.wait()
    assert isinstance(streaming.error, OSError)
    assert streaming.sent < PIECES * len(PIECE)


def test_every_one_of_several_tasks_that_wait_in_send_is_woken() -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        async def one() -> None:
            for _ in range(20):
                await send({"type": "http.response.body", "body": PIECE, "more_body": True})

        await send({"type": "http.response.start", "status": 200})
        async with asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(one())
        await send({"type": "http.response.body"})

    with serving(application) as engine, Client(engine, receive_buffer=20_000) as client:
        client.send(request())
        client.read_head()
        assert sum(map(len, client.pieces())) == 100 * len(PIECE)


def test_a_send_that_is_cancelled_while_it_waits_has_sent() -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        pieces = 0
        try:
            async with asyncio.timeout(0.2):
                while True:
                    pieces += 1
                    await send({"type": "http.response.body", "body": PIECE, "more_body": True})
        except TimeoutError:
            pass
        counts.append(pieces)
        await send({"type": "http.response.body", "body": b"end"})

    counts: list[int] = []
    with serving(application) as engine, Client(engine, receive_buffer=20_000) as client:
        client.send(request())
        wait_until(lambda: counts)
        client.read_head()
        assert sum(map(len, client.pieces())) == counts[0] * len(PIECE) + 3


def test_a_thousand_small_pieces_do_not_wait_for_each_other() -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        for number in range(1000):
            await send({"type": "http.response.body", "body": b"%03d" % number, "more_body": True})
        await send({"type": "http.response.body"})

    with serving(application) as engine, Client(engine) as client:
        assert client.get().body == b"".join(b"%03d" % number for number in range(1000))


def test_the_last_piece_of_an_answer_keeps_no_application_waiting() -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/pieces":
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
            await send({"type": "http.response.body", "body": PIECE * 10})
        else:
            await answer(send, PIECE * 10)
        done.append(scope["path"])

    done: list[str] = []
    paths = ["/whole", "/pieces"] * 20
    with serving(application) as engine, Client(engine) as client:
        for path in paths:
            assert client.get(path).status == 200  # the next request comes as soon as the answer is there
        wait_until(lambda: len(done) == len(paths))


async def reading_and_sending(scope: Scope, receive: Receive, send: Send) -> None:
    """Waits for the body while its answer, which is longer than a client takes at once, is pending."""
    await send({"type": "http.response.start", "status": 200})
    sending = asyncio.ensure_future(send({"type": "http.response.body", "body": PIECE * 80, "more_body": True}))
    await asyncio.sleep(0)
    received = 0
    message: Any = {"more_body": True}
    while message.get("more_body"):
        message = await receive()
        assert message["type"] == "http.request"
        received += len(message["body"])
    await sending
    await send({"type": "http.response.body", "body": b"%d" % received})


async def answering_first(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers at once and leaves the rest of the body to be drained."""
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % (80 * len(PIECE)))]}
    )
    await send({"type": "http.response.body", "body": PIECE * 80})


@pytest.mark.parametrize("application", [reading_and_sending, answering_first])
def test_a_body_is_not_late_while_its_client_is_not_read(application: Any, driver: Any) -> None:
    body = b"y" * 1_000
    with (
        serving(application, driver=driver, body_timeout=0.3) as engine,
        Client(engine, receive_buffer=20_000) as client,
    ):
        client.send(request(method="POST", headers=f"content-length: {len(body)}\r\n"))
        client.send(body[:10])
        threading.Event().wait(1.0)  # more than body_timeout
        client.send(body[10:])
        answer = client.read()
        expected = PIECE * 80 + (b"1000" if application is reading_and_sending else b"")
        assert answer.body == expected
        assert client.get().status == 200  # the connection has stayed
