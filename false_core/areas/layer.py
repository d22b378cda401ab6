"""The areas: polygons of a layer with their own fields, or the cells of a grid, in working pixels of a raster."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import geopandas
import numpy as np
import numpy.typing as npt
import shapely

from false_core import jobs
from false_core.areas.cell_grid import CellGrid, check_number_of_cells, side_in_words
from false_core.errors import InputError
from false_core.feedback import Feedback
from false_core.labels.label_file import read_layer
from false_core.labels.placement import to_pixels
from false_core.raster.grid import moved
from false_core.raster.in_words import describe_crs, describe_extent
from false_core.raster.source import RasterSource


@dataclass(frozen=True)
class AreaLayer:
    """Areas of a raster.

    Attributes:
        table: The areas with their own fields, in the CRS of their layer, or of the raster where that has none.
        shapes: The same in working pixels, repaired, of shape (n,).
        beyond: Areas outside the extent, in working pixels, of shape (m,). Labels on them teach, but they get no class.
    """

    table: geopandas.GeoDataFrame
    shapes: npt.NDArray[np.object_]
    beyond: npt.NDArray[np.object_] = field(default_factory=lambda: np.empty(0, object))


def read_areas(path: str, part: str | None, source: RasterSource, feedback: Feedback) -> AreaLayer:
    """Read the polygons of a layer.

    Args:
        part: Extent, beyond which areas get no class. None: all do, also those beside the raster.

    Raises:
        InputError: The layer cannot be read, holds no polygon, or none lies over the raster or its part.
    """
    table = _polygons_of(read_layer(path, feedback), path, feedback)
    if table.crs is None and source.crs is not None:
        feedback.warn(
            f"{path} has no CRS. Its areas, and those with a class, are taken to be in that of the raster, "
            f"{describe_crs(source.crs)}."
        )
        table = table.set_crs(source.crs.to_wkt())
    shapes, extent = to_pixels(table, source, feedback)
    shapes = repaired(shapes)
    frame = shapely.box(0, 0, source.width, source.height)
    if not shapely.intersects(shapes, frame).any():
        raise InputError(
            f"No area lies over the raster. The areas cover {describe_extent(extent)} [{describe_crs(table.crs)}], "
            f"the raster {describe_extent(source.bounds)} [{describe_crs(source.crs)}].",
            "Extents are xmin, xmax, ymin, ymax. Check that both layers have the right CRS and lie on top of each other.",
        )
    if part is None:
        return AreaLayer(table, shapes)
    window = source.window_of(jobs.parse_extent(part))
    left, top = window.column, window.row
    box = shapely.box(left, top, left + window.width, top + window.height)
    inside = shapely.intersects(shapes, box) & ~shapely.touches(shapes, box)
    if not inside.any():
        raise InputError(f"No area of {path} lies within the extent {part}.", "Choose another extent, or none.")
    if not inside.all():
        feedback.info(f"{int((~inside).sum()):,} of {len(inside):,} areas lie outside the extent, and get no class.")
    return AreaLayer(table[inside].reset_index(drop=True), shapes[inside], shapes[~inside])


def _polygons_of(table: geopandas.GeoDataFrame, path: str, feedback: Feedback) -> geopandas.GeoDataFrame:
    """Return the rows that hold polygons, and of collections these alone: many formats keep polygons with nothing else."""
    shapes = table.geometry.to_numpy()
    is_area = shapely.get_dimensions(shapes) == 2
    if not is_area.any():
        raise InputError(f"{path} holds no polygon.", "Areas are polygons; or let cells be made.")
    if not is_area.all():
        feedback.warn(f"{int((~is_area).sum())} of {len(table)} shapes of {path} are no polygons. They are left out.")
    mixed = shapely.get_type_id(shapes) == shapely.GeometryType.GEOMETRYCOLLECTION
    shapes[is_area & mixed] = [_areal_parts(shape) for shape in shapes[is_area & mixed]]
    return table.set_geometry(geopandas.GeoSeries(shapes, table.index, table.crs))[is_area].reset_index(drop=True)


def make_cells(side: float, extent: str | None, source: RasterSource) -> AreaLayer:
    """Return the squares of a grid over a raster, row by row from its upper left corner.

    Args:
        side: Side of a cell in metres of ground, or in the raster's own units where metres cannot be known.
        extent: Extent that is covered: every cell of the grid that meets it. None: the whole raster.

    Raises:
        InputError: There would be too many, or a cell would be far larger than the raster.
    """
    pixels = side / source.metres_or_units
    window = source.window_of(jobs.parse_extent(extent) if extent else None)
    longest = max(window.width, window.height)
    if pixels > 2 * longest:
        raise InputError(
            f"A cell of {side_in_words(side, source)} is far larger than {source.name}, of which "
            f"{side_in_words(longest * source.metres_or_units, source)} are used.",
            "Choose smaller cells.",
        )
    grid = CellGrid.over(pixels, window)
    check_number_of_cells(grid.count, side, source)
    shapes = grid.cells(np.arange(grid.count))
    squares = shapely.transform(shapes, lambda xy: moved(source.transform, xy))
    fields = {"cell": np.arange(1, len(shapes) + 1)}
    crs = source.crs.to_wkt() if source.crs else None
    return AreaLayer(geopandas.GeoDataFrame(fields, geometry=squares, crs=crs), shapes)


def repaired(shapes: npt.NDArray[np.object_]) -> npt.NDArray[np.object_]:
    """Return shapes in which nothing crosses itself, and only of what they were: polygons stay polygons."""
    broken = np.flatnonzero(~shapely.is_valid(shapes))
    if not len(broken):
        return shapes
    mended = shapes.copy()
    mended[broken] = [_areal_parts(shape) for shape in shapely.make_valid(shapes[broken])]
    return mended


def _areal_parts(shape: Any) -> Any:
    parts = shapely.get_parts(shapely.get_parts(shape))
    return shapely.union_all(parts[shapely.get_dimensions(parts) == 2])
