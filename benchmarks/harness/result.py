"""What is kept of a cell: one JSON file with every repetition, so that anyone may judge anew.

The summary in it is for readers without this code; report.py computes its own from the repetitions.
"""

import datetime as dt
import json
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from harness.measure import Repetition
from harness.scenario import Scenario, scenario_from
from harness.servers import ROOT
from harness.summary import judge, summarise

FORMAT: Final = 1
MEASURED: Final = (
    "crates",
    "src",
    "benchmarks/peers",
    "benchmarks/harness",
    "benchmarks/figures/*.py",
    "benchmarks/figures/scenes",
)
"""What a figure depends on. A commit that changes nothing here, but the documentation, is the same to a journal."""


@dataclass(slots=True, kw_only=True)
class Result:
    """A cell and everything that was seen in it."""

    scenario: Scenario
    profile: str  # "standard" or "quick"
    date: str
    seconds: float  # that it took
    commit: str
    machine: Mapping[str, str | int]
    versions: Mapping[str, str]
    labels: Mapping[str, str]
    cores: Mapping[str, Any]  # Any: lists of cores and a flag
    waited_for_quiet: float
    gave_up_waiting: bool
    additions: int = 0  # the work of one message, as calibrated
    skipped: dict[str, str] = field(default_factory=dict)  # peer -> reason
    repetitions: list[Repetition] = field(default_factory=list)


def write_result(result: Result, folder: Path) -> Path:
    """Write a cell's file, in place of an older one of the same name."""
    summaries = summarise(result.scenario, result.repetitions)
    content = {
        "format": FORMAT,
        **asdict(result),
        "summary": {name: asdict(summary) for name, summary in summaries.items()},
        "verdicts": [asdict(verdict) for verdict in judge(result.scenario, summaries)],
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{result.scenario.name}.json"
    path.write_text(json.dumps(content, indent=1) + "\n")
    return path


def read_results(folder: Path) -> list[Result]:
    """Every cell of a folder, in the order of the scenarios."""
    results = [_read(path) for path in folder.glob("*.json")]
    return sorted(results, key=lambda result: (result.scenario.order, result.scenario.name))


def today() -> str:
    """The date and time that a result carries, in UTC."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


def commit() -> str:
    """The last commit that changed what is measured or how, marked if the files differ from it."""
    last = _git("log", "-1", "--format=%h", "--abbrev=12", "--", *MEASURED)
    if not last:
        return "unknown"
    return f"{last} with changes" if _git("status", "--porcelain", "--", *MEASURED) else last


def _read(path: Path) -> Result:
    content: dict[str, Any] = json.loads(path.read_text())  # Any: parsed JSON
    if content.pop("format") != FORMAT:
        raise ValueError(f"{path.name} has another format than {FORMAT}: run the cell again")
    for derived in ("summary", "verdicts"):
        del content[derived]
    scenario: dict[str, Any] = content.pop("scenario")
    repetitions = [Repetition(**repetition) for repetition in content.pop("repetitions")]
    return Result(scenario=scenario_from(scenario.pop("name"), scenario), repetitions=repetitions, **content)


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT.parent, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip()
