"""The beginning and the end of handlers: `on_start` once for each, `on_stop` for those that were started."""

import logging
import threading
from typing import TYPE_CHECKING, Final

from floodway.conn.route import HandlerLike

if TYPE_CHECKING:
    from floodway.conn.engine import Engine

logger: Final = logging.getLogger(__name__)


class Handlers:
    """The handlers that an engine has started. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started: dict[int, HandlerLike] = {}  # by id: a handler may define what equals it

    def start(self, handler: HandlerLike, engine: "Engine") -> None:
        """Call `on_start`, unless it was called before. What it raises leaves the handler unstarted."""
        with self._lock:
            if id(handler) in self._started:
                return
            self._started[id(handler)] = handler
        try:
            handler.on_start(engine)
        except BaseException:
            del self._started[id(handler)]
            raise

    def stop(self) -> None:
        """Call every `on_stop`, the last handler's first. What they raise is logged."""
        while self._started:
            _, handler = self._started.popitem()
            try:
                handler.on_stop()
            except Exception:
                logger.exception("on_stop of %r raised", handler)
