"""Optimisers and learning rate schedules: as published, and for the small presets."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn


class LARC(torch.optim.SGD):
    """SGD with layer-wise adaptive rates (You et al., "Large Batch Training of Convolutional Networks", 2017).

    Before each step the gradient of every layer is scaled so that its length is ``trust`` times that of the weights. No
    clipping: the rate may also grow. Settings as published with FALSE: trust 0.001, eps 1e-8, momentum 0.9.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        trust: float = 0.001,
        eps: float = 1e-8,
    ) -> None:
        # Weight decay enters before the scaling, so plain SGD underneath must not add it a second time.
        super().__init__(params, lr=lr, momentum=momentum, weight_decay=0.0)
        self.trust, self.eps, self.decay = trust, eps, weight_decay

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Scale the gradients layer by layer, then step."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                weight, gradient = parameter.norm(), parameter.grad.norm()
                rate = self.trust * weight / (gradient + weight * self.decay + self.eps)
                rate = torch.where((weight > 0) & (gradient > 0), rate, torch.ones_like(rate))
                parameter.grad.add_(parameter, alpha=self.decay).mul_(rate)
        return super().step(closure)


def parameter_groups(*modules: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Return the trainable parameters in two groups: weights, and what must not decay (biases, normalisation)."""
    parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


def warm_up_and_cosine(step: int, steps: int, warm_up: float = 0.1) -> float:
    """Return the share of the highest rate at ``step`` (from 0): a linear rise, then half a cosine down to zero."""
    rise = max(1, round(warm_up * steps))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


def published_schedule(step: int, steps: int) -> float:
    """Return the share of the highest rate (4.8) at ``step``, as published with FALSE.

    Linear from 0.6 to 4.8 over the first tenth, then a cosine down to 0.0048 with warm restarts every 0.334 of the run.
    """
    lowest, start, interval = 0.0048 / 4.8, 0.6 / 4.8, 0.334
    rise = max(1, round(0.1 * steps))
    if step < rise:
        return start + (1 - start) * step / rise
    within = ((step - rise) / (interval * steps)) % 1.0
    return lowest + (1 - lowest) * 0.5 * (1 + math.cos(math.pi * within))
