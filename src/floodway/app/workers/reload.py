"""New code as soon as it is saved: a process that watches folders, and sends the supervisor SIGHUP.

So reloading is what SIGHUP does: new workers import the new code, and where that fails the old ones serve on. Watching
has a process of its own since the supervisor forks, which a thread would make unsafe.
"""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path


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
    command = [sys.executable, "-m", "floodway.app.workers.watcher", str(os.getpid()), *folders]
    watcher = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603 - our own program
    try:
        yield
    finally:
        watcher.terminate()
        watcher.wait()
