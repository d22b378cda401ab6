"""The parts of an encoder that stay while the rest is pretrained: levels from the finest on, or what normalises.

It serves the path from general to special of Tao et al., "TOV: The Original Vision Model for Optical Remote Sensing Image
Understanding via Self-Supervised Learning", IEEE JSTARS 16, 2023, arXiv 2204.04716. What is kept there is not public.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from false_core.errors import RequestError
from false_core.jobs import KEPT, NOTHING_KEPT
from false_core.models.encoder import STRIDE, channels_of
from false_core.training.optimisers import NORMS

KEPT_NORMS = KEPT[1]
"""Stands for what normalises."""


def keep_levels(encoder: nn.Module, keep: str, backbone: str) -> None:
    """Have a part of an encoder stay as it is, bit by bit, in training too: weights, and what batch norms remember.

    Args:
        encoder: A network that ``build_encoder`` made, on the CPU.
        keep: One of ``jobs.KEPT``.
        backbone: Its name, for messages.

    Raises:
        RequestError: It has no such level.
    """
    if keep == NOTHING_KEPT:
        return
    norms = [module for module in encoder.modules() if isinstance(module, NORMS)]
    if keep == KEPT_NORMS:
        kept = {parameter for norm in norms for parameter in norm.parameters(recurse=False)}
    else:
        kept = _parameters_up_to(encoder, 1 + KEPT[2:].index(keep))
    if not kept:
        raise RequestError(f"The backbone {backbone} has no layers that {keep} would keep.", "Choose another part to keep.")
    for parameter in kept:
        parameter.requires_grad_(False)
    for norm in norms:
        if kept.intersection(norm.parameters(recurse=False)):
            norm.eval()


def _parameters_up_to(encoder: Any, level: int) -> set[nn.Parameter]:
    """Return the weights that the features of a level and of those finer than it depend on; 1 is at a stride of 2 pixels."""
    parameters = list(encoder.parameters())
    encoder.eval()
    with torch.enable_grad():
        features = encoder(torch.zeros(1, channels_of(encoder)[0], 2 * STRIDE, 2 * STRIDE))[1 : level + 1]
        # Some transformers have nothing at a stride of 2.
        sums = [one.sum() for one in features if one.numel()]
        found = torch.autograd.grad(sums, parameters, allow_unused=True) if sums else [None] * len(parameters)
    encoder.train()
    return {parameter for parameter, gradient in zip(parameters, found) if gradient is not None}
