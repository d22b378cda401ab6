"""The decoder of SegFormer (Xie et al. 2021, Eq. 4): what it computes, with less to do.

As published every level of features is projected, resized to a stride of 4, and joined to the others; a 1 x 1 convolution
follows. All of that is linear: projection and convolution are one matrix for each level, resizing weighs pixels where the
matrix weighs channels, so that each level can be multiplied where it has the fewest pixels, and a sum takes the place of
joining them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


class SummingDecoder(nn.Module):
    """The decoder of ``smp.Segformer``, for training."""

    def __init__(self, decoder: nn.Module) -> None:
        super().__init__()
        self.mlp_stage, self.fuse_stage = decoder.mlp_stage, decoder.fuse_stage

    def forward(self, features: list[Tensor]) -> Tensor:
        """Return features of shape (batch, channels, height / 4, width / 4) for the pyramid of an image."""
        joining, *rest = self.fuse_stage  # type: ignore[misc]
        total = _sum_of_levels(features, *_matrices(self.mlp_stage, joining))
        for layer in rest:
            total = layer(total)
        return total


class FoldedDecoder(nn.Module):
    """The same for using a model: matrices multiplied beforehand, the batch norm among them.

    Args:
        decoder: The decoder in evaluation mode.
    """

    def __init__(self, decoder: SummingDecoder) -> None:
        super().__init__()
        joining, norm, self.activation = decoder.fuse_stage  # type: ignore[misc]
        matrices, bias = _matrices(decoder.mlp_stage, fuse_conv_bn_eval(joining, norm))
        self.matrices, self.bias = nn.ParameterList(matrices), nn.Parameter(bias)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Return what the other one does, up to rounding."""
        result: Tensor = self.activation(_sum_of_levels(features, self.matrices, self.bias))
        return result


def _matrices(layers: Any, joining: nn.Conv2d) -> tuple[list[Tensor], Tensor]:
    """Return what each level is multiplied with, from the coarsest to the finest, and what is added to their sum."""
    shares = joining.weight[:, :, 0, 0].chunk(len(layers), dim=1)
    matrices = [share @ layer.linear.weight for share, layer in zip(shares, layers)]
    bias = torch.stack([share @ layer.linear.bias for share, layer in zip(shares, layers)]).sum(dim=0)
    return matrices, bias if joining.bias is None else bias + joining.bias


def _sum_of_levels(features: list[Tensor], matrices: Iterable[Tensor], bias: Tensor) -> Tensor:
    height, width = (side // 4 for side in features[0].shape[-2:])
    total: Tensor | None = None
    # Some encoders have nothing at a stride of 2: then the finest level is left over.
    for matrix, level in zip(matrices, reversed(features[1:])):
        is_finer = level.shape[-1] > width
        if is_finer:
            level = _resized(level, height, width)
        projected = nn.functional.conv2d(level, matrix[:, :, None, None], bias if total is None else None)
        projected = projected if is_finer else _resized(projected, height, width)
        # In its place: no gradient needs what a sum was made of.
        total = projected if total is None else total.add_(projected)
    assert total is not None
    return total


def _resized(level: Tensor, height: int, width: int) -> Tensor:
    if tuple(level.shape[-2:]) == (height, width):
        return level
    return nn.functional.interpolate(level, size=(height, width), mode="bilinear", align_corners=False)
