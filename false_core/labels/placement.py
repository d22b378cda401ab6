"""The placement of labels on a raster: brought to its CRS, and to the pixels of its working grid."""

from __future__ import annotations

from collections.abc import Sequence

import geopandas
import numpy as np
import numpy.typing as npt
import pyproj
import pyproj.exceptions
import shapely
from rasterio.crs import CRS

from false_core.errors import InputError
from false_core.feedback import Feedback
from false_core.raster.coordinate_operation import operation_between, operation_to_grid
from false_core.raster.grid import moved
from false_core.raster.ground import turns_to
from false_core.raster.in_words import describe_crs
from false_core.raster.source import RasterSource


def to_pixels(
    table: geopandas.GeoDataFrame, source: RasterSource, feedback: Feedback
) -> tuple[npt.NDArray[np.object_], tuple[float, float, float, float]]:
    """Return the geometries in pixel coordinates, and their extent (xmin, xmax, ymin, ymax) in their own CRS."""
    geometries = _with_numbers(shapely.force_2d(table.geometry.to_numpy()), feedback)
    xmin, ymin, xmax, ymax = (float(v) for v in shapely.total_bounds(geometries))
    if table.crs is None and source.crs is not None:
        feedback.warn(f"The labels have no CRS; they are taken to be in that of the raster, {describe_crs(source.crs)}.")
    elif table.crs is not None and source.crs is None:
        feedback.warn("The raster has no CRS; the labels are taken to be in its coordinates as they are.")
    elif table.crs is not None and source.crs is not None:
        try:
            geometries = _in_crs_of(source, geometries, table.crs, feedback)
        except pyproj.exceptions.ProjError as error:
            raise InputError(
                f"The labels [{describe_crs(table.crs)}] cannot be brought to the CRS of the raster, "
                f"{describe_crs(source.crs)}: {error}.",
                "Save them in that CRS, or set the right CRS where one of the two is wrong.",
            ) from error
    geometries = _in_longitudes_of(source, geometries)
    # Coordinates that cannot be reprojected come back infinite; such shapes lie nowhere near the raster.
    finite = _all_finite(geometries)
    on_grid = np.full(len(geometries), shapely.Point(), dtype=object)
    on_grid[finite] = shapely.transform(geometries[finite], lambda xy: moved(~source.transform, xy))
    return on_grid, (xmin, xmax, ymin, ymax)


def on_common_map(
    shapes: npt.NDArray[np.object_], rasters: npt.NDArray[np.int64], sources: Sequence[RasterSource], feedback: Feedback
) -> geopandas.GeoSeries:
    """Return shapes in the pixels of working grids as they lie on the map, in the CRS of the first raster that has one.

    Args:
        rasters: Number of the raster of each among ``sources``, of shape (n,).
    """
    first = next((source for source in sources if source.crs), sources[0])
    told: set[CRS | None] = set()
    placed = np.empty(len(shapes), object)
    for number in np.unique(rasters).tolist():
        source, mine = sources[number], rasters == number
        placed[mine] = shapely.transform(shapes[mine], lambda xy, grid=source.transform: moved(grid, xy))
        if source.crs != first.crs and source.crs:
            way = operation_to_grid(source, first, Feedback() if source.crs in told else feedback)
            placed[mine] = way.shapes_there(placed[mine])
            told.add(source.crs)
    return geopandas.GeoSeries(placed, crs=first.crs.to_wkt() if first.crs else None)


def _in_longitudes_of(source: RasterSource, geometries: npt.NDArray[np.object_]) -> npt.NDArray[np.object_]:
    """Return geometries in the CRS of a raster, those beside it a full turn further where they lie on it so.

    Longitudes are counted from -180 to 180 degrees or from 0 to 360, and labels and raster may differ in that.
    """
    left, right = source.bounds[:2]
    # Part by part: what lies on both sides of the line where they start anew is kept as several, as GeoJSON wants it.
    parts = shapely.get_parts(geometries)
    bounds = shapely.bounds(parts)
    with np.errstate(invalid="ignore"):
        beside = (bounds[:, 2] < left) | (bounds[:, 0] > right)
        turns = turns_to(source.crs, (left + right) / 2, bounds[:, 0] / 2 + bounds[:, 2] / 2)
    turns = np.where(beside & np.isfinite(turns), turns, 0)
    if not turns.any():
        return geometries
    coordinates = shapely.get_coordinates(geometries)
    coordinates[:, 0] += np.repeat(turns, shapely.get_num_coordinates(parts))
    further: npt.NDArray[np.object_] = shapely.set_coordinates(geometries.copy(), coordinates)
    return further


def _with_numbers(geometries: npt.NDArray[np.object_], feedback: Feedback) -> npt.NDArray[np.object_]:
    """Return the geometries, and nothing in place of those with corners that are no numbers, as some programs write them."""
    broken = ~_all_finite(geometries) & ~shapely.is_empty(geometries)
    if not broken.any():
        return geometries
    feedback.warn(f"{int(broken.sum())} label shapes have corners that are no numbers. They are left out.")
    return np.where(broken, shapely.Point(), geometries)


def _all_finite(geometries: npt.NDArray[np.object_]) -> npt.NDArray[np.bool_]:
    """Return whether every coordinate of each geometry is a number. One without coordinates has none that is not."""
    coordinates, owners = shapely.get_coordinates(geometries, return_index=True)
    finite = np.ones(len(geometries), bool)
    finite[owners[~np.isfinite(coordinates).all(axis=1)]] = False
    return finite


def _in_crs_of(
    source: RasterSource, geometries: npt.NDArray[np.object_], crs: pyproj.CRS, feedback: Feedback
) -> npt.NDArray[np.object_]:
    assert source.crs is not None
    operation = operation_between(crs, source.crs, source)
    theirs, ours, pixel = describe_crs(crs), describe_crs(source.crs), source.ground_sample_distance
    if operation.is_guess:
        feedback.warn(
            f"It is not known how {theirs}, the CRS of the labels, lies to {ours}, that of the raster: the labels may "
            f"be off, by up to some 100 m.{operation.wanted} Check where they lie, and save them in the CRS of the raster."
        )
    elif operation.is_doubtful(pixel):
        feedback.warn(
            f"The labels are brought from {theirs} to {ours}, which is right within about {operation.accuracy:g} m; a pixel "
            f"is {pixel:.2g} m.{operation.wanted} Check that they lie where they should. Where QGIS knows a better way, "
            "save them there in the CRS of the raster."
        )
    return operation.shapes_there(geometries)
