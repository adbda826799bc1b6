"""asyncio's own selector event loop, waiting on a reactor.

Everything that asyncio does is the standard library's code; what differs is who waits (`ReactorSelector`), and how another
thread ends the wait. asyncio writes a byte to a pair of sockets of its own for that. The reactor has a wake-up that costs
no system call while it is busy, so the pair is left to signals.
"""

import asyncio
import signal
import threading

from floodway.conn.reactor import Reactor
from floodway.conn.selector import ReactorSelector


class ReactorEventLoop(asyncio.SelectorEventLoop):
    """An asyncio event loop on a reactor that somebody else makes and closes. Threads as for every asyncio loop."""

    def __init__(self, core: Reactor, selector: ReactorSelector) -> None:
        self._core = core  # first: making the loop wakes it
        super().__init__(selector)

    def run_forever(self) -> None:
        """Run until `stop` is called. Between two runs the loop may move to another thread."""
        previous = self._take_signals()
        try:
            super().run_forever()
        finally:
            if previous is not None:
                signal.set_wakeup_fd(previous)
            self._core.release()

    def remove_signal_handler(self, sig: int) -> bool:
        """Remove the handler of a signal; returns whether there was one."""
        removed = super().remove_signal_handler(sig)
        if self.is_running():
            self._take_signals()
        return removed

    def _write_to_self(self) -> None:
        self._core.wake()

    def _take_signals(self) -> int | None:
        """Have signals end the wait. Returns the wake-up descriptor that was set before; None: nothing to restore.

        A signal interrupts epoll, but the portable driver goes on waiting (`portable.rs`). So it needs the descriptor also
        while there is no handler of the loop's, for Ctrl-C, as asyncio's proactor loop does.
        """
        if self._core.driver == "epoll" or threading.current_thread() is not threading.main_thread():
            return None
        return signal.set_wakeup_fd(self._csock.fileno())  # type: ignore[attr-defined,no-any-return] # asyncio's own pair
