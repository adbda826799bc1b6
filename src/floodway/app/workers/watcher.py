"""The process that watches folders for `reload.py`: `python -m floodway.app.workers.watcher PARENT FOLDER...`."""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from watchfiles import PythonFilter
from watchfiles import watch as changes_in

LOOK_UP_MILLIS: Final = 1000
"""How often it looks whether the parent is still there."""


def watch(parent: int, folders: Sequence[str]) -> None:
    """Send the parent SIGHUP for every change of a Python file, until it is gone."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # what a terminal sends to all is the parent's matter
    told = False
    for changes in changes_in(
        *folders, watch_filter=PythonFilter(), rust_timeout=LOOK_UP_MILLIS, yield_on_timeout=True
    ):
        if os.getppid() != parent:
            return
        if not told:
            sys.stderr.write(f"Floodway watches {', '.join(folders)}\n")
            told = True
        if changes:
            names = sorted({Path(path).name for _, path in changes})
            sys.stderr.write(f"Floodway reloads: {', '.join(names)}\n")
            os.kill(parent, signal.SIGHUP)


if __name__ == "__main__":
    watch(int(sys.argv[1]), sys.argv[2:])
