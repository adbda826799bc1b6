"""The accepting process while no worker takes anything; what it does otherwise is seen in tests/app/workers."""

from collections.abc import Callable
from typing import Any, cast

import floodway
from floodway.conn.dispatcher import Destinations, Dispatcher, Seats
from floodway.conn.failures import Failures
from floodway.conn.reactor import Reactor


class Core:
    """Notes what a dispatcher asks of its reactor."""

    name = "main"

    def __init__(self) -> None:
        self.pauses: list[float] = []
        self.said: list[str] = []
        self.due: Callable[[], None]

    def call_later(self, seconds: float, function: Callable[[], None]) -> None:
        self.pauses.append(seconds)
        self.due = function

    def pause_accepting(self) -> None:
        self.said.append("pause")

    def resume_accepting(self) -> None:
        self.said.append("resume")


def test_workers_that_take_nothing_are_tried_ever_more_rarely() -> None:
    core, nobody_serves = Core(), Destinations(Seats(1))
    failures = Failures(lambda _: None, lambda: None)
    dispatcher = Dispatcher(cast("Reactor", core), nobody_serves, floodway.RoundRobin(), failures)
    dispatcher._channels[1] = {}
    newcomer: Any = object()
    dispatcher._hand_over(newcomer, 1)
    dispatcher._end_batch()
    for _ in range(6):
        core.due()
        dispatcher._end_batch()
    assert core.pauses == [0.01, 0.02, 0.04, 0.08, 0.1, 0.1, 0.1]
    assert set(core.said) == {"pause"}
    dispatcher._waiting.clear()  # as if it had gone to a worker
    dispatcher._end_batch()
    assert core.said[-1] == "resume"
    dispatcher._hand_over(newcomer, 1)
    core.due()
    dispatcher._end_batch()
    assert core.pauses[-1] == 0.01
