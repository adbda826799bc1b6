"""One address that an engine listens on: its sockets, and the route of the connections accepted there."""

import logging
from typing import Final

from floodway.base.address import Address, parse
from floodway.conn.acceptor import Acceptor
from floodway.conn.reactors import Reactors
from floodway.conn.route import Route

logger: Final = logging.getLogger(__name__)


class Listener:
    """Opened, then handed out to the accepting reactors, then closed. Used by one thread at a time."""

    def __init__(self, address: str | Address, route: Route) -> None:
        self.route: Route = route
        self._acceptor = Acceptor(parse(address), route.options, route.limits.backlog)

    @property
    def bound(self) -> tuple[Address, ...]:
        """What it is bound to, while it is open."""
        return self._acceptor.bound

    def open(self, reactors: Reactors) -> None:
        """Bind, and let the reactors know the route; nothing is accepted yet. Raises ListenError."""
        self._acceptor.open(len(reactors.accepting))
        reactors.add_route(self.route)
        logger.info("listening on %s", ", ".join(map(str, self.bound)))

    def hand_out(self, reactors: Reactors) -> None:
        """Give each accepting reactor its sockets; it accepts from its next batch on."""
        for index, reactor in enumerate(reactors.accepting):
            for socket in self._acceptor.sockets_for(index):
                reactor.core.call_soon(reactor.accept_on, socket, self.route)
        self._acceptor.release()

    def close(self) -> None:
        """Close every socket that no reactor has taken, and remove the file of a Unix socket."""
        self._acceptor.close()
        self.route.numbers.clear()
