"""Logging: loggers are named after their module (`floodway.conn.engine`); nothing here configures the root logger.

Holds what several modules need: a throttle for messages whose volume a peer controls, and the JSON form of a record.
"""

import json
import logging
import threading
import time
from collections.abc import Mapping
from typing import Final

_STANDARD: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class Throttle:
    """Lets at most `burst` messages through per `interval` seconds and says how many it held back. Any thread.

    >>> throttle = Throttle(burst=1, interval=3600)
    >>> throttle.admit(), throttle.admit()
    (0, None)
    """

    def __init__(self, *, burst: int = 1, interval: float = 1.0) -> None:
        self._burst = burst
        self._interval = interval
        self._lock = threading.Lock()
        self._window_end = 0.0
        self._admitted = 0
        self._held_back = 0

    def admit(self) -> int | None:
        """None to hold this message back; otherwise how many were held back before it."""
        with self._lock:
            now = time.monotonic()
            if now >= self._window_end:
                self._window_end = now + self._interval
                self._admitted = 0
            if self._admitted >= self._burst:
                self._held_back += 1
                return None
            self._admitted += 1
            held_back, self._held_back = self._held_back, 0
            return held_back

    def log(
        self,
        logger: logging.Logger,
        level: int,
        message: str,
        *args: object,
        error: BaseException | None = None,
        extra: Mapping[str, object] | None = None,
    ) -> None:
        """Log this message, with `error`'s traceback and the fields of `extra`, unless it has to be held back."""
        held_back = self.admit()
        if held_back is None:
            return
        if held_back:
            message, args = message + " (%d more were not shown)", (*args, held_back)
        logger.log(level, message, *args, exc_info=error, extra=extra)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, the traceback if there is one, and what `extra` gave.

    `process` adds the process id, for services of several processes.
    """

    def __init__(self, *, process: bool = False) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line of JSON."""
        entry: dict[str, object] = {
            "time": self.formatTime(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if self._process:
            entry["process"] = record.process
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        entry.update((key, value) for key, value in record.__dict__.items() if key not in _STANDARD)
        return json.dumps(entry, default=str, ensure_ascii=False)
