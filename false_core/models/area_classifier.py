"""Classifiers of areas: frozen encoders, whose features are pooled over an area, and a linear classifier of what comes out.

A picture is an area as large as itself: called on pictures, a classifier pools over the whole of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import lcm
from typing import Any

import torch
from torch import Tensor, nn

from false_core.models.encoder import DEPTH, build_encoder, channels_of
from false_core.models.fused import MOST_ENCODERS, MOST_ZOOM, reduced

FIRST_POOLED_LEVEL = 3
"""The finest level of the encoders' pyramids that is pooled, at a stride of 8 pixels. Finer ones tell colours of pixels."""
FINEST_POOLED_STRIDE = 1 << FIRST_POOLED_LEVEL
"""Working pixels per pixel of the finest features."""
POOLED_STATISTICS = 2
"""The statistics of each feature that are kept: its mean and its standard deviation within the area."""
MOST_COMPONENTS = 4096
PHOTOGRAPHS = (-0.1, 0.45)
"""Mean and standard deviation of photographs in the numbers in which the general encoder was trained on them."""


@dataclass(frozen=True)
class AreaSpec:
    """The specification of a classifier of areas. It stands in the model file.

    Attributes:
        encoders: timm backbones.
        photographs: True for each encoder that is fed as photographs were: the general encoder is as it came.
        zooms: The working pixels per pixel that an encoder sees in each of its passes over an image.
        components: Number of components of the pooled features that the classifier takes.
    """

    encoders: tuple[str, ...]
    photographs: tuple[bool, ...]
    zooms: tuple[int, ...]
    components: int

    @property
    def stride(self) -> int:
        """The number of working pixels that the sides of an image are multiples of."""
        return lcm(*(zoom << DEPTH for zoom in self.zooms))

    def to_dict(self) -> dict[str, Any]:
        """Return what a model file keeps."""
        return asdict(self)

    @classmethod
    def from_dict(cls, body: Any) -> AreaSpec:
        """Read what ``to_dict`` wrote, of an untrusted file.

        Raises:
            ValueError, TypeError, KeyError: It describes no network that could be built.
        """
        spec = cls(
            tuple(map(str, body["encoders"])),
            tuple(map(bool, body["photographs"])),
            tuple(map(int, body["zooms"])),
            int(body["components"]),
        )
        if (
            not 1 <= len(spec.encoders) == len(spec.photographs) <= MOST_ENCODERS
            or not 1 <= len(set(spec.zooms)) == len(spec.zooms)
            or not all(1 <= zoom <= MOST_ZOOM for zoom in spec.zooms)
            or not 1 <= spec.components <= MOST_COMPONENTS
        ):
            raise ValueError("what the areas are classified with cannot be built")
        return spec


class AreaEncoder(nn.Module):
    """The features that are pooled over areas: coarse levels of frozen encoders, in one or several passes over an image.

    Args:
        bands: Number of input bands.
    """

    def __init__(self, encoders: Sequence[str], photographs: Sequence[bool], zooms: Sequence[int], bands: int) -> None:
        super().__init__()
        self.photographs, self.zooms = tuple(photographs), tuple(zooms)
        self.encoders = nn.ModuleList([build_encoder(name, bands) for name in encoders])

    @property
    def strides(self) -> list[int]:
        """The working pixels per pixel of each of the ``levels``."""
        levels = range(FIRST_POOLED_LEVEL, DEPTH + 1)
        return [zoom << level for _ in self.encoders for zoom in self.zooms for level in levels]

    @property
    def channels(self) -> list[int]:
        """The number of features of each of the ``levels``."""
        return [
            count for encoder in self.encoders for _ in self.zooms for count in channels_of(encoder)[FIRST_POOLED_LEVEL:]
        ]

    def levels(self, pixels: Tensor) -> list[Tensor]:
        """Return features (batch, channels, height, width), each at its own stride, of normalised pixels."""
        found: list[Tensor] = []
        mean, std = PHOTOGRAPHS
        for encoder, is_of_photographs in zip(self.encoders, self.photographs):
            shown = pixels * std + mean if is_of_photographs else pixels
            for zoom in self.zooms:
                found += encoder(reduced(shown, zoom).contiguous(memory_format=torch.channels_last))[FIRST_POOLED_LEVEL:]
        return found


class AreaClassifier(nn.Module):
    """A classifier of pooled features. Called on pictures (batch, bands, height, width), it returns scores of each.

    Args:
        bands: Number of input bands.
        classes: Number of classes.
    """

    def __init__(self, spec: AreaSpec, bands: int, classes: int) -> None:
        super().__init__()
        self.spec = spec
        self.features = AreaEncoder(spec.encoders, spec.photographs, spec.zooms, bands)
        width = POOLED_STATISTICS * sum(self.features.channels)
        self.mean = nn.Parameter(torch.zeros(width), requires_grad=False)
        self.axes = nn.Parameter(torch.zeros(width, spec.components), requires_grad=False)
        self.weights = nn.Parameter(torch.zeros(spec.components, classes), requires_grad=False)
        self.bias = nn.Parameter(torch.zeros(classes), requires_grad=False)

    @property
    def stride(self) -> int:
        """The number of pixels that the sides of an image are multiples of."""
        return self.spec.stride

    def components(self, pooled: Tensor) -> Tensor:
        """Return what the classifier takes of pooled features (n, width), of shape (n, components)."""
        return (pooled - self.mean) @ self.axes

    def scores(self, pooled: Tensor) -> Tensor:
        """Return scores (n, classes) of areas, given their pooled features (n, width)."""
        return self.components(pooled) @ self.weights + self.bias

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the scores of the classes of whole pictures."""
        levels = [level.flatten(2) for level in self.features.levels(pixels)]
        means = [level.mean(dim=2) for level in levels]
        stds = [level.std(dim=2, correction=0) for level in levels]
        return self.scores(torch.cat([*means, *stds], dim=1))
