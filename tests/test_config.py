"""Options: sorted from keywords, refused when misspelt or meaningless."""

from dataclasses import fields
from typing import Any, get_type_hints

import pytest

from floodway._documented import documentation
from floodway.config import (
    ApplicationOptions,
    EngineFields,
    EngineOptions,
    ListenerFields,
    ListenerOptions,
    sort_options,
)
from floodway.limits import Limits


@pytest.mark.parametrize(("group", "keywords"), [(EngineOptions, EngineFields), (ListenerOptions, ListenerFields)])
def test_the_keywords_are_the_fields(group: type, keywords: type) -> None:
    hints = get_type_hints(group)
    assert {field.name: hints[field.name] for field in fields(group)} == get_type_hints(keywords)


@pytest.mark.parametrize("group", [EngineOptions, ListenerOptions, Limits])
def test_every_option_is_documented(group: type) -> None:
    assert all(documentation(field) for field in fields(group))


def test_no_option_stands_in_two_groups() -> None:
    names = [field.name for group in (EngineOptions, ListenerOptions, Limits) for field in fields(group)]
    assert len(names) == len(set(names))


def test_keywords_are_sorted_and_override_the_limits() -> None:
    base = Limits(idle_timeout=5, grace=1)
    engine, listener, limits = sort_options({"threads": 3, "nodelay": False, "grace": 2}, base, "Engine()")
    assert engine == EngineOptions(threads=3)
    assert listener == ListenerOptions(nodelay=False)
    assert limits == Limits(idle_timeout=5, grace=2)


@pytest.mark.parametrize("wrong", ["a\r\nSet-Cookie: b", "a\0", "\u20ac"])
def test_a_server_header_that_no_answer_can_carry_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="server_header"):
        ApplicationOptions(server_header=wrong)


def test_a_misspelt_option_names_its_neighbour() -> None:
    with pytest.raises(TypeError, match=r"Engine\(\) has no option 'idle_timout'; did you mean 'idle_timeout'\?"):
        sort_options({"idle_timout": 3}, None, "Engine()")


def test_an_option_like_no_other_lists_them() -> None:
    with pytest.raises(TypeError, match="its options are backlog, body_timeout, driver, event_loop, grace,"):
        sort_options({"zzz": 3}, None, "Engine()")


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"threads": -1}, ValueError),
        ({"threads": "one"}, TypeError),
        ({"main_reactors": 0}, ValueError),
        ({"sub_reactors": "two"}, TypeError),
        ({"driver": "kqueue"}, ValueError),
        ({"watchdog": 0}, ValueError),
        ({"stats_interval": "1"}, TypeError),
        ({"keepalive": 0}, ValueError),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused(wrong: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match=next(iter(wrong))):
        sort_options(wrong, None, "Engine()")
