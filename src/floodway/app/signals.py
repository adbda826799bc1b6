"""Signals that stop an engine, have it report, or read certificates again: as long as `serve` runs, then restored."""

import logging
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any, Final

from floodway.conn.engine import Engine

logger: Final = logging.getLogger(__name__)

STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def signals_to(engine: Engine, numbers: Iterable[signal.Signals] = STOP_SIGNALS) -> Generator[Callable[[], None]]:
    """Let signals stop the engine, until the block is left. Gives what repeats a stop that came too early to count."""
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    seen = 0

    def stop_if_told() -> None:
        if seen:
            engine.stop(None if seen == 1 else 0)

    def stop(number: int, _frame: FrameType | None) -> None:
        nonlocal seen
        seen += 1
        logger.info("%s: stopping%s", signal.Signals(number).name, "" if seen == 1 else " at once")
        if seen > 2:
            restore()
            os.kill(os.getpid(), number)
        stop_if_told()

    def restore() -> None:
        for number, handler in earlier.items():
            signal.signal(number, handler)

    earlier: dict[int, Any] = {}  # Any: whatever signal.signal returns
    for number in numbers:
        earlier[number] = signal.signal(number, stop)
    earlier[signal.SIGUSR1] = signal.signal(signal.SIGUSR1, partial(_report, engine))
    if engine._uses_tls:  # noqa: SLF001 - made for serve
        earlier[signal.SIGHUP] = signal.signal(signal.SIGHUP, partial(_reload_tls, engine))
    try:
        yield stop_if_told
    finally:
        restore()


def _report(engine: Engine, _number: int, _frame: FrameType | None) -> None:
    if engine.is_started:
        logger.warning("%s", engine.stats())
        for name, stack in engine.stacks().items():
            logger.warning("%s:\n%s", name, stack)


def _reload_tls(engine: Engine, _number: int, _frame: FrameType | None) -> None:
    try:
        engine.reload_tls()
    except (OSError, ValueError) as error:
        logger.error("SIGHUP: the TLS certificates stay as they were: %s", error)
