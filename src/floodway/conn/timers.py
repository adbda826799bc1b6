"""Home of the native `Timer`, as `conn.reactor.call_later` returns it. The wheel that holds timers is native too."""

from floodway._core import TICK, Timer

__all__ = ["TICK", "Timer"]
