"""A worker as the supervisor sees it: a process, the channel to it, and what it was told."""

import contextlib
import enum
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Final, NoReturn

from floodway.app.workers.channel import Channel, channel_pair
from floodway.app.workers.signal_queue import SignalQueue
from floodway.errors import ApplicationError

KILL_SECONDS: Final = 3.0
"""How much longer than its grace time a worker may take; one whose callbacks never return ends by itself before."""

ENTRANCE: Final = -1
"""In place of a worker's index: the process that accepts for all of them, if the service has a balancer."""


class State(enum.Enum):
    """Where a worker is in its life."""

    STARTING = "starting"
    SERVING = "serving"
    LEAVING = "leaving"


class WorkerProcess:
    """One worker, from its fork until it was waited for. Supervisor's thread."""

    def __init__(self, index: int, generation: int, pid: int, channel: Channel) -> None:
        self.index = index
        self.generation = generation
        self.pid = pid
        self.channel = channel
        self.state: State = State.STARTING
        self.served_from: float | None = None
        self.told_to_stop: bool = False
        self.accepts: bool = True
        """False once it has closed its listeners."""
        self.is_spent: bool = False
        """Whether it has served what it should, and leaves once it is replaced."""
        self.is_heard: bool = False
        """Whether the supervisor's selector has its channel."""
        self.kill_at: float | None = None
        self.failure: ApplicationError | None = None
        """Why it could not start, as it said itself."""

    def serve(self) -> None:
        """It has said that it accepts."""
        self.served_from = time.monotonic()
        if self.state is State.STARTING:
            self.state = State.SERVING

    def stop(self, grace: float) -> None:
        """Have it end within so many seconds; again only to bring that nearer."""
        kill_at = time.monotonic() + grace + KILL_SECONDS
        self.kill_at = kill_at if self.kill_at is None else min(kill_at, self.kill_at)
        self.told_to_stop = True
        self.state = State.LEAVING
        self.channel.send("stop", grace=grace)

    def kill(self) -> None:
        """End it now, whatever it does."""
        with contextlib.suppress(ProcessLookupError):  # somebody else has waited for it
            os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> None:
        """Wait until it has ended."""
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)

    def poll(self) -> int | None:
        """Its exit code once it has ended, or the number of the signal that killed it below zero; else None."""
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            return 0  # somebody else has waited for it
        return os.waitstatus_to_exitcode(status) if pid else None

    @property
    def served_seconds(self) -> float:
        """How long it has served, 0.0 if it never did."""
        return 0.0 if self.served_from is None else time.monotonic() - self.served_from

    def __str__(self) -> str:
        name = "the accepting process" if self.index == ENTRANCE else f"worker {self.index}"
        return f"{name} (pid {self.pid})"


def ending(code: int) -> str:
    """How a process ended, in words.

    >>> ending(-9), ending(3)
    ('was killed by SIGKILL', 'exited with code 3')
    """
    if code >= 0:
        return f"exited with code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


def fork_worker(index: int, generation: int, signals: SignalQueue, run: Callable[[Channel], NoReturn]) -> WorkerProcess:
    """Fork a process that calls `run` with its end of the channel. Raises OSError when there can be none."""
    ours, theirs = channel_pair()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()  # or both processes would write what waits in the buffer
    with signals.held_back():  # one meant for the child must not reach the queue, which is shared until it is reset
        pid = os.fork()
        if pid == 0:
            try:
                signals.forget()
                ours.close()
                run(theirs)
            finally:
                os._exit(1)
    theirs.close()
    ours.set_blocking(blocking=False)
    return WorkerProcess(index, generation, pid, ours)
