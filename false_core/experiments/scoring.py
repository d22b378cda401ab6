"""The score of a model against the truth: of a whole map, strip by strip, or of random pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from affine import Affine
from rasterio.windows import Window

from false_core.accuracy.metrics import IntArray, confusion_matrix
from false_core.experiments.dataset import read_codes
from false_core.labels.annotation import IGNORE, Annotation
from false_core.raster.classes import ClassTable

_STRIP = 512
_SCORED_PIXELS_SEED = 0
UNKNOWN_INDEX = -1
"""Class of a pixel whose truth is not known, or that is not scored."""


@dataclass(frozen=True)
class Tally:
    """The counts from comparing a map and its truth.

    Attributes:
        confusion: Pixels of shape (classes, classes), true classes in rows.
        without_data: Pixels of known truth where the map says nodata, as the raster has none there. They are not scored.
        labelled: Pixels of known truth that were left out because a label lies on them.
    """

    confusion: IntArray
    without_data: int
    labelled: int


@dataclass(frozen=True)
class ScoredPixels:
    """Random pixels of a raster whose class is known.

    Attributes:
        columns, rows: Positions of the pixels, each of shape (n,).
        targets: Class of each, of shape (n,).
    """

    columns: IntArray
    rows: IntArray
    targets: IntArray

    @property
    def middles(self) -> npt.NDArray[np.float64]:
        """Their middles in pixel coordinates, x first, of shape (n, 2)."""
        middles: npt.NDArray[np.float64] = np.stack([self.columns, self.rows], axis=1).astype(np.float64) + 0.5
        return middles

    def subset(self, chosen: npt.NDArray[np.bool_]) -> ScoredPixels:
        """Return some of them."""
        return ScoredPixels(self.columns[chosen], self.rows[chosen], self.targets[chosen])


def draw_pixels(truth: str, classes: ClassTable, excluded: Annotation | None, number: int) -> ScoredPixels:
    """Draw pixels whose class is known and that no label covers, always the same ones.

    Args:
        truth: Path of a raster of class codes.
        classes: The classes; class k has the target k.
        excluded: Labels, in pixel coordinates of the truth.
        number: Number of pixels; all where there are fewer.
    """
    index = _index_of(classes)
    columns, rows, targets = [], [], []
    with rasterio.open(truth) as file:
        # Looked at twice, as the truth may be larger than the memory.
        starts = range(0, file.height, _STRIP)
        ends = np.cumsum([int((_truth(file, row, index, excluded)[0] >= 0).sum()) for row in starts])
        total = int(ends[-1])
        chance = np.random.default_rng(_SCORED_PIXELS_SEED)
        drawn = np.sort(chance.choice(total, min(number, total), replace=False, shuffle=False))
        begin = 0
        for start, end in zip(starts, ends.tolist()):
            own = drawn[(drawn >= begin) & (drawn < end)] - begin
            begin = end
            if not len(own):
                continue
            strip = _truth(file, start, index, excluded)[0]
            places = np.flatnonzero(strip >= 0)[own]
            columns.append(places % strip.shape[1])
            rows.append(places // strip.shape[1] + start)
            targets.append(strip.ravel()[places])
    empty = [np.zeros(0, np.int64)]
    found = (np.concatenate(part or empty).astype(np.int64) for part in (columns, rows, targets))
    return ScoredPixels(*found)


def score_map(
    mapped: str, truth: str, classes: ClassTable, excluded: Annotation | None, inside: Annotation | None = None
) -> Tally:
    """Compare a map with the truth on all pixels of a known class.

    Args:
        mapped: Path of the map, on the pixels of the truth.
        truth: Path of a raster of class codes.
        classes: The classes; class k is in row and column k.
        excluded: Labels, in pixel coordinates of the truth. Pixels that they label, in training as well, are left out.
        inside: Area that alone is scored, in pixel coordinates too; None: everything.
    """
    index = _index_of(classes)
    confusion: IntArray = np.zeros((len(classes), len(classes)), np.int64)
    without_data = labelled = 0
    with rasterio.open(mapped) as map_file, rasterio.open(truth) as truth_file:
        if (map_file.width, map_file.height) != (truth_file.width, truth_file.height):
            raise ValueError("the map and the truth are not on the same pixels")
        for row in range(0, truth_file.height, _STRIP):
            strip = Window(0, row, truth_file.width, min(_STRIP, truth_file.height - row))
            true, covered = _truth(truth_file, row, index, excluded, inside)
            found = index[read_codes(map_file, strip)]
            labelled += covered
            empty = (found < 0) & (true >= 0)
            without_data += int(empty.sum())
            true[empty] = -1
            confusion += confusion_matrix(true, found, len(classes))
    return Tally(confusion, without_data, labelled)


def _index_of(classes: ClassTable) -> npt.NDArray[np.int16]:
    index = np.full(256, UNKNOWN_INDEX, np.int16)
    for number, c in enumerate(classes):
        index[c.code] = number
    return index


def _truth(
    file: Any, row: int, index: npt.NDArray[np.int16], excluded: Annotation | None, inside: Annotation | None = None
) -> tuple[npt.NDArray[np.int16], int]:
    """Return the classes in a strip of an open truth, and how many pixels of known class labels cover."""
    strip = Window(0, row, file.width, min(_STRIP, file.height - row))
    true = index[read_codes(file, strip)]
    to_strip = Affine.translation(0, -row)
    if inside is not None:
        true[inside.burn(to_strip, strip.height, strip.width) == IGNORE] = UNKNOWN_INDEX
    if excluded is None:
        return true, 0
    burned = excluded.burn(to_strip, strip.height, strip.width) != IGNORE
    covered = int((burned & (true >= 0)).sum())
    true[burned] = UNKNOWN_INDEX
    return true, covered
