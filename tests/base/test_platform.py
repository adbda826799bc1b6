"""Facts about this machine: how they are derived, not what they are."""

import logging
import resource
from dataclasses import replace

import pytest

from floodway.base import platform


@pytest.mark.parametrize(
    ("affinity", "quota", "cores"),
    [(8, None, 8), (8, 2.0, 2), (8, 0.5, 1), (2, 16.0, 2), (None, None, 1)],
)
def test_cores_are_the_affinity_capped_by_the_quota(
    monkeypatch: pytest.MonkeyPatch, affinity: int | None, quota: float | None, cores: int
) -> None:
    found = replace(platform.facts(), affinity_cpus=affinity, cpu_quota=quota)
    monkeypatch.setattr(platform, "facts", lambda: found)
    assert platform.cores() == cores


def test_the_descriptor_limit_is_raised_to_the_hard_one_and_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    limits = {"now": (1024, 4096)}
    monkeypatch.setattr(resource, "getrlimit", lambda _which: limits["now"])
    monkeypatch.setattr(resource, "setrlimit", lambda _which, pair: limits.update(now=pair))
    with caplog.at_level(logging.INFO):
        assert platform.raise_descriptor_limit() == 4096
        assert platform.raise_descriptor_limit() == 4096
    assert caplog.messages == ["raised the descriptor limit from 1024 to 4096"]


def test_a_limit_that_cannot_be_raised_stays(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def refuse(_which: int, _pair: tuple[int, int]) -> None:
        raise PermissionError(1, "not here")

    monkeypatch.setattr(resource, "getrlimit", lambda _which: (1024, 4096))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert platform.raise_descriptor_limit() == 1024
    assert "stays at 1024" in caplog.text


def test_connections_get_four_fifths_of_the_descriptors() -> None:
    assert platform.auto_connections(1000) == 800
    assert platform.auto_connections(1) == 1


def test_the_process_has_memory() -> None:
    assert platform.resident_bytes() > 1_000_000
