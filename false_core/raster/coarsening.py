"""The means of blocks of pixels, over what is valid of them: how a raster gets coarser."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
Pixels = npt.NDArray[Any]


def block_mean(data: FloatArray, factor: int) -> FloatArray:
    """Average (bands, height * factor, width * factor) to (bands, height, width) over what is finite."""
    if factor == 1:
        return data
    invalid = ~np.isfinite(data)
    out = np.empty((len(data), data.shape[1] // factor, data.shape[2] // factor), np.float32)
    write_block_means(data, invalid if invalid.any() else None, factor, out)
    return out


def write_block_means(data: Pixels, invalid: BoolArray | None, factor: int, out: FloatArray) -> None:
    """Write the means over what is valid to ``out``; NaN where nothing is."""
    # One at a time, as what lies in between takes as much memory as the band itself.
    for number, (band, mean) in enumerate(zip(data, out)):
        if invalid is None:
            mean[:] = _block_sum(band, factor)
            mean /= factor * factor
            continue
        missing = invalid[number]
        with np.errstate(invalid="ignore"):
            mean[:] = _block_sum(np.where(missing, band.dtype.type(0), band), factor)
            mean /= factor * factor - _block_sum(missing.view(np.uint8), factor)


def _block_sum(band: Pixels, factor: int) -> FloatArray:
    # Rows first: whole rows are added much faster than every so many pixels of one.
    rows = band[::factor].astype(np.float32)
    for start in range(1, factor):
        rows += band[start::factor]
    total = rows[:, ::factor].copy()
    for start in range(1, factor):
        total += rows[:, start::factor]
    return total
