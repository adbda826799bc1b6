"""A reactor that owns connections, and the only loop that calls handlers.

In the single reactor model it accepts as well. Its table of calls has a function for every number an event can carry:
first the events that belong to no connection, then those of each route.
"""

import logging
from collections.abc import Callable
from functools import partial
from socket import socket
from typing import Any, Final, TypeAlias

from floodway.conn.connection import Connection
from floodway.conn.failures import Failures
from floodway.conn.reactor import (
    EVENT_CALL,
    EVENT_NOTICE,
    FIRST_ROUTE,
    ROUTE_CLOSE,
    ROUTE_DATA,
    ROUTE_EVENTS,
    ROUTE_OPEN,
    ROUTE_WRITABLE,
    Notices,
    Reactor,
    Source,
)
from floodway.conn.route import Route
from floodway.conn.worker_pool import WorkerPool

logger: Final = logging.getLogger(__name__)

Call: TypeAlias = Callable[[Any, Any], object]  # Any: target and payload depend on the kind of event


class SubReactor:
    """Polls its connections and calls their handlers, itself or through the worker pool."""

    def __init__(self, core: Reactor, failures: Failures, pool: WorkerPool | None) -> None:
        self.core = core
        self._failures = failures
        self._pool = pool
        self._calls: list[Call] = [_unexpected] * FIRST_ROUTE
        self._calls[EVENT_CALL] = make_call
        self._calls[EVENT_NOTICE] = Notices(core.name, failures.on_exhausted).log

    def run(self) -> None:
        """Serve this reactor's connections until it is told to stop."""
        call = self._calls  # kind of event -> function(target, payload)
        poll = self.core.poll
        while (batch := poll()) is not None:  # the interpreter is released inside
            for kind, target, payload in batch:
                try:
                    call[kind](target, payload)
                except BaseException as error:  # noqa: BLE001 - ends that connection only
                    self._failures.handle(self.core, target, error)
            target = payload = None  # hold on to nothing while waiting

    def add_route(self, route: Route) -> None:
        """Know this route from now on; before its first connection. Any thread, one at a time."""
        handler = route.handler
        number = self.core.add_route(
            interest=handler.interest,
            framing=route.framing.native(),
            limits=route.limits,
            keepalive=route.options.keepalive,
            nodelay=route.options.nodelay,
            serialized=self._pool is not None,
        )
        end = number + ROUTE_EVENTS
        self._calls.extend([_unexpected] * (end - len(self._calls)))
        self._calls[number + ROUTE_OPEN] = self._bound(lambda conn, _: handler.on_open(conn))
        self._calls[number + ROUTE_DATA] = self._bound(handler.on_data)
        self._calls[number + ROUTE_WRITABLE] = self._bound(lambda conn, _: handler.on_writable(conn))
        self._calls[number + ROUTE_CLOSE] = self._bound(handler.on_close)
        route.numbers[self.core] = number

    def accept_on(self, listener: socket, route: Route, source: Source = "listening", seat: int = 0) -> int:
        """Accept on this socket, own what comes, and close it: the core keeps a duplicate. Reactor's thread.

        `seat`: whose channel it is, if it is one. Returns the core's number of the listener.
        """
        with listener:
            return self.core.listen(listener.fileno(), route.numbers[self.core], source=source, seat=seat)

    def wait_ready(self, is_stopping: Callable[[], bool]) -> None:
        """Return when it serves what it is given, or is to stop; its thread runs. Raises what keeps it from that."""

    def leave(self) -> None:
        """Its last connection has ended: let applications end. Any thread; `has_left` says when they have."""

    @property
    def has_left(self) -> bool:
        """Whether nothing of an application runs on it any more, but for callbacks."""
        return True

    def _bound(self, callback: Call) -> Call:
        """The callback itself, or what has a worker thread call it."""
        return callback if self._pool is None else partial(self._pool.submit, self._work, callback)

    def _work(self, callback: Call, conn: Connection, payload: Any) -> None:
        """On a worker thread: call back, then let the connection's next event through."""
        try:
            callback(conn, payload)
        except BaseException as error:  # noqa: BLE001 - ends that connection only
            self.core.call_soon(self._fail_then_go_on, conn, payload, error)
        else:
            conn._done(payload)  # noqa: SLF001 - made for this module

    def _fail_then_go_on(self, conn: Connection, payload: object, error: BaseException) -> None:
        self._failures.handle(self.core, conn, error)
        conn._done(payload)  # noqa: SLF001 - made for this module; on_close follows, and no on_data before it


def make_call(function: Callable[..., object], arguments: tuple[Any, ...]) -> None:
    """An EVENT_CALL: a timer that is due, or a call from another thread."""
    function(*arguments)


def _unexpected(target: object, payload: object) -> None:
    raise AssertionError(f"an event of a route that was never added: {target!r}, {payload!r}")
