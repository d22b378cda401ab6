"""Sums over a map of change while it is written: pixels of each code with their limits, and small pictures of all."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from false_core.change.date_pair import DatePair
from false_core.change.from_to import NO_CHANGE_CODE, ChangeClasses
from false_core.mapping.picture_pixels import PicturePixels
from false_core.raster.source import FloatArray, RasterSource, Window
from false_core.reports.figures import Colours, in_colour

SURELY, PERHAPS = 0.9, 0.1
"""Probabilities from which on a place surely changed, and from which on it may have."""
PICTURE_OF_CHANGE_PX = 500
"""Pixels of the longer side of each picture."""

DoubleArray = npt.NDArray[np.float64]


class ChangeSummary:
    """Collects what is told of a map of change.

    Args:
        classes: Its codes.
        source: The map.
        regions: Number of its regions.
        pair: The two dates, where pictures of them are wanted.

    Attributes:
        pixels: Pixels of each code, of shape (256,).
        surely, perhaps: Pixels of each code of change that surely changed, and of each that may have.
        map: The map from afar; ``before`` and ``after``: both dates.
    """

    def __init__(self, classes: ChangeClasses, source: RasterSource, regions: int, pair: DatePair | None) -> None:
        self.classes, self.source, self._pair = classes, source, pair
        self.pixels, self.surely, self.perhaps = (np.zeros(256, np.int64) for _ in range(3))
        self._sums, self._sizes = np.zeros(regions), np.zeros(regions, np.int64)
        self._picture = PicturePixels(source.width, source.height, PICTURE_OF_CHANGE_PX)
        self.map = np.full(self._picture.shape, classes.table.nodata, np.uint8)
        self.before: Colours = np.full((*self._picture.shape, 3), 255, np.uint8)
        self.after: Colours = np.full((*self._picture.shape, 3), 255, np.uint8)

    def add(
        self,
        window: Window,
        codes: npt.NDArray[np.uint8],
        regions: npt.NDArray[np.int32],
        probability: FloatArray,
        changes: npt.NDArray[np.uint8],
    ) -> None:
        """Take in a window.

        Args:
            codes: Codes of the map.
            regions: The number of the region of each pixel, negative where there is no data.
            probability: The probability of change, NaN where there is no data.
            changes: The codes that changes of all places would have.
        """
        self.pixels += np.bincount(codes.ravel(), minlength=256)
        known = regions >= 0
        for counts, least in ((self.surely, SURELY), (self.perhaps, PERHAPS)):
            counts += np.bincount(changes[known & (probability >= least)], minlength=256)
        numbers = regions[known]
        self._sums += np.bincount(numbers, probability[known], minlength=len(self._sums))
        self._sizes += np.bincount(numbers, minlength=len(self._sizes))
        there, at = self._picture.showing(window), self._picture.within(window)
        self.map[there] = codes[at]
        if self._pair is not None:
            self._show(window, there, at)

    def _show(self, window: Window, there: tuple[slice, slice], at: Any) -> None:
        assert self._pair is not None
        area = self._pair.area
        seen = self._pair.read(Window(window.column + area.column, window.row + area.row, window.width, window.height))
        for picture, date in zip((self.before, self.after), seen.dates):
            colours = in_colour(date.numpy()[(slice(None), *at)])
            picture[there] = np.where(seen.valid[at][..., None], colours, np.uint8(255))

    @property
    def compared(self) -> int:
        """Pixels that both dates show."""
        return int(self.pixels.sum() - self.pixels[self.classes.table.nodata])

    @property
    def changed(self) -> int:
        """Pixels that changed."""
        return int(self.pixels[NO_CHANGE_CODE + 1 :].sum()) if self.classes.table.nodata == 0 else 0

    def limits(self, code: int) -> tuple[int, int]:
        """Return the pixels of a code that surely changed, and those that may have, which are not fewer than are shown."""
        shown = int(self.pixels[code])
        return min(shown, int(self.surely[code])), max(shown, int(self.perhaps[code]))

    def confidence_of_regions(self) -> DoubleArray:
        """Return the mean probability of change of each region."""
        return np.asarray(self._sums / np.maximum(1, self._sizes), np.float64)

    def results(self) -> dict[str, Any]:
        """Return the results of the job by name."""
        compared = max(1, self.compared)
        # All that may have changed, also to what nothing on the map did.
        low, high = (int(counts[NO_CHANGE_CODE + 1 :].sum()) for counts in (self.surely, self.perhaps))
        return {
            "changed": self.changed / compared,
            "changed_low": min(self.changed, low) / compared,
            "changed_high": max(self.changed, high) / compared,
            "compared": self.compared,
        }
