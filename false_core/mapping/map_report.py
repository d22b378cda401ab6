"""The report of a map: the map beside its raster, and how much there is of each class."""

from __future__ import annotations

from collections.abc import Sequence

from false_core.mapping.map_overview import MapOverview
from false_core.models.encoder_origin import encoders_of, encoders_section
from false_core.models.model_file import ModelCard
from false_core.models.model_report import accuracy_in_words, accuracy_tiles, bands_shown
from false_core.raster.areas import PIXELS, unit_of_map
from false_core.raster.georeference import ground_facts
from false_core.raster.source import RasterSource
from false_core.reports.figures import bars_figure
from false_core.reports.page import page, percent
from false_core.reports.sections import Section, next_steps


def classification_report(
    card: ModelCard,
    overview: MapOverview,
    source: RasterSource,
    notes: Sequence[str],
    numbers: str = "",
    fast: str = "",
) -> str:
    """Return the report of a map, as HTML.

    Args:
        numbers: Name of the numbers that the network computed with; nothing where it is not known.
        fast: Sentences about a map in int8: how the network agrees with itself in float32.
    """
    classified, total = overview.classified, overview.total
    accuracy = [("overall accuracy of the model", value) for _, value in accuracy_tiles(card)[:1]]
    tiles = [*accuracy, ("pixels classified", f"{classified:,}"), ("without data", percent(1 - classified / total))]
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
        Section("The model", accuracy_in_words(card)),
        encoders_section(encoders_of(card)),
        *([Section("Fast map, in int8", f"The network computed it with whole numbers of 8 bits. {fast}")] if fast else []),
        *next_steps(
            "Look at the map over the image. Where it is wrong, digitise, fine-tune again and classify again; 'Where to "
            "digitise next' finds such places.",
            "Draw points with 'Sample points to assess a map', fill in their classes, and run 'Assess a map'. It tells how "
            "good the map is, and how large its classes really are.",
            "Make polygons of the map with 'Map to polygons'.",
        ),
    ]
    facts = [*ground_facts(source), *([("Precision", numbers)] if numbers else [])]
    return page("FALSE classification", f"A map of {source.name}.", tiles, notes, sections, facts)
