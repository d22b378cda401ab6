"""The encoder of the method ``pca``: each level compares neighbourhoods with principal components of those it was fitted to.

A level is a convolution whose filters are components, their responses above and below 0 as channels of their own, and means
over 2 x 2 pixels. That is PCANet (Chan et al., "PCANet: A Simple Deep Learning Baseline for Image Classification?", IEEE
TIP 24(12), 2015, Eqs. 1-6) without its binary codes: where those keep the signs of responses alone, a level here keeps signs
and sizes, so that it can be followed by as many others as a pyramid has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from false_core.computing.backbone_libraries import timm

COMPONENTS_OF_LEVELS = (16, 24, 32, 48, 64)
"""Components of each level, the finest first. Each makes two channels."""
SIDES_OF_NEIGHBOURHOODS = (5, 3, 3, 3, 3)
"""Sides of the neighbourhoods, in pixels of what a level sees."""


class ComponentLevel(nn.Module):
    """One level: responses to components, halved in size.

    Args:
        channels: Channels of what it sees.
        components: Number of its filters; it has twice as many channels.
        side: Side of its neighbourhoods.
        dilation: 1 where the level halves the size. Otherwise the distance of the pixels that it compares, in a pyramid
            whose coarse levels stay as large as finer ones.
        halves: True where the level halves the size.
    """

    def __init__(self, channels: int, components: int, side: int, dilation: int = 1, halves: bool = True) -> None:
        super().__init__()
        self.components, self.side = components, side
        reach = dilation * (side // 2)
        self.filters = nn.Conv2d(channels, 2 * components, side, padding=reach, dilation=dilation)
        self.rectified = nn.ReLU()
        self.mean = nn.AvgPool2d(2) if halves else _MeanOfNeighbours(dilation)

    def forward(self, seen: Tensor) -> Tensor:
        """Return features (batch, 2 * components, height / 2, width / 2), or of the same size where nothing is halved."""
        features: Tensor = self.mean(self.rectified(self.filters(seen)))
        return features

    @property
    def neighbourhood(self) -> int:
        """The numbers in a neighbourhood: all channels of its pixels."""
        return self.filters.in_channels * self.side**2

    @torch.no_grad()
    def take(self, mean: Tensor, axes: Tensor, scale: Tensor) -> None:
        """Make components the filters.

        Args:
            mean: The mean neighbourhood, of shape (channels * side * side,), in the order of ``unfold``.
            axes: The components, of shape (components, channels * side * side).
            scale: Factor of all responses.
        """
        own = axes * scale
        both = torch.cat([own, -own])
        assert self.filters.bias is not None
        self.filters.weight.copy_(both.view(self.filters.weight.shape))
        self.filters.bias.copy_(-(both @ mean))


class _MeanOfNeighbours(nn.Module):
    """Means over 2 x 2 pixels that are ``distance`` apart, at every pixel."""

    def __init__(self, distance: int) -> None:
        super().__init__()
        self.distance = distance

    def forward(self, seen: Tensor) -> Tensor:
        """Return means of the same shape; beyond the edge its pixels are repeated."""
        height, width = seen.shape[-2:]
        wider = nn.functional.pad(seen, (0, self.distance, 0, self.distance), mode="replicate")
        down = wider[..., :height, :] + wider[..., self.distance :, :]
        return (down[..., :width] + down[..., self.distance :]) / 4


class ComponentPyramid(nn.Module):
    """The levels one after the other, as timm's backbones give their features.

    Args:
        bands: Number of input bands.
        wanted: Levels whose features are returned, the finest being 0.
        coarsest: The largest stride. Levels beyond it stay as large as the one before.
    """

    def __init__(self, bands: int, wanted: Sequence[int], coarsest: int) -> None:
        super().__init__()
        self.wanted = tuple(wanted)
        levels, info, channels, stride, dilation = [], [], bands, 1, 1
        for number, (components, side) in enumerate(zip(COMPONENTS_OF_LEVELS, SIDES_OF_NEIGHBOURHOODS)):
            halves = stride < coarsest
            levels.append(ComponentLevel(channels, components, side, dilation, halves))
            stride, dilation = (2 * stride, dilation) if halves else (stride, 2 * dilation)
            channels = 2 * components
            info.append({"num_chs": channels, "reduction": stride, "module": f"levels.{number}"})
        self.levels = nn.ModuleList(levels)
        self.feature_info = timm.models.FeatureInfo(info, self.wanted)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """Return features at strides 2, 4, 8, 16 and 32 of pixels (batch, bands, height, width)."""
        features, seen = [], pixels
        for level in self.levels:
            seen = level(seen)
            features.append(seen)
        return [features[number] for number in self.wanted]


def pca(
    in_chans: int = 3,
    out_indices: Sequence[int] = tuple(range(len(COMPONENTS_OF_LEVELS))),
    output_stride: int = 32,
    **_: Any,
) -> ComponentPyramid:
    """Return a pyramid with random filters. The names of function and arguments are those that timm asks for."""
    return ComponentPyramid(in_chans, out_indices, output_stride)
