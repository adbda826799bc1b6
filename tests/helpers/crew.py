"""Threads that do something over and over until a block ends."""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self


class Crew:
    """A thread for each of some acts, which look at `is_over` to know when to return."""

    def __init__(self, *acts: Callable[[], object]) -> None:
        self._over = threading.Event()
        self._threads = [threading.Thread(target=act) for act in acts]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    @property
    def is_over(self) -> bool:
        """Whether the block has ended."""
        return self._over.is_set()
