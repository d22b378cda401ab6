"""Optimisers and learning rate schedules: as published, and for the small presets."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from false_core.presets import BIASES, EVERYTHING, WEIGHTS

NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm)


class LARC(torch.optim.SGD):
    """SGD with layer-wise adaptive rates (You et al., "Large Batch Training of Convolutional Networks", 2017).

    Before each step the gradient of every layer, weight decay included, is scaled so that its length is about ``trust``
    times that of the weights. No clipping: the rate may also grow. A layer without weights or gradient is left to plain
    SGD, without decay. Settings as published with FALSE: trust 0.001, eps 1e-8, momentum 0.9. ``timm.optim.Lars`` agrees,
    but lets a layer decay that has no gradient.
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
        super().__init__(params, lr=lr, momentum=momentum, weight_decay=weight_decay)
        self.trust, self.eps = trust, eps

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Scale the gradients layer by layer, then step."""
        decays = [group["weight_decay"] for group in self.param_groups]
        for group, decay in zip(self.param_groups, decays):
            self._scale([parameter for parameter in group["params"] if parameter.grad is not None], decay)
            # It has entered before the scaling, so plain SGD underneath must not add it a second time.
            group["weight_decay"] = 0.0
        try:
            return super().step(closure)
        finally:
            for group, decay in zip(self.param_groups, decays):
                group["weight_decay"] = decay

    def _scale(self, weights: list[Tensor], decay: float) -> None:
        """Scale the gradients of weights, all layers at once: a GPU is told of a layer in longer than it computes."""
        if not weights:
            return
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        lengths, gradient_lengths = (torch.stack(torch._foreach_norm(tensors)) for tensors in (weights, gradients))
        adapts = (lengths > 0) & (gradient_lengths > 0)
        rates = torch.where(adapts, self.trust * lengths / (gradient_lengths + lengths * decay + self.eps), 1.0)
        torch._foreach_add_(gradients, torch._foreach_mul(weights, list((decay * adapts).unbind())))
        torch._foreach_mul_(gradients, list(rates.unbind()))


def clip_each(gradients: list[Tensor], longest: float) -> None:
    """Shorten each gradient that is longer than ``longest`` to that, in place and each by itself, as published with DINO."""
    if gradients:
        lengths = torch.stack(torch._foreach_norm(gradients))
        torch._foreach_mul_(gradients, list((longest / (lengths + 1e-6)).clamp(max=1).unbind()))


def fused_on(device: torch.device) -> bool | None:
    """Return whether an optimiser updates all weights in few launches, as NVIDIA GPUs do; None leaves it to PyTorch.

    So it also takes note by itself of gradients that overflowed, and nothing waits for the GPU.
    """
    return True if device.type == "cuda" else None


def restore(optimiser: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Go back to where ``state`` was taken."""
    optimiser.load_state_dict(state)
    # A fused form goes by the memory: what is remembered of a weight must lie there as the weight does.
    for weight, kept in optimiser.state.items():
        for name, value in kept.items():
            if isinstance(value, Tensor) and value.shape == weight.shape:
                kept[name] = torch.empty_like(weight, dtype=value.dtype).copy_(value)


def parameter_groups(*modules: nn.Module, weight_decay: float, decays: str = WEIGHTS) -> list[dict[str, Any]]:
    """Return the trainable parameters in two groups: what decays, and what does not.

    Args:
        decays: ``"weights"`` alone; ``"biases"`` too, but not what normalises (VISSL's ``regularize_bias``); or ``"all"``.
    """
    within = [module for root in modules for module in root.modules()]
    norms = {p for module in within if isinstance(module, NORMS) for p in module.parameters(recurse=False)}

    def decaying(parameter: nn.Parameter) -> bool:
        return decays == EVERYTHING or (parameter not in norms if decays == BIASES else parameter.ndim > 1)

    parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if decaying(p)], "weight_decay": weight_decay},
        {"params": [p for p in parameters if not decaying(p)], "weight_decay": 0.0},
    ]


def warm_up_and_cosine(step: int, steps: int, warm_up: float = 0.1) -> float:
    """Return the share of the highest rate at ``step`` (from 0): a linear rise, then half a cosine down to zero."""
    rise = max(1, round(warm_up * steps))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


def polynomial(step: int, steps: int, lowest: float = 0.01, power: float = 0.9) -> float:
    """Return the share of the highest rate at ``step``, from 1 to ``lowest``: MMSegmentation's ``poly``, as published."""
    share: float = (1 - step / steps) ** power
    return lowest + (1 - lowest) * share


def published_schedule(step: int, steps: int) -> float:
    """Return the share of the highest rate (4.8) at ``step``, as in the configuration published with FALSE.

    Linear from 0.6 to 4.8 over the first tenth. Then cosine waves between 0.0048 and a height: down for 0.334 of what is
    left, up and down again for the rest. The heights are those of one cosine over all of it, 0.334 into it for the first
    wave and 0.668 for the second: 3.6 and 1.2. (VISSL calls this a cosine with warm restarts, full waves, adaptive.)
    """
    lowest, start, interval, warm_up = 0.0048 / 4.8, 0.6 / 4.8, 0.334, 0.1
    done = step / steps
    if done < warm_up:
        return start + (1 - start) * done / warm_up
    rest = (done - warm_up) / (1 - warm_up)
    wave = 1 if rest < interval else 2
    height = _half_cosine(wave * interval, lowest, 1.0)
    return _half_cosine(rest / interval, lowest, height)


def _half_cosine(where: float, low: float, high: float) -> float:
    """Return a cosine that falls from ``high`` at 0 to ``low`` at 1, and rises again up to 2."""
    return low + 0.5 * (high - low) * (1 + math.cos(math.pi * where))
