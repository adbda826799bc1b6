"""The drill, small: several workers and generators because each may have few descriptors; and its arithmetic."""

import json
import subprocess
import sys
from pathlib import Path

from drill.checks import lacks
from drill.figures import latency
from drill.memory import Share
from drill.size import size_for

PROGRAM = Path(__file__).resolve().parent.parent / "million.py"


def test_five_thousand_connections_over_several_processes(tmp_path: Path) -> None:
    arguments = ["--connections", "5000", "--descriptors", "2000", "--hold", "0.2", "--seconds", "1"]
    done = subprocess.run(
        [sys.executable, PROGRAM, *arguments, "--results", tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads((tmp_path / "million-5000.json").read_text())
    assert (result["servers"], result["generators"]) == (3, 3)
    assert result["totals"]["answered"] == 5000
    assert result["totals"]["bytes_checked"] >= 5000 * 64
    assert 0 < result["user_memory"]["per_connection"] < 2000
    assert result["active"]["p99"] > 0
    assert result["spread"]["most"] < 2000


def test_workers_have_room_for_the_kernels_uneven_spread() -> None:
    size = size_for(1_000_000, 20_000)
    mean = 1_000_000 / size.servers
    assert mean + 5 * mean**0.5 <= size.max_connections
    assert sum(size.shares) == 1_000_000
    assert max(size.shares) <= size.max_connections
    assert size_for(100, 1024).servers == 1


def test_what_is_lacking_comes_with_a_command() -> None:
    found = lacks(size_for(10**10, 10**6), own_network=True)
    assert all(lack.command for lack in found)
    assert any("make million CONNECTIONS=" in lack.command and lack.fits for lack in found)


def test_percentiles_are_those_of_all_messages() -> None:
    fast, slow = {"latency_counts": [[0.001, 98]]}, {"latency_counts": [[0.5, 1], [0.7, 1]]}
    assert latency([fast, slow]) == {"p50": 0.001, "p99": 0.5, "p999": 0.7, "max": 0.7}


def test_files_count_as_if_no_generator_had_them_mapped() -> None:
    assert Share(5, 1, 0).with_files_of(Share(0, 3, 0)) == 8
