"""The report of a map: the map beside its raster, and how much there is of each class."""

from __future__ import annotations

from collections.abc import Sequence

from false_core.mapping.map_overview import MapOverview
from false_core.models.model_file import ModelCard
from false_core.models.model_report import bands_shown, model_sections
from false_core.raster.areas import PIXELS, unit_of_map
from false_core.raster.source import RasterSource
from false_core.reports.figures import bars_figure
from false_core.reports.page import page, percent
from false_core.reports.sections import Section


def classification_report(card: ModelCard, overview: MapOverview, source: RasterSource, notes: Sequence[str]) -> str:
    """Return the report of a map, as HTML."""
    classified, total = overview.classified, overview.total
    tiles = [("pixels classified", f"{classified:,}"), ("without data", percent(1 - classified / total))]
    unit = unit_of_map(source)
    area = unit.name != PIXELS
    counts = [int(overview.pixels[c.code]) for c in card.classes]
    rows = [
        [c.name, str(c.code), f"{n:,}", percent(n / classified), *([f"{n * unit.per_pixel:,.2f}"] if area else [])]
        for c, n in zip(card.classes, counts)
    ]
    sections = [
        Section(
            "The map", f"The raster is shown with the map that was made of it. {bands_shown(source.bands)}", overview.draw()
        ),
        Section(
            "Area of each class",
            "The areas are counted on the map. Where the map is wrong, they are wrong too. 'Assess a map' estimates the "
            "true ones.",
            bars_figure([c.name for c in card.classes], [n / classified for n in counts], [c.color for c in card.classes]),
            header=("Class", "Code", "Pixels", "Share", *([f"Area ({unit.name})"] if area else [])),
            rows=rows,
            colors=[c.color for c in card.classes],
        ),
        *model_sections(card),
    ]
    return page("FALSE classification", f"A map of {source.name}.", tiles, notes, sections)
