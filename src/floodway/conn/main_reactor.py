"""A reactor that accepts and owns no connection: a balancer picks the sub reactor that gets the newcomer.

The native core accepts until nobody waits; each newcomer is an event. It is never lost: whatever the balancer does,
some sub reactor adopts it.
"""

import logging
from collections.abc import Sequence
from socket import socket
from typing import Final

from floodway.conn.balancing import Balancer, LeastConnections, Newcomer
from floodway.conn.failures import Failures
from floodway.conn.reactor import EVENT_ACCEPTED, EVENT_CALL, EVENT_NOTICE, Notices, Reactor, Source
from floodway.conn.route import Route
from floodway.conn.sub_reactor import Call, SubReactor, make_call
from floodway.log import Throttle

logger: Final = logging.getLogger(__name__)


class MainReactor:
    """Accepts, balances, hands over. Knows nothing of protocols."""

    def __init__(self, core: Reactor, subs: Sequence[SubReactor], balancer: Balancer, failures: Failures) -> None:
        self.core = core
        self._subs = subs
        self._balancer = balancer
        self._fallback = LeastConnections()
        self._failures = failures
        self._routes: dict[int, Route] = {}  # by the listener's number
        self._throttle = Throttle()
        self._calls: dict[int, Call] = {
            EVENT_ACCEPTED: self._hand_over,
            EVENT_CALL: make_call,
            EVENT_NOTICE: Notices(core.name, failures.on_exhausted).log,
        }

    def run(self) -> None:
        """Accept and hand over until told to stop."""
        call = self._calls
        poll = self.core.poll
        while (batch := poll()) is not None:  # the interpreter is released inside
            for kind, target, payload in batch:
                try:
                    call[kind](target, payload)
                except BaseException as error:  # noqa: BLE001 - handled according to its type
                    self._failures.handle(self.core, target, error)
            self._end_batch()
            target = payload = None  # hold on to nothing while waiting

    def accept_on(self, listener: socket, route: Route, source: Source = "listening", seat: int = 0) -> int:
        """Accept on this socket and close it: the core keeps a duplicate. Reactor's thread.

        `seat`: whose channel it is, if it is one. Returns the core's number of the listener.
        """
        with listener:
            number = self.core.listen(listener.fileno(), 0, source=source, seat=seat, delivery="hand_over")
        self._routes[number] = route
        return number

    def _hand_over(self, newcomer: Newcomer, listener: int) -> None:
        loads = [sub.core.load for sub in self._subs]
        sub = self._subs[self._pick(loads, newcomer)]
        sub.core.adopt(newcomer, self._routes[listener].numbers[sub.core])

    def _end_batch(self) -> None:
        """Everything that a poll has found was handled."""

    def _pick(self, loads: Sequence[int], newcomer: Newcomer) -> int:
        """What the balancer picks if that is a sub reactor's index, otherwise the least loaded one."""
        try:
            choice = self._balancer.pick(loads, newcomer)
        except Exception as error:  # noqa: BLE001 - the user's code
            text = "the balancer raised; least connections picks for it"
            self._throttle.log(logger, logging.ERROR, text, error=error)
            return self._fallback.pick(loads, newcomer)
        if type(choice) is int and 0 <= choice < len(loads):
            return choice
        text = "the balancer picked %r of %d reactors; least connections picks for it"
        self._throttle.log(logger, logging.ERROR, text, choice, len(loads))
        return self._fallback.pick(loads, newcomer)
