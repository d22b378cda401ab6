"""The crops around labels that a model keeps."""

from __future__ import annotations

import warnings

import numpy as np
import shapely
import torch
from affine import Affine

from false_core.errors import InputError
from false_core.labels.annotation import Annotation
from false_core.models.fused import HALF_MAX
from false_core.models.label_crops import CROP_PX, UNLABELLED, LabelCrops, crops_kept
from false_core.raster.source import Window
from false_core.sampling.labelled import LabelledRaster


def label_crops(raster: LabelledRaster, seed: int) -> LabelCrops | None:
    """Return crops around labels of all classes, as many of one as of another; None where a crop has too many bands.

    Where the raster cannot be read any more there are none either, and a warning says so: the model is not lost for that.
    """
    try:
        return _crops_read(raster, seed)
    except InputError as error:
        warnings.warn(f"The model keeps no crops around its labels. {error}", RuntimeWarning, stacklevel=2)
        return None


def _crops_read(raster: LabelledRaster, seed: int) -> LabelCrops | None:
    source, annotation = raster.source, raster.annotation
    pixels, targets = [], []
    corners: list[tuple[int, int]] = []
    for number in _shapes_in_turn(annotation, seed)[: crops_kept(len(source.bands))]:
        middle = shapely.get_coordinates(shapely.point_on_surface(annotation.shapes[number]))[0]
        column, row = (
            max(0, min(int(place) - CROP_PX // 2, size - CROP_PX))
            for place, size in zip(middle, (source.width, source.height))
        )
        read = source.read(Window(column, row, CROP_PX, CROP_PX))
        burned = annotation.burn(Affine.translation(-column, -row), CROP_PX, CROP_PX)
        burned[~np.isfinite(read).any(axis=0)] = UNLABELLED
        # Where crops overlap, no label is counted twice.
        for left, top in ((left - column, top - row) for left, top in corners):
            burned[max(0, top) : max(0, top + CROP_PX), max(0, left) : max(0, left + CROP_PX)] = UNLABELLED
        corners.append((column, row))
        pixels.append(raster.normalisation.apply(read).clip(-HALF_MAX, HALF_MAX).astype(np.float16))
        targets.append(burned)
    return LabelCrops(torch.from_numpy(np.stack(pixels)), torch.from_numpy(np.stack(targets))) if pixels else None


def _shapes_in_turn(annotation: Annotation, seed: int) -> list[int]:
    """Return the numbers of all shapes in an order by chance, in which the classes take turns."""
    shuffled = np.random.default_rng(seed).permutation(len(annotation.shapes))
    by_class = annotation.targets[shuffled]
    turn = np.zeros(len(shuffled), np.int64)
    for target in np.unique(by_class):
        turn[by_class == target] = np.arange((by_class == target).sum())
    ordered: list[int] = shuffled[np.lexsort((by_class, turn))].tolist()
    return ordered
