"""The report of a fine-tuning run: the scores of the model on labels that were kept back, and its training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from false_core.accuracy.metrics import IntArray, score
from false_core.models.model_file import ModelCard
from false_core.models.model_report import model_sections
from false_core.reports.figures import bars_figure, confusion_figure
from false_core.reports.page import page, percent
from false_core.reports.sections import Section
from false_core.training.curves import Curves, draw_curves


def finetuning_report(card: ModelCard, curves: Curves, confusion: IntArray | None, notes: Sequence[str]) -> str:
    """Return the report of a fine-tuning run, as HTML.

    Args:
        confusion: The confusion matrix on the labels kept back, true classes in rows; None where none were.
    """
    names, colors = [c.name for c in card.classes], [c.color for c in card.classes]
    tiles: list[tuple[str, str]] = []
    sections: list[Section] = []
    if confusion is not None:
        scores = score(confusion)
        tiles = [
            ("overall accuracy", percent(scores.oa)),
            ("mean IoU", percent(scores.miou)),
            ("mean class accuracy", percent(scores.macc)),
            ("kappa", f"{scores.kappa:.2f}"),
        ]
        rows = [
            [
                names[k],
                *(percent(v[k]) for v in (scores.iou, scores.producers, scores.users, scores.f1)),
                f"{int(confusion[k].sum()):,}",
            ]
            for k in range(len(names))
        ]
        sections += [
            Section(
                "Scores per class",
                "The scores come from labels that were kept back, in whole blocks of space. The model was scored before it "
                "learned from these labels too. They hold for places like the labelled ones. How good the whole map is, "
                "'Assess a map' says. The bars show the IoU.",
                bars_figure(names, np.nan_to_num(scores.iou).tolist(), colors),
                header=("Class", "IoU", "Producer's accuracy", "User's accuracy", "F1", "Pixels"),
                rows=rows,
                colors=colors,
            ),
            Section(
                "Confusion matrix",
                "The rows are the true classes and the columns the mapped ones, in percent of the row.",
                confusion_figure(confusion, names),
            ),
        ]
    sections += [
        Section("Training", "", draw_curves(curves, [("loss",)])),
        *model_sections(card),
    ]
    summary = f"A model for {len(names)} classes from {card.provenance.get('raster', '')}."
    return page("FALSE fine-tuning", summary, tiles, notes, sections)
