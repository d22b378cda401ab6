"""Parts of a scene: polygons of a layer, or equal rectangles."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import shapely

from false_core.errors import InputError
from false_core.experiments.config import DatasetSpec
from false_core.feedback import Feedback
from false_core.labels.annotation import Annotation
from false_core.labels.reading import read_labelled_ground
from false_core.raster.classes import ClassTable, LandCoverClass
from false_core.raster.source import RasterSource

NO_PART = -1
"""Part of what lies in none."""


def parts_of(spec: DatasetSpec, source: RasterSource, feedback: Feedback) -> Annotation:
    """Return the parts of a scene in pixel coordinates, as shapes of one class without a meaning.

    Args:
        spec: Says what parts the scene.
        source: The scene on its own pixels.
        feedback: The listener that is told what lies outside.

    Raises:
        InputError: The layer cannot be read, or fewer than two of its polygons lie over the scene.
    """
    if spec.parts:
        found = read_labelled_ground(spec.parts, source, feedback)
        if found is None or len(found.shapes) < 2:
            raise InputError(
                f"{spec.parts} has fewer than two polygons over {source.name}.", "A part for itself is the scene."
            )
        return found
    across = np.linspace(0, source.width, spec.parts_across + 1).round()
    down = np.linspace(0, source.height, spec.parts_down + 1).round()
    boxes = [
        shapely.box(left, top, right, bottom)
        for (top, bottom), (left, right) in itertools.product(itertools.pairwise(down), itertools.pairwise(across))
    ]
    return as_ground(np.array(boxes, dtype=object))


def as_ground(shapes: npt.NDArray[np.object_]) -> Annotation:
    """Return shapes as labels of one class without a meaning."""
    ground = ClassTable((LandCoverClass(0, "ground", "#000000"),))
    return Annotation(ground, shapes, np.zeros(len(shapes), np.int64), shapely.STRtree(shapes))


def part_at(parts: Annotation, positions: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Return the number of the part in which each of some positions (n, 2) lies, or ``NO_PART``, of shape (n,)."""
    found = np.full(len(positions), NO_PART, np.int64)
    # The first of several that meet there.
    position, part = parts.tree.query(shapely.points(positions), predicate="intersects")[:, ::-1]
    found[position] = part
    return found
