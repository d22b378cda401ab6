"""Sums of gradients over all processes, exchanged while the backward pass still computes those of earlier layers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import nn

from false_core.computing.distributed import World

BUCKET_BYTES = 25 << 20
"""Gradients that travel together: few messages, of which the first leaves early. PyTorch's own size for that."""


class GradientSum:
    """Adds up the gradients of some weights over all processes.

    Gradients are ready from the last layer to the first, and leave in buckets in this order, the same in all processes. A
    bucket leaves when all in it are ready and all before it have left. One with weights that have none leaves at the end.

    Args:
        weights: All weights, from the first layer to the last. Those that want no gradients now never will.
        world: The processes.

    Attributes:
        world: The processes.
    """

    def __init__(self, weights: Iterable[nn.Parameter], world: World) -> None:
        self.world = world
        self._buckets: list[list[nn.Parameter]] = []
        self._missing: list[int] = []
        self._left = 0
        self._leaving: list[_GradientBucket] = []
        self._is_last = False
        if not world.is_shared:
            return
        kinds: dict[tuple[torch.dtype, torch.device], list[nn.Parameter]] = {}
        for weight in reversed([weight for weight in weights if weight.requires_grad]):
            bucket = kinds.setdefault((weight.dtype, weight.device), [])
            if sum(one.nbytes for one in bucket) + weight.nbytes > BUCKET_BYTES and bucket:
                self._buckets.append(bucket)
                bucket = kinds[weight.dtype, weight.device] = []
            bucket.append(weight)
        self._buckets += kinds.values()
        for number, bucket in enumerate(self._buckets):
            for weight in bucket:
                weight.register_post_accumulate_grad_hook(partial(self._ready, number))  # type: ignore[no-untyped-call]

    @contextmanager
    def last_backward(self) -> Iterator[None]:
        """Add up within it: the backward pass that is made there is the last one before the gradients are used."""
        if not self.world.is_shared:
            yield
            return
        self._missing = [sum(weight.requires_grad for weight in bucket) for bucket in self._buckets]
        self._left, self._leaving, self._is_last = 0, [], True
        try:
            yield
        finally:
            self._is_last = False
        while self._left < len(self._buckets):
            self._leave()
        for leaving in self._leaving:
            leaving.arrive()
        self._leaving = []

    def _ready(self, number: int, _: object) -> None:
        if not self._is_last:
            return
        self._missing[number] -= 1
        while self._left < len(self._buckets) and not self._missing[self._left]:
            self._leave()

    def _leave(self) -> None:
        gradients = [weight.grad for weight in self._buckets[self._left] if weight.grad is not None]
        self._left += 1
        if gradients:
            self._leaving.append(_GradientBucket(gradients))


class _GradientBucket:
    """Gradients that are on their way."""

    def __init__(self, gradients: list[torch.Tensor]) -> None:
        import torch.distributed as dist

        self._gradients = gradients
        self._flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        self._work = dist.all_reduce(self._flat, async_op=True)

    def arrive(self) -> None:
        """Put the sums where the gradients are."""
        self._work.wait()
        sums = torch.split(self._flat, [gradient.numel() for gradient in self._gradients])
        with torch.no_grad():
            for gradient, of_all in zip(self._gradients, sums):
                gradient.copy_(of_all.view(gradient.shape))
