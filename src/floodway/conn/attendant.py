"""The engine's own thread: looks after the reactors until the engine is to stop, then runs the shutdown.

It exists from start to end, since a thread can no longer be made when the interpreter exits (Python 3.12), yet an
engine has to stop then.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from floodway.config import EngineOptions
from floodway.conn.reactor import ReactorThread
from floodway.conn.shutdown import Shutdown
from floodway.conn.stats import EngineStats
from floodway.conn.watchdog import Watchdog

logger: Final = logging.getLogger(__name__)


class Attendant:
    """Runs the watchdog and logs the statistics, as the options ask; without either it sleeps."""

    def __init__(
        self,
        shutdown: Shutdown,
        threads: Sequence[ReactorThread],
        options: EngineOptions,
        stats: Callable[[], EngineStats],
        at_end: Callable[[], None],
    ) -> None:
        self._shutdown = shutdown
        self._watchdog = Watchdog(threads, options.watchdog) if options.watchdog is not None else None
        self._stats_interval = options.stats_interval
        self._stats_due = time.monotonic() + (options.stats_interval or 0.0)
        self._stats = stats
        self._at_end = at_end
        self._thread = threading.Thread(target=self._run, name="floodway-engine", daemon=True)

    @property
    def is_current(self) -> bool:
        """Whether the caller is on this thread, that is, in `on_stop`."""
        return self._thread is threading.current_thread()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def _run(self) -> None:
        while not self._shutdown.wait_requested(self._attend()):
            pass
        self._shutdown.run()
        self._at_end()

    def _attend(self) -> float | None:
        """Do what is due now. Returns the seconds until something else can be, None for never."""
        waits: list[float] = []
        if self._watchdog is not None:
            waits.append(self._watchdog.look())
        if self._stats_interval is not None:
            late = time.monotonic() - self._stats_due
            if late >= 0:
                logger.info("%s", self._stats())
                self._stats_due += self._stats_interval * (1 + late // self._stats_interval)
            waits.append(max(0.0, self._stats_due - time.monotonic()))
        return min(waits, default=None)
