"""Encoders: any timm backbone, any number of bands, as a pyramid of features."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor, nn

from false_core.computing.backbone_libraries import NothingDrawnOnMeta, smp, timm
from false_core.errors import ModelFileError
from false_core.models.components import pca

DEPTH = 5
"""Levels of the pyramid, the coarsest at a stride of 32 pixels."""
STRIDE = 2**DEPTH
timm.models.register_model(pca)


def build_encoder(name: str, bands: int) -> nn.Module:
    """Return an untrained encoder.

    Called on (batch, bands, height, width), with sides that are multiples of 32, it returns a list: the input itself, then
    features at strides 2, 4, 8, 16 and 32, with ``out_channels`` channels.

    Args:
        name: A timm backbone that gives a pyramid of features, for example ``"resnet10t"``; or ``"pca"``, see
            ``false_core.models.components``.

    Raises:
        ModelFileError: timm knows no such backbone, or it does not take images of any size.
    """
    # A name with a slash or a colon would make timm look it up in the network.
    if not re.fullmatch(r"[\w.-]+", name):
        raise ModelFileError(f"There is no encoder called {name!r}.", "Use the name of a timm backbone.")
    try:
        with NothingDrawnOnMeta():
            encoder: nn.Module = smp.encoders.get_encoder(f"tu-{name}", in_channels=bands, depth=DEPTH, weights=None)
    except (RuntimeError, ValueError, KeyError, AssertionError) as error:
        reason, remedy = str(error).rstrip("."), "Use the name of a timm backbone."
        raise ModelFileError(f"There is no encoder called {name!r}: {reason}.", remedy) from error
    sizes = [layer.img_size for layer in encoder.modules() if getattr(layer, "strict_img_size", False)]
    if any(sizes):
        raise ModelFileError(
            f"The encoder {name!r} takes images of one size alone.", "Use a backbone that takes any, such as pvt_v2_b0."
        )
    return quick_on_small_maps(encoder)


class SmallMapConv2d(nn.Conv2d):
    """A 3 x 3 convolution that trains fast on the CPU also where its input is only a few pixels wide.

    For maps of up to 3 x 3 pixels the convolution library falls back to a form three times as slow as one matrix product.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return what any convolution returns."""
        if input.device.type != "cpu" or max(input.shape[-2:]) > SMALL_MAP or not torch.is_grad_enabled():
            return super().forward(input)
        batch, channels, height, width = input.shape
        padded = nn.functional.pad(input.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
        surroundings = padded.unfold(1, 3, 1).unfold(2, 3, 1).permute(0, 1, 2, 4, 5, 3).reshape(-1, 9 * channels)
        kernels = self.weight.permute(0, 2, 3, 1).reshape(-1, 9 * channels)
        output = nn.functional.linear(surroundings, kernels, self.bias)
        return output.view(batch, height, width, -1).permute(0, 3, 1, 2)


SMALL_MAP = 3
"""Side of the largest map that is convolved as a matrix product, in pixels."""


def quick_on_small_maps(network: nn.Module) -> nn.Module:
    """Return ``network`` with its plain 3 x 3 convolutions turned into ``SmallMapConv2d``, weights and names as they are."""
    for module in network.modules():
        if type(module) is nn.Conv2d and _is_plain(module):
            module.__class__ = SmallMapConv2d
    return network


def _is_plain(conv: nn.Conv2d) -> bool:
    sizes = (conv.kernel_size, conv.stride, conv.padding, conv.dilation)
    return sizes == ((3, 3), (1, 1), (1, 1), (1, 1)) and conv.groups == 1 and conv.padding_mode == "zeros"


class ImageProjector(nn.Module):
    """Maps a whole patch to one embedding: mean of the coarsest features, then a perceptron (the paper's 2048-2048-128).

    Args:
        channels: The numbers of channels of the encoder's levels, finest first.
    """

    def __init__(self, channels: list[int], hidden: int, dimensions: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(channels[-1], hidden), nn.ReLU(inplace=True), nn.Linear(hidden, dimensions))

    def forward(self, features: list[Tensor]) -> Tensor:
        """Return embeddings of shape (batch, dimensions) for a pyramid of features."""
        embeddings: Tensor = self.layers(features[-1].mean(dim=(2, 3)))
        return embeddings


def sampled_at(features: Tensor, positions: Tensor) -> Tensor:
    """Return features at positions, interpolated bilinearly, of shape (batch, channels, rows, columns).

    Args:
        features: Features of shape (batch, channels, height, width).
        positions: Positions of shape (batch, rows, columns, 2), x first, from -1 to 1 across the features. Near the border
            and beyond it are those of the pixels there.
    """
    if features.device.type != "mps":
        return nn.functional.grid_sample(features, positions, align_corners=False, padding_mode="border")
    # PyTorch learned only late to do so on Apple's GPUs (github.com/pytorch/pytorch, issue 125098).
    last = 1 - 1 / positions.new_tensor(features.shape[:-3:-1])
    return nn.functional.grid_sample(features, positions.clamp(-last, last), align_corners=False)


class PointProjector(nn.Module):
    """Maps points of a patch to embeddings: features of all levels at the point, then a perceptron.

    Segmentation asks what is where. Embeddings of points make the encoder answer that already in pretraining.

    Args:
        channels: The numbers of channels of the encoder's levels, finest first.
    """

    def __init__(self, channels: list[int], hidden: int, dimensions: int) -> None:
        super().__init__()
        # The input itself and the finest level carry colour that jitter has already changed; they are left out.
        self.levels = range(2, len(channels))
        width = sum(channels[level] for level in self.levels)
        self.layers = nn.Sequential(
            nn.Linear(width, hidden), nn.BatchNorm1d(hidden), nn.ReLU(inplace=True), nn.Linear(hidden, dimensions)
        )

    def forward(self, features: list[Tensor], points: Tensor) -> Tensor:
        """Return embeddings of shape (batch * points, dimensions).

        Args:
            points: Points, of shape (batch, points, 2), x first, from -1 to 1 across the patch.
        """
        sampled = [sampled_at(features[level], points[:, :, None]) for level in self.levels]
        vectors = torch.cat([s[..., 0] for s in sampled], dim=1).transpose(1, 2).flatten(0, 1)
        embeddings: Tensor = self.layers(vectors)
        return embeddings


def count_parameters(module: nn.Module) -> int:
    """Return the number of trainable and fixed parameters."""
    return sum(p.numel() for p in module.parameters())


def channels_of(encoder: Any) -> list[int]:
    """Return the channels of the encoder's levels, the input first."""
    return [int(c) for c in encoder.out_channels]
