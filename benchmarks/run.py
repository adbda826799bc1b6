"""Measure Floodway beside its peers: `python benchmarks/run.py [--quick] [--only NAME]...`.

Every peer of a scenario is measured in turn, again and again (A B C A B C ...), each time on a fresh server: a machine
that is slow for a while slows all of them, and ratios are taken within a round. README.md has the method.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from figures.second import kept
from figures.series import read_journal
from harness import generator
from harness.calibration import calibrate
from harness.machine import Patience, check_limits, describe_machine, divide_cores
from harness.measure import Repetition, measure
from harness.metric import METRICS
from harness.prepared import Prepared
from harness.result import Result, commit, read_results, today, write_result
from harness.scenario import Scenario, read_scenarios
from harness.servers import FREE_THREADED, ROOT, Peer, read_peers
from harness.table import Row, cell_rows, notes, verdict_rows
from report import JOURNALS, REPORT, RESULTS, report
from rich.console import Console
from rich.markup import escape
from rich.table import Table

STANDARD_REPETITIONS = 5
QUICK_REPETITIONS = 2


def main() -> int:
    """Run what the command line asks for. Returns 1 without a generator, or if a peer failed in all its turns."""
    arguments = _parse()
    console = Console(highlight=False) if sys.stdout.isatty() else Console(width=170, highlight=False)
    scenarios = _chosen(read_scenarios(ROOT / "scenarios", quick=arguments.quick), arguments.only)
    if arguments.list:
        for scenario in scenarios:
            console.print(f"[bold]{scenario.name}[/] {escape(scenario.question)}")
        return 0
    runner = Runner(console, quick=arguments.quick, repetitions=arguments.repetitions, only_peers=arguments.peer)
    results = []
    for scenario in scenarios:
        result = runner.run(scenario)
        write_result(result, arguments.results)
        results.append(result)
        _print_cell(console, result)
    _print_table(console, "Targets of design section 13", *verdict_rows(results))
    if arguments.results == RESULTS:
        scenes = read_journal(JOURNALS)
        REPORT.write_text(report(read_results(RESULTS), scenes, kept(JOURNALS, scenes)))
    return 1 if runner.lacks_generator or any(_failed_peers(result) for result in results) else 0


class Runner:
    """Runs scenarios."""

    def __init__(self, console: Console, *, quick: bool, repetitions: int | None, only_peers: Sequence[str]) -> None:
        self._console = console
        self._profile = "quick" if quick else "standard"
        self._repetitions = repetitions or (QUICK_REPETITIONS if quick else STANDARD_REPETITIONS)
        self._peers = read_peers()
        self._only_peers = only_peers
        self._prepared = Prepared(self._peers)
        self._no_generator = generator.check_available()
        self._additions: dict[float, int] = {}
        self._commit = commit()
        if unknown := set(only_peers) - set(self._peers):
            raise SystemExit(f"unknown peer {', '.join(sorted(unknown))}; there are {', '.join(self._peers)}")

    @property
    def lacks_generator(self) -> bool:
        """Whether most cells could not be measured at all."""
        return self._no_generator is not None

    def run(self, scenario: Scenario) -> Result:
        """Measure one cell."""
        began = time.monotonic()
        cores = divide_cores(share=scenario.share_cores)
        patience = Patience()
        taking_part, skipped = self._take_part(scenario)
        result = Result(
            scenario=scenario,
            profile=self._profile,
            date=today(),
            seconds=0.0,
            commit=self._commit,
            machine=describe_machine(),
            versions=self._prepared.versions(peer.name for peer in taking_part),
            labels={name: self._peers[name].label for name in scenario.peers},
            cores={"server": sorted(cores.server), "generator": sorted(cores.generator), "apart": cores.apart},
            waited_for_quiet=0.0,
            gave_up_waiting=False,
            skipped=skipped,
        )
        if any(peer.computes for peer in taking_part):
            result.additions = self._work(scenario)
        self._console.rule(f"{scenario.name}: {escape(scenario.title)}")
        for round_number in range(1, self._repetitions + 1):
            if taking_part:
                patience.wait_quiet()
            for peer in taking_part:
                repetition = measure(scenario, peer, round_number, cores, additions=result.additions)
                result.repetitions.append(repetition)
                self._console.print(_progress(scenario, peer, repetition))
        result.waited_for_quiet, result.gave_up_waiting = round(patience.waited, 1), patience.gave_up
        result.seconds = round(time.monotonic() - began, 1)
        return result

    def _take_part(self, scenario: Scenario) -> tuple[list[Peer], dict[str, str]]:
        """Who can be measured in this cell, and why the others cannot."""
        impossible = check_limits(scenario.load.connections)
        if scenario.kind != "memory" and self._no_generator:
            impossible.append(self._no_generator)
        taking_part, skipped = [], {}
        for name in scenario.peers:
            if self._only_peers and name not in self._only_peers:
                continue
            if impossible:
                skipped[name] = "; ".join(impossible)
            elif reason := self._peers[name].refusal(scenario.load.connections) or self._prepared.lacks(name):
                skipped[name] = reason
            else:
                taking_part.append(self._peers[name])
        return taking_part, skipped

    def _work(self, scenario: Scenario) -> int:
        """The additions of one message. Calibrated once, so that all peers of the cell do the same work."""
        if scenario.work is None:
            return 0
        if scenario.work not in self._additions:
            self._additions[scenario.work] = calibrate(os.environ[FREE_THREADED], scenario.work)
        return self._additions[scenario.work]


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="shorter and fewer: to see that all works, not to judge")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="only this scenario (repeatable)")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME", help="only this peer (repeatable)")
    parser.add_argument("--repetitions", type=int, metavar="N", help="rounds per cell")
    parser.add_argument("--results", type=Path, metavar="DIR", help="where result files go")
    parser.add_argument("--list", action="store_true", help="name the scenarios and end")
    arguments = parser.parse_args()
    if arguments.results is None:
        # Only a full standard run may replace the results that the documentation cites.
        partial = arguments.quick or arguments.peer or arguments.repetitions
        arguments.results = RESULTS / "scratch" if partial else RESULTS
    return arguments


def _chosen(scenarios: list[Scenario], names: Sequence[str]) -> list[Scenario]:
    if unknown := set(names) - {scenario.name for scenario in scenarios}:
        known = ", ".join(scenario.name for scenario in scenarios)
        raise SystemExit(f"unknown scenario {', '.join(sorted(unknown))}; there are {known}")
    return [scenario for scenario in scenarios if not names or scenario.name in names]


def _progress(scenario: Scenario, peer: Peer, repetition: Repetition) -> str:
    if repetition.problems:
        return f"  {repetition.round} {peer.label:32} [red]{escape('; '.join(repetition.problems))}[/]"
    metric = METRICS[scenario.metric]
    value = metric.show(repetition.metrics[scenario.metric])
    remarks = f"  [yellow]{escape('; '.join(repetition.remarks))}[/]" if repetition.remarks else ""
    return f"  {repetition.round} {peer.label:32} {value:>10} {metric.unit}{remarks}"


def _print_cell(console: Console, result: Result) -> None:
    _print_table(console, result.scenario.question, *cell_rows(result))
    for note in notes(result):
        console.print(f"  [yellow]note[/] {escape(note)}")


def _print_table(console: Console, title: str, heading: Row, rows: Sequence[Row]) -> None:
    table = Table(title=escape(title), title_justify="left")
    for number, column in enumerate(heading):
        table.add_column(escape(column), justify="left" if number == 0 else "right")
    for row in rows:
        table.add_row(*(escape(part) for part in row))
    console.print(table)


def _failed_peers(result: Result) -> set[str]:
    """Peers that took part and gave nothing sound."""
    tried = {repetition.peer for repetition in result.repetitions}
    return tried - {repetition.peer for repetition in result.repetitions if not repetition.problems}


if __name__ == "__main__":
    sys.exit(main())
