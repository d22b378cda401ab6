"""The positions of places on the ground, in metres and in one frame for all rasters: distances mean the same everywhere."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import rasterio.warp
from rasterio.crs import CRS

from false_core.raster.grid import moved
from false_core.raster.opening import GDAL_ERRORS
from false_core.raster.source import RasterSource

Positions = npt.NDArray[np.float64]

GEOCENTRIC = "EPSG:4978"
UNKNOWN_DISTANCE_M = 1e9
"""The distance that is assumed between rasters whose distance is unknown."""


class GeocentricPositions:
    """The ground under rasters, in geocentric coordinates: straight distances, in whatever CRS a raster is, also in degrees.

    A straight line is shorter than the way along the ground: by 1 metre on 100 kilometres. A raster without a place on the
    Earth is flat, in its own map units, and far from all others.
    """

    def __init__(self, sources: Sequence[RasterSource]) -> None:
        self._sources = sources
        self._origins = [self._geocentric(source, _middle(source)) for source in sources]
        self._origin = next((origin for origin in self._origins if np.isfinite(origin).all()), np.zeros((1, 3)))

    def at(self, rasters: npt.NDArray[np.int64], positions: Positions) -> Positions:
        """Return where places lie, of shape (n, 3), in metres from the middle of the first raster that has a place.

        Args:
            rasters: Number of the raster of each place, of shape (n,).
            positions: Positions in its pixel coordinates, of shape (n, 2), x first.
        """
        out = np.empty((len(positions), 3))
        for number in np.unique(rasters):
            mine, source = rasters == number, self._sources[number]
            if np.isfinite(self._origins[number]).all():
                out[mine] = self._geocentric(source, positions[mine]) - self._origin
            else:
                flat = moved(source.transform, positions[mine]) - moved(source.transform, _middle(source))
                out[mine] = np.column_stack([flat, np.full(len(flat), UNKNOWN_DISTANCE_M * (number + 1))])
        return out

    def pixel_size(self) -> float:
        """Return the side of a pixel in the middle of the first raster, in metres."""
        middle = _middle(self._sources[0])
        corners = self.at(np.zeros(3, np.int64), middle + np.array([(0, 0), (1, 0), (0, 1)]))
        return math.sqrt(float(np.linalg.norm(np.cross(corners[1] - corners[0], corners[2] - corners[0])))) or 1.0

    def around(self, rasters: npt.NDArray[np.int64], centres: Positions, offsets: Positions) -> Positions:
        """Return where points around some centres lie, of shape (n, 1 + points, 3): the centre itself, then its points.

        Only the centres are projected; around them the ground is taken for flat.

        Args:
            rasters, centres: Rasters and positions as in ``at``.
            offsets: Offsets of the points from their centres in pixels, of shape (n, points, 2).
        """
        count = len(centres)
        corners = (centres + np.array([(0, 0), (1, 0), (0, 1)])[:, None]).reshape(-1, 2)
        origin, right, down = self.at(np.tile(rasters, 3), corners).reshape(3, count, 1, 3)
        steps = np.concatenate([right - origin, down - origin], axis=1)
        return np.concatenate([origin, origin + offsets @ steps], axis=1)

    def _geocentric(self, source: RasterSource, positions: Positions) -> Positions:
        """Return geocentric coordinates (n, 3), not finite where they are not known."""
        nowhere = np.full((len(positions), 3), np.nan)
        if source.crs is None:
            return nowhere
        x, y = moved(source.transform, positions).T
        try:
            found = rasterio.warp.transform(source.crs, CRS.from_string(GEOCENTRIC), x, y, np.zeros_like(x))
        except (*GDAL_ERRORS, ValueError):
            return nowhere  # A CRS of a building site, for example, is no part of the Earth.
        return np.column_stack([np.asarray(values, np.float64) for values in found])


def _middle(source: RasterSource) -> Positions:
    return np.array([[source.width / 2, source.height / 2]])
