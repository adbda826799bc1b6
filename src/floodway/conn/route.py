"""A route: how the connections of one listener or connector are treated, and which handler their events go to.

Every reactor that may own such connections knows the route under a number of its own; the events of the route's
connections carry that number (plus the event's offset), and the reactor's table of calls has the handler's methods
there.
"""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from floodway.base.tls import TlsClient, TlsServer
from floodway.config import ListenerOptions
from floodway.conn.connection import Connection
from floodway.conn.reactor import Reactor
from floodway.limits import Limits

if TYPE_CHECKING:
    from floodway.conn.engine import Engine


class FramingLike(Protocol):
    """What decides how input is cut: any framing of `floodway.app.framing`."""

    @property
    def largest_frame(self) -> int | None:
        """Bytes of the largest frame it lets through; None if it cuts no frames."""

    @property
    def alpn(self) -> tuple[str, ...]:
        """What TLS calls the protocols that are spoken (ALPN); empty where it has no name for them."""
        ...

    def native(self) -> Any:  # Any: the native Framing, whose home is in the layer above
        """The framing as the native core takes it."""


class HandlerLike(Protocol):
    """What the engine needs of a handler: `floodway.Handler` with anything as its data."""

    interest: int
    """A mask of `1 << ROUTE_*`: the events that the handler has a method for."""

    @property
    def framing(self) -> FramingLike:
        """How input is cut, unless the listener says otherwise."""
        ...

    @property
    def event_loop(self) -> bool:
        """Whether callbacks need an asyncio event loop around them."""
        ...

    @property
    def own_threads(self) -> bool:
        """Whether the handler itself runs the `threads` of the options."""
        ...

    def lifespan(self) -> AbstractAsyncContextManager[object] | None:
        """What is entered on each reactor's event loop before it serves, and left after its last connection."""

    def on_start(self, engine: "Engine", /) -> None:
        """Before the first accept."""

    def on_open(self, conn: Connection, /) -> None:
        """Accepted or connected."""

    def on_data(self, conn: Connection, data: Any, /) -> None:  # Any: what the framing yields
        """Input came."""

    def on_writable(self, conn: Connection, /) -> None:
        """Pending output fell below the low-water mark."""

    def on_close(self, conn: Connection, error: BaseException | None, /) -> None:
        """Closed; the last callback of a connection."""

    def on_stop(self) -> None:
        """After the last `on_close`."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Route:
    """Handler, framing, limits and options of one listener or connector. Immutable but for the numbers."""

    handler: HandlerLike
    framing: FramingLike
    limits: Limits
    options: ListenerOptions
    tls: TlsServer | TlsClient | None = None
    """What encrypts the connections, if anything does."""
    numbers: dict[Reactor, int] = field(default_factory=dict[Reactor, int])
    """The route's number on each reactor that knows it."""

    def __post_init__(self) -> None:
        largest = self.framing.largest_frame
        if largest is not None and largest > self.limits.max_input:
            raise ValueError(
                f"{self.framing!r} lets frames of {largest} bytes through, above Limits.max_input of"
                f" {self.limits.max_input}; lower its max_bytes or raise max_input"
            )


def check_handler(handler: object, caller: str) -> None:
    """Raise TypeError, with what to write, for what is no handler."""
    if isinstance(handler, type):
        raise TypeError(f"{caller} got the class {handler.__name__}; make one: {handler.__name__}()")
    if not hasattr(handler, "interest"):
        raise TypeError(f"{caller} got {handler!r}, which is no handler; derive its class from floodway.Handler")
