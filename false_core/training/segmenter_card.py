"""The card in the file of a land-cover model: its raster, its classes and how good its map is."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from false_core.accuracy.cross_validated import AccuracyEstimate
from false_core.accuracy.metrics import score
from false_core.labels.annotation import Annotation
from false_core.models.header import SEGMENTER
from false_core.models.model_file import MADE_BY, MISSING_SHAPES, SHAPES, ModelCard, facts_of_raster
from false_core.raster.source import RasterSource
from false_core.raster.statistics import Normalisation
from false_core.training.start import Start

PATCH = 64
"""Working pixels that a model of frozen features is said to look at, where a length is needed."""


def card_of(
    start: Start,
    source: RasterSource,
    normalisation: Normalisation,
    annotation: Annotation,
    accuracy: AccuracyEstimate | None,
    confusion: npt.NDArray[np.number[Any]] | None,
    encoder: str,
    method: dict[str, Any],
) -> ModelCard:
    """Return the card of a model without what depends on its head.

    Args:
        start: The job, and what it starts from.
        source: The raster on its working grid.
        normalisation: The normalisation of its bands.
        annotation: The labels.
        accuracy: Known accuracy of the map.
        confusion: Confusion matrix of held-out labels, true classes in rows.
        encoder: The timm backbone of the encoder that was pretrained last.
        method: Method by which the model is made, and its settings.
    """
    missing = accuracy.missing if accuracy else ()
    return ModelCard(
        kind=SEGMENTER,
        encoder=encoder,
        **facts_of_raster(source),
        normalisation=normalisation,
        patch_size=PATCH,
        classes=annotation.classes,
        method=method,
        provenance={
            "raster": source.name,
            "encoder": start.base.provenance if start.base else "untrained",
            "pretraining": start.base.method if start.base else {},
            "labels": _counts(annotation),
            "scores": _scores(accuracy, confusion),
            MISSING_SHAPES: {str(c.code): number for c, number in zip(annotation.classes, missing) if number},
            **({MADE_BY: start.made_by} if start.made_by else {}),
        },
    )


def _scores(accuracy: AccuracyEstimate | None, confusion: npt.NDArray[np.number[Any]] | None) -> dict[str, float]:
    """Return what is known of the map's accuracy: with too few shapes, their number and nothing else."""
    if accuracy is None:
        return {}
    if accuracy.value is None or accuracy.low is None or accuracy.high is None or confusion is None:
        return {SHAPES: accuracy.shapes}
    s = score(confusion)
    scores = {"oa": accuracy.value, "oa_low": accuracy.low, "oa_high": accuracy.high}
    scores |= {"miou": s.miou, "macc": s.macc, "kappa": s.kappa, SHAPES: accuracy.shapes}
    # A score that cannot be computed is left out: JSON has no word for it.
    return {name: value for name, value in scores.items() if math.isfinite(value)}


def _counts(annotation: Annotation) -> dict[str, list[int]]:
    """Return the number of shapes and of labelled pixels by class code."""
    pixels = annotation.pixels
    return {
        str(c.code): [int((annotation.targets == k).sum()), round(float(pixels[annotation.targets == k].sum()))]
        for k, c in enumerate(annotation.classes)
    }
