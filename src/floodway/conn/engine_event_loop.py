"""The event loop of an engine's reactor: it runs on the reactor's thread, and yet handles signals."""

import asyncio
import inspect
import logging
import signal
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any, Final, TypeVarTuple, Unpack

from floodway.conn.main_thread import call_on_main_thread
from floodway.conn.reactor import Reactor
from floodway.conn.reactor_event_loop import ReactorEventLoop
from floodway.conn.selector import ReactorSelector

logger: Final = logging.getLogger(__name__)

Arguments = TypeVarTuple("Arguments")


class EngineEventLoop(ReactorEventLoop):
    """As `ReactorEventLoop`. Python handles signals on the main thread, which hands them over."""

    _signal_handlers: dict[int, Any]  # Any: asyncio's handles

    def __init__(self, core: Reactor, selector: ReactorSelector) -> None:
        super().__init__(core, selector)
        self._replaced: dict[int, Any] = {}  # Any: whatever signal.signal returns

    def add_signal_handler(self, sig: int, callback: Callable[[Unpack[Arguments]], object], *args: *Arguments) -> None:
        """Call it on this loop when the process gets the signal, in place of what would have happened.

        Raises TypeError, ValueError and RuntimeError as asyncio's own does; RuntimeError too where the main thread does
        not wait for the engine (`serve`, `Engine.join`).
        """
        if inspect.iscoroutinefunction(callback):
            raise TypeError("coroutines cannot be used with add_signal_handler(); make a task in a function")
        if sig not in signal.valid_signals():
            raise ValueError(f"{sig} is no signal's number")
        if self.is_closed():
            raise RuntimeError("Event loop is closed")
        handle = asyncio.Handle(callback, args, self)
        self._signal_handlers[sig] = handle
        try:
            previous = call_on_main_thread(partial(signal.signal, sig, self._hand_over))
        except OSError as error:
            del self._signal_handlers[sig]
            raise RuntimeError(f"sig {sig} cannot be caught") from error
        except BaseException:
            del self._signal_handlers[sig]
            raise
        self._replaced.setdefault(sig, previous)

    def remove_signal_handler(self, sig: int) -> bool:
        """Let happen again what happened before; returns whether there was a handler."""
        if self._signal_handlers.pop(sig, None) is None:
            return False
        previous = self._replaced.pop(sig, signal.SIG_DFL)
        try:
            call_on_main_thread(partial(signal.signal, sig, previous))
        except RuntimeError as error:  # nobody waits for the engine any more
            logger.warning("signal %d stays without a handler: %s", sig, error)
        return True

    def _hand_over(self, number: int, _frame: FrameType | None) -> None:
        """On the main thread: the signal has come."""
        if not self.is_closed():
            self.call_soon_threadsafe(self._call_handler, number)

    def _call_handler(self, number: int) -> None:
        handle = self._signal_handlers.get(number)
        if handle is not None and not handle.cancelled():
            handle._run()  # noqa: SLF001 - as asyncio does
