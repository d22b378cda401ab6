"""The pixels of a raster as another one's working grid would show them: on any grid, in any CRS, read window by window."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import rasterio.warp
from affine import Affine
from rasterio.enums import Resampling

from false_core.errors import InputError
from false_core.feedback import Feedback
from false_core.raster.aligned import turns_between
from false_core.raster.coordinate_operation import cannot_be_brought, operation_to_grid
from false_core.raster.grid import moved
from false_core.raster.opening import GDAL_ERRORS
from false_core.raster.source import FloatArray, RasterSource, Window
from false_core.raster.working_grid import LARGEST_FACTOR

POINTS_ALONG = 9
"""Places along each side of a window that say which pixels of the other raster it takes."""
MARGIN_PX = 2
"""Pixels around those, which resampling looks at."""
SAME_PIXEL = 1e-3
"""Pixels by which two grids may differ anywhere on the raster and still be the same one."""
MOST_PIXELS_OF_A_WINDOW = 400_000_000
"""Pixels of the other raster that one window may take. More would only be read where a CRS is wrong."""


class ImageOnGrid:
    """A raster, looked up on the working grid of another one by bilinear interpolation over what is valid.

    Where both grids are the same, pixels are given as they are. A much finer raster is averaged to pixels of about the size
    of the grid's first, so that each window takes about as many of them as it has itself.

    Args:
        source: The raster.
        grid: The other one.

    Attributes:
        source: The raster on a working grid of its own, as coarse as that of ``grid`` at most.

    Raises:
        InputError: The raster cannot be brought to the CRS of ``grid``.
    """

    def __init__(self, source: RasterSource, grid: RasterSource, feedback: Feedback) -> None:
        self._grid, self.source = grid, source
        self._operation = operation_to_grid(source, grid, feedback)
        self._theirs, self._ours, self._way = self._operation.for_gdal
        self._turn = Affine.translation(turns_between(source, grid), 0)
        ratio = self._pixels_per_pixel()
        self.source = source.at_factor(int(min(LARGEST_FACTOR, max(1, math.floor(ratio + SAME_PIXEL)))))
        self._offset = self._whole_offset()

    def read(self, window: Window) -> FloatArray:
        """Return the pixels of a window of the grid, float32 of shape (bands, height, width), NaN where invalid."""
        if self._offset is not None:
            column, row = self._offset
            return self.source.read(Window(window.column + column, window.row + row, window.width, window.height))
        found = np.full((len(self.source.bands), window.height, window.width), np.nan, np.float32)
        taken = self._taken(window)
        if taken is None:
            return found
        values = self.source.read(taken)
        if not np.isfinite(values).any():
            return found
        # GDAL takes a grid that begins at 0, 0 with pixels of 1 for one that lies nowhere.
        aside = Affine.translation(1000, -1000) if self._ours == self._theirs else Affine.identity()
        try:
            rasterio.warp.reproject(
                values,
                found,
                src_transform=aside * self._turn * self.source.transform * Affine.translation(taken.column, taken.row),
                src_crs=self._theirs,
                src_nodata=np.nan,
                dst_transform=aside * self._grid.transform * Affine.translation(window.column, window.row),
                dst_crs=self._ours,
                dst_nodata=np.nan,
                resampling=Resampling.bilinear,
                tolerance=0.0,  # Exact everywhere, so that pixels do not depend on the window they are read in.
                **self._way,
            )
        except (*GDAL_ERRORS, ValueError) as error:
            raise cannot_be_brought(self.source, self._grid, error) from error
        return found

    def extent_on_grid(self) -> Window:
        """Return the window of the grid that the raster covers, cut at the grid's borders; without any pixel where none."""
        width, height = self.source.width, self.source.height
        corners = _frame(Window(0, 0, width, height))
        places = self._operation.there(moved(self._turn * self.source.transform, corners))
        pixels = moved(~self._grid.transform, places)
        return _bounded(pixels, self._grid.width, self._grid.height, 0)

    def _taken(self, window: Window) -> Window | None:
        """Return the window of the raster that a window of the grid looks at; None where there is none."""
        places = moved(self._grid.transform, _frame(window))
        pixels = moved(~(self._turn * self.source.transform), self._operation.back(places))
        taken = _bounded(pixels, self.source.width, self.source.height, MARGIN_PX)
        if taken.width * taken.height > MOST_PIXELS_OF_A_WINDOW:
            raise InputError(
                f"{self.source.name} has {taken.width:,} x {taken.height:,} pixels where {self._grid.name} has "
                f"{window.width:,} x {window.height:,}.",
                "Check that both rasters have the right CRS.",
            )
        return taken if taken.width and taken.height else None

    def _pixels_per_pixel(self) -> float:
        """Return the pixels of the raster per pixel of the grid along an axis, in the middle of the grid."""
        middle = np.array([self._grid.width / 2, self._grid.height / 2])
        places = moved(self._grid.transform, middle + np.array([[0, 0], [1, 0], [0, 1]]))
        pixels = moved(~(self._turn * self.source.transform), self._operation.back(places))
        ratio = math.sqrt(abs(float(np.linalg.det(pixels[1:] - pixels[0]))))
        return ratio if math.isfinite(ratio) else 1.0

    def _whole_offset(self) -> tuple[int, int] | None:
        """Return how many columns and rows the pixels of the raster lie beside those of the grid; None where in between."""
        if self._ours != self._theirs:
            return None
        corners = _frame(Window(0, 0, self._grid.width, self._grid.height))
        pixels = moved(~(self._turn * self.source.transform), moved(self._grid.transform, corners))
        steps = pixels - corners
        whole = np.rint(steps[0])
        return (int(whole[0]), int(whole[1])) if np.abs(steps - whole).max() < SAME_PIXEL else None


def _frame(window: Window) -> npt.NDArray[np.float64]:
    """Return places all over a window and on its edges, x first, of shape (n, 2)."""
    across, down = (
        np.linspace(start, start + size, POINTS_ALONG)
        for start, size in ((window.column, window.width), (window.row, window.height))
    )
    return np.stack(np.meshgrid(across, down), axis=-1).reshape(-1, 2)


def _bounded(pixels: npt.NDArray[np.float64], width: int, height: int, margin: int) -> Window:
    """Return the pixels around places, with a margin, cut at the borders of a raster of that size."""
    known = pixels[np.isfinite(pixels).all(axis=1)]
    if not len(known):
        return Window(0, 0, 0, 0)
    # An edge that lies on a border of pixels, but for rounding, takes no pixel beyond it.
    low, high = np.floor(known.min(axis=0) + SAME_PIXEL) - margin, np.ceil(known.max(axis=0) - SAME_PIXEL) + margin
    left, top = (int(min(max(0, value), size)) for value, size in zip(low, (width, height)))
    right, bottom = (int(min(max(0, value), size)) for value, size in zip(high, (width, height)))
    return Window(left, top, max(0, right - left), max(0, bottom - top))
