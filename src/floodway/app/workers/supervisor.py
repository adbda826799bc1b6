"""The supervisor: holds the listening sockets, starts workers, watches them, and does what signals ask for.

It is one thread for life, runs no reactor and no code of the user's, and waits in one place, `select`. Whatever comes
(a signal, a word from a worker, a moment that is due) changes its seats; `_step` then brings the processes in line.

Invariants: a seat has at most one worker and one successor; it is not rolled again while somebody leaves it, so the
number of processes is bounded; the sockets of a seat are never closed while the service runs.
"""

import logging
import os
import selectors
import signal
import time
from collections.abc import Callable
from functools import partial
from typing import Final, NoReturn

from floodway.app.workers.channel import Channel, Message
from floodway.app.workers.covers import arrange_covers
from floodway.app.workers.process import ENTRANCE, State, WorkerProcess, ending, fork_worker
from floodway.app.workers.roll import Roll
from floodway.app.workers.seat import NEVER, Seat
from floodway.app.workers.service import Service
from floodway.app.workers.signal_queue import SignalQueue, reap_strangers
from floodway.app.workers.sockets import HeldSockets
from floodway.app.workers.survey import Survey, Surveys
from floodway.app.workers.worker import run_entrance, run_worker
from floodway.errors import ApplicationError

logger: Final = logging.getLogger(__name__)

FLUSH_SECONDS: Final = 0.05
"""How often a worker is tried again that does not take what it is sent."""

FORK_AGAIN_SECONDS: Final = 1.0

SHORT_SECONDS: Final = 2.0
"""How long a worker counts as unable to accept that said so; it says so once a second while it lasts."""

UNREACHABLE_SECONDS: Final = 1.0
"""How long a process may live that has closed its end of the channel: it cannot be told anything any more."""


class Supervisor:
    """Runs a service in worker processes, from `run` to its end. Main thread."""

    def __init__(self, service: Service, sockets: HeldSockets, workers: int) -> None:
        self._service = service
        self._sockets = sockets
        self._seats = [Seat(index) for index in range(workers)]
        self._entrance = None if sockets.channels is None else Seat(ENTRANCE)
        self._signals = SignalQueue()
        self._selector = selectors.DefaultSelector()
        self._surveys = Surveys()
        self._roll = Roll(self._seats)
        self._stats_at = NEVER if service.stats_interval is None else time.monotonic() + service.stats_interval
        self._first_failure: ApplicationError | None = None
        self._has_served = False
        self._deaths = 0
        self._stops = 0
        self._stop_at = NEVER  # when the grace time ends, once it was told to stop
        self._on_signal: dict[signal.Signals, Callable[[], None]] = {
            signal.SIGTERM: partial(self._stop, signal.SIGTERM),
            signal.SIGINT: partial(self._stop, signal.SIGINT),
            signal.SIGCHLD: self._reap,
            signal.SIGHUP: self._replace_all,
            signal.SIGTTIN: self._add_worker,
            signal.SIGTTOU: self._remove_worker,
            signal.SIGUSR1: self._report_all,
        }

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT. Raises ApplicationError if no worker ever came to serve."""
        with self._signals, self._selector:
            self._selector.register(self._signals, selectors.EVENT_READ, self._take_signals)
            try:
                self._step()
                while self._processes or not self._is_ending:
                    for key, _ in self._selector.select(self._seconds_left()):
                        key.data()
                    self._step()
            finally:
                self._kill_all()
        if self._first_failure is not None:
            raise self._first_failure

    # What comes

    def _take_signals(self) -> None:
        for number in self._signals.take():
            self._on_signal[number]()

    def _take_messages(self, worker: WorkerProcess) -> bool:
        """What a worker says. Returns whether it said anything."""
        if not worker.is_heard:
            return False  # it was buried since `select` returned
        try:
            messages = worker.channel.receive()
        except EOFError:
            self._unhear(worker)
            worker.kill_at = min(worker.kill_at or NEVER, time.monotonic() + UNREACHABLE_SECONDS)
            return False
        for message in messages:
            self._take(worker, message)
        return bool(messages)

    def _unhear(self, worker: WorkerProcess) -> None:
        if worker.is_heard:
            worker.is_heard = False
            self._selector.unregister(worker.channel)

    def _take(self, worker: WorkerProcess, message: Message) -> None:
        match message.kind:
            case "ready":
                self._on_ready(worker)
            case "leaving":
                self._on_leaving(worker)
            case "exhausted":
                self._on_exhausted(worker)
            case "spent":
                logger.info("%s has served what it should; another takes its place", worker)
                worker.is_spent = True
            case "closed":
                worker.accepts = False
            case "failed":
                worker.failure = ApplicationError(message.fields["reason"], message.fields["details"])
            case "stuck":
                logger.error("%s: %s", worker, message.fields["reason"])
            case "report":
                self._surveys.take(worker, message.fields)
            case "survey":
                answer = partial(self._answer, worker, message.fields["question"])
                self._surveys.ask(self._processes, answer, seconds=message.fields["timeout"])
            case kind:
                logger.error("%s says %r, which means nothing here", worker, kind)

    def _on_ready(self, worker: WorkerProcess) -> None:
        worker.serve()
        if worker.state is State.LEAVING:
            return  # told to stop before it was there
        logger.info("%s serves", worker)
        if not self._has_served and worker.index != ENTRANCE:
            self._has_served = True
            for seat in self._seats:
                seat.start_at = min(seat.start_at, time.monotonic())  # those whose first worker failed try again
        replaced = self._seat_of(worker).promote(worker)
        if replaced is not None:
            replaced.stop(self._service.limits.grace)

    def _on_leaving(self, worker: WorkerProcess) -> None:
        """It has stopped to accept. If nobody told it to, it gets a successor now, not when it has drained."""
        if worker.told_to_stop:
            return
        worker.state = State.LEAVING
        self._vacate(worker)
        seat = self._seat_of(worker)
        if seat.worker is worker:
            seat.vacate()
            pause = seat.pause_after(worker)
            logger.warning("%s stops by itself; another starts %s", worker, _when(pause))

    def _on_exhausted(self, worker: WorkerProcess) -> None:
        """It cannot accept for the moment: let others look at what it was woken for, and cover its queue."""
        seat = self._seat_of(worker)
        if seat.worker is worker:
            seat.short_until = time.monotonic() + SHORT_SECONDS
        self._tell_to_look()

    def _on_end(self, worker: WorkerProcess, code: int) -> None:
        """It was waited for; what it said last was read."""
        self._vacate(worker)
        seat = self._seat_of(worker)
        was_seated, was_successor = seat.worker is worker, seat.successor is worker
        seat.remove(worker)
        self._surveys.forget(worker.pid)
        self._tell_to_look()
        if seat is self._entrance and self._stops:
            self._stop_workers()  # nothing more is handed to them
        if worker.told_to_stop:
            level, text = (logging.WARNING, ending(code)) if code else (logging.INFO, "has ended")
            logger.log(level, "%s %s", worker, text)
        elif worker.served_from is None:
            self._on_failure(seat, worker, code, was_successor=was_successor)
        else:
            self._deaths += 1
            text = f"another starts {_when(seat.pause_after(worker))}" if was_seated else "it had stopped by itself"
            logger.warning("%s %s; %s", worker, ending(code), text)

    def _on_failure(self, seat: Seat, worker: WorkerProcess, code: int, *, was_successor: bool) -> None:
        """It ended before it served."""
        failure = worker.failure or ApplicationError(f"{self._service.name}: {worker} {ending(code)} before it served")
        if was_successor and seat.worker is not None:
            self._roll.give_up()
            seat.pause_after(worker)
            logger.error("the new code could not be started, the old workers serve on: %s", failure)
        elif self._has_served or seat is self._entrance:
            self._deaths += 1
            logger.error("%s; another attempt %s", failure, _when(seat.pause_after(worker)))
        else:
            seat.start_at = NEVER
            if all(seat.is_empty for seat in self._seats):
                self._first_failure = failure
                for process in self._processes:
                    process.stop(0.0)  # the accepting one, which has nobody to accept for

    def _reap(self) -> None:
        for worker in self._processes:
            code = worker.poll()
            if code is not None:
                self._bury(worker, code)
        if os.getpid() == 1:
            reap_strangers({worker.pid for worker in self._processes})

    def _bury(self, worker: WorkerProcess, code: int) -> None:
        while worker.is_heard and self._take_messages(worker):
            pass
        self._unhear(worker)
        worker.channel.close()
        self._on_end(worker, code)

    # What signals ask for

    def _stop(self, number: signal.Signals) -> None:
        self._stops += 1
        logger.info("%s: stopping%s", number.name, "" if self._stops == 1 else " at once")
        if self._stops > 2:
            self._kill_all()
            self._signals.restore()
            os.kill(os.getpid(), number)
        self._stop_at = time.monotonic() + (self._service.limits.grace if self._stops == 1 else 0.0)
        entering = [] if self._entrance is None else self._entrance.processes
        for worker in entering:
            worker.stop(max(0.0, self._stop_at - time.monotonic()))
        if not entering or self._stops > 1:
            self._stop_workers()

    def _stop_workers(self) -> None:
        for worker in [worker for seat in self._seats for worker in seat.processes]:
            worker.stop(max(0.0, self._stop_at - time.monotonic()))

    def _replace_all(self) -> None:
        if self._stops:
            return
        brings = "" if self._service.is_imported_by_workers else "; the code stays, since it was imported beforehand"
        logger.info("SIGHUP: replacing every worker%s", brings)
        for seat in self._seats:
            seat.start_at = min(seat.start_at, time.monotonic())  # perhaps the new code is what they wait for
        self._roll.begin()

    def _add_worker(self) -> None:
        if self._stops:
            return
        seat = next((seat for seat in self._seats if not seat.is_wanted), None)
        if seat is None:
            try:
                self._sockets.grow(len(self._seats) + 1)
            except OSError as error:  # a ListenError, or no channel
                logger.error("SIGTTIN: no further worker: %s", error)
                return
            seat = Seat(len(self._seats))
            self._seats.append(seat)
            self._tell_entrance(seat)
        seat.is_wanted, seat.start_at = True, 0.0
        logger.info("SIGTTIN: one worker more, %d now", self._wanted)

    def _remove_worker(self) -> None:
        if self._stops:
            return
        if self._wanted == 1:
            logger.warning("SIGTTOU: one worker is the least; SIGTERM stops the service")
            return
        seat = [seat for seat in self._seats if seat.is_wanted][-1]
        seat.is_wanted = False
        for worker in seat.dismiss():
            self._vacate(worker)
            worker.stop(self._service.limits.grace)
        logger.info("SIGTTOU: one worker less, %d now", self._wanted)

    def _report_all(self) -> None:
        self._surveys.ask(self._processes, self._log_report, stacks=True)

    # What follows

    def _step(self) -> None:
        """Bring the processes in line with the seats, and do what is due."""
        now = time.monotonic()
        for worker in self._processes:
            worker.channel.flush()
            if worker.kill_at is not None and now >= worker.kill_at:
                worker.kill_at = None
                logger.error("%s is stuck: it did not end when it should have; killing it", worker)
                worker.kill()
        self._surveys.end_overdue(now)
        if self._is_ending:
            return
        for seat in self._all_seats:
            if seat.is_wanted and (seat.is_empty or seat.is_spent) and now >= seat.start_at:
                self._start(seat)
        rolled = self._roll.next_seat()
        if rolled is not None:
            self._start(rolled)
        arrange_covers(self._seats, self._sockets, now)
        if now >= self._stats_at:
            self._stats_at += self._service.stats_interval or 0.0
            self._surveys.ask(self._processes, self._log_stats)

    def _start(self, seat: Seat) -> None:
        try:
            worker = fork_worker(seat.index, self._roll.generation, self._signals, partial(self._become, seat.index))
        except OSError as error:
            logger.error("worker %d could not be forked: %s; another attempt in a second", seat.index, error)
            seat.start_at = time.monotonic() + FORK_AGAIN_SECONDS
            return
        logger.debug("%s was forked", worker)
        seat.sit(worker)
        worker.is_heard = True
        self._selector.register(worker.channel, selectors.EVENT_READ, partial(self._take_messages, worker))

    def _become(self, index: int, channel: Channel) -> NoReturn:
        """In the child: let go of what is the supervisor's and of what is other workers', then be a worker."""
        self._selector.close()
        for other in self._processes:
            other.channel.close()
        channels = self._sockets.channels
        if index == ENTRANCE and channels is not None:
            channels.close_others(None)
            run_entrance(self._service, self._sockets.of_entrance(), channel, channels)
        seats = None if channels is None else channels.seats
        run_worker(self._service, self._sockets.close_others(index), channel, index, seats)

    def _tell_entrance(self, seat: Seat) -> None:
        """Let the accepting process know a seat that was added since it was forked."""
        channels = self._sockets.channels
        if channels is not None and self._entrance is not None:
            for process in self._entrance.processes:
                process.channel.send("seat", channels.near(seat.index), index=seat.index)

    def _vacate(self, worker: WorkerProcess) -> None:
        """It takes no more connections: the accepting process shall hand it none."""
        if self._sockets.channels is not None and worker.index != ENTRANCE:
            self._sockets.channels.seats.vacate(worker.index, worker.pid)

    def _seat_of(self, worker: WorkerProcess) -> Seat:
        return next(seat for seat in self._all_seats if seat.index == worker.index)

    @property
    def _all_seats(self) -> list[Seat]:
        return self._seats if self._entrance is None else [*self._seats, self._entrance]

    def _tell_to_look(self) -> None:
        """Who was woken for a connection and died has taken the wake-up along: let others look (EPOLLEXCLUSIVE)."""
        for seat in self._seats:
            if seat.worker is not None and seat.is_serving:
                seat.worker.channel.send("look")

    def _answer(self, asker: WorkerProcess, question: int, survey: Survey) -> None:
        workers, rest = survey.service_fields(self._deaths)
        for fields in workers:
            asker.channel.send("part", question=question, **fields)
        asker.channel.send("whole", question=question, **rest)

    def _log_stats(self, survey: Survey) -> None:
        logger.info("%s", survey.service_stats(self._deaths))

    def _log_report(self, survey: Survey) -> None:
        stats = survey.service_stats(self._deaths)
        logger.warning("%s", stats)
        for worker, fields in survey.answers:
            logger.warning("%s: %s", worker, next(one.stats for one in stats.workers if one.pid == worker.pid))
            for name, stack in fields["stacks"].items():
                logger.warning("%s: %s:\n%s", worker, name, stack)
        for pid in stats.missing:
            logger.warning("the worker with pid %d does not answer", pid)

    def _kill_all(self) -> None:
        """Nobody is left behind, whatever went wrong here."""
        for worker in self._processes:
            worker.kill()
            worker.wait()
            worker.channel.close()
            self._seat_of(worker).remove(worker)

    @property
    def _is_ending(self) -> bool:
        """Whether nobody is started any more."""
        return self._stops > 0 or self._first_failure is not None

    @property
    def _processes(self) -> list[WorkerProcess]:
        return [worker for seat in self._all_seats for worker in seat.processes]

    @property
    def _wanted(self) -> int:
        return sum(seat.is_wanted for seat in self._seats)

    def _seconds_left(self) -> float | None:
        """Until something is due; None for never."""
        due = [worker.kill_at for worker in self._processes if worker.kill_at is not None]
        due.append(self._surveys.next_end)
        now = time.monotonic()
        if not self._is_ending:
            due += [seat.start_at for seat in self._all_seats if seat.is_wanted and (seat.is_empty or seat.is_spent)]
            due += [seat.short_until for seat in self._seats if seat.is_serving and not seat.accepts(now)]
            due.append(self._stats_at)
        if any(worker.channel.has_pending for worker in self._processes):
            due.append(now + FLUSH_SECONDS)
        nearest = min(due)
        return None if nearest == NEVER else max(0.0, nearest - now)


def _when(pause: float) -> str:
    return f"in {pause:g} s" if pause else "at once"
