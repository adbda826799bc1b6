"""Loops as `floodway.new_event_loop` makes them, on a driver of the test's choice."""

from typing import Any

from floodway.conn.reactor import Admission, make_reactor
from floodway.conn.standalone_loop import StandaloneLoop
from floodway.limits import Limits


def loop_on(driver: Any) -> StandaloneLoop:
    """A loop of one's own on this driver."""
    return StandaloneLoop(make_reactor("test", driver, Limits(), Admission(None, None)))
