"""Examples: the areas whose class is known, from labels that lie on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from false_core.areas.layer import AreaLayer, repaired
from false_core.errors import InputError
from false_core.feedback import Feedback
from false_core.labels.label_warnings import called_alike
from false_core.labels.placement import to_pixels
from false_core.labels.reading import read_class_values
from false_core.raster.classes import ClassTable, LegendEntry, classes_from_values
from false_core.raster.source import RasterSource

COVERED_SHARE = 0.5
"""Share of an area above which a polygon labels it."""


@dataclass(frozen=True)
class Examples:
    """Areas with a class.

    Attributes:
        classes: The classes of them.
        numbers: Numbers of the areas, of shape (n,). Those from the number of areas on are ``more``.
        targets: Index into ``classes`` of each, of shape (n,).
        more: Shapes that teach but get no class, in working pixels: areas outside the extent that bear labels, and
            labels that lie on no area, which are areas themselves.
    """

    classes: ClassTable
    numbers: npt.NDArray[np.int64]
    targets: npt.NDArray[np.int64]
    more: npt.NDArray[np.object_]


def read_examples(
    path: str,
    field: str,
    layer: AreaLayer,
    source: RasterSource,
    legend: Sequence[LegendEntry],
    feedback: Feedback,
) -> Examples:
    """Read labels, and find the areas that they lie on.

    Args:
        layer: The areas, in working pixels.

    Raises:
        InputError: The labels cannot be read, none of them lies on the raster, or all are of one class.
    """
    table, labels, named = read_class_values(path, field, feedback)
    codes, classes = classes_from_values(labels, legend, named)
    shapes = repaired(to_pixels(table, source, feedback)[0])
    code = np.array([codes[value] for value in labels])
    dimensions = shapely.get_dimensions(shapes)
    if (dimensions == 1).any():
        feedback.warn(f"{int((dimensions == 1).sum())} labels are lines, which label no area. They are left out.")
    numbers, votes, weights, more = _matches(shapes, dimensions, code, np.concatenate([layer.shapes, layer.beyond]), source)
    if len(more):
        feedback.info(f"Labels that are polygons and mostly cover no area: {len(more):,}. Each is an example of its own.")
    number, code_of, contradicted = _most_votes(numbers, votes, weights)
    if contradicted:
        feedback.warn(f"{contradicted} areas bear labels of several classes that count alike. They are left out.")
    within = len(layer.shapes)
    beyond = np.unique(number[number >= within])
    number = np.where(number < within, number, within + np.searchsorted(beyond, number))
    number = np.concatenate([number, within + len(beyond) + np.arange(len(more))])
    code_of = np.concatenate([code_of, code[more]])
    present = ClassTable(tuple(c for c in classes if c.code in set(code_of.tolist())))
    if not len(present) and contradicted:
        raise InputError(
            "Each area with labels bears labels of several classes that count alike.",
            "Choose smaller cells or areas, or correct the labels.",
        )
    if not len(present):
        raise InputError(
            f"No label of {path} lies on {source.name}.", "Check that both have the right CRS and lie on top of each other."
        )
    if len(present) < 2:
        raise InputError(
            f"All labels over the raster are of one class, {present.classes[0].name!r}; telling classes apart takes two.",
            "Label areas of a second class, or choose another class field.",
        )
    lost = [c.name for c in classes if c not in present.classes]
    if lost:
        feedback.warn(f"No usable label over the raster for {', '.join(lost)}: no area will get it.")
    alike = called_alike(present)
    if alike:
        feedback.warn(alike)
    index_of = {c.code: index for index, c in enumerate(present)}
    targets = np.array([index_of[one] for one in code_of.tolist()], np.int64)
    return Examples(present, number.astype(np.int64), targets, np.concatenate([layer.beyond[beyond - within], shapes[more]]))


def _matches(
    shapes: npt.NDArray[np.object_],
    dimensions: npt.NDArray[np.integer],
    code: npt.NDArray[np.integer],
    areas: npt.NDArray[np.object_],
    source: RasterSource,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.integer], npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Return votes, as areas, codes and weights, and the numbers of the labels that are areas of their own."""
    tree = shapely.STRtree(areas)
    points, polygons = np.flatnonzero(dimensions == 0), np.flatnonzero(dimensions == 2)
    label, held = tree.query(shapes[points], predicate="intersects")
    found = [(held, points[label], np.ones(len(held)))]
    label, met = tree.query(shapes[polygons], predicate="intersects")
    label = polygons[label]
    share = shapely.area(shapely.intersection(shapes[label], areas[met])) / np.maximum(shapely.area(areas[met]), 1e-12)
    mostly = share > COVERED_SHARE
    found.append((met[mostly], label[mostly], share[mostly]))
    frame = shapely.box(0, 0, source.width, source.height)
    alone = np.setdiff1d(polygons, label[mostly])
    more = alone[shapely.intersects(shapes[alone], frame)]
    numbers, labels, weights = (np.concatenate(parts) for parts in zip(*found))
    return numbers, code[labels], weights, more


def _most_votes(
    numbers: npt.NDArray[np.int64], votes: npt.NDArray[np.integer], weights: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.integer], int]:
    """Return the areas that bear labels, the code that most of these give each, and how many areas have no such code."""
    pairs, which = np.unique(np.stack([numbers, votes], axis=1), axis=0, return_inverse=True)
    total = np.bincount(which.reshape(-1), weights, len(pairs))
    order = np.lexsort((-total, pairs[:, 0]))
    pairs, total = pairs[order], total[order]
    first = np.flatnonzero(np.diff(pairs[:, 0], prepend=-1))
    following = np.minimum(first + 1, len(pairs) - 1)
    tied = (following > first) & (pairs[following, 0] == pairs[first, 0]) & (total[following] >= total[first] - 1e-9)
    kept = first[~tied]
    return pairs[kept, 0], pairs[kept, 1], int(tied.sum())
