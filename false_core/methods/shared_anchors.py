"""Comparing anchors with all others in several processes: each has all embeddings, and compares its share of the anchors.

What one process makes of its anchors depends on all embeddings, so each of these gets gradients from all processes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from false_core.computing.distributed import World


def everywhere(embeddings: Tensor, world: World) -> Tensor:
    """Return ``embeddings``, which all processes have. Their gradients will be the sums of those in all processes."""
    return _Everywhere.apply(embeddings, world) if world.is_shared else embeddings


def of_all(own: Tensor, anchors: int, world: World) -> Tensor:
    """Return rows of all ``anchors``, of which each process has its share, with gradients for the own ones.

    All processes must go on with them in the same way: each takes the gradients that it finds for those of all.
    """
    return _OfAll.apply(own, anchors, world) if world.is_shared else own


def sums_of_all(values: list[Tensor], world: World) -> list[Tensor]:
    """Return sums of the ``values`` that each process has, without gradients."""
    sums = [value.detach().clone() for value in values]
    world.all_reduce(sums)
    return sums


class _Everywhere(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, embeddings: Tensor, world: World) -> Tensor:
        context.world = world
        return embeddings.view_as(embeddings)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        gradient = gradient.clone()
        context.world.all_reduce([gradient])
        return gradient, None


class _OfAll(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, own: Tensor, anchors: int, world: World) -> Tensor:
        context.own = world.share.of(anchors)
        return world.all_gather_rows(own, anchors)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return gradient[context.own], None, None
