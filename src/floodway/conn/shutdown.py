"""How an engine stops: a fixed sequence of phases, each bounded in time.

    SERVING -> CLOSING -> DRAINING -> ABORTING -> LEAVING -> ENDING -> FINISHING

CLOSING accepts what the kernel has completed and closes the listeners; DRAINING lets busy connections finish, until the
deadline; ABORTING aborts the rest; LEAVING lets applications on event loops end; ENDING ends the reactors' threads and
the worker threads; FINISHING is `on_stop`.
Only the engine's own thread runs the sequence. Requests reach it through a queue whose `put` is reentrant, so that a
signal handler may ask.
"""

import enum
import logging
import math
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final

from floodway.conn.main_thread import Event
from floodway.conn.reactor import Admission, Reactor
from floodway.conn.reactors import Reactors

logger: Final = logging.getLogger(__name__)

IDLE_SECONDS: Final = 2.0
"""How long a connection that has not yet sent a byte may still do so while draining: its first may be on its way."""

SETTLE_SECONDS: Final = 1.0
"""How long nothing may happen once the time to stop is over: no further connection closed, no thread ended."""

STEP_SECONDS: Final = 0.01


class Phase(enum.Enum):
    """Where an engine is between serving and stopped."""

    SERVING = "serving"
    CLOSING = "closing the listeners"
    DRAINING = "draining"
    ABORTING = "aborting"
    LEAVING = "waiting for applications to end"
    ENDING = "ending its threads"
    FINISHING = "in on_stop"


class Shutdown:
    """Takes requests to stop (any thread, also a signal handler) and runs the sequence (one thread)."""

    def __init__(self, reactors: Reactors, admission: Admission) -> None:
        self.phase: Phase = Phase.SERVING
        self.deadline: float = math.inf
        self.requested: Event = Event()
        self.has_closed: Event = Event()
        """Set when the listeners are closed, or the time for it is over."""
        self._progress = -math.inf  # when something last happened
        self._accepting = [reactor.core for reactor in reactors.accepting]
        self._reactors = reactors.owning
        self._owning = [reactor.core for reactor in reactors.owning]
        self._threads = reactors.threads
        self._pool = reactors.pool
        self._admission = admission
        self._requests: SimpleQueue[float] = SimpleQueue()
        self._closed: SimpleQueue[Reactor] = SimpleQueue()

    def request(self, grace: float) -> None:
        """Stop within so many seconds; of several requests the earliest deadline holds."""
        self._requests.put(time.monotonic() + grace)

    def wait_requested(self, timeout: float | None) -> bool:
        """Wait for a request. Returns whether there has been one."""
        try:
            self.deadline = min(self.deadline, self._requests.get(timeout=timeout))
        except Empty:
            return self.requested.is_set()
        self.requested.set()
        return True

    @property
    def is_overdue(self) -> bool:
        """Whether the time to stop is over and nothing has happened for a while: a callback does not return."""
        return time.monotonic() > max(self.deadline, self._progress) + 1.25 * SETTLE_SECONDS

    def run(self) -> None:
        """Go through the phases; returns when every thread has ended."""
        self._close_listeners()
        self.has_closed.set()
        self._drain()
        self._abort()
        self._leave()
        self._end_threads()

    def stuck(self) -> list[str]:
        """The names of the threads that a callback holds at this moment."""
        reactors = [thread.name for thread in self._threads if thread.is_alive and thread.core.busy_since is not None]
        return reactors + (self._pool.busy() if self._pool is not None else [])

    def _close_listeners(self) -> None:
        self._enter(Phase.CLOSING)
        logger.info("stopping: closing the listeners; connections: %d", self._left())
        for core in self._accepting:
            core.call_soon(self._close_listeners_of, core)
        self._wait(lambda: self._closed.qsize() == len(self._accepting), lambda: self.deadline)

    def _close_listeners_of(self, core: Reactor) -> None:
        """On the reactor's thread. What it accepts now comes with its next batch; so does the confirmation."""
        core.close_listeners()
        core.call_soon(self._closed.put, core)

    def _drain(self) -> None:
        self._enter(Phase.DRAINING)
        idle_seconds = max(0.0, min(IDLE_SECONDS, self.deadline - time.monotonic()))
        for core in self._owning:
            core.call_soon(core.drain, idle_seconds)
        self._wait(lambda: self._left() == 0, lambda: self.deadline)

    def _abort(self) -> None:
        self._enter(Phase.ABORTING)
        left = self._left()
        if left == 0:
            return
        logger.warning("the grace time is over; connections aborted: %d", left)
        for core in self._owning:
            core.call_soon(core.abort_all)
        while left > 0 and self._wait_fewer(left):
            self._progress = time.monotonic()
            left = self._left()

    def _leave(self) -> None:
        self._enter(Phase.LEAVING)
        for reactor in self._reactors:
            reactor.leave()
        if not self._wait(
            lambda: all(reactor.has_left for reactor in self._reactors),
            lambda: max(self.deadline, self._progress + SETTLE_SECONDS),
        ):
            logger.warning("the grace time is over, and the application has not ended")

    def _end_threads(self) -> None:
        self._enter(Phase.ENDING)
        for thread in self._threads:
            thread.core.stop()
        deadline = time.monotonic() + SETTLE_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        for thread in self._threads:
            if thread.is_alive:
                logger.error("%s is stuck in a callback:\n%s", thread.name, thread.stack())
        for thread in self._threads:
            thread.join(None)
        if self._pool is not None:
            self._pool.stop()
            self._pool.join(SETTLE_SECONDS)
            for name, stack in self._pool.stacks().items():
                logger.error("%s is stuck in a callback:\n%s", name, stack)
            self._pool.join(None)
        self._enter(Phase.FINISHING)

    def _wait_fewer(self, left: int) -> bool:
        """Wait until fewer connections are left, or nothing happens."""
        return self._wait(lambda: self._left() < left, lambda: self._progress + SETTLE_SECONDS)

    def _enter(self, phase: Phase) -> None:
        self.phase = phase
        self._progress = time.monotonic()

    def _left(self) -> int:
        """Connections not yet closed, those between a main and a sub reactor included."""
        return max(sum(core.load for core in self._owning), self._admission.connections)

    def _wait(self, condition: Callable[[], bool], deadline: Callable[[], float]) -> bool:
        """Wait for a condition, in small steps, until a deadline that may move. Returns whether it holds."""
        while not condition():
            left = deadline() - time.monotonic()
            if left <= 0:
                return False
            self.wait_requested(min(left, STEP_SECONDS))
        return True
