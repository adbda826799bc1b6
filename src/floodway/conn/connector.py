"""Outgoing connections: which reactor owns one, and how a name becomes an address without blocking anybody."""

import threading
from typing import Final

from floodway.base.address import Address, FdAddress, TcpAddress, UnixAddress, check_plain
from floodway.config import ListenerOptions
from floodway.conn.connection import Connection
from floodway.conn.reactors import Reactors
from floodway.conn.route import HandlerLike, Route
from floodway.conn.sub_reactor import SubReactor
from floodway.conn.worker_pool import WorkerPool
from floodway.limits import Limits

MAX_HANDLERS: Final = 128
"""Handler objects that connections may have; each has a route for as long as the engine lives, and routes are few."""

RESOLVER_THREADS: Final = 4


class Connector:
    """Starts connections. The threads that resolve names are started when the first name comes. Any thread."""

    def __init__(self, limits: Limits, options: ListenerOptions) -> None:
        self._limits = limits
        self._options = options
        self._lock = threading.Lock()
        self._routes: dict[int, Route] = {}  # by the id of the handler, which the route keeps alive
        self._resolver: WorkerPool | None = None

    def route_for(self, handler: HandlerLike, reactors: Reactors) -> Route:
        """The route of this handler's connections, made when there is none. RuntimeError if there are too many."""
        with self._lock:
            route = self._routes.get(id(handler))
            if route is not None:
                return route
            if len(self._routes) == MAX_HANDLERS:
                raise RuntimeError(
                    f"connect() was given {MAX_HANDLERS} different handler objects; "
                    "pass the same one each time, and what belongs to a connection as user_data"
                )
            route = Route(handler=handler, framing=handler.framing, limits=self._limits, options=self._options)
            reactors.add_route(route)
            self._routes[id(handler)] = route
            return route

    def connect(
        self, address: Address, route: Route, owner: SubReactor, timeout: float | None, user_data: object
    ) -> Connection:
        """Start a connection that this reactor owns, and return it at once, in the state "opening"."""
        check_plain(address)
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
