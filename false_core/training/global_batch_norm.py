"""Batch norms over the batch of all processes, where several train together.

PyTorch has one for NVIDIA GPUs (``SyncBatchNorm``), which makes the CPU wait for the GPU in each of its forward passes, to
leave processes out that have nothing. Here every process has something. The arithmetic is the same, and on a GPU so are
the kernels.
"""

from __future__ import annotations

from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from false_core.computing.backbone_libraries import BatchNormAct2d
from false_core.computing.distributed import World

AnyModule = TypeVar("AnyModule", bound=nn.Module)


def with_global_batch_norms(network: AnyModule, world: World) -> AnyModule:
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
    assert norm.running_mean is not None and norm.running_var is not None and norm.momentum is not None
    out: Tensor
    if values.is_cuda:
        out = _NormaliseOnGpu.apply(values, norm.weight, norm.bias, norm)
    else:
        out, mean, variance, count = _Normalise.apply(values, norm.weight, norm.bias, norm.eps)
        with torch.no_grad():
            norm.running_mean.lerp_(mean.to(norm.running_mean.dtype), norm.momentum)
            unbiased = variance * (count / (count - 1).clamp(min=1))
            norm.running_var.lerp_(unbiased.to(norm.running_var.dtype), norm.momentum)
    if norm.num_batches_tracked is not None:
        norm.num_batches_tracked += 1
    return out


def _of_everyone(statistics: list[Tensor], values: Tensor) -> tuple[Tensor, ...]:
    """Return two statistics of the channels and the number of values behind them, a row for each process."""
    own = torch.cat([*statistics, torch.full_like(statistics[0][:1], values.numel() / values.shape[1])])
    everyone = own.new_empty(dist.get_world_size() * len(own))
    dist.all_gather_into_tensor(everyone, own)
    return torch.split(everyone.view(-1, len(own)), [len(statistics[0]), len(statistics[0]), 1], dim=1)


class _NormaliseOnGpu(torch.autograd.Function):
    """The computation of ``SyncBatchNorm``, by the same kernels, which take half precision and add in single precision."""

    @staticmethod
    def forward(context: Any, values: Tensor, weight: Tensor, bias: Tensor, norm: _BatchNorm) -> Tensor:
        values = _dense(values)
        means, inverses, counts = _of_everyone(list(torch.batch_norm_stats(values, norm.eps)), values)
        assert norm.momentum is not None
        mean, inverse = torch.batch_norm_gather_stats_with_counts(
            values, means, inverses, norm.running_mean, norm.running_var, norm.momentum, norm.eps, counts.view(-1)
        )
        context.save_for_backward(values, weight, mean, inverse, counts.view(-1).to(torch.int32))
        return torch.batch_norm_elemt(values, weight, bias, mean, inverse, norm.eps)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context: Any, grad_output: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        values, weight, mean, inverse, counts = context.saved_tensors
        grad_output = _dense(grad_output)
        of_mean, along, of_weight, of_bias = torch.batch_norm_backward_reduce(
            grad_output, values, mean, inverse, weight, True, True, True
        )
        sums = torch.cat([of_mean, along])
        dist.all_reduce(sums)
        of_mean, along = sums.chunk(2)
        gradient = torch.batch_norm_backward_elemt(grad_output, values, mean, inverse, weight, of_mean, along, counts)
        # The processes add up the gradients of the weights when all are done.
        return gradient, of_weight, of_bias, None


def _dense(values: Tensor) -> Tensor:
    """Return values as kernels for GPUs want them: contiguous, channels first or last."""
    return values if values.is_contiguous(memory_format=torch.channels_last) else values.contiguous()


class _Normalise(torch.autograd.Function):
    """Ioffe and Szegedy, "Batch Normalization", ICML 2015, with the sums taken over all processes.

    What touches every pixel is left to PyTorch's own kernels: those for one process tell a channel's mean and deviation, and
    those for a network that does not train normalise by any that are given.
    """

    @staticmethod
    def forward(
        context: Any, values: Tensor, weight: Tensor, bias: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        precise = values if values.dtype == torch.float64 else values.float()
        # Around the mean of each process, not around 0, where large means would swallow small deviations.
        means, variances, counts = _of_everyone(list(torch.batch_norm_update_stats(precise, None, None, 0.0)), values)
        total = counts.sum()
        mean = (means * counts).sum(dim=0) / total
        variance = ((variances + (means - mean).square()) * counts).sum(dim=0) / total
        context.save_for_backward(precise, weight, mean, variance, total)
        context.eps = eps
        context.mark_non_differentiable(mean, variance, total)
        normalised = nn.functional.batch_norm(precise, mean, variance, weight, bias, False, 0.0, eps)
        return normalised.to(values.dtype), mean, variance, total

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context: Any, grad_output: Tensor, *_: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        values, weight, mean, variance, total = context.saved_tensors
        # As if mean and deviation did not depend on the values. The processes add up the gradients of the weights when all
        # are done.
        gradient, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
            grad_output.to(values.dtype), values, weight, mean, variance, None, None, False, context.eps, [True, True, True]
        )
        sums = torch.cat([of_bias, of_weight])
        dist.all_reduce(sums)
        # As they do, there is more, with g the grad_output:
        # - weight / deviation * (mean of g + unit value * mean of g * unit value).
        of_mean, along = (sums / total).view(2, -1)
        inverse = (variance + context.eps).rsqrt()
        per_value = -along * weight * inverse.square()
        column = (1, -1, *[1] * (values.ndim - 2))
        gradient.addcmul_(values, per_value.view(column))
        gradient.sub_((of_mean * weight * inverse + mean * per_value).view(column))
        return gradient.to(grad_output.dtype), of_weight.to(weight.dtype), of_bias.to(weight.dtype), None
