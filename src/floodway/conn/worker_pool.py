"""Threads that run handler callbacks, for handlers that block (`threads=T`), and the resolver's threads.

One queue feeds all threads. It stays short, since the native core holds back the next event of a connection until the
one before is done: that keeps a connection's callbacks in order and one at a time, and bounds what waits.
"""

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeAlias

from floodway.conn.reactor import stack_of

Job: TypeAlias = tuple[Callable[..., object], tuple[Any, ...]]  # Any: arguments of whatever function


class WorkerPool:
    """`threads` daemon threads that make the calls submitted to them. Submitting: any thread."""

    def __init__(self, name: str, threads: int) -> None:
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._busy: set[str] = set()
        self._threads = [
            threading.Thread(target=self._run, name=f"{name}-{number}", daemon=True) for number in range(threads)
        ]

    @property
    def is_own_thread(self) -> bool:
        """Whether the caller is on one of the pool's threads."""
        return threading.current_thread() in self._threads

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def submit(self, function: Callable[..., object], *arguments: Any) -> None:
        """Make this call on the next free thread. The function must not raise."""
        self._jobs.put((function, arguments))

    def stop(self) -> None:
        """Let each thread end after the calls submitted so far. Does not wait."""
        for _ in self._threads:
            self._jobs.put(None)

    def join(self, timeout: float | None) -> None:
        """Wait for the threads to end, for this many seconds at most."""
        deadline = None if timeout is None else time.monotonic() + timeout
        for thread in self._threads:
            thread.join(None if deadline is None else max(0.0, deadline - time.monotonic()))

    def busy(self) -> list[str]:
        """The names of the threads that are making a call at this moment."""
        return sorted(self._busy.copy())

    def stacks(self) -> dict[str, str]:
        """The Python stack of each thread that is alive, by its name."""
        return {thread.name: stack_of(thread) for thread in self._threads if thread.is_alive()}

    def _run(self) -> None:
        while self._run_next():
            pass

    def _run_next(self) -> bool:
        """Make one call, in a frame of its own: while the thread waits it must hold no connection and no payload."""
        job = self._jobs.get()
        if job is None:
            return False
        function, arguments = job
        name = threading.current_thread().name
        self._busy.add(name)
        try:
            function(*arguments)
        finally:
            self._busy.discard(name)
        return True
