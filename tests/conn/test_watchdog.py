"""The watchdog: a reactor that does not poll is logged with its stack, once for each time."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from floodway.conn.watchdog import Watchdog


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
