"""Calls on the main thread, for what Python lets no other do: choosing what handles a signal.

The main thread takes them while it waits for an engine, as it does in `serve`, `Engine.join` and worker processes.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar

from floodway.conn.bell import ring, wait_until

ANSWER_SECONDS: Final = 2.0
"""How long the main thread may take to answer: it may be about to wait for an engine, or be in a signal handler."""

Result = TypeVar("Result")

_calls: Final[SimpleQueue[tuple[Callable[[], Any], Future[Any]]]] = SimpleQueue()  # Any: of each caller


class Event(threading.Event):
    """As threading's. On the main thread `wait` takes calls meanwhile, and sleeps through no signal."""

    def set(self) -> None:
        """Let whoever waits go on. Not in a signal handler."""
        super().set()
        ring()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, for `timeout` seconds at most (None: without end). Returns whether it is."""
        if not is_main_thread():
            return super().wait(timeout)
        return wait_until(self._look, timeout)

    def _look(self) -> bool:
        take_calls()
        return self.is_set()


def call_on_main_thread(function: Callable[[], Result]) -> Result:
    """Call it there, and return or raise what it does. RuntimeError if nobody there waits for an engine."""
    if is_main_thread():
        return function()
    answer: Future[Result] = Future()
    _calls.put((function, answer))
    ring()
    try:
        return answer.result(ANSWER_SECONDS)
    except TimeoutError as error:
        answer.cancel()
        raise RuntimeError(
            "only the main thread can do that, and it does not wait for an engine; join() there"
        ) from error


def take_calls() -> None:
    """Make the calls that others wait for, if this is the main thread."""
    if not is_main_thread():
        return
    while True:
        try:
            function, answer = _calls.get_nowait()
        except Empty:
            return
        if answer.set_running_or_notify_cancel():
            try:
                answer.set_result(function())
            except BaseException as error:  # noqa: BLE001 - the caller's
                answer.set_exception(error)


def is_main_thread() -> bool:
    """Whether the caller is on it."""
    return threading.current_thread() is threading.main_thread()
