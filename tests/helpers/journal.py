"""A handler that writes down what it is told, for tests that look at it from their own thread."""

import threading
from typing import Any

import floodway
from tests.helpers.waiting import wait_until


class Journal(floodway.Handler[Any]):
    """Keeps opens and closes. Any thread; give it an `on_data` by deriving."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.opened: list[floodway.Connection] = []
        self.closed: list[tuple[floodway.Connection, BaseException | None]] = []

    def on_open(self, conn: floodway.Connection) -> None:
        with self._lock:
            self.opened.append(conn)

    def on_close(self, conn: floodway.Connection, error: BaseException | None) -> None:
        with self._lock:
            self.closed.append((conn, error))

    def wait_opened(self, count: int = 1) -> list[floodway.Connection]:
        """The connections, once so many have been opened."""
        wait_until(lambda: len(self.opened) >= count, f"{count} opens")
        return list(self.opened)

    def wait_closed(self, count: int = 1) -> list[BaseException | None]:
        """The errors of on_close, once there are so many."""
        wait_until(lambda: len(self.closed) >= count, f"{count} closes")
        return [error for _, error in self.closed]


class Echo(Journal):
    """Answers every piece of input with itself."""

    def on_data(self, conn: floodway.Connection, data: Any) -> None:
        conn.write(data)
