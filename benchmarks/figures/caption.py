"""What stands below a figure, in the picture and in the report: conditions, marks, who is missing and why."""

from collections.abc import Iterable, Sequence

from figures.figure import Figure
from figures.journal import Line
from figures.look import language
from figures.series import FULL_CORE, Cell, Scene

UNITS = {"connections": "connections", "size": "bytes"}


def conditions(scene: Scene) -> str:
    """Rounds, cores and processes, in a sentence."""
    measured = [cell for cell in scene.cells if cell.rounds]
    cores = {len(line["cores"]["server"]) for line in scene.measured}
    apart = all(line["cores"]["apart"] for line in scene.measured)
    processes = {line["point"].get("processes", 1) for line in scene.measured}
    text = f"Medians and ranges of {span(cell.rounds for cell in measured)} interleaved rounds. "
    text += f"Each server has {span(cores)} core{'' if cores == {1} else 's'}, the generator another"
    text += "" if apart else " (a thread of the same one)"
    return text + f"; {span(processes)} process{'' if processes == {1} else 'es'} of each server, as many for all."


def ceiling(scene: Scene, place: float, x: str) -> float | None:
    """Requests a second at which the generator's core would be full, by its CPU per request against the C server.

    Without the C server it is that against the peer which the generator spent least on; None without any.
    """
    costs = {
        cell.peer: cell.metrics["generator_cpu_per_message"].median
        for cell in scene.cells
        if cell.point[x] == place and "generator_cpu_per_message" in cell.metrics
    }
    yardstick = next((cost for peer, cost in costs.items() if language(peer) == "C"), min(costs.values(), default=0.0))
    return 1 / yardstick if yardstick else None


def generator(scene: Scene, figure: Figure) -> str | None:
    """At which rates the generator's core is full, and where it was. None for figures of something else than rates."""
    if figure.kind != "lines" or "messages_per_second" not in figure.quantities:
        return None
    full = [place for place in scene.places(figure.x) if ceiling(scene, place, figure.x)]
    if not full:
        return None
    at = ", ".join(f"{ceiling(scene, place, figure.x) or 0:,.0f} at {place:,.0f}" for place in full)
    text = f"The generator's core is full at so many requests a second (against the C server, by {figure.x}): {at}. "
    measured = [cell for cell in scene.cells if cell.rounds and figure.shows(cell.peer)]
    bound = [cell for cell in measured if cell.bound]
    if not bound:
        return text + f"No point is bound by it: it had at least {1 - FULL_CORE:.0%} of its core left everywhere."
    return (
        text + f"Hollow points are bound by it, and their servers could do more: {_listed(bound, measured, figure.x)}."
    )


def unjudged(scene: Scene, figure: Figure) -> str | None:
    """Where there were too few answers to judge fairness."""
    measured = [cell for cell in scene.cells if cell.rounds and figure.shows(cell.peer)]
    cells = [cell for cell in measured if not cell.judged]
    if not cells:
        return None
    had = "Ringed points had" if figure.kind == "lines" else "There were"
    listed = _listed(cells, measured, figure.x)
    return f"{had} fewer than three answers per connection, too few to judge fairness: {listed}."


def missing(scene: Scene, x: str) -> list[str]:
    """Who was skipped or failed, where, and with which reason: a line for each reason."""
    reasons: dict[str, list[Cell]] = {}
    for cell in scene.cells:
        if cell.skipped is not None:
            reasons.setdefault(cell.skipped, []).append(cell)
        elif not cell.rounds:
            reasons.setdefault("no sound round: " + "; ".join(cell.problems), []).append(cell)
    return [f"Not there: {_listed(cells, scene.cells, x)}. Reason: {reason}." for reason, cells in reasons.items()]


def unsound(scene: Scene) -> list[str]:
    """Rounds that count for nothing, of cells that have others, with their problems."""
    return [
        f"{cell.label} at {place(cell)}, {problem}" for cell in scene.cells for problem in cell.problems if cell.rounds
    ]


def place(cell: Cell) -> str:
    """A point in words: "1,000 connections, 4,096 bytes"."""
    return ", ".join(f"{cell.point[key]:,} {unit}" for key, unit in UNITS.items() if key in cell.point)


def where(scene: Scene) -> str:
    """Machine, Floodway's commit and dates, in a line."""
    measured = scene.measured
    machines = dict.fromkeys(
        f"{machine['processor']}, {machine['cores']} cores, {machine['kernel']}"
        for machine in (line["machine"] for line in measured)
    )
    commits = dict.fromkeys(line["commit"] for line in measured)
    return f"{'; '.join(machines)}. Floodway at {', '.join(commits)}, {days(measured)}. Everything over loopback."


def days(lines: Sequence[Line]) -> str:
    """When lines were measured: "2026-01-01", or the first day and the last."""
    dates = sorted({line["date"][:10] for line in lines})
    return " to ".join(dict.fromkeys((dates[0], dates[-1])))


def plural(count: int, one: str, more: str) -> str:
    """A count with its noun."""
    return f"{count:,} {one if count == 1 else more}"


def span(values: Iterable[int]) -> str:
    """ "3" or "3 to 5"."""
    low, high = min(ordered := sorted(values)), ordered[-1]
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _listed(cells: Sequence[Cell], among: Sequence[Cell], x: str) -> str:
    """Who at which places: "all at 100,000; gevent at 50, 1,000". Places are left out where they are all there are."""
    everywhere = sorted({cell.point[x] for cell in among})
    labels = {cell.peer: cell.label for cell in cells}
    places: dict[str, list[float]] = {}
    for cell in cells:
        places.setdefault(cell.peer, []).append(cell.point[x])
    everybody = {place: {cell.peer for cell in among if cell.point[x] == place} for place in everywhere}
    agreed = {
        place for place, peers in everybody.items() if peers <= {peer for peer in places if place in places[peer]}
    }
    groups: dict[tuple[float, ...], list[str]] = {tuple(sorted(agreed)): ["all"]} if agreed else {}
    for peer, own in places.items():
        if rest := tuple(sorted(set(own) - agreed)):
            groups.setdefault(rest, []).append(labels[peer])
    return "; ".join(
        ", ".join(f"“{name}”" if "," in name else name for name in names)
        + ("" if list(at) == everywhere and len(at) > 1 else f" at {_numbers(at)}")
        for at, names in groups.items()
    )


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{value:,.0f}" for value in values)
