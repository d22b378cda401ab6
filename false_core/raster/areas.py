"""How large things are on the ground: pixels and polygons, and the unit in which it is told."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from false_core.raster.ground import (
    ellipsoid_of,
    is_true_to_scale,
    latitude_lines,
    square_metres_per_unit,
)
from false_core.raster.source import RasterSource, moved

DoubleArray = npt.NDArray[np.float64]
PIXELS, HECTARES, SQUARE_METRES, SQUARE_UNITS = "pixels", "ha", "m²", "square map units"


@dataclass(frozen=True)
class AreaUnit:
    """A pixel of a raster's file is ``per_pixel`` of ``name``."""

    name: str
    per_pixel: float


def unit_of_map(source: RasterSource) -> AreaUnit:
    """Return how to tell the areas of classes on a map: in hectares where its pixels are all of one size on the ground."""
    square = source.pixel_size**2
    if source.crs is None:
        return AreaUnit(SQUARE_UNITS, square) if source.georeferenced else AreaUnit(PIXELS, 1.0)
    if is_measured_on_ground(source):
        return AreaUnit(PIXELS, 1.0)
    if source.crs.is_projected:
        return AreaUnit(HECTARES, square * float(source.crs.linear_units_factor[1]) ** 2 / 10_000)
    return AreaUnit(SQUARE_UNITS, square)


def is_measured_on_ground(source: RasterSource) -> bool:
    """Return whether areas on a map are measured on the ellipsoid: in degrees and the like, and where a projected map is not
    true to scale in its middle and its corners. Elsewhere the map is taken for flat."""
    if source.crs is None:
        return False
    if source.crs.is_geographic:
        return True
    corners = np.array([(x, y) for x in (0, source.native_width) for y in (0, source.native_height)], np.float64)
    places = moved(source.native_transform, np.vstack([corners, corners.mean(axis=0)]))
    return bool(source.crs.is_projected) and not is_true_to_scale(places, source.crs)


def unit_of_areas(source: RasterSource) -> str:
    """Return the unit of ``areas`` and ``pixel_areas``."""
    return SQUARE_METRES if is_measured_on_ground(source) else SQUARE_UNITS


def unit_in_words(source: RasterSource) -> str:
    """Return the unit of ``areas`` and ``pixel_areas`` with what it is, for the end of a sentence."""
    if is_measured_on_ground(source):
        return f"{SQUARE_METRES}, measured on the ground"
    if source.crs is None:
        return f"{SQUARE_UNITS}, as the map has no CRS: how large they are is not known"
    unit, metres = source.crs.linear_units_factor
    return SQUARE_METRES if metres == 1 else f"{SQUARE_UNITS} ({unit}, {metres:.6g} m, squared)"


def pixel_areas(source: RasterSource, rows: npt.NDArray[np.int64]) -> DoubleArray:
    """Return the area of a pixel of the file in each of ``rows``, measured on the ground in the middle column."""
    area = abs(source.native_transform.determinant)
    if source.crs is None or not is_measured_on_ground(source):
        return np.full(len(rows), area)
    middles = np.column_stack([np.full(len(rows), source.native_width / 2), rows + 0.5])
    ground = square_metres_per_unit(moved(source.native_transform, middles), source.crs)
    flat = 1.0 if source.crs.is_geographic else float(source.crs.linear_units_factor[1]) ** 2
    return np.asarray(area * np.where(np.isfinite(ground), ground, flat), np.float64)


def areas(geometries: npt.NDArray[np.object_], source: RasterSource) -> DoubleArray:
    """Return the areas of ``geometries`` in the CRS of a raster: in square map units, or in m² measured on the ground."""
    crs = source.crs
    if crs is None or not is_measured_on_ground(source):
        return np.asarray(shapely.area(geometries), np.float64)
    if crs.is_geographic:
        radians = float(crs.units_factor[1])
        a, e2 = ellipsoid_of(crs)
        return np.asarray(
            shapely.area(shapely.transform(geometries, lambda xy: _equal_area(xy * radians, a, e2))), np.float64
        )
    coordinates = shapely.get_coordinates(geometries)
    lines = latitude_lines(coordinates, crs)
    if lines is not None:
        a, e2 = ellipsoid_of(crs)
        latitude, per_unit = lines
        equal = _equal_area(np.column_stack([coordinates[:, 0] * per_unit, latitude]), a, e2)
        return np.asarray(shapely.area(shapely.set_coordinates(geometries.copy(), equal)), np.float64)
    # The scale hardly changes within a polygon: that of its middle counts.
    ground = square_metres_per_unit(shapely.get_coordinates(shapely.centroid(geometries)), crs)
    flat = float(crs.linear_units_factor[1]) ** 2
    return np.asarray(shapely.area(geometries) * np.where(np.isfinite(ground), ground, flat), np.float64)


def _equal_area(lonlat: DoubleArray, a: float, e2: float) -> DoubleArray:
    """Return cylindrical equal-area coordinates of radians (n, 2): Snyder (1987), Eqs. 3-12, 10-14 and 10-15.

    Meridians and parallels stay straight, so the edges of pixels do too.
    """
    sine = np.sin(lonlat[:, 1].clip(-np.pi / 2, np.pi / 2))
    e = np.sqrt(e2)
    q = 2 * sine if e == 0 else (1 - e2) * (sine / (1 - e2 * sine**2) + np.arctanh(e * sine) / e)
    return np.column_stack([a * lonlat[:, 0], a * q / 2])
