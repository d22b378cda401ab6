"""Registration: by how many pixels two dates are shifted against each other, measured from the edges that both show."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from false_core.change.date_pair import PairedPixels
from false_core.raster.source import BoolArray, FloatArray

DoubleArray = npt.NDArray[np.float64]


def measured_shift(looks: Iterable[PairedPixels], most: float) -> tuple[int, int]:
    """Return how many columns and rows further what is at a place before is found after, in working pixels.

    The phases of the edges are correlated (Kuglin and Hines, "The phase correlation image alignment method", 1975), as edges
    outlast seasons and phases do not depend on how strong they are. All places count together.

    Args:
        looks: Places at both dates, all of one size.
        most: The largest shift, in working pixels, along each axis.
    """
    reach = int(most)
    total: DoubleArray | None = None
    for look in looks:
        before, after = (np.fft.rfft2(_edges(date.numpy(), look.valid)) for date in look.dates)
        cross = np.conj(before) * after
        size = look.valid.shape
        found = np.fft.irfft2(cross / np.maximum(np.abs(cross), 1e-9), size)
        total = found if total is None else total + found
    if total is None or not reach or not total.any():
        return 0, 0
    near = np.roll(total, (reach, reach), axis=(0, 1))[: 2 * reach + 1, : 2 * reach + 1]
    row, column = np.unravel_index(int(near.argmax()), near.shape)
    return int(column) - reach, int(row) - reach


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
