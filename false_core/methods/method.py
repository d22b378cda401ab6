"""The interface of a self-supervised method to the training engine, and what most of them have in common."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, TypeVar

import torch
from torch import Tensor, nn

from false_core.computing.distributed import ALONE
from false_core.methods.false_negatives import FalseNegatives
from false_core.methods.pictures import MarkedViews, NeighbourPairs
from false_core.models.encoder import ImageProjector, PointProjector, channels_of
from false_core.presets import BOTH, IMAGE, POINTS, PretrainSettings
from false_core.sampling.views import SamplingRequirements


@dataclass(frozen=True)
class Views:
    """Two views of each of B patches, on the device.

    Attributes:
        pixels: Normalised and jittered, of shape (2B, bands, size, size): the first views stacked on the second views.
        points: Positions in them, of shape (2B, points, 2), x first, from -1 to 1. Point p of view i and of view B + i is
            the same place on the ground.
        kept: Rows of the flattened (2B * points) that both views of a pair really see, those of the first views stacked on
            those of the second views.
        ground: Positions of the patches' centres and then of their points on the ground, of shape (B, 1 + points, 3), in
            widths of a view and in one frame for all batches. None where the method did not ask.
        chance: The numbers from 0 to 1 that ``SamplingRequirements.chance`` asked for, of shape (2B, numbers), likewise.
        local: The small crops that ``SamplingRequirements.local`` asked for, of shape (crops * B, bands, side, side): the
            first ones of all patches, then the second ones.
    """

    pixels: Tensor
    points: Tensor
    kept: Tensor
    ground: Tensor | None = None
    chance: Tensor | None = None
    local: Tensor | None = None

    def first(self) -> Tensor:
        """Return the pixels of the first views."""
        return self.pixels[: len(self.pixels) // 2]

    def second(self) -> Tensor:
        """Return the pixels of the second views."""
        return self.pixels[len(self.pixels) // 2 :]


@dataclass(frozen=True)
class FirstLook:
    """The first view of a batch by a method that looks at it twice.

    Attributes:
        representations: The results of ``Method.represent``.
        features: Features that they depend on, of shape (2B, ...). Gradients are asked for here, and reach no weights.
    """

    representations: dict[str, Tensor]
    features: Tensor


@dataclass(frozen=True)
class Outcome:
    """The outcome of a step of training.

    Attributes:
        loss: The number to differentiate.
        curves: Further values worth plotting, by name, without gradients.
        found: The false negatives that were determined, where they were.
        levels: The outcomes that this one is the mean of, by level.
        collapsed: True where all views look the same to the encoder, as one value; None where the method does not say.
    """

    loss: Tensor
    curves: Mapping[str, Tensor] = field(default_factory=dict)
    found: FalseNegatives | None = None
    levels: Mapping[str, Outcome] = field(default_factory=dict)
    collapsed: Tensor | None = None


class Method(nn.Module, ABC):
    """A way to pretrain an encoder. All of its state, but the optimiser's, is in its ``state_dict``.

    A step has two halves: ``represent`` turns views into vectors, and ``compare_all`` judges those of the whole batch. The
    first can be done part by part where the memory does not hold a batch, see ``training.gradient_cache``, and in several
    processes.

    A method may look at a batch twice: ``first_look``, the gradients of the loss at the features it returns, ``focus``, and
    only then ``represent``, of the views that ``focused`` returns.

    Args:
        encoder: A network that ``build_encoder`` made. It is what remains of the training.

    Attributes:
        paradigm: Kind of learning in the sense of Tao et al., "Self-Supervised Remote Sensing Feature Learning", IEEE TGRS
            2023: "supervised", "unsupervised" or "self-supervised", of the last also which kind.
        signal: Signal that it learns from, in words.
        by_gradients: True where its weights learn by gradients of its loss.
        fewest_steps, most_steps: Steps that it takes at least, and after which there is nothing left to do.
        loss_caption: Caption of its loss in the report.
        longest_gradient: The gradient of a weight that is longer is cut to this length; None: none is.
        curve_captions: Captions of its curves in the report: a sentence by the first word of their names.
        world: The processes that train it. ``compare_all`` is called in all of them with the same representations. They can
            share what compares each anchor with all others, see ``shared_anchors``, and must all come to the same loss.
        decoder: Trained along with the encoder and kept beside it, None for most methods. Of the architecture that
            ``settings.decoder`` names.
    """

    paradigm: ClassVar[str]
    signal: ClassVar[str]
    by_gradients: ClassVar[bool] = True
    fewest_steps: ClassVar[int] = 1
    most_steps: ClassVar[int] = sys.maxsize
    longest_gradient: ClassVar[float | None] = None
    loss_caption: ClassVar[str] = "The loss should fall and then level off."
    curve_captions: ClassVar[Mapping[str, str]] = {}

    def __init__(self, encoder: nn.Module, settings: PretrainSettings) -> None:
        super().__init__()
        self.encoder = encoder
        self.settings = settings
        self.decoder: nn.Module | None = None
        self.world = ALONE

    @classmethod
    def adapted(cls, settings: PretrainSettings) -> PretrainSettings:
        """Return ``settings`` with what the method decides itself.

        Raises:
            RequestError: They do not go together.
        """
        return settings

    @classmethod
    def sampling_requirements(cls, settings: PretrainSettings) -> SamplingRequirements:
        """Return what the method asks of the sampler."""
        return SamplingRequirements()

    def forward(self, views: Views) -> Outcome:
        """Return the loss of a batch."""
        return self.compare_all(self.represent(views))

    @abstractmethod
    def represent(self, views: Views) -> dict[str, Tensor]:
        """Return what the loss looks at, by name: that of the first views stacked on that of the second views, (2N, ...).

        Embeddings (2N, d) go by the name of their level. All else that is compared, such as where they lie, is beside them
        in tensors of their own. Of each tensor the first dimension follows the patches: N rows of the first views, patch by
        patch, then as many of the second views. That is all that parts of a batch, and processes that each have a part, need
        to know to put tensors together, with gradients, before ``compare_all`` sees them. All are floating point.

        A row may depend on the patch it is of, and through batch norms on those it came with, on nothing else. It remembers
        nothing but what batch norms do, and does the same when called again: no chance, such as that of dropout.
        """

    @abstractmethod
    def compare_all(self, representations: Mapping[str, Tensor]) -> Outcome:
        """Return the loss of what ``represent`` returned for a whole batch."""

    @property
    def looks_twice(self) -> bool:
        """Return whether the present step looks at its batch twice."""
        return False

    def first_look(self, views: Views) -> FirstLook:
        """Return what is seen the first time. Like ``represent`` it looks at patches by themselves."""
        raise NotImplementedError(f"{type(self).__name__} looks once")

    def focus(self, views: Views, features: Tensor, gradients: Tensor) -> Tensor:
        """Return what of the views to look at, of shape (2B, ...), patch by patch.

        Args:
            gradients: The gradients of the loss of the whole batch there.
        """
        raise NotImplementedError(f"{type(self).__name__} looks once")

    def focused(self, views: Views, focus: Tensor) -> Views:
        """Return the views to look at the second time."""
        raise NotImplementedError(f"{type(self).__name__} looks once")

    def neighbour_pairs(self, representations: Mapping[str, Tensor]) -> list[NeighbourPairs]:
        """Return which others are related to the anchors of a batch, for the report. Most methods have nothing to show."""
        return []

    def marked_views(self, views: Views) -> list[MarkedViews]:
        """Return what the method looks at in views, for the report. Most methods have nothing to show."""
        return []

    def embed(self, views: Views) -> dict[str, Tensor]:
        """Return the embeddings (2N, d) of each level, those of the first views on those of the second views.

        A method without embeddings returns nothing.
        """
        return {}

    def after_step(self, step: int, steps: int) -> None:
        """Do what follows an update of the weights, for example of a momentum encoder."""


class Heads(nn.ModuleDict):
    """The projectors of an encoder: one for each level that embeddings stand for, the patch or points of it."""

    def __init__(self, encoder: nn.Module, settings: PretrainSettings) -> None:
        super().__init__()
        channels = channels_of(encoder)
        if settings.level in (IMAGE, BOTH):
            self[IMAGE] = ImageProjector(channels, settings.hidden, settings.dimensions)
        if settings.level in (POINTS, BOTH):
            self[POINTS] = PointProjector(channels, settings.hidden, settings.dimensions)

    def forward(self, features: list[Tensor], points: Tensor, kept: Tensor) -> dict[str, Tensor]:
        """Return the embeddings (N, d) of each level for a pyramid of features; see ``Views`` for the others."""
        out = {}
        if IMAGE in self:
            out[IMAGE] = self[IMAGE](features)
        if POINTS in self:
            out[POINTS] = self[POINTS](features, points)[kept]
        return out


class ProjectedMethod(Method):
    """A method whose embeddings are those of projectors on top of the encoder."""

    def __init__(self, encoder: nn.Module, settings: PretrainSettings) -> None:
        super().__init__(encoder, settings)
        self.heads = Heads(encoder, settings)

    def embed(self, views: Views) -> dict[str, Tensor]:
        """Return the embeddings (2N, d) of each level, of both views by the trained encoder."""
        embeddings: dict[str, Tensor] = self.heads(self.encoder(views.pixels), views.points, views.kept)
        return embeddings


class PairMethod(ProjectedMethod):
    """A method that compares the embeddings of two views, all of one batch with each other.

    A subclass says how: ``compare`` is its loss. Where embeddings stand for patches and for points of them, the two losses
    are averaged.
    """

    @abstractmethod
    def compare(self, embeddings: Tensor) -> Outcome:
        """Return the loss of embeddings of shape (2N, d), first views stacked on second views."""

    def compare_all(self, representations: Mapping[str, Tensor]) -> Outcome:
        """Return the mean of the losses of all levels."""
        return average({level: self.compare(embeddings) for level, embeddings in representations.items()})

    def represent(self, views: Views) -> dict[str, Tensor]:
        """Return the embeddings (2N, d) of each level."""
        return self.embed(views)


def average(outcomes: Mapping[str, Outcome]) -> Outcome:
    """Return the mean loss of several levels, and the curves of each, named after it where there are several."""
    loss = torch.stack([outcome.loss for outcome in outcomes.values()]).mean()
    curves = named_after_level({level: outcome.curves for level, outcome in outcomes.items()})
    return Outcome(loss, curves, levels=outcomes)


Value = TypeVar("Value")


def named_after_level(curves: Mapping[str, Mapping[str, Value]]) -> dict[str, Value]:
    """Return the curves of all levels, each named after its level where there are several."""
    one = len(curves) == 1
    return {name if one else f"{name} ({level})": value for level, own in curves.items() for name, value in own.items()}


def pair_curves(similarity_of_positives: Tensor, similarity_of_negatives: Tensor) -> dict[str, Tensor]:
    """Name the two similarities every contrastive method can plot."""
    return {
        "similarity of positives": similarity_of_positives.detach(),
        "similarity of negatives": similarity_of_negatives.detach(),
    }
