"""A client that holds connections, for counting the server's memory: nothing here has to be fast.

It is not the generator, so that what an idle connection costs is seen by two programs that share no code.
"""

import contextlib
import re
import select
import socket
import ssl
import struct
import time
from collections.abc import Callable
from functools import partial
from typing import Final, Self

from harness.encryption import unverified_context
from harness.machine import SOURCE_ADDRESSES
from harness.process import open_descriptors, resident_bytes
from harness.servers import Server

WAVE: Final = 500  # connections that exchange at the same time: more would fill the kernel's memory, not the server's
READ_BYTES: Final = 65536
PATIENCE_SECONDS: Final = 60.0
SETTLE_SECONDS: Final = 0.2
SETTLE_TRIES: Final = 15
IP_BIND_ADDRESS_NO_PORT: Final = 24  # linux/in.h: let connect(2) choose the port, by all four parts of the address

_NOT_NOW: Final = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_PATTERN: Final = bytes(range(251)) * 262  # no power of two, so that a block which slipped is seen


class HolderError(Exception):
    """The server did not serve the holder. The text says what went wrong."""


class Holder:
    """Connections to one server. A context manager: they are reset at its end."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._tls = unverified_context() if server.peer.protocol == "https" else None
        time.sleep(SETTLE_SECONDS)  # the server may still be closing the connection that asked whether it is there
        self._before = open_descriptors(server.pid)
        self._connections: list[socket.socket] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for connection in self._connections:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # leave no TIME_WAIT
            connection.close()

    def grow_to(self, count: int, *, exchange: int, path: str | None = None) -> None:
        """Connect until there are so many; let each newcomer exchange so many bytes once, or get `path` over HTTP."""
        first = len(self._connections)
        while len(self._connections) < count:
            self._connections.append(self._connect(len(self._connections)))
        self._wait_accepted(count)
        if path is not None:
            request = f"GET {path} HTTP/1.1\r\nHost: {self._server.host}:{self._server.port}\r\n\r\n".encode()
            is_whole = _is_answer
        else:
            request = _PATTERN[:exchange]
            is_whole = partial(_is_echo, request)
        for start in range(first, count, WAVE) if request else ():
            _exchange(self._connections[start : min(start + WAVE, count)], request, is_whole)

    def settled_rss(self) -> int:
        """The server's resident memory once it has stopped changing, or after three seconds.

        Raises HolderError if the server has closed connections meanwhile, which would count as thrift.
        """
        last = resident_bytes(self._server.pid)
        for _ in range(SETTLE_TRIES):
            time.sleep(SETTLE_SECONDS)
            now = resident_bytes(self._server.pid)
            if now == last:
                break
            last = now
        self._check_kept()
        return last

    def rss(self) -> int:
        """The server's resident memory now. Raises HolderError as `settled_rss` does."""
        now = resident_bytes(self._server.pid)
        self._check_kept()
        return now

    def _check_kept(self) -> None:
        if (kept := self._accepted()) < len(self._connections):
            raise HolderError(f"the server had kept {kept} of {len(self._connections)} connections")

    def _connect(self, number: int) -> socket.socket:
        connection = socket.socket()
        connection.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        connection.bind((f"127.0.{number % SOURCE_ADDRESSES}.1", 0))
        connection.settimeout(PATIENCE_SECONDS)
        connection.connect((self._server.host, self._server.port))
        if self._tls is not None:
            connection = self._tls.wrap_socket(connection)
        connection.setblocking(False)
        return connection

    def _accepted(self) -> int:
        return open_descriptors(self._server.pid) - self._before

    def _wait_accepted(self, count: int) -> None:
        """The kernel connects before the server accepts, so ask how many descriptors the server holds."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (accepted := self._accepted()) < count:
            self._server.check_alive()
            if time.monotonic() > deadline:
                raise HolderError(f"the server had accepted {accepted} of {count} connections")
            time.sleep(0.02)


def _is_echo(payload: bytes, received: bytearray) -> bool:
    """Whether all of the payload has come back. Raises HolderError if something else has."""
    if len(received) >= len(payload) and received != payload:
        raise HolderError("bytes came back wrong")
    return len(received) == len(payload)


def _is_answer(received: bytearray) -> bool:
    """Whether a whole HTTP answer has come. Raises HolderError if it is no 200 with a length."""
    head, end, body = received.partition(b"\r\n\r\n")
    if not end:
        return False
    length = re.search(rb"\r\ncontent-length: *(\d+)\r\n", head + b"\r\n", re.IGNORECASE)
    if length is None or head.split(maxsplit=2)[1] != b"200":
        raise HolderError(f"the answer began with {bytes(head[:40])!r}")
    return len(body) >= int(length[1])


def _receive(connection: socket.socket) -> bytes:
    """What has come. Of what is decrypted nothing may be left: the poller sees only what is not."""
    data = connection.recv(READ_BYTES)
    while isinstance(connection, ssl.SSLSocket) and connection.pending():
        data += connection.recv(READ_BYTES)
    return data


def _exchange(connections: list[socket.socket], request: bytes, is_whole: Callable[[bytearray], bool]) -> None:
    """Send the request on all connections and read the answer from all, in whatever order the server likes."""
    unsent = {connection.fileno(): memoryview(request) for connection in connections}
    received = {connection.fileno(): bytearray() for connection in connections}
    by_fd = {connection.fileno(): connection for connection in connections}
    poller = select.poll()
    for fd in by_fd:
        poller.register(fd, select.POLLIN | select.POLLOUT)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while by_fd:
        if time.monotonic() > deadline:
            raise HolderError(f"{len(by_fd)} of {len(connections)} exchanges of {len(request)} bytes did not end")
        for fd, _ in poller.poll(1000):
            with contextlib.suppress(*_NOT_NOW):
                data = _receive(by_fd[fd])
                if not data:
                    raise HolderError(f"the server closed after {len(received[fd])} bytes of its answer")
                received[fd] += data
            if rest := unsent[fd]:
                with contextlib.suppress(*_NOT_NOW):
                    unsent[fd] = rest[by_fd[fd].send(rest) :]
                if not unsent[fd]:
                    poller.modify(fd, select.POLLIN)
            if is_whole(received[fd]):
                poller.unregister(fd)
                del by_fd[fd]
