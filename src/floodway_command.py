"""The entry point of the `floodway` command, beside the package, since importing that takes Python a moment.

A Ctrl-C in that moment would print the traceback of whatever import it met. So until the command itself begins, SIGINT
does what it does to any other program: it ends it, silently. `floodway.cli.main` takes over from there. With
`python -m floodway` this comes later: Python imports the package before its `__main__`.
"""

import signal


def main() -> None:
    """Run the `floodway` command."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # and not ignored, as under nohup
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from floodway.cli.main import main as command

    command()
