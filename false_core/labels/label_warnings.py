"""Warnings about labels that may spoil a model or its score, given before the training."""

from __future__ import annotations

from collections.abc import Iterator

import shapely

from false_core.labels.annotation import Annotation

FEW_PIXELS = 100
"""Labelled pixels below which a class is called too small to learn well."""
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
