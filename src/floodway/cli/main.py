"""The `floodway` command: its subcommands, and how an error becomes one line and an exit code.

Exit codes: 2 for wrong usage, 1 for what failed at run time (an address, a permission), 3 for an application that could
not be imported or started, 130 for Ctrl-C. (A server that runs stops in order at Ctrl-C: that is 0.)
"""

import signal
import sys
from typing import Any, Final

import click

import floodway
from floodway.cli.demo import demo
from floodway.cli.info import info
from floodway.cli.load import load
from floodway.cli.serve import serve

INTERRUPTED: Final = 128 + signal.SIGINT
"""What shells report for a program that SIGINT has ended."""


class Commands(click.Group):
    """The subcommands. Ctrl-C ends them with a word instead of a traceback."""

    def invoke(self, ctx: click.Context) -> Any:  # Any: what click's own returns
        """Run the subcommand that the arguments name."""
        try:
            if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # as it is while `floodway_command` imports this
                signal.signal(signal.SIGINT, signal.default_int_handler)
            return super().invoke(ctx)
        except KeyboardInterrupt:
            print("\nstopped", file=sys.stderr)
            sys.exit(INTERRUPTED)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(floodway.__version__, prog_name="floodway")
def main() -> None:
    """Floodway: a Reactor network library for Python with a native core."""


main.add_command(serve)
main.add_command(demo)
main.add_command(load)
main.add_command(info)
