"""The grid of a raster: its pixels and the coarser ones that are worked on, and where they lie on the ground."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio.warp
from affine import Affine
from rasterio.crs import CRS

from false_core.errors import InputError
from false_core.jobs import Extent
from false_core.raster.ground import is_placeholder, is_true_to_scale, scale_at, turns_to
from false_core.raster.in_words import describe_crs, describe_extent
from false_core.raster.opening import GDAL_ERRORS
from false_core.redaction import without_secrets
from false_core.untrusted import on_one_line

METRES_PER_DEGREE = 111_320.0
"""The length of a degree of latitude, and of longitude at the equator, in metres."""
_crs: dict[str, CRS] = {}


class RasterGrid:
    """The grid of a raster file, and one that is ``factor`` times coarser: the working grid.

    Attributes:
        path: The file.
        factor: Pixels of the file per pixel of the working grid, along each axis.
        crs: CRS of the raster; None where it has none.
        georeferenced: True where the file says where it lies.
        source_width, source_height, source_transform: The grid of the file.
        width, height, transform: The working grid.

    Args:
        path: The file.
        crs: The CRS that it is in; None where it is not known.
        transform: The transform of the file; the identity where it has none.
        factor: Pixels of the file per pixel of the working grid.

    Raises:
        InputError: The raster lies nowhere.
    """

    def __init__(self, path: str, crs: CRS | None, transform: Affine, width: int, height: int, factor: int) -> None:
        self.path = path
        if crs and is_placeholder(crs.to_wkt()):
            crs = None
        # One object for all rasters with the same CRS: it is large.
        self.crs: CRS | None = crs and _crs.setdefault(crs.to_wkt(), crs)
        self.georeferenced = not transform.is_identity
        self.source_width, self.source_height = width, height
        # A raster without georeferencing lies below the x axis in QGIS, with pixels of size 1; labels are digitised there.
        self.source_transform = transform if self.georeferenced else Affine(1, 0, 0, 0, -1, 0)
        if not np.isfinite([self.source_transform.determinant, *self.bounds]).all():
            raise InputError(f"{path} has a georeferencing that holds no usable numbers.", "Georeference it again.")
        if self.source_transform.is_degenerate:
            raise InputError(f"{path} has a georeferencing that puts all its pixels on one line.", "Georeference it again.")
        self._coarsen(factor)

    def _coarsen(self, factor: int) -> None:
        self.factor = factor
        self.width, self.height = math.ceil(self.source_width / factor), math.ceil(self.source_height / factor)
        self.transform = self.source_transform * Affine.scale(factor)

    @property
    def name(self) -> str:
        """The file's name, for messages."""
        return on_one_line(Path(path := without_secrets(self.path)).name or path)

    @property
    def pixel_size(self) -> float:
        """Side of a pixel of the file, in CRS units."""
        return math.sqrt(abs(self.source_transform.determinant))

    @property
    def ground_sample_distance(self) -> float | None:
        """Side of a pixel of the file in metres of ground in the middle of the raster, or None where it cannot be known."""
        if self.crs is None:
            return None
        middle = moved(self.source_transform, np.array([(self.source_width / 2, self.source_height / 2)]))
        if self.crs.is_geographic:
            radians = float(self.crs.units_factor[1])
            latitude = float(middle[0, 1]) * radians
            if abs(latitude) >= math.pi / 2:  # The CRS is a wrong one: these are no degrees.
                return None
            return self.pixel_size * math.degrees(radians) * METRES_PER_DEGREE * math.sqrt(math.cos(latitude))
        # A local CRS, of a building site for example, need not say what its unit is.
        if not self.crs.is_projected:
            return None
        metres = self.pixel_size * float(self.crs.linear_units_factor[1])
        return metres if is_true_to_scale(middle, self.crs) else metres * float(scale_at(middle, self.crs)[0])

    @property
    def working_pixel_size(self) -> float:
        """Side of a working pixel in CRS units."""
        return self.pixel_size * self.factor

    @property
    def working_ground_distance(self) -> float | None:
        """Side of a working pixel in metres of ground in the middle of the raster, or None where it cannot be known."""
        distance = self.ground_sample_distance
        return None if distance is None else distance * self.factor

    @property
    def metres_or_units(self) -> float:
        """Side of a working pixel in metres of ground; in CRS units where metres cannot be known."""
        return self.working_ground_distance or self.working_pixel_size

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Outer rectangle as (xmin, xmax, ymin, ymax) in map units, also of a rotated raster."""
        corners = [self.source_transform * (x, y) for x in (0, self.source_width) for y in (0, self.source_height)]
        xs, ys = zip(*corners)
        return min(xs), max(xs), min(ys), max(ys)

    def pixels_of(self, extent: Extent) -> tuple[int, int, int, int]:
        """Return the working pixels that cover ``extent``, clipped to the raster: column, row, width and height.

        Raises:
            InputError: They do not overlap, or the extent's CRS cannot be used.
        """
        xmin, xmax, ymin, ymax = extent.xmin, extent.xmax, extent.ymin, extent.ymax
        if extent.crs and self.crs is not None:
            try:
                xmin, ymin, xmax, ymax = rasterio.warp.transform_bounds(extent.crs, self.crs, xmin, ymin, xmax, ymax)
            except (*GDAL_ERRORS, ValueError) as error:
                raise InputError(f"The extent cannot be brought to the CRS of {self.name}: {error}.") from error
        if xmax < self.bounds[0] or xmin > self.bounds[1]:
            # The same longitudes, as they are counted in this raster.
            turns = turns_to(self.crs, sum(self.bounds[:2]) / 2, np.array([(xmin + xmax) / 2]))
            xmin, xmax = xmin + float(turns[0]), xmax + float(turns[0])
        corners = [~self.transform * (x, y) for x in (xmin, xmax) for y in (ymin, ymax)]
        # Clipped before rounding, as what lies too far away to be projected comes back infinite, or as no number at all.
        columns, rows = (
            [min(max(0.0, value), float(size)) for value in values]
            for values, size in zip(zip(*corners), (self.width, self.height))
        )
        tolerance = 1e-6  # An extent typed from the layer's own corners must not gain a row by rounding.
        left, top = math.floor(min(columns) + tolerance), math.floor(min(rows) + tolerance)
        right, bottom = math.ceil(max(columns) - tolerance), math.ceil(max(rows) - tolerance)
        if right <= left or bottom <= top:
            raise InputError(
                f"The extent {describe_extent((xmin, xmax, ymin, ymax))} does not overlap {self.name}, which covers "
                f"{describe_extent(self.bounds)} [{describe_crs(self.crs)}].",
                "Extents are xmin, xmax, ymin, ymax.",
            )
        return left, top, right - left, bottom - top


def moved(transform: Affine, positions: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Return where ``transform`` takes positions (n, 2), x first."""
    a, b, c, d, e, f = transform[:6]
    return np.asarray(positions @ np.array([[a, d], [b, e]]) + (c, f), np.float64)
