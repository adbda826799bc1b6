"""What a run will do: who is measured at which point, who is not and why, and about how long it takes.

The seconds are a guess, from runs on a machine of two cores that others used too: a quiet one is somewhat quicker. They
are there so that the standard profile can be kept below an hour, builds of the peers not counted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from harness.machine import check_limits, check_memory
from harness.servers import Peer

from figures.memory import LATER_SECONDS
from figures.scene import Point, Scene

STARTING_SECONDS: Final = 0.5  # of the first server and its generator, and ending both
PROCESS_SECONDS: Final = 0.3  # of each further pair: interpreters, on one core
CONNECTS_PER_SECOND: Final = 15_000.0  # each with a first exchange
WARM_UP_SECONDS: Final = 1.0  # the generator's own
CLOSES_PER_SECOND: Final = 50_000.0
HOLDER_SECONDS: Final = 1.0  # `memory`: connections and bursts that take longer than the waits in which they happen
IDLE_SECONDS: Final = 4.0  # `mass`
LONGEST_SECONDS: Final = {"quick": 60.0, "standard": 40.0, "full": 1_200.0}  # of one repetition


@dataclass(frozen=True, slots=True)
class Cell:
    """One point of a scene: the peers that are measured there in turn, and for the others the reason."""

    scene: Scene
    point: Point
    peers: tuple[str, ...]
    skipped: Mapping[str, str]

    @property
    def seconds(self) -> float:
        """About how long all its rounds take."""
        return self.scene.rounds * sum(seconds_of(self.scene, self.point, peer) for peer in self.peers)


def cells_of(
    scene: Scene, peers: Mapping[str, Peer], profile: str, bytes_each: Mapping[str, float], only: Sequence[str] = ()
) -> list[Cell]:
    """The cells of a scene. `bytes_each`: what a connection is known to cost a peer; `only`: leave out other peers."""
    cells = []
    for point in scene.points:
        lacks = _lacks(scene, point)
        skipped = {}
        for name in scene.peers:
            if only and name not in only:
                continue
            if reason := "; ".join(lacks) or why_not(scene, point, peers[name], profile, bytes_each.get(name, 0.0)):
                skipped[name] = reason
        taking_part = tuple(name for name in scene.peers if name not in skipped and (not only or name in only))
        cells.append(Cell(scene, point, taking_part, skipped))
    return cells


def _lacks(scene: Scene, point: Point) -> list[str]:
    """What keeps this machine from a point, whoever the peer is."""
    if scene.kind == "collector":
        return check_limits(point.connections + point.active, filled=True)
    if scene.kind == "memory":  # one client holds the connections to all servers
        return check_limits(point.connections * point.processes, filled=True)
    return check_limits(point.connections, processes=point.processes)


def why_not(scene: Scene, point: Point, peer: Peer, profile: str, bytes_each: float) -> str | None:
    """Why a peer is not measured at a point, whatever it can; None if it is."""
    if reason := peer.refusal(point.connections):
        return reason
    if profile == "standard" and peer.name not in (point.standard_peers or scene.peers):
        return "not in the standard profile, for the time that it would take"
    seconds = seconds_of(scene, point, peer.name)
    if seconds > LONGEST_SECONDS[profile]:
        return f"it would take about {seconds:.0f} s, most of them to give every connection its first answer"
    return check_memory(point.connections, bytes_each)


def seconds_of(scene: Scene, point: Point, peer: str) -> float:
    """About how long one repetition takes."""
    starting = STARTING_SECONDS + PROCESS_SECONDS * (point.processes - 1)
    connecting = point.connections * (1 / CONNECTS_PER_SECOND + scene.answer_seconds_of(peer))
    if scene.kind == "memory":
        return starting + connecting + HOLDER_SECONDS + 2 * LATER_SECONDS
    closing = point.connections / CLOSES_PER_SECOND
    idle = IDLE_SECONDS if scene.kind == "mass" else 0.0
    return starting + connecting + idle + WARM_UP_SECONDS + point.seconds + closing
