"""Waiting for what must come, instead of sleeping and hoping."""

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")

# How long anything may take on a machine that is busy with other tests.
PATIENCE_SECONDS = 20.0


def wait_until(condition: Callable[[], Value], what: str = "the condition", seconds: float = PATIENCE_SECONDS) -> Value:
    """Look again and again until `condition()` is true; returns its value. AssertionError after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what} did not come within {seconds} seconds: {value!r}"
        time.sleep(0.005)
    return value
