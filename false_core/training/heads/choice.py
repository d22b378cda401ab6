"""The choice of the classifiers of a model: candidates and their fusions, compared by cross-validation over the labels.

Whatever is chosen is fitted twice: to the labels, and then to the labels and to the pixels of the raster that it is surest
about, and its prior is adjusted to the classes that cover much of it. Held-out labels say of each whether it does harm.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from false_core.accuracy.cross_validated import confusion_of_shapes
from false_core.accuracy.metrics import score
from false_core.feedback import Feedback
from false_core.models.fused import CURVES, SPECTRUM, TEXTURE, Member, encoder_part
from false_core.training.heads.fits import (
    FitCount,
    answers_of,
    balanced_counts,
    design,
    designs,
    fit_member,
    fused_answers,
    learn_from_raster,
    shares_of_raster,
    with_adjusted_prior,
)
from false_core.training.heads.folds import ALWAYS_LEARNED, FOLDS
from false_core.training.heads.regression import Linear
from false_core.training.heads.samples import LabelledPoints
from false_core.training.heads.spaces import Space

FloatArray = npt.NDArray[np.float32]
MeasureArray = npt.NDArray[np.float64]

STANDARD_ERRORS_TO_ADD, STANDARD_ERRORS_TO_CHOOSE, STANDARD_ERRORS_TO_DROP = 0.5, 1.0, 2.0
"""Standard errors of the mean gain over shapes by which a candidate must beat those before it, which do well elsewhere: one
that adds the pixel's own values to what encoders see, one of which nothing is known, and one that drops the encoders."""
ACCURACY_GAINED = 0.05
"""Share of the held-out labels, shapes and classes counted alike, about which it must be right more often than the first.
Where it only finds them more probable, maps became worse."""
STANDARD_ERRORS_OF_HARM = 2.0
"""Standard errors by which self-training, or the prior adjusted to the raster, must be worse to be given up."""
MIN_SHAPES_TO_JUDGE = 12
"""Held-out shapes below which candidates are not told apart, but for one that lies near to the first."""
MIN_SHAPES_OF_FEW = 4
"""Held-out shapes below which nothing is told apart at all."""
MIN_CLASSES_TO_JUDGE = 0.75
"""Share of the classes that must be among them: what is best for these may take all others for one of them."""
INVERSE_TEMPERATURES = (0.2, 0.3, 0.45, 0.65, 0.8, 1.0, 1.25, 1.5)
"""Factors on log probabilities, of which each candidate gets the one that suits it: some are too sure."""


@dataclass(frozen=True)
class HeadCandidate:
    """A way to put classifiers together.

    Attributes:
        name: Its name in reports.
        members: The classifiers, with weights that add up to 1.
        standard_errors: Standard errors of its mean gain by which it must beat those before it.
        for_few: True where it is compared if few shapes are held out, and then alone with the first: it lies so near to that
            one that little is lost if they prefer it by chance.
    """

    name: str
    members: tuple[Member, ...]
    standard_errors: float = STANDARD_ERRORS_TO_CHOOSE
    for_few: bool = False


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
        prior_adjusted: Mask of the classes whose prior is adjusted to their shares of the raster, of shape (classes,): none
            where that does harm or cannot be checked, else those of which samples were held out.
        log_probabilities: Log probabilities of the best one, without having learned from their block, of shape (n, classes).
        on_raster: Log probabilities of the same classifiers at random pixels that none of them was fitted to, of shape
            (m, classes). They say how far the prior is adjusted.
    """

    candidates: tuple[HeadCandidate, ...]
    scores: tuple[float, ...]
    chosen: HeadCandidate
    learns_from_raster: bool
    was_checked: bool
    held_out: npt.NDArray[np.int64]
    prior_adjusted: npt.NDArray[np.bool_]
    log_probabilities: FloatArray
    on_raster: FloatArray


def candidates_for(head: str, zooms: Sequence[Sequence[int]]) -> tuple[HeadCandidate, ...]:
    """Return the candidates of a head: ``"linear"``, ``"texture"`` or ``"auto"``, those that do well on most rasters first.

    Args:
        head: The name of the head.
        zooms: The zooms at which each encoder sees the image; none where there is no encoder.
    """
    drop = STANDARD_ERRORS_TO_DROP if zooms else STANDARD_ERRORS_TO_CHOOSE
    texture = HeadCandidate("texture", (Member((TEXTURE,), 1.0),), drop)
    if head == "texture":
        return (texture,)
    spectrum = HeadCandidate("spectrum", (Member((SPECTRUM,), 1.0),), drop)
    curves = HeadCandidate("curves", (Member((CURVES,), 1.0),), drop)
    local = HeadCandidate("texture, spectrum and curves", _alike(texture.members, spectrum.members, curves.members), drop)
    if not zooms:
        joined = HeadCandidate(
            "texture and spectrum",
            (Member((TEXTURE, SPECTRUM), 0.5), Member((TEXTURE,), 0.25), Member((SPECTRUM,), 0.25)),
        )
        return joined, texture, spectrum, local, curves
    if head == "linear":
        return (HeadCandidate("linear", _alike(*(_of_encoder(n, own, ()) for n, own in enumerate(zooms)))),)
    fused = HeadCandidate("linear and texture", _alike(*(_of_encoder(n, own, (TEXTURE,)) for n, own in enumerate(zooms))))
    # Not the pretrained encoder alone: held-out labels prefer it more often than maps become better, see docs/evidence.md.
    general = HeadCandidate("linear and texture, general encoder alone", _of_encoder(0, zooms[0], (TEXTURE,)))
    without_pretrained = (general,) if len(zooms) > 1 else ()
    sixth = HeadCandidate("linear and texture, a sixth curves", _alike(*[fused.members] * 5, curves.members), for_few=True)
    third = HeadCandidate(
        "linear and texture, a third curves", _alike(*[fused.members] * 2, curves.members), STANDARD_ERRORS_TO_ADD
    )
    half = HeadCandidate("linear and texture, half curves", _alike(fused.members, curves.members), STANDARD_ERRORS_TO_ADD)
    return (fused, *without_pretrained, sixth, third, half, local, texture, spectrum, curves)


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
        held_out, learned: Numbers of the samples in the fold, and of all others.
        fitted: The classifiers by their parts.
    """

    held_out: npt.NDArray[np.int64]
    learned: npt.NDArray[np.int64]
    fitted: dict[tuple[str, ...], Linear]


@dataclass(frozen=True)
class HeadSamples:
    """The samples that heads are compared by: labelled ones, and random pixels of the raster.

    Attributes:
        spaces: Spaces that features are brought to before a classifier sees them, by part.
        points: The labelled samples.
        features: Their features, by part.
        folds: Fold of each shape.
        classes: Number of classes.
        unlabelled: Features of random pixels of the raster, by part, of which the best head is fitted to those that it is
            surest about, too; nothing where it learns from the labels alone.
        others: Features of random pixels that it is not fitted to, by part: they say how much of the raster each class seems
            to cover, which its prior may be adjusted to, and how sure it is of the raster.
    """

    spaces: Mapping[str, Space]
    points: LabelledPoints
    features: Mapping[str, FloatArray]
    folds: npt.NDArray[np.int64]
    classes: int
    unlabelled: Mapping[str, FloatArray]
    others: Mapping[str, FloatArray]


def compare(
    candidates: Sequence[HeadCandidate],
    samples: HeadSamples,
    feedback: Feedback,
    start: Mapping[tuple[str, ...], Linear] | None = None,
    at_step: Callable[[], None] = lambda: None,
) -> HeadComparison:
    """Fit every classifier on all folds but one, ask it about that one, and compare what the candidates make of it.

    Args:
        candidates: Candidates to compare.
        samples: Samples to compare them by.
        feedback: It is told how far the work is.
        start: The classifiers to begin to look from, by their parts.
        at_step: Called at each step of each fit; what it raises ends the comparison.
    """
    spaces, features, points, classes = samples.spaces, samples.features, samples.points, samples.classes
    may_learn_from_raster = bool(samples.unlabelled)
    fold_of = samples.folds[points.owners]
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
        own, learned = np.flatnonzero(fold_of == number), np.flatnonzero(fold_of != number)
        fitted.append(_Fold(own, learned, {}))
        for parts in members:
            count.begin_next()
            inputs = design(parts, spaces, features)
            begin = start.get(parts) if start else None
            classifier = fit_member(parts, inputs[learned], points.subset(learned), classes, begin, at_step)
            found[parts][own] = classifier.log_probabilities(inputs[own])
            fitted[-1].fitted[parts] = classifier
    answers = [fused_answers(candidate.members, found)[held_out] for candidate in candidates]
    scores = tuple(_mean_iou(answer, held, classes) for answer in answers)
    likelihoods = [_log_likelihood(answer, held, classes) for answer in answers]
    correct = [(answer.argmax(axis=1) == held.targets).astype(float) for answer in answers]
    best, by_few = 0, not can_judge(held, classes)
    for number, candidate in enumerate(candidates):
        if not number or candidate.for_few != by_few:
            continue
        is_better = is_clearly_better(
            likelihoods[number], likelihoods[best], held, classes, candidate.standard_errors, by_few
        )
        if is_better and (by_few or _gain(correct[number] - correct[0], held, classes)[0] >= ACCURACY_GAINED):
            best = number
    chosen, said = candidates[best], answers[best]
    learns = may_learn_from_raster
    if learns:
        labelled, unlabelled = (designs(chosen.members, spaces, seen) for seen in (features, samples.unlabelled))
        self_trained = [
            _self_trained(chosen.members, fold, labelled, unlabelled, points, classes, at_step, count) for fold in fitted
        ]
        later = _answers(chosen.members, self_trained, labelled, len(points.owners), classes)[held_out]
        learns = not _does_harm(later, [said], held, classes)
    unseen, prior_adjusted = designs(chosen.members, spaces, samples.others), np.zeros(classes, bool)
    if learns:
        alone, fitted, said = said, self_trained, later
    if learns and not by_few:
        judged = np.bincount(held.targets, minlength=classes) > 0
        shares = [shares_of_raster(chosen.members, fold.fitted, unseen) for fold in self_trained]
        adjusted = [
            replace(one, fitted=with_adjusted_prior(seen, judged, one.fitted)) for one, seen in zip(self_trained, shares)
        ]
        with_prior = _answers(chosen.members, adjusted, labelled, len(points.owners), classes)[held_out]
        if not _does_harm(with_prior, [alone, later], held, classes):
            fitted, said, prior_adjusted = adjusted, with_prior, judged
    on_raster = [answers_of(chosen.members, fold.fitted, unseen) for fold in fitted]
    none: FloatArray = np.zeros((0, classes), np.float32)
    checked = may_learn_from_raster and not by_few
    seen = np.concatenate([none, *on_raster])
    return HeadComparison(tuple(candidates), scores, chosen, learns, checked, held_out, prior_adjusted, said, seen)


def _does_harm(answer: FloatArray, before: Sequence[FloatArray], held: LabelledPoints, classes: int) -> bool:
    """Return whether answers are clearly less often right than any of those before."""
    correct, *others = ((one.argmax(axis=1) == held.targets).astype(float) for one in (answer, *before))
    return any(is_clearly_better(other, correct, held, classes, STANDARD_ERRORS_OF_HARM) for other in others)


def _self_trained(
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
        inputs = {parts: values[fold.held_out] for parts, values in labelled.items()}
        answers[fold.held_out] = answers_of(members, fold.fitted, inputs)
    return answers


def can_judge(points: LabelledPoints, classes: int) -> bool:
    """Return whether samples that were held out are of enough shapes and classes to tell anything apart."""
    enough_shapes = len(np.unique(points.owners)) >= MIN_SHAPES_TO_JUDGE
    return enough_shapes and len(np.unique(points.targets)) >= MIN_CLASSES_TO_JUDGE * classes


def is_clearly_better(
    values: MeasureArray,
    others: MeasureArray,
    points: LabelledPoints,
    classes: int,
    errors: float,
    by_few: bool = False,
) -> bool:
    """Return whether one candidate beats another by more than chance explains, shapes counted as what was drawn.

    With few shapes the best of many candidates is often the luckiest: then the one that does well on most rasters is kept.

    Args:
        values, others: A measure of how well each of them does with each sample, of shape (n,).
        points: The samples.
        classes: Number of classes.
        errors: Standard errors of the mean gain that it must exceed.
        by_few: True where a few shapes may say so, of whatever classes.
    """
    if len(np.unique(points.owners)) < MIN_SHAPES_OF_FEW or not (by_few or can_judge(points, classes)):
        return False
    gain, error = _gain(values - others, points, classes)
    return gain > errors * error


def _gain(values: MeasureArray, points: LabelledPoints, classes: int) -> tuple[float, float]:
    """Return the mean of the gains of samples, shapes within a class and classes counted alike, and its standard error."""
    shapes, owner, samples = np.unique(points.owners, return_inverse=True, return_counts=True)
    gains = np.bincount(owner, values) / samples
    target = np.zeros(len(shapes), np.int64)
    target[owner] = points.targets
    share = 1 / np.bincount(target, minlength=classes)[target]
    share /= share.sum()
    gain = float(share @ gains)
    return gain, float(np.sqrt(np.square(share * (gains - gain)).sum()))


def _log_likelihood(answer: FloatArray, points: LabelledPoints, classes: int) -> MeasureArray:
    """Return the logarithm of the probability that a candidate gives to the class of each sample, of shape (n,).

    It says more than a count of those that are correct, where there are few shapes. How sure a candidate is of itself must
    not decide: its answers get the temperature that suits it best.

    Args:
        answer: Logarithms of the probabilities but for a common factor, of shape (n, classes).
        points: The samples.
        classes: Number of classes.
    """
    counts = balanced_counts(points, classes)
    found = []
    for factor in INVERSE_TEMPERATURES:
        scaled = factor * answer.astype(np.float64)
        scaled -= scaled.max(axis=1, keepdims=True)
        whole = np.log(np.exp(scaled).sum(axis=1))
        found.append(scaled[np.arange(len(answer)), points.targets] - whole)
    return max(found, key=lambda log_likelihood: float(counts @ log_likelihood))


def _mean_iou(answer: FloatArray, points: LabelledPoints, classes: int) -> float:
    if not len(points.targets):
        return float("nan")
    return score(confusion_of_shapes(points.owners, points.targets, answer.argmax(axis=1), classes)).miou
