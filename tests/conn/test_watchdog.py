"""The watchdog: a reactor that does not poll is logged with its stack, once for each time."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

import floodway
from floodway.conn.watchdog import Watchdog
from tests.helpers.waiting import wait_until


class FakeThread:
    name = "sub-0"

    def __init__(self) -> None:
        self.core = SimpleNamespace(busy_since=None)

    def stack(self) -> str:
        return "  in on_data\n"


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    time = [100.0]
    monkeypatch.setattr("floodway.conn.watchdog.time", SimpleNamespace(monotonic=lambda: time[0]))
    return time


def test_a_reactor_in_one_batch_for_too_long_is_logged_once(now: list[float], caplog: pytest.LogCaptureFixture) -> None:
    thread = FakeThread()
    dog = Watchdog([cast("Any", thread)], 1.0)
    thread.core.busy_since = 99.5
    dog.look()
    assert caplog.messages == []
    now[0] = 100.6
    dog.look()
    dog.look()
    assert len(caplog.messages) == 1
    assert "sub-0 has been in one batch for 1.1 seconds" in caplog.text
    assert "in on_data" in caplog.text


def test_the_next_time_is_logged_again(now: list[float], caplog: pytest.LogCaptureFixture) -> None:
    thread = FakeThread()
    dog = Watchdog([cast("Any", thread)], 1.0)
    for since in (98.0, 98.5, None, 98.7):
        thread.core.busy_since = since
        dog.look()
    assert len(caplog.messages) == 3
    assert now == [100.0]


def test_the_next_look_is_when_something_can_be_due(now: list[float], caplog: pytest.LogCaptureFixture) -> None:
    thread = FakeThread()
    dog = Watchdog([cast("Any", FakeThread()), cast("Any", thread)], 1.0)
    assert dog.look() == 1.0
    thread.core.busy_since = 99.5
    assert dog.look() == 0.5
    now[0] += dog.look()
    assert caplog.messages == []
    assert dog.look() == 1.0  # it was logged, so the next batch is what can be due
    assert len(caplog.messages) == 1


def test_there_is_always_a_wait_between_two_looks(now: list[float]) -> None:
    thread = FakeThread()
    thread.core.busy_since = now[0] - 1 + 1e-9
    assert Watchdog([cast("Any", thread)], 1.0).look() >= 0.001


def test_statistics_come_at_their_own_interval_beside_a_watchdog_with_a_longer_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "floodway.conn.attendant")
    with floodway.Engine(watchdog=60, stats_interval=0.01):
        wait_until(lambda: len(caplog.messages) >= 3, "the third line of statistics")
