"""Reads what the tests need from Markdown: fenced blocks with their conventions, links, headings, tables.

Conventions for ```python blocks in README.md and docs/, each a word behind `python` on the fence line:

    ```python              a whole program: it is run. If it calls floodway.serve, it runs until each of its addresses
                           answers, then gets SIGINT and has to end with code 0. Ports and socket paths are replaced
                           by free ones.
    ```python continues    the page's blocks up to here, joined, are the program: for tutorials that grow one.
    ```python fragment     not a program (an excerpt, an outline): it only has to be valid Python.

Numbers that were measured carry their source in a comment of the same table cell or line:

    | Floodway | 92 bytes <!-- benchmarks/results/idle.json#peers.floodway.bytes_per_connection --> |
    serves 41,500 requests/s <!-- benchmarks/results/echo.json#rows.0.rate -->, each in
    5.7 us <!-- benchmarks/results/echo.json#rows.0.cpu_seconds *1e6 -->

Of a journal it is the median of the sound repetitions of a peer at a point:

    142,000 <!-- benchmarks/figures/results/echo-connections.jsonl#connections=1000.floodway_raw.messages_per_second -->

The path behind `#` walks through objects by key and arrays by index; `*factor` scales the stored value to the unit
shown. The number shown is the last one before the comment, and has to be the stored one rounded to the digits shown.
"""

import json
import re
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<body>.*?)^(?P=indent)```\s*$", re.MULTILINE | re.DOTALL)
SOURCE = re.compile(r"<!--\s*(?P<file>[\w./-]+\.jsonl?)#(?P<path>[^\s>]+)(?:\s+\*(?P<factor>[\d.e+-]+))?\s*-->")
NUMBER = re.compile(r"(?<![\w.])\d{1,3}(?:,\d{3})+(?:\.\d+)?|(?<![\w.,])\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the words behind it, the text, and the line of its fence."""

    language: str
    words: tuple[str, ...]
    text: str
    line: int


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page, without their indentation."""
    found = []
    for match in FENCE.finditer(page):
        language, *words = match["info"].split() or [""]
        indent = len(match["indent"])
        text = "\n".join(line[indent:] for line in match["body"].splitlines()) + "\n"
        found.append(Block(language, tuple(words), text, page.count("\n", 0, match.start()) + 1))
    return found


def without_code(page: str) -> str:
    """The page without fenced blocks and code spans, line numbers kept."""
    page = FENCE.sub(lambda match: "\n" * match[0].count("\n"), page)
    return re.sub(r"`[^`\n]*`", "", page)


def programs(page: str) -> list[tuple[int, str]]:
    """The page's programs, as (line, source); see the conventions above."""
    found: list[tuple[int, str]] = []
    so_far: list[str] = []
    for block in blocks(page):
        if block.language != "python" or "fragment" in block.words:
            continue
        so_far = [*so_far, block.text] if "continues" in block.words else [block.text]
        found.append((block.line, "\n".join(so_far)))
    return found


def links(page: str) -> list[str]:
    """Targets of links and pictures."""
    text = without_code(page)
    inline = re.findall(r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)", text)
    references = re.findall(r"^\[[^\]]+\]:\s*<?(\S+?)>?(?:\s|$)", text, re.MULTILINE)
    html = re.findall(r"(?:src|href|srcset)=\"([^\"]+)\"", text)
    return [*inline, *references, *html]


def anchors(page: str) -> set[str]:
    """What `#...` may point to: headings as GitHub names them."""
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6}\s+(.+?)\s*#*$", FENCE.sub("", page), re.MULTILINE):
        text = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()).replace(" ", "-")
        name, repeat = text, 0
        while name in found:
            repeat += 1
            name = f"{text}-{repeat}"
        found.add(name)
    return found | set(re.findall(r"<a (?:id|name)=\"([^\"]+)\"", page))


@dataclass(frozen=True)
class Claim:
    """A number in a page and where it is said to come from."""

    line: int
    shown: str
    file: str
    path: str
    factor: float

    def stored(self, root: Path) -> float:
        """The value in the result file, in the unit shown. Raises KeyError or similar where the path leads nowhere."""
        if self.file.endswith(".jsonl"):
            return _median(root / self.file, *self.path.split(".")) * self.factor
        value: Any = json.loads((root / self.file).read_text(encoding="utf-8"))  # Any: whatever JSON holds
        for key in self.path.split("."):
            value = value[int(key)] if isinstance(value, list) else value[key]
        return float(value) * self.factor

    def agrees_with(self, stored: float) -> bool:
        """Whether the stored value, rounded to the digits shown, is the number shown (to half a last digit)."""
        shown = self.shown.replace(",", "")
        decimals = len(shown.partition(".")[2])
        if not decimals:  # 41,500 is shown to three digits where the stored value has five
            decimals = len(shown.rstrip("0")) - len(shown) if shown.strip("0") else 0
        return abs(float(shown) - stored) <= 0.5 * 10.0**-decimals * (1 + 1e-9)


def _median(journal: Path, point: str, peer: str, metric: str) -> float:
    """What a journal has for a peer at a point ("connections=1000,size=1024"). Raises ValueError if it has nothing."""
    wanted = dict(pair.split("=") for pair in point.split(","))
    rounds = {}
    for line in map(json.loads, journal.read_text(encoding="utf-8").splitlines()):
        at = {key: str(value) for key, value in line["point"].items()}
        if line["peer"] == peer and "metrics" in line and wanted.items() <= at.items():
            rounds[line["round"]] = line  # the last counts, if one was measured again
    return float(statistics.median(line["metrics"][metric] for line in rounds.values() if not line["problems"]))


def claims(page: str) -> Iterator[Claim]:
    """The numbers of a page that name their source. Raises ValueError for a source without a number before it."""
    for number, line in enumerate(page.splitlines(), 1):
        start = 0
        for match in SOURCE.finditer(line):
            shown = NUMBER.findall(line[start : match.start()])
            if not shown:
                raise ValueError(f"line {number}: no number before {match[0]}")
            yield Claim(number, shown[-1], match["file"], match["path"], float(match["factor"] or 1))
            start = match.end()


def numbers_without_source(page: str) -> list[str]:
    """Cells with a number but no source, in tables where some cell has one; the first column only names."""
    found = []
    for table in re.findall(r"(?:^\s*\|.*\|\s*$\n?)+", page, re.MULTILINE):
        if not SOURCE.search(table):
            continue
        for row in table.strip().splitlines()[2:]:
            cells = row.strip().strip("|").split("|")
            found += [
                cell.strip() for cell in cells[1:] if NUMBER.search(SOURCE.sub("", cell)) and not SOURCE.search(cell)
            ]
    return found
