"""Flags made from the fields of the option dataclasses: their names, types, defaults and help come from there.

A field `idle_timeout: float | None` becomes `--idle-timeout SECONDS|none`; a field that is added needs no line here.
Every flag can be said by a variable too: `FLOODWAY_IDLE_TIMEOUT`.
"""

import types
from collections.abc import Callable
from dataclasses import Field, fields
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import click
from click.core import ParameterSource

from floodway._documented import documentation
from floodway.config import ApplicationOptions, EngineOptions, ListenerOptions, ServiceOptions
from floodway.limits import Limits

if TYPE_CHECKING:
    Parameter = click.ParamType[object]  # generic since click 8.4
else:
    Parameter = click.ParamType

Command = TypeVar("Command", bound=Callable[..., object])

ALIASES: Final = {"keep_alive_timeout": "--timeout-keep-alive", "grace": "--timeout-graceful-shutdown"}
"""Second names of flags, as other servers have them."""

_GIVEN: Final = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)

GROUPS: Final = (ServiceOptions, ApplicationOptions, EngineOptions, ListenerOptions, Limits)


class Value(Parameter):
    """A number, any text, or one of the words that the field's type allows; "none" stands for None."""

    name: str = "value"

    def __init__(self, hint: object) -> None:
        choices = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
        self._number = float if float in choices else int
        self._words: dict[str, str | None] = {"none": None} if type(None) in choices else {}
        for choice in choices:
            if get_origin(choice) is Literal:
                self._words.update((word, word) for word in get_args(choice))
        self._has_number = float in choices or int in choices
        self._has_text = str in choices
        kinds = (["number"] if self._has_number else []) + (["text"] if self._has_text else [])
        self.name = "|".join([*kinds, *self._words])

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> object:  # Any: click's
        """Read what was typed; click makes a usage error of what is not understood."""
        if not isinstance(value, str):
            return value
        if value in self._words:
            return self._words[value]
        try:
            if self._has_number:
                return self._number(value)
        except ValueError:
            pass
        if self._has_text:
            return value
        return self.fail(f"{value!r} is none of: {self.name}", param, ctx)

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:  # noqa: ARG002 - click's
        """How the help shows it."""
        return self.name.upper() if self._has_number and not self._words else self.name


def option_flags(command: Command) -> Command:
    """Give a command a flag for each field of the option dataclasses."""
    for group in reversed(GROUPS):
        hints = get_type_hints(group)
        for field in reversed(fields(group)):
            command = _flag(field, hints[field.name])(command)
    return command


def given_options(ctx: click.Context) -> dict[str, Any]:  # Any: a value for whichever field
    """The fields for which a flag or a variable was given, with their values."""
    names = [field.name for group in GROUPS for field in fields(group)]
    return {name: ctx.params[name] for name in names if ctx.get_parameter_source(name) in _GIVEN}


def _flag(field: "Field[Any]", hint: object) -> Callable[[Command], Command]:  # Any: a field of whatever type
    flag = "--" + field.name.replace("_", "-")
    text = f"{documentation(field)} [default: {_shown(field.default)}]"
    if hint is bool:
        return click.option(f"{flag}/--no-{flag[2:]}", field.name, default=None, help=text)
    names = [flag, *filter(None, [ALIASES.get(field.name)])]
    if get_origin(hint) is tuple:
        return click.option(*names, field.name, multiple=True, type=Value(get_args(hint)[0]), help=text)
    return click.option(*names, field.name, type=Value(hint), default=None, help=text)


def _shown(default: object) -> str:
    if isinstance(default, bool):
        return "on" if default else "off"
    return "none" if default is None or default == () else str(default)
