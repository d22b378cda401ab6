"""Warnings about labels that may spoil a model or its score, given before the training."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import shapely

from false_core.labels.annotation import Annotation
from false_core.labels.matching import spelling

FEW_PIXELS = 100
"""Labelled pixels below which a class is called too small to learn well."""
MOST_NAMED = 5
"""Groups of names that are told."""
CORNER = 0.1
"""Share of the raster's area that labels should at least be spread over."""


def label_warnings(
    annotation: Annotation, held_out: Annotation | None, scored: bool, width: int, height: int
) -> Iterator[str]:
    """Give what may spoil the model or its score, a sentence each.

    Args:
        annotation: All labels, in pixel coordinates.
        held_out: Those that score the model; None where there are none.
        scored: True where a score was asked for.
    """
    names = [c.name for c in annotation.classes]
    alike: dict[str, list[str]] = {}
    for name in names:
        alike.setdefault(spelling(name), []).append(name)
    doubled = [" / ".join(map(repr, group)) for group in alike.values() if len(group) > 1]
    if doubled:
        yield (
            f"Some classes are called alike but for capitals, blanks or how accents are stored, and each is a class of its "
            f"own: {'; '.join(doubled[:MOST_NAMED])}. Give them one name if they are one."
        )
    yield from _of_one_place(annotation, names)
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


def _of_one_place(annotation: Annotation, names: list[str]) -> Iterator[str]:
    """Give a sentence where labels of different classes are drawn at the very same place, but for parts of a pixel."""
    bounds, centres = shapely.bounds(annotation.shapes), shapely.get_coordinates(shapely.centroid(annotation.shapes))
    # A point is in the pixel that it lies in; other shapes are known by their outer corners and their middle.
    is_point = shapely.get_dimensions(annotation.shapes) == 0
    places = np.column_stack([np.where(is_point[:, None], np.floor(bounds), np.rint(bounds)), is_point])
    places = np.column_stack([places, np.where(is_point[:, None], 0, np.rint(centres))])
    place_of = np.unique(places, axis=0, return_inverse=True)[1].ravel()
    order = np.argsort(place_of, kind="stable")
    first_of = order[np.searchsorted(place_of[order], np.arange(place_of.max() + 1))]
    against = np.flatnonzero(annotation.targets != annotation.targets[first_of[place_of]])
    if against.size:
        one, other = (names[annotation.targets[index]] for index in (first_of[place_of[against[0]]], against[0]))
        yield (
            f"{against.size} labels lie at the very place of another label of a different class, such as {other} on {one}. "
            "Only one of them counts there: delete those that are wrong."
        )
