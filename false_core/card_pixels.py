"""Pixels on their way to a GPU: they travel as the file stores them, and are normalised there."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from false_core.raster.source import StoredPixels
from false_core.raster.statistics import Normalisation

TAKES_NO_TIME = "meta"
"""PyTorch's device without memory and arithmetic: a GPU that takes no time. Benchmarks measure against it what feeds one."""


def is_card(device: torch.device) -> bool:
    """Return whether a device takes pixels as the file stores them."""
    return device.type in ("cuda", TAKES_NO_TIME)


def to_card(array: Any, device: torch.device) -> Tensor:
    """Return an array of numpy on a card. On the way it is pinned, so that nobody waits for the copy."""
    tensor = torch.from_numpy(array)
    return (tensor.pin_memory() if device.type == "cuda" else tensor).to(device, non_blocking=True)


def normalised_on(device: torch.device, stored: StoredPixels, normalisation: Normalisation) -> Tensor:
    """Return what ``Normalisation.apply`` does, number for number, of pixels that a device gets as they are stored."""
    missing = None if stored.missing is None else to_card(stored.missing, device)
    return normalised(to_card(stored.pixels, device), missing, normalisation)


def normalised(pixels: Tensor, missing: Tensor | None, normalisation: Normalisation) -> Tensor:
    """Return normalised pixels (..., bands, height, width) as float32, 0 where they are missing or NaN."""
    low, high, mean, std = (
        torch.tensor(values, dtype=torch.float32, device=pixels.device)[:, None, None]
        for values in (normalisation.low, normalisation.high, normalisation.mean, normalisation.std)
    )
    out = pixels.float().clamp(low, high).sub_(mean).div_(std)
    return out.nan_to_num_(nan=0.0) if missing is None else out.masked_fill_(missing | out.isnan(), 0.0)
