"""The denominator of contrastive losses: each anchor against all the others, without a matrix of all pairs.

One pass over blocks of similarities takes what the loss needs of them: the log-sum-exp of each anchor and, for FNSD, its
possible false negatives. The backward pass makes the blocks anew instead of keeping them, so that memory is linear in the
batch. On an NVIDIA GPU the kernels of ``denominator_triton`` do the same.
"""

from __future__ import annotations

import functools
import types
import warnings
from typing import Any

import torch
from torch import Tensor

from false_core.methods.false_negatives import Search
from false_core.methods.pairs import blocks, directions, of_own_place, other_views


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
        kernels = _kernels_for(z) if neighbours <= 1 else None
        if kernels:
            denominator, nearest = kernels.scan(z, temperature, neighbours == 1)
        else:
            denominator, nearest = _scan(z, temperature, neighbours)
        context.save_for_backward(z, denominator)
        context.temperature = temperature
        context.mark_non_differentiable(nearest)
        return denominator, nearest

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context: Any, grad_output: Tensor, _: Tensor) -> tuple[Tensor, None, None]:
        z, denominator = context.saved_tensors
        kernels = _kernels_for(z)
        gradient = (kernels.gradient if kernels else _gradient)(z, denominator, grad_output, context.temperature)
        return gradient, None, None


def _scan(z: Tensor, temperature: float, neighbours: int) -> tuple[Tensor, Tensor]:
    anchors = len(z)
    denominator = z.new_empty(anchors)
    search = Search(neighbours=neighbours) if neighbours else None
    nearest = torch.empty(anchors, search.number(anchors) if search else 0, dtype=torch.long, device=z.device)
    # Outside autocast, which would round the products to half precision.
    with torch.autocast(z.device.type, enabled=False):
        of_positive = (z * other_views(z)).sum(dim=1)
        for rows in blocks(anchors):
            similarity = z[rows] @ z.T
            if search:
                nearest[rows], _ = search.among(similarity, of_positive[rows], ~of_own_place(similarity, rows))
            similarity.div_(temperature).diagonal(rows.start).fill_(-torch.inf)
            denominator[rows] = similarity.logsumexp(dim=1)
    return denominator, nearest


def _gradient(z: Tensor, denominator: Tensor, grad_output: Tensor, temperature: float) -> Tensor:
    gradient = torch.empty_like(z)
    with torch.autocast(z.device.type, enabled=False):
        for rows in blocks(len(z)):
            logits = (z[rows] @ z.T).div_(temperature)
            logits.diagonal(rows.start).fill_(-torch.inf)
            # A pair is in the denominators of both its anchors.
            weights = (logits - denominator[rows, None]).exp_().mul_(grad_output[rows, None])
            weights += logits.sub_(denominator).exp_().mul_(grad_output)
            torch.mm(weights, z, out=gradient[rows])
    return gradient.div_(temperature)


def _kernels_for(z: Tensor) -> types.ModuleType | None:
    """Return the kernels, where they can be used for ``z``."""
    if z.device.type != "cuda" or z.dtype != torch.float32:
        return None
    kernels = _working_kernels(z.device)
    return kernels if kernels and z.shape[1] <= kernels.MOST_DIMENSIONS else None


@functools.cache
def _working_kernels(device: torch.device) -> types.ModuleType | None:
    """Return the kernels if they can be compiled for a device, and compute there what the plain form computes."""
    try:
        from false_core.methods import denominator_triton as kernels
    except ImportError:
        return None  # PyTorch for Windows comes without Triton.
    try:
        z = directions(torch.randn(130, 20, generator=torch.Generator().manual_seed(0))).to(device)
        grad_output = torch.linspace(-1, 2, len(z), device=device)
        denominator, nearest = kernels.scan(z, 0.2, True)
        wanted, wanted_nearest = _scan(z, 0.2, 1)
        torch.testing.assert_close(denominator, wanted, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(nearest, wanted_nearest)
        wanted_gradient = _gradient(z, wanted, grad_output, 0.2)
        torch.testing.assert_close(kernels.gradient(z, denominator, grad_output, 0.2), wanted_gradient, rtol=1e-3, atol=1e-3)
    except Exception as error:  # noqa: BLE001 Of compiler, driver or comparison: whatever it is, there is another way.
        warnings.warn(f"The kernels for {device} are not used: {error}. The loss takes a little longer.", stacklevel=2)
        return None
    return kernels
