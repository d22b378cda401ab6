"""How large things are on the ground: pixels and polygons, and the unit in which it is told."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyproj
import shapely
from rasterio.crs import CRS

from false_core.raster.source import RasterSource

DoubleArray = npt.NDArray[np.float64]
PIXELS, HECTARES, SQUARE_METRES, SQUARE_UNITS = "pixels", "ha", "m²", "square map units"
WEB_MERCATOR = 3857


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
    if source.crs.is_geographic or source.crs.to_epsg() == WEB_MERCATOR:
        return AreaUnit(PIXELS, 1.0)
    if source.crs.is_projected:
        return AreaUnit(HECTARES, square * float(source.crs.linear_units_factor[1]) ** 2 / 10_000)
    return AreaUnit(SQUARE_UNITS, square)


def unit_of_areas(crs: CRS | None) -> str:
    """Return the unit of ``areas`` and ``pixel_areas``."""
    return SQUARE_METRES if crs is not None and crs.is_geographic else SQUARE_UNITS


def pixel_areas(source: RasterSource, rows: npt.NDArray[np.int64]) -> DoubleArray:
    """Return the area of a pixel of the file in each of ``rows``, of a rotated raster in degrees in the middle column."""
    area = abs(source.native_transform.determinant)
    if source.crs is None or not source.crs.is_geographic:
        return np.full(len(rows), area)
    a, e2 = _ellipsoid(source.crs)
    transform = source.native_transform
    latitude = np.radians(transform.f + transform.d * source.native_width / 2 + transform.e * (rows + 0.5)).clip(
        -np.pi / 2, np.pi / 2
    )
    # An element of the ellipsoid's surface: the radii of curvature M and N cos(latitude), Snyder (1987), Eqs. 4-18 to 4-20.
    square_radian = a**2 * (1 - e2) * np.cos(latitude) / (1 - e2 * np.sin(latitude) ** 2) ** 2
    return np.asarray(area * np.radians(1) ** 2 * square_radian, np.float64)


def areas(geometries: npt.NDArray[np.object_], crs: CRS | None) -> DoubleArray:
    """Return the areas of ``geometries``: in square map units, or in m² on the ellipsoid where the CRS is geographic."""
    if crs is not None and crs.is_geographic:
        a, e2 = _ellipsoid(crs)
        geometries = shapely.transform(geometries, lambda lonlat: _equal_area(lonlat, a, e2))
    return np.asarray(shapely.area(geometries), np.float64)


def _equal_area(lonlat: DoubleArray, a: float, e2: float) -> DoubleArray:
    """Return cylindrical equal-area coordinates of degrees (n, 2): Snyder (1987), Eqs. 3-12, 10-14 and 10-15.

    Meridians and parallels stay straight, so the edges of pixels do too.
    """
    sine = np.sin(np.radians(lonlat[:, 1].clip(-90, 90)))
    e = np.sqrt(e2)
    q = 2 * sine if e == 0 else (1 - e2) * (sine / (1 - e2 * sine**2) + np.arctanh(e * sine) / e)
    return np.column_stack([a * np.radians(lonlat[:, 0]), a * q / 2])


def _ellipsoid(crs: CRS) -> tuple[float, float]:
    """Return the semi-major axis in metres and the squared eccentricity."""
    ellipsoid = pyproj.CRS.from_wkt(crs.to_wkt()).get_geod()
    return (ellipsoid.a, ellipsoid.es) if ellipsoid else (6_378_137.0, 0.0)
