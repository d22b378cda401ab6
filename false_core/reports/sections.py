"""A section, the unit that a report is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Section:
    """One part of a report: a heading, then any of a text, a figure and a table.

    Attributes:
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
