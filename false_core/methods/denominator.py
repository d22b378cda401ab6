"""The denominator of contrastive losses: each anchor against all the others, without a matrix of all pairs.

One pass over blocks of similarities takes what the loss needs of them: the log-sum-exp of each anchor and, for FNSD, its
possible false negatives. The backward pass makes the blocks anew instead of keeping them, so that memory is linear in the
batch.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from false_core.methods.false_negatives import nearest_to_positive
from false_core.methods.pairs import blocks, other_views


def log_denominator(directions: Tensor, temperature: float, neighbours: int = 0) -> tuple[Tensor, Tensor]:
    """Compare every anchor with all others.

    Args:
        directions: Unit vectors of shape (2B, d), the first views stacked on the second views.
        temperature: tau.
        neighbours: Possible false negatives to find per anchor (k); 0: none.

    Returns:
        logsumexp_{j != i}(s_ij / tau) of shape (2B,), with gradients, and the indices of the possible false negatives
        (Eq. 2 of the paper, as ``determine_false_negatives`` finds them) of shape (2B, min(k, 2B - 2)).
    """
    denominator, nearest = _LogDenominator.apply(directions, temperature, neighbours)
    return denominator, nearest


class _LogDenominator(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, z: Tensor, temperature: float, neighbours: int) -> tuple[Tensor, Tensor]:
        # Outside autocast, which would round the products to half precision.
        with torch.autocast(z.device.type, enabled=False):
            anchors = len(z)
            of_positive = (z * other_views(z)).sum(dim=1)
            denominator = z.new_empty(anchors)
            nearest = torch.empty(anchors, min(neighbours, anchors - 2), dtype=torch.long, device=z.device)
            for rows in blocks(anchors):
                similarity = z[rows] @ z.T
                if neighbours:
                    nearest[rows] = nearest_to_positive(similarity, of_positive, rows, neighbours)
                similarity.div_(temperature).diagonal(rows.start).fill_(-torch.inf)
                denominator[rows] = similarity.logsumexp(dim=1)
        context.save_for_backward(z, denominator)
        context.temperature = temperature
        context.mark_non_differentiable(nearest)
        return denominator, nearest

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context: Any, slope: Tensor, _: Tensor) -> tuple[Tensor, None, None]:
        z, denominator = context.saved_tensors
        gradient = torch.empty_like(z)
        with torch.autocast(z.device.type, enabled=False):
            for rows in blocks(len(z)):
                logits = (z[rows] @ z.T).div_(context.temperature)
                logits.diagonal(rows.start).fill_(-torch.inf)
                # A pair is in the denominators of both its anchors.
                weights = (logits - denominator[rows, None]).exp_().mul_(slope[rows, None])
                weights += logits.sub_(denominator).exp_().mul_(slope)
                torch.mm(weights, z, out=gradient[rows])
        return gradient.div_(context.temperature), None, None
