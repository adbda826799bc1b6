"""A client that speaks HTTP/1.1 by hand: what is sent is what the test says, and answers are read one at a time."""

import socket
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import floodway
from tests.helpers.peers import CHUNK_BYTES, dial


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer. Names of headers are in lower case; a header that comes twice has its values joined by ", "."""

    status: int
    headers: dict[str, str]
    body: bytes


class Client:
    """One connection. Every wait ends with TimeoutError after the peers' patience."""

    def __init__(self, engine: floodway.Engine, index: int = 0, *, receive_buffer: int | None = None) -> None:
        self.socket = dial(engine, index, receive_buffer=receive_buffer)
        self._input = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send raw bytes."""
        self.socket.sendall(data)

    def ask(self, target: str = "/", *, method: str = "GET", headers: str = "", body: bytes = b"") -> Answer:
        """Send a request and read its answer. `headers`: whole lines, each ended by CR LF."""
        self.send(request(target, method=method, headers=headers, body=body))
        return self.read(method=method)

    def read(self, *, method: str = "GET") -> Answer:
        """The next answer, whole; interim ones are left out. `method`: of its request."""
        while True:
            status, headers = self.read_head()
            if status >= 200:
                break
        if method == "HEAD" or status in (204, 304):
            body = b""
        elif headers.get("transfer-encoding") == "chunked":
            body = b"".join(self.chunks())
        elif "content-length" in headers:
            body = self.take(int(headers["content-length"]))
        else:
            body = self.rest()
        return Answer(status=status, headers=headers, body=body)

    def read_head(self) -> tuple[int, dict[str, str]]:
        """Status and headers of what comes next."""
        first, *lines = self.until(b"\r\n\r\n")[:-4].decode("latin-1").split("\r\n")
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            name, value = name.lower(), value.strip()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        return int(first.split(" ", 2)[1]), headers

    def chunks(self) -> list[bytes]:
        """The chunks up to the last one."""
        found = []
        while chunk := self.chunk():
            found.append(chunk)
        return found

    def chunk(self) -> bytes:
        """One chunk; empty at the last one."""
        size = int(self.until(b"\r\n"), 16)
        content = self.take(size)
        assert self.take(2) == b"\r\n"
        return content

    def take(self, count: int) -> bytes:
        """So many bytes."""
        while len(self._input) < count:
            self._more()
        taken = bytes(self._input[:count])
        del self._input[:count]
        return taken

    def until(self, end: bytes) -> bytes:
        """The bytes up to and with `end`."""
        while (at := self._input.find(end)) < 0:
            self._more()
        return self.take(at + len(end))

    def rest(self) -> bytes:
        """Everything up to the server's FIN. Raises ConnectionResetError for a reset."""
        try:
            while True:
                self._more()
        except EOFError:
            return self.take(len(self._input))

    def finish(self) -> None:
        """Send FIN and go on reading."""
        self.socket.shutdown(socket.SHUT_WR)

    def _more(self) -> None:
        data = self.socket.recv(CHUNK_BYTES)
        if not data:
            raise EOFError(f"the server has closed; so far: {bytes(self._input[:200])!r}")
        self._input += data


def request(target: str = "/", *, method: str = "GET", headers: str = "", body: bytes = b"") -> bytes:
    """A request of HTTP/1.1. Its length is given if there is a body, unless `headers` frame it."""
    framed = "transfer-encoding" in headers.lower() or "content-length" in headers.lower()
    length = f"content-length: {len(body)}\r\n" if body and not framed else ""
    return f"{method} {target} HTTP/1.1\r\nhost: test\r\n{length}{headers}\r\n".encode("latin-1") + body
