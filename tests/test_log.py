"""Logging: the throttle, and the JSON form of a record."""

import json
import logging
from types import SimpleNamespace

import pytest

from floodway.log import JsonFormatter, Throttle


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    time = [100.0]
    monkeypatch.setattr("floodway.log.time", SimpleNamespace(monotonic=lambda: time[0]))
    return time


def test_a_throttle_lets_a_burst_through_and_counts_the_rest(now: list[float]) -> None:
    throttle = Throttle(burst=2, interval=1.0)
    assert [throttle.admit() for _ in range(5)] == [0, 0, None, None, None]
    now[0] += 1.0
    assert [throttle.admit() for _ in range(2)] == [3, 0]


def test_what_was_held_back_is_said(now: list[float], caplog: pytest.LogCaptureFixture) -> None:
    throttle = Throttle()
    for _ in range(4):
        throttle.log(logging.getLogger("floodway.x"), logging.WARNING, "hello %s", "you")
    now[0] += 1.0
    throttle.log(logging.getLogger("floodway.x"), logging.WARNING, "hello %s", "you")
    assert caplog.messages == ["hello you", "hello you (3 more were not shown)"]


def test_a_record_becomes_a_line_of_json() -> None:
    record = logging.makeLogRecord(
        {"name": "floodway.a", "levelname": "INFO", "msg": "served %d", "args": (3,), "peer": ("::1", 9)}
    )
    entry = json.loads(JsonFormatter().format(record))
    assert entry.pop("time")
    assert entry == {"level": "INFO", "logger": "floodway.a", "message": "served 3", "peer": ["::1", 9]}


def test_a_traceback_is_in_the_json() -> None:
    try:
        raise ValueError("boom")
    except ValueError as error:
        record = logging.makeLogRecord({"msg": "failed", "exc_info": (type(error), error, error.__traceback__)})
    assert "ValueError: boom" in json.loads(JsonFormatter().format(record))["traceback"]
