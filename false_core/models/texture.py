"""Texture: local means and standard deviations of the bands at several scales, and random features of them.

A classifier on such statistics is what remote sensing used before networks, and where labels are few it still knows what
the features of a network do not. Random features (Rahimi and Recht 2007) let a linear classifier draw curved borders.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, interpolate, pad

SCALES = (1, 2, 4, 8, 16)
"""Standard deviations of the Gaussian windows, in pixels of the texture's grid."""
MOST_STEP = 16
"""Largest number of pixels, along each axis, that are averaged to one before a Gaussian mean is taken."""
MOST_REACH = 256
"""Pixels beyond which a Gaussian window is cut off. Up to a standard deviation of 85 it is narrower anyway."""
MAX_TEXTURE_BANDS = 6
"""Bands, or principal components of more bands, whose statistics are taken."""
RANDOM_FEATURES = 256
PIXELS_AT_A_TIME = {"cpu": 2048}
"""Pixels whose random features are in memory at once, by type of device. A CPU keeps those of so few in its cache, which is
2.7 times as fast as 65,536 at a time."""
MOST_PIXELS_AT_A_TIME = 65_536
"""The same on other devices."""


def statistics_of(bands: int) -> int:
    """Return the number of statistics of so many bands: their values, and two numbers at each scale."""
    return bands * (1 + 2 * len(SCALES))


class LocalStatistics(nn.Module):
    """Values, local means and local standard deviations of bands.

    Where there are more than ``MAX_TEXTURE_BANDS`` bands, they are mixed to as many components first.

    Args:
        bands: Number of input bands.
    """

    mixing: Tensor

    def __init__(self, bands: int) -> None:
        super().__init__()
        self.components = min(bands, MAX_TEXTURE_BANDS)
        # Not ``torch.eye``: where a network is built without values, PyTorch would load its compiler for that.
        self.register_buffer("mixing", torch.zeros(self.components, bands))
        self.mixing.diagonal().fill_(1.0)

    @property
    def channels(self) -> int:
        """Number of statistics."""
        return statistics_of(self.components)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return statistics of shape (batch, channels, height, width) for bands (batch, bands, height, width)."""
        return torch.cat(list(self.groups(pixels)), dim=1)

    def mixed(self, pixels: Tensor) -> Tensor:
        """Return the values alone: bands, or the components of many bands."""
        return conv2d(pixels, self.mixing[:, :, None, None]).contiguous(memory_format=torch.channels_last)

    def groups(self, pixels: Tensor) -> Iterator[Tensor]:
        """Yield the same one group after the other: the values, then means and deviations at each scale."""
        mixed = self.mixed(pixels)
        both = torch.cat([mixed, mixed.square()], dim=1)
        yield mixed
        for scale in SCALES:
            yield from _mean_and_std(both, scale)


def _mean_and_std(both: Tensor, scale: int) -> tuple[Tensor, Tensor]:
    """Return local means and standard deviations, given values and their squares one after the other."""
    mean, square = smoothed(both, scale).chunk(2, dim=1)
    return mean, (square - mean.square()).clamp(min=0).sqrt()


def reach_of(std: float) -> int:
    """Return how many pixels away from a pixel a Gaussian mean with that standard deviation still depends on pixels."""
    step, radius = _grid_and_radius(std)
    # One more, as values of the coarse grid are interpolated.
    return (radius + 1) * step


def _grid_and_radius(std: float) -> tuple[int, int]:
    """Return the pixels per pixel of the coarse grid of a Gaussian mean, and the radius of its window on that grid."""
    step = 1
    while std / (2 * step) >= 1 and 2 * step <= MOST_STEP:
        step *= 2
    return step, max(1, min(round(3 * std / step), MOST_REACH // step))


def smoothed(values: Tensor, std: float) -> Tensor:
    """Return a Gaussian mean of values (batch, channels, height, width) in windows of a standard deviation in pixels.

    It is taken on a grid as coarse as the window allows.
    """
    height, width = values.shape[-2:]
    step, radius = _grid_and_radius(std)
    fill = (0, -width % step, 0, -height % step)
    coarse = values
    if step > 1:
        coarse = avg_pool2d(pad(values, fill, mode="replicate") if any(fill) else values, step)
    offsets = torch.arange(-radius, radius + 1, device=values.device, dtype=values.dtype)
    kernel = torch.exp(-0.5 * (offsets * step / std).square())
    kernel = (kernel / kernel.sum())[None, None]
    around = _filtered(coarse, kernel, radius)
    if step == 1:
        return around
    size = height + fill[3], width + fill[1]
    return interpolate(around, size, mode="bilinear", align_corners=False)[..., :height, :width]


def _filtered(values: Tensor, kernel: Tensor, radius: int) -> Tensor:
    """Return values filtered along rows and along columns by a kernel of shape (1, 1, 2 * radius + 1)."""
    across, down = kernel[:, :, None, :], kernel[:, :, :, None]
    around = (radius, radius, radius, radius)
    if torch.onnx.is_in_onnx_export():
        # Channels as images of one channel, so that the kernel has a known shape.
        one_by_one = pad(values.flatten(0, 1)[:, None], around, mode="replicate")
        return conv2d(conv2d(one_by_one, across), down).view(values.shape)
    channels = values.shape[1]
    # All channels of a pixel beside each other, which is twenty times as fast.
    padded = pad(values, around, mode="replicate").contiguous(memory_format=torch.channels_last)
    across, down = (side.expand(channels, -1, -1, -1) for side in (across, down))
    return conv2d(conv2d(padded, across, groups=channels), down, groups=channels)


class RandomFeatures(nn.Module):
    """Random features of standardised statistics: positive parts of random projections.

    They approximate the arc-cosine kernel of order 1 (Cho and Saul 2009, Eq. 3), for which no cosine is computed.

    Args:
        inputs: Number of statistics.
        values: Number of the first of them, of which alone features are made, too.
        outputs: Number of random features.
    """

    directions: Tensor
    offsets: Tensor
    offsets_of_values: Tensor

    def __init__(self, inputs: int, values: int, outputs: int = RANDOM_FEATURES) -> None:
        super().__init__()
        self.values = values
        self.register_buffer("directions", torch.zeros(inputs, outputs))
        self.register_buffer("offsets", torch.zeros(outputs))
        self.register_buffer("offsets_of_values", torch.zeros(outputs))

    def draw(self, mean: Tensor, std: Tensor, generator: torch.Generator) -> None:
        """Draw the projections of statistics that have a mean and a standard deviation, each of shape (inputs,)."""
        inputs, outputs = self.directions.shape
        directions = torch.randn(inputs, outputs, generator=generator) / inputs**0.5 / std[:, None]
        self.directions.copy_(directions)
        # Where features change their course: as far from the mean of what they are made of, in both cases.
        away = torch.randn(outputs, generator=generator)
        self.offsets.copy_(away - mean @ directions)
        self.offsets_of_values.copy_(away - mean[: self.values] @ self._of_values(directions))

    def forward(self, statistics: Tensor) -> Tensor:
        """Return features of shape (n, outputs) of statistics (n, inputs), or of the values (n, values) alone."""
        if statistics.shape[1] < self.directions.shape[0]:
            projected = torch.addmm(self.offsets_of_values, statistics, self._of_values(self.directions))
        else:
            projected = torch.addmm(self.offsets, statistics, self.directions)
        return projected.relu_()

    def _of_values(self, directions: Tensor) -> Tensor:
        """Return the directions of the values, as long as if there were no other statistics."""
        longer: float = (len(directions) / self.values) ** 0.5
        return directions[: self.values] * longer
