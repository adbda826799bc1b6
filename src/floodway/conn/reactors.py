"""The reactors of an engine, as its model demands: made, started and asked together."""

import threading
from collections.abc import Callable, Sequence

from floodway.conn.balancing import Balancer
from floodway.conn.dispatcher import Destinations, Dispatcher
from floodway.conn.failures import Failures
from floodway.conn.main_reactor import MainReactor
from floodway.conn.model import Model
from floodway.conn.reactor import Reactor, ReactorThread
from floodway.conn.route import Route
from floodway.conn.sub_reactor import SubReactor
from floodway.conn.worker_pool import WorkerPool


class Reactors:
    """Those that accept, those that own connections (one and the same in the single reactor model), their threads."""

    def __init__(
        self,
        model: Model,
        make: Callable[[str], Reactor],
        balancer: Balancer,
        failures: Failures,
        destinations: Destinations | None,
        sub_reactor: type[SubReactor] = SubReactor,
    ) -> None:
        self._lock = threading.Lock()  # routes are added one at a time
        self.pool: WorkerPool | None = WorkerPool("floodway-worker", model.threads) if model.threads else None
        self.owning: list[SubReactor] = []
        self.accepting: Sequence[SubReactor | MainReactor] = self.owning
        mains = _numbered("main", model.main_reactors)
        if destinations is not None:
            self.accepting = [Dispatcher(make(name), destinations, balancer, failures) for name in mains]
        else:
            self.owning += [sub_reactor(make(name), failures, self.pool) for name in _owner_names(model)]
            if model.sub_reactors:
                self.accepting = [MainReactor(make(name), self.owning, balancer, failures) for name in mains]
        everyone = [*self.owning] if self.accepting is self.owning else [*self.owning, *self.accepting]
        self.threads: list[ReactorThread] = [
            ReactorThread(reactor.core, reactor.run, failures.stop_engine) for reactor in everyone
        ]

    def add_route(self, route: Route) -> None:
        """Let every reactor that owns connections know a route. Any thread."""
        with self._lock:
            for reactor in self.owning:
                reactor.add_route(route)

    @property
    def is_own_thread(self) -> bool:
        """Whether the caller is on a reactor's thread, that is, in a callback."""
        return any(thread.is_current for thread in self.threads)

    def start(self, is_stopping: Callable[[], bool]) -> None:
        """Start every thread: from here on sockets are accepted. Raises what keeps a reactor from serving.

        `is_stopping` is asked while a reactor gets ready, which may take the application's time.
        """
        if self.pool is not None:
            self.pool.start()
        owning = self.threads[: len(self.owning)]
        for thread in owning:
            thread.start()
        for reactor in self.owning:
            reactor.wait_ready(is_stopping)
        for thread in self.threads[len(self.owning) :]:
            thread.start()

    def end(self) -> None:
        """End the threads that were started, although something else could not be."""
        for thread in self.threads:
            thread.core.stop()
        for thread in self.threads:
            if thread.is_alive:
                thread.join(None)
        if self.pool is not None:
            self.pool.stop()
            self.pool.join(None)

    def choose(self, core: Reactor | None) -> SubReactor:
        """The one with this core; without, the caller's own if it is on a reactor's thread, else the least loaded."""
        if core is not None:
            for reactor in self.owning:
                if reactor.core is core:
                    return reactor
            raise ValueError(f"{core!r} owns no connections of this engine; pass the `reactor` of one of them")
        current = next((thread.core for thread in self.threads if thread.is_current), None)
        own = [reactor for reactor in self.owning if reactor.core is current]
        return own[0] if own else min(self.owning, key=lambda reactor: reactor.core.load)

    def close(self) -> None:
        """Close what descriptors the native side has left. After the threads have ended, or without any."""
        for thread in self.threads:
            thread.core.close()


def _owner_names(model: Model) -> list[str]:
    if model.sub_reactors:
        return _numbered("sub", model.sub_reactors)
    return ["reactor"] if model.main_reactors == 1 else _numbered("reactor", model.main_reactors)


def _numbered(word: str, count: int) -> list[str]:
    return [f"{word}-{number}" for number in range(count)]
