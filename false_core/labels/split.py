"""The split of labels into training and scoring. Neighbours look alike, so whole blocks of space are held out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import shapely

from false_core.labels.annotation import Annotation

BLOCKS_ALONG_SIDE = 10
"""Blocks of space along the longer side of a raster."""
FEWEST_SHAPES = 2
"""A class with fewer shapes gives none: what it has is needed for training."""


def split(annotation: Annotation, share: float, width: int, height: int, seed: int) -> tuple[Annotation, Annotation | None]:
    """Part the labels into those that train the model and those that score it.

    Shapes whose centres fall into the same block of a regular grid stay together; polygons larger than half a block are cut
    along the grid first. Blocks are taken in random order until each class has given about ``share`` of its pixels; no
    class gives its last shape.

    Args:
        share: Part of each class's labelled pixels to hold out, 0 to 0.5.
        width, height: Size of the raster in the annotation's pixels.

    Returns:
        Labels for training, and labels for scoring: None where ``share`` is 0 or no class has shapes to spare.
    """
    if share == 0:
        return annotation, None
    side = max(width, height) / BLOCKS_ALONG_SIDE
    pieces = annotation.cut(side)
    held = _choose(pieces, share, side, seed)
    return pieces.subset(~held), pieces.subset(held) if held.any() else None


def _choose(pieces: Annotation, share: float, side: float, seed: int) -> npt.NDArray[np.bool_]:
    held = np.zeros(len(pieces.shapes), bool)
    _, block_of = np.unique(shapely.get_coordinates(shapely.centroid(pieces.shapes)) // side, axis=0, return_inverse=True)
    block_of = block_of.reshape(-1)
    pixels, targets = pieces.pixels, pieces.targets
    total = np.bincount(targets, pixels, len(pieces.classes))
    taken = np.zeros(len(pieces.classes))
    left = np.bincount(targets, minlength=len(pieces.classes))
    for block in np.random.default_rng(seed).permutation(block_of.max() + 1):
        members = np.flatnonzero(block_of == block)
        gives = np.bincount(targets[members], pixels[members], len(total))
        number = np.bincount(targets[members], minlength=len(total))
        involved = number > 0
        wanted = taken < share * total
        # Half as much again is accepted, or classes with few large shapes would never be scored.
        affordable = taken + gives <= 1.5 * share * total
        if (wanted & involved).any() and ((affordable & (left > number)) | ~involved).all():
            held[members] = True
            taken, left = taken + gives, left - number
    # Where a class is not scored yet and has shapes to spare, its smallest one is held out.
    for target in np.unique(targets):
        members = np.flatnonzero(targets == target)
        if not held[members].any() and len(members) >= FEWEST_SHAPES:
            held[members[np.argmin(pixels[members])]] = True
    return held
