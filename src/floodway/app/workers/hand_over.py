"""What a service with a balancer has beside its listening sockets: seats and the channels to them.

An accepting process takes connections from the listening sockets and hands them to the workers, through a pair of
connected sockets for each worker index and address. The supervisor keeps both ends as long as the service runs: what
waits in a channel outlives the worker it waits for, and is taken by the next one there or by one that covers for it.
"""

import socket
from typing import Final

from floodway.conn.dispatcher import Seats

MAX_WORKERS: Final = 1_024
"""Seats of the shared memory, 64 bytes each."""

CHANNEL_BYTES: Final = 8_192
"""Of the kernel's buffer: some ten messages. What a stuck worker does not take shall go to others, and soon."""


class Channels:
    """The pairs of every worker index, in the order of the addresses. Supervisor's thread."""

    def __init__(self, addresses: int) -> None:
        self.seats: Final = Seats(MAX_WORKERS)
        self._addresses = addresses
        self._pairs: list[list[tuple[socket.socket, socket.socket]]] = []

    def grow(self, workers: int) -> None:
        """Have channels for at least so many workers. Raises OSError."""
        while len(self._pairs) < workers:
            if len(self._pairs) == MAX_WORKERS:
                raise OSError(f"{MAX_WORKERS} workers are the most that a balancer serves")
            self._pairs.append([_pair() for _ in range(self._addresses)])

    def __len__(self) -> int:
        return len(self._pairs)

    def near(self, index: int) -> list[socket.socket]:
        """The accepting process's ends."""
        return [near for near, _ in self._pairs[index]]

    def far(self, index: int) -> list[socket.socket]:
        """The worker's ends."""
        return [far for _, far in self._pairs[index]]

    def close_others(self, index: int | None) -> None:
        """In a child: close what is not this worker's, or with None what is not the accepting process's."""
        for other, pairs in enumerate(self._pairs):
            for near, far in pairs:
                if index is not None:
                    near.close()
                if other != index:
                    far.close()


def _pair() -> tuple[socket.socket, socket.socket]:
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in (near, far):
        end.setblocking(False)  # noqa: FBT003 - the socket module takes it so
    near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, CHANNEL_BYTES)
    return near, far
