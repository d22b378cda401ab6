"""A map beside its reference: which pixel or point is what in the one and in the other, strip by strip."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from affine import Affine

from false_core.errors import InputError
from false_core.feedback import Feedback
from false_core.labels.annotation import IGNORE, Annotation
from false_core.labels.label_warnings import contradictions, only_one_counts
from false_core.labels.matching import spelling
from false_core.labels.reading import Labels
from false_core.raster.aligned import AlignedCodes
from false_core.raster.carried_classes import read_carried_classes
from false_core.raster.class_map import ClassMap, CodeArray, tally
from false_core.raster.classes import MOST_CLASSES, ClassTable, LandCoverClass, LegendEntry, names_from_legend
from false_core.raster.source import BoolArray, RasterSource, Window

POINT_REFERENCE, SHAPE_REFERENCE, RASTER_REFERENCE = "points", "lines and polygons", "raster"
"""Kinds of a reference."""
NO_TRUTH = ("unclassified", "unlabelled", "unlabeled", "no data", "nodata")
"""Names in other programs for the pixels of a raster of classes that have none, such as code 0 of an ENVI classification."""


@dataclass
class Comparison:
    """The pairs of values that were counted.

    Attributes:
        kind: ``POINT_REFERENCE``, ``SHAPE_REFERENCE`` or ``RASTER_REFERENCE``.
        beside: File name of what was compared with the map.
        mapped: Pixels of the map by code, in the order of the codes.
        pairs: Points or pixels by value of the reference and code of the map.
        left_out: Number of what could not be compared, by what it is in words.
        names: Names that the reference itself has for its values: those in the file of a raster, those in the legend of
            labels.
    """

    kind: str
    beside: str
    mapped: dict[int, int] = field(default_factory=dict)
    pairs: Counter[tuple[Hashable, int]] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    names: dict[Any, str] = field(default_factory=dict)


def compare_labels(the_map: ClassMap, labels: Labels, legend: Sequence[LegendEntry], feedback: Feedback) -> Comparison:
    """Compare points one by one; where there are lines or polygons, compare every pixel that is labelled."""
    only_points = (shapely.get_dimensions(labels.shapes) == 0).all()
    seen = (_compare_points if only_points else _compare_shapes)(the_map, labels, feedback)
    seen.names = names_from_legend(list(dict.fromkeys(labels.values)), legend, labels.named)
    class_of = [seen.names.get(value, str(value)) for value in labels.values]
    _, targets = np.unique([spelling(name) for name in class_of], return_inverse=True)
    against = contradictions(labels.shapes, targets)
    if against and only_points:
        one, other = (class_of[index] for index in against[0])
        feedback.warn(
            f"{len(against)} points lie in the pixel of another point of a different class, such as {other} on {one}. "
            "Whatever the map shows there, one of the two counts as wrong: delete those that are wrong."
        )
    elif against:
        feedback.warn(only_one_counts(against, class_of))
    seen.left_out["label shapes outside the map"] = labels.outside
    seen.left_out["labels without a class"] = labels.empty
    return seen


def _compare_points(the_map: ClassMap, labels: Labels, feedback: Feedback) -> Comparison:
    seen = Comparison(POINT_REFERENCE, labels.name)
    column, row = np.floor(shapely.get_coordinates(labels.shapes)).astype(np.int64).T
    # A point on the outer edge of the map belongs to the pixel it touches.
    column, row = column.clip(0, the_map.source.width - 1), row.clip(0, the_map.source.height - 1)
    order = np.argsort(row, kind="stable")
    for window, codes, valid in _strips(the_map, seen, feedback):
        first, last = np.searchsorted(row[order], [window.row, window.row + window.height])
        for index in order[first:last]:
            at = row[index] - window.row, column[index]
            if valid[at]:
                seen.pairs[labels.values[index], int(codes[at])] += 1
            else:
                seen.left_out["points where the map has no data"] += 1
    return seen


def _compare_shapes(the_map: ClassMap, labels: Labels, feedback: Feedback) -> Comparison:
    seen = Comparison(SHAPE_REFERENCE, labels.name)
    values = list(dict.fromkeys(labels.values))
    if len(values) > MOST_CLASSES:
        raise InputError(
            f"The class field has {len(values)} different values; a map can hold {MOST_CLASSES}.",
            "Check that it is the field with the class.",
        )
    annotation = _annotation(labels, values)
    for window, codes, valid in _strips(the_map, seen, feedback):
        targets = annotation.burn(Affine.translation(-window.column, -window.row), window.height, window.width)
        labelled = targets != IGNORE
        seen.left_out["labelled pixels where the map has no data"] += int((labelled & ~valid).sum())
        both = labelled & valid
        for (target, code), number in _tally_pairs(targets[both], codes[both]).items():
            seen.pairs[values[target], code] += number
    return seen


def _annotation(labels: Labels, values: list[Hashable]) -> Annotation:
    """Return labels as they can be burned in, with the index into ``values`` as target. Larger polygons come first."""
    order = np.argsort(-shapely.area(labels.shapes), kind="stable")
    shapes, target_of = labels.shapes[order], {value: index for index, value in enumerate(values)}
    targets = np.array([target_of[labels.values[index]] for index in order])
    unnamed = ClassTable(tuple(LandCoverClass(index, str(index), "#000000") for index in range(len(values))))
    return Annotation(unnamed, shapes, targets, shapely.STRtree(shapes))


def compare_raster(the_map: ClassMap, path: str, feedback: Feedback) -> Comparison:
    """Compare every pixel of the map whose truth is known."""
    beside = RasterSource(path)
    bands = len(beside.bands)
    if bands > 1:
        feedback.warn(f"{beside.name} has {bands} bands. Its classes are taken from the first.")
    # Its classes are read once it is open: the raster is looked through before that.
    with AlignedCodes(path, the_map.source, feedback) as truth:
        names = {c.code: c.name for c in read_carried_classes(path).classes}
        seen = Comparison(RASTER_REFERENCE, truth.source.name, names=names)
        unknown = [code for code, name in seen.names.items() if spelling(name) in NO_TRUTH]
        for _, codes, valid, (true, known) in ((*strip, truth.read(strip[0])) for strip in _strips(the_map, seen, feedback)):
            known &= ~np.isin(true, unknown)
            seen.left_out["pixels of the truth where the map has no data"] += int((known & ~valid).sum())
            seen.left_out["pixels of the map without a truth"] += int((valid & ~known).sum())
            both = known & valid
            seen.pairs.update(_tally_pairs(true[both], codes[both]))
            if len({value for value, _ in seen.pairs}) > MOST_CLASSES:
                raise InputError(
                    f"{truth.source.name} holds more than {MOST_CLASSES} different values: it is no map of classes.",
                    "Choose a raster of class codes.",
                )
    return seen


def _strips(the_map: ClassMap, seen: Comparison, feedback: Feedback) -> Iterator[tuple[Window, CodeArray, BoolArray]]:
    """Read the map from top to bottom, and count what is on it."""
    for window, codes, valid in the_map.strips(feedback):
        the_map.add_counts(seen.mapped, codes[valid])
        yield window, codes, valid
    seen.mapped = the_map.checked(seen.mapped)


def _tally_pairs(first: npt.NDArray[np.integer], second: npt.NDArray[np.integer]) -> dict[tuple[int, int], int]:
    """Return how often each pair of whole numbers occurs."""
    if not first.size:
        return {}
    # Packed into one number as small as can be: small numbers are quick to count.
    low, other_low = int(first.min()), int(second.min())
    span = int(second.max()) - other_low + 1
    packed = (first.astype(np.int64) - low) * span + (second.astype(np.int64) - other_low)
    return {(key // span + low, key % span + other_low): number for key, number in tally(packed).items()}
