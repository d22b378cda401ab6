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
    both = list(zip(slow.state_dict().values(), fast.state_dict().values()))
    moving, counters = ([pair for pair in both if pair[0].is_floating_point() == moves] for moves in (True, False))
    # All at once, as a GPU is asked for each thing by itself more slowly than it does it.
    torch._foreach_lerp_([kept for kept, _ in moving], [new.to(kept.dtype) for kept, new in moving], 1 - momentum)
    if counters:
        torch._foreach_copy_([kept for kept, _ in counters], [new for _, new in counters])


def risen(momentum: float, step: int) -> float:
    """Return the momentum after ``step`` steps, at most ``momentum``.

    At first the weights change fast, and a slow average of them would be one of noise.
    """
    return min(momentum, (1 + step) / (10 + step))
