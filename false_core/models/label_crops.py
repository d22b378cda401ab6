"""Crops around the labels that a model learned from, which it keeps: they say what numbers its network works on.

A network in int8 is calibrated on them, and compared with the one in float32. So a model makes the same map of a raster
wherever it is used, and whatever it mapped before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

CROPS_PREFIX = "label_crops."
"""The prefix of the crops' tensors in a model file, beside the weights."""
CROP_PX, MOST_CROPS, VALUES_OF_ALL_CROPS = 128, 16, 2_000_000
"""The side of a crop in working pixels, and the most crops and values that a model keeps: 4 MB."""
UNLABELLED = 255


@dataclass(frozen=True)
class LabelCrops:
    """Crops and their labels.

    Attributes:
        pixels: Normalised pixels, float16 of shape (crops, bands, ``CROP_PX``, ``CROP_PX``).
        targets: Indices of classes, uint8 of shape (crops, ``CROP_PX``, ``CROP_PX``); 255 where there is no label.
    """

    pixels: Tensor
    targets: Tensor

    def tensors(self) -> dict[str, Tensor]:
        """Return what a model file keeps, by name."""
        return {f"{CROPS_PREFIX}pixels": self.pixels, f"{CROPS_PREFIX}targets": self.targets}


def crops_kept(bands: int) -> int:
    """Return how many crops a model of so many bands keeps; 0 where a single one would be too large."""
    return min(MOST_CROPS, VALUES_OF_ALL_CROPS // (bands * CROP_PX**2))


def are_crops(stored: Mapping[str, tuple[Any, Any]]) -> bool:
    """Return whether tensors of these shapes and types are crops, as an untrusted header has them."""
    shape, _ = stored.get(f"{CROPS_PREFIX}pixels", (None, None))
    if not isinstance(shape, list) or len(shape) != 4 or not all(type(n) is int and n > 0 for n in shape):
        return False
    count, bands = shape[:2]
    return count <= crops_kept(bands) and stored == {
        f"{CROPS_PREFIX}pixels": ([count, bands, CROP_PX, CROP_PX], "F16"),
        f"{CROPS_PREFIX}targets": ([count, CROP_PX, CROP_PX], "U8"),
    }


def crops_of(tensors: dict[str, Tensor], bands: int, classes: int) -> LabelCrops:
    """Return the crops of ``LabelCrops.tensors``, of an untrusted file.

    Raises:
        ValueError, KeyError: They are none.
    """
    crops = LabelCrops(tensors[f"{CROPS_PREFIX}pixels"], tensors[f"{CROPS_PREFIX}targets"])
    count = len(crops.targets)
    if (
        not 1 <= count <= crops_kept(bands)
        or (crops.pixels.dtype, crops.targets.dtype) != (torch.float16, torch.uint8)
        or crops.pixels.shape != (count, bands, CROP_PX, CROP_PX)
        or crops.targets.shape != (count, CROP_PX, CROP_PX)
        or not bool(torch.isfinite(crops.pixels).all())
        or not bool(((crops.targets < classes) | (crops.targets == UNLABELLED)).all())
    ):
        raise ValueError("the crops around its labels are none")
    return crops
