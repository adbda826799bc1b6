"""The seven figures: what each asks, from which scene it is drawn, and what is better. Nothing here was measured."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from harness.metric import METRICS, Metric


@dataclass(frozen=True, slots=True)
class Panel:
    """One pair of axes. Each of its `quantities` is, for bars, one bar of each peer."""

    title: str
    quantities: tuple[str, ...]
    peers: Literal["all", "loop", "native"] = "all"  # "loop": those whose additions are a loop in Python
    log: bool = False  # the axis of the values
    implied: tuple[str, ...] = ()  # ends of labels that say of a server what is so of all here

    def shows(self, peer: str) -> bool:
        """Whether a peer belongs here."""
        return self.peers == "all" or (self.peers == "loop") == peer.endswith("_loop")


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture and what is said about it."""

    number: str
    name: str  # of its files
    scene: str
    title: str
    better: Literal["higher", "lower"]
    kind: Literal["lines", "bars"]
    measured: str  # two sentences
    panels: tuple[Panel, ...]
    x: Literal["connections", "size"] = "connections"
    table: tuple[str, ...] = ()  # further columns
    names: Mapping[str, Metric] = field(default_factory=dict)  # of quantities that mean something of their own here

    @property
    def alt(self) -> str:
        """The text in place of the picture."""
        return f"{self.number}, {self.title}; {self.better} is better"

    def shows(self, peer: str) -> bool:
        """Whether a peer is in some panel."""
        return any(panel.shows(peer) for panel in self.panels)

    @property
    def quantities(self) -> list[str]:
        """What is drawn, each once."""
        return list(dict.fromkeys(name for panel in self.panels for name in panel.quantities))

    def says(self, panel: Panel, name: str) -> str:
        """What a quantity on these axes is called, where it stands alone."""
        return panel.title if len(panel.quantities) == 1 else f"{panel.title}, {self.quantity(name).label}"

    def quantity(self, name: str) -> Metric:
        """How a quantity is shown."""
        return self.names.get(name) or METRICS[name]


ECHO_COLUMNS = ("cpu_per_message", "p99", "server_core", "generator_core")
NATIVE = (", native loop", ", with work")
LOOP = (", Python loop",)

FIGURES: Final = (
    Figure(
        "F1",
        "f1-echo-connections",
        "echo-connections",
        "Echo of 1 KiB over the number of connections",
        "higher",
        "lines",
        "Every connection sends 1,024 bytes, waits until all of them came back, compares them and sends the next. "
        "The figure shows how many such exchanges a second a server on one core answers when so many connections do it "
        "at once.",
        (Panel("requests per second", ("messages_per_second",)),),
        table=ECHO_COLUMNS,
    ),
    Figure(
        "F2",
        "f2-echo-sizes",
        "echo-sizes",
        "Echo over 1,000 connections over the size of a packet",
        "higher",
        "lines",
        "A thousand connections exchange packets of 1 to 128 KiB, each after the one before has come back and was "
        "compared. The figure shows exchanges a second; both axes are logarithmic.",
        (Panel("requests per second", ("messages_per_second",), log=True),),
        x="size",
        table=ECHO_COLUMNS,
    ),
    Figure(
        "F3",
        "f3-http-work",
        "http-work",
        "HTTP with 100,000 additions per request over the number of connections",
        "higher",
        "lines",
        "Every connection POSTs 1 KiB; the server adds up 100,000 bytes of it, one by one, and answers 1 KiB with the "
        "sum, which is checked. Above the additions are a loop of machine code, the same for all; below they are a "
        "loop in Python, which itself is 20 to 50 times slower, so that the server hardly matters.",
        (
            Panel("requests per second, additions in machine code", ("messages_per_second",), "native", implied=NATIVE),
            Panel("requests per second, additions in a Python loop", ("messages_per_second",), "loop", implied=LOOP),
        ),
        table=ECHO_COLUMNS,
    ),
    Figure(
        "F4",
        "f4-http-memory",
        "http-work",
        "Memory of the HTTP servers over the number of connections",
        "lower",
        "lines",
        "Resident memory of all processes of the server while it is loaded, in the runs of F3. The figure shows those "
        "that add in machine code, and the table also those with the loop in Python; both axes are logarithmic.",
        (Panel("resident memory, MiB, additions in machine code", ("rss",), "native", log=True, implied=NATIVE),),
    ),
    Figure(
        "F5",
        "f5-memory",
        "memory",
        "Memory of an idle connection",
        "lower",
        "bars",
        "Resident memory at many connections less that at few, over their difference, so that what the process costs "
        "by itself does not count. Once after each connection has exchanged one message, once right after a burst of "
        "64 KiB on each, and once three seconds later; the axis is logarithmic and begins at 10 bytes. "
        "Below zero, the process had less memory at many connections than at few.",
        (
            Panel(
                "bytes per connection",
                ("bytes_per_connection_exchange", "bytes_per_connection_burst", "bytes_per_connection_burst_3s"),
                log=True,
            ),
        ),
    ),
    Figure(
        "F6",
        "f6-mass",
        "mass",
        "200,000 connections, of which one in a hundred is active",
        "lower",
        "bars",
        "Nearly all connections are silent, and the rest exchange messages. The figure shows the 99th percentile of "
        "the active connections' latency, and what the server takes of its core while all are silent.",
        (
            Panel("p99 of the active connections, ms", ("p99",)),
            Panel("CPU while all are silent, % of a core", ("server_core",)),
        ),
        table=("p50", "rss"),
        names={
            "p99": Metric("p99 of the active connections", "ms", 1e3, 2),
            "server_core": Metric("CPU while all are silent", "% of a core", 100, 2),
        },
    ),
    Figure(
        "F7",
        "f7-collector",
        "collector",
        "Pauses of Python's garbage collector over the number of connections",
        "lower",
        "lines",
        "`gc.callbacks` time every pause of the collector. Above is the longest while so many connections are opened: "
        "once they are, answering on them makes nothing that the collector runs for. Below is how long a full "
        "collection takes that is then asked for with `gc.collect()`.",
        (
            Panel("longest pause while connections open, ms", ("connecting_longest",)),
            Panel("a full collection, ms", ("full",)),
        ),
        table=("connecting_pauses", "connecting_total", "pauses", "longest", "rss"),
    ),
)
