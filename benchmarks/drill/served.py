"""What the workers of the drill serve: an echo, and a note of each time the garbage collector stopped it.

Each worker writes a file when it serves and one when it ends, to the folder that the drill names.
"""

import json
import os
import signal
from pathlib import Path
from typing import Final

from peers.collector_report import Pauses

import floodway
from floodway.app.echo import Echo

FOLDER: Final = "FLOODWAY_DRILL_FOLDER"
COLLECT: Final = signal.SIGUSR2


class Served(Echo):
    """See the module text. One object in each worker, after the fork."""

    def on_start(self, engine: floodway.Engine) -> None:  # noqa: ARG002 - the handler's interface
        self._pauses = Pauses()
        self._full: list[float] = []
        signal.signal(COLLECT, self._collect)
        self._write("serves", {})

    def on_stop(self) -> None:
        self._write("ended", {"pauses": self._pauses.taken(), "full": self._full})

    def _collect(self, *_: object) -> None:
        """Asked from outside, while all connections are open: how long does a full collection take?"""
        self._full.append(self._pauses.full())

    def _write(self, what: str, content: object) -> None:
        folder = Path(os.environ[FOLDER])
        draft = folder / f"draft-{os.getpid()}"
        draft.write_text(json.dumps(content))
        draft.rename(folder / f"{what}-{os.getpid()}")


handler = Served()
