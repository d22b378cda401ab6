"""The pixels of a map that a small picture of it shows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from false_core.raster.source import Window


class PicturePixels:
    """The middle pixel of every few along each side of a map.

    Args:
        width, height: Size of the map in pixels.
        longest: Pixels of the longer side of the picture, at most.
    """

    def __init__(self, width: int, height: int, longest: int) -> None:
        step = max(1, -(-max(width, height) // longest))
        self._rows, self._columns = (np.minimum(np.arange(0, n, step) + step // 2, n - 1) for n in (height, width))
        self.shape = len(self._rows), len(self._columns)

    def showing(self, window: Window) -> tuple[slice, slice]:
        """Return the rows and the columns of the picture that show a window of the map."""
        down = slice(*np.searchsorted(self._rows, (window.row, window.row + window.height)).tolist())
        across = slice(*np.searchsorted(self._columns, (window.column, window.column + window.width)).tolist())
        return down, across

    def shown(self, window: Window) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Return the rows and the columns of the map in a window that the picture shows."""
        down, across = self.showing(window)
        return self._rows[down], self._columns[across]

    def within(self, window: Window) -> tuple[npt.NDArray[np.intp], ...]:
        """Return the index of these pixels in an array of the window."""
        rows, columns = self.shown(window)
        return np.ix_(rows - window.row, columns - window.column)
