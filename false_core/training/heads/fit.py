"""From frozen encoders and a few labels to a segmenter, in seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from false_core.accuracy.cross_validated import AccuracyEstimate, confusion_of_shapes, estimate_accuracy
from false_core.feedback import Feedback
from false_core.models.fused import CURVES, TEXTURE, ZOOMS, FeatureParts, FusedSegmenter, FusedSpec, stride_at
from false_core.models.texture import RANDOM_FEATURES
from false_core.sampling.labelled import LabelledRaster
from false_core.training.heads.choice import HeadCandidate, HeadComparison, HeadSamples, candidates_for, compare
from false_core.training.heads.fits import (
    FitCount,
    answers_of,
    designs,
    fit_member,
    learn_from_raster,
    shares_of_raster,
    with_adjusted_prior,
)
from false_core.training.heads.folds import folds_of
from false_core.training.heads.regression import Linear
from false_core.training.heads.samples import FeatureSampler, FeatureSource, LabelledPoints, labelled_points
from false_core.training.heads.spaces import Space, names_in, plain_space, space_of

FloatArray = npt.NDArray[np.float32]

SHARE = {TEXTURE: 0.25, CURVES: 0.25}
"""Share of a part's scale that is left where it is joined to others; 0.5 for those not named."""
SAMPLED_PIXELS_SEEN = 4_096
"""Random pixels of the raster that classifiers may be fitted to, at most half of those sampled. As many others say how
much of the raster each class seems to cover, and how sure they are of it: by fitting, none of them became sure of those."""
TEXTURE_GAIN = (1000 / RANDOM_FEATURES) ** 0.5
"""Factor on the random features, so that the penalty means the same whatever their number."""


FEWEST_COARSE_PIXELS = 4
"""Along the shorter side of a raster, of the coarsest features of a pass. Fewer say nothing but where a pixel lies."""


@dataclass(frozen=True)
class FrozenEncoder:
    """An encoder to build on.

    Attributes:
        backbone: Name in timm.
        weights: Its state dict.
        zooms: The working pixels per pixel that it sees in each of its passes over an image.
    """

    backbone: str
    weights: Mapping[str, Tensor]
    zooms: tuple[int, ...]


@dataclass(frozen=True)
class Classifiers:
    """The linear classifiers of a head, fitted to all labels when they are asked for.

    Attributes:
        parts: The features, used to the raster.
        spaces: The space that the features of a part are brought to before a classifier sees them, by part.
        features: Features of the labelled points, by part, with random features instead of the statistics of the texture.
        points: The labelled points.
        classes: Number of classes.
        sample: Features of random pixels of the raster, by part, from which classifiers learn too; None: from labels alone.
        others: Features of other random pixels, by part, that say how much of the raster each class seems to cover.
        prior_adjusted: Mask of the classes whose prior is adjusted to that, of shape (classes,); None: none.
        alone: Classifiers that learned from the labels alone, by the names of their parts.
        fitted: Classifiers of each candidate that was asked for, by its name.
        shares: The shares of the raster that their prior is adjusted to, of shape (classes,), by the same.
    """

    parts: FeatureParts
    spaces: Mapping[str, Space]
    features: Mapping[str, FloatArray]
    points: LabelledPoints
    classes: int
    sample: Mapping[str, FloatArray] | None = None
    others: Mapping[str, FloatArray] = field(default_factory=dict)
    prior_adjusted: npt.NDArray[np.bool_] | None = None
    alone: dict[tuple[str, ...], Linear] = field(default_factory=dict)
    fitted: dict[str, dict[tuple[str, ...], Linear]] = field(default_factory=dict)
    shares: dict[str, npt.NDArray[np.float64]] = field(default_factory=dict)

    def of(self, candidate: HeadCandidate, feedback: Feedback | None = None) -> dict[tuple[str, ...], Linear]:
        """Return the classifiers of a candidate by their parts, fitted while a feedback is told of it and may end it."""
        if candidate.name not in self.fitted:
            self.fitted[candidate.name] = self._fit(candidate, feedback or Feedback())
        return self.fitted[candidate.name]

    def _fit(self, candidate: HeadCandidate, feedback: Feedback) -> dict[tuple[str, ...], Linear]:
        members = candidate.members
        inputs = designs(members, self.spaces, self.features)
        missing = inputs.keys() - self.alone.keys()
        count = FitCount(feedback, len(missing) + (len(inputs) if self.sample is not None else 0))
        at_step = feedback.stop_if_cancelled
        for parts in missing:
            count.begin_next()
            self.alone[parts] = fit_member(parts, inputs[parts], self.points, self.classes, at_step=at_step)
        if self.sample is None:
            return {parts: self.alone[parts] for parts in inputs}
        unlabelled = designs(members, self.spaces, self.sample)
        self_trained = learn_from_raster(
            members, self.alone, inputs, self.points, unlabelled, self.classes, at_step, before_fit=count.begin_next
        )
        if self.prior_adjusted is None:
            return self_trained
        others = designs(members, self.spaces, self.others)
        shares = self.shares[candidate.name] = shares_of_raster(members, self_trained, others)
        return with_adjusted_prior(shares, self.prior_adjusted, self_trained)

    def log_probabilities(self, candidate: HeadCandidate, features: Mapping[str, FloatArray]) -> FloatArray:
        """Return what a candidate makes of features as a ``FeatureSource`` gives them, of shape (n, classes)."""
        names = names_in([member.parts for member in candidate.members])
        seen = {name: as_classifiers_see(name, features[name], self.parts) for name in names}
        return answers_of(candidate.members, self.of(candidate), designs(candidate.members, self.spaces, seen))


@dataclass(frozen=True)
class Fitted:
    """A segmenter, and how well its like did on labels it had not seen.

    Attributes:
        segmenter: Network in evaluation mode, on the CPU.
        comparison: The comparison of the candidates.
        accuracy: Accuracy that is to be expected of a map of the raster.
        confusion: Confusion matrix of the chosen candidate over held-out samples, true classes in rows, every shape counting
            1; None where none could be held out.
        classifiers: Classifiers of the segmenter, and of all other candidates when they are asked for.
        prior_shares: The share of the raster that each class with an adjusted prior seems to cover, by its number.
    """

    segmenter: FusedSegmenter
    comparison: HeadComparison
    accuracy: AccuracyEstimate
    confusion: npt.NDArray[np.float64] | None
    classifiers: Classifiers
    prior_shares: Mapping[int, float]


def zooms_for(width: int, height: int) -> tuple[int, ...]:
    """Return the zooms at which an encoder sees enough of a raster of that size in working pixels."""
    return tuple(zoom for zoom in ZOOMS if zoom == 1 or min(width, height) >= FEWEST_COARSE_PIXELS * stride_at(zoom))


@dataclass(frozen=True)
class HeadRequest:
    """The head that is asked for.

    Attributes:
        head: ``"auto"``, ``"linear"`` or ``"texture"``.
        smoothing: See ``FusedSpec``.
        seed: Source of all chance.
        may_learn_from_raster: True where classifiers may learn from pixels without a label, too.
    """

    head: str
    smoothing: float
    seed: int
    may_learn_from_raster: bool = True


def fit_head(
    asked: HeadRequest,
    encoders: Sequence[FrozenEncoder],
    raster: LabelledRaster,
    device: torch.device,
    feedback: Feedback,
    keep: Callable[[FeatureSampler], FeatureSource] | None = None,
) -> Fitted:
    """Fit the classifiers of a head and choose among them.

    Args:
        asked: The head that is asked for.
        encoders: The encoders, the general one first.
        raster: The raster and its labels.
        device: Device to compute features on.
        feedback: It is told how far the work is, in stages that take 0.88 of a job.
        keep: Gives a source of features that asks a sampler for those alone that it does not have yet.
    """
    source, annotation, seed = raster.source, raster.annotation, asked.seed
    bands, classes = len(source.bands), len(annotation.classes)
    backbones = tuple(encoder.backbone for encoder in encoders)
    zooms = tuple(encoder.zooms for encoder in encoders)
    candidates = candidates_for(asked.head, zooms)
    names = names_in([member.parts for candidate in candidates for member in candidate.members])
    parts = FeatureParts(backbones, zooms, bands).eval()
    for module, encoder in zip(parts.encoders, encoders):
        module.load_state_dict(dict(encoder.weights))
    parts.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    sampler = FeatureSampler(parts, names, source, raster.normalisation, device, feedback)
    found = keep(sampler) if keep else sampler
    with feedback.stage("Looking at the raster", 0.18):
        sample = found.adapt_to_raster(seed)
        if TEXTURE in sample:
            parts.random_features.draw(*mean_and_std(sample[TEXTURE]), torch.Generator().manual_seed(seed))
        spaces = {name: space_of_part(name, values) for name, values in sample.items()}
    with feedback.stage("Looking at the labels", 0.34):
        features, points = found.at(labelled_points(annotation, seed))
        features = {name: as_classifiers_see(name, values, parts) for name, values in features.items()}
    with feedback.stage("Comparing heads", 0.27):
        folds = folds_of(annotation, source.width, source.height, seed)
        order = np.random.default_rng(seed).permutation(len(next(iter(sample.values()))))
        learned = min(SAMPLED_PIXELS_SEEN, -(-len(order) // 2))
        sample, others = (
            {name: as_classifiers_see(name, values[rows], parts) for name, values in sample.items()}
            for rows in (order[:learned], order[learned : 2 * learned])
        )
        unlabelled = sample if asked.may_learn_from_raster else {}
        samples = HeadSamples(spaces, points, features, folds, classes, unlabelled, others)
        comparison = compare(candidates, samples, feedback, at_step=feedback.stop_if_cancelled)
    with feedback.stage("Fitting the best", 0.09):
        spec = FusedSpec(backbones, zooms, comparison.chosen.members, asked.smoothing)
        self_training = sample if comparison.learns_from_raster else None
        prior_adjusted = comparison.prior_adjusted if comparison.prior_adjusted.any() else None
        classifiers = Classifiers(parts.cpu(), spaces, features, points, classes, self_training, others, prior_adjusted)
        segmenter = _segmenter(spec, classifiers, classifiers.of(comparison.chosen, feedback), bands)
    held = points.subset(comparison.held_out)
    shapes_of_class = np.bincount(annotation.targets[np.unique(points.owners)], minlength=classes)
    accuracy = estimate_accuracy(
        held.owners, held.targets, comparison.log_probabilities, comparison.on_raster, shapes_of_class
    )
    answers = comparison.log_probabilities.argmax(axis=1)
    confusion = confusion_of_shapes(held.owners, held.targets, answers, classes) if len(answers) else None
    shares = classifiers.shares.get(comparison.chosen.name)
    prior_shares = {} if shares is None else {int(k): float(shares[k]) for k in np.flatnonzero(comparison.prior_adjusted)}
    return Fitted(segmenter, comparison, accuracy, confusion, classifiers, prior_shares)


def space_of_part(name: str, sample: FloatArray) -> Space:
    """Return the space of a part, given features of the raster (n, channels)."""
    share = SHARE.get(name, 0.5)
    return plain_space(RANDOM_FEATURES, TEXTURE_GAIN, share) if name in (TEXTURE, CURVES) else space_of(sample, share)


def as_classifiers_see(name: str, values: FloatArray, parts: FeatureParts) -> FloatArray:
    """Return features of a part as a sampler gives them, random features instead of the statistics of the texture."""
    if name not in (TEXTURE, CURVES):
        return values
    random_features: FloatArray = parts.random_features.cpu()(torch.from_numpy(values)).numpy()
    return random_features


def mean_and_std(values: FloatArray) -> tuple[Tensor, Tensor]:
    """Return the mean and the standard deviation of features (n, channels), each of shape (channels,)."""
    std, mean = torch.std_mean(torch.from_numpy(values), dim=0, correction=0)
    return mean, std.clamp(min=1e-6)


def _segmenter(
    spec: FusedSpec, classifiers: Classifiers, fitted: Mapping[tuple[str, ...], Linear], bands: int
) -> FusedSegmenter:
    segmenter = FusedSegmenter(spec, bands, classifiers.classes)
    segmenter.features.load_state_dict(classifiers.parts.state_dict())
    put_in(segmenter, fitted, classifiers.spaces)
    return segmenter.eval()


def put_in(segmenter: FusedSegmenter, fitted: Mapping[tuple[str, ...], Linear], spaces: Mapping[str, Space]) -> None:
    """Put the classifiers of all members into a segmenter, as weights on the features themselves.

    Args:
        segmenter: The segmenter.
        fitted: The classifier of each member, by its parts.
        spaces: The space that the features of a part are brought to before a classifier sees them, by part.
    """
    for number, member in enumerate(segmenter.spec.members):
        alone = len(member.parts) == 1
        linear = fitted[member.parts]
        bias = linear.bias.copy()
        weights: dict[str, Tensor] = {}
        start = 0
        for part in member.parts:
            space = spaces[part]
            width = space.axes.shape[1]
            on_features, shift = space.folded(linear.weights[start : start + width], alone)
            weights[part] = torch.from_numpy(on_features.T.copy())
            bias += shift
            start += width
        segmenter.set_member(number, weights, torch.from_numpy(bias))
