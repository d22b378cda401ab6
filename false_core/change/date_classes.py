"""The classes of two dates, from a few labels of one: labels count at the other date where the ground has not changed.

Demir, Bovolo and Bruzzone, "Updating land-cover maps by classification of image time series: a novel change-detection-driven
transfer learning approach", IEEE TGRS 2013: change that was found without labels says which labels hold at the other date.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import shapely
import torch
from affine import Affine
from torch import nn

from false_core.accuracy.cross_validated import wilson_interval
from false_core.change.change_probability import probability_of_change
from false_core.change.date_pair import DatePair
from false_core.change.date_source import DateSource
from false_core.errors import InputError
from false_core.feedback import Feedback
from false_core.jobs import LABELLED_AFTER, LABELLED_BEFORE, Change
from false_core.labels.annotation import IGNORE, Annotation
from false_core.labels.reading import read_annotation
from false_core.raster.classes import ClassTable, read_legend
from false_core.raster.source import RasterSource, Window
from false_core.sampling.labelled import LabelledRaster
from false_core.training.heads.fit import Fitted, FrozenEncoder, HeadRequest, fit_head

HEAD_OF_DATES = "auto"
SMOOTHING_OF_CLASSES_PX = 2.0
"""Standard deviation of the Gaussian window in which class probabilities are averaged, in working pixels."""
MOST_PIXELS_OF_A_LABEL = 4_000_000
"""Pixels of a label that are looked at. Of larger ones it is the middle."""

NOTHING_KNOWN_OF_CLASSES = (
    "It is not known how well the classes are told apart: they name the changes, but have no say in what counts as one."
)

DoubleArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class DateClassifiers:
    """Classifiers of both dates for the same classes.

    Attributes:
        classes: The classes; channel k of each segmenter is ``classes[k]``.
        segmenters: Segmenter of the date before and segmenter of the date after, in evaluation mode.
        trust: Trust in them, 0 to 1: the product of their accuracies on labels that they had not seen.
    """

    classes: ClassTable
    segmenters: tuple[nn.Module, nn.Module]
    trust: float


@dataclass(frozen=True)
class FoundChange:
    """Change that was found without labels.

    Attributes:
        scores: Scores kept in a file on the working grid of the area.
        share: The share of the ground that changed.
    """

    scores: RasterSource
    share: float


def fit_date_classifiers(
    job: Change,
    pair: DatePair,
    encoders: Sequence[FrozenEncoder],
    found: FoundChange,
    device: torch.device,
    feedback: Feedback,
) -> DateClassifiers:
    """Fit a classifier for each date to the labels of a job.

    Args:
        encoders: The encoders to build on, the general one first.
        found: Change that was found without labels.

    Raises:
        InputError: Fewer than two classes have labels where both dates have data.
    """
    assert job.labels and job.field  # The codec has seen to it.
    annotation = read_annotation(job.labels, job.field, DateSource(pair, 0), read_legend(job.legend), feedback)
    if job.labelled == LABELLED_AFTER:
        annotation = moved_labels(annotation, pair.shift)
    probability = _probability_of_labels(annotation, pair, found)
    annotation, probability = _with_data(annotation, probability, feedback)
    unchanged = probability < job.threshold
    holds = (
        unchanged if job.labelled == LABELLED_AFTER else np.ones(len(unchanged), bool),
        unchanged if job.labelled == LABELLED_BEFORE else np.ones(len(unchanged), bool),
    )
    if not all(own.all() for own in holds):
        feedback.info(
            f"{int((~unchanged).sum())} of {len(unchanged)} label shapes lie where the ground changed, and count at their "
            "own date alone."
        )
    segmenters, trust = [], 1.0
    asked = HeadRequest(HEAD_OF_DATES, SMOOTHING_OF_CLASSES_PX, job.seed)
    for date, title in enumerate(("Classes before", "Classes after")):
        own = annotation.subset(holds[date])
        if len(np.unique(own.targets)) < 2:
            raise InputError(
                "Fewer than two classes have labels where the ground did not change.",
                "Digitise some labels where nothing changed, or labels that hold at both dates.",
            )
        raster = LabelledRaster(DateSource(pair, date), pair.normalisations[date], own)
        part = feedback.part(title, 0.5 + 0.1 * date, 0.1)
        fitted = fit_head(asked, encoders, raster, device, part)
        segmenters.append(fitted.segmenter)
        trust *= _held_out_accuracy(fitted)
    if not trust:
        feedback.warn(NOTHING_KNOWN_OF_CLASSES)
    return DateClassifiers(annotation.classes, (segmenters[0], segmenters[1]), trust)


def _held_out_accuracy(fitted: Fitted) -> float:
    """Return the accuracy on labels that were held out; where they are too few for an interval, its lower limit on these.

    Where nothing could be held out, nothing speaks for the classifier.
    """
    if fitted.accuracy.value is not None:
        return fitted.accuracy.value
    if fitted.confusion is None or fitted.confusion.sum() <= 0:
        return 0.0
    shapes = float(fitted.confusion.sum())
    return float(wilson_interval(float(np.trace(fitted.confusion)) / shapes, shapes, int(shapes))[0])


def moved_labels(annotation: Annotation, shift: tuple[int, int]) -> Annotation:
    """Return labels that were drawn over the date after on the pixels that it was moved to."""
    if not any(shift):
        return annotation
    shapes = shapely.transform(annotation.shapes, lambda places: places - np.array(shift))
    return replace(annotation, shapes=shapes, tree=shapely.STRtree(shapes))


def check_tells_classes_apart(classes: ClassTable, model: str) -> None:
    """Raise InputError where a model knows one class alone, which cannot become another."""
    if len(classes) < 2:
        raise InputError(f"{model} knows one class alone, and a change goes from one to another.", "Choose another model.")


def _probability_of_labels(annotation: Annotation, pair: DatePair, found: FoundChange) -> DoubleArray:
    """Return the probability that the ground under each label changed, NaN where a date has no data."""
    probability = np.full(len(annotation.shapes), np.nan)
    area = Window(0, 0, pair.area.width, pair.area.height)
    for number, bounds in enumerate(shapely.bounds(annotation.shapes)):
        window = _around(bounds, area)
        if window is None:
            continue
        to_window = Affine.translation(-window.column, -window.row)
        under = annotation.subset(np.array([number])).burn(to_window, window.height, window.width) != IGNORE
        scores = found.scores.read(window)[0][under]
        known = scores[np.isfinite(scores)]
        if len(known):
            mean = np.array([known.mean()], np.float32)
            probability[number] = float(probability_of_change(mean, found.share)[0])
    return probability


def _around(bounds: DoubleArray, area: Window) -> Window | None:
    """Return the pixels around a shape within an area, or those in its middle where there are too many; None if none."""
    low = np.maximum(np.floor(bounds[:2]), (area.column, area.row)).astype(np.int64)
    high = np.minimum(np.floor(bounds[2:]) + 1, (area.column + area.width, area.row + area.height)).astype(np.int64)
    size = high - low
    if (size <= 0).any():
        return None
    most = int(MOST_PIXELS_OF_A_LABEL**0.5)
    start = low + np.maximum(0, (size - most) // 2)
    size = np.minimum(size, most)
    return Window(int(start[0]), int(start[1]), int(size[0]), int(size[1]))


def _with_data(
    annotation: Annotation, probability: DoubleArray, feedback: Feedback
) -> tuple[Annotation, npt.NDArray[np.float64]]:
    """Return the labels under which both dates have data, with the classes that are left."""
    known = np.isfinite(probability)
    if known.all():
        return annotation, probability
    feedback.warn(f"{int((~known).sum())} of {len(known)} label shapes lie where a date has no data, and are left out.")
    present, targets = np.unique(annotation.targets[known], return_inverse=True)
    if len(present) < 2:
        raise InputError(
            "Fewer than two classes have labels where both dates have data.", "Digitise where both rasters show something."
        )
    classes = ClassTable(tuple(annotation.classes.classes[k] for k in present))
    return replace(annotation.subset(known), classes=classes, targets=targets), probability[known]
