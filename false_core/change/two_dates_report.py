"""The report of two dates: pictures of both and of the changes, how much changed from what to what, and how probably."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from false_core.change.change_summary import PERHAPS, SURELY, ChangeSummary
from false_core.change.date_pair import DatePair
from false_core.change.from_to import NO_CHANGE_CODE
from false_core.raster.areas import PIXELS, unit_of_map
from false_core.raster.georeference import ground_facts
from false_core.reports.figures import as_svg, legend_below, rgb_of, show_picture
from false_core.reports.page import page, percent
from false_core.reports.sections import Section, next_steps


def two_dates_report(summary: ChangeSummary, pair: DatePair, seen: Sequence[Section], notes: Sequence[str]) -> str:
    """Return the report of two dates, as HTML.

    Args:
        seen: Sections on the encoders that the dates were seen through.
    """
    results, unit = summary.results(), unit_of_map(summary.source)
    area = unit.name != PIXELS
    surely, perhaps = percent(SURELY), percent(PERHAPS)
    changes = sorted(
        (c for c in summary.classes.table if c.code > NO_CHANGE_CODE and summary.pixels[c.code]),
        key=lambda c: -int(summary.pixels[c.code]),
    )

    def amount(number: int) -> str:
        return f"{number * unit.per_pixel:,.2f}" if area else f"{number:,}"

    rows = []
    for c in changes:
        low, high = summary.limits(c.code)
        shown = int(summary.pixels[c.code])
        rows.append([c.name, percent(shown / max(1, summary.compared)), amount(shown), amount(low), amount(high)])
    tiles = [
        ("share of the pixels that changed", percent(results["changed"])),
        (f"with a probability of {surely} and more", percent(results["changed_low"])),
        (f"with a probability of {perhaps} and more", percent(results["changed_high"])),
        ("pixels compared", f"{summary.compared:,}"),
    ]
    what = f"Area ({unit.name})" if area else "Pixels"
    sections = [
        Section(
            "The two dates",
            "The raster before, the raster after, and the changes. Each date is shown in its own contrast. White is where "
            "one of both has no data.",
            _draw(summary),
        ),
        Section(
            "How much changed",
            f"The last two columns count places by their probability of change: at least {surely}, and at least "
            f"{perhaps}. How much really changed may be far from both, as a change that looks like the season elsewhere is "
            "not found. Points that a person looks at tell it: see below.",
            header=("Change", "Share", what, f"{surely} and more", f"{perhaps} and more"),
            rows=rows,
            colors=[c.color for c in changes],
        )
        if rows
        else Section("How much changed", "Nothing changed."),
        *seen,
        *next_steps(
            "Look at the changes over both rasters, the least sure ones first.",
            "Draw points with 'Sample points to assess a map' on the map of change, fill in what is there, and run 'Assess "
            "a map'. It tells how good the map is, and how much has really changed.",
        ),
    ]
    names = f"Before: {pair.before.name}. After: {pair.after.source.name}."
    return page("FALSE change", names, tiles, notes, sections, ground_facts(pair.before))


def _draw(summary: ChangeSummary) -> str:
    """Return both dates and the map as SVG."""
    table = np.full((256, 3), 255, np.uint8)
    for c in summary.classes.table:
        table[c.code] = rgb_of(c.color)
    height, width = summary.map.shape
    figure = Figure(figsize=(9.2, min(9.0, 3.0 * height / width) + 0.9), layout="constrained")
    for axes, picture in zip(figure.subplots(1, 3), (summary.before, summary.after, table[summary.map])):
        show_picture(axes, picture)
    legend_below(figure, [(c.name, c.color) for c in summary.classes.table if summary.pixels[c.code]])
    return as_svg(figure)
