"""What the workers of the drill serve: an echo, and a note of each time the garbage collector stopped it.

Each worker writes a file when it serves and one when it ends, to the folder that the drill names.
"""

import gc
import json
import os
import signal
import time
from pathlib import Path
from typing import Final

import floodway
from floodway.app.echo import Echo

FOLDER: Final = "FLOODWAY_DRILL_FOLDER"
COLLECT: Final = signal.SIGUSR2


class Served(Echo):
    """See the module text. One object in each worker, after the fork."""

    def on_start(self, engine: floodway.Engine) -> None:  # noqa: ARG002 - the handler's interface
        self._began = 0.0
        self._pauses: list[float] = []
        self._full: list[float] = []
        gc.callbacks.append(self._note)
        signal.signal(COLLECT, self._collect)
        self._write("serves", {})

    def on_stop(self) -> None:
        gc.callbacks.remove(self._note)
        self._write("ended", {"pauses": self._pauses, "full": self._full})

    def _note(self, phase: str, _information: dict[str, int]) -> None:
        if phase == "start":
            self._began = time.perf_counter()
        else:
            self._pauses.append(time.perf_counter() - self._began)

    def _collect(self, *_: object) -> None:
        """Asked from outside, while all connections are open: how long does a full collection take?"""
        gc.collect()
        self._full.append(self._pauses.pop())

    def _write(self, what: str, content: object) -> None:
        folder = Path(os.environ[FOLDER])
        draft = folder / f"draft-{os.getpid()}"
        draft.write_text(json.dumps(content))
        draft.rename(folder / f"{what}-{os.getpid()}")


handler = Served()
