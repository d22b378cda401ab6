"""The fits of classifiers: to labels, and then to the pixels of the raster, too, that they are surest about together.

Labels are balanced, so that a rare class is found where it is. Over the raster that takes too much for it. How often each
class is likely there says how much: the prior of classifiers that learn from the raster is adjusted to its shares.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from false_core.feedback import Feedback
from false_core.models.fused import CURVES, SPECTRUM, TEXTURE, Member
from false_core.training.heads.pseudo_labels import pseudo_labels_of
from false_core.training.heads.regression import TOLERANCE, Linear, fit_logistic
from false_core.training.heads.samples import LabelledPoints
from false_core.training.heads.spaces import Space

FloatArray = npt.NDArray[np.float32]

SECOND_OPINION = (TEXTURE,)
"""Parts of the classifier that is asked apart about pixels without a label: it does not see what encoders agree on."""
PIXEL_BY_PIXEL = {SPECTRUM, CURVES}
"""Parts that see nothing but a pixel, so that each pixel of a shape tells them something. What sees its surroundings, too,
is told nearly the same by all of them."""
PRIOR_ADJUSTMENT = 0.5
"""Share of the way from classes that are all alike to the shares that they seem to have on the raster. All of the way, and
shares found by expectation and maximisation, lost rare classes where labels are few."""
LEAST_PRIOR_SHARE = 0.2
"""Share, of what a class would have if all were alike, below which none is taken to lie."""
_HARDLY_ANY = 1e-9
PENALTY = 1 / 60
"""Penalty on the weights, against a mean cross entropy of about 0.5. A factor of 3 more or less hardly matters."""


@dataclass
class FitCount:
    """The number of fits of a stage that are done, which a feedback is told before each.

    Attributes:
        feedback: It is told how far the stage is.
        total: Number of all fits of the stage.
        begun: Number of those begun so far.
    """

    feedback: Feedback
    total: int
    begun: int = 0

    def begin_next(self) -> None:
        """Tell that all fits begun so far are done, and stop here if cancelled."""
        self.feedback.advance(self.begun, self.total, "fits")
        self.begun += 1


def design(parts: Sequence[str], spaces: Mapping[str, Space], features: Mapping[str, FloatArray]) -> FloatArray:
    """Return what a classifier of several parts learns from, of shape (n, features)."""
    return np.concatenate([spaces[part].of(features[part], alone=len(parts) == 1) for part in parts], axis=1)


def designs(
    members: Sequence[Member], spaces: Mapping[str, Space], features: Mapping[str, FloatArray]
) -> dict[tuple[str, ...], FloatArray]:
    """Return what the classifier of each member learns from, by its parts."""
    return {member.parts: design(member.parts, spaces, features) for member in members}


def fused_answers(members: Sequence[Member], answers: Mapping[tuple[str, ...], FloatArray]) -> FloatArray:
    """Return what classifiers say together, given logarithms of what each says: of probabilities but for a common factor.

    Args:
        members: The members that the classifiers are of.
        answers: The logarithms of the probabilities of the classes by the parts of a classifier, each (n, classes).
    """
    return np.asarray(np.sum([member.weight * answers[member.parts] for member in members], axis=0), np.float32)


def answers_of(
    members: Sequence[Member],
    fitted: Mapping[tuple[str, ...], Linear],
    inputs: Mapping[tuple[str, ...], FloatArray],
) -> FloatArray:
    """Return what the classifiers of all members make of their inputs together, as ``fused_answers`` does."""
    return fused_answers(members, {m.parts: fitted[m.parts].log_probabilities(inputs[m.parts]) for m in members})


def fit_member(
    parts: Sequence[str],
    inputs: FloatArray,
    points: LabelledPoints,
    classes: int,
    start: Linear | None = None,
    at_step: Callable[[], None] = lambda: None,
    tolerance: float = TOLERANCE,
) -> Linear:
    """Fit the classifier of these parts, with points that count as ``counts_for`` says, else as ``fit_logistic`` does."""
    counts = counts_for(parts, points, classes)
    return fit_logistic(inputs, points.targets, counts, classes, PENALTY, start, at_step, tolerance)


def counts_for(parts: Sequence[str], points: LabelledPoints, classes: int) -> npt.NDArray[np.float64]:
    """Return how much each point counts for a classifier of these parts, where classes count alike.

    Within a class shapes count alike; where nothing but pixels is seen, pixels do. So a field counts for more than a tree
    then, as on the raster. Of a large shape no more pixels are drawn than its part of all.
    """
    if not PIXEL_BY_PIXEL.issuperset(parts):
        return balanced_counts(points, classes)
    counts: npt.NDArray[np.float64] = 1 / np.bincount(points.targets, minlength=classes)[points.targets]
    return counts


def shape_counts(points: LabelledPoints) -> npt.NDArray[np.float64]:
    """Return how much each point counts where all shapes count alike."""
    counts: npt.NDArray[np.float64] = 1 / np.bincount(points.owners)[points.owners]
    return counts


def balanced_counts(points: LabelledPoints, classes: int) -> npt.NDArray[np.float64]:
    """Return how much each point counts where shapes within a class, and classes, count alike."""
    counts = shape_counts(points)
    balanced: npt.NDArray[np.float64] = counts / np.bincount(points.targets, counts, classes)[points.targets]
    return balanced


def learn_from_raster(
    members: Sequence[Member],
    fitted: Mapping[tuple[str, ...], Linear],
    labelled: Mapping[tuple[str, ...], FloatArray],
    points: LabelledPoints,
    unlabelled: Mapping[tuple[str, ...], FloatArray],
    classes: int,
    at_step: Callable[[], None] = lambda: None,
    before_fit: Callable[[], None] = lambda: None,
) -> dict[tuple[str, ...], Linear]:
    """Fit the classifiers once more: to the labels, and to what all of them together are surest about on the raster.

    Where one of them looks at texture alone, it must not contradict the others. Labels and pixels of the raster count alike,
    and so do the classes among each.

    Args:
        members: The members that the classifiers are of.
        fitted: The classifiers that learned from the labels alone, by their parts.
        labelled: Features that each learns from at the points, by its parts.
        points: The labelled points.
        unlabelled: Features that each sees at random pixels of the raster, by its parts.
        classes: Number of classes.
        at_step: Called at each step of each fit; what it raises ends it.
        before_fit: Called before each fit; what it raises ends them.
    """
    said = {parts: fitted[parts].log_probabilities(inputs) for parts, inputs in unlabelled.items()}
    sure = pseudo_labels_of(fused_answers(members, said), said.get(SECOND_OPINION))
    targets = np.concatenate([points.targets, sure.targets])
    found = {}
    for parts in labelled:
        before_fit()
        inputs = np.concatenate([labelled[parts], unlabelled[parts][sure.rows]])
        counts = counts_for(parts, points, classes)
        shares = np.concatenate([counts / counts.sum(), sure.counts()])
        found[parts] = fit_logistic(inputs, targets, shares, classes, PENALTY, fitted[parts], at_step)
    return found


def shares_of_raster(
    members: Sequence[Member],
    fitted: Mapping[tuple[str, ...], Linear],
    unlabelled: Mapping[tuple[str, ...], FloatArray],
) -> npt.NDArray[np.float64]:
    """Return how much of the raster each class seems to cover, of shape (classes,).

    Args:
        members: The members that the classifiers are of; their weights add up to 1.
        fitted: The classifiers by their parts.
        unlabelled: Features that each sees at random pixels of the raster, which they have not been fitted to, by its parts.
    """
    said = answers_of(members, fitted, unlabelled)
    likely = np.exp(said - said.max(axis=1, keepdims=True)).astype(np.float64)
    shares: npt.NDArray[np.float64] = (likely / likely.sum(axis=1, keepdims=True)).mean(axis=0)
    return shares


def with_adjusted_prior(
    shares: npt.NDArray[np.float64], prior_adjusted: npt.NDArray[np.bool_], fitted: Mapping[tuple[str, ...], Linear]
) -> dict[tuple[str, ...], Linear]:
    """Return classifiers that find a class the likelier the more of the raster it seems to cover.

    That is a first step of expectation and maximisation (Saerens et al., "Adjusting the Outputs of a Classifier to New
    a Priori Probabilities: A Simple Procedure", Neural Computation 14(1), 2002, Eqs. 2.4 and 2.9), gone in part.

    Args:
        shares: The shares of the raster, of shape (classes,).
        prior_adjusted: Mask of the classes that are weighed against each other, of shape (classes,). Over what they cover,
            any other neither gains nor loses on average.
        fitted: The classifiers by their parts.
    """
    own = shares[prior_adjusted].clip(min=_HARDLY_ANY)
    own /= own.sum()
    gains = PRIOR_ADJUSTMENT * np.log((own * len(own)).clip(min=LEAST_PRIOR_SHARE))
    adjusted = np.zeros(len(shares), np.float32)
    adjusted[prior_adjusted] = gains - own @ gains
    return {parts: replace(linear, bias=linear.bias + adjusted) for parts, linear in fitted.items()}
