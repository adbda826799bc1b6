"""Limits: values that cannot be meant are refused, with the value and the next step."""

from dataclasses import fields
from typing import Any, get_type_hints

import pytest

from floodway import _core
from floodway.limits import LimitFields, Limits


def test_the_keywords_are_the_fields() -> None:
    hints = get_type_hints(Limits)
    assert {field.name: hints[field.name] for field in fields(Limits)} == get_type_hints(LimitFields)


@pytest.mark.parametrize("name", ["max_input", "max_output", "read_chunk", "max_batch", "max_ready"])
def test_a_default_is_below_its_ceiling_and_above_it_is_refused(name: str) -> None:
    ceiling = getattr(_core, f"{name.upper()}_CEILING")
    assert getattr(Limits(), name) <= ceiling
    with pytest.raises(ValueError, match=f"Limits.{name} is {ceiling + 1}, above the native ceiling of {ceiling}"):
        Limits(**{name: ceiling + 1})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"low_water": 1 << 18}, "lower low_water or raise high_water"),
        ({"high_water": 1 << 23}, "lower high_water or raise max_output"),
        ({"idle_timeout": 0}, "idle_timeout is 0; it has to be above 0; for no limit write None"),
        ({"max_input": -1}, "max_input is -1; it has to be above 0"),
        ({"grace": -1}, "grace is -1"),
        ({"output_policy": "keep"}, 'write "close", "drop" or "error"'),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Limits(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [{"max_input": "1"}, {"max_batch": 1.5}, {"max_ready": True}, {"idle_timeout": "1"}, {"max_input": None}],
)
def test_a_value_of_another_type_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=f"Limits.{next(iter(wrong))} is"):
        Limits(**wrong)


def test_what_may_be_unlimited_may() -> None:
    names = ["max_connections", "max_connections_per_ip", "idle_timeout", "write_timeout", "handshake_timeout"]
    unlimited: dict[str, Any] = dict.fromkeys(names)
    limits = Limits(**unlimited)
    assert [getattr(limits, name) for name in names] == [None] * 5
    assert Limits(grace=0).grace == 0
