"""What a person at the terminal is told when serving begins; a program that has set up logging reads it in its log."""

import logging
import sys
from collections.abc import Sequence

from floodway.base.address import Address


def is_wanted() -> bool:
    """Whether there is a person to tell."""
    return sys.stderr.isatty() and not logging.getLogger("floodway").hasHandlers()


def greet(addresses: Sequence[Address], what: str) -> None:
    """Say where it is served, by `what`, and how to end it."""
    for address in addresses:
        sys.stderr.write(f"Floodway serves {address}\n")
    sys.stderr.write(f"{what}. Ctrl-C to stop.\n")
