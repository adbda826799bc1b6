"""An event loop that has a reactor to itself and ends it."""

from floodway.conn.reactor import Reactor
from floodway.conn.reactor_event_loop import ReactorEventLoop
from floodway.conn.selector import ReactorSelector


class StandaloneLoop(ReactorEventLoop):
    """What `floodway.new_event_loop` makes. Nobody else may use `core`."""

    def __init__(self, core: Reactor) -> None:
        try:
            super().__init__(core, ReactorSelector(core))
        except BaseException:
            core.close()  # no descriptor for the loop's pair of sockets
            raise

    def close(self) -> None:
        """Close the loop, and the reactor's descriptors. RuntimeError while it runs."""
        super().close()
        self._core.close()
