"""Flags: one for each field, with its type; only those that were given count."""

from dataclasses import fields
from typing import Any

import click
import pytest
from click.testing import CliRunner

from floodway.cli.options import GROUPS, given_options, option_flags


def parsed(*arguments: str) -> dict[str, Any]:
    given: dict[str, Any] = {}

    @click.command()
    @option_flags
    @click.pass_context
    def command(ctx: click.Context, /, **_: object) -> None:
        given.update(given_options(ctx))

    result = CliRunner().invoke(command, list(arguments), standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return given


def test_every_field_is_a_flag_with_its_documentation() -> None:
    @click.command()
    @option_flags
    def command(**_: object) -> None:
        pass

    shown = CliRunner().invoke(command, ["--help"]).output
    for group in GROUPS:
        for field in fields(group):
            assert f"--{field.name.replace('_', '-')}" in shown


def test_what_is_not_given_is_left_to_the_dataclass() -> None:
    assert parsed() == {}


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (["--threads", "3"], {"threads": 3}),
        (["--idle-timeout", "1.5"], {"idle_timeout": 1.5}),
        (["--write-timeout", "none"], {"write_timeout": None}),
        (["--max-connections", "auto"], {"max_connections": "auto"}),
        (["--max-connections", "none"], {"max_connections": None}),
        (["--max-connections", "10"], {"max_connections": 10}),
        (["--driver", "portable"], {"driver": "portable"}),
        (["--no-nodelay"], {"nodelay": False}),
        (["--nodelay", "--keepalive", "60"], {"nodelay": True, "keepalive": 60}),
        (["--output-policy", "drop"], {"output_policy": "drop"}),
    ],
)
def test_a_flag_becomes_its_value(arguments: list[str], options: dict[str, Any]) -> None:
    assert parsed(*arguments) == options


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--threads", "all"], "none of: number|none"),
        (["--driver", "kqueue"], "none of: auto|epoll|portable"),
        (["--max-connections", "all"], "none of: number|none|auto"),
        (["--max-input", "1.5"], "none of: number"),
    ],
)
def test_what_is_not_understood_is_refused_with_what_is(arguments: list[str], message: str) -> None:
    with pytest.raises(click.BadParameter) as caught:
        parsed(*arguments)
    assert message in caught.value.message
