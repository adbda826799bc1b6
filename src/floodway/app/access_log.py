"""The access log: a line for each answer, made and written on a thread of its own, away from those that answer.

The lines are in the combined format that log analysers read, and go to the logger `floodway.access` at level INFO;
every record also has what the line is made of as attributes, for JSON. Between two writes the thread lets lines gather,
so a busy server wakes it a few times a second; an idle one never does.
"""

import logging
import threading
import time
from typing import Final, TypeAlias

from floodway.app.intake import Intake

Answer: TypeAlias = tuple[float, float, str | None, str, str, str, int, int, str | None, str | None]
"""See `Intake.take`."""

logger: Final = logging.getLogger("floodway.access")

GATHER_SECONDS: Final = 0.1
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
JOIN_SECONDS: Final = 2.0
"""How long the end of a server waits for lines that a handler of the log does not take."""

_UNSAFE: Final = {code: f"\\x{code:02x}" for code in (*range(32), ord('"'), ord("\\"), *range(127, 256))}
"""What a client may send, and must not be able to write into somebody's terminal or log analyser."""


class AccessLog:
    """Writes what an intake records until that is closed. One thread of its own, from `start` to `join`."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._ends = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start to write."""
        self._ends.clear()
        self._thread = threading.Thread(target=self._run, name="floodway-access-log", daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait until all is written; the intake was closed."""
        self._ends.set()
        if self._thread is not None:
            self._thread.join(JOIN_SECONDS)

    def _run(self) -> None:
        lost = self._intake.lost
        while (answers := self._intake.take()) is not None:
            for answer in answers:
                write(answer)
            if lost < (now := self._intake.lost):
                logger.warning("%d answers were not logged: they came faster than the log takes them", now - lost)
                lost = now
            self._ends.wait(GATHER_SECONDS)


def write(answer: Answer) -> None:
    """Log one answer."""
    ended, seconds, client, method, target, version, status, size, referer, agent = answer
    request = f"{_safe(method)} {_safe(target)} HTTP/{version}"
    end = f'"{_safe(referer)}" "{_safe(agent)}"'
    line = f'{client or "unix"} - - [{_moment(int(ended))}] "{request}" {status} {size} {end}'
    extra = {
        "client": client,
        "method": method,
        "target": target,
        "status": status,
        "size": size,
        "seconds": seconds,
        "referer": referer,
        "user_agent": agent,
    }
    logger.info("%s", line, extra=extra)


def _safe(text: str | None) -> str:
    return "-" if text is None else text.translate(_UNSAFE)


def _moment(second: int) -> str:
    """The local time with its offset, as in `29/Nov/2026:14:48:19 +0000`, in English whatever the locale."""
    local = time.localtime(second)
    return f"{local.tm_mday:02}/{_MONTHS[local.tm_mon - 1]}/{local.tm_year}:{time.strftime('%H:%M:%S %z', local)}"
