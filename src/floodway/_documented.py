"""Dataclass fields that carry their documentation, so that help texts and flags are made from the one place.

Used by `limits` and `config`; read by the command line.
"""

from dataclasses import Field, field
from typing import Any, TypeVar, cast

T = TypeVar("T")


def documented(default: T, text: str) -> T:
    """A dataclass field with this default, and a text that says what it does, its unit, and why the default is so."""
    made: Any = field(default=default, metadata={"text": text})  # Any: the dataclass makes the default of it
    return cast("T", made)


def documentation(of: "Field[Any]") -> str:  # Any: a field of whatever type
    """The text of a field made with `documented`."""
    return str(of.metadata["text"])
