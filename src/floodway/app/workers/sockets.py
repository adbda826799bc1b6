"""Every listening socket of a service, held by the supervisor from start to end.

A TCP address has one for each worker index (SO_REUSEPORT), which is never closed while the service runs: closing one
of several would reset the connections that wait in its queue (net.ipv4.tcp_migrate_req is 0 by default). So a dead or
replaced worker's queue is served by its successor, and that of an index that is no longer wanted by another worker.
Unix and inherited sockets are one for all.
"""

import logging
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from floodway.app.workers.hand_over import Channels
from floodway.base.address import Address
from floodway.config import ListenerOptions
from floodway.conn.acceptor import Acceptor
from floodway.conn.reactor import Source

logger: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Held:
    """A socket that a worker may accept on, and what it is bound to. The supervisor's, or after a fork the worker's."""

    address: Address
    socket: socket.socket
    shared: bool
    """Whether every worker has this one."""
    source: Source = "shared"
    """With a balancer a worker accepts on a channel."""


class HeldSockets:
    """The sockets of all addresses. Supervisor's thread."""

    def __init__(
        self, addresses: Sequence[Address], options: ListenerOptions, backlog: int, *, balanced: bool = False
    ) -> None:
        self._acceptors = [Acceptor(address, options, backlog) for address in addresses]
        self._balanced = balanced
        self._count = 0
        self.channels: Channels | None = None
        """With a balancer: what leads from the accepting process, which has the listening sockets, to the workers."""

    def open(self, workers: int) -> None:
        """Bind and listen for so many workers. Raises ListenError, and then holds nothing."""
        try:
            for acceptor in self._acceptors:
                acceptor.open(1 if self._balanced else workers, extensible=not self._balanced)
                logger.info("listening on %s", ", ".join(map(str, acceptor.bound)))
            if self._balanced:
                self.channels = Channels(len(self.addresses))
                self.channels.grow(workers)
        except BaseException:
            self.close()
            raise
        self._count = workers

    def grow(self, workers: int) -> None:
        """Have sockets for at least so many workers. Raises ListenError."""
        while self._count < workers:
            if self.channels is not None:
                self.channels.grow(self._count + 1)
                self._count += 1
                continue
            for acceptor in self._acceptors:
                acceptor.extend()
            self._count += 1

    def of(self, index: int) -> list[Held]:
        """What the worker of this index accepts on: one for each bound address, in the same order for all."""
        if self.channels is not None:
            pairs = zip(self.addresses, self.channels.far(index), strict=True)
            return [Held(address, far, shared=False, source="channel") for address, far in pairs]
        return [Held(*held) for acceptor in self._acceptors for held in acceptor.held(index)]

    def of_entrance(self) -> list[Held]:
        """What the accepting process accepts on."""
        return [Held(*held) for acceptor in self._acceptors for held in acceptor.held(0)]

    @property
    def addresses(self) -> tuple[Address, ...]:
        """What is listened on."""
        return tuple(address for acceptor in self._acceptors for address in acceptor.bound)

    def close(self) -> None:
        """Close all, and remove the files of Unix sockets. Not in a worker."""
        for acceptor in self._acceptors:
            acceptor.close()

    def close_others(self, index: int) -> list[Held]:
        """In a worker, after the fork: close what belongs to others, and return what is left."""
        mine = self.of(index)
        if self.channels is not None:
            self.channels.close_others(index)
            for held in self.of_entrance():
                held.socket.close()
            return mine
        kept = {held.socket for held in mine}
        for other in range(self._count):
            for held in self.of(other):
                if held.socket not in kept:
                    held.socket.close()
        return mine
