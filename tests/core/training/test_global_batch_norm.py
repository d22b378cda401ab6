"""Batch norms over several processes: those for cards, by stand-ins for their kernels, and on a card where there is one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from false_core.computing.distributed import World
from false_core.training import global_batch_norm
from false_core.training.global_batch_norm import with_global_batch_norms


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Return a world that takes itself for one of several processes."""
    monkeypatch.setattr(World, "is_shared", True)
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, store=dist.HashStore(), rank=0, world_size=1)
    yield World()
    dist.destroy_process_group()


def over_channels(of: Tensor, like: Tensor) -> Tensor:
    return of.view(1, -1, *[1] * (like.ndim - 2))


@pytest.fixture
def kernels(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Put what the kernels for cards are documented to do in their place, and return which were called."""
    called: list[str] = []

    def sums(values: Tensor) -> Tensor:
        return values.sum(dim=[d for d in range(values.ndim) if d != 1])

    def stats(values: Tensor, eps: float) -> tuple[Tensor, Tensor]:
        dims = [d for d in range(values.ndim) if d != 1]
        return values.mean(dims), (values.var(dims, correction=0) + eps).rsqrt()

    def gathered(
        values: Tensor, means: Tensor, inverses: Tensor, mean: Tensor, var: Tensor, momentum: float, eps: float, n: Tensor
    ) -> tuple[Tensor, Tensor]:
        total = n.sum()
        whole = (means * n[:, None]).sum(0) / total
        variance = ((inverses**-2 - eps + (means - whole) ** 2) * n[:, None]).sum(0) / total
        mean.lerp_(whole, momentum)
        var.lerp_(variance * total / (total - 1), momentum)
        return whole, (variance + eps).rsqrt()

    def elemt(values: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, inverse: Tensor, eps: float) -> Tensor:
        unit = (values - over_channels(mean, values)) * over_channels(inverse, values)
        return unit * over_channels(weight, values) + over_channels(bias, values)

    def reduced(g: Tensor, values: Tensor, mean: Tensor, inverse: Tensor, weight: Tensor, *_: bool) -> tuple[Tensor, ...]:
        along = sums(g * (values - over_channels(mean, values)))
        return sums(g), along, along * inverse, sums(g)

    def backward(
        g: Tensor, values: Tensor, mean: Tensor, inverse: Tensor, weight: Tensor, of_g: Tensor, along: Tensor, n: Tensor
    ) -> Tensor:
        assert n.dtype == torch.int32
        total = n.sum()
        centred = values - over_channels(mean, values)
        rest = g - over_channels(of_g / total, g) - centred * over_channels(inverse**2 * along / total, g)
        return rest * over_channels(weight * inverse, g)

    stand_ins = {
        "stats": stats, "gather_stats_with_counts": gathered, "elemt": elemt,
        "backward_reduce": reduced, "backward_elemt": backward,
    }  # fmt: skip
    for name, stand_in in stand_ins.items():

        def noted(*given: Any, name: str = name, stand_in: Any = stand_in) -> Any:
            called.append(name)
            return stand_in(*given)

        monkeypatch.setattr(torch, f"batch_norm_{name}", noted)
    return called


def trained(norm: nn.Module, values: Tensor) -> list[Tensor]:
    """Return what a batch norm makes of values, its gradients, and what it remembers."""
    values = values.clone().requires_grad_()
    out = norm.train()(values)
    torch.autograd.backward((out.float() * torch.linspace(-1, 2, out.numel(), device=out.device).view(out.shape)).sum())
    gradients = [values.grad, *(weight.grad for weight in norm.parameters())]
    assert all(gradient is not None for gradient in gradients)
    return [out.detach(), *(gradient for gradient in gradients if gradient is not None), *norm.buffers()]


@pytest.mark.parametrize("shape", [(6, 4, 3, 5), (6, 4)])
def test_on_a_gpu_is_that_of_pytorch_for_one_process(shape: tuple[int, ...], world: World, kernels: list[str]) -> None:
    values = 3 + torch.randn(shape, generator=torch.Generator().manual_seed(0))
    plain = (nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d)(4)
    wanted = trained(plain, values)

    class OnSimulatedGpu(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = (nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d)(4)

        def forward(self, values: Tensor) -> Tensor:
            made: Tensor = global_batch_norm._NormaliseOnGpu.apply(values, self.norm.weight, self.norm.bias, self.norm)
            return made

    found = trained(OnSimulatedGpu(), values)
    for one, other in zip(found[:-1], wanted[:-1], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    assert set(kernels) == {"stats", "gather_stats_with_counts", "elemt", "backward_reduce", "backward_elemt"}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(6, 4, 3, 5), (6, 4)])
def test_in_a_world_of_one_card_is_that_of_pytorch(shape: tuple[int, ...], dtype: torch.dtype, world: World) -> None:
    values = 3 + torch.randn(shape, generator=torch.Generator().manual_seed(0)).to("cuda", dtype)
    kind = nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d
    wanted = trained(kind(4).cuda(), values)
    found = trained(with_global_batch_norms(kind(4).cuda(), world), values)
    coarse = dtype == torch.bfloat16
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=2e-2 if coarse else 1e-4, atol=5e-2 if coarse else 1e-5)
