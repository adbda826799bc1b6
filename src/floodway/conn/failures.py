"""What becomes of an exception that a handler, or any other call on a reactor, raises: that connection, not the server.

KeyboardInterrupt and SystemExit mean the process, so they stop the engine besides.
"""

import logging
from collections.abc import Callable
from typing import Final

from floodway.conn.connection import Connection
from floodway.conn.reactor import Reactor
from floodway.log import Throttle

logger: Final = logging.getLogger(__name__)


class Failures:
    """Logs failures and ends the connections concerned. One object for all reactors of an engine; any thread."""

    def __init__(self, stop_engine: Callable[[BaseException], None], on_exhausted: Callable[[], None]) -> None:
        self.stop_engine: Callable[[BaseException], None] = stop_engine
        self.on_exhausted: Callable[[], None] = on_exhausted
        """What a reactor calls when accepting pauses for want of descriptors or memory, once a second at most."""
        self._throttle = Throttle(burst=20)  # peers may be able to make a handler raise at will

    def handle(self, core: Reactor, target: object, error: BaseException) -> None:
        """Deal with what handling `target` raised. Thread of the reactor `core`."""
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            logger.info("a callback on %s raised %s; the engine stops", core.name, type(error).__name__)
            self.stop_engine(error)
        elif isinstance(target, Connection):
            text = "the handler raised for %s; this connection is closed"
            keys = {"reactor": core.name, "conn": target.id, "peer": target.peer}
            self._throttle.log(logger, logging.ERROR, text, target.peer, error=error, extra=keys)
        else:
            self._throttle.log(logger, logging.ERROR, "a call on %s raised: %r", core.name, target, error=error)
        if isinstance(target, Connection):
            core.fail(target, error)
