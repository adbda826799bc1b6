"""New code as soon as it is saved: a process that watches folders, and sends the supervisor SIGHUP.

So reloading is what SIGHUP does: new workers import the new code, and where that fails the old ones serve on. Watching
has a process of its own since the supervisor forks, which a thread would make unsafe.
"""

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

LOOK_UP_MILLIS: Final = 1000
"""How often the watching process looks whether the supervisor is still there."""


def check_reload(folders: Sequence[str]) -> None:
    """Raise ValueError, with what to do, if these cannot be watched."""
    if importlib.util.find_spec("watchfiles") is None:
        raise ValueError("reload needs the package watchfiles: pip install 'floodway[reload]'")
    for folder in folders:
        if not Path(folder).is_dir():
            raise ValueError(f"reload_dir has {folder!r}, which is no folder")


@contextmanager
def reloading(folders: Sequence[str]) -> Generator[None]:
    """Have this process get SIGHUP whenever a Python file in the folders changes, until the block is left."""
    command = [sys.executable, "-m", __name__, str(os.getpid()), *folders]
    watcher = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603 - our own program
    try:
        yield
    finally:
        watcher.terminate()
        watcher.wait()


def watch(parent: int, folders: Sequence[str]) -> None:
    """The watching process: until the parent is gone."""
    from watchfiles import PythonFilter, watch  # an extra

    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # what a terminal sends to all is the supervisor's matter
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for changes in watch(*folders, watch_filter=PythonFilter(), rust_timeout=LOOK_UP_MILLIS, yield_on_timeout=True):
        if os.getppid() != parent:
            return
        if changes:
            names = sorted({Path(path).name for _, path in changes})
            sys.stderr.write(f"Floodway reloads: {', '.join(names)}\n")
            os.kill(parent, signal.SIGHUP)


if __name__ == "__main__":
    watch(int(sys.argv[1]), sys.argv[2:])
