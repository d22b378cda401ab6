"""Warnings about labels that may spoil what is made of them, given before the work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import shapely

from false_core.labels.annotation import Annotation
from false_core.labels.matching import spelling
from false_core.raster.classes import LandCoverClass

FEW_PIXELS = 100
"""Labelled pixels below which a class is called too small to learn well."""
MOST_NAMED_GROUPS = 5
"""Groups of names that a warning lists."""
CORNER = 0.1
"""Share of the raster's area that labels should at least be spread over."""
SAME_CORNER = 0.1
"""Pixels that corners at one place lie apart at most, about."""


def label_warnings(
    annotation: Annotation, held_out: Annotation | None, scored: bool, width: int, height: int
) -> Iterator[str]:
    """Give what may spoil the model or its score, a sentence each.

    Args:
        annotation: All labels, in pixel coordinates.
        held_out: Labels that score the model; None where there are none.
        scored: True where a score was asked for.
    """
    names = [c.name for c in annotation.classes]
    against = contradictions(annotation.shapes, annotation.targets)
    if against:
        yield only_one_counts(against, [names[target] for target in annotation.targets])
    pixels, targets = annotation.pixels, annotation.targets
    few = [name for k, name in enumerate(names) if pixels[targets == k].sum() < FEW_PIXELS]
    if few:
        yield f"Very few labelled pixels for {', '.join(few)}. Digitise more of it if the map confuses it."
    left, top, right, bottom = shapely.total_bounds(annotation.shapes)
    spread = (right - left) * (bottom - top) / (width * height)
    if spread < CORNER:
        yield (
            f"All labels lie in one part of the raster, {100 * spread:.2g} % of it. The map may be poor in the rest: label "
            "places all over it."
        )
    in_score = set(held_out.targets.tolist()) if held_out else set()
    unscored = [name for k, name in enumerate(names) if k not in in_score]
    if scored and unscored:
        yield f"No score for {', '.join(unscored)}: too few shapes to hold any out."


def called_alike(classes: Iterable[LandCoverClass]) -> str:
    """Return a sentence where several classes have one name, or nearly so; nothing where none have."""
    alike: dict[str, list[str]] = {}
    for one in classes:
        alike.setdefault(spelling(one.name), []).append(one.name)
    doubled = [" / ".join(map(repr, group)) for group in alike.values() if len(group) > 1]
    if not doubled:
        return ""
    return (
        f"Some classes are called alike but for capitals, blanks or how accents are stored, and each is a class of its "
        f"own: {'; '.join(doubled[:MOST_NAMED_GROUPS])}. Give them one name if they are one."
    )


def contradictions(shapes: npt.NDArray[np.object_], targets: npt.NDArray[np.integer]) -> list[tuple[int, int]]:
    """Return the numbers of labels of different classes drawn at the very same place, but for parts of a pixel, in pairs.

    Args:
        shapes: Labels in pixel coordinates, of shape (n,).
        targets: Number of the class of each, from 0 on, of shape (n,).
    """
    if not len(shapes):
        return []
    # A point is in the pixel that it lies in; other shapes are known by their corners.
    dimensions = shapely.get_dimensions(shapes)
    bounds = shapely.bounds(shapes)
    bounds = np.where(dimensions[:, None] == 0, np.floor(bounds), np.rint(bounds / SAME_CORNER))
    place_of = np.unique(np.column_stack([bounds, dimensions]), axis=0, return_inverse=True)[1].ravel()
    lowest, highest = np.full(place_of.max() + 1, targets.max() + 1), np.full(place_of.max() + 1, -1)
    np.minimum.at(lowest, place_of, targets)
    np.maximum.at(highest, place_of, targets)
    first_of: dict[bytes, int] = {}
    against = []
    for index in np.flatnonzero((lowest < highest)[place_of]).tolist():
        first = first_of.setdefault(_drawn(shapes[index], int(dimensions[index])), index)
        if targets[index] != targets[first]:
            against.append((first, index))
    return against


def only_one_counts(against: Sequence[tuple[int, int]], class_of: Sequence[str]) -> str:
    """Return a sentence on labels that contradict each other, of which one counts; ``class_of`` names that of each."""
    one, other = (class_of[index] for index in against[0])
    return (
        f"{len(against)} labels lie at the very place of another label of a different class, such as {other} on {one}. "
        "Only one of them counts there: delete those that are wrong."
    )


def _drawn(shape: shapely.Geometry, dimension: int) -> bytes:
    """Return what is the same of shapes whose corners are the same but for small parts of a pixel."""
    rounded = shapely.transform(shape, np.floor if dimension == 0 else lambda xy: np.rint(xy / SAME_CORNER))
    corners: bytes = shapely.get_coordinates(shapely.normalize(rounded)).tobytes()
    return bytes([dimension]) + corners
