"""What is kept of a scene: one file of JSON lines, each appended as soon as its repetition is over.

A run that was cut off goes on where it was: what stands in the file with the same profile, commit and machine is not
measured again. Anything else goes when the scene is measured: a figure is of one state of the code, on one machine.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

FORMAT: Final = 1
Line = Mapping[str, Any]  # JSON


def read_lines(path: Path) -> list[Line]:
    """All whole lines of a journal; none if there is no such file. A last line that was cut off is left out.

    Raises ValueError for anything else that is no line of this format.
    """
    return list(_lines(path)) if path.exists() else []


class Journal:
    """The journal of one scene, opened to go on with it under one profile and commit, on one machine."""

    def __init__(self, path: Path, *, profile: str, commit: str, machine: object, fresh: bool = False) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        same = {"profile": profile, "commit": commit, "machine": machine}
        kept = [
            line
            for line in ([] if fresh else read_lines(path))
            # Who was skipped is looked at again: meanwhile the reason may have gone.
            if "skipped" not in line and {name: line[name] for name in same} == same
        ]
        self._done = {_key(line["point"], line["peer"], line["round"]) for line in kept}
        draft = path.with_suffix(".draft")
        draft.write_text("".join(json.dumps(line) + "\n" for line in kept))
        draft.rename(path)

    def has(self, point: Mapping[str, float], peer: str, round_number: int) -> bool:
        """Whether this repetition stands in it."""
        return _key(point, peer, round_number) in self._done

    def append(self, line: Line) -> None:
        """Add a line, at once."""
        with self.path.open("a") as file:
            file.write(json.dumps({"format": FORMAT, **line}) + "\n")
        if "round" in line:
            self._done.add(_key(line["point"], line["peer"], line["round"]))


def _lines(path: Path) -> Iterator[Line]:
    *whole, torn = path.read_text().split("\n")
    for number, text in enumerate(whole, 1):
        line = json.loads(text)
        if line.get("format") != FORMAT:
            raise ValueError(f"{path.name}, line {number}: another format than {FORMAT}; begin anew with --fresh")
        yield line
    del torn  # empty, unless writing was cut off


def _key(point: Mapping[str, float], peer: str, round_number: int) -> str:
    return json.dumps([sorted(point.items()), peer, round_number])
