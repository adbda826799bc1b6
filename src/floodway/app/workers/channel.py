"""Messages between the supervisor and one worker: lines of JSON over a pair of Unix sockets, with descriptors beside.

The supervisor's end never blocks: what a worker does not take waits in `_pending`, which stays short because nothing is
asked of a worker that has not taken the last question. The worker's end blocks, on a thread of its own.

Only the supervisor holds its end, so a worker learns of the supervisor's death, whatever kills it, as end of input.
"""

import json
import logging
import os
import socket
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

READ_BYTES: Final = 1 << 16
MAX_DESCRIPTORS: Final = 253
"""SCM_MAX_FD: the most that one message of the kernel's carries."""

CLOSE_ON_EXEC: Final[int] = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
"""Nothing that is started between the arrival of a descriptor and our first look at it may inherit it (Linux)."""

logger: Final = logging.getLogger(__name__)

Fields = dict[str, Any]  # Any: whatever JSON holds


@dataclass(frozen=True, slots=True)
class Message:
    """What one side tells the other."""

    kind: str
    fields: Fields
    sockets: tuple[socket.socket, ...]
    """Duplicates of sockets of the other side, which are the receiver's now. None if it had no room for all of them."""


class Channel:
    """One end. `send` from any thread, `receive` from one."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._lock = threading.Lock()
        self._pending: deque[tuple[memoryview, Sequence[int]]] = deque()
        self._received = bytearray()
        self._descriptors: list[int] = []  # received, and named by a message that is not complete yet

    def fileno(self) -> int:
        """The descriptor, for a selector."""
        return self._end.fileno()

    def set_blocking(self, *, blocking: bool) -> None:
        """Whether `send` and `receive` wait."""
        self._end.setblocking(blocking)

    def send(self, kind: str, sockets: Sequence[socket.socket] = (), **fields: object) -> None:
        """Queue a message and send what the other side takes now. Nothing happens if the other side is gone."""
        fds = [one.fileno() for one in sockets]
        line = json.dumps([kind, len(fds), fields], separators=(",", ":")).encode() + b"\n"
        with self._lock:
            self._pending.append((memoryview(line), fds))
            self._flush()

    def flush(self) -> None:
        """Send what waits, as far as the other side takes it now."""
        with self._lock:
            self._flush()

    @property
    def has_pending(self) -> bool:
        """Whether the other side does not take what it is sent."""
        return bool(self._pending)

    def receive(self) -> list[Message]:
        """What has come, at least one message if the end blocks. Raises EOFError when the other side is gone."""
        while True:
            try:
                data, fds, flags, _ = socket.recv_fds(self._end, READ_BYTES, MAX_DESCRIPTORS, CLOSE_ON_EXEC)
            except BlockingIOError:
                return []
            except ConnectionError as error:
                raise EOFError from error
            if not data:
                raise EOFError
            self._keep(fds, is_cut=bool(flags & socket.MSG_CTRUNC))
            self._received += data
            *lines, rest = self._received.split(b"\n")
            self._received = rest
            if lines:
                return [self._parsed(line) for line in lines]

    def close(self) -> None:
        """Close the end, and what was sent along and never taken."""
        while self._descriptors:
            socket.close(self._descriptors.pop())
        self._end.close()

    def _keep(self, fds: Sequence[int], *, is_cut: bool) -> None:
        """Keep what came along, or nothing of it if the kernel cut it for want of free descriptors here."""
        for fd in fds:
            if is_cut:
                socket.close(fd)
            else:
                os.set_inheritable(fd, False)  # noqa: FBT003 - the os module takes it so; not every system has the flag
                self._descriptors.append(fd)
        if is_cut:
            logger.warning("sockets of other workers could not be taken: this process is at its descriptor limit")

    def _flush(self) -> None:
        while self._pending:
            data, fds = self._pending[0]
            try:
                sent = socket.send_fds(self._end, [data], fds) if fds else self._end.send(data)
            except BlockingIOError:
                return
            except OSError:  # the other side is gone; whoever receives learns it
                self._pending.clear()
                return
            if sent < len(data):
                self._pending[0] = (data[sent:], ())
            else:
                self._pending.popleft()

    def _parsed(self, line: bytearray) -> Message:
        kind, count, fields = json.loads(line)
        if len(self._descriptors) < count:
            return Message(kind, fields, ())  # cut
        fds, self._descriptors = self._descriptors[:count], self._descriptors[count:]
        return Message(kind, fields, tuple(socket.socket(fileno=fd) for fd in fds))


def channel_pair() -> tuple[Channel, Channel]:
    """Two ends that are connected; no end survives an exec."""
    one, other = socket.socketpair()
    return Channel(one), Channel(other)
