"""The tables of the documents that list all methods, or all algorithms, leave none out and name none that is gone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from false_core import jobs

ROOT = Path(__file__).resolve().parents[2]
ALGORITHMS = set(re.findall(r"`false:(\w+)`", (ROOT / "docs" / "algorithms" / "index.md").read_text("utf-8")))
"""All algorithms: the index of their pages is generated."""


def words_in_rows(file: str, header: str, column: int) -> set[str]:
    """Return the words in code in a column of the table of a document that begins with a header."""
    table = (ROOT / file).read_text("utf-8").partition(f"\n{header}")[2].partition("\n\n")[0]
    rows = [line.split("|") for line in table.splitlines() if line.startswith("| ")]
    assert rows, f"{file} has no table with the header {header}"
    return {word for row in rows for word in re.findall(r"`(\w+)`", row[column])}


@pytest.mark.parametrize(
    ("file", "header", "column", "known"),
    [
        ("README.md", "| algorithm |", 2, ALGORITHMS),
        ("ARCHITECTURE.md", "| method | file |", 1, set(jobs.METHODS)),
        ("docs/methods.md", "| method | what it does |", 1, set(jobs.METHODS)),
        ("docs/methods.md", "| method | paradigm |", 1, set(jobs.METHODS)),
    ],
)
def test_a_table_has_a_row_for_each(file: str, header: str, column: int, known: set[str]) -> None:
    found = words_in_rows(file, header, column)
    for name in sorted(known - found):
        pytest.fail(f"Add a row for `{name}` to the table {header} … in {file}.")
    for name in sorted(found - known):
        pytest.fail(f"Take the row of `{name}` out of the table {header} … in {file}.")
