"""Folds of a cross-validation in blocks of space: neighbours look alike, so they stay together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import shapely

from false_core.labels.annotation import Annotation
from false_core.labels.split import BLOCKS_ALONG_SIDE

FOLDS = 5
ALWAYS_LEARNED = -1
"""Fold of a shape that is never held out, as it is the only one of its class."""


def folds_of(annotation: Annotation, width: int, height: int, seed: int) -> npt.NDArray[np.int64]:
    """Return the fold of each shape, of shape (n,): from 0 to ``FOLDS`` - 1, or ``ALWAYS_LEARNED``.

    Shapes in the same block of a regular grid are in the same fold. Blocks go, in random order, where their classes have
    been held out least. Only where all shapes of a class lie in one block are they spread over the folds one by one.

    Args:
        annotation: The labels.
        width, height: Size of the raster in the annotation's pixels.
        seed: Seed of the order of the blocks.
    """
    chance = np.random.default_rng(seed)
    targets, classes = annotation.targets, len(annotation.classes)
    side = max(width, height) / BLOCKS_ALONG_SIDE
    _, blocks = np.unique(shapely.get_coordinates(shapely.centroid(annotation.shapes)) // side, axis=0, return_inverse=True)
    blocks = blocks.reshape(-1)
    number = np.bincount(targets, minlength=classes)
    for target in range(classes):
        own = np.flatnonzero(targets == target)
        if len(own) > 1 and len(np.unique(blocks[own])) == 1:
            blocks[own] = blocks.max() + 1 + np.arange(len(own))
    folds = np.full(len(targets), ALWAYS_LEARNED, np.int64)
    held = np.zeros((FOLDS, classes))
    for block in chance.permutation(np.unique(blocks)):
        members = np.flatnonzero(blocks == block)
        gives = np.bincount(targets[members], minlength=classes)
        share = held / number.clip(min=1)
        # The whole of a class would be left with nothing to learn from.
        whole = ((held + gives == number) & (gives > 0) & (number > 1)).sum(axis=1)
        fold = int(np.argmin(classes * whole + (share * (gives > 0)).sum(axis=1) + 1e-6 * share.sum(axis=1)))
        folds[members], held[fold] = fold, held[fold] + gives
    folds[number[targets] < 2] = ALWAYS_LEARNED
    return folds
