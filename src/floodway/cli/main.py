"""The `floodway` command: its subcommands, and how an error becomes one line and an exit code.

Exit codes: 2 for wrong usage, 1 for what failed at run time (an address, a permission), 3 for an application that could
not be imported or started.
"""

import click

import floodway
from floodway.cli.demo import demo
from floodway.cli.info import info
from floodway.cli.load import load
from floodway.cli.serve import serve


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(floodway.__version__, prog_name="floodway")
def main() -> None:
    """Floodway: a Reactor network library for Python with a native core."""


main.add_command(serve)
main.add_command(demo)
main.add_command(load)
main.add_command(info)
