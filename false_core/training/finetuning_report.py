"""The report of a fine-tuning run: the scores of the model on labels that were held out, and its training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from false_core.accuracy.metrics import score
from false_core.models.encoder_origin import encoders_of, encoders_section
from false_core.models.model_file import MISSING_SHAPES, PRECISION, ModelCard
from false_core.models.model_report import (
    accuracy_in_words,
    accuracy_tiles,
    bands_shown,
    class_section,
    leaning_in_words,
    missing_in_words,
)
from false_core.reports.figures import bars_figure, confusion_figure
from false_core.reports.page import page, percent
from false_core.reports.sections import Section, next_steps
from false_core.training.curves import Curves, draw_curves

LEARNS_FROM_RASTER = "learns_from_raster"
"""Name, among the settings of a model, of whether it learned from pixels without a label."""
LEARNING_WAS_CHECKED = "learning_from_raster_was_checked"
"""Name, among the same, of whether enough labels were held out to say that this does no harm."""
LEARNED_TWICE = (
    "The head was fitted to the labels, and then once more to the labels and to the pixels of the raster that it was surest "
    "about. On labels that were held out this was not clearly worse."
)
LEARNED_UNCHECKED = (
    "The head was fitted to the labels, and then once more to the labels and to the pixels of the raster that it was surest "
    "about. Whether this does harm could not be checked: too few labels could be held out. Look at the map, and compare it "
    "with that of a model for which 'Learn from pixels without a label' was turned off."
)


def finetuning_report(
    card: ModelCard,
    curves: Curves | None,
    confusion: npt.NDArray[np.number[Any]] | None,
    notes: Sequence[str],
    picture: str = "",
    about: Sequence[tuple[str, str]] = (),
) -> str:
    """Return the report of a fine-tuning run, as HTML.

    Args:
        picture: The raster with the labels, as SVG.
        about: CRS and pixel size.
        curves: The curves of a training; None where nothing was trained step by step.
        confusion: The confusion matrix on the labels held out, true classes in rows, in pixels or in shapes; None where none
            were.
    """
    names, colors = [c.name for c in card.classes], [c.color for c in card.classes]
    tiles = accuracy_tiles(card)
    sections = [Section("Where the labels lie", bands_shown(card.band_numbers), picture)] if picture else []
    worst = ""
    counted = "Shapes" if card.head else "Pixels"
    if card.head:
        held_out = (
            "The scores come from a cross-validation: labels in each fifth of the blocks of space were asked of classifiers "
            "that had not learned from them. The model itself has learned from all of them."
        )
    else:
        held_out = (
            "The scores come from labels that were held out, in whole blocks of space. The model was scored before it "
            "learned from these labels too."
        )
    if tiles and not card.provenance.get(MISSING_SHAPES):
        sections.append(Section("How good the model is", accuracy_in_words(card)))
    if confusion is not None and "oa" in card.provenance["scores"]:
        scores = score(confusion)
        worst = _worst(names, scores.iou)
        rows = [
            [
                names[k],
                *(percent(v[k]) for v in (scores.iou, scores.producers, scores.users, scores.f1)),
                f"{round(float(confusion[k].sum())):,}",
            ]
            for k in range(len(names))
        ]
        sections += [
            Section(
                "Scores per class",
                f"{held_out} They hold for places like the labelled ones, and a class with few shapes may be far off. "
                "The bars show the IoU.",
                bars_figure(names, np.nan_to_num(scores.iou).tolist(), colors),
                header=("Class", "IoU", "Producer's accuracy", "User's accuracy", "F1", counted),
                rows=rows,
                colors=colors,
            ),
            Section(
                "Confusion matrix",
                "The rows are the true classes and the columns the mapped ones, in percent of the row.",
                confusion_figure(confusion, names),
            ),
        ]
    else:
        sections.append(class_section(card))
    if curves:
        told = f"The network computed in {card.method[PRECISION]}." if PRECISION in card.method else ""
        sections.append(Section("Training", told, draw_curves(curves, [("loss",)])))
    sections += [*_comparison(card), encoders_section(encoders_of(card))]
    if card.method.get(LEARNS_FROM_RASTER):
        said = LEARNED_TWICE if card.method.get(LEARNING_WAS_CHECKED) else LEARNED_UNCHECKED
        sections.append(Section("Learned from the raster", f"{said} {leaning_in_words(card)}".rstrip()))
    summary = f"A model for {len(names)} classes from {card.provenance.get('raster', '')}."
    if card.provenance.get(MISSING_SHAPES):
        summary += f" {accuracy_in_words(card)}"
    steps = next_steps(
        f"Digitise more: {missing_in_words(card)}. Then fine-tune again." if card.provenance.get(MISSING_SHAPES) else worst,
        "Make the map with 'Classify a raster', and look at it over the image.",
        "'Where to digitise next' shows the places where another label would teach the model most.",
        "'About a model file' says how the model was made, and what it needs.",
    )
    return page("FALSE fine-tuning", summary, tiles, notes, [*sections, *steps], about)


def _worst(names: Sequence[str], iou: npt.NDArray[np.floating]) -> str:
    """Say which class is known worst, and what to do about it."""
    if not np.isfinite(iou).any():
        return ""
    worst = int(np.nanargmin(iou))
    return (
        f"The model knows {names[worst]} worst (IoU {percent(float(iou[worst]))}). Digitise more of it, above all where the "
        "map takes it for something else, and fine-tune again."
    )


def _comparison(card: ModelCard) -> list[Section]:
    """Return a table of the heads that were compared, by their mean IoU, which is not what decides."""
    compared = card.method.get("compared", {})
    ranked = sorted(compared.items(), key=lambda item: -item[1])
    rows = [[name, percent(value)] for name, value in ranked]
    if len(rows) < 2:
        return []
    return [
        Section(
            "Heads compared",
            f"The head '{card.method['head']}' was taken. Each was fitted five times, without a fifth of the blocks of "
            "space that hold labels, and asked about that fifth. Label shapes count alike. What decides is how probable "
            "each finds the right classes there; where enough shapes were held out, also that it is right about 5 % more of "
            "them than the first. This measure does not decide, so that another may be above the one that was taken. The "
            "figures compare heads; they do not say how good the map is.",
            header=("Head", "Mean IoU"),
            rows=rows,
        )
    ]
