"""Registration: by how many pixels two dates are shifted against each other, measured from the edges that both show."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from false_core.change.date_pair import PairedPixels
from false_core.raster.source import BoolArray, FloatArray

DoubleArray = npt.NDArray[np.float64]


SURE_DEVIATIONS = 8.0
"""Height from which on a peak of the correlation is no chance, in its standard deviations. Chance reaches five."""
CLEARLY_HIGHER = 1.5
"""The height of a peak that is further off than was allowed, over that of the highest nearer one, from which it counts."""


@dataclass(frozen=True)
class MeasuredShift:
    """The shift between two dates, in working pixels: columns and rows that what was seen before lies further on.

    Attributes:
        allowed: Shift within what was allowed.
        beyond: Shift that the edges speak for, where that is surely a larger one; otherwise None.
    """

    allowed: tuple[int, int] = (0, 0)
    beyond: tuple[int, int] | None = None


def measured_shift(looks: Iterable[PairedPixels], most: float) -> MeasuredShift:
    """Return how many columns and rows further what is at a place before is found after.

    The phases of the edges are correlated (Kuglin and Hines, "The phase correlation image alignment method", 1975), as edges
    outlast seasons and phases do not depend on how strong they are. All places count together.

    Args:
        looks: Places at both dates, all of one size.
        most: The largest shift that is allowed, in working pixels, along each axis.
    """
    reach = int(most)
    total: DoubleArray | None = None
    for look in looks:
        before, after = (np.fft.rfft2(_edges(date.numpy(), look.valid)) for date in look.dates)
        cross = np.conj(before) * after
        size = look.valid.shape
        found = np.fft.irfft2(cross / np.maximum(np.abs(cross), 1e-9), size)
        total = found if total is None else total + found
    if total is None or not total.any():
        return MeasuredShift()
    near = np.roll(total, (reach, reach), axis=(0, 1))[: 2 * reach + 1, : 2 * reach + 1]
    row, column = np.unravel_index(int(near.argmax()), near.shape)
    allowed = int(column) - reach, int(row) - reach
    peak = total.max()
    if peak <= max(CLEARLY_HIGHER * near.max(), SURE_DEVIATIONS * total.std()):
        return MeasuredShift(allowed)
    lower, further = (int(place) for place in np.unravel_index(int(total.argmax()), total.shape))
    height, width = total.shape  # What lies beyond half of it lies on the other side.
    return MeasuredShift(allowed, (further - width * (2 * further > width), lower - height * (2 * lower > height)))


def _edges(pixels: FloatArray, valid: BoolArray) -> DoubleArray:
    """Return how strongly each pixel differs from its neighbours, 0 where it or one of them is invalid."""
    down, across = np.gradient(pixels.astype(np.float64), axis=(1, 2))
    inside = valid.copy()
    for axis in (0, 1):
        for step in (-1, 1):
            inside &= np.roll(valid, step, axis=axis)
    inside[[0, -1]] = inside[:, [0, -1]] = False
    edges = np.where(inside, np.hypot(down, across).sum(axis=0), 0.0)
    mean = edges[inside].mean() if inside.any() else 0.0
    return np.asarray(np.where(inside, edges - mean, 0.0), np.float64)
