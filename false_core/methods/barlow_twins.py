"""Barlow Twins: no negatives; each dimension of the embedding is to say something of its own.

Zbontar et al., "Barlow Twins: Self-Supervised Learning via Redundancy Reduction", ICML 2021.
"""

from __future__ import annotations

import torch
from torch import Tensor

from false_core.methods.method import Outcome, PairMethod
from false_core.methods.pairs import check_pairs

REDUNDANCY_WEIGHT = 5e-3
"""lambda of Eq. 1, as published."""
SMALLEST_VARIANCE = 1e-5


def barlow_twins(embeddings: Tensor, redundancy_weight: float = REDUNDANCY_WEIGHT) -> Outcome:
    """Return the Barlow Twins loss (Eqs. 1 and 2).

    Args:
        embeddings: A tensor (2B, d), the first views stacked on the second views. Half precision is computed in float32.
        redundancy_weight: lambda, the weight of what the dimensions share.

    Raises:
        ValueError: ``embeddings`` is no such stack.
    """
    check_pairs(embeddings)
    precise = embeddings if embeddings.dtype == torch.float64 else embeddings.float()
    with torch.autocast(embeddings.device.type, enabled=False):
        first, second = (_standardised(views) for views in precise.chunk(2))
        correlation = first.T @ second / len(first)
    invariance = (1 - correlation.diagonal()).square().sum()
    redundancy = correlation.square().sum() - correlation.diagonal().square().sum()
    curves = {"correlation of the two views": correlation.diagonal().mean().detach()}
    return Outcome(invariance + redundancy_weight * redundancy, curves)


class BarlowTwins(PairMethod):
    """Makes the cross-correlation of the two views' embeddings the identity."""

    paradigm = "self-supervised, contrastive without negatives"
    signal = "another view of the same place"

    def compare(self, embeddings: Tensor) -> Outcome:
        """Return the Barlow Twins loss of embeddings (2N, d)."""
        return barlow_twins(embeddings)


def _standardised(views: Tensor) -> Tensor:
    """Return each dimension with mean 0 and standard deviation 1 over the batch."""
    variance, mean = torch.var_mean(views, dim=0, correction=0)
    return (views - mean) / (variance + SMALLEST_VARIANCE).sqrt()
