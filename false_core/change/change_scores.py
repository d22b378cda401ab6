"""Scores of a map of change, compared with known change."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from false_core.change.change_map import BLOCK_OF_CHANGE_PX
from false_core.change.from_to import NO_CHANGE_CODE
from false_core.errors import InputError
from false_core.raster.source import BoolArray, RasterSource, Window

AnyArray = npt.NDArray[np.generic]


@dataclass(frozen=True)
class ChangeScores:
    """Counts of pixels, and the scores that follow from them.

    Attributes:
        hits: Changed pixels that are shown as changed.
        missed: Changed pixels that are not.
        false_alarms: Unchanged pixels that are shown as changed.
        pixels: All pixels that are known and shown.
    """

    hits: int
    missed: int
    false_alarms: int
    pixels: int

    def __add__(self, other: ChangeScores) -> ChangeScores:
        return ChangeScores(
            self.hits + other.hits,
            self.missed + other.missed,
            self.false_alarms + other.false_alarms,
            self.pixels + other.pixels,
        )

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall; NaN where nothing changed and nothing is shown as changed."""
        both = 2 * self.hits + self.missed + self.false_alarms
        return 2 * self.hits / both if both else float("nan")

    @property
    def precision(self) -> float:
        """The share of what is shown as changed that has changed; NaN where nothing is."""
        shown = self.hits + self.false_alarms
        return self.hits / shown if shown else float("nan")

    @property
    def recall(self) -> float:
        """The share of what has changed that is shown as changed; NaN where nothing has."""
        changed = self.hits + self.missed
        return self.hits / changed if changed else float("nan")

    @property
    def false_alarm_share(self) -> float:
        """The share of all pixels that are shown as changed and are not."""
        return self.false_alarms / self.pixels if self.pixels else float("nan")


def change_scores(shown: AnyArray, changed: BoolArray) -> ChangeScores:
    """Compare a map of change with known change.

    Args:
        shown: Codes of a map of change, of shape (height, width); 0 where it has no data, which does not count.
        changed: Known change of each pixel, of the same shape.
    """
    known, found = shown != 0, shown > np.int64(NO_CHANGE_CODE)
    hits, missed = int((found & changed).sum()), int((known & ~found & changed).sum())
    return ChangeScores(hits, missed, int((found & ~changed).sum()), int(known.sum()))


def change_scores_of_files(shown: str, changed: str) -> ChangeScores:
    """Compare a map of change with a raster on the same grid that is 0 where nothing changed, block by block.

    Raises:
        InputError: The two are not of the same size.
    """
    one, other = RasterSource(shown), RasterSource(changed)
    if (one.width, one.height) != (other.width, other.height):
        raise InputError(
            f"{one.name} has {one.width:,} x {one.height:,} pixels, {other.name} {other.width:,} x {other.height:,}.",
            "Known change must lie on the grid of the map.",
        )
    total, side = ChangeScores(0, 0, 0, 0), BLOCK_OF_CHANGE_PX
    for row in range(0, one.height, side):
        for column in range(0, one.width, side):
            window = Window(column, row, min(side, one.width - column), min(side, one.height - row))
            codes, truth = np.nan_to_num(one.read(window)[0]), other.read(window)[0]
            total += change_scores(np.where(np.isfinite(truth), codes, 0), np.nan_to_num(truth) != 0)
    return total
