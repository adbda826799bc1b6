"""What a server says of its garbage collector's pauses: on a signal, in one line of JSON.

`pauses` (how many), `longest` and `total` (seconds) are since the last time, and `full` are the seconds of a collection
of everything that is made right then, and which is none of the pauses.
"""

import gc
import json
import signal
import time
from typing import Final

ASK: Final = signal.SIGUSR2


class Pauses:
    """Notes how many seconds every pause of the collector took, from its making on."""

    def __init__(self) -> None:
        self._began = 0.0
        self._noted: list[float] = []
        gc.callbacks.append(self._note)

    def taken(self) -> list[float]:
        """Those since the last time."""
        pauses, self._noted = self._noted, []
        return pauses

    def full(self) -> float:
        """How long a collection of everything takes that is made now, and which is none of the pauses."""
        gc.collect()
        return self._noted.pop()

    def _note(self, phase: str, _information: dict[str, int]) -> None:
        if phase == "start":
            self._began = time.perf_counter()
        else:
            self._noted.append(time.perf_counter() - self._began)


class Report:
    """Notes every pause from its making on, and answers ASK. To be made in the main thread, which handles signals."""

    def __init__(self) -> None:
        self._pauses = Pauses()
        signal.signal(ASK, self._answer)

    def _answer(self, *_: object) -> None:
        pauses = self._pauses.taken()
        full = self._pauses.full()
        answer = {"pauses": len(pauses), "longest": max(pauses, default=0.0), "total": sum(pauses), "full": full}
        print(json.dumps(answer), flush=True)
