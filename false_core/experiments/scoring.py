"""A map against the truth, strip by strip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import rasterio
from affine import Affine
from rasterio.windows import Window

from false_core.accuracy.metrics import IntArray, confusion_matrix
from false_core.experiments.dataset import read_codes
from false_core.labels.annotation import IGNORE, Annotation
from false_core.raster.classes import ClassTable

_STRIP = 512


@dataclass(frozen=True)
class Tally:
    """What the comparison of a map and its truth came to.

    Attributes:
        confusion: Pixels of shape (classes, classes), true classes in rows.
        without_data: Pixels of known truth where the map says nodata, as the raster has none there. They are not scored.
        labelled: Pixels of known truth that were left out because a label lies on them.
    """

    confusion: IntArray
    without_data: int
    labelled: int


def score_map(mapped: str, truth: str, classes: ClassTable, excluded: Annotation | None) -> Tally:
    """Compare a map with the truth on all pixels of a known class.

    Args:
        mapped: Path of the map, on the pixels of the truth.
        truth: Path of a raster of class codes.
        classes: The classes; class k is in row and column k.
        excluded: Labels, in pixel coordinates of the truth. Pixels that they label, in training as well, are left out.
    """
    index = np.full(256, -1, np.int64)
    for number, c in enumerate(classes):
        index[c.code] = number
    confusion: IntArray = np.zeros((len(classes), len(classes)), np.int64)
    without_data = labelled = 0
    with rasterio.open(mapped) as map_file, rasterio.open(truth) as truth_file:
        if (map_file.width, map_file.height) != (truth_file.width, truth_file.height):
            raise ValueError("the map and the truth are not on the same pixels")
        for row in range(0, truth_file.height, _STRIP):
            strip = Window(0, row, truth_file.width, min(_STRIP, truth_file.height - row))
            true, found = index[read_codes(truth_file, strip)], index[read_codes(map_file, strip)]
            if excluded is not None:
                burned = excluded.burn(Affine.translation(0, -row), strip.height, strip.width) != IGNORE
                labelled += int((burned & (true >= 0)).sum())
                true[burned] = -1
            empty = (found < 0) & (true >= 0)
            without_data += int(empty.sum())
            true[empty] = -1
            confusion += confusion_matrix(true, found, len(classes))
    return Tally(confusion, without_data, labelled)
