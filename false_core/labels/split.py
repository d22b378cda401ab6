"""The split of labels into training and scoring. Neighbours look alike, so whole blocks of space are held out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import shapely
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from false_core.labels.annotation import Annotation

BLOCKS_ALONG_SIDE = 10
"""Blocks of space along the longer side of a raster."""
FEWEST_SHAPES = 2
"""A class with fewer shapes gives none: what it has is needed for training."""


def split(annotation: Annotation, share: float, width: int, height: int, seed: int) -> tuple[Annotation, Annotation | None]:
    """Part the labels into those that train the model and those that score it. No shape is cut: its parts look alike.

    Shapes whose centres fall into the same block of a regular grid stay together. What is drawn inside another shape goes
    with that. Blocks are taken in random order until each class has given about ``share`` of its pixels; no class gives its
    last shape.

    Args:
        share: Part of each class's labelled pixels to hold out, 0 to 0.5.
        width, height: Size of the raster in the annotation's pixels.

    Returns:
        Labels for training, and labels for scoring: None where ``share`` is 0 or no class has shapes to spare.
    """
    if share == 0:
        return annotation, None
    held = _choose(annotation, share, max(width, height) / BLOCKS_ALONG_SIDE, seed)
    return annotation.subset(~held), annotation.subset(held) if held.any() else None


def _choose(annotation: Annotation, share: float, side: float, seed: int) -> npt.NDArray[np.bool_]:
    held = np.zeros(len(annotation.shapes), bool)
    nest_of = _nests(annotation)
    largest = np.unique(nest_of, return_index=True)[1][nest_of]
    places = shapely.get_coordinates(shapely.centroid(annotation.shapes))[largest] // side
    block_of = np.unique(places, axis=0, return_inverse=True)[1].reshape(-1)
    pixels, targets = annotation.pixels, annotation.targets
    total = np.bincount(targets, pixels, len(annotation.classes))
    taken = np.zeros(len(annotation.classes))
    left = np.bincount(targets, minlength=len(annotation.classes))
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
        if held[members].any() or len(members) < FEWEST_SHAPES:
            continue
        for member in members[np.argsort(pixels[members], kind="stable")]:
            together = nest_of == nest_of[member]
            if np.isin(targets[together], targets[~held & ~together]).all():
                held |= together
                break
    return held


def _nests(annotation: Annotation) -> npt.NDArray[np.integer]:
    """Return the group of each shape: in one are those that are drawn inside one another."""
    number = len(annotation.shapes)
    inside, around = annotation.tree.query(shapely.point_on_surface(annotation.shapes), predicate="within")
    pairs = coo_matrix((np.ones(len(inside), bool), (inside, around)), shape=(number, number))
    groups: npt.NDArray[np.integer] = connected_components(pairs, directed=False)[1]
    return groups
