"""The first part of RESULTS.md: each figure with what was measured, on what, how sure it is, and all its numbers."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from harness.machine import QUIET_CORES, WAIT_SECONDS
from harness.measure import NOISY_CORES
from harness.table import NOTHING, Row, bullets, machine_text, markdown_table

from figures import caption
from figures.figure import FIGURES, Figure
from figures.journal import Line
from figures.second import SecondRun, text
from figures.series import Cell, Scene

MARKS: Final = "◇ bound by the generator; ○ fairness not judged"


def figures_part(scenes: Mapping[str, Scene], drawn: str, journals: str, second: SecondRun | None = None) -> str:
    """The whole part as Markdown; `drawn` and `journals` lead from the page to their folders. Empty without a scene."""
    figures = [figure for figure in FIGURES if figure.scene in scenes and scenes[figure.scene].measured]
    if not figures:
        return ""
    lines = [line for name in dict.fromkeys(figure.scene for figure in figures) for line in scenes[name].measured]
    parts = [
        "## The figures",
        (
            "Floodway beside a minimal server in C and libraries of Go and Python, each in its recommended style, over "
            "loopback, driven by a native generator that checks every byte or every sum. What the figures mean, and "
            "where Floodway loses and why, stands in [docs/figures.md](../docs/figures.md); the rules in "
            "[README.md](README.md). `make figures` redraws all of it, `make figures FULL=1` with more points."
        ),
        bullets("Machine", [machine_text(line["machine"]) for line in lines]),
        f"**Versions**: {_versions(lines)}",
        bullets("Floodway at commit", [line["commit"] for line in lines]),
        bullets("Cores", [_cores(line) for line in lines]),
        _certainty(lines),
        *([f"### A second run\n\n{text(second)}"] if second else []),
        *(_figure(figure, scenes[figure.scene], drawn, journals) for figure in figures),
    ]
    return "\n\n".join(parts)


def picture(figure: Figure, drawn: str) -> str:
    """The picture for Markdown, on a card as light or dark as the reader's page."""
    return (
        "<picture>\n"
        f'<source media="(prefers-color-scheme: dark)" srcset="{drawn}/{figure.name}-dark.svg">\n'
        f'<img alt="{figure.alt}" src="{drawn}/{figure.name}.svg">\n'
        "</picture>"
    )


def _certainty(lines: Sequence[Line]) -> str:
    foreign = [line["foreign_cores"] for line in lines]
    noisy = sum(cores > NOISY_CORES for cores in foreign)
    waited = sum(line["waited_for_quiet"] >= WAIT_SECONDS for line in lines)
    profiles = Counter(line["profile"] for line in lines).items()
    dropped = sum(bool(line["problems"]) for line in lines)
    said = [
        (
            f"{len(lines)} repetitions, interleaved, from {min(line['date'] for line in lines)} to "
            f"{max(line['date'] for line in lines)}; "
            f"by profile {' and '.join(f'{count} {name}' for name, count in profiles)}. "
            "The standard profile has fewer points and seconds than the full one, not fewer repetitions."
        ),
        (
            f"A cell waits at most {WAIT_SECONDS:.0f} s in all, before its rounds, for a machine with less than "
            f"{QUIET_CORES:.2f} cores busy; {waited} repetitions began after that had run out."
        ),
        (
            f"In {noisy} repetitions others used more than {NOISY_CORES} cores meanwhile; the most was "
            f"{max(foreign):.2f}, and the most that the hypervisor took was "
            f"{max(line['stolen_cores'] for line in lines):.2f}."
        ),
        f"{dropped} repetitions do not count, each with its reason below its figure.",
        "A median of three has a wide range: where ranges overlap, the figure says nothing about who is ahead.",
    ]
    return "**How sure this is**\n\n" + "\n".join(f"- {line}" for line in said)


def _figure(figure: Figure, scene: Scene, drawn: str, journals: str) -> str:
    said = [
        _loads(scene),
        _noise(scene),
        caption.generator(scene, figure),
        caption.unjudged(scene, figure),
        *caption.missing(scene, figure.x),
        *(f"Not counted: {line}." for line in caption.unsound(scene)),
    ]
    parts = [
        f"### {figure.number}: {figure.title} ({figure.better} is better)",
        picture(figure, drawn),
        figure.measured,
        (
            f"Repeat it: `make figures ARGS='--only {scene.name}'`. "
            f"Data: [{scene.name}.jsonl]({journals}/{scene.name}.jsonl); "
            f"the picture is here also as [PNG]({drawn}/{figure.name}.png)."
        ),
        "\n".join(f"- {line}" for line in said if line),
        f"Median (range); {MARKS}.",
        *(_overview(figure, scene, name) for name in figure.quantities),
        _details(figure, scene),
    ]
    return "\n\n".join(parts)


def _overview(figure: Figure, scene: Scene, name: str) -> str:
    """Peers down, points across, medians with their ranges; everybody has a row."""
    places = scene.places(figure.x)
    cells = {(cell.peer, cell.point[figure.x]): cell for cell in scene.cells}
    quantity = figure.quantity(name)
    heading = [quantity.heading, *(f"{place:,.0f} {caption.UNITS[figure.x]}" for place in places)]
    rows = [
        [label, *(_spread(cells.get((peer, place)), name, figure) for place in places)]
        for peer, label in scene.labels.items()
    ]
    return markdown_table(heading, rows)


def _spread(cell: Cell | None, name: str, figure: Figure) -> str:
    if cell is None:
        return NOTHING
    if cell.skipped is not None:
        return "skipped"
    if name not in cell.metrics:
        return "failed" if not cell.rounds else NOTHING
    show, spread = figure.quantity(name).show, cell.metrics[name]
    marks = (" ◇" if cell.bound else "") + ("" if cell.judged else " ○")
    return f"{show(spread.median)} ({show(spread.low)}–{show(spread.high)}){marks}"


def _details(figure: Figure, scene: Scene) -> str:
    """Every cell with what else was measured, folded away."""
    names = [name for name in (*figure.quantities, *figure.table) if any(name in cell.metrics for cell in scene.cells)]
    heading = ["server", "point", *(figure.quantity(name).heading for name in names), "rounds", "remarks"]
    rows: list[Row] = []
    for cell in scene.cells:
        if cell.rounds:
            shown = [_median(cell, name, figure) for name in names]
            rows.append([cell.label, caption.place(cell), *shown, str(cell.rounds), _remarks(cell)])
    table = markdown_table(heading, rows)
    summary = f"<summary>Every cell of {figure.number}: medians of all that was measured, rounds and remarks</summary>"
    return f"<details>\n{summary}\n\n{table}\n\n</details>"


def _median(cell: Cell, name: str, figure: Figure) -> str:
    return figure.quantity(name).show(cell.metrics[name].median) if name in cell.metrics else NOTHING


def _remarks(cell: Cell) -> str:
    counted: Counter[str] = Counter()
    for remark, count in cell.remarks.items():
        counted["others used the machine" if remark.startswith("others used") else remark] += count
    said = [f"{remark} ({count} of {cell.rounds})" for remark, count in counted.items()]
    said += ["◇"] if cell.bound else []
    said += [] if cell.judged else ["○"]
    said += [f"{len(cell.problems)} not counted"] if cell.problems else []
    return "; ".join(said) or NOTHING


def _loads(scene: Scene) -> str:
    """How long each point was loaded, and by how many processes."""
    points = {caption.place(cell): cell.point for cell in scene.cells if cell.rounds}
    said = [
        f"{place}: {caption.plural(point.get('processes', 1), 'process', 'processes')}, {point['seconds']:g} s"
        for place, point in points.items()
    ]
    return f"{caption.conditions(scene)} Points: {'; '.join(said)}."


def _noise(scene: Scene) -> str:
    foreign = sorted(line["foreign_cores"] for line in scene.measured)
    return (
        f"Foreign load: {foreign[len(foreign) // 2]:.2f} cores in the middle repetition, {foreign[-1]:.2f} at most; "
        f"measured {caption.days(scene.measured)}."
    )


def _cores(line: Line) -> str:
    cores = line["cores"]
    server, generator = (" and ".join(map(str, cores[who])) for who in ("server", "generator"))
    apart = "" if cores["apart"] else " (which share a physical core)"
    return f"the server has core {server}, the generator core {generator}{apart}"


def _versions(lines: Sequence[Line]) -> str:
    versions: dict[str, dict[str, None]] = {}
    for line in lines:
        for name, version in line["versions"].items():
            versions.setdefault(name, {})[version] = None
    return ", ".join(f"{name} {' and '.join(seen)}" for name, seen in versions.items())
