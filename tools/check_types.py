#!/usr/bin/env python3
"""Runs pyright: strictly over the package and tests/typing, then for the completeness of the public types.

What is public must be typed to 100 % (`pyright --verifytypes`), or users' strict checkers see Unknown.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Both checks; the exit code is 1 if one of them fails."""
    sound = pyright().returncode == 0
    report = completeness()
    score = report["completenessScore"]
    incomplete = [one for one in report["symbols"] if not one["isTypeKnown"]]
    for symbol in (one for one in incomplete if one.get("diagnostics")):
        messages = [diagnostic["message"] for diagnostic in symbol.get("diagnostics", [])]
        print(f"type of {symbol['name']} is not known: {'; '.join(messages)}")
    print(f"pyright --verifytypes floodway: {score:.1%} of the public types are complete")
    return 0 if sound and score == 1 else 1


def pyright(*arguments: str, capture: bool = False) -> subprocess.CompletedProcess[str]:
    """Pyright of this environment, at the version that the lock pins; npm's registry has the program itself."""
    command = [sys.executable, "-m", "pyright", *arguments]
    # --verifytypes asks the `python` of the PATH where packages are, whatever its options say.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    stdout = subprocess.PIPE if capture else None
    return subprocess.run(command, cwd=ROOT, env={**os.environ, "PATH": path}, text=True, check=False, stdout=stdout)


def completeness() -> dict[str, Any]:  # Any: pyright's report
    """The report on the package's public types."""
    done = pyright("--verifytypes", "floodway", "--ignoreexternal", "--outputjson", capture=True)
    try:
        report = json.loads(done.stdout)["typeCompleteness"]
    except (ValueError, KeyError):
        sys.exit(f"pyright --verifytypes did not answer: {done.stdout[:500]}")
    assert isinstance(report, dict)
    if not report["symbols"]:
        sys.exit("pyright --verifytypes found no floodway in this environment: run 'make build'")
    return report


if __name__ == "__main__":
    sys.exit(main())
