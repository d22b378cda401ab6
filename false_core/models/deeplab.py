"""DeepLabV3+ (Chen et al. 2018) as MMSegmentation builds it, on an encoder dilated to a stride of 8, as published.

``smp.DeepLabV3Plus`` differs in its decoder: one of the two separable convolutions behind the join, none of the norms within
separable ones, and a convolution of 1 x 1 pixels in place of 3 x 3 behind the pyramid.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from false_core.computing.backbone_libraries import smp
from false_core.models.encoder import DEPTH

DILATED_STRIDE = 8
"""Pixels per feature of the three coarsest levels of the encoder, along each axis."""
CHANNELS, FINE_CHANNELS, AUXILIARY_CHANNELS = 512, 48, 256
RATES = (12, 24, 36)
DROPOUT = 0.1


class DilatedDecoder(nn.Module):
    """Atrous spatial pyramid pooling of the coarsest features, joined with those at a stride of 4.

    Args:
        coarse, fine: The numbers of channels of these two levels.
    """

    def __init__(self, coarse: int, fine: int) -> None:
        super().__init__()
        self.pooled = _convolution(coarse, CHANNELS, 1)
        separable = [_separable(coarse, CHANNELS, rate) for rate in RATES]
        self.branches = nn.ModuleList([_convolution(coarse, CHANNELS, 1), *separable])
        self.bottleneck = _convolution((2 + len(RATES)) * CHANNELS, CHANNELS, 3)
        self.fine = _convolution(fine, FINE_CHANNELS, 1)
        self.joined = nn.Sequential(
            _separable(CHANNELS + FINE_CHANNELS, CHANNELS), _separable(CHANNELS, CHANNELS), nn.Dropout2d(DROPOUT)
        )
        _initialise(self)

    def context(self, features: list[Tensor]) -> Tensor:
        """Return what the pyramid makes of the coarsest features, of shape (batch, channels, height / 8, width / 8)."""
        last = features[-1]
        pooled = self.pooled(last.mean(dim=(2, 3), keepdim=True)).expand(-1, -1, *last.shape[-2:])
        result: Tensor = self.bottleneck(torch.cat([pooled, *(branch(last) for branch in self.branches)], dim=1))
        return result

    def join(self, context: Tensor, features: list[Tensor]) -> Tensor:
        """Return the context joined with fine features, of shape (batch, channels, height / 4, width / 4)."""
        fine = self.fine(features[2])
        context = nn.functional.interpolate(context, fine.shape[-2:], mode="bilinear", align_corners=False)
        result: Tensor = self.joined(torch.cat([context, fine], dim=1))
        return result

    def forward(self, features: list[Tensor]) -> Tensor:
        """Return features of shape (batch, channels, height / 4, width / 4) for the levels of an encoder."""
        return self.join(self.context(features), features)


def dilated_deeplab(encoder_name: str, encoder_weights: None, in_channels: int, classes: int) -> Any:
    """Return an untrained DeepLabV3+ with an encoder dilated to a stride of 8."""
    network = smp.DeepLabV3Plus(
        encoder_name, DEPTH, encoder_weights, DILATED_STRIDE, CHANNELS, in_channels=in_channels, classes=classes
    )  # fmt: skip
    channels = network.encoder.out_channels
    network.decoder = DilatedDecoder(channels[-1], channels[2])
    scores = network.segmentation_head
    nn.init.normal_(scores[0].weight, std=0.01)
    nn.init.zeros_(scores[0].bias)
    scores[1] = nn.Upsample(scale_factor=4, mode="bilinear", align_corners=False)
    return network


def auxiliary_head(channels: int, classes: int) -> nn.Module:
    """Return the head that scores the last but one level while a network trains, and is not kept (Zhao et al. 2017)."""
    head = nn.Sequential(
        _convolution(channels, AUXILIARY_CHANNELS, 3), nn.Dropout2d(DROPOUT), nn.Conv2d(AUXILIARY_CHANNELS, classes, 1)
    )
    _initialise(head)
    nn.init.normal_(head[2].weight, std=0.01)  # type: ignore[arg-type]
    return head


def _convolution(before: int, after: int, side: int, dilation: int = 1, groups: int = 1) -> nn.Sequential:
    padding = side // 2 * dilation
    conv = nn.Conv2d(before, after, side, padding=padding, dilation=dilation, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(after), nn.ReLU(inplace=True))


def _separable(before: int, after: int, dilation: int = 1) -> nn.Sequential:
    return nn.Sequential(_convolution(before, before, 3, dilation, groups=before), _convolution(before, after, 1))


def _initialise(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
