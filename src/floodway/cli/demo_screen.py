"""The table of `floodway demo`: live at a terminal if rich is there (`floodway[demo]`), plain lines elsewhere."""

import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

Progress: TypeAlias = Callable[[str, int, float], object]


class Screen(Protocol):
    """Where the demo shows what it measures."""

    def progress(self, title: str) -> Progress:
        """Begin a phase. Returns what the load generator calls while it lasts."""
        ...

    def fill(self, server: str, row: str, value: str) -> None:
        """A figure is known."""


@contextmanager
def open_screen(servers: Sequence[str], rows: Sequence[str]) -> Generator[Screen]:
    """The best screen that there is here."""
    if sys.stdout.isatty():
        try:
            from rich.live import Live
        except ModuleNotFoundError:
            pass
        else:
            with Live(refresh_per_second=8) as live:
                yield _LiveTable(live, servers, rows)
            return
    yield _PlainLines()


class _PlainLines:
    """A line for each phase and figure."""

    def progress(self, title: str) -> Progress:
        print(f"{title} ...", flush=True)
        return _ignore

    def fill(self, server: str, row: str, value: str) -> None:
        print(f"  {server}: {row}: {value}", flush=True)


def _ignore(_phase: str, _connections: int, _rate: float) -> None:
    """Between its first and last line a phase prints nothing."""


class _LiveTable:
    """A table that fills, with the running phase below it."""

    def __init__(self, live: "Live", servers: Sequence[str], rows: Sequence[str]) -> None:
        self._live = live
        self._servers = servers
        self._rows = rows
        self._values: dict[tuple[str, str], str] = {}
        self._status = "starting"
        self._show()

    def progress(self, title: str) -> Progress:
        def show(phase: str, connections: int, rate: float) -> None:
            running = f", {rate:,.0f} messages/s" if rate else ""
            self._status = f"{title}: {phase}, {connections:,} connections{running}"
            self._show()

        show("starting", 0, 0.0)
        return show

    def fill(self, server: str, row: str, value: str) -> None:
        self._values[server, row] = value
        self._show()

    def _show(self) -> None:
        self._live.update(self._table())

    def _table(self) -> "Table":
        from rich.table import Table

        table = Table(caption=self._status, caption_justify="left")
        table.add_column("")
        for server in self._servers:
            table.add_column(server, justify="right", min_width=14)
        for row in self._rows:
            table.add_row(row, *(self._values.get((server, row), "") for server in self._servers))
        return table
