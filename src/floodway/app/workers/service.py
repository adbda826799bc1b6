"""What a service is made of, as `serve` was told: the same for every worker, and for those that replace them."""

from collections.abc import Sequence
from dataclasses import dataclass

from floodway.app.application import check_name, import_application
from floodway.app.workers.sockets import Held
from floodway.config import ListenerOptions, Options, sort_options
from floodway.conn.engine import Engine
from floodway.conn.held_listener import HeldListener
from floodway.conn.route import FramingLike, HandlerLike, Route, check_handler
from floodway.limits import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The application, and how each worker serves it. Immutable; a worker has a copy of it from the fork."""

    application: HandlerLike | str
    """What it is, or MODULE:ATTRIBUTE, which every worker imports for itself."""
    framing: FramingLike | None
    listener_options: ListenerOptions
    limits: Limits
    stats_interval: float | None
    """The supervisor's, for the sum; the workers log none."""
    options: Options
    """The engine's keywords but for the limits."""

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
        return import_application(self.application) if isinstance(self.application, str) else self.application

    def engine(self, handler: HandlerLike, held: Sequence[Held]) -> tuple[Engine, list[HeldListener]]:
        """An engine that accepts on what the supervisor holds, and its listeners in the order of `held`."""
        engine = Engine(handler, limits=self.limits, **self.options)
        framing = self.framing or handler.framing
        listeners: list[HeldListener] = []
        for one in held:
            route = Route(handler=handler, framing=framing, limits=self.limits, options=self.listener_options)
            listeners.append(HeldListener(one.address, one.socket, route))
            engine._hold(listeners[-1])  # noqa: SLF001 - made for workers
        return engine, listeners


def make_service(
    application: HandlerLike | str, framing: FramingLike | None, limits: Limits | None, options: Options
) -> Service:
    """Check what `serve` was given, and sort it. Raises TypeError or ValueError for what cannot be meant."""
    if isinstance(application, str):
        check_name(application)
    else:
        check_handler(application, "serve()")
    engine_options, listener_options, limits = sort_options(options, limits, "serve()")
    kept = options.copy()
    kept["stats_interval"] = None
    if engine_options.sub_reactors is None:
        kept["sub_reactors"] = 0  # with or without the GIL: the processes are there to use the cores
    return Service(
        application=application,
        framing=framing,
        listener_options=listener_options,
        limits=limits,
        stats_interval=engine_options.stats_interval,
        options=kept,
    )
