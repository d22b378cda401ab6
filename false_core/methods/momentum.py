"""A momentum encoder: a second network that follows the first one slowly, and that no gradient reaches.

He et al., "Momentum Contrast for Unsupervised Visual Representation Learning", CVPR 2020.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from false_core.methods.method import ProjectedMethod, Views
from false_core.presets import PretrainSettings

MOMENTUM = 0.999
"""The momentum of the momentum encoder, once it has been warmed up."""


class MomentumMethod(ProjectedMethod):
    """A method whose first views are seen by the encoder, and whose second views by the momentum encoder."""

    def __init__(self, encoder: nn.Module, settings: PretrainSettings) -> None:
        super().__init__(encoder, settings)
        self.slow_encoder, self.slow_heads = copy.deepcopy(encoder), copy.deepcopy(self.heads)
        self.slow_encoder.requires_grad_(False)
        self.slow_heads.requires_grad_(False)

    def represent(self, views: Views) -> dict[str, Tensor]:
        """Return the queries (N, d) of each level, with gradients, stacked on their keys (N, d)."""
        # Both halves of a stack are picked by the same rows.
        rows = views.kept.chunk(2)[0]
        points, points_of_keys = views.points.chunk(2)
        queries = self.heads(self.encoder(views.first()), points, rows)
        with torch.no_grad():
            keys = self.slow_heads(self.slow_encoder(views.second()), points_of_keys, rows)
        return {level: torch.cat([query, keys[level]]) for level, query in queries.items()}

    def follow(self, momentum: float) -> None:
        """Move the momentum encoder towards the encoder."""
        follow(self.slow_encoder, self.encoder, momentum)
        follow(self.slow_heads, self.heads, momentum)


@torch.no_grad()
def follow(slow: nn.Module, fast: nn.Module, momentum: float) -> None:
    """Move the weights of ``slow`` towards ``fast``: at a momentum of 1 they stay, at 0 they become the same."""
    for kept, new in zip(slow.state_dict().values(), fast.state_dict().values()):
        if kept.is_floating_point():
            kept.lerp_(new.to(kept.dtype), 1 - momentum)
        else:
            kept.copy_(new)


def risen(momentum: float, step: int) -> float:
    """Return the momentum after ``step`` steps, at most ``momentum``.

    At first the weights change fast, and a slow average of them would be one of noise.
    """
    return min(momentum, (1 + step) / (10 + step))
