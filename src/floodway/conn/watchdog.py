"""Notices a reactor that a callback holds up, and logs where it is in Python: once for each time it happens."""

import logging
import time
from collections.abc import Sequence
from typing import Final

from floodway.conn.reactor import ReactorThread

logger: Final = logging.getLogger(__name__)


class Watchdog:
    """Looks at the reactors when told to. The engine's thread."""

    def __init__(self, threads: Sequence[ReactorThread], seconds: float) -> None:
        self._threads = threads
        self._seconds = seconds
        self._reported: dict[str, float] = {}  # reactor -> the `busy_since` that was logged
        self.interval: float = seconds / 4
        """Seconds between two looks: a stack is logged at most a quarter later than asked for."""

    def look(self) -> None:
        """Log the stack of every reactor that has not polled for too long."""
        now = time.monotonic()
        for thread in self._threads:
            since = thread.core.busy_since
            if since is None or now - since < self._seconds or self._reported.get(thread.name) == since:
                continue
            self._reported[thread.name] = since
            text = (
                "%s has been in one batch for %.1f seconds and serves nobody else; threads= helps calls that block:\n%s"
            )
            logger.warning(text, thread.name, now - since, thread.stack())
