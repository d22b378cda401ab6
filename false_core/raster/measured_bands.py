"""The bands that are learned from, and what is normal in them, alike in all processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from false_core.computing.distributed import World
from false_core.feedback import Feedback
from false_core.raster.source import RasterSource, Window
from false_core.raster.statistics import MeasuredBands, Normalisation, measure_filled_bands, number_ranges

EMPTY, BAD, CONSTANT = "nodata everywhere", "marked as bad in the header", "of one value nearly everywhere"
"""Reasons why bands are left out."""


Measure = Callable[[Sequence[RasterSource], Sequence[Window], Feedback], MeasuredBands]


def measured_bands(
    sources: Sequence[RasterSource],
    areas: Sequence[Window],
    named: bool,
    feedback: Feedback,
    world: World,
    measure: Measure = measure_filled_bands,
) -> tuple[list[RasterSource], Normalisation]:
    """Measure rasters; leave out the bands that say nothing, unless bands were asked for by number.

    Bands say nothing that are nodata everywhere, that hold one value, or that the header of a raster marks as bad.

    Args:
        sources: The rasters, with the same bands.
        areas: Windows of each raster that are learned from.
        named: True where bands were asked for by number.
        feedback: It is told which bands are left out.
        world: The processes that learn together.
        measure: The function that measures the bands.

    Raises:
        InputError: There is no valid pixel, or none in a band that was asked for.
    """

    def first() -> tuple[dict[str, list[int]], dict[str, list[float]]]:
        measured = measure(sources, areas, feedback)
        if named:
            return {}, measured.of_every_band(sources[0]).to_dict()
        left_out = {EMPTY: [place for place in range(len(sources[0].bands)) if place not in measured.filled]}
        kept = list(measured.filled)
        bad = {place for source in sources for place, band in enumerate(source.bands) if band in source.bad_bands}
        for why, places in ((BAD, bad), (CONSTANT, set(measured.constant))):
            others = [place for place in kept if place not in places]
            if others:  # Something has to stay.
                left_out[why] = [place for place in kept if place in places]
                kept = others
        return left_out, measured.only(kept).to_dict()

    left_out, statistics = world.broadcast_object(first)
    return _without(sources, left_out, feedback), Normalisation.from_dict(statistics)


def _without(sources: Sequence[RasterSource], left_out: dict[str, list[int]], feedback: Feedback) -> list[RasterSource]:
    """Return the sources without bands, given by their places and why they are left out, and name these in one warning."""
    first = sources[0]
    gone = {place for places in left_out.values() for place in places}
    if not gone:
        return list(sources)
    parts = []
    for why, places in left_out.items():
        if places:
            what = "band {} is" if len(places) == 1 else "bands {} are"
            parts.append(f"{what.format(number_ranges([first.bands[place] for place in places]))} {why}")
    feedback.warn(f"{first.name}: {', '.join(parts)} and left out.")
    kept = [place for place in range(len(first.bands)) if place not in gone]
    return [source.with_bands([source.bands[place] for place in kept]) for source in sources]
