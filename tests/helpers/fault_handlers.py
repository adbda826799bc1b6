"""Handlers that tests script."""

import threading
from collections import Counter
from queue import SimpleQueue
from typing import Any

import floodway


class Ledger(floodway.Handler):
    """Echoes, and keeps account of every connection: opens, closes and their errors."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.opened = 0
        self.errors: list[BaseException | None] = []
        self.closes: Counter[tuple[str, int]] = Counter()
        self.stopped = False
        self.connections: SimpleQueue[floodway.Connection] = SimpleQueue()

    def on_open(self, conn: floodway.Connection) -> None:
        with self._lock:
            self.opened += 1
        self.connections.put(conn)

    def on_data(self, conn: floodway.Connection, data: bytes) -> None:
        conn.write(data)

    def on_close(self, conn: floodway.Connection, error: BaseException | None) -> None:
        with self._lock:
            self.errors.append(error)
            self.closes[conn.reactor.name, conn.id] += 1

    def on_stop(self) -> None:
        self.stopped = True

    def next(self) -> Any:
        """The connection that opened next."""
        return self.connections.get(timeout=20)

    @property
    def is_balanced(self) -> bool:
        """Whether each connection that opened has closed, once."""
        return self.opened == len(self.errors) == len(self.closes)
