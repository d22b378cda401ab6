"""The ground that a unit of a map is. Maps that keep angles, such as Web Mercator, show it larger here than there."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyproj
from pyproj.exceptions import ProjError
from rasterio.crs import CRS

DoubleArray = npt.NDArray[np.float64]

TRUE_TO_SCALE = 0.01
"""The share by which lengths on a map may differ from those on the ground without being corrected. In UTM and in national
grids it is a tenth of that; there a metre of the map is a metre to all users of the map."""
STEP_M = 10.0
"""The length, in metres of the map, over which the ground is measured."""

FAR_OUTSIDE = 10.0
"""Degrees beyond the area of use of a CRS. Where nothing of a map lies nearer, it is not corrected: its CRS may be wrong."""
STRAIGHT = 1e-6
"""The share of their distance by which lines of latitude and longitude may be bent that are taken for straight."""


_PLACEHOLDER = re.compile(r'\s*\w+\[\s*"undefined (?:(?:geographic|cartesian) )?[sc]rs"', re.IGNORECASE)


def is_placeholder(wkt: str) -> bool:
    """Return whether a CRS is what GeoPackages have for none: "Undefined Cartesian SRS", or geographic."""
    return _PLACEHOLDER.match(wkt) is not None


@dataclass(frozen=True)
class _Globe:
    """The way from a CRS to its own ellipsoid.

    Attributes:
        to_geodetic: Transformation to longitude and latitude of the same datum.
        degrees: Factor that brings its coordinates to degrees.
        geod: The ellipsoid.
        area: West, south, east and north of the area of use, None where it is not known.
    """

    to_geodetic: pyproj.Transformer
    degrees: float
    geod: pyproj.Geod
    area: tuple[float, float, float, float] | None

    def lonlat(self, places: DoubleArray) -> DoubleArray:
        """Return longitudes and latitudes in degrees, infinite where there are none."""
        lon, lat = self.to_geodetic.transform(places[:, 0], places[:, 1])
        return np.asarray(np.column_stack([lon, lat]) * self.degrees, np.float64)

    def is_near_area(self, lonlat: DoubleArray) -> npt.NDArray[np.bool_]:
        """Return whether places lie in the area of use, or not far outside."""
        if self.area is None:
            return np.ones(len(lonlat), bool)
        west, south, east, north = self.area
        # An area of use may begin in the east and end in the west.
        half = ((east - west) % 360 or 360) / 2
        beside = np.abs((lonlat[:, 0] - west - half + 180) % 360 - 180) - half
        above = np.maximum(lonlat[:, 1] - north, south - lonlat[:, 1])
        return np.asarray(np.maximum(beside, above) <= FAR_OUTSIDE, np.bool_)


@functools.lru_cache(maxsize=64)
def _globe(wkt: str) -> _Globe | None:
    try:
        crs = pyproj.CRS.from_wkt(wkt)
        geodetic, geod = crs.geodetic_crs, crs.get_geod()
        if geodetic is None or geod is None:
            return None
        factor = float(np.degrees(geodetic.axis_info[0].unit_conversion_factor))
        code = crs.to_authority(min_confidence=100)
        area = crs.area_of_use or (pyproj.CRS.from_authority(*code).area_of_use if code else None)
        bounds = (area.west, area.south, area.east, area.north) if area else None
        return _Globe(pyproj.Transformer.from_crs(crs, geodetic, always_xy=True), factor, geod, bounds)
    except ProjError:
        return None


def turns_to(crs: CRS | None, centre: float, places: DoubleArray) -> DoubleArray:
    """Return what to add to the longitudes of places so that they lie within half a turn of a centre.

    170 degrees west may be written -170 or 190. In a CRS that is not geographic it is 0.
    """
    if crs is None or not crs.is_geographic:
        return np.zeros(len(places))
    turn = 2 * np.pi / float(crs.units_factor[1])
    return np.asarray(turn * np.round((centre - places) / turn), np.float64)


def ellipsoid_of(crs: CRS) -> tuple[float, float]:
    """Return the semi-major axis in metres and the squared eccentricity."""
    globe = _globe(crs.to_wkt())
    return (globe.geod.a, globe.geod.es) if globe else (6_378_137.0, 0.0)


def square_metres_per_radian(latitude: DoubleArray, crs: CRS) -> DoubleArray:
    """Return the ground of a square radian at latitudes, given in radians.

    An element of the ellipsoid's surface: the radii of curvature M and N cos(latitude), Snyder (1987), Eqs. 4-18 to 4-20.
    """
    a, e2 = ellipsoid_of(crs)
    latitude = latitude.clip(-np.pi / 2, np.pi / 2)
    return np.asarray(a**2 * (1 - e2) * np.cos(latitude) / (1 - e2 * np.sin(latitude) ** 2) ** 2, np.float64)


def square_metres_per_unit(places: DoubleArray, crs: CRS) -> DoubleArray:
    """Return the ground of a square unit of the map at places (n, 2), x first; NaN where it cannot be known.

    Args:
        crs: A geographic or projected CRS.
    """
    if crs.is_geographic:
        radians = float(crs.units_factor[1])
        return square_metres_per_radian(places[:, 1] * radians, crs) * radians**2
    globe = _globe(crs.to_wkt())
    if globe is None:
        return np.full(len(places), np.nan)
    step = STEP_M / float(crs.linear_units_factor[1])
    ends = [globe.lonlat(places + np.array(offset) * step) for offset in ((0, 0), (1, 0), (0, 1))]
    known = np.asarray(np.isfinite(np.column_stack(ends)).all(axis=1), np.bool_)
    known &= bool(globe.is_near_area(ends[0][known]).any())
    # Both directions as seen from one place: at a pole, those from two places could not be compared.
    here, east, north = (np.where(known.reshape(-1, 1), end, 0.0) for end in ends)
    across, _, along_x = globe.geod.inv(here[:, 0], here[:, 1], east[:, 0], east[:, 1])
    up, _, along_y = globe.geod.inv(here[:, 0], here[:, 1], north[:, 0], north[:, 1])
    ground = np.abs(along_x * along_y * np.sin(np.radians(np.asarray(up) - np.asarray(across)))) / step**2
    return np.asarray(np.where(known, ground, np.nan), np.float64)


def ring_on_ground(ring: DoubleArray, crs: CRS) -> float:
    """Return the area within a closed line (n, 2) of a projected CRS in m², between geodesics; NaN where that is unknown."""
    globe = _globe(crs.to_wkt())
    lonlat = globe.lonlat(ring) if globe else np.full(ring.shape, np.nan)
    if globe is None or not np.isfinite(lonlat).all():
        return float("nan")
    return abs(float(globe.geod.polygon_area_perimeter(lonlat[:, 0], lonlat[:, 1])[0]))


def scale_at(places: DoubleArray, crs: CRS) -> DoubleArray:
    """Return how long a metre of a projected map is on the ground, a mean of all directions; NaN where that is unknown."""
    return np.asarray(np.sqrt(square_metres_per_unit(places, crs)) / float(crs.linear_units_factor[1]), np.float64)


def is_true_to_scale(places: DoubleArray, crs: CRS) -> bool:
    """Return whether lengths on a projected map are those on the ground, as far as is known, at all of some places."""
    scale = scale_at(places, crs)
    return bool(np.all(np.abs(scale[np.isfinite(scale)] - 1) <= TRUE_TO_SCALE))


def latitude_lines(places: DoubleArray, crs: CRS) -> tuple[DoubleArray, float] | None:
    """Return the latitudes of places in radians, and the radians of longitude that a unit of x is.

    That is so where parallels of latitude are lines of one y and meridians are evenly spaced lines of one x, as in Mercator.
    Elsewhere it is None.
    """
    globe = _globe(crs.to_wkt())
    if globe is None or not len(places):
        return None
    ends = np.stack([places.min(axis=0), places.mean(axis=0), places.max(axis=0)])
    ends[1] = ends[[0, 2]].mean(axis=0)
    lonlat = globe.lonlat(np.array([(x, y) for y in ends[:, 1] for x in ends[:, 0]])).reshape(3, 3, 2)
    if not np.isfinite(lonlat).all():
        return None
    lon, lat = lonlat[..., 0], lonlat[..., 1]
    uneven = abs(lon[1, [0, 2]].mean() - lon[1, 1])
    if np.ptp(lat, axis=1).max() > STRAIGHT * np.ptp(lat) or max(np.ptp(lon, axis=0).max(), uneven) > STRAIGHT * np.ptp(lon):
        return None
    latitude = globe.lonlat(np.column_stack([np.full(len(places), ends[1, 0]), places[:, 1]]))[:, 1]
    return np.radians(latitude), float(np.radians(lon[1, 2] - lon[1, 0]) / (ends[2, 0] - ends[0, 0]))
