"""Write RESULTS.md from the journals of the figures and from the result files: `python benchmarks/report.py`.

Every number in it comes from them.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from figures.part import figures_part
from figures.second import SecondRun, kept
from figures.series import Scene, read_journal
from harness.machine import QUIET_CORES, WAIT_SECONDS
from harness.measure import NOISY_CORES
from harness.result import Result, read_results
from harness.servers import ROOT
from harness.summary import ENOUGH_PAIRS
from harness.table import bullets, cell_rows, machine_text, markdown_table, notes, verdict_rows

RESULTS = ROOT / "results"
REPORT = ROOT / "RESULTS.md"
JOURNALS = ROOT / "figures" / "results"
FIGURES_DRAWN = ROOT / "figures" / "drawn"


def main() -> int:
    """Write the report, or only say whether it is up to date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="DIR", help="where the result files are")
    parser.add_argument(
        "--journals", type=Path, default=JOURNALS, metavar="DIR", help="where the figures' journals are"
    )
    parser.add_argument("--output", type=Path, default=REPORT, metavar="FILE", help="where the report goes")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the report is out of date")
    arguments = parser.parse_args()
    results = read_results(arguments.results)
    if not results:
        print("there are no results yet: run `make bench` first", file=sys.stderr)
        return 1
    scenes = read_journal(arguments.journals)
    text = report(results, scenes, kept(arguments.journals, scenes))
    if arguments.check:
        current = arguments.output.read_text() if arguments.output.exists() else ""
        if current != text:
            print(f"{arguments.output.name} is not what the result files say: run report.py", file=sys.stderr)
        return int(current != text)
    arguments.output.write_text(text)
    return 0


def report(results: Sequence[Result], scenes: Mapping[str, Scene], second: SecondRun | None = None) -> str:
    """The whole report as Markdown: the figures, if there are any, with their second run, and then the scenarios."""
    drawn, journals = (folder.relative_to(ROOT).as_posix() for folder in (FIGURES_DRAWN, JOURNALS))
    figures = figures_part(scenes, drawn, journals, second)
    parts = [
        "<!-- Written by benchmarks/report.py from the files in benchmarks/results/. Edits are lost. -->",
        "# Results",
        *([figures, "# Single scenarios"] if figures else []),
        _method(results),
        "## How sure this is",
        _certainty(results),
        "## Targets",
        "Ratios are medians over pairs: both servers of a pair ran in the same round, one after the other.",
        markdown_table(*verdict_rows(results)),
        "## Scenarios",
        *(_cell(result) for result in results),
    ]
    return "\n\n".join(parts) + "\n"


def _method(results: Sequence[Result]) -> str:
    return "\n\n".join(
        [
            "## Method",
            (
                "Servers of echoes and of HTTP, each in its library's recommended style, answer a native load "
                "generator over loopback; "
                "[README.md](README.md) describes both, the rules and how to repeat a cell. "
                "Headline figures are CPU per request, latency and memory, because on loopback the generator "
                "and the kernel share the machine with the server, and requests per second measure all three. "
                "Compare ratios; absolute figures belong to this machine."
            ),
            bullets("Machine", [machine_text(result.machine) for result in results]),
            bullets("Versions", [_versions(results)]),
            bullets("Floodway at commit", [result.commit for result in results]),
            bullets("Cores", [_cores(result) for result in results if not result.scenario.share_cores]),
        ]
    )


def _certainty(results: Sequence[Result]) -> str:
    rounds = sorted({_rounds(result) for result in results})
    repetitions = [repetition for result in results for repetition in result.repetitions]
    noisy = sum(repetition.foreign_cores > NOISY_CORES for repetition in repetitions)
    dropped = sum(bool(repetition.problems) for repetition in repetitions)
    loudest = max((repetition.foreign_cores for repetition in repetitions), default=0.0)
    stolen = max((repetition.stolen_cores for repetition in repetitions), default=0.0)
    impatient = [result.scenario.name for result in results if result.gave_up_waiting]
    short = [result.scenario.name for result in results if result.profile != "standard"]
    lines = [
        (
            f"{len(repetitions)} repetitions in {len(results)} cells, {_numbers(rounds)} rounds a cell, interleaved; "
            f"measured from {min(result.date for result in results)} to {max(result.date for result in results)} "
            f"in {sum(result.seconds for result in results) / 60:.0f} minutes."
        ),
        (
            f"A verdict takes at least {ENOUGH_PAIRS} pairs and is on their median. Where the range of the ratios "
            "crosses the target, the table says so: another run may decide otherwise."
        ),
        f"Each cell waited at most {WAIT_SECONDS:.0f} s for a machine with less than {QUIET_CORES:.2f} cores busy. "
        + (f"It stayed busy for {', '.join(impatient)}." if impatient else "It always was."),
        (
            f"In {noisy} repetitions others used more than {NOISY_CORES} cores; the most was {loudest:.2f}, "
            f"and the most that the hypervisor took was {stolen:.2f}."
        ),
        f"{dropped} repetitions do not count, each with its reason below its table.",
    ]
    if short:
        lines.append(f"Not of the standard profile, and no basis for a verdict: {', '.join(short)}.")
    return "\n".join(f"- {line}" for line in lines)


def _cell(result: Result) -> str:
    scenario = result.scenario
    parts = [
        f"### {scenario.title}",
        scenario.question,
        (
            f"{_conditions(result)} Repeat it: `make bench ARGS='--only {scenario.name}'`. "
            f"Data: [{scenario.name}.json](results/{scenario.name}.json)."
        ),
        markdown_table(*cell_rows(result)),
    ]
    if lines := notes(result):
        parts.append("\n".join(f"- {line}" for line in lines))
    return "\n\n".join(parts)


def _conditions(result: Result) -> str:
    load, flood = result.scenario.load, result.scenario.flood
    if result.scenario.kind == "memory":
        exchanged = f"after exchanging {load.size:,} bytes once" if load.size else "which exchanged nothing"
        exchanged = exchanged if load.path is None else f"each answered one GET {load.path}"
        text = f"RSS at {load.connections:,} connections, {exchanged}, less RSS at {load.connections_low:,}"
    else:
        pace = "as fast as they are answered" if load.rate is None else f"{load.rate:,.0f} messages per second in all"
        asked = f"{load.size:,} bytes" if load.path is None else f"GET {load.path}"
        text = f"{load.connections:,} connections, {asked}, {pace}, {load.seconds} s"
        if result.scenario.kind == "accept":
            text = f"{load.connections:,} connections, opened as fast as they can be"
    if flood:
        text += f", beside {flood.connections} sending {flood.size:,} bytes at a time at full speed"
    if result.scenario.work:
        text += f", {result.scenario.work * 1e6:.0f} µs of Python ({result.additions} additions) for each message"
    return f"{text}; {_rounds(result)} rounds."


def _rounds(result: Result) -> int:
    return max((repetition.round for repetition in result.repetitions), default=0)


def _versions(results: Sequence[Result]) -> str:
    versions: dict[str, list[str]] = {}
    for result in results:
        for name, version in result.versions.items():
            seen = versions.setdefault(name, [])
            if version not in seen:
                seen.append(version)
    return ", ".join(f"{name} {' and '.join(seen)}" for name, seen in versions.items())


def _cores(result: Result) -> str:
    cores = result.cores
    apart = "" if cores["apart"] else " (which share a physical core)"
    return f"the server has core {_numbers(cores['server'])}, the generator core {_numbers(cores['generator'])}{apart}"


def _numbers(values: Sequence[int]) -> str:
    return " and ".join(str(value) for value in values)


if __name__ == "__main__":
    sys.exit(main())
