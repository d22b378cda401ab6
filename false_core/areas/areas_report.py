"""The report on classified areas: how good the classifier is, which class is taken for which, and the areas of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from false_core.accuracy.metrics import score
from false_core.areas.areas_picture import draw_areas
from false_core.models.model_file import MISSING_SHAPES, ModelCard
from false_core.models.model_report import accuracy_in_words, accuracy_tiles, missing_in_words, model_sections
from false_core.raster.areas import PIXELS, unit_of_map
from false_core.raster.source import RasterSource
from false_core.reports.figures import bars_figure, confusion_figure
from false_core.reports.page import page, percent
from false_core.reports.sections import Section, next_steps


def areas_report(
    card: ModelCard,
    shapes: npt.NDArray[np.object_],
    targets: npt.NDArray[np.int64],
    without: int,
    confusion: npt.NDArray[np.number[Any]] | None,
    source: RasterSource,
    notes: Sequence[str],
) -> str:
    """Return the report of a run that classified areas, as HTML.

    Args:
        shapes: Areas that got a class, in working pixels, of shape (n,).
        targets: Numbers of their classes, of shape (n,).
        without: Number of areas that got none.
        confusion: Counts of examples that were held out, true classes in rows; None where the classifier came from a file.
        source: The raster on its working grid.
    """
    names, colors = [c.name for c in card.classes], [c.color for c in card.classes]
    counts = np.bincount(targets, minlength=len(names))
    total = int(counts.sum())
    shares = (counts / max(1, total)).tolist()
    unit = unit_of_map(source)
    has_size = unit.name != PIXELS
    ground = np.bincount(targets, shapely.area(shapes), len(names)) * source.factor**2 * unit.per_pixel
    sections = [
        Section(
            "The areas",
            f"{without:,} areas hold no valid pixel, and got no class." if without else "",
            draw_areas(shapes, targets, list(zip(names, colors)), source.width, source.height),
        ),
        Section(
            "Areas of each class",
            "Where areas overlap, the ground below counts for each of them. Where a class is wrong, its ground is wrong too."
            if has_size
            else "",
            bars_figure(names, shares, colors),
            header=("Class", "Areas", "Share", *([f"Ground ({unit.name})"] if has_size else [])),
            rows=[
                [names[k], f"{counts[k]:,}", percent(shares[k]), *([f"{ground[k]:,.2f}"] if has_size else [])]
                for k in range(len(names))
            ],
            colors=colors,
        ),
        Section("How good the classifier is", accuracy_in_words(card)),
    ]
    if confusion is not None and "oa" in card.provenance.get("scores", {}):
        scores = score(confusion)
        sections += [
            Section(
                "Scores per class",
                "Examples in each fifth of the blocks of space were asked of a classifier that had not learned from them. A "
                "class with few examples may be far off. The bars show the F1 score.",
                bars_figure(names, np.nan_to_num(scores.f1).tolist(), colors),
                header=("Class", "F1", "Producer's accuracy", "User's accuracy", "Examples"),
                rows=[
                    [
                        names[k],
                        *(percent(v[k]) for v in (scores.f1, scores.producers, scores.users)),
                        f"{confusion[k].sum():g}",
                    ]
                    for k in range(len(names))
                ],
                colors=colors,
            ),
            Section(
                "Confusion matrix",
                "The rows are the true classes and the columns those that were given, in percent of the row.",
                confusion_figure(confusion, names),
            ),
        ]
    more = f"Label more areas: {missing_in_words(card)}." if card.provenance.get(MISSING_SHAPES) else ""
    steps = next_steps(
        more,
        "Look at the areas of the lowest confidence, correct their class in the layer, and run it again with the corrected "
        "layer as labels.",
        "Keep the model of areas to classify those of another raster.",
    )
    summary = f"{total:,} areas of {source.name} in {len(names)} classes."
    return page("FALSE classified areas", summary, accuracy_tiles(card), notes, [*sections, *model_sections(card), *steps])
