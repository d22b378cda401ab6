"""The quality of a map, told from the labels it was made with: held out shape by shape, with an interval that counts shapes.

Pixels of one polygon are nearly one observation, so a polygon counts once, however large. And polygons are no random sample
of the raster: their classes have other shares than the map's, and who digitises takes what is easy, or what is small. So
three estimates are made, which assume different things, and the interval reaches from the lowest limit of them to the
highest:

- *shapes alike*: the mean accuracy of the shapes, as if the raster were like them;
- *with the shares of the map*: user's accuracies, from the recalls of the classes and the shares that the map gives them
  (Olofsson et al. 2014), as if only the shares differed;
- *by confidence*: the first, less as much as the classifiers are less sure of the raster than of the shapes (Guillory et al.
  2021), as if the probabilities told how far the two differ.

Each limit is Wilson's for as many yes-or-no answers as there are shapes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

RealArray = npt.NDArray[np.floating]

MIN_SHAPES_PER_CLASS, MIN_SHAPES = 4, 20
"""Shapes of each class, and in all, below which nothing is said: intervals from less do not hold what they promise."""
CONFIDENCE_LEVEL = 0.95


@dataclass(frozen=True)
class AccuracyEstimate:
    """The overall accuracy of a map, as far as its labels tell it.

    Attributes:
        value: The estimate; None where there are too few shapes.
        low, high: The limits of its 95 % interval; None where there are too few shapes.
        shapes: Number of shapes that were held out.
        missing: Number of further shapes of each class that would make it known, all 0 where it is known.
    """

    value: float | None
    low: float | None
    high: float | None
    shapes: int
    missing: tuple[int, ...]


def estimate_accuracy(
    owners: npt.NDArray[np.integer],
    targets: npt.NDArray[np.integer],
    log_probabilities: RealArray,
    on_raster: RealArray,
    shapes_of_class: npt.NDArray[np.integer],
) -> AccuracyEstimate:
    """Estimate the overall accuracy of a map from held-out samples of its labels.

    Args:
        owners: Shape of each held-out sample, of shape (n,).
        targets: Class of each, of shape (n,).
        log_probabilities: Log probabilities, from a classifier that did not learn from it or its neighbours, (n, classes).
        on_raster: The same of random pixels of the raster, from the same classifiers, of shape (m, classes).
        shapes_of_class: Number of label shapes of each class.
    """
    held, shape = np.unique(owners, return_inverse=True)
    missing = missing_shapes(shapes_of_class)
    if any(missing) or not len(held) or not len(on_raster):
        return AccuracyEstimate(None, None, None, len(held), missing)
    classes = log_probabilities.shape[1]
    samples = np.bincount(shape)
    answers = log_probabilities.argmax(axis=1)
    target = np.zeros(len(held), np.int64)
    target[shape] = targets
    right = np.bincount(shape, answers == targets) / samples
    sure = np.bincount(shape, np.exp(log_probabilities.max(axis=1))) / samples
    alike = float(right.mean())
    by_confidence = float(alike - sure.mean() + np.exp(on_raster.max(axis=1)).mean())

    mapped = np.bincount(on_raster.argmax(axis=1), minlength=classes) / len(on_raster)
    confusion = confusion_of_shapes(owners, targets, answers, classes)
    of_class = np.bincount(target, minlength=classes)
    recalls = confusion / of_class.clip(min=1)[:, None] * mapped[:, None]
    answered = recalls.sum(axis=0)
    users = np.divide(np.diag(recalls), answered, out=np.full(classes, alike), where=answered > 0)
    with_shares = float((mapped * users).sum())
    # Where the map is mostly of classes with few shapes, there are fewer answers than shapes.
    effective = 1 / float((mapped**2 / of_class.clip(min=1)).sum())

    estimates = ((alike, len(held)), (by_confidence, len(held)), (with_shares, effective))
    limits = [wilson_interval(min(1.0, max(0.0, value)), number, len(held)) for value, number in estimates]
    value = float(np.mean([min(1.0, max(0.0, value)) for value, _ in estimates]))
    return AccuracyEstimate(value, min(low for low, _ in limits), max(high for _, high in limits), len(held), missing)


def accuracy_of_held_out(
    confusion: npt.NDArray[np.integer],
    pixels_of_shapes: npt.NDArray[np.floating],
    targets: npt.NDArray[np.integer],
    share: float,
) -> AccuracyEstimate | None:
    """Return the accuracy within shapes that were held out once, and its interval; None where no pixel was compared.

    Args:
        confusion: Counts of their pixels, true classes in rows.
        pixels_of_shapes: Number of pixels of each. A few large shapes among many small ones are worth few.
        targets: Class of each.
        share: Share of the labels that is held out: of so many more, that part counts.
    """
    total = int(confusion.sum())
    if not total or not pixels_of_shapes.any():
        return None
    held = missing_shapes(np.bincount(targets, minlength=len(confusion)))
    missing = tuple(math.ceil(round(number / share, 6)) for number in held)
    if any(missing):
        return AccuracyEstimate(None, None, None, len(targets), missing)
    accuracy = float(np.trace(confusion)) / total
    number = float(pixels_of_shapes.sum()) ** 2 / float(np.square(pixels_of_shapes).sum())
    return AccuracyEstimate(
        accuracy, *wilson_interval(accuracy, number, len(pixels_of_shapes)), len(pixels_of_shapes), missing
    )


def missing_shapes(shapes_of_class: npt.NDArray[np.integer]) -> tuple[int, ...]:
    """Return how many more shapes of each class are needed before an accuracy can be told from them."""
    wanted = np.maximum(shapes_of_class, MIN_SHAPES_PER_CLASS).astype(np.int64)
    while wanted.sum() < MIN_SHAPES:
        wanted[wanted.argmin()] += 1
    return tuple((wanted - shapes_of_class).tolist())


def confusion_of_shapes(
    owners: npt.NDArray[np.integer], targets: npt.NDArray[np.integer], answers: npt.NDArray[np.integer], classes: int
) -> npt.NDArray[np.float64]:
    """Return a confusion matrix, true classes in rows, in which every shape counts 1, shared among its samples."""
    counts = 1 / np.bincount(owners, minlength=1)[owners]
    flat = np.bincount(targets * classes + answers, counts, classes * classes).astype(np.float64)
    matrix: npt.NDArray[np.float64] = flat.reshape(classes, classes)
    return matrix


def wilson_interval(share: float, number: float, shapes: int) -> tuple[float, float]:
    """Return Wilson's interval of a share of ``number`` answers, with the quantile of Student's t for so many shapes."""
    z = float(stdtrit(max(1, shapes - 1), 0.5 + CONFIDENCE_LEVEL / 2))
    whole = 1 + z * z / number
    centre = (share + z * z / (2 * number)) / whole
    half = z / whole * math.sqrt(share * (1 - share) / number + z * z / (4 * number * number))
    return max(0.0, centre - half), min(1.0, centre + half)
