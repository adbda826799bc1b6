"""`memory`: what an idle connection costs after one exchange, and after a burst: at once, and a while later.

By the slope between two counts of connections, so that what a process costs by itself is left out. The burst has a
server of its own, whose allocator has not seen the small exchanges; both counts burst, or the slope would not be one.
While the burst's effects wear off, the other server is asked: two servers are no matter here, where nothing is timed.
"""

import time
from typing import Final

from harness.holder import Holder
from harness.machine import inherited

from figures.turn import Turn

EXCHANGE_BYTES: Final = 1024
LATER_SECONDS: Final = 3.0


def measure(turn: Turn) -> None:
    """Connections to two servers of the peer, first the lower count, then the higher."""
    point = turn.point
    exchanged, burst, burst_later = [], [], []
    with (
        turn.servers() as (plain, bursting),
        inherited(turn.cores.generator),
        Holder(plain) as plain_holder,
        Holder(bursting) as burst_holder,
    ):
        for count in (point.connections_low, point.connections):
            burst_holder.grow_to(count, exchange=point.size)
            burst.append(burst_holder.rss())
            ended = time.monotonic()
            plain_holder.grow_to(count, exchange=EXCHANGE_BYTES)
            exchanged.append(plain_holder.settled_rss())
            time.sleep(max(0.0, ended + LATER_SECONDS - time.monotonic()))
            burst_later.append(burst_holder.rss())
    for name, (low, high) in (("exchange", exchanged), ("burst", burst), ("burst_3s", burst_later)):
        turn.metrics[f"bytes_per_connection_{name}"] = (high - low) / (point.connections - point.connections_low)
    turn.metrics["rss_high"] = exchanged[-1]
