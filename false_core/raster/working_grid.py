"""The pixel size to work at: the raster's own, or coarser where that is asked for or a laptop could not cope."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from contextlib import closing

from false_core.computing.threads import prefetch
from false_core.errors import InputError
from false_core.feedback import Feedback
from false_core.jobs import parse_extent
from false_core.raster.in_words import length_in_words
from false_core.raster.same_bands import BandReference, Remarks, ordered_as, with_bands_of
from false_core.raster.source import RasterSource, Window

COARSEST_BY_ITSELF_M = 2.0
LARGEST_FACTOR_BY_ITSELF = 4
"""Without being asked, rasters are coarsened at most this much and never beyond 2 m: houses and roads must stay visible."""
LARGEST_FACTOR = 32
"""The largest factor at any request. Each tile of a map is held at the pixels of the file."""
MOST_MESSAGES = 5
"""The number of rasters of many that are reported one by one."""
MOST_MISSES_TOLD = 5
"""The most rasters that a warning names one by one because the extent does not meet them."""
OPENERS = 8
"""Threads that open rasters: to open a remote one is to wait for a server."""


def open_all(
    paths: Sequence[str], bands: Sequence[int], feedback: Feedback | None = None, weights: BandReference | None = None
) -> list[RasterSource]:
    """Open rasters that are to be used together, each with the bands of the first one, in its scale and offset.

    Args:
        bands: The numbers of the bands, where they were asked for by number.
        weights: The bands that weights to start from were made on. The first raster is read in their order.

    Raises:
        InputError: One cannot be opened, or they differ in the number of bands and do not say which are the same.
    """
    sources: list[RasterSource] = []
    remarks = Remarks()
    threads = min(OPENERS, len(paths))
    with closing(prefetch(lambda path: RasterSource(path, bands), paths, 4 * threads, threads)) as opened:
        for every in opened:
            if feedback:
                feedback.advance(len(sources), len(paths))
            remarks.warn_of_peculiarities(every)
            first = sources[0] if sources else every
            if sources:
                in_order = every.bands if len(every.bands) == len(first.bands) else None
                source = with_bands_of(BandReference.of(first), every, in_order, remarks, bool(bands))
            elif weights:
                in_order = every.bands if len(every.bands) == len(weights.bands) else None
                source = ordered_as(weights, every, in_order, remarks, bool(bands)) or every
            else:
                source = every
            if source is None:
                raise InputError(
                    f"{first.name} has {len(first.bands)} band(s), {every.name} has {len(every.bands)}.",
                    "Rasters used together need the same bands; name the common ones.",
                )
            sources.append(source)
    if feedback:
        remarks.tell(feedback)
    return sources


def factor_for(source: RasterSource, pixel_size: float | None, most_pixels: int, pixels: int) -> int:
    """Return how many pixels of the file make one working pixel, along each axis.

    Args:
        pixel_size: Wanted pixel size in CRS units, or None to choose.
        most_pixels: Number of pixels above which to coarsen; 0: never.
        pixels: Number of pixels of all rasters of the job together.
    """
    if pixel_size is not None:
        return int(min(LARGEST_FACTOR, max(1, round(pixel_size / source.pixel_size))))
    distance = source.ground_sample_distance
    if not most_pixels or pixels <= most_pixels or distance is None:
        return 1
    by_ground = int(COARSEST_BY_ITSELF_M / distance + 1e-6)
    return max(1, min(math.ceil(math.sqrt(pixels / most_pixels)), LARGEST_FACTOR_BY_ITSELF, by_ground))


def on_working_grid(
    sources: Sequence[RasterSource], pixel_size: float | None, most_pixels: int, feedback: Feedback
) -> list[RasterSource]:
    """Return ``sources`` on their working grids, and say so where these are coarser."""
    pixels = sum(source.source_width * source.source_height for source in sources)
    out = []
    said: Counter[str] = Counter()
    for source in sources:
        factor = factor_for(source, pixel_size, most_pixels, pixels)
        if factor > 1:
            finer, coarser = (length_in_words(source.pixel_size * n, source.crs) for n in (1, factor))
            saying = (
                f"working on pixels of {coarser} instead of {finer}, {factor * factor} times fewer. The working pixel size "
                "of pretraining changes that."
            )
            said[saying] += 1
            if said[saying] <= MOST_MESSAGES:
                feedback.info(f"{source.name}: {saying}")
        out.append(source.at_factor(factor) if factor > 1 else source)
    for saying, times in said.items():
        if times > MOST_MESSAGES:
            feedback.info(f"{times - MOST_MESSAGES:,} more rasters: {saying}")
    return out


def areas_within(
    sources: Sequence[RasterSource], extent: str | None, feedback: Feedback
) -> tuple[list[RasterSource], list[Window]]:
    """Return the rasters that ``extent`` overlaps, and where in them to look: everywhere, where there is none.

    Raises:
        InputError: It overlaps no raster.
    """
    wanted = parse_extent(extent) if extent else None
    used, areas, missed = [], [], []
    for source in sources:
        try:
            areas.append(source.window_of(wanted))
            used.append(source)
        except InputError as error:
            missed.append(error)
    if not used:
        raise missed[0]
    for miss in missed[:MOST_MISSES_TOLD]:
        feedback.warn(f"{miss} It is left out.")
    if missed[MOST_MISSES_TOLD:]:
        feedback.warn(f"{len(missed) - MOST_MISSES_TOLD:,} more rasters do not overlap the extent and are left out.")
    return used, areas


def at_resolution_of_model(
    source: RasterSource, pixel_size: float, ground_sample_distance: float | None, feedback: Feedback
) -> RasterSource:
    """Return ``source`` on the working grid that comes closest to the one a model was trained on.

    Args:
        pixel_size: The model's working pixel size, in CRS units of its own raster.
        ground_sample_distance: The same in metres, or None where it was unknown.
    """
    own = source.ground_sample_distance
    ratio = ground_sample_distance / own if ground_sample_distance and own else pixel_size / source.pixel_size
    factor = min(LARGEST_FACTOR, max(1, round(ratio)))
    mismatch = max(ratio / factor, factor / ratio)
    if mismatch > 1.25:
        compared = "smaller" if ratio > factor else "larger"
        feedback.warn(
            f"{source.name} has pixels {mismatch:.2g} times {compared} than what the model was trained on. "
            "Objects look larger or smaller to it than they are; expect a worse map."
        )
    return source.at_factor(factor) if factor > 1 else source
