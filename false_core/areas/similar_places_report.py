"""The report of a search for what looks alike: the examples, the places found in their order, the scores of all cells."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

import geopandas
import numpy as np
import numpy.typing as npt
import shapely

from false_core.jobs import FindSimilar
from false_core.models.encoder_origin import EncoderOrigin, encoders_section
from false_core.models.model_report import bands_shown
from false_core.raster.georeference import ground_facts
from false_core.raster.place_pictures import PICTURES_IN_A_ROW, PlaceShown, draw_on_rasters, draw_places
from false_core.raster.source import names_of
from false_core.redaction import without_secrets
from false_core.reports.figures import histogram_figure
from false_core.reports.page import page
from false_core.reports.sections import Section, next_steps

FloatArray = npt.NDArray[np.float32]

MOST_PLACES_LISTED = 50
"""Places in the table of a report."""


@dataclass(frozen=True)
class SeenMarks:
    """Marks of a person on rasters.

    Attributes:
        features: Features of each, of shape (n, width).
        places: Place of each on its raster.
    """

    features: FloatArray
    places: Sequence[PlaceShown]

    def without(self, numbers: Set[int]) -> SeenMarks:
        """Return the same without some of them."""
        kept = [number for number in range(len(self.places)) if number not in numbers]
        return SeenMarks(self.features[kept], [self.places[number] for number in kept])


@dataclass(frozen=True)
class FoundPlaces:
    """The places that a search has found, the most alike first.

    Attributes:
        places: Place of each on its raster.
        squares: The same on the map.
        scores: Score of each.
        every_score: The scores of all cells that were compared, in any order.
    """

    places: Sequence[PlaceShown]
    squares: geopandas.GeoSeries
    scores: FloatArray
    every_score: FloatArray


def similar_places_report(
    job: FindSimilar,
    cell: float,
    origins: Sequence[EncoderOrigin],
    examples: SeenMarks,
    unlike: SeenMarks,
    found: FoundPlaces,
    notes: Sequence[str],
) -> str:
    """Return the report of a search, as HTML.

    Args:
        cell: Side of a cell in metres.
        origins: Origins of the encoders.
        examples, unlike: Places that were looked for, and places that were not meant.
    """
    first = found.places[0].source
    sources = list({id(place.source): place.source for place in found.places}.values())
    tiles = [
        ("places found", f"{len(found.places):,}"),
        ("cells compared", f"{len(found.every_score):,}"),
        ("score of the first place", f"{found.scores[0]:.2f}"),
        ("score of the last place", f"{found.scores[-1]:.2f}"),
    ]
    sections = [
        Section("What was looked for", rows=_asked(job, cell, examples, unlike)),
        Section("Examples", _few(examples), _pictures(examples)),
        *([Section("Not this", _few(unlike), _pictures(unlike))] if unlike.places else []),
        Section(
            "The places that look most alike",
            f"{bands_shown(first.bands)} Above each picture stand the rank of the place and its score. All places are in "
            "the layer.",
            draw_places(found.places, [f"{rank}: {score:.2f}" for rank, score in enumerate(found.scores.tolist(), 1)]),
            header=("Rank", "Score", "Raster", "Middle, x", "Middle, y"),
            rows=_rows(found),
        ),
        Section("Where they lie", "The squares are the places found.", draw_on_rasters(found.places)),
        Section(
            "The scores of all cells",
            "A score is 1 for what looks just like the examples, and falls as places look less like them. It tells "
            "the order of places in this search, and is no probability. Where the places found are a hill of their "
            "own, the search has found a kind of place; where they are the end of a slope, look closely at the last "
            "ones.",
            histogram_figure(found.every_score, found.scores, ("All cells", "Places found")),
        ),
        encoders_section(origins),
        *next_steps(
            "Look at the places in their order, and see from which rank on they are wrong.",
            "Copy wrong ones to a layer of their own and run it again with it as 'Not this'.",
            "Add right ones to the examples, or give them a class and take them as labels for 'Classify areas'.",
        ),
    ]
    summary = f"The places of {names_of(sources)} that look most like the examples."
    return page("FALSE similar places", summary, tiles, notes, sections, ground_facts(first))


def _asked(job: FindSimilar, cell: float, examples: SeenMarks, unlike: SeenMarks) -> list[list[str]]:
    unlike_in_words = f"{len(unlike.places)} of {without_secrets(job.unlike)}" if job.unlike else "-"
    return [
        ["Examples", f"{len(examples.places)} of {without_secrets(job.examples)}"],
        ["Not this", unlike_in_words],
        ["Number of places", f"{job.count:,}"],
        ["Side of a cell", f"{cell:g} m"],
        ["Search only this part", job.extent or "everywhere"],
    ]


def _few(marks: SeenMarks) -> str:
    shown = min(len(marks.places), PICTURES_IN_A_ROW)
    return f"{shown} of {len(marks.places)} are shown." if shown < len(marks.places) else ""


def _pictures(marks: SeenMarks) -> str:
    shown = marks.places[:PICTURES_IN_A_ROW]
    return draw_places(shown, [str(number) for number in range(1, len(shown) + 1)])


def _rows(found: FoundPlaces) -> list[list[str]]:
    """Return a row for each of the first places."""
    middles = shapely.get_coordinates(shapely.centroid(found.squares.to_numpy()[:MOST_PLACES_LISTED]))
    return [
        [str(rank), f"{score:.3f}", place.source.name, f"{x:.8g}", f"{y:.8g}"]
        for rank, (place, score, (x, y)) in enumerate(zip(found.places, found.scores.tolist(), middles.tolist()), 1)
    ]
