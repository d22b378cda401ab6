"""The choice of the classifiers of a model: candidates and their fusions, compared by cross-validation over the labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from false_core.accuracy.cross_validated import confusion_of_shapes
from false_core.accuracy.metrics import score
from false_core.feedback import Feedback
from false_core.models.fused import SPECTRUM, TEXTURE, Member, encoder_part
from false_core.training.heads.folds import ALWAYS_LEARNED, FOLDS
from false_core.training.heads.regression import TOLERANCE, Linear, fit_logistic
from false_core.training.heads.samples import LabelledPoints
from false_core.training.heads.spaces import Space

FloatArray = npt.NDArray[np.float32]

PENALTY = 1 / 60
"""Penalty on the weights, against a mean cross entropy of about 0.5. A factor of 3 more or less hardly matters."""
STANDARD_ERRORS = 2.0
"""Standard errors of the mean gain over shapes by which a candidate must beat those before it, which do well elsewhere."""
MIN_SHAPES_TO_JUDGE = 20
"""Held-out shapes below which candidates are not told apart at all."""


@dataclass(frozen=True)
class HeadCandidate:
    """A way to put classifiers together.

    Attributes:
        name: Its name in reports.
        members: The classifiers, with weights that add up to 1.
    """

    name: str
    members: tuple[Member, ...]


@dataclass(frozen=True)
class HeadComparison:
    """The outcome of a cross-validation.

    Attributes:
        candidates: Candidates that were compared.
        scores: Mean IoU of each over the held-out samples, shapes counted alike; NaN where nothing could be held out.
        chosen: The best.
        held_out: Numbers of the samples that were held out, of shape (n,).
        log_probabilities: Log probabilities of the best one, without having learned from their block, of shape (n, classes).
        on_raster: Probabilities of the same classifiers at random pixels of the raster, of shape (m, classes).
    """

    candidates: tuple[HeadCandidate, ...]
    scores: tuple[float, ...]
    chosen: HeadCandidate
    held_out: npt.NDArray[np.int64]
    log_probabilities: FloatArray
    on_raster: FloatArray


def candidates_for(head: str, zooms: Sequence[Sequence[int]], bands: int) -> tuple[HeadCandidate, ...]:
    """Return the candidates of a head: ``"linear"``, ``"texture"`` or ``"auto"``, those that do well on most rasters first.

    Args:
        head: The name of the head.
        zooms: The zooms at which each encoder sees the image; none where there is no encoder.
        bands: Number of bands of the raster.
    """
    texture = HeadCandidate("texture", (Member((TEXTURE,), 1.0),))
    if head == "texture":
        return (texture,)
    spectrum = HeadCandidate("spectrum", (Member((SPECTRUM,), 1.0),))
    without_encoder = HeadCandidate(
        "texture and spectrum",
        (Member((TEXTURE, SPECTRUM), 0.5), Member((TEXTURE,), 0.25), Member((SPECTRUM,), 0.25)),
    )
    if not zooms:
        return without_encoder, texture, spectrum
    linear = HeadCandidate("linear", _alike(*(_of_encoder(n, own, ()) for n, own in enumerate(zooms))))
    if head == "linear":
        return (linear,)
    fused = HeadCandidate("linear and texture", _alike(*(_of_encoder(n, own, (TEXTURE,)) for n, own in enumerate(zooms))))
    with_spectrum = HeadCandidate(
        "linear, texture and spectrum", _alike(*(_of_encoder(n, own, (TEXTURE, SPECTRUM)) for n, own in enumerate(zooms)))
    )
    latest: tuple[HeadCandidate, ...] = ()
    if len(zooms) > 1:
        latest = tuple(
            HeadCandidate(f"{name}, {which} encoder alone", _of_encoder(number, zooms[number], parts))
            for number, which in ((0, "general"), (len(zooms) - 1, "pretrained"))
            for name, parts in (("linear and texture", (TEXTURE,)),)
        )
    several_bands = (with_spectrum, without_encoder) if bands > SPECTRAL_BANDS else ()
    return (fused, *several_bands, *latest, linear, texture, spectrum)


SPECTRAL_BANDS = 3
"""Bands above which the spectrum of a pixel is looked at beside everything else."""


def _of_encoder(number: int, zooms: Sequence[int], others: tuple[str, ...]) -> tuple[Member, ...]:
    """Return the members for one encoder: all its parts and ``others`` under one classifier, and each under its own."""
    parts = tuple(encoder_part(number, zoom) for zoom in zooms)
    share = 0.6 if others else 1.0
    alone = [Member((part,), 0.5 * share / len(parts)) for part in parts]
    alone += [Member((part,), 0.5 * (1 - share) / len(others)) for part in others]
    return (Member((*parts, *others), 0.5), *alone)


def _alike(*groups: Sequence[Member]) -> tuple[Member, ...]:
    """Return the members of several groups that count alike; of two that take the same parts, one with both weights."""
    weights: dict[tuple[str, ...], float] = {}
    for group in groups:
        for member in group:
            weights[member.parts] = weights.get(member.parts, 0.0) + member.weight / len(groups)
    return tuple(Member(parts, weight) for parts, weight in weights.items())


def compare(
    candidates: Sequence[HeadCandidate],
    spaces: Mapping[str, Space],
    features: Mapping[str, FloatArray],
    sample: Mapping[str, FloatArray],
    points: LabelledPoints,
    folds: npt.NDArray[np.int64],
    classes: int,
    feedback: Feedback,
    start: Mapping[tuple[str, ...], Linear] | None = None,
    at_step: Callable[[], None] = lambda: None,
) -> HeadComparison:
    """Fit every classifier on all folds but one, ask it about that one, and compare what the candidates make of it.

    Args:
        candidates: Candidates to compare.
        spaces: Spaces that features are brought to before a classifier sees them, by part.
        features: Features of the points, by part.
        sample: Features of random pixels of the raster, by part.
        points: The labelled samples.
        folds: Fold of each shape.
        classes: Number of classes.
        feedback: It is told how far the work is.
        start: The classifiers to begin to look from, by their parts.
        at_step: Called at each step of each fit; what it raises ends the comparison.
    """
    members = list(dict.fromkeys(member.parts for candidate in candidates for member in candidate.members))
    fold_of = folds[points.owners]
    held_out = np.flatnonzero(fold_of != ALWAYS_LEARNED)
    found = {parts: np.zeros((len(points.owners), classes), np.float32) for parts in members}
    fitted: list[dict[tuple[str, ...], Linear]] = []
    for fold in range(FOLDS):
        asked = np.flatnonzero(fold_of == fold)
        learned = np.flatnonzero(fold_of != fold)
        if not len(asked):
            continue
        fitted.append({})
        for number, parts in enumerate(members):
            feedback.advance(fold * len(members) + number, FOLDS * len(members), "fits")
            inputs = design(parts, spaces, features)
            begin = start.get(parts) if start else None
            classifier = fit_member(inputs[learned], points.subset(learned), classes, begin, at_step)
            found[parts][asked] = classifier.log_probabilities(inputs[asked])
            fitted[-1][parts] = classifier
    answers = [np.sum([m.weight * found[m.parts] for m in candidate.members], axis=0) for candidate in candidates]
    scores = tuple(_mean_iou(answer[held_out], points.subset(held_out), classes) for answer in answers)
    hits = [answer.argmax(axis=1)[held_out] == points.targets[held_out] for answer in answers]
    best = 0
    for number in range(1, len(candidates)):
        if scores[number] > scores[best] and is_clearly_better(hits[number], hits[best], points.subset(held_out), classes):
            best = number
    chosen = candidates[best]
    on_raster = _on_raster(chosen, fitted, spaces, sample, classes)
    return HeadComparison(tuple(candidates), scores, chosen, held_out, np.asarray(answers[best])[held_out], on_raster)


def _on_raster(
    chosen: HeadCandidate,
    fitted: Sequence[Mapping[tuple[str, ...], Linear]],
    spaces: Mapping[str, Space],
    sample: Mapping[str, FloatArray],
    classes: int,
) -> FloatArray:
    """Return what the classifiers of each fold make of a sample of the raster, one fold after the other."""
    found: list[FloatArray] = [np.zeros((0, classes), np.float32)]
    inputs = {member.parts: design(member.parts, spaces, sample) for member in chosen.members}
    for classifiers in fitted:
        answers = [m.weight * classifiers[m.parts].log_probabilities(inputs[m.parts]) for m in chosen.members]
        found.append(np.asarray(np.sum(answers, axis=0), np.float32))
    return np.concatenate(found)


def is_clearly_better(
    hits: npt.NDArray[np.bool_], others: npt.NDArray[np.bool_], points: LabelledPoints, classes: int
) -> bool:
    """Return whether one candidate beats another by more than chance explains, shapes counted as what was drawn.

    With few shapes the best of many candidates is often the luckiest: then the one that does well on most rasters is kept.

    Args:
        hits, others: Masks of the samples that each of them gets right, of shape (n,).
        points: The samples.
        classes: Number of classes.
    """
    shapes, owner, samples = np.unique(points.owners, return_inverse=True, return_counts=True)
    gains = np.bincount(owner, hits.astype(float) - others.astype(float)) / samples
    target = np.zeros(len(shapes), np.int64)
    target[owner] = points.targets
    share = 1 / np.bincount(target, minlength=classes)[target]
    share /= share.sum()
    gain = float(share @ gains)
    error = float(np.sqrt(np.square(share * (gains - gain)).sum()))
    return len(shapes) >= MIN_SHAPES_TO_JUDGE and gain > STANDARD_ERRORS * error


def design(parts: Sequence[str], spaces: Mapping[str, Space], features: Mapping[str, FloatArray]) -> FloatArray:
    """Return what a classifier of several parts learns from, of shape (n, features)."""
    return np.concatenate([spaces[part].of(features[part], alone=len(parts) == 1) for part in parts], axis=1)


def fit_member(
    inputs: FloatArray,
    points: LabelledPoints,
    classes: int,
    start: Linear | None = None,
    at_step: Callable[[], None] = lambda: None,
    tolerance: float = TOLERANCE,
) -> Linear:
    """Fit one classifier; shapes of a class count alike, and classes too. The rest is as for ``fit_logistic``."""
    counts = balanced_counts(points, classes)
    return fit_logistic(inputs, points.targets, counts, classes, PENALTY, start, at_step, tolerance)


def shape_counts(points: LabelledPoints) -> npt.NDArray[np.float64]:
    """Return how much each point counts where all shapes count alike."""
    counts: npt.NDArray[np.float64] = 1 / np.bincount(points.owners)[points.owners]
    return counts


def balanced_counts(points: LabelledPoints, classes: int) -> npt.NDArray[np.float64]:
    """Return how much each point counts where shapes within a class, and classes, count alike."""
    counts = shape_counts(points)
    balanced: npt.NDArray[np.float64] = counts / np.bincount(points.targets, counts, classes)[points.targets]
    return balanced


def _mean_iou(answer: FloatArray, points: LabelledPoints, classes: int) -> float:
    if not len(points.targets):
        return float("nan")
    return score(confusion_of_shapes(points.owners, points.targets, answer.argmax(axis=1), classes)).miou
