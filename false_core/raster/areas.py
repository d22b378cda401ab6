"""How large things are on the ground: areas in map units, and in square metres where these are degrees."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyproj
import shapely
from rasterio.crs import CRS

from false_core.raster.source import RasterSource

Floats = npt.NDArray[np.float64]


def area_unit(crs: CRS | None) -> str:
    """Return the unit that ``areas`` are in."""
    return "m²" if crs is not None and crs.is_geographic else "square map units"


def pixel_areas(source: RasterSource, rows: npt.NDArray[np.int64]) -> Floats:
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


def areas(geometries: npt.NDArray[np.object_], crs: CRS | None) -> Floats:
    """Return the areas of ``geometries``: in square map units, or in m² on the ellipsoid where the CRS is geographic."""
    if crs is not None and crs.is_geographic:
        a, e2 = _ellipsoid(crs)
        geometries = shapely.transform(geometries, lambda lonlat: _equal_area(lonlat, a, e2))
    return np.asarray(shapely.area(geometries), np.float64)


def _equal_area(lonlat: Floats, a: float, e2: float) -> Floats:
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
