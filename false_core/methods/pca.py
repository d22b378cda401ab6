"""Principal components of neighbourhoods, level after level: a control from the paradigm without any supervision.

Chan et al., "PCANet: A Simple Deep Learning Baseline for Image Classification?", IEEE TIP 24(12), 2015, arXiv 1404.3606. Of
the neighbourhoods x of what a level sees, the filters are the leading eigenvectors of their covariance,

    sum over x of (x - mean)(x - mean)^T / n

They are computed from running sums over batches, a share of the steps for each level, from the finest on; what a level sees
stands still by then. Nothing is differentiated. ``models.components`` has the network, and says how it differs from PCANet.
Neighbourhoods lie on a grid in each view, whose own place is random; nodata is the mean there as anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from false_core.methods.method import Method, Outcome, Views
from false_core.methods.pictures import MarkedView, MarkedViews
from false_core.methods.pretext import uncoloured
from false_core.models.components import COMPONENTS_OF_LEVELS, ComponentLevel, pca
from false_core.models.encoder import DEPTH
from false_core.presets import IMAGE, PretrainSettings

SMALLEST_VIEW_PX = 128
"""Side of a view at least, so that whole neighbourhoods fit the coarsest level."""
ACROSS = 6
"""Neighbourhoods of a view along each axis, where so many fit."""
SHOWN_COLUMNS, SHOWN_ROWS = 6, 2
"""Components in the picture of the report."""
STRONGEST = 3.0
"""Strength at which components are drawn, in standard deviations of a band."""


class PCA(Method):
    """Computes the filters of an encoder of its own."""

    paradigm = "unsupervised"
    signal = "how small neighbourhoods vary: nothing is trained"
    by_gradients: ClassVar[bool] = False
    fewest_steps: ClassVar[int] = DEPTH
    most_steps: ClassVar[int] = 10 * DEPTH
    loss_caption: ClassVar[str] = (
        "The encoder was computed, not trained. The loss is the share of the variance that the components of a level leave "
        "out; it begins anew with each level."
    )
    curve_captions: ClassVar[Mapping[str, str]] = {
        "variance": "The share of the variance of neighbourhoods that lies in the components of each level.",
    }

    level: Tensor
    count: Tensor
    mean: Tensor
    scatter: Tensor

    def __init__(self, encoder: nn.Module, settings: PretrainSettings) -> None:
        super().__init__(encoder, settings)
        self.levels: Any = [module for module in encoder.modules() if isinstance(module, ComponentLevel)]
        widest = max(level.neighbourhood for level in self.levels)
        self.register_buffer("level", torch.zeros(()))
        self.register_buffer("count", torch.zeros(()))
        self.register_buffer("mean", torch.zeros(widest))
        self.register_buffer("scatter", torch.zeros(widest, widest))

    @classmethod
    def adapted(cls, settings: PretrainSettings) -> PretrainSettings:
        """Return ``settings`` with the network that components make, and views in their own colours."""
        size = max(settings.crop_size, SMALLEST_VIEW_PX)
        own = replace(settings, encoder=pca.__name__, weights="none", level=IMAGE, points=0, crop_size=size)
        return replace(uncoloured(own), until_flat=False)

    @property
    def fitted(self) -> ComponentLevel:
        """The level whose turn it is."""
        level: ComponentLevel = self.levels[int(self.level)]
        return level

    @torch.no_grad()
    def represent(self, views: Views) -> dict[str, Tensor]:
        """Return neighbourhoods of what the present level sees, of shape (2B, number * size of one)."""
        with torch.autocast(views.pixels.device.type, enabled=False):
            seen = self.encoder(views.pixels)[int(self.level)]
        return {"neighbourhoods": neighbourhoods(seen, self.fitted.side).flatten(1)}

    @torch.no_grad()
    def compare_all(self, representations: Mapping[str, Tensor]) -> Outcome:
        """Add the neighbourhoods of a batch to those so far, and make the level's filters of all of them."""
        level = self.fitted
        size = level.neighbourhood
        with torch.autocast(self.mean.device.type, enabled=False):
            self._add(representations["neighbourhoods"].reshape(-1, size).to(self.mean.dtype), size)
            axes, variances, total = leading_components(self.scatter[:size, :size] / self.count, level.components)
        level.take(self.mean[:size], axes, variances.mean().clamp(min=1e-12).rsqrt())
        # Of equal numbers different computers may make components that differ.
        self.world.broadcast(list(level.filters.parameters()))
        explained = variances.sum() / total.clamp(min=1e-12)
        curves = {f"variance explained by level {int(self.level) + 1}": explained}
        return Outcome((1 - explained).requires_grad_(), curves)

    def _add(self, rows: Tensor, size: int) -> None:
        """Add neighbourhoods (n, size) to the sums (Chan et al., "Updating Formulae and a Pairwise Algorithm", 1979)."""
        mean, so_far = rows.mean(dim=0), self.mean[:size]
        moved, together = mean - so_far, self.count + len(rows)
        centred = rows - mean
        self.scatter[:size, :size] += centred.T @ centred + moved.outer(moved) * (self.count * len(rows) / together)
        self.mean[:size] += moved * (len(rows) / together)
        self.count.copy_(together)

    def after_step(self, step: int, steps: int) -> None:
        """Go to the next level where it is its turn."""
        level = min(step * DEPTH // steps, DEPTH - 1)
        if level > int(self.level):
            for kept in (self.count, self.mean, self.scatter):
                kept.zero_()
        self.level.fill_(level)

    def marked_views(self, views: Views) -> list[MarkedViews]:
        """Return the leading components of the finest level, as pictures of neighbourhoods."""
        own = self.levels[0].filters.weight.detach()[: COMPONENTS_OF_LEVELS[0]].float().cpu()
        pictures = [MarkedView(STRONGEST * one / one.abs().max().clamp(min=1e-12)) for one in own]
        columns = tuple(
            tuple(pictures[row * SHOWN_COLUMNS + column] for row in range(SHOWN_ROWS)) for column in range(SHOWN_COLUMNS)
        )
        text = (
            "These are the leading components of neighbourhoods of 5 x 5 pixels, in the order of the variance that lies in "
            "them. Each is a filter of the finest level."
        )
        return [MarkedViews("Components of neighbourhoods", text, ("Leading components", "Further components"), columns)]


def neighbourhoods(seen: Tensor, side: int) -> Tensor:
    """Return neighbourhoods on a grid in maps (batch, channels, height, width), of shape (batch, number, channels * side^2).

    Only whole ones count; where none fits, all pixels have one that is filled up with 0.
    """
    smallest = min(seen.shape[-2:])
    if smallest < side:
        return nn.functional.unfold(seen, side, padding=side // 2).transpose(1, 2)
    step = max(1, (smallest - side + 1) // ACROSS)
    return nn.functional.unfold(seen, side, stride=step).transpose(1, 2)


def leading_components(covariance: Tensor, number: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the leading eigenvectors (number, size) of a covariance (size, size), their variances and the sum of all.

    An axis may point either way: its largest part is positive.
    """
    # On the CPU, as not every device has these in double precision.
    values, vectors = torch.linalg.eigh(covariance.cpu().double())
    axes = vectors.flip(1)[:, :number].T
    axes = axes * axes.gather(1, axes.abs().argmax(dim=1, keepdim=True)).sign()
    variances = values.flip(0).clamp(min=0)
    return tuple(one.to(covariance) for one in (axes, variances[:number], variances.sum()))
