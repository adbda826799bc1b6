"""What a service is made of, as `serve` was told: the same for every worker, and for those that replace them."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import cast

from floodway.app.application import check_name
from floodway.app.handler import Handler
from floodway.app.interface import load_application
from floodway.app.workers.hand_over import Channels
from floodway.app.workers.sockets import Held
from floodway.base.tls import TLSConfig, TlsServer
from floodway.config import ApplicationOptions, ListenerOptions, Options, sort_options
from floodway.conn.balancing import Balancer
from floodway.conn.dispatcher import Destinations, Seats
from floodway.conn.engine import Engine
from floodway.conn.held_listener import HeldListener
from floodway.conn.route import FramingLike, HandlerLike, Route
from floodway.conn.running import Place
from floodway.limits import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The application, and how each worker serves it. Immutable; a worker has a copy of it from the fork."""

    application: HandlerLike | str
    """What it is, or MODULE:ATTRIBUTE, which every worker imports for itself."""
    application_options: ApplicationOptions
    framing: FramingLike | None
    listener_options: ListenerOptions
    limits: Limits
    stats_interval: float | None
    """The supervisor's, for the sum; the workers log none."""
    options: Options
    """The engine's keywords but for the limits."""
    tls: TLSConfig | None
    """Every worker reads its files anew; what seals tickets is made once."""
    balancer: Balancer | None
    """With one, an accepting process hands connections to the workers; without, the kernel distributes them."""
    main_reactors: int
    """Of the accepting process."""

    @property
    def name(self) -> str:
        """For messages about the application."""
        return self.application if isinstance(self.application, str) else type(self.application).__name__

    @property
    def is_imported_by_workers(self) -> bool:
        """Whether a new worker brings new code."""
        return isinstance(self.application, str)

    def load(self) -> HandlerLike:
        """The application itself. Raises ApplicationError if it cannot be imported."""
        if not isinstance(self.application, str):
            return self.application
        return load_application(self.application, self.application_options, self.options.get("threads"))

    def engine(
        self, handler: HandlerLike, held: Sequence[Held], index: int, seats: Seats | None
    ) -> tuple[Engine, list[HeldListener]]:
        """A worker's engine, which accepts on what the supervisor holds, and its listeners in the order of `held`."""
        engine = Engine(handler, limits=self.limits, tls=self.tls, **self.options)
        if seats is not None:
            engine._place = Place(seat=(seats, index, os.getpid()))  # noqa: SLF001 - made for workers
        framing = self.framing or handler.framing
        servers = [engine._tls.of(one.address, None, framing.alpn) for one in held]  # noqa: SLF001 - the same
        return engine, self._hold(engine, [self._route(handler, framing, tls) for tls in servers], held, index)

    def entrance(self, held: Sequence[Held], channels: Channels) -> tuple[Engine, Destinations]:
        """The accepting process's engine, and where it hands over what it accepts."""
        handler, destinations = Handler(), Destinations(channels.seats)  # nothing is ever served here
        options = {name: value for name, value in self.options.items() if name in {"driver", "watchdog"}}
        options |= {"main_reactors": self.main_reactors, "sub_reactors": 0}
        limits = replace(self.limits, max_connections=None, max_connections_per_ip=None)  # the workers' to judge
        engine = Engine(handler, balancer=self.balancer, limits=limits, **cast("Options", options))
        engine._place = Place(destinations=destinations)  # noqa: SLF001 - made for workers
        routes = [self._route(handler, handler.framing, None) for _ in held]
        for listener in self._hold(engine, routes, held, 0):
            destinations.add_address(listener.route)
        for index in range(len(channels)):
            destinations.add_seat(index, channels.near(index))
        return engine, destinations

    def _route(self, handler: HandlerLike, framing: FramingLike, tls: TlsServer | None) -> Route:
        return Route(handler=handler, framing=framing, limits=self.limits, options=self.listener_options, tls=tls)

    @staticmethod
    def _hold(engine: Engine, routes: Iterable[Route], held: Sequence[Held], index: int) -> list[HeldListener]:
        listeners: list[HeldListener] = []
        for one, route in zip(held, routes, strict=True):
            listeners.append(HeldListener(one.address, one.socket, route, one.source, index))
            engine._hold(listeners[-1])  # noqa: SLF001 - made for workers
        return listeners


def make_service(  # noqa: PLR0913, PLR0917 - what `serve` takes
    application: object,
    application_options: ApplicationOptions,
    balancer: Balancer | None,
    framing: FramingLike | None,
    limits: Limits | None,
    tls: TLSConfig | None,
    options: Options,
) -> Service:
    """Check what `serve` was given, and sort it. Raises TypeError or ValueError for what cannot be meant."""
    if isinstance(application, str):
        check_name(application)
    else:
        application = load_application(application, application_options, options.get("threads"))
    engine_options, listener_options, limits = sort_options(options, limits, "serve()")
    kept = options.copy()
    kept["stats_interval"] = None
    if engine_options.sub_reactors is None:
        kept["sub_reactors"] = 0  # with or without the GIL: the processes are there to use the cores
    if balancer is not None:
        kept["main_reactors"] = 1  # those of the accepting process are meant
    return Service(
        application=application,
        application_options=application_options,
        balancer=balancer,
        main_reactors=engine_options.main_reactors or 1,
        framing=framing,
        listener_options=listener_options,
        limits=limits,
        tls=tls,
        stats_interval=engine_options.stats_interval,
        options=kept,
    )
