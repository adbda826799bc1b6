"""Packages that not every environment of the tests has."""

from typing import Any

import pytest


def module(name: str) -> Any:
    """A module, imported. Skips the test where there is none, as in the free-threaded environment."""
    return pytest.importorskip(name, reason=f"not on this platform: {name}")
