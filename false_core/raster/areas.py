"""Areas on the ground: pixels and polygons, and the unit in which it is told."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from false_core.raster.grid import moved
from false_core.raster.ground import (
    TRUE_TO_SCALE,
    ellipsoid_of,
    is_true_to_scale,
    latitude_lines,
    ring_on_ground,
    square_metres_per_unit,
)
from false_core.raster.source import RasterSource, Window

DoubleArray = npt.NDArray[np.float64]
PIXELS, HECTARES, SQUARE_METRES, SQUARE_UNITS = "pixels", "ha", "m²", "square map units"
KNOTS = 257
"""Places along each axis of a map at which the ground is measured, and points along the sides of a large polygon."""
UNEVEN = 1e-3
"""The share by which the ground of a unit of the map may differ between the middle and the corners of a polygon, to be taken
for that of the middle all over."""
EVEN = 2 * TRUE_TO_SCALE
"""The share by which the largest pixel of a map may be larger on the ground than the smallest, so that one area stands for
all: as much as is not corrected in a national grid."""
_LOOKED_AT = 9
"""Places along each axis of a map that must be true to scale: where its corners show no ground, as of half the globe seen
from far away, its middle alone would speak for all."""


@dataclass(frozen=True)
class AreaUnit:
    """A pixel of a raster's file is ``per_pixel`` of ``name``."""

    name: str
    per_pixel: float


def unit_of_map(source: RasterSource) -> AreaUnit:
    """Return how to tell the areas of classes on a map: in hectares where its pixels are about one size on the ground."""
    square = source.pixel_size**2
    if source.crs is None:
        return AreaUnit(SQUARE_UNITS, square) if source.georeferenced else AreaUnit(PIXELS, 1.0)
    if is_measured_on_ground(source):
        ground = square_metres_per_unit(_places_over(source), source.crs)
        is_even = np.isfinite(ground).all() and np.ptp(ground) <= EVEN * ground.mean()
        return AreaUnit(HECTARES, square * float(ground.mean()) / 10_000) if is_even else AreaUnit(PIXELS, 1.0)
    if source.crs.is_projected:
        return AreaUnit(HECTARES, square * float(source.crs.linear_units_factor[1]) ** 2 / 10_000)
    return AreaUnit(SQUARE_UNITS, square)


def is_measured_on_ground(source: RasterSource) -> bool:
    """Return whether areas on a map are measured on the ellipsoid: in degrees and the like, and where a projected map is not
    true to scale in places all over it. Elsewhere the map is taken for flat."""
    if source.crs is None:
        return False
    if source.crs.is_geographic:
        return True
    return bool(source.crs.is_projected) and not is_true_to_scale(_places_over(source), source.crs)


def _places_over(source: RasterSource) -> DoubleArray:
    columns, rows = (np.linspace(0, side, _LOOKED_AT) for side in (source.source_width, source.source_height))
    return moved(source.source_transform, np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2))


def unit_of_areas(source: RasterSource) -> str:
    """Return the unit of ``GroundAreas``."""
    return SQUARE_METRES if is_measured_on_ground(source) else SQUARE_UNITS


def unit_in_words(source: RasterSource) -> str:
    """Return the unit of ``GroundAreas`` with what it is, for the end of a sentence."""
    if is_measured_on_ground(source):
        return f"{SQUARE_METRES}, measured on the ground"
    if source.crs is None:
        return f"{SQUARE_UNITS}, as the map has no CRS: how large they are is not known"
    unit, metres = source.crs.linear_units_factor
    return SQUARE_METRES if metres == 1 else f"{SQUARE_UNITS} ({unit}, {metres:.6g} m, squared)"


class GroundAreas:
    """The areas of pixels and of polygons of a raster: in square map units, or in m² measured on the ground.

    What a unit of the map is on the ground is measured at ``KNOTS`` places along each axis, and interpolated between them.
    """

    def __init__(self, source: RasterSource) -> None:
        self._source = source
        self._flat = abs(source.source_transform.determinant)
        self._on_ground = is_measured_on_ground(source)
        self._columns, self._rows = (
            np.linspace(0, side, min(KNOTS, side + 1)) for side in (source.source_width, source.source_height)
        )
        self._per_unit = self._measured() if self._on_ground else np.ones((len(self._rows), len(self._columns)))

    def _measured(self) -> DoubleArray:
        crs = self._source.crs
        assert crs is not None
        places = np.stack(np.meshgrid(self._columns, self._rows), axis=-1).reshape(-1, 2)
        ground = square_metres_per_unit(moved(self._source.source_transform, places), crs)
        flat = 1.0 if crs.is_geographic else float(crs.linear_units_factor[1]) ** 2
        return np.where(np.isfinite(ground), ground, flat).reshape(len(self._rows), len(self._columns))

    @property
    def largest_pixel(self) -> float:
        """The area of the largest pixel of the file."""
        return float(self._flat * self._per_unit.max())

    def of_pixels(self, window: Window) -> DoubleArray:
        """Return the area of each pixel of a window, (height, width); beyond the raster that of the nearest one."""
        if not self._on_ground:
            return np.full((window.height, window.width), self._flat)
        rows = np.arange(window.row, window.row + window.height, dtype=np.float64) + 0.5
        columns = np.arange(window.column, window.column + window.width, dtype=np.float64) + 0.5
        by_row = _between(self._rows, self._per_unit, rows)
        return np.asarray(self._flat * _between(self._columns, by_row.T, columns).T, np.float64)

    def of_polygons(self, geometries: npt.NDArray[np.object_]) -> DoubleArray:
        """Return the area of each of ``geometries``."""
        crs = self._source.crs
        flat = np.asarray(shapely.area(geometries), np.float64)
        if crs is None or not self._on_ground:
            return flat
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
        # Of most polygons the scale in the middle counts, as it hardly changes within.
        left, bottom, right, top = shapely.bounds(geometries).T
        middle = self._at(shapely.get_coordinates(shapely.centroid(geometries)))
        corners = np.stack([self._at(np.column_stack([x, y])) for x in (left, right) for y in (bottom, top)])
        areas = flat * middle
        for number in np.flatnonzero((np.abs(corners - middle) > UNEVEN * middle).any(axis=0)):
            areas[number] = self._of_large_polygon(geometries[number], areas[number])
        return areas

    def _of_large_polygon(self, polygon: shapely.Polygon, otherwise: float) -> float:
        """Return the area between the lines of the map, on which many points keep its edges."""
        crs = self._source.crs
        assert crs is not None
        left, bottom, right, top = polygon.bounds
        many = shapely.segmentize(polygon, max(right - left, top - bottom) / KNOTS)
        rings = [ring_on_ground(shapely.get_coordinates(ring), crs) for ring in (many.exterior, *many.interiors)]
        area = rings[0] - sum(rings[1:])
        return area if np.isfinite(area) else otherwise

    def _at(self, places: DoubleArray) -> DoubleArray:
        """Return how much ground a square unit of the map is at places in map coordinates."""
        pixels = moved(~self._source.source_transform, places)
        (left, x), (above, y) = _steps(self._columns, pixels[:, 0]), _steps(self._rows, pixels[:, 1])
        upper, lower = (
            self._per_unit[row, left] * (1 - x) + self._per_unit[row, left + 1] * x for row in (above, above + 1)
        )
        return np.asarray(upper * (1 - y) + lower * y, np.float64)


def _steps(knots: DoubleArray, places: DoubleArray) -> tuple[npt.NDArray[np.int64], DoubleArray]:
    """Return the knot before each place, and how far it is from there to the next one, as a share."""
    along = (places / knots[-1] * (len(knots) - 1)).clip(0, len(knots) - 1)
    before = np.minimum(along.astype(np.int64), len(knots) - 2)
    return before, along - before


def _between(knots: DoubleArray, values: DoubleArray, places: DoubleArray) -> DoubleArray:
    """Return ``values``, one row for each of ``knots``, interpolated at places between these."""
    before, share = _steps(knots, places)
    return np.asarray(values[before] * (1 - share[:, None]) + values[before + 1] * share[:, None], np.float64)


def _equal_area(lonlat: DoubleArray, a: float, e2: float) -> DoubleArray:
    """Return cylindrical equal-area coordinates of radians (n, 2): Snyder (1987), Eqs. 3-12, 10-14 and 10-15.

    Meridians and parallels stay straight, so the edges of pixels do too.
    """
    sine = np.sin(lonlat[:, 1].clip(-np.pi / 2, np.pi / 2))
    e = np.sqrt(e2)
    q = 2 * sine if e == 0 else (1 - e2) * (sine / (1 - e2 * sine**2) + np.arctanh(e * sine) / e)
    return np.column_stack([a * lonlat[:, 0], a * q / 2])
