"""Pixels on their way to a GPU: they travel as the file stores them, and are normalised there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from false_core.raster.source import FloatArray, StoredPixels
from false_core.raster.statistics import Normalisation

PixelPlaces = npt.NDArray[np.integer]

TAKES_NO_TIME = "meta"
"""PyTorch's device without memory and arithmetic: a GPU that takes no time. Benchmarks measure against it what feeds one."""


def takes_stored_pixels(device: torch.device) -> bool:
    """Return whether a device takes pixels as the file stores them."""
    return device.type in ("cuda", TAKES_NO_TIME)


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a tensor on a device. On the way to a CUDA GPU it is pinned, so that nothing waits for the copy.

    To other devices it is waited for: those of Apple would read memory of the computer that is in other use by then
    (github.com/pytorch/pytorch, issues 139550 and 189690).
    """
    if device.type == "cuda" and tensor.device.type == "cpu":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


@dataclass(frozen=True)
class RawPixels:
    """Pixels in the memory of the computer that a GPU is to normalise.

    Attributes:
        stored: Pixels as the file stores them, of shape (bands, height, width). PyTorch computes with few unsigned numbers:
            those of 16 bits are signed here, with the same bits.
        unsigned: True where they are 16-bit numbers without a sign.
        missing: Mask of the invalid ones, of the same shape; None: those that are NaN, or none.
    """

    stored: Tensor
    unsigned: bool
    missing: Tensor | None

    @classmethod
    def of(cls, pixels: StoredPixels, device: torch.device) -> RawPixels:
        """Return pixels that are ready to be sent to a device."""
        unsigned = pixels.pixels.dtype == np.uint16
        stored = _pinned(pixels.pixels.view(np.int16) if unsigned else pixels.pixels, device)
        return cls(stored, unsigned, None if pixels.missing is None else _pinned(pixels.missing, device))


def normalised_on(device: torch.device, raw: Sequence[RawPixels], normalisation: Normalisation) -> Tensor:
    """Send pixels of one size to a device and normalise them there, number for number as ``Normalisation.apply`` does.

    Returns:
        Normalised pixels, of shape (n, bands, height, width), float32.
    """
    pixels = torch.stack([one.stored.to(device, non_blocking=True) for one in raw])
    pixels = pixels.int().bitwise_and_(0xFFFF).float() if raw[0].unsigned else pixels.float()
    low, high, mean, std = (
        torch.tensor(values, dtype=torch.float32, device=device)[:, None, None]
        for values in (normalisation.low, normalisation.high, normalisation.mean, normalisation.std)
    )
    out = pixels.clamp(low, high).sub_(mean).div_(std).nan_to_num_(nan=0.0)
    for one, of_it in zip(raw, out):
        if one.missing is not None:
            of_it.masked_fill_(one.missing.to(device, non_blocking=True), 0.0)
    return out


def normalised_at(
    pixels: Tensor | RawPixels, rows: PixelPlaces, columns: PixelPlaces, normalisation: Normalisation
) -> FloatArray:
    """Return normalised pixels (bands, rows, columns) of some rows and columns of pixels in the memory of the computer.

    Args:
        pixels: Pixels of a whole window, normalised already or not yet.
    """
    here = slice(None), rows[:, None], columns
    if isinstance(pixels, Tensor):
        found: FloatArray = pixels.numpy()[here]
        return found
    stored = pixels.stored.numpy()[here]
    found = (stored.view(np.uint16) if pixels.unsigned else stored).astype(np.float32)
    if pixels.missing is not None:
        found[pixels.missing.numpy()[here]] = np.nan
    return normalisation.apply(found)


def _pinned(array: Any, device: torch.device) -> Tensor:
    tensor = torch.from_numpy(array)
    return tensor.pin_memory() if device.type == "cuda" else tensor
