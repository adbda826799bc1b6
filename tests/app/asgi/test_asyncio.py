"""What applications use of asyncio and anyio works inside of them."""

import asyncio
import contextvars
import gc
import signal
import socket
import sys
import threading
from typing import Any

import anyio
import anyio.to_thread
import pytest

from floodway.app.asgi import http
from tests.helpers.asgi import Client, Receive, Scope, Send, Signal, answer, read_body, request, serving
from tests.helpers.optional import module
from tests.helpers.peers import port_of

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")


def result_of(application: Any, **options: Any) -> bytes:
    """What an application that returns its answer's text has answered."""

    async def answering(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, str(await application()).encode())

    with serving(answering, **options) as engine, Client(engine) as client:
        got = client.get()
        assert got.status == 200
        return got.body


def test_an_application_runs_in_a_task_of_its_own() -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        tasks.append(asyncio.current_task())
        await asyncio.sleep(0)
        tasks.append(asyncio.current_task())
        await answer(send)

    tasks: list[Any] = []
    with serving(application) as engine, Client(engine) as client:
        client.get()
        client.get()
    assert all(isinstance(task, asyncio.Task) for task in tasks)
    assert tasks[0] is tasks[1] is not tasks[2]


def test_timeouts_and_task_groups() -> None:
    async def application() -> list[Any]:
        found: list[Any] = []
        try:
            async with asyncio.timeout(0.01):
                await asyncio.sleep(10)
        except TimeoutError:
            found.append("timeout")
        async with asyncio.TaskGroup() as group:
            one = group.create_task(asyncio.sleep(0.01, "one"))
            two = group.create_task(asyncio.sleep(0, "two"))
        found += [one.result(), two.result()]
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(asyncio.sleep(10))
                raise LookupError
        except* LookupError:
            found.append("group")
        found.append(await asyncio.wait_for(asyncio.sleep(0, "waited"), 1))
        return found

    assert result_of(application) == b"['timeout', 'one', 'two', 'group', 'waited']"


def test_a_timeout_around_receive_leaves_the_request_whole() -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await asyncio.wait_for(receive(), 0.01)
        except TimeoutError:
            await answer(send, b"still there")

    with serving(application) as engine, Client(engine) as client:
        assert client.get().body == b"still there"


def test_context_variables_are_each_requests_own() -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        before = variable.get("unset")
        variable.set(scope["path"])
        await asyncio.sleep(0.005)
        await answer(send, f"{before} {variable.get()}".encode())

    with serving(application) as engine, Client(engine) as one, Client(engine) as two:
        for _ in range(3):
            one.send(request("/one"))
            two.send(request("/two"))
            assert one.read().body == b"unset /one"
            assert two.read().body == b"unset /two"


def test_tasks_outlive_their_request() -> None:
    background = set()
    ended = Signal()

    async def later() -> None:
        await asyncio.sleep(0.05)
        ended.set()

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        task = asyncio.create_task(later())
        background.add(task)
        await answer(send, b"accepted")

    with serving(application) as engine:
        with Client(engine) as client:
            assert client.get().body == b"accepted"
        ended.wait()


def test_a_task_that_only_waits_for_what_itself_holds_is_kept() -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/":
            gc.collect()
            return await answer(send)
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        begun.set()
        try:
            async with asyncio.timeout(0.2):
                await mine
        except TimeoutError:
            await answer(send, b"kept")
        return None

    begun = Signal()
    with serving(application) as engine, Client(engine) as waiting, Client(engine) as other:
        waiting.send(request("/wait"))
        begun.wait()
        other.get()
        assert waiting.read().body == b"kept"


def test_an_application_asks_another_server_with_httpx_and_with_streams() -> None:
    httpx = module("httpx")

    async def other(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0.005)
        await answer(send, b"from the other")

    async def application() -> str:
        async with httpx.AsyncClient(trust_env=False) as client:
            answers = await asyncio.gather(*(client.get(f"http://127.0.0.1:{port}/") for _ in range(5)))
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request(headers="Connection: close\r\n"))
        raw = await reader.read()
        writer.close()
        await writer.wait_closed()
        return " ".join([one.text for one in answers] + [raw.partition(b"\r\n\r\n")[2].decode()])

    with serving(other) as engine:
        port = port_of(engine)
        assert result_of(application) == b" ".join([b"from the other"] * 6)


def test_subprocesses() -> None:
    async def application() -> str:
        code = "import sys; print(sys.stdin.read().upper())"
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdin=-1, stdout=-1)
        out, _ = await child.communicate(b"question")
        return f"{out.decode().strip()} {child.returncode}"

    assert result_of(application) == b"QUESTION 0"


def test_threads_of_the_executor() -> None:
    async def application() -> bool:
        loop = asyncio.get_running_loop()
        first = await loop.run_in_executor(None, threading.get_ident)
        second = await asyncio.to_thread(threading.get_ident)
        return threading.get_ident() not in (first, second)

    assert result_of(application) == b"True"


def test_anyio() -> None:
    async def application() -> str:
        thread = await anyio.to_thread.run_sync(threading.get_ident)
        with anyio.move_on_after(0.01) as scope:
            await anyio.sleep(10)
        send, receive = anyio.create_memory_object_stream[str](1)
        async with anyio.create_task_group() as group, send, receive:
            group.start_soon(send.send, "through the stream")
            text = await receive.receive()
        return f"{thread != threading.get_ident()} {scope.cancelled_caught} {text}"

    assert result_of(application) == b"True True through the stream"


def test_calls_from_other_threads() -> None:
    async def application() -> str:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[str] = loop.create_future()
        thread = threading.Thread(target=lambda: loop.call_soon_threadsafe(future.set_result, "called"))
        thread.start()
        text = await future
        thread.join()
        return text

    assert result_of(application) == b"called"


def test_unix_sockets_and_descriptors() -> None:
    async def application() -> str:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            ready: asyncio.Future[None] = loop.create_future()
            loop.add_reader(ours, ready.set_result, None)
            theirs.send(b"bytes")
            await ready
            loop.remove_reader(ours)
            return (await loop.sock_recv(ours, 10)).decode()

    assert result_of(application) == b"bytes"


def test_a_signal_handler_is_refused_while_nobody_waits_on_the_main_thread() -> None:
    async def application() -> str:
        try:
            asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, print)
        except RuntimeError as error:
            return str(error)
        return "installed"

    assert b"join() there" in result_of(application)


def test_many_requests_at_once_on_many_connections() -> None:
    httpx = module("httpx")

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(int(scope["path"][1:]) % 10 / 1000)
        await answer(send, scope["path"].encode())

    async def ask_all(port: int) -> list[str]:
        limits = httpx.Limits(max_connections=50)
        async with httpx.AsyncClient(trust_env=False, limits=limits, timeout=20) as client:
            answers = await asyncio.gather(*(client.get(f"http://127.0.0.1:{port}/{n}") for n in range(300)))
        return [one.text for one in answers]

    with serving(application) as engine:
        assert asyncio.run(ask_all(port_of(engine))) == [f"/{n}" for n in range(300)]


def test_without_eager_tasks_everything_is_as_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/broken":
            raise LookupError
        await answer(send, await read_body(receive))

    monkeypatch.setattr(http, "_EAGER", {})  # Python 3.11
    with serving(application) as engine, Client(engine) as client:
        client.send(b"".join(request(method="POST", body=b"%d" % number) for number in range(20)))
        assert [client.read().body for _ in range(20)] == [b"%d" % number for number in range(20)]
        assert client.get("/broken").status == 500
        assert client.get(method="POST", body=b"x" * 500_000).body == b"x" * 500_000
        client.send(request("/gone", method="POST", headers="Content-Length: 10\r\n"))
        client.send(b"12345")
    assert not engine.connections()
