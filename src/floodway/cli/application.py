"""How an application that cannot be imported or started ends the command."""

import sys
from typing import Final

import click

from floodway.errors import ApplicationError

FAILED: Final = 3


class ApplicationFailed(click.ClickException):
    """The application could not be imported or started."""

    exit_code = FAILED


def ended_by(error: ApplicationError) -> ApplicationFailed:
    """Print what the user's code raised, without our frames, and return the error that ends the command."""
    print(error.details, end="", file=sys.stderr)
    return ApplicationFailed(str(error))
