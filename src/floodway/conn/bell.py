"""What ends a wait of the main thread: signals, and other threads that ring.

A thread that waits for a lock may sleep through a signal: one that comes right before the wait begins, or that the
system has another thread take. So the main thread waits for a descriptor, to which Python's own part in C writes the
number of every signal (`signal.set_wakeup_fd`). It exists while the main thread waits, and belongs to one process.
"""

import math
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from socket import socket, socketpair
from typing import Final

STEP_SECONDS: Final = 0.25
"""How often the main thread looks instead while the process has no descriptor left."""

LONGEST_SECONDS: Final = 86_400.0
"""As long as poll(2) takes without question."""

RING: Final = b"\0"  # no signal has this number

_set_wakeup_fd: Final = partial(signal.set_wakeup_fd, warn_on_full_buffer=False)


class _State:
    """Whether the main thread of this process waits."""

    def __init__(self) -> None:
        self.bell: tuple[socket, socket] | None = None  # the ends to read and to write, of the innermost wait
        # Guards writing against closing. Reentrant, since a signal handler may wait in turn.
        self.lock = threading.RLock()


_state: Final = _State()


def ring() -> None:
    """Have the main thread look whether what it waits for is true, if it waits. Any thread."""
    with _state.lock:
        if _state.bell is not None:
            try:
                _state.bell[1].send(RING)
            except BlockingIOError:
                pass  # full: it will wake


def wait_until(condition: Callable[[], bool], timeout: float | None) -> bool:
    """Wait for a condition, which is looked at after each signal and `ring`. Main thread.

    Returns whether it holds, after `timeout` seconds at most (None: without end). Raises what signal handlers raise.
    """
    limit = math.inf if timeout is None else time.monotonic() + timeout
    while not condition() and (left := limit - time.monotonic()) > 0:
        try:
            bell = socketpair()
        except OSError:
            time.sleep(min(left, STEP_SECONDS))  # there is no descriptor left; there may be one later
        else:
            _wait(condition, limit, *bell)
    return condition()


def _wait(condition: Callable[[], bool], limit: float, reading: socket, writing: socket) -> None:
    outer, bell, earlier = _state.bell, (reading, writing), list[int]()
    try:
        for end in bell:
            end.settimeout(0)
        poller = select.poll()
        poller.register(reading, select.POLLIN)
        try:
            # One call: a signal handler that runs between two, and raises, would leave it unknown what to restore.
            earlier.extend(map(_set_wakeup_fd, (writing.fileno(),)))
        except ValueError:
            pass  # embedded, and signals are another thread's
        _state.bell = bell
        while not condition() and (left := limit - time.monotonic()) > 0:
            # CPython 3.13 forgets that signals have come in a child that another thread forked; this makes it look.
            signal.pthread_sigmask(signal.SIG_BLOCK, ())
            poller.poll(None if left == math.inf else min(left, LONGEST_SECONDS) * 1000)
            if _state.bell is not bell:
                raise RuntimeError("this process was forked by a signal handler, and the wait is its parent's")
            _take(reading, earlier)
    finally:
        _state.bell = outer
        try:
            if earlier:
                signal.set_wakeup_fd(earlier[0])  # before anything that a signal could interrupt
        except (OSError, ValueError):  # who made it has closed it
            signal.set_wakeup_fd(-1)
        finally:
            _take(reading, earlier)
            with _state.lock:  # whoever rings it has done so
                writing.close()
            reading.close()
            ring()  # the outer wait may have missed something


def _take(reading: socket, earlier: Sequence[int]) -> None:
    """Empty it, and pass the numbers of signals on to where they would have gone (-1: nowhere)."""
    try:
        while True:
            numbers = reading.recv(4096).replace(RING, b"")
            for fd in earlier:
                if numbers and fd != -1:
                    os.write(fd, numbers)
    except OSError:
        pass  # empty; or the other one is full or closed, as it could be for Python itself


def _forget() -> None:
    """In a forked child: what rings is the parent's."""
    bell, _state.bell, _state.lock = _state.bell, None, threading.RLock()
    if bell is not None:
        signal.set_wakeup_fd(-1)
        for end in bell:
            end.close()


os.register_at_fork(after_in_child=_forget)
