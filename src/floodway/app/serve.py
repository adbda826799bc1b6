"""`serve`: an engine plus signals, for a program that does nothing else. Uses only the engine's public methods.

The reactors run on threads of their own, also in the single reactor model, and the main thread waits: so a signal is
acted upon even while a callback never returns.
"""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final, Unpack

from floodway.base.address import Address, inherited_addresses
from floodway.config import Options
from floodway.conn.balancing import Balancer
from floodway.conn.engine import Engine
from floodway.conn.route import FramingLike, HandlerLike, check_handler
from floodway.limits import Limits

logger: Final = logging.getLogger(__name__)

STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


def serve(
    handler: HandlerLike,
    *addresses: str | Address,
    balancer: Balancer | None = None,
    framing: FramingLike | None = None,
    limits: Limits | None = None,
    **options: Unpack[Options],
) -> None:
    """Serve until SIGINT or SIGTERM, and return when everything is closed. Blocks; takes what `Engine` takes.

    Without addresses it takes the sockets that systemd passed (LISTEN_FDS). The first signal lets busy connections
    finish for `Limits.grace` seconds, a second aborts them, a third is the process's own again. SIGUSR1 writes
    statistics and every reactor's Python stack to the log. On another thread than the main one it installs no signals.

    Raises ListenError for an address that cannot be had, whatever `on_start` raises, SystemExit if a callback raised
    it, and NotStopped when a callback never returns although the time to stop is over.
    """
    check_handler(handler, "serve()")
    chosen = addresses or tuple(inherited_addresses())
    if not chosen:
        raise ValueError('serve() got no address; pass one, such as "tcp://127.0.0.1:9000"')
    engine = Engine(handler, *chosen, balancer=balancer, framing=framing, limits=limits, **options)
    with _signals_to(engine) as stop_if_told, engine:
        stop_if_told()
        _announce(engine)
        engine.join()


@contextmanager
def _signals_to(engine: Engine) -> Generator[Callable[[], None]]:
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

    def report(_number: int, _frame: FrameType | None) -> None:
        if engine.is_started:
            logger.warning("%s", engine.stats())
            for name, stack in engine.stacks().items():
                logger.warning("%s:\n%s", name, stack)

    def restore() -> None:
        for number, handler in earlier.items():
            signal.signal(number, handler)

    earlier: dict[int, Any] = {}  # Any: whatever signal.signal returns
    for number in STOP_SIGNALS:
        earlier[number] = signal.signal(number, stop)
    earlier[signal.SIGUSR1] = signal.signal(signal.SIGUSR1, report)
    try:
        yield stop_if_told
    finally:
        restore()


def _announce(engine: Engine) -> None:
    """Tell the person at the terminal what runs; a program that has set up logging reads it in its log."""
    if not sys.stderr.isatty() or logging.getLogger("floodway").hasHandlers():
        return
    stats = engine.stats()
    limit = "any number of" if stats.max_connections is None else f"up to {stats.max_connections:,}"
    for address in engine.addresses:
        sys.stderr.write(f"Floodway serves {address}\n")
    sys.stderr.write(f"{engine.model}, {stats.total.driver}, {limit} connections. Ctrl-C to stop.\n")
