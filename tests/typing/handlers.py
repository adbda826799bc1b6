"""Handlers as users write them. Only type-checked, never run.

Lines with an ignore must not type-check: should one begin to, mypy reports the ignore as unused.
"""

from typing import assert_type

import floodway


class Echo(floodway.Handler):
    """Without a parameter, data is bytes."""

    def on_data(self, conn: floodway.Connection, data: bytes) -> None:
        assert_type(conn.write(data), bool)
        conn.write(bytearray(data))
        conn.write(memoryview(data))


class Room(floodway.Handler[bytes]):
    """Every callback, with state of its own."""

    framing = floodway.Lines(max_bytes=1024)

    def __init__(self) -> None:
        self.members: set[floodway.Connection] = set()

    def on_start(self, engine: floodway.Engine) -> None:
        assert_type(engine.stats(), floodway.EngineStats)

    def on_open(self, conn: floodway.Connection) -> None:
        self.members.add(conn)
        conn.user_data = {"nick": "nobody"}
        conn.reactor.call_later(1.5, conn.close)

    def on_data(self, conn: floodway.Connection, data: bytes) -> None:
        assert_type(floodway.write_many(self.members, data + b"\n"), int)
        conn.write_frame(data)

    def on_writable(self, conn: floodway.Connection) -> None:
        conn.resume_reading()

    def on_close(self, conn: floodway.Connection, error: BaseException | None) -> None:
        self.members.discard(conn)
        if isinstance(error, floodway.ConnectionClosed):
            assert_type(error.reason, str)

    def on_stop(self) -> None:
        self.members.clear()


class Proxy(floodway.Handler[floodway.LinkBuffer]):
    """What `Buffered` yields."""

    framing = floodway.Buffered()

    def on_data(self, conn: floodway.Connection, data: floodway.LinkBuffer) -> None:
        head = data.next(4)
        assert_type(head, floodway.View)
        assert_type(bytes(head), bytes)
        assert_type(data.read(), bytes)
        conn.write(data)


class TakesText(floodway.Handler):
    """Data is never str."""

    def on_data(self, conn: floodway.Connection, data: str) -> None:  # type: ignore[override]
        conn.write(data)  # type: ignore[arg-type]


class ForgetsTheError(floodway.Handler):
    """`on_close` gets two arguments."""

    def on_close(self, conn: floodway.Connection) -> None:  # type: ignore[override]
        conn.id = 7  # type: ignore[misc]


class ReturnsWhatNobodyReads(floodway.Handler):
    """An async method would never be awaited."""

    async def on_data(self, conn: floodway.Connection, data: bytes) -> None:  # type: ignore[override]
        await conn.write(data)  # type: ignore[misc]


def serve_them() -> None:
    floodway.serve(Echo(), "tcp://127.0.0.1:9000")
    floodway.serve(Room(), "tcp://[::1]:9000", "unix:///tmp/room?mode=660", threads=4, idle_timeout=60)
    floodway.serve(Proxy(), "tcp://127.0.0.1:9000", framing=floodway.Buffered())

    floodway.serve("myserver:echo", "tcp://127.0.0.1:9000", workers="auto", preload=True, pid_file="/run/echo.pid")

    floodway.serve(Echo(), 9000)  # type: ignore[arg-type]
    floodway.serve(Echo(), "tcp://127.0.0.1:9000", workers="all")  # type: ignore[arg-type]


def a_connection(conn: floodway.Connection, buffer: floodway.LinkBuffer) -> None:
    conn.writelines([b"a", bytearray(b"b"), buffer])
    conn.set_framing(floodway.LengthPrefixed(size=2, byteorder="little", max_bytes=1000))
    assert_type(conn.pending_output, int)
    sock, unread = conn.take_socket()
    assert_type(unread, bytes)
    sock.close()

    conn.write("text")  # type: ignore[arg-type]
    conn.write(1)  # type: ignore[arg-type]
    conn.set_framing("lines")  # type: ignore[arg-type]
    conn.set_framing(floodway.LengthPrefixed(size=2, byteorder="middle", max_bytes=1000))  # type: ignore[arg-type]
    conn.bytes_in = 0  # type: ignore[misc]
