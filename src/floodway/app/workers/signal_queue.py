"""The supervisor's signals, as a queue that its loop reads: nothing is done inside a signal handler."""

import os
import signal
import socket
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final, Self

HANDLED: Final = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGTTIN,
    signal.SIGTTOU,
    signal.SIGUSR1,
    signal.SIGCHLD,
)


OF_TERMINALS: Final = (signal.SIGINT, signal.SIGHUP, signal.SIGTTIN, signal.SIGTTOU)
"""What a terminal sends to every process at once: the supervisor's answer is the one that counts."""


class SignalQueue:
    """A context manager: takes the signals inside the block, and gives them back after it. Main thread."""

    def __init__(self) -> None:
        self._earlier: dict[signal.Signals, Any] = {}  # Any: whatever signal.signal returns
        self._reading, self._writing = socket.socketpair()
        self._reading.setblocking(False)  # noqa: FBT003 - the socket module takes it so
        self._writing.setblocking(False)  # noqa: FBT003 - the same

    def __enter__(self) -> Self:
        self._earlier_fd = signal.set_wakeup_fd(self._writing.fileno(), warn_on_full_buffer=False)
        for number in HANDLED:
            self._earlier[number] = signal.signal(number, _nothing)
        return self

    def __exit__(self, *_: object) -> None:
        self.restore()
        self._reading.close()
        self._writing.close()

    def fileno(self) -> int:
        """Readable when there are signals."""
        return self._reading.fileno()

    def take(self) -> list[signal.Signals]:
        """Those that have come, in order."""
        try:
            return [signal.Signals(number) for number in self._reading.recv(4096)]
        except BlockingIOError:
            return []

    def restore(self) -> None:
        """Let signals do what they did before."""
        while self._earlier:
            signal.signal(*self._earlier.popitem())
        signal.set_wakeup_fd(self._earlier_fd)

    @contextmanager
    def held_back(self) -> Generator[None]:
        """Inside the block signals wait."""
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    def forget(self) -> None:
        """In a forked child, with signals held back: leave the queue to the parent, and take signals as a new program.

        Those of terminals are left to the supervisor, by a function and not by SIG_IGN, which programs that the child
        starts would inherit.
        """
        signal.set_wakeup_fd(-1)
        for number in HANDLED:
            signal.signal(number, _nothing if number in OF_TERMINALS else signal.SIG_DFL)
        self._earlier.clear()
        self._reading.close()
        self._writing.close()
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """In the supervisor the number is in the queue already: Python's C handler wrote it to the wake-up descriptor."""


def reap_strangers(ours: set[int]) -> None:
    """As process 1 (in a container): wait for ended processes that nobody else will, up to the first of our own."""
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if ended is None or ended.si_pid in ours:
            return  # one of ours brings a signal of its own
        os.waitpid(ended.si_pid, 0)
