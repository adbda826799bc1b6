"""What happens to every HTTP request around the application, whatever its interface.

Proxies that are trusted speak for their clients, requests beyond `limit_concurrency` get a 503, a process that has
taken in `limit_max_requests` leaves, and answers are logged. A handler makes a `Front`, and calls it at its start and
its end.
"""

import random
from typing import Final

from floodway.app.access_log import AccessLog
from floodway.app.intake import Intake
from floodway.config import ApplicationOptions
from floodway.conn.engine import Engine

JITTER: Final = 0.1
"""How much later than told a worker may leave, so that those that started together do not leave together."""


class Front:
    """One application's intake, if its options ask for anything that takes one; from `start` to `stop`."""

    def __init__(self, options: ApplicationOptions) -> None:
        trusted = [one.strip() for one in options.forwarded_allow_ips.split(",")] if options.proxy_headers else None
        limit, self._max_requests = options.limit_concurrency, options.limit_max_requests
        is_needed = options.access_log or trusted is not None or limit is not None or self._max_requests is not None
        self.intake: Intake | None = Intake(log=options.access_log, limit=limit, trusted=trusted) if is_needed else None
        self._log = AccessLog(self.intake) if self.intake is not None and options.access_log else None

    def start(self, engine: Engine) -> None:
        """The handler's `on_start`: in the process that serves, after any fork."""
        if self._log is not None:
            self._log.start()
        if self.intake is not None and self._max_requests is not None:
            requests = self._max_requests + random.randrange(int(self._max_requests * JITTER) + 1)  # noqa: S311 - no secret
            self.intake.expect(requests, engine._retire)  # noqa: SLF001 - made for this module

    def stop(self) -> None:
        """The handler's `on_stop`: what was answered is logged before it returns."""
        if self.intake is not None:
            self.intake.close()
        if self._log is not None:
            self._log.join()
