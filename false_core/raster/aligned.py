"""A raster of class codes, looked up at the pixels of another raster: on any grid, in any CRS."""

from __future__ import annotations

from typing import Any

import numpy as np
import rasterio
import rasterio.warp
from affine import Affine
from rasterio.enums import ColorInterp, Resampling
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window as RasterioWindow

from false_core.errors import InputError
from false_core.feedback import Feedback
from false_core.raster.class_map import CodeArray, as_codes, check_unscaled
from false_core.raster.coordinate_operation import cannot_be_brought, operation_to_grid
from false_core.raster.ground import turns_to
from false_core.raster.opening import GDAL_ERRORS, late_complaint, open_checked_raster
from false_core.raster.source import BoolArray, FloatArray, RasterSource, Window
from false_core.raster.stored_bands import LARGEST_NUMBER


class AlignedCodes:
    """The codes of a raster at the centres of another one's pixels: nearest neighbour, read window by window.

    Args:
        path: The path of the raster; its first band holds the codes.
        grid: The other raster, on the grid of its file.

    Raises:
        InputError: The raster cannot be opened, or not be brought to the CRS of ``grid``.
    """

    def __init__(self, path: str, grid: RasterSource, feedback: Feedback) -> None:
        self.source = RasterSource(path, (1,))
        check_unscaled(self.source)
        try:
            theirs, ours, way = operation_to_grid(self.source, grid, feedback).for_gdal
            # Where ground control points alone say where it lies, that is warped.
            self._dataset = open_checked_raster(self.source.path)
            late_complaint(self._dataset)  # It was told when it was opened first.
            if self._dataset.transform.is_identity and self._dataset.gcps[0]:
                raise InputError(
                    f"{self.source.name} has ground control points without a CRS, and no grid.",
                    "Georeference it first, with Layer > Georeferencer.",
                )
            # Otherwise what lies beyond the raster would look like code 0. The nodata value is looked for in what is read:
            # it would keep GDAL from a mask beside it, and need not be one that the data type has.
            unmarked = ColorInterp.alpha not in self._dataset.colorinterp
            self._nodata = self._dataset.nodatavals[0]
            self._warped: Any = WarpedVRT(
                self._dataset,
                src_crs=theirs,
                src_transform=Affine.translation(turns_between(self.source, grid), 0) * self.source.source_transform,
                crs=ours,
                transform=grid.source_transform,
                width=grid.source_width,
                height=grid.source_height,
                resampling=Resampling.nearest,
                src_nodata=None,
                add_alpha=unmarked,
                **way,
            )
            meanings = self._warped.colorinterp
            self._alpha = meanings.index(ColorInterp.alpha) + 1 if ColorInterp.alpha in meanings else None
        except (*GDAL_ERRORS, ValueError) as error:
            raise cannot_be_brought(self.source, grid, error) from error

    def read(self, window: Window) -> tuple[CodeArray, BoolArray]:
        """Return codes and validity of a window of the other raster, each of shape (height, width).

        Raises:
            InputError: The raster holds numbers that are no class codes, or is damaged.
        """
        there = RasterioWindow(window.column, window.row, window.width, window.height)
        try:
            values: FloatArray = self._warped.read(1, window=there, out_dtype="float32")
            values[self._warped.read_masks(1, window=there) == 0] = np.nan
            if self._alpha:
                # By itself: GDAL takes it for a mask in files of Byte and UInt16 alone.
                values[self._warped.read(self._alpha, window=there) == 0] = np.nan
            values[self.source.is_override_nodata(values)] = np.nan
            values[np.abs(values) >= LARGEST_NUMBER] = np.nan
            if self._nodata is not None and abs(self._nodata) < float(LARGEST_NUMBER):
                values[values == np.float32(self._nodata)] = np.nan
        except GDAL_ERRORS as error:
            raise InputError(
                f"The raster {self.source.path} is damaged or cut off: {error.__cause__ or error}.",
                "Copy or download it again.",
            ) from error
        return as_codes(values, self.source.name)

    def __enter__(self) -> AlignedCodes:
        return self

    def __exit__(self, *_: object) -> None:
        self._warped.close()
        self._dataset.close()


def turns_between(codes: RasterSource, grid: RasterSource) -> float:
    """Return what to add to the longitudes of a raster so that they are counted as in the grid: to 180 degrees or to 360."""
    if codes.crs is None or grid.crs is None or not codes.crs.is_geographic:
        return 0.0
    middles = [np.array(source.bounds).reshape(2, 2).mean(axis=1) for source in (codes, grid)]
    (theirs,), _ = rasterio.warp.transform(grid.crs, codes.crs, [middles[1][0]], [middles[1][1]])
    return float(turns_to(codes.crs, theirs, middles[0][:1])[0]) if np.isfinite(theirs) else 0.0
