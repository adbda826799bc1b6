"""The reader of Markdown itself, since a reader that finds nothing would let everything pass."""

import json
from pathlib import Path

import pytest

from tests.repo import markdown

PAGE = """# A page
Some `code [not](a-link)` and [a link](other.md#part), ![a picture](picture.png "title").

```python
first = 1
```
```python continues
second = first + 1
```
```python fragment
def outline(self): ...
```
## A page
"""


def test_blocks_join_where_they_continue() -> None:
    assert markdown.programs(PAGE) == [(4, "first = 1\n"), (7, "first = 1\n\nsecond = first + 1\n")]


def test_links_in_code_are_none() -> None:
    assert markdown.links(PAGE) == ["other.md#part", "picture.png"]


def test_repeated_headings_are_numbered() -> None:
    assert markdown.anchors(PAGE) == {"a-page", "a-page-1"}


@pytest.mark.parametrize(
    ("line", "stored", "agrees"),
    [
        ("| Floodway | 92 bytes <!-- r.json#bytes --> |", 92.4, True),
        ("| Floodway | 92 bytes <!-- r.json#bytes --> |", 92.6, False),
        ("1.08 x <!-- r.json#bytes -->", 1.0849, True),
        ("1.08 x <!-- r.json#bytes -->", 1.09, False),
        ("41,500 requests/s <!-- r.json#bytes -->", 41_549, True),
        ("41,500 requests/s <!-- r.json#bytes -->", 41_551, False),
        ("5.7 us <!-- r.json#bytes *1e6 -->", 5.72e-6, True),
        ("of 9 <!-- r.json#bytes --> and 10", 9, True),
    ],
)
def test_a_number_agrees_to_the_digits_shown(line: str, stored: float, agrees: bool, tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(f'{{"bytes": {stored}}}')
    (claim,) = markdown.claims(line)
    assert claim.agrees_with(claim.stored(tmp_path)) is agrees


def test_a_path_walks_through_objects_and_arrays(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text('{"rows": [{"rate": 1}, {"rate": 7}]}')
    (claim,) = markdown.claims("7 <!-- r.json#rows.1.rate -->")
    assert claim.stored(tmp_path) == 7


def test_of_a_journal_the_median_of_sound_rounds_counts(tmp_path: Path) -> None:
    lines = [
        {"peer": peer, "point": {"connections": at}, "round": number, "metrics": {"rate": rate}, "problems": problems}
        for peer, at, number, rate, problems in [
            ("c", 50, 1, 10, []),
            ("c", 50, 2, 30, []),
            ("c", 50, 3, 999, ["unsound"]),
            ("c", 50, 2, 20, []),  # measured again
            ("c", 500, 1, 999, []),
            ("go", 50, 1, 999, []),
        ]
    ]
    lines.append({"peer": "c", "point": {"connections": 50}, "skipped": "no compiler"})
    (tmp_path / "r.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (claim,) = markdown.claims("15 <!-- r.jsonl#connections=50.c.rate -->")
    assert claim.stored(tmp_path) == 15


def test_a_source_without_a_number_is_an_error() -> None:
    with pytest.raises(ValueError, match="no number before"):
        list(markdown.claims("none <!-- r.json#bytes -->"))


def test_cells_of_a_measured_table_need_a_source() -> None:
    table = "| 1st | value |\n| --- | --- |\n| 2nd | 3 <!-- r.json#a --> |\n| 4th | 5 |\n"
    assert markdown.numbers_without_source(table) == ["5"]
    assert markdown.numbers_without_source(table.replace(" <!-- r.json#a -->", "")) == []
