"""The classifier of areas: fitted to the pooled features of a few examples, and scored by cross-validation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from false_core.accuracy.cross_validated import AccuracyEstimate, confusion_of_shapes, estimate_accuracy
from false_core.labels.annotation import Annotation
from false_core.raster.classes import ClassTable
from false_core.training.heads.folds import ALWAYS_LEARNED, FOLDS, folds_of
from false_core.training.heads.regression import Linear, fit_logistic
from false_core.training.heads.spaces import Space, space_of

FloatArray = npt.NDArray[np.float32]

AREA_COMPONENTS = 256
AREA_GAIN = 10.0
AREA_PENALTY = 0.1
ASKED_AREAS = 4_096
"""Areas of which the classifiers of a cross-validation are asked, to compare them with the examples."""


@dataclass(frozen=True)
class FittedHead:
    """A classifier, and how well its like did on examples it had not seen.

    Attributes:
        space: Space that pooled features are brought to first.
        linear: The classifier.
        accuracy: Accuracy as a cross-validation estimates it.
        confusion: Counts of held-out examples, true classes in rows; None where none could be held out.
    """

    space: Space
    linear: Linear
    accuracy: AccuracyEstimate
    confusion: npt.NDArray[np.float64] | None


def fit_area_head(
    features: FloatArray,
    targets: npt.NDArray[np.int64],
    shapes: npt.NDArray[np.object_],
    sample: FloatArray,
    classes: ClassTable,
    size: tuple[int, int],
    seed: int,
) -> FittedHead:
    """Fit a classifier to examples.

    Args:
        features: Pooled features of the examples, of shape (n, width).
        targets: Class of each, of shape (n,).
        shapes: Outlines in working pixels: neighbours are held out together.
        sample: Pooled features of some of all areas, of shape (m, width).
        size: Width and height of the raster in working pixels.
        seed: Seed of the draw that says what is held out when.
    """
    space = space_of(sample, 1.0, AREA_COMPONENTS)
    gain = np.float32(AREA_GAIN / np.sqrt(features.shape[1]))
    space = Space(space.mean, space.axes * gain, 1.0)
    inputs = space.of(features, alone=True)
    number = len(classes)
    annotation = Annotation(classes, shapes, targets, shapely.STRtree(shapes))
    folds = folds_of(annotation, *size, seed)
    held_out = np.flatnonzero(folds != ALWAYS_LEARNED)
    answers = np.zeros((len(targets), number), np.float32)
    on_raster = [np.zeros((0, number), np.float32)]
    seen = space.of(sample[:ASKED_AREAS], alone=True)
    for fold in range(FOLDS):
        asked, learned = folds == fold, folds != fold
        if asked.any():
            linear = _fit(inputs[learned], targets[learned], number)
            answers[asked] = linear.log_probabilities(inputs[asked])
            on_raster.append(linear.log_probabilities(seen))
    owners = np.arange(len(targets))
    accuracy = estimate_accuracy(
        owners[held_out],
        targets[held_out],
        answers[held_out],
        np.concatenate(on_raster),
        np.bincount(targets, minlength=number),
    )
    confusion = None
    if len(held_out):
        confusion = confusion_of_shapes(owners[held_out], targets[held_out], answers[held_out].argmax(axis=1), number)
    return FittedHead(space, _fit(inputs, targets, number), accuracy, confusion)


def _fit(inputs: FloatArray, targets: npt.NDArray[np.int64], classes: int) -> Linear:
    counts = 1 / np.bincount(targets, minlength=classes)[targets]
    return fit_logistic(inputs, targets, counts, classes, AREA_PENALTY)
