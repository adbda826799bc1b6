"""One repetition, from the start of the servers to the line that is kept. What goes wrong is a problem in that line."""

from collections.abc import Callable
from typing import Final

from harness.generator import GeneratorError
from harness.holder import HolderError
from harness.measure import NOISY_CORES
from harness.servers import ServerError, without_paths

from figures import collector, loads, mass, memory
from figures.turn import Turn

MEASURES: Final[dict[str, Callable[[Turn], None]]] = {
    "echo": loads.measure,
    "work": loads.measure,
    "memory": memory.measure,
    "mass": mass.measure,
    "collector": collector.measure,
}


def measure(turn: Turn) -> None:
    """Do what the turn's scene asks, and fill in what was seen."""
    try:
        MEASURES[turn.scene.kind](turn)
    except (ServerError, GeneratorError, HolderError, OSError) as error:
        turn.problems.append(without_paths(str(error)))
    if turn.foreign_cores > NOISY_CORES:
        turn.remarks.append(f"others used {turn.foreign_cores:.2f} cores meanwhile")


def line_of(turn: Turn) -> dict[str, object]:
    """What is kept of a repetition, for the journal."""
    return {
        "scene": turn.scene.name,
        "point": turn.point.as_json(),
        "peer": turn.peer.name,
        "label": turn.peer.label,
        "round": turn.round,
        "metrics": turn.metrics,
        "problems": turn.problems,
        "remarks": turn.remarks,
        "judged": turn.judged,
        "foreign_cores": round(turn.foreign_cores, 3),
        "stolen_cores": round(turn.stolen_cores, 3),
    }
