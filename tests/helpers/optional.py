"""Packages that not every environment of the tests has."""

from typing import Any

import pytest


def module(name: str) -> Any:
    """A module, imported. Skips the test where there is none: the free-threaded environment has no package of this kind."""
    return pytest.importorskip(name, reason=f"not on this platform: {name}")
