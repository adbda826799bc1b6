"""Outgoing connections: which reactor owns one, and how a name becomes an address without blocking anybody."""

import threading
from typing import Final

from floodway.base.address import Address, FdAddress, TcpAddress, UnixAddress
from floodway.conn.connection import Connection
from floodway.conn.route import Route
from floodway.conn.sub_reactor import SubReactor
from floodway.conn.worker_pool import WorkerPool

RESOLVER_THREADS: Final = 4


class Connector:
    """Starts connections. The threads that resolve names are started when the first name comes. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._resolver: WorkerPool | None = None

    def connect(
        self, address: Address, route: Route, owner: SubReactor, timeout: float | None, user_data: object
    ) -> Connection:
        """Start a connection that this reactor owns, and return it at once, in the state "opening"."""
        number = route.numbers[owner.core]
        if isinstance(address, UnixAddress):
            return owner.core.connect(address.socket_address, number, timeout=timeout, user_data=user_data)
        if isinstance(address, FdAddress) or address.port == 0:
            raise ValueError(f"{address} cannot be connected to; write tcp://host:port or unix:///path")
        if address.is_numeric:
            return owner.core.connect(address.resolve()[0], number, timeout=timeout, user_data=user_data)
        conn = owner.core.connect(None, number, timeout=timeout, user_data=user_data)
        self._resolver_threads().submit(_resolve, address, conn)
        return conn

    def stop(self) -> None:
        """Let the resolver's threads end. Does not wait for a name that is being asked for."""
        if self._resolver is not None:
            self._resolver.stop()

    def _resolver_threads(self) -> WorkerPool:
        with self._lock:
            if self._resolver is None:
                self._resolver = WorkerPool("floodway-resolver", RESOLVER_THREADS)
                self._resolver.start()
            return self._resolver


def _resolve(address: TcpAddress, conn: Connection) -> None:
    """On a resolver's thread: tell the connection its addresses, or why there are none."""
    try:
        found = address.resolve()
    except (OSError, UnicodeError) as error:  # a name that no encoding allows is a UnicodeError
        conn._resolved([], error)  # noqa: SLF001 - made for this module
    else:
        conn._resolved(found, None)  # noqa: SLF001 - made for this module
