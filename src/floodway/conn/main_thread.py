"""Calls on the main thread, for what Python lets no other do: choosing what handles a signal.

The main thread takes them while it waits for an engine, as it does in `serve`, `Engine.join` and worker processes.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar

ANSWER_SECONDS: Final = 2.0
"""How long the main thread may take to answer: it looks several times a second while it waits for an engine."""

Result = TypeVar("Result")

_calls: Final[SimpleQueue[tuple[Callable[[], Any], Future[Any]]]] = SimpleQueue()  # Any: of each caller


def call_on_main_thread(function: Callable[[], Result]) -> Result:
    """Call it there, and return or raise what it does. RuntimeError if nobody there waits for an engine."""
    if threading.current_thread() is threading.main_thread():
        return function()
    answer: Future[Result] = Future()
    _calls.put((function, answer))
    try:
        return answer.result(ANSWER_SECONDS)
    except TimeoutError as error:
        answer.cancel()
        raise RuntimeError(
            "only the main thread can do that, and it does not wait for an engine; join() there"
        ) from error


def take_calls() -> None:
    """Make the calls that others wait for, if this is the main thread."""
    if threading.current_thread() is not threading.main_thread():
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
