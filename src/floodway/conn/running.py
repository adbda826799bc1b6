"""What exists from an engine's start to its end: reactors, the shutdown that will end them, the thread that attends."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from floodway.base import platform
from floodway.config import EngineOptions
from floodway.conn.attendant import Attendant
from floodway.conn.balancing import Balancer
from floodway.conn.dispatcher import Destinations, Seats
from floodway.conn.failures import Failures
from floodway.conn.model import Model
from floodway.conn.reactor import Admission, make_reactor
from floodway.conn.reactors import Reactors
from floodway.conn.shutdown import Shutdown
from floodway.conn.stats import EngineStats, total_of
from floodway.conn.sub_reactor import SubReactor
from floodway.limits import Limits

logger: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an engine is among the processes of a service, if an accepting process hands connections to workers."""

    seat: tuple[Seats, int, int] | None = None
    """Of a worker: where others see its load, as (seats, seat, generation)."""
    destinations: Destinations | None = None
    """Of the accepting process: who gets what it accepts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """The parts of a started engine; built once, by `build`."""

    model: Model
    admission: Admission
    reactors: Reactors
    shutdown: Shutdown

    @property
    def is_own_thread(self) -> bool:
        """Whether the caller is on a thread that the engine's end waits for."""
        return self.reactors.is_own_thread or (self.reactors.pool is not None and self.reactors.pool.is_own_thread)

    def stats(self) -> EngineStats:
        """A snapshot of every reactor's counters and of their sums."""
        parts = tuple(thread.core.stats() for thread in self.reactors.threads)
        return EngineStats(
            reactors=parts,
            total=total_of(parts),
            max_connections=self.admission.max_connections,
            resident_bytes=platform.resident_bytes(),
        )

    def stacks(self) -> dict[str, str]:
        """The Python stack of every reactor's and worker's thread."""
        stacks = {thread.name: thread.stack() for thread in self.reactors.threads}
        return stacks | (self.reactors.pool.stacks() if self.reactors.pool is not None else {})

    def attendant(self, options: EngineOptions, at_end: Callable[[], None]) -> Attendant:
        """The thread that looks after these reactors and ends them."""
        return Attendant(self.shutdown, self.reactors.threads, options, self.stats, at_end)


def build(
    options: EngineOptions,
    model: Model,
    limits: Limits,
    balancer: Balancer,
    failures: Failures,
    place: Place,
) -> Running:
    """Make the reactors of this model; no thread runs yet. Raises the descriptor limit first: limits derive from it."""
    descriptors = platform.raise_descriptor_limit()
    allowed = limits.max_connections
    maximum = platform.auto_connections(descriptors) if allowed == "auto" else allowed
    admission = Admission(maximum, limits.max_connections_per_ip, place.seat)
    reactors = Reactors(
        model,
        lambda name: make_reactor(name, options.driver, limits, admission),
        balancer,
        failures,
        place.destinations,
        _sub_reactor(options),
    )
    work = model if place.destinations is None else "accepting for the workers"
    logger.info("%s; connections: %s", work, "no limit" if maximum is None else f"at most {maximum}")
    shutdown = Shutdown(reactors, admission)
    return Running(model=model, admission=admission, reactors=reactors, shutdown=shutdown)


def _sub_reactor(options: EngineOptions) -> type[SubReactor]:
    """What serves connections."""
    if not options.event_loop:
        return SubReactor
    from floodway.conn.loop_reactor import LoopReactor  # asyncio takes longer to import than all of Floodway

    return LoopReactor
