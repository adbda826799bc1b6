"""A main reactor whose sub reactors are in other processes: what it accepts it hands over, sockets and all.

It asks the same balancers as any main reactor, with loads that all processes share. A seat is where a worker
process serves. Newcomers are handed over when a batch ends, many in one message. While no worker can take any, or takes
them from its channel, they wait here, and nobody further is accepted: the others wait in the kernel's backlog.
"""

import logging
from collections.abc import Mapping, Sequence
from socket import socket
from typing import Final

from floodway._core import HandOver, Seats
from floodway.conn.balancing import Balancer, Newcomer
from floodway.conn.failures import Failures
from floodway.conn.main_reactor import MainReactor
from floodway.conn.reactor import Reactor, Source
from floodway.conn.route import Route
from floodway.log import Throttle

__all__ = ["Destinations", "Dispatcher", "HandOver", "Seats"]

logger: Final = logging.getLogger(__name__)

TRY_SECONDS: Final = 0.01
TRY_SECONDS_MOST: Final = 0.1
"""How long until workers that took nothing are tried again: twice as long each time, up to this."""


class Destinations:
    """Where newcomers can go: a channel to every seat for each address, which a route stands for."""

    def __init__(self, seats: Seats) -> None:
        self.seats: Seats = seats
        self._channels: list[tuple[Route, dict[int, HandOver]]] = []
        self.count: int = 0
        """Seats with a channel have numbers below this one."""

    def add_address(self, route: Route) -> None:
        """An address that is accepted on; before any seat is added."""
        self._channels.append((route, {}))

    def add_seat(self, seat: int, channels: Sequence[socket]) -> None:
        """A channel to this seat for each address. Any one thread."""
        for (_, to_seats), channel in zip(self._channels, channels, strict=True):
            to_seats[seat] = HandOver(channel.fileno())
        self.count = max(self.count, seat + 1)

    def of(self, route: Route) -> Mapping[int, HandOver]:
        """The channels for what is accepted on the address of this route, by seat; more may follow."""
        return next(channels for known, channels in self._channels if known is route)


class Dispatcher(MainReactor):
    """Accepts, balances, hands over to other processes."""

    def __init__(self, core: Reactor, destinations: Destinations, balancer: Balancer, failures: Failures) -> None:
        super().__init__(core, (), balancer, failures)
        self._destinations = destinations
        self._channels: dict[int, Mapping[int, HandOver]] = {}  # to every seat, by the listener's number
        self._leaving: dict[tuple[int, int], list[Newcomer]] = {}  # by listener and seat, until the batch ends
        self._waiting: list[tuple[Newcomer, int]] = []  # with the listener: nobody takes them at the moment
        self._stalled: set[int] = set()  # seats that have not emptied their channel
        self._is_paused = False
        self._will_try = False
        self._try_seconds = TRY_SECONDS
        self._warnings = Throttle()

    def accept_on(self, listener: socket, route: Route, source: Source = "listening", seat: int = 0) -> int:
        """Accept on this socket and close it: the core keeps a duplicate. Reactor's thread."""
        with listener:
            number = self.core.listen(listener.fileno(), 0, source=source, seat=seat, delivery="depart")
        self._channels[number] = self._destinations.of(route)
        return number

    def _hand_over(self, newcomer: Newcomer, listener: int) -> None:
        seats, loads = self._destinations.seats.open(self._destinations.count)
        known = self._channels[listener]
        if self._stalled or len(known) < self._destinations.count:
            able = [index for index, seat in enumerate(seats) if seat in known and seat not in self._stalled]
            seats, loads = [seats[index] for index in able], [loads[index] for index in able]
        if not seats:
            self._waiting.append((newcomer, listener))
            return
        seat = seats[self._pick(loads, newcomer)]
        self._destinations.seats.give(seat, 1)  # at once: the next pick has to see it
        self._leaving.setdefault((listener, seat), []).append(newcomer)

    def _end_batch(self) -> None:
        while self._leaving:  # each time around at least one seat less takes part
            leaving, self._leaving = self._leaving, {}
            for (listener, seat), newcomers in leaving.items():
                left = newcomers[self._send(listener, seat, newcomers) :]
                if left:
                    self._stalled.add(seat)
                    self._destinations.seats.take_back(seat, len(left))
                    for newcomer in left:
                        self._hand_over(newcomer, listener)
        if self._waiting:  # again and again: a listener may have come since
            self._is_paused = True
            self.core.pause_accepting()
            self._warnings.log(logger, logging.WARNING, "no worker can take a connection now; accepting pauses")
        elif self._is_paused:
            self._is_paused = False
            self.core.resume_accepting()
        if not self._stalled and not self._is_paused:
            self._try_seconds = TRY_SECONDS
        elif not self._will_try:
            self._will_try = True
            self.core.call_later(self._try_seconds, self._try_again)
            self._try_seconds = min(2 * self._try_seconds, TRY_SECONDS_MOST)

    def _send(self, listener: int, seat: int, newcomers: list[Newcomer]) -> int:
        try:
            return self._channels[listener][seat].send(newcomers)
        except OSError as error:
            self._warnings.log(logger, logging.ERROR, "worker %d cannot be given connections: %s", seat, error)
            return 0

    def _try_again(self) -> None:
        self._will_try = False
        self._stalled.clear()
        waiting, self._waiting = self._waiting, []
        for newcomer, listener in waiting:
            self._hand_over(newcomer, listener)
