"""Balancers as pure functions, and what becomes of one that fails."""

import logging
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from floodway.conn.balancing import FdHash, LeastConnections, Newcomer, RoundRobin
from floodway.conn.failures import Failures
from floodway.conn.main_reactor import MainReactor
from floodway.conn.sub_reactor import SubReactor


def newcomer(fd: int) -> Newcomer:
    return cast("Newcomer", SimpleNamespace(fd=fd, peer=("127.0.0.1", 1)))


def test_least_connections_picks_the_smallest_load() -> None:
    assert LeastConnections().pick([4, 2, 3], newcomer(5)) == 1
    assert LeastConnections().pick([1, 1], newcomer(5)) == 0


def test_least_connections_evens_out_whatever_was_closed() -> None:
    loads = [50, 3, 20]
    balancer = LeastConnections()
    for _ in range(77):
        loads[balancer.pick(loads, newcomer(5))] += 1
    assert max(loads) - min(loads) <= 1


def test_round_robin_takes_turns() -> None:
    balancer = RoundRobin()
    assert [balancer.pick([0, 0, 0], newcomer(5)) for _ in range(5)] == [0, 1, 2, 0, 1]


def test_fd_hash_depends_on_the_descriptor_alone() -> None:
    assert [FdHash().pick([9, 0], newcomer(fd)) for fd in (6, 7, 8)] == [0, 1, 0]


class FakeReactor:
    """What a main reactor needs of a native one, without descriptors."""

    def __init__(self, load: int) -> None:
        self.name = "fake"
        self.load = load
        self.adopted: list[Any] = []

    def adopt(self, newcomer: Any, route: int) -> None:
        self.adopted.append((newcomer, route))


class Broken:
    def __init__(self, answer: object) -> None:
        self.answer = answer

    def pick(self, loads: Sequence[int], newcomer: Newcomer, /) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize("answer", [RuntimeError("no"), None, 2, -1, "0", 1.0, True])
def test_a_balancer_that_fails_is_logged_and_replaced_for_that_connection(
    answer: object, caplog: pytest.LogCaptureFixture
) -> None:
    cores = [FakeReactor(7), FakeReactor(3)]
    subs = [cast("SubReactor", SimpleNamespace(core=core)) for core in cores]
    main = MainReactor(cast("Any", FakeReactor(0)), subs, Broken(answer), Failures(lambda error: None, lambda: None))
    main._routes[4] = cast("Any", SimpleNamespace(numbers={cores[0]: 10, cores[1]: 20}))
    arrived = [newcomer(5), newcomer(6)]
    with caplog.at_level(logging.ERROR):
        for one in arrived:
            main._hand_over(one, 4)
    assert cores[1].adopted == [(one, 20) for one in arrived]
    assert len(caplog.records) == 1, "at most a line a second"
    assert "least connections picks for it" in caplog.text
