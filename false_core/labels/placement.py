"""The placement of labels on a raster: brought to its CRS, and to the pixels of its working grid."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import geopandas
import numpy as np
import numpy.typing as npt
import pyproj
import pyproj.exceptions
import pyproj.network
import shapely
from pyproj.transformer import AreaOfInterest, TransformerGroup

from false_core.errors import InputError
from false_core.feedback import Feedback
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
    theirs, ours = _horizontal(crs), _horizontal(pyproj.CRS.from_wkt(source.crs.to_wkt()))
    # What a register knows of a CRS counts more than the one way to WGS 84 that a program attached to it, as in QGIS.
    theirs, ours = _as_registered(theirs), _as_registered(ours)
    same = theirs if theirs.is_bound and ours.is_bound else _unbound(theirs)
    if same.equals(ours if same is theirs else _unbound(ours), ignore_axis_order=True):
        return geometries
    operation = _best_operation(theirs, ours, source)
    off = operation.warning(source.ground_sample_distance, describe_crs(crs), describe_crs(source.crs))
    if off:
        feedback.warn(off)

    def transformed(xy: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.column_stack(operation.transformer.transform(xy[:, 0], xy[:, 1]))

    moved_there: npt.NDArray[np.object_] = shapely.transform(geometries, transformed)
    return moved_there


def _horizontal(crs: pyproj.CRS) -> pyproj.CRS:
    """Return a CRS without heights."""
    while crs.is_compound:
        crs = crs.sub_crs_list[0]
    return crs if crs.is_bound else crs.to_2d()


def _as_registered(crs: pyproj.CRS) -> pyproj.CRS:
    """Return a CRS as the register has it, where it does.

    The library that reads rasters brings a register of its own, in which the same CRS may hang on another datum.
    """
    named = _unbound(crs)
    own = named.to_json_dict().get("id")
    code = (str(own["authority"]), str(own["code"])) if own else named.to_authority()
    try:
        return crs if code is None else _horizontal(pyproj.CRS.from_authority(*code))
    except pyproj.exceptions.CRSError:
        return crs  # A newer one than this register knows.


def _unbound(crs: pyproj.CRS) -> pyproj.CRS:
    """Return a CRS without a way to WGS 84 that is attached to it (``TOWGS84``)."""
    return crs.source_crs.to_2d() if crs.is_bound and crs.source_crs is not None else crs


@dataclass(frozen=True)
class _Operation:
    """The operation that brings coordinates from one CRS to another.

    Attributes:
        accuracy: Distance in metres by which a point may be off; None where nobody knows.
        is_guess: True where it passes over that the two count from different datums.
        missing: A grid file without which a better operation cannot be used; empty where there is none.
    """

    transformer: pyproj.Transformer
    accuracy: float | None
    is_guess: bool
    missing: str

    def warning(self, pixel: float | None, theirs: str, ours: str) -> str:
        """Return a sentence where labels are expected to be off by more than half a ``pixel``, in metres, or nothing."""
        wanted = f" A better way needs the grid file {self.missing}, which is not installed." if self.missing else ""
        if self.is_guess:
            return (
                f"It is not known how {theirs}, the CRS of the labels, lies to {ours}, that of the raster: the labels may "
                f"be off, by up to some 100 m.{wanted} Check where they lie, and save them in the CRS of the raster."
            )
        if self.accuracy is None or pixel is None or self.accuracy <= pixel / 2:
            return ""
        return (
            f"The labels are brought from {theirs} to {ours}, which is right within about {self.accuracy:g} m; a pixel is "
            f"{pixel:.2g} m.{wanted} Check that they lie where they should. Where QGIS knows a better way, save them there "
            "in the CRS of the raster."
        )


def _best_operation(theirs: pyproj.CRS, ours: pyproj.CRS, source: RasterSource) -> _Operation:
    """Return the most accurate way between two CRSs over the raster, for all labels alike, with what is on this machine."""
    pyproj.network.set_network_enabled(active=False)  # type: ignore[attr-defined]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # That a grid file is missing is said below, where it matters.
        group = TransformerGroup(theirs, ours, always_xy=True, area_of_interest=_area(ours, source))
    if not group.transformers:
        raise pyproj.exceptions.ProjError("there is no way from the one to the other")
    best = group.transformers[0]
    accuracy = best.accuracy if best.accuracy is not None and best.accuracy >= 0 else None
    missing = ""
    for better in group.unavailable_operations:
        if better.accuracy >= 0 and (accuracy is None or better.accuracy < accuracy):
            missing = next((grid.short_name for grid in better.grids if not grid.available), "")
            break
    return _Operation(best, accuracy, "ballpark" in best.description.lower(), missing)


def _area(crs: pyproj.CRS, source: RasterSource) -> AreaOfInterest | None:
    """Return where a raster lies, in degrees; None where that cannot be told."""
    try:
        to_degrees = pyproj.Transformer.from_crs(crs, "OGC:CRS84", always_xy=True)
        left, right, bottom, top = source.bounds
        degrees: Any = to_degrees.transform_bounds(left, bottom, right, top)
    except pyproj.exceptions.ProjError:
        return None
    west, south, east, north = degrees
    if not all(map(math.isfinite, degrees)) or not (-90 <= south <= north <= 90):
        return None
    if east - west >= 360:
        return AreaOfInterest(-180, south, 180, north)
    # An area across the date line begins in the east and ends in the west.
    west, east = ((longitude + 180) % 360 - 180 if abs(longitude) > 180 else longitude for longitude in (west, east))
    return AreaOfInterest(west, south, east, north)
