"""A client of HTTP/1.1 that says exactly what a test wants, and reads what comes back by the rules.

with serving(application) as engine, Client.of(engine) as client:
    assert client.ask(get("/")).status == 200
"""

import contextlib
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import floodway
from floodway.app.interface import load_application
from floodway.app.message import Request
from floodway.config import ApplicationOptions
from tests.helpers.peers import dial
from tests.helpers.waiting import PATIENCE_SECONDS

BODILESS = (204, 304)


@contextlib.contextmanager
def serving(
    function: Callable[[Request], object],
    address: str = "tcp://127.0.0.1:0",
    server_header: str | None = "floodway",
    **options: Any,  # Any: each of Engine's options has a type of its own
) -> Iterator[floodway.Engine]:
    """An engine that serves a plain function, of either kind."""
    handler = load_application(function, ApplicationOptions(interface="function", server_header=server_header))
    with floodway.Engine(handler, address, **options) as engine:
        yield engine


def get(path: str = "/", *headers: str, method: str = "GET", version: str = "1.1") -> bytes:
    """A request without a body."""
    lines = [f"{method} {path} HTTP/{version}", "Host: here", *headers, "", ""]
    return "\r\n".join(lines).encode()


def post(body: bytes, *headers: str, path: str = "/") -> bytes:
    """A request whose body is all there."""
    return get(path, f"Content-Length: {len(body)}", *headers, method="POST") + body


def chunked(*pieces: bytes, path: str = "/") -> bytes:
    """A request whose body comes in these chunks."""
    body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return get(path, "Transfer-Encoding: chunked", method="POST") + body + b"0\r\n\r\n"


@dataclass(frozen=True)
class Answer:
    """An answer. `complete` False: the connection ended, in order, before its end."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    complete: bool = True

    def __getitem__(self, name: str) -> str:
        """The value of the only header of this name, which is given in lower case."""
        values = [value for known, value in self.headers if known.lower() == name]
        assert len(values) == 1, f"{name} came {len(values)} times: {self.headers}"
        return values[0]

    def __contains__(self, name: str) -> bool:
        return any(known.lower() == name for known, _ in self.headers)

    @property
    def closes(self) -> bool:
        """Whether it says that the connection ends."""
        return ("connection", "close") in self.headers


class Client:
    """One connection. Closed at the end of the block."""

    def __init__(self, peer: socket.socket) -> None:
        self.socket = peer
        self.socket.settimeout(PATIENCE_SECONDS)
        self._received = bytearray()

    @classmethod
    def of(cls, engine: floodway.Engine, *, receive_buffer: int | None = None) -> Self:
        """A client of an engine of this process."""
        return cls(dial(engine, receive_buffer=receive_buffer))

    @classmethod
    def at(cls, port: int) -> Self:
        """A client of whoever listens on this local port."""
        return cls(socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self.socket.sendall(data)

    def ask(self, request: bytes) -> Answer:
        """Send a request and read its answer."""
        self.send(request)
        return self.answer(request.split(b" ", 1)[0].decode())

    def answer(self, method: str = "GET") -> Answer:
        """Read the answer to a request with this method. An answer of the kind 1xx is one of its own."""
        status, headers = self.head()
        fields = {name.lower(): value for name, value in headers}
        if method == "HEAD" or status in BODILESS or status < 200:
            return Answer(status, headers, b"")
        if fields.get("transfer-encoding") == "chunked":
            return Answer(status, headers, *self._chunks())
        if "content-length" in fields:
            length = int(fields["content-length"])
            body = self._take(length)
            return Answer(status, headers, body, complete=len(body) == length)
        return Answer(status, headers, self.rest())

    def head(self) -> tuple[int, list[tuple[str, str]]]:
        """Read status and headers, names as they were sent. EOFError if the connection has ended in order."""
        line = self._line()
        if not line:
            raise EOFError("the connection ended instead of an answer")
        version, status, _ = line.decode("latin-1").split(" ", 2)
        assert version == "HTTP/1.1"
        headers = []
        while line := self._line():
            name, value = line.decode("latin-1").split(": ", 1)
            headers.append((name, value))
        return int(status), headers

    def piece(self) -> bytes:
        """Read the next chunk of a body; empty at its end."""
        length = int(self._line(), 16)
        piece = self._take(length)
        assert self._take(2) == b"\r\n"
        return piece

    def rest(self) -> bytes:
        """Read everything up to the end of the connection. Raises ConnectionResetError for an end out of order."""
        while self._receive():
            pass
        rest = bytes(self._received)
        self._received.clear()
        return rest

    def read_on(self) -> None:
        """Read, and keep nothing, until the connection ends. Raises ConnectionResetError for an end out of order."""
        while self.socket.recv(1 << 20):
            pass

    def send_on(self, piece: bytes, most: int) -> int:
        """Send a piece again and again, up to `most` bytes or an error. Returns how many bytes went."""
        sent = 0
        try:
            while sent < most:
                sent += self.socket.send(piece)
        except OSError:
            pass
        return sent

    def is_closed(self) -> bool:
        """Wait for what comes next; whether it is the end, in order."""
        return not self._received and not self._receive()

    def _chunks(self) -> tuple[bytes, bool]:
        pieces = []
        while line := self._line():
            if piece := self._take(int(line, 16)):
                pieces.append(piece)
            is_last = self._line() == b"" and not piece
            if is_last:
                return b"".join(pieces), True
        return b"".join(pieces), False

    def _line(self) -> bytes:
        while (end := self._received.find(b"\n")) < 0:
            if not self._receive():
                break
        line = bytes(self._received[: end + 1])
        del self._received[: end + 1]
        assert not line or line.endswith(b"\r\n"), line
        return line[:-2]

    def _take(self, count: int) -> bytes:
        while len(self._received) < count and self._receive():
            pass
        taken = bytes(self._received[:count])
        del self._received[:count]
        return taken

    def _receive(self) -> bool:
        data = self.socket.recv(1 << 18)
        self._received += data
        return bool(data)
