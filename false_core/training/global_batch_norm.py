"""Batch norms over the batch of all processes, where several train together.

PyTorch has one for NVIDIA GPUs (``SyncBatchNorm``), which makes the CPU wait for the card in each of its forward passes, to
leave processes out that have nothing. Here every process has something. The arithmetic is the same, and on a card so are
the kernels.
"""

from __future__ import annotations

from typing import Any, TypeVar

import torch
import torch.distributed as dist
from timm.layers.norm_act import BatchNormAct2d
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from false_core.distributed import World

Network = TypeVar("Network", bound=nn.Module)


def with_global_batch_norms(network: Network, world: World) -> Network:
    """Return ``network`` with batch norms over all processes, weights and names as they are."""
    if not world.is_shared:
        return network
    for module in network.modules():
        if type(module) is BatchNormAct2d:
            module.__class__ = _GlobalBatchNormAct
        elif isinstance(module, _BatchNorm) and not isinstance(module, _GlobalBatchNorm):
            module.__class__ = _GlobalBatchNorm
    return network


class _GlobalBatchNorm(_BatchNorm):
    """Normalises by mean and standard deviation over the batch of all processes while it trains."""

    def forward(self, input: Tensor) -> Tensor:
        return _normalised(self, input)

    def _check_input_dim(self, input: Tensor) -> None:
        """Take maps and vectors alike."""


class _GlobalBatchNormAct(BatchNormAct2d, _GlobalBatchNorm):
    """The same, with the activation that timm keeps in its batch norms."""

    def forward(self, x: Tensor) -> Tensor:
        activated: Tensor = self.act(self.drop(_normalised(self, x)))
        return activated


def _normalised(norm: _BatchNorm, values: Tensor) -> Tensor:
    if not norm.training:
        return nn.functional.batch_norm(
            values, norm.running_mean, norm.running_var, norm.weight, norm.bias, False, 0.0, norm.eps
        )
    out: Tensor
    out, mean, variance, count = _Normalise.apply(values, norm.weight, norm.bias, norm.eps)
    assert norm.running_mean is not None and norm.running_var is not None and norm.momentum is not None
    with torch.no_grad():
        norm.running_mean.lerp_(mean.to(norm.running_mean.dtype), norm.momentum)
        unbiased = variance * (count / (count - 1).clamp(min=1))
        norm.running_var.lerp_(unbiased.to(norm.running_var.dtype), norm.momentum)
        if norm.num_batches_tracked is not None:
            norm.num_batches_tracked += 1
    return out


class _Normalise(torch.autograd.Function):
    """Ioffe and Szegedy, "Batch Normalization", ICML 2015, with the sums taken over all processes.

    What touches every pixel is left to PyTorch's own kernels. On the CPU those for one process tell a channel's mean and
    deviation, and those for a network that does not train normalise by any that are given.
    """

    @staticmethod
    def forward(
        context: Any, values: Tensor, weight: Tensor, bias: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        kind = values.dtype
        # Kernels for cards take half precision and add up in single precision. Those for the CPU do not.
        values = _dense(values) if values.is_cuda or kind == torch.float64 else values.float()
        # Around the mean of each process, not around 0, where large means would swallow small deviations.
        mean, variance = torch.batch_norm_update_stats(values, None, None, 0.0)
        own = torch.cat([mean, variance, torch.full_like(mean[:1], values.numel() / values.shape[1])])
        everyone = own.new_empty(dist.get_world_size() * len(own))
        dist.all_gather_into_tensor(everyone, own)
        means, variances, counts = torch.split(everyone.view(-1, len(own)), [len(mean), len(mean), 1], dim=1)
        total = counts.sum()
        mean = (means * counts).sum(dim=0) / total
        variance = ((variances + (means - mean).square()) * counts).sum(dim=0) / total
        context.save_for_backward(values, weight, mean, variance, counts)
        context.eps = eps
        context.mark_non_differentiable(mean, variance, total)
        if values.is_cuda:
            normalised = torch.batch_norm_elemt(values, weight, bias, mean, (variance + eps).rsqrt(), eps)
        else:
            normalised = nn.functional.batch_norm(values, mean, variance, weight, bias, False, 0.0, eps)
        return normalised.to(kind), mean, variance, total

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context: Any, grad_output: Tensor, *_: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        backward = _backward_on_card if grad_output.is_cuda else _backward_on_cpu
        # The processes add up the gradients of the weights when all are done.
        gradient, of_weight, of_bias = backward(grad_output, context.eps, *context.saved_tensors)
        weight = context.saved_tensors[1]
        return gradient.to(grad_output.dtype), of_weight.to(weight.dtype), of_bias.to(weight.dtype), None


def _backward_on_card(
    grad_output: Tensor, eps: float, values: Tensor, weight: Tensor, mean: Tensor, variance: Tensor, counts: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of the values, and this process's part of those of the weights."""
    grad_output, inverse = _dense(grad_output), (variance + eps).rsqrt()
    of_mean, along, of_weight, of_bias = torch.batch_norm_backward_reduce(
        grad_output, values, mean, inverse, weight, True, True, True
    )
    sums = torch.cat([of_mean, along])
    dist.all_reduce(sums)
    of_mean, along = sums.chunk(2)
    gradient = torch.batch_norm_backward_elemt(
        grad_output, values, mean, inverse, weight, of_mean, along, counts[:, 0].to(torch.int32)
    )
    return gradient, of_weight, of_bias


def _backward_on_cpu(
    grad_output: Tensor, eps: float, values: Tensor, weight: Tensor, mean: Tensor, variance: Tensor, counts: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of the values, and this process's part of those of the weights."""
    # As if mean and deviation did not depend on the values.
    gradient, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
        grad_output.to(values.dtype), values, weight, mean, variance, None, None, False, eps, [True, True, True]
    )
    sums = torch.cat([of_bias, of_weight])
    dist.all_reduce(sums)
    # As they do, there is more, with g the grad_output:
    # - weight / deviation * (mean of g + unit value * mean of g * unit value).
    of_mean, along = (sums / counts.sum()).view(2, -1)
    inverse = (variance + eps).rsqrt()
    per_value = -along * weight * inverse.square()
    column = (1, -1, *[1] * (values.ndim - 2))
    gradient.addcmul_(values, per_value.view(column))
    gradient.sub_((of_mean * weight * inverse + mean * per_value).view(column))
    return gradient, of_weight, of_bias


def _dense(values: Tensor) -> Tensor:
    """Return values as kernels for cards want them: contiguous, channels first or last."""
    return values if values.is_contiguous(memory_format=torch.channels_last) else values.contiguous()
