"""The base class of what users write. Read next: `framing`, which decides what `on_data` gets.

A method that is not overridden is never called: its event does not cross from the native core into Python.
"""

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Final, Generic

from floodway.app.framing import Raw
from floodway.conn.connection import Connection
from floodway.conn.engine import Engine
from floodway.conn.reactor import ROUTE_CLOSE, ROUTE_DATA, ROUTE_OPEN, ROUTE_WRITABLE
from floodway.conn.route import FramingLike

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    D = TypeVar("D", default=bytes)
else:
    from typing import TypeVar

    D = TypeVar("D")

_METHODS: Final = {
    "on_open": ROUTE_OPEN,
    "on_data": ROUTE_DATA,
    "on_writable": ROUTE_WRITABLE,
    "on_close": ROUTE_CLOSE,
}


class Handler(Generic[D]):
    """What happens to connections. `D` is what the framing yields: `bytes`, or `LinkBuffer` for `Buffered()`.

    One object serves all connections of a process; what belongs to one goes into its `user_data`. Callbacks of one
    connection come one at a time and in order. With several reactors, or with `threads=`, callbacks of different
    connections run at the same time: guard what they share. Without `threads=` a callback must not block, since its
    reactor serves nobody meanwhile. One that raises loses its connection and nothing else: the traceback is logged and
    `on_close` gets the exception; SystemExit and KeyboardInterrupt stop the engine.

    >>> class Shout(Handler):
    ...     def on_data(self, conn, data):
    ...         conn.write(data.upper())
    """

    framing: FramingLike = Raw()
    """How input is cut into what `on_data` gets; a listener or `conn.set_framing` may say otherwise."""

    event_loop: bool = False
    """Whether callbacks need an asyncio event loop: the engine then runs one on every reactor that serves."""

    own_threads: bool = False
    """Whether `threads=` is for the handler itself: the engine then has no worker threads, and one reactor unless told
    otherwise."""

    interest: int = 0
    """The events that the class has methods for. Worked out when the class is made."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        overridden = (name for name in _METHODS if getattr(cls, name) is not getattr(Handler, name))
        cls.interest = sum(1 << _METHODS[name] for name in overridden)

    def lifespan(self) -> AbstractAsyncContextManager[object] | None:
        """What is entered on each reactor's event loop before it serves, and left after its last connection.

        Called on that loop, if there is one; by raising it, or entering it, prevents the engine's start. None: nothing.
        """
        return None

    def on_start(self, engine: Engine) -> None:
        """Called once, before the first accept, by the thread that starts the engine; by raising it prevents that."""

    def on_open(self, conn: Connection) -> None:
        """The connection was accepted, or `connect` succeeded: before any other callback of this connection."""

    def on_data(self, conn: Connection, data: D) -> None:
        """Input came: a frame, what could be read (`Raw`), or everything not yet taken (`Buffered`)."""

    def on_writable(self, conn: Connection) -> None:
        """Pending output fell below `Limits.low_water` after a `write` had returned False."""

    def on_close(self, conn: Connection, error: BaseException | None) -> None:
        """The connection is closed: called exactly once, last of all. `error` is None for an orderly close.

        For a connection that was never opened (`connect` failed) it is the only callback.
        """

    def on_stop(self) -> None:
        """Called once, after the last `on_close`. The engine is over when it returns."""
