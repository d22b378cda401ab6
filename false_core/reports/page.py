"""The page of a report: one HTML file with its figures inside, readable offline and without scripts."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import jinja2

from false_core.errors import OutputError
from false_core.language.catalogue import localised
from false_core.outputs.publish import published
from false_core.reports.imprint import imprint
from false_core.reports.sections import Section
from false_core.settings import users_language


def write_report(path: str, html: str) -> None:
    """Write a report, whole or not at all.

    Raises:
        OutputError: It cannot be written, for example because the disk is full.
    """
    with published(path) as (partial,):
        try:
            partial.write_text(html, encoding="utf-8")
        except OSError as error:
            raise OutputError(f"{path} cannot be written: {error.strerror}.", "Is the disk full?") from error


def page(
    title: str,
    summary: str,
    tiles: Sequence[tuple[str, str]],
    notes: Sequence[str],
    sections: Sequence[Section],
    about: Sequence[tuple[str, str]] = (),
) -> str:
    """Return a report as HTML, in the language of the user.

    Args:
        tiles: Names and values that are seen first.
        notes: Facts that may spoil the result.
        about: Names and values that stand above all, such as the CRS, after when and by whom the report was made.
    """
    # Names of classes, bands and files come from the user's data: everything is escaped but the figures drawn here.
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("false_core.reports"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template("report.html").render(
        language=users_language(),
        title=localised(title),
        about=[(localised(name), localised(value)) for name, value in (*imprint(), *about)],
        summary=localised(summary),
        tiles=[(localised(name), localised(value)) for name, value in tiles],
        notes=[localised(note) for note in notes],
        sections=[_localised_section(section) for section in sections],
    )


def _localised_section(section: Section) -> Section:
    """Return a section in the language of the user. Names of classes, which stand first in a table with a header, stay."""
    return dataclasses.replace(
        section,
        heading=localised(section.heading),
        text=localised(section.text),
        items=[localised(item) for item in section.items],
        header=[localised(title) for title in section.header],
        rows=[
            [cell if section.header and column == 0 else localised(cell) for column, cell in enumerate(row)]
            for row in section.rows
        ],
    )


def percent(value: float) -> str:
    """Return a share from 0 to 1 in percent, or a dash where it is NaN."""
    return "-" if math.isnan(value) else f"{100 * value:.1f} %"
