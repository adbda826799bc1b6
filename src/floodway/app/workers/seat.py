"""The place of one worker: who has it, who shall have it next, and who is on the way out of it.

empty ──start──▶ worker STARTING ──ready──▶ worker SERVING ──ends──▶ empty, and a pause
│ roll
▼
worker SERVING + successor STARTING ──ready──▶ successor SERVING, the old one LEAVING
"""

import time
from typing import Final

from floodway.app.workers.back_off import BackOff
from floodway.app.workers.process import State, WorkerProcess

NEVER: Final = float("inf")


class Seat:
    """One index of the service. Its listening sockets exist for as long as the service does, wanted or not."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.is_wanted: bool = True
        self.worker: WorkerProcess | None = None
        self.successor: WorkerProcess | None = None
        self.leaving: list[WorkerProcess] = []
        self.cover: WorkerProcess | None = None
        """Who accepts from this seat's sockets while nobody here does."""
        self.short_until: float = 0.0
        """Until when its worker counts as short of descriptors, by time.monotonic()."""
        self.start_at: float = 0.0
        """When an empty seat may have a worker again, by time.monotonic()."""
        self._back_off = BackOff()

    @property
    def is_serving(self) -> bool:
        """Whether its own worker accepts."""
        return self.worker is not None and self.worker.state is State.SERVING

    def accepts(self, now: float) -> bool:
        """Whether its worker serves, and has not said of late that it cannot accept."""
        return self.is_serving and now >= self.short_until

    @property
    def is_spent(self) -> bool:
        """Whether its worker waits for a successor, and nobody is in the way of one."""
        return (
            self.is_serving
            and self.worker is not None
            and self.worker.is_spent
            and not (self.successor or self.leaving)
        )

    @property
    def is_empty(self) -> bool:
        """Whether nobody has it or is about to."""
        return self.worker is None and self.successor is None

    @property
    def processes(self) -> list[WorkerProcess]:
        """All that live here."""
        return [*filter(None, [self.worker, self.successor]), *self.leaving]

    def sit(self, started: WorkerProcess) -> None:
        """It was forked for this seat."""
        if self.worker is None:
            self.worker = started
        else:
            self.successor = started

    def promote(self, ready: WorkerProcess) -> WorkerProcess | None:
        """It serves from now on. Returns the one that it replaces, which is now among those who leave."""
        if ready is not self.successor:
            return None
        replaced, self.worker, self.successor = self.worker, ready, None
        if replaced is not None:
            self.leaving.append(replaced)
        return replaced

    def vacate(self) -> None:
        """Its worker leaves."""
        if self.worker is not None:
            self.leaving.append(self.worker)
            self.worker = None

    def dismiss(self) -> list[WorkerProcess]:
        """Whoever has it, or is about to, shall leave. Returns those to be told."""
        dismissed = [*filter(None, [self.worker, self.successor])]
        self.leaving += dismissed
        self.worker = self.successor = None
        return dismissed

    def remove(self, ended: WorkerProcess) -> None:
        """It is no more."""
        if ended is self.worker:
            self.worker = None
        elif ended is self.successor:
            self.successor = None
        else:
            self.leaving.remove(ended)

    def pause_after(self, ended: WorkerProcess) -> float:
        """Let the next one wait as long as this one's end demands; returns for how many seconds."""
        pause = self._back_off.after(ended.served_seconds)
        self.start_at = time.monotonic() + pause
        return pause
