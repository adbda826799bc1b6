"""Asking every worker for its statistics or stacks, and going on without those that do not answer in time."""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from floodway.app.workers.channel import Fields
from floodway.app.workers.process import State, WorkerProcess
from floodway.app.workers.reports import engine_stats
from floodway.conn.stats import ServiceStats, WorkerStats, service_of

SURVEY_SECONDS: Final = 1.0


@dataclass(slots=True, kw_only=True)
class Survey:
    """One question to all, its answers so far, and what to do with them."""

    end_at: float
    waiting: set[int]
    """Process ids of those that have not answered."""
    done: Callable[["Survey"], None]
    answers: list[tuple[WorkerProcess, Fields]] = field(default_factory=list[tuple[WorkerProcess, Fields]])

    def service_stats(self, deaths: int) -> ServiceStats:
        """The answers as a snapshot of the service."""
        answers = sorted(self.answers, key=lambda answer: (answer[0].index, answer[0].pid))
        parts = tuple(
            WorkerStats(index=worker.index, pid=worker.pid, stats=engine_stats(fields["stats"]))
            for worker, fields in answers
        )
        return service_of(parts, missing=tuple(sorted(self.waiting)), deaths=deaths)

    def service_fields(self, deaths: int) -> tuple[list[Fields], Fields]:
        """The same for a worker: a message for each part, since one message has to stay small, and one for the rest."""
        parts = [{"index": one.index, "pid": one.pid, "stats": fields["stats"]} for one, fields in self.answers]
        return parts, {"missing": sorted(self.waiting), "deaths": deaths}


class Surveys:
    """Those under way. Supervisor's thread."""

    def __init__(self) -> None:
        self._last = 0
        self._under_way: dict[int, Survey] = {}

    def ask(
        self,
        workers: Iterable[WorkerProcess],
        done: Callable[[Survey], None],
        *,
        stacks: bool = False,
        seconds: float = SURVEY_SECONDS,
    ) -> None:
        """Ask these workers, except those that do not even take what they were sent before."""
        asked = [worker for worker in workers if worker.state is not State.STARTING]
        self._last += 1
        survey = Survey(end_at=time.monotonic() + seconds, waiting={worker.pid for worker in asked}, done=done)
        self._under_way[self._last] = survey
        for worker in asked:
            if not worker.channel.has_pending:
                worker.channel.send("report", survey=self._last, stacks=stacks)
        self._end_if_complete(self._last)

    def take(self, worker: WorkerProcess, answer: Fields) -> None:
        """A worker has answered."""
        survey = self._under_way.get(answer["survey"])
        if survey is not None and worker.pid in survey.waiting:
            survey.waiting.remove(worker.pid)
            survey.answers.append((worker, answer))
            self._end_if_complete(answer["survey"])

    def forget(self, pid: int) -> None:
        """Wait for the others only: who had this id is no more."""
        for number, survey in list(self._under_way.items()):
            survey.waiting.discard(pid)
            self._end_if_complete(number)

    def end_overdue(self, now: float) -> None:
        """Go on without those that have not answered in time."""
        for number, survey in list(self._under_way.items()):
            if now >= survey.end_at:
                del self._under_way[number]
                survey.done(survey)

    @property
    def next_end(self) -> float:
        """When the next one ends at the latest; infinite if there is none."""
        return min((survey.end_at for survey in self._under_way.values()), default=math.inf)

    def _end_if_complete(self, number: int) -> None:
        survey = self._under_way[number]
        if not survey.waiting:
            del self._under_way[number]
            survey.done(survey)
