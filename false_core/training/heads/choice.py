"""The choice of the classifiers of a model: candidates and their fusions, compared by cross-validation over the labels.

Whatever is chosen is fitted twice: to the labels, and then to the labels and to the pixels of the raster that it is surest
about. Held-out labels say whether that does harm.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from false_core.accuracy.cross_validated import confusion_of_shapes
from false_core.accuracy.metrics import score
from false_core.feedback import Feedback
from false_core.models.fused import SPECTRUM, TEXTURE, Member, encoder_part
from false_core.training.heads.fits import (
    FitCount,
    answers_of,
    design,
    designs,
    fit_member,
    fused_answers,
    learn_from_raster,
)
from false_core.training.heads.folds import ALWAYS_LEARNED, FOLDS
from false_core.training.heads.regression import Linear
from false_core.training.heads.samples import LabelledPoints
from false_core.training.heads.spaces import Space

FloatArray = npt.NDArray[np.float32]

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
        learns_from_raster: True where it is fitted to the pixels of the raster that it is surest about, too.
        was_checked: True where enough labels were held out to say whether learning from the raster does harm.
        held_out: Numbers of the samples that were held out, of shape (n,).
        log_probabilities: Log probabilities of the best one, without having learned from their block, of shape (n, classes).
        on_raster: Those of the same classifiers at random pixels that none of them learned from, of shape (m, classes).
    """

    candidates: tuple[HeadCandidate, ...]
    scores: tuple[float, ...]
    chosen: HeadCandidate
    learns_from_raster: bool
    was_checked: bool
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


@dataclass(frozen=True)
class _Fold:
    """The classifiers that learned from all folds but one.

    Attributes:
        asked, learned: Numbers of the samples in the fold, and of all others.
        fitted: The classifiers by their parts.
    """

    asked: npt.NDArray[np.int64]
    learned: npt.NDArray[np.int64]
    fitted: dict[tuple[str, ...], Linear]


def compare(
    candidates: Sequence[HeadCandidate],
    spaces: Mapping[str, Space],
    features: Mapping[str, FloatArray],
    sample: Mapping[str, FloatArray],
    others: Mapping[str, FloatArray],
    points: LabelledPoints,
    folds: npt.NDArray[np.int64],
    classes: int,
    feedback: Feedback,
    start: Mapping[tuple[str, ...], Linear] | None = None,
    at_step: Callable[[], None] = lambda: None,
    may_learn_from_raster: bool = True,
) -> HeadComparison:
    """Fit every classifier on all folds but one, ask it about that one, and compare what the candidates make of it.

    Args:
        candidates: Candidates to compare.
        spaces: Spaces that features are brought to before a classifier sees them, by part.
        features: Features of the points, by part.
        sample: Features of random pixels of the raster that the best one may learn from, by part.
        others: Features of random pixels that it does not learn from, by part: they say how sure it is of the raster.
        points: The labelled samples.
        folds: Fold of each shape.
        classes: Number of classes.
        feedback: It is told how far the work is.
        start: The classifiers to begin to look from, by their parts.
        at_step: Called at each step of each fit; what it raises ends the comparison.
        may_learn_from_raster: True where the best one is fitted to the pixels that it is surest about, too.
    """
    fold_of = folds[points.owners]
    held_out = np.flatnonzero(fold_of != ALWAYS_LEARNED)
    held = points.subset(held_out)
    members = list(dict.fromkeys(member.parts for candidate in candidates for member in candidate.members))
    numbers = [number for number in range(FOLDS) if (fold_of == number).any()]
    # Which of them are fitted once more is not known yet: at most those of the largest candidate.
    again = max(len(candidate.members) for candidate in candidates) if may_learn_from_raster else 0
    count = FitCount(feedback, len(numbers) * (len(members) + again))
    fitted: list[_Fold] = []
    found = {parts: np.zeros((len(points.owners), classes), np.float32) for parts in members}
    for number in numbers:
        asked, learned = np.flatnonzero(fold_of == number), np.flatnonzero(fold_of != number)
        fitted.append(_Fold(asked, learned, {}))
        for parts in members:
            count.begin_next()
            inputs = design(parts, spaces, features)
            begin = start.get(parts) if start else None
            classifier = fit_member(inputs[learned], points.subset(learned), classes, begin, at_step)
            found[parts][asked] = classifier.log_probabilities(inputs[asked])
            fitted[-1].fitted[parts] = classifier
    answers = [fused_answers(candidate.members, found)[held_out] for candidate in candidates]
    scores = tuple(_mean_iou(answer, held, classes) for answer in answers)
    hits = [answer.argmax(axis=1) == held.targets for answer in answers]
    best = 0
    for number in range(1, len(candidates)):
        if scores[number] > scores[best] and is_clearly_better(hits[number], hits[best], held, classes):
            best = number
    chosen, said = candidates[best], answers[best]
    learns = may_learn_from_raster
    if learns:
        labelled, unlabelled = (designs(chosen.members, spaces, seen) for seen in (features, sample))
        taught = [_taught(chosen.members, fold, labelled, unlabelled, points, classes, at_step, count) for fold in fitted]
        later = _answers(chosen.members, taught, labelled, len(points.owners), classes)[held_out]
        learns = not is_clearly_better(hits[best], later.argmax(axis=1) == held.targets, held, classes)
        if learns:
            fitted, said = taught, later
    unseen = designs(chosen.members, spaces, others)
    on_raster = [answers_of(chosen.members, fold.fitted, unseen) for fold in fitted]
    none: FloatArray = np.zeros((0, classes), np.float32)
    checked = may_learn_from_raster and len(np.unique(held.owners)) >= MIN_SHAPES_TO_JUDGE
    return HeadComparison(
        tuple(candidates), scores, chosen, learns, checked, held_out, said, np.concatenate([none, *on_raster])
    )


def _taught(
    members: Sequence[Member],
    fold: _Fold,
    labelled: Mapping[tuple[str, ...], FloatArray],
    unlabelled: Mapping[tuple[str, ...], FloatArray],
    points: LabelledPoints,
    classes: int,
    at_step: Callable[[], None],
    count: FitCount,
) -> _Fold:
    """Return a fold whose classifiers have learned from the raster, too."""
    learned = {parts: values[fold.learned] for parts, values in labelled.items()}
    own = points.subset(fold.learned)
    fitted = learn_from_raster(members, fold.fitted, learned, own, unlabelled, classes, at_step, before_fit=count.begin_next)
    return replace(fold, fitted=fitted)


def _answers(
    members: Sequence[Member],
    folds: Sequence[_Fold],
    labelled: Mapping[tuple[str, ...], FloatArray],
    number: int,
    classes: int,
) -> FloatArray:
    """Return what classifiers make together of the samples of their fold, of shape (number, classes)."""
    answers: FloatArray = np.zeros((number, classes), np.float32)
    for fold in folds:
        asked = {parts: values[fold.asked] for parts, values in labelled.items()}
        answers[fold.asked] = answers_of(members, fold.fitted, asked)
    return answers


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


def _mean_iou(answer: FloatArray, points: LabelledPoints, classes: int) -> float:
    if not len(points.targets):
        return float("nan")
    return score(confusion_of_shapes(points.owners, points.targets, answer.argmax(axis=1), classes)).miou
