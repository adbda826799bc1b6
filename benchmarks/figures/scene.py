"""What a figure asks: one TOML file in scenes/ each, read by the runner and by whoever draws.

A scene is a list of points along an axis; at each point every peer is measured in turn, again and again.
"""

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

SCENES: Final = Path(__file__).resolve().parent / "scenes"
KINDS: Final = ("echo", "work", "memory", "mass", "collector")
PROCESS_CONNECTIONS: Final = 15_000  # of one server: Floodway leaves a fifth of 20,000 descriptors alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One place on the axis of a scene."""

    connections: int  # all together; with `collector` those that are held beside the active ones
    size: int  # bytes of a message; with `memory`, of the burst
    seconds: float  # of the measured time
    processes: int = 0  # servers, and generators if there are any; by default as many as the connections take
    connections_low: int = 0  # `memory`: the first of the two counts
    active: int = 0  # `mass` and `collector`: how many take part in the load
    rate: float = 0.0  # messages a second of all active ones together; 0: each sends when it was answered
    additions: int = 0  # `work`: of each request
    standard: bool = True  # whether the standard profile has it; the full one has all
    standard_peers: tuple[str, ...] = ()  # who is measured there in the standard profile, if not all

    def __post_init__(self) -> None:
        if not self.processes:
            object.__setattr__(self, "processes", max(1, -(-self.connections // PROCESS_CONNECTIONS)))
        object.__setattr__(self, "standard_peers", tuple(self.standard_peers))  # TOML has lists

    def as_json(self) -> dict[str, float]:
        """What tells it from other points: the four that all have, and what else is set."""
        table = dataclasses.asdict(self)
        always = ("connections", "size", "processes", "seconds")
        others = ("connections_low", "active", "rate", "additions")
        return {name: table[name] for name in always} | {name: table[name] for name in others if table[name]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One figure, or two that are drawn from the same runs."""

    name: str
    order: int
    title: str
    question: str
    axis: str  # the field of a point along which the figure is drawn
    kind: str
    peers: tuple[str, ...]
    points: tuple[Point, ...]
    rounds: int = 3
    answer_seconds: float = 0.0
    """About how much processor time an answer takes, where that is so much that the plan has to know."""
    slow_answers: Mapping[str, float] = dataclasses.field(default_factory=dict)
    """The same of peers that take longer."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind is {self.kind!r}; it has to be one of {', '.join(KINDS)}")
        if self.axis not in {field.name for field in dataclasses.fields(Point)}:
            raise ValueError(f"the axis {self.axis!r} is no field of a point")
        if not self.points:
            raise ValueError("it has no points")
        for names in (self.slow_answers, *(point.standard_peers for point in self.points)):
            if unknown := set(names) - set(self.peers):
                raise ValueError(f"{', '.join(sorted(unknown))} is none of its peers")

    def answer_seconds_of(self, peer: str) -> float:
        """About how much processor time an answer of this peer takes, beside what any answer takes."""
        return self.slow_answers.get(peer, self.answer_seconds)


def read_scenes(profile: str, folder: Path = SCENES) -> list[Scene]:
    """Every scene in its order, with the points that a profile ("quick", "standard" or "full") has.

    Raises ValueError or TypeError, naming the file, if one makes no sense.
    """
    scenes = []
    for path in folder.glob("*.toml"):
        try:
            scenes.append(scene_from(path.stem, tomllib.loads(path.read_text()), profile))
        except (TypeError, ValueError) as error:
            raise type(error)(f"{path.name}: {error}") from error
    return sorted(scenes, key=lambda scene: (scene.order, scene.name))


def scene_from(name: str, table: Mapping[str, Any], profile: str) -> Scene:  # Any: parsed TOML
    """A scene from its table. The quick profile has one round of the first point, its values replaced by `[quick]`."""
    values = dict(table)
    quick = values.pop("quick", {})
    tables = values.pop("points")
    if profile == "quick":
        tables = [tables[0] | quick]
        values["rounds"] = 1
    points = [Point(**point) for point in tables]
    if profile == "standard":
        points = [point for point in points if point.standard]
    return Scene(name=name, peers=tuple(values.pop("peers")), points=tuple(points), **values)


def split(total: int, parts: int) -> list[int]:
    """A total in parts that differ by one at most."""
    share, rest = divmod(total, parts)
    return [share + (number < rest) for number in range(parts)]
