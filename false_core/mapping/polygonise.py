"""From a map to polygons: one for each region of a class, without gaps and overlaps, however large the map.

The map is read twice, in blocks. The first time its regions are found and the small ones dissolved (``regions``), the second
time the lines between them are traced (``borders``). Polygons are then put together and written some at a time. What is
kept between the two is some hundred bytes for each polygon and one byte for each pixel edge on a border: memory grows with
the number of polygons and the length of their borders, not with the raster.

No library does this: ``shapely.coverage_simplify`` holds all polygons in memory and bounds no distance (measured: up to two
pixels at a tolerance of one), and ``rasterio.features.sieve`` counts pixels, not areas.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import shapely

from false_core.errors import InputError
from false_core.feedback import Feedback
from false_core.jobs import Polygonise
from false_core.mapping.borders import BorderGraph, ragged, trace
from false_core.mapping.regions import Regions, find_regions
from false_core.mapping.smoothing import paths
from false_core.raster.areas import GroundAreas, unit_in_words, unit_of_areas
from false_core.raster.class_map import ClassMap
from false_core.raster.source import RasterSource
from false_core.vector.polygon_file import polygon_file

BLOCK_PX = 1024
"""Side of a block in pixels."""
EDGES_AT_ONCE = 1_000_000
"""Pixel edges of the polygons that are put together at a time."""
MANY_POLYGONS = 1_000_000
"""Polygons from which on it is worth saying how to get fewer."""


def polygonise(job: Polygonise, feedback: Feedback) -> dict[str, Any]:
    """Run a ``Polygonise`` job: write the polygons. Return its results by name."""
    land_cover = ClassMap(job.map)
    source = land_cover.source
    areas = GroundAreas(source)
    with feedback.stage("Finding regions", 0.3):
        regions = find_regions(land_cover, areas, BLOCK_PX, job.minimum_area, feedback)
        if not len(regions):
            raise InputError(f"There is no valid pixel in {source.name}.", "Everything is nodata; check the nodata value.")
        if len(regions) > MANY_POLYGONS:
            feedback.warn(f"{source.name} has {len(regions):,} regions. A minimum area would make fewer polygons of them.")
    with feedback.stage("Tracing borders", 0.3):
        network = trace(land_cover, regions, feedback)
    with feedback.stage("Writing polygons", 0.4):
        classes = [land_cover.class_of(code) for code in np.unique(regions.codes).tolist()]
        with polygon_file(job.output, source.path, source.crs, classes) as file:
            for some, polygons in polygons_of_regions(network, regions, source, job.smoothing, feedback):
                file.write(regions.codes[some], polygons, areas.of_polygons(polygons))
    feedback.info(f"Areas are in {unit_in_words(source)}.")
    if job.minimum_area:
        feedback.info(f"{regions.dissolved:,} regions below {job.minimum_area:g} {unit_of_areas(source)} were dissolved.")
    return {"polygons": len(regions), "dissolved": regions.dissolved}


def polygons_of_regions(
    network: BorderGraph, regions: Regions, source: RasterSource, smoothing: float, feedback: Feedback
) -> Iterator[tuple[slice, Any]]:
    """Yield some regions and their polygons in map coordinates, in the order of the regions, until all are done."""
    lengths = np.add.reduceat(network.lines.length[network.segment], network.segment_starts[:-1])
    edges = np.add.reduceat(lengths[network.half // 2], network.ring_starts[:-1])
    done = np.cumsum(np.add.reduceat(edges, network.polygon_starts[:-1]))
    start = 0
    while start < len(regions):
        feedback.advance(int(done[start]), int(done[-1]), "pixel edges")
        before = done[start - 1] if start else 0
        end = max(start + 1, int(np.searchsorted(done, before + EDGES_AT_ONCE, side="right")))
        yield slice(start, end), _assembled(network, start, end, source, smoothing)
        start = end


def _assembled(network: BorderGraph, start: int, end: int, source: RasterSource, smoothing: float) -> Any:
    """Return the polygons of the regions from ``start`` to ``end``."""
    rings = network.ring_starts[network.polygon_starts[start] : network.polygon_starts[end] + 1]
    half = network.half[rings[0] : rings[-1]]
    lines, place = np.unique(half // 2, return_inverse=True)
    made = paths(network, lines, smoothing)
    # Each line without its last point, which is the first of the next one; followed backwards, from its end on.
    sizes = np.diff(made.starts)[place] - 1
    backwards = np.repeat(half % 2, sizes)
    step = ragged(np.zeros(len(half), np.int64), sizes)
    first, last = np.repeat(made.starts[place], sizes), np.repeat(made.starts[place + 1] - 1, sizes)
    points = made.points[np.where(backwards, last - step, first + step)]
    ring_sizes = np.add.reduceat(sizes, rings[:-1] - rings[0])
    ring_ends = np.cumsum(ring_sizes)
    # A ring ends where it began.
    points = np.insert(points, ring_ends, points[ring_ends - ring_sizes], axis=0)
    a, b, c, d, e, f = source.source_transform[:6]
    x, y = points[:, 0], points[:, 1]
    on_map = np.column_stack([a * x + b * y + c, d * x + e * y + f])
    ring_offsets = np.r_[0, ring_ends + np.arange(1, len(ring_ends) + 1)]
    polygon_offsets = network.polygon_starts[start : end + 1] - network.polygon_starts[start]
    return shapely.from_ragged_array(shapely.GeometryType.POLYGON, on_map, (ring_offsets, polygon_offsets))
