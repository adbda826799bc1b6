"""Which sub reactor gets a newcomer: a function of their loads and of the newcomer's descriptor and address.

A main reactor asks `pick(loads, newcomer)` for every accepted socket. `loads[i]` counts the connections that sub
reactor `i` owns or that are on their way to it, so a pick raises it at once. Several main reactors share one balancer
and may ask it at the same time.
"""

from collections.abc import Sequence
from typing import Protocol

from floodway._core import Newcomer

__all__ = ["Balancer", "FdHash", "LeastConnections", "Newcomer", "RoundRobin"]


class Balancer(Protocol):
    """Any object with `pick`. What it raises, or an index out of range, is logged; least connections then decides.

    Every main reactor's thread calls it.
    """

    def pick(self, loads: Sequence[int], newcomer: Newcomer, /) -> int:
        """The index of the sub reactor that gets this newcomer."""
        ...


class LeastConnections:
    """The reactor with the fewest connections, the first of them if several have; evens out whatever closes.

    Any thread: it keeps no state.

    >>> LeastConnections().pick([3, 1, 2], None)
    1
    """

    def pick(self, loads: Sequence[int], _newcomer: Newcomer | None, /) -> int:
        """The index of the smallest load."""
        return min(range(len(loads)), key=loads.__getitem__)


class RoundRobin:
    """One after the other. Cheapest, and even as long as connections live equally long.

    Any thread; two main reactors that ask at once may get the same answer, which does no harm.

    >>> balancer = RoundRobin()
    >>> [balancer.pick([5, 0], None) for _ in range(3)]
    [0, 1, 0]
    """

    def __init__(self) -> None:
        self._next = 0

    def pick(self, loads: Sequence[int], _newcomer: Newcomer | None, /) -> int:
        """The index after the last one."""
        chosen = self._next % len(loads)
        self._next = chosen + 1
        return chosen


class FdHash:
    """The descriptor's number modulo the reactors: near even, since the kernel hands out the lowest number free.

    Across worker processes, where descriptors do not stay, `newcomer.fd` is a count of accepted sockets. Any thread: it
    keeps no state.
    """

    def pick(self, loads: Sequence[int], newcomer: Newcomer, /) -> int:
        """The index that the descriptor's number comes down to."""
        return newcomer.fd % len(loads)
