"""The score of the map of the moment, from labels that are held out in turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from false_core.accuracy.cross_validated import (
    MIN_SHAPES_PER_CLASS,
    AccuracyEstimate,
    confusion_of_shapes,
    estimate_accuracy,
    wilson_interval,
)
from false_core.feedback import Feedback
from false_core.labels.annotation import Annotation
from false_core.session.live_head import LiveHead
from false_core.session.session_raster import SessionRaster
from false_core.session_protocol import ClassScore
from false_core.training.heads.choice import HeadSamples, compare
from false_core.training.heads.folds import folds_of
from false_core.training.heads.samples import FloatArray, LabelledPoints


@dataclass(frozen=True)
class HeldOut:
    """The scores of a map from its labels.

    Attributes:
        accuracy: Accuracy of the whole map.
        confusion: Confusion matrix of held-out samples, true classes in rows, every label counting 1; None where none could
            be held out.
        classes: Scores of the classes.
    """

    accuracy: AccuracyEstimate
    confusion: npt.NDArray[np.float64] | None
    classes: tuple[ClassScore, ...]


def hold_out(
    raster: SessionRaster,
    head: LiveHead,
    annotation: Annotation,
    points: LabelledPoints,
    seen: dict[str, FloatArray],
    at_step: Callable[[], None],
) -> HeldOut:
    """Fit classifiers to all labels but some, and ask them about these.

    Args:
        raster: The raster, and how it is looked at.
        head: The classifiers that were fitted to all labels.
        annotation: The labels, one shape each.
        points: Places of the labels.
        seen: Their features as classifiers see them, by part.
        at_step: Called at each step of each fit; what it raises ends it.
    """
    number, seed = len(head.classes), raster.start.job.seed
    folds = folds_of(annotation, raster.source.width, raster.source.height, seed)
    samples = HeadSamples(raster.seen_spaces, points, seen, folds, number, unlabelled={}, others=raster.sample)
    comparison = compare((raster.candidate,), samples, Feedback(), head.fitted, at_step)
    held = points.subset(comparison.held_out)
    labels = np.bincount(annotation.targets, minlength=number)
    accuracy = estimate_accuracy(held.owners, held.targets, comparison.log_probabilities, comparison.on_raster, labels)
    answers = comparison.log_probabilities.argmax(axis=1)
    confusion = confusion_of_shapes(held.owners, held.targets, answers, number) if len(answers) else None
    return HeldOut(accuracy, confusion, tuple(_of_class(k, head, labels, confusion) for k in range(number)))


def _of_class(
    index: int, head: LiveHead, labels: npt.NDArray[np.integer], confusion: npt.NDArray[np.float64] | None
) -> ClassScore:
    code, number = head.classes.classes[index].code, int(labels[index])
    missing = max(0, MIN_SHAPES_PER_CLASS - number)
    asked = 0.0 if confusion is None else float(confusion[index].sum())
    if missing or confusion is None or asked < 1:
        return ClassScore(code, number, missing=max(1, missing))
    share = float(confusion[index, index]) / asked
    low, high = wilson_interval(share, asked, round(asked))
    return ClassScore(code, number, share, low, high)


def annotation_of(head: LiveHead, shapes: list[shapely.Geometry], codes: list[int]) -> Annotation:
    """Return labels as what training knows them as."""
    index = {one.code: number for number, one in enumerate(head.classes)}
    array = np.array(shapes, dtype=object)
    return Annotation(head.classes, array, np.array([index[code] for code in codes], np.int64), shapely.STRtree(array))
