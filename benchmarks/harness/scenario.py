"""What a cell of the benchmark asks: one TOML file in scenarios/ each.

A scenario is data. Whatever decides how a figure comes about is in its file, and its file is copied into the result.
"""

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from harness.metric import METRICS

KINDS: Final = ("echo", "memory", "accept", "neighbour", "handshake")


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How many connections there are and what they do."""

    connections: int
    size: int = 0  # bytes of one message, or of one exchange with `memory`
    path: str | None = None  # over HTTP, encrypted or not as the peers are: a message, or exchange, is a GET of this
    seconds: float = 0.0
    rate: float | None = None  # messages per second over all connections; None: each sends when it was answered
    connections_low: int = 0  # `memory`: the first of the two counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What design section 13 demands of one peer: a bound on the scenario's metric, or on its ratio to the baseline."""

    peer: str
    baseline: str | None = None  # another one than the scenario's
    ratio_at_most: float | None = None
    ratio_at_least: float | None = None
    at_most: float | None = None
    at_least: float | None = None

    def __post_init__(self) -> None:
        bounds = (self.ratio_at_most, self.ratio_at_least, self.at_most, self.at_least)
        if sum(bound is not None for bound in bounds) != 1:
            raise ValueError(f"target of {self.peer} has bounds {bounds}: give exactly one")
        if self.baseline is not None and not self.is_ratio:
            raise ValueError(f"target of {self.peer} has a baseline, but is no ratio")

    @property
    def is_ratio(self) -> bool:
        """Whether the bound is on the ratio to the baseline."""
        return self.ratio_at_most is not None or self.ratio_at_least is not None

    @property
    def upper(self) -> float | None:
        """The largest value that meets the target, if it is a bound from above."""
        return self.ratio_at_most if self.ratio_at_most is not None else self.at_most

    @property
    def lower(self) -> float | None:
        """The smallest value that meets the target, if it is a bound from below."""
        return self.ratio_at_least if self.ratio_at_least is not None else self.at_least


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One cell: every peer named here is measured in turn, again and again, under the same load."""

    name: str
    order: int
    title: str
    question: str
    kind: str
    peers: tuple[str, ...]
    metric: str
    load: Load
    baseline: str = "c"
    show: tuple[str, ...] = ()  # further metrics worth a column
    flood: Load | None = None  # `neighbour`: what runs beside `load`
    share_cores: bool = False  # server and generator both on all cores, instead of one each
    work: float | None = None  # seconds of Python in each message's handler
    targets: tuple[Target, ...] = field(default=())

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"scenario {self.name}: kind is {self.kind!r}; it has to be one of {', '.join(KINDS)}")
        if self.baseline not in self.peers:
            raise ValueError(f"scenario {self.name}: the baseline {self.baseline!r} is not among its peers")
        for metric in (self.metric, *self.show):
            if metric not in METRICS:
                raise ValueError(f"scenario {self.name}: unknown metric {metric!r}; see harness/metric.py")
        for target in self.targets:
            for peer in (target.peer, target.baseline or self.baseline):
                if peer not in self.peers:
                    raise ValueError(f"scenario {self.name}: a target names {peer!r}, which does not take part")
        if self.kind == "neighbour" and self.flood is None:
            raise ValueError(f"scenario {self.name}: a neighbour needs a [flood]")


def read_scenarios(folder: Path, *, quick: bool = False) -> list[Scenario]:
    """Every scenario of a folder in its order, each with its `[quick]` values if asked for."""
    scenarios = [read_scenario(path, quick=quick) for path in folder.glob("*.toml")]
    return sorted(scenarios, key=lambda scenario: (scenario.order, scenario.name))


def read_scenario(path: Path, *, quick: bool = False) -> Scenario:
    """The scenario that a file describes. Raises ValueError or TypeError, naming the file, if it makes no sense."""
    try:
        return scenario_from(path.stem, tomllib.loads(path.read_text()), quick=quick)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{path.name}: {error}") from error


def scenario_from(name: str, table: Mapping[str, Any], *, quick: bool = False) -> Scenario:  # Any: parsed TOML or JSON
    """A scenario from its table. Misspelt keys raise TypeError."""
    values = dict(table)
    changes = values.pop("quick", {})
    load = Load(**values.pop("load"))
    if quick:
        load = dataclasses.replace(load, **changes)
    flood = values.pop("flood", None)
    return Scenario(
        name=name,
        load=load,
        flood=Load(**flood) if flood else None,
        peers=tuple(values.pop("peers")),
        show=tuple(values.pop("show", ())),
        targets=tuple(Target(**target) for target in values.pop("targets", ())),
        **values,
    )
