"""One address whose sockets the supervisor of worker processes holds; this process accepts on duplicates.

It has a socket of its own from start to end, and for a while those of workers that are not there (`cover`). They are
all shared: the supervisor has them too, and so does the process that comes before or after this one.
"""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from socket import socket
from typing import Final

from floodway.base.address import Address
from floodway.conn.main_reactor import MainReactor
from floodway.conn.reactor import Source
from floodway.conn.reactors import Reactors
from floodway.conn.route import Route
from floodway.conn.sub_reactor import SubReactor

logger: Final = logging.getLogger(__name__)


class HeldListener:
    """Opened, then handed out to the accepting reactors, then closed. Used by one thread at a time."""

    def __init__(self, address: Address, own: socket, route: Route, source: Source, seat: int) -> None:
        self.route: Route = route
        self._source: Source = source
        self._seat: int = seat
        self._own = own
        self._accepting: Sequence[SubReactor | MainReactor] = ()
        self._covered: dict[int, Covered] = {}  # by the index of the worker whose socket it is
        self.bound: tuple[Address, ...] = (address,)

    def open(self, reactors: Reactors) -> None:
        """Let the reactors know the route; nothing is accepted yet."""
        reactors.add_route(self.route)
        self._accepting = reactors.accepting
        logger.debug("accepting on %s, which the supervisor holds", self.bound[0])

    def hand_out(self, reactors: Reactors) -> None:
        """Give each accepting reactor the socket; it accepts from its next batch on."""
        for reactor in reactors.accepting:
            reactor.core.call_soon(partial(reactor.accept_on, self._own.dup(), self.route, self._source, self._seat))
        self._own.close()

    def cover(self, index: int, listener: socket) -> None:
        """Accept on the socket of the worker of this index as well, and close it: duplicates are enough."""
        self.uncover(index)
        with listener:
            # Before `dup`, which would pass the timeout on: whether it blocks is a property of all processes' sockets.
            listener.setblocking(False)  # noqa: FBT003 - the socket module takes it so
            self._covered[index] = Covered(listener, self.route, self._accepting, self._source, index)

    def uncover(self, index: int) -> None:
        """Leave that worker's socket to itself again."""
        covered = self._covered.pop(index, None)
        if covered is not None:
            covered.end()

    def close(self) -> None:
        """Close what no reactor has taken."""
        self._own.close()
        self._covered.clear()
        self.route.numbers.clear()


class Covered:
    """A socket that each accepting reactor has taken until `end`."""

    def __init__(
        self,
        listener: socket,
        route: Route,
        accepting: Sequence[SubReactor | MainReactor],
        source: Source,
        seat: int,
    ) -> None:
        self._numbers: dict[SubReactor | MainReactor, int] = {}  # written and read on the reactor's thread
        self._accepting = accepting
        for reactor in accepting:
            self._on(reactor, partial(self._begin, reactor, listener.dup(), route, source, seat))

    def end(self) -> None:
        """Accept what waits there, then no more."""
        for reactor in self._accepting:
            self._on(reactor, partial(self._end, reactor))

    @staticmethod
    def _on(reactor: SubReactor | MainReactor, call: Callable[[], None]) -> None:
        reactor.core.call_soon(call)

    def _begin(
        self, reactor: SubReactor | MainReactor, listener: socket, route: Route, source: Source, seat: int
    ) -> None:
        self._numbers[reactor] = reactor.accept_on(listener, route, source, seat)

    def _end(self, reactor: SubReactor | MainReactor) -> None:
        number = self._numbers.pop(reactor, None)
        if number is not None:  # else it could not begin, for want of a descriptor
            reactor.core.close_listener(number)
