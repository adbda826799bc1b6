"""asyncio's own selector event loop, waiting on a reactor.

Everything that asyncio does is the standard library's code; what differs is who waits (`ReactorSelector`), and how
another thread ends the wait. asyncio writes a byte to a pair of sockets of its own for that. The reactor has a wake-up
that costs no system call while it is busy, so the pair is left to signals.
"""

import asyncio
import signal
from socket import socket

from floodway.conn.main_thread import is_main_thread
from floodway.conn.reactor import Reactor
from floodway.conn.selector import ReactorSelector


class ReactorEventLoop(asyncio.SelectorEventLoop):
    """An asyncio event loop on a reactor that somebody else makes and closes. Threads as for every asyncio loop."""

    _csock: socket  # asyncio's own, as the next one
    _signal_handlers: dict[int, object]

    def __init__(self, core: Reactor, selector: ReactorSelector) -> None:
        self._core = core  # first: making the loop wakes it
        # A signal interrupts epoll, but the portable driver goes on waiting (`portable.rs`).
        self._needs_wakeup_fd = core.driver != "epoll"
        super().__init__(selector)

    def run_forever(self) -> None:
        """Run until `stop` is called. Between two runs the loop may move to another thread."""
        if self.is_running():  # CPython 3.13.0 would forget that it runs before it refuses
            raise RuntimeError("this event loop is running already; await instead, or make a task")
        takes_signals = self._needs_wakeup_fd and not self.is_closed() and is_main_thread()
        # As asyncio's proactor loop does: also without a signal handler of the loop's, for Ctrl-C.
        previous = signal.set_wakeup_fd(self._csock.fileno()) if takes_signals else -1
        try:
            super().run_forever()
        finally:
            if takes_signals and not self._signal_handlers:
                signal.set_wakeup_fd(previous)
            self._core.release()

    def remove_signal_handler(self, sig: int) -> bool:
        """Remove the handler of a signal; returns whether there was one."""
        removed = super().remove_signal_handler(sig)
        if self._needs_wakeup_fd and self.is_running() and is_main_thread():
            signal.set_wakeup_fd(self._csock.fileno())  # asyncio has unset it with the last handler
        return removed

    def _write_to_self(self) -> None:
        self._core.wake()
