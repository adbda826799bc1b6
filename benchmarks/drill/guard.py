"""Ends the drill when the machine's memory runs low or it takes too long, from a thread beside the one that waits."""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from drill.memory import available_bytes

LOOK_SECONDS: Final = 0.25


class Guard:
    """While entered, calls `end` once if less than `reserve_bytes` are available or `seconds` have passed."""

    def __init__(self, end: Callable[[], None], reserve_bytes: int, seconds: float) -> None:
        self._end = end
        self._reserve_bytes = reserve_bytes
        self._deadline = time.monotonic() + seconds
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="guard")
        self.reason: str | None = None
        """Why it ended the drill, if it did."""
        self.least_available = available_bytes()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(LOOK_SECONDS):
            available = available_bytes()
            self.least_available = min(self.least_available, available)
            if available < self._reserve_bytes:
                self.reason = f"only {available / 2**30:.1f} GiB of memory were left"
            elif time.monotonic() > self._deadline:
                self.reason = "it took too long"
            if self.reason is not None:
                self._end()
                return
