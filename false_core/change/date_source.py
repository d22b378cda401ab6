"""One date of a pair as a raster of its own: the area of the pair on its grid, and valid where both dates are."""

from __future__ import annotations

import numpy as np
from affine import Affine

from false_core.change.date_pair import DatePair
from false_core.raster.source import BoolArray, FloatArray, RasterSource, StoredPixels, Window


class DateSource(RasterSource):
    """One date as whatever takes a raster sees it. The pixels of its file are those of the working grid.

    Args:
        pair: The pair.
        date: 0 for the date before, 1 for the date after.
    """

    def __init__(self, pair: DatePair, date: int) -> None:
        self.__dict__.update(pair.before.__dict__)
        self._pair, self._date = pair, date
        self.source_width, self.source_height = pair.area.width, pair.area.height
        self.source_transform = pair.before.transform * Affine.translation(pair.area.column, pair.area.row)
        self._coarsen(1)

    def read_with_validity(self, window: Window) -> tuple[FloatArray, BoolArray]:
        """Return the pixels of a window, NaN where one of both dates has no data, and which are valid."""
        area = self._pair.area
        on_grid = Window(window.column + area.column, window.row + area.row, window.width, window.height)
        first, second, valid = self._pair.raw(on_grid)
        pixels = np.where(valid, (first, second)[self._date], np.float32(np.nan))
        return pixels, valid

    def read_as_stored(self, window: Window) -> StoredPixels:
        """Return the same, as real numbers."""
        pixels, valid = self.read_with_validity(window)
        return StoredPixels(pixels, None, valid)

    def is_hole(self, window: Window) -> bool:
        """Return that nothing is known of a window without reading it."""
        return False
