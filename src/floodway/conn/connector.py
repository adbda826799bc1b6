"""Outgoing connections: which reactor owns one, and how a name becomes an address without blocking anybody."""

import threading
from functools import partial
from typing import Final

from floodway.base.address import Address, FdAddress, TcpAddress, UnixAddress
from floodway.base.tls import ClientTLS, TlsClient
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
        # By the id of the handler, which the route keeps alive.
        self._routes: dict[tuple[int, ClientTLS | None], Route] = {}
        self._clients: dict[ClientTLS, TlsClient] = {}
        self._resolver: WorkerPool | None = None

    def route_for(self, handler: HandlerLike, tls: ClientTLS | None, reactors: Reactors) -> Route:
        """The route of this handler's connections, made when there is none. RuntimeError if there are too many.

        Raises OSError or ValueError for files of `tls` that cannot be used.
        """
        key = id(handler), tls
        with self._lock:
            route = self._routes.get(key)
            if route is not None:
                return route
            if len(self._routes) == MAX_HANDLERS:
                raise RuntimeError(
                    f"connect() was given {MAX_HANDLERS} different handler objects; "
                    "pass the same one each time, and what belongs to a connection as user_data"
                )
            route = Route(
                handler=handler,
                framing=handler.framing,
                limits=self._limits,
                options=self._options,
                tls=None if tls is None else self._client(tls),
            )
            reactors.add_route(route)
            self._routes[key] = route
            return route

    def connect(
        self,
        address: Address,
        route: Route,
        owner: SubReactor,
        timeout: float | None,
        user_data: object,
        server_name: str | None,
    ) -> Connection:
        """Start a connection that this reactor owns, and return it at once, in the state "opening"."""
        start = partial(
            owner.core.connect,
            route=route.numbers[owner.core],
            timeout=timeout,
            user_data=user_data,
            server_name=server_name,
        )
        if isinstance(address, UnixAddress):
            return start(address.socket_address)
        if isinstance(address, FdAddress) or address.port == 0:
            raise ValueError(f"{address} cannot be connected to; write tcp://host:port or unix:///path")
        if address.is_numeric:
            return start(address.resolve()[0])
        conn = start(None)
        self._resolver_threads().submit(_resolve, address, conn)
        return conn

    def stop(self) -> None:
        """Let the resolver's threads end. Does not wait for a name that is being asked for."""
        if self._resolver is not None:
            self._resolver.stop()

    def _client(self, tls: ClientTLS) -> TlsClient:
        """One for each configuration: it keeps the tickets that servers gave."""
        if tls not in self._clients:
            self._clients[tls] = tls.client()
        return self._clients[tls]

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
