"""`memory`: what an idle connection costs after one exchange, and after a burst: at once, and a while later.

By the slope between two counts of connections, so that what a process costs by itself is left out. The burst has a
server of its own, whose allocator has not seen the small exchanges; both counts burst, or the slope would not be one.
"""

import time
from typing import Final

from harness.holder import Holder
from harness.machine import inherited

from figures.turn import Turn

EXCHANGE_BYTES: Final = 1024
LATER_SECONDS: Final = 3.0


def measure(turn: Turn) -> None:
    """Both halves, one after the other."""
    _exchange(turn)
    _burst(turn)


def _exchange(turn: Turn) -> None:
    with turn.servers() as (server,), inherited(turn.cores.generator), Holder(server) as holder:
        holder.grow_to(turn.point.connections_low, exchange=EXCHANGE_BYTES)
        low = holder.settled_rss()
        holder.grow_to(turn.point.connections, exchange=EXCHANGE_BYTES)
        high = holder.settled_rss()
    turn.metrics |= {"bytes_per_connection_exchange": _slope(turn, low, high), "rss_high": high}


def _burst(turn: Turn) -> None:
    at_once, later = [], []
    with turn.servers() as (server,), inherited(turn.cores.generator), Holder(server) as holder:
        for count in (turn.point.connections_low, turn.point.connections):
            holder.grow_to(count, exchange=turn.point.size)
            at_once.append(holder.rss())
            time.sleep(LATER_SECONDS)
            later.append(holder.rss())
    turn.metrics |= {
        "bytes_per_connection_burst": _slope(turn, *at_once),
        "bytes_per_connection_burst_3s": _slope(turn, *later),
    }


def _slope(turn: Turn, low: int, high: int) -> float:
    return (high - low) / (turn.point.connections - turn.point.connections_low)
