"""A section, the unit that a report is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Section:
    """One part of a report: a heading, then any of a text, a list, a figure and a table.

    Attributes:
        items: Sentences of a list.
        figure: SVG source, drawn by us: it is not escaped.
        header: Column titles; the first column is left-aligned, the others are numbers. Empty: a table of facts.
        rows: Cells of the table.
        colors: A colour per row, shown as a swatch in its first cell.
    """

    heading: str
    text: str = ""
    figure: str = ""
    header: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    colors: Sequence[str] = ()
    items: Sequence[str] = ()


def next_steps(*steps: str) -> list[Section]:
    """Return the section that says what to do next; nothing where there is nothing to say. Empty steps are left out."""
    items = [step for step in steps if step]
    return [Section("What to do next", items=items)] if items else []
