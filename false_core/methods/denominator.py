"""The denominator of contrastive losses: each anchor against all the others, without a matrix of all pairs.

One pass over tiles of similarities takes what the loss needs of them: a log-sum-exp that each tile adds to (Milakov &
Gimelshein, "Online normalizer calculation for softmax", 2018) and, for FNSD, the possible false negatives so far. The
backward pass makes the tiles anew instead of keeping them, so that memory is linear in the batch. Several processes take a
share of the anchors each, and of the rows of the gradient.

All of it is matrix products and passes over a tile, on every kind of device. By arithmetic it takes 4 to 6 % of a step of
the preset *standard* on GPUs, of which the best kernel could save 3 (``benchmarks/contrastive_loss.py --gpus``).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from false_core.computing.distributed import ALONE, World
from false_core.methods.false_negatives import lowest
from false_core.methods.pairs import other_views, tiles

MOST_EXPONENT = 60.0
"""Largest exponent of which float32 holds the exponential, its inverse, and sums of them."""


def log_denominator(
    directions: Tensor, temperature: float, neighbours: int = 0, world: World = ALONE
) -> tuple[Tensor, Tensor]:
    """Compare every anchor with all others.

    Args:
        directions: Unit vectors of shape (2B, d), the first views stacked on the second views.
        temperature: tau.
        neighbours: Possible false negatives to find per anchor (k); 0: none.
        world: The processes that all have these ``directions`` and share the work.

    Returns:
        logsumexp_{j != i}(s_ij / tau) of shape (2B,), with gradients, and the indices of the possible false negatives
        (Eq. 2 of the paper, as ``determine_false_negatives`` finds them) of shape (2B, min(k, 2B - 2)).
    """
    denominator, nearest = _LogDenominator.apply(directions, temperature, neighbours, world)
    return denominator, nearest


class _LogDenominator(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, z: Tensor, temperature: float, neighbours: int, world: World) -> tuple[Tensor, Tensor]:
        denominator, nearest = _scan(z, temperature, min(neighbours, len(z) - 2), world.share.of(len(z)))
        denominator, nearest = world.all_gather_rows(denominator, len(z)), world.all_gather_rows(nearest, len(z))
        context.save_for_backward(z, denominator)
        context.temperature, context.world = temperature, world
        context.mark_non_differentiable(nearest)
        return denominator, nearest

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context: Any, grad_output: Tensor, _: Tensor) -> tuple[Tensor, None, None, None]:
        z, denominator = context.saved_tensors
        gradient = _gradient(z, denominator, grad_output, context.temperature, context.world.share.of(len(z)))
        return context.world.all_gather_rows(gradient, len(z)), None, None, None


def _scan(z: Tensor, temperature: float, neighbours: int, own: slice) -> tuple[Tensor, Tensor]:
    """Return the denominators and the possible false negatives of some anchors."""
    half = len(z) // 2
    denominators, found = [], []
    # Outside autocast, which would round the products to half precision.
    with torch.autocast(z.device.type, enabled=False):
        of_positive = (z * other_views(z)).sum(dim=1, keepdim=True)
        for rows, across in tiles(own, len(z), z.device):
            denominator = z.new_full((rows.stop - rows.start,), -torch.inf)
            closest = z.new_empty(len(denominator), 0)
            nearest = torch.empty(len(denominator), 0, dtype=torch.long, device=z.device)
            for columns in across:
                similarity, own_place = z[rows] @ z[columns].T, rows.start - columns.start
                if neighbours:
                    distance = (similarity - of_positive[rows]).abs_()
                    for place in (own_place - half, own_place, own_place + half):
                        distance.diagonal(place).fill_(torch.inf)
                    candidates = lowest(distance, min(neighbours, distance.shape[1]))
                    # Those of earlier tiles come first: of equals the lowest index wins.
                    closest = torch.cat([closest, distance.gather(1, candidates)], dim=1)
                    nearest = torch.cat([nearest, candidates + columns.start], dim=1)
                    best = lowest(closest, min(neighbours, closest.shape[1]))
                    closest, nearest = closest.gather(1, best), nearest.gather(1, best)
                similarity.div_(temperature).diagonal(own_place).fill_(-torch.inf)
                denominator = torch.logaddexp(denominator, similarity.logsumexp(dim=1))
            denominators.append(denominator)
            found.append(nearest)
    return torch.cat(denominators), torch.cat(found)


def _gradient(z: Tensor, denominator: Tensor, grad_output: Tensor, temperature: float, own: slice) -> Tensor:
    """Return some rows of the gradient at ``z`` for the gradient ``grad_output`` (2B,) at the denominators."""
    gradient = torch.zeros_like(z[own])
    one_exponential = 1 / temperature <= MOST_EXPONENT
    weight = grad_output * denominator.neg().exp()
    with torch.autocast(z.device.type, enabled=False):
        scaled = z / temperature
        for rows, across in tiles(own, len(z), z.device):
            into = gradient[rows.start - own.start : rows.stop - own.start]
            for columns in across:
                logits = scaled[rows] @ z[columns].T
                logits.diagonal(rows.start - columns.start).fill_(-torch.inf)
                # A pair is in the denominators of both its anchors.
                if one_exponential:
                    weights = logits.exp_().mul_(weight[rows, None] + weight[columns])
                else:
                    weights = (logits - denominator[rows, None]).exp_().mul_(grad_output[rows, None])
                    weights += logits.sub_(denominator[columns]).exp_().mul_(grad_output[columns])
                into += weights @ z[columns]
    return gradient.div_(temperature)
