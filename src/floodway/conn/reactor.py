"""Home of the native `Reactor`: makes one, says which driver it took and why, and gives it the thread that polls it.

A reactor is a Python thread that runs a Python loop over the batches of `Reactor.poll`; the loops are in `sub_reactor`
and `main_reactor`. What a batch yields is `(kind, target, payload)`, where the kind is one of the numbers below or a
route's number plus an offset.
"""

import logging
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Final, Literal, TypeAlias

from floodway._core import (
    EVENT_ACCEPTED,
    EVENT_CALL,
    EVENT_FOREIGN,
    EVENT_NOTICE,
    ROUTE_CLOSE,
    ROUTE_DATA,
    ROUTE_EVENTS,
    ROUTE_OPEN,
    ROUTE_WRITABLE,
    Admission,
    Batch,
    Reactor,
)
from floodway.limits import Limits

__all__ = [
    "EVENT_ACCEPTED",
    "EVENT_CALL",
    "EVENT_FOREIGN",
    "EVENT_NOTICE",
    "ROUTE_CLOSE",
    "ROUTE_DATA",
    "ROUTE_EVENTS",
    "ROUTE_OPEN",
    "ROUTE_WRITABLE",
    "Admission",
    "Batch",
    "Notices",
    "Reactor",
    "ReactorThread",
    "Source",
    "driver_reason",
    "make_reactor",
]

logger: Final = logging.getLogger(__name__)

Driver: TypeAlias = Literal["auto", "epoll", "portable"]

Source: TypeAlias = Literal["listening", "shared", "channel"]
"""What a socket to accept on is: a listening one; one on which other processes accept too; or an end on which
another process hands over what it accepts."""

FIRST_ROUTE: Final = max(EVENT_CALL, EVENT_ACCEPTED, EVENT_NOTICE, EVENT_FOREIGN) + 1


def make_reactor(name: str, driver: Driver, limits: Limits, admission: Admission) -> Reactor:
    """A reactor that no thread polls yet. Raises OSError where the driver does not work."""
    core = Reactor(name, driver=driver, limits=limits, admission=admission)
    logger.info("%s: driver %s (%s)", name, core.driver, driver_reason(driver, core.driver))
    return core


def driver_reason(asked: str, got: str) -> str:
    """Why a reactor runs on this driver.

    >>> driver_reason("portable", "portable")
    'asked for'
    >>> driver_reason("auto", "epoll")
    'the fastest on Linux'
    """
    if asked == got:
        return "asked for"
    return "the fastest on Linux" if got == "epoll" else "epoll does not work here"


class ReactorThread:
    """The thread of one reactor, a daemon: an engine that is left running must not keep the process alive."""

    def __init__(self, core: Reactor, run: Callable[[], None], on_crash: Callable[[BaseException], None]) -> None:
        self.core = core
        self._run = run
        self._on_crash = on_crash
        self._thread = threading.Thread(target=self._main, name=f"floodway-{core.name}", daemon=True)

    @property
    def name(self) -> str:
        """The reactor's name."""
        return self.core.name

    @property
    def is_alive(self) -> bool:
        """Whether it was started and has not ended."""
        return self._thread.is_alive()

    @property
    def is_current(self) -> bool:
        """Whether the caller is on this thread, that is, in a callback of this reactor."""
        return self._thread is threading.current_thread()

    def start(self) -> None:
        """Start polling."""
        self._thread.start()

    def join(self, timeout: float | None) -> None:
        """Wait for the thread to end."""
        self._thread.join(timeout)

    def stack(self) -> str:
        """Where this thread is in Python now, the innermost call last."""
        return stack_of(self._thread)

    def _main(self) -> None:
        try:
            self._run()
        except BaseException as error:  # not a handler's: those are caught inside the loop
            logger.critical("%s ended; the engine stops", self.name, exc_info=True)
            self._on_crash(error)


def stack_of(thread: threading.Thread) -> str:
    """The Python stack of a thread, the innermost call last."""
    frames = sys._current_frames()  # noqa: SLF001 - its documented name
    frame = frames.get(thread.ident or 0)
    if frame is None:
        return "  no Python code is running\n"
    beginning = threading.__file__  # how every thread begins says nothing
    return "".join(traceback.format_list(f for f in traceback.extract_stack(frame) if f.filename != beginning))


class Notices:
    """Logs what the native core reports about itself, such as failing accepts; it does so once a second at most."""

    def __init__(self, reactor: str, on_exhausted: Callable[[], None]) -> None:
        self._reactor = reactor
        self._on_exhausted = on_exhausted

    def log(self, name: str, value: object) -> None:
        """Log the notice of this name. Reactor's thread."""
        logger.warning("%s: %s: %s", self._reactor, name, value)
        if name == "accept-paused":
            self._on_exhausted()
