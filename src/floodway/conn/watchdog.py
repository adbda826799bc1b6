"""Notices a reactor that a callback holds up, and logs where it is in Python: once for each time it happens."""

import logging
import time
from collections.abc import Sequence
from typing import Final

from floodway.conn.reactor import ReactorThread

logger: Final = logging.getLogger(__name__)

SHORTEST_SECONDS: Final = 0.001
"""The least between two looks: a wait that ends a little early must not become a loop that never waits."""


class Watchdog:
    """Looks at the reactors when told to. The engine's thread."""

    def __init__(self, threads: Sequence[ReactorThread], seconds: float) -> None:
        self._threads = threads
        self._seconds = seconds
        self._reported: dict[str, float] = {}  # reactor -> the `busy_since` that was logged

    def look(self) -> float:
        """Log the stack of every reactor that has not polled for too long.

        Returns the seconds until the next look: before, there can be nothing to log.
        """
        now = time.monotonic()
        wait = self._seconds  # as long as it takes a reactor that is idle now, or that was logged
        for thread in self._threads:
            since = thread.core.busy_since
            if since is None or self._reported.get(thread.name) == since:
                continue
            left = since + self._seconds - now
            if left > 0:
                wait = min(wait, left)
                continue
            self._reported[thread.name] = since
            text = (
                "%s has been in one batch for %.1f seconds and serves nobody else; threads= helps calls that block:\n%s"
            )
            logger.warning(text, thread.name, now - since, thread.stack())
        return max(SHORTEST_SECONDS, wait)
