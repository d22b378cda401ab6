"""The bands that are learned from, and what is normal in them, alike in all processes."""

from __future__ import annotations

from collections.abc import Sequence

from false_core.distributed import World
from false_core.feedback import Feedback
from false_core.raster.source import RasterSource, Window
from false_core.raster.statistics import Normalisation, measure, measure_filled_bands, without_empty_bands


def measured_bands(
    sources: Sequence[RasterSource], areas: Sequence[Window], named: bool, feedback: Feedback, world: World
) -> tuple[list[RasterSource], Normalisation]:
    """Measure rasters; leave out the bands that are nodata everywhere, unless bands were asked for by number.

    Args:
        sources: The rasters, with the same bands.
        areas: What is learned from of each.
        named: Whether bands were asked for by number.
        feedback: Told which bands are left out.
        world: The processes that learn together.

    Raises:
        InputError: There is no valid pixel, or none in a band that was asked for.
    """

    def first() -> tuple[list[int], dict[str, list[float]]]:
        if named:
            return list(range(len(sources[0].bands))), measure(sources, areas, feedback).to_dict()
        filled, normalisation = measure_filled_bands(sources, areas, feedback)
        return filled, normalisation.to_dict()

    filled, statistics = world.broadcast_object(first)
    return without_empty_bands(sources, filled, feedback), Normalisation.from_dict(statistics)
