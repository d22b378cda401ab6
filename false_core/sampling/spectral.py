"""Changes of light and sensor that leave the ground the same, for any number of bands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from false_core.sampling.colour import ColourChanges, PhotometricDistortion, SimCLRColour
from false_core.sampling.loading import on_device


@dataclass(frozen=True)
class SpectralJitter:
    """Random changes of normalised pixels (mean 0, standard deviation 1 per band).

    Attributes:
        brightness: Standard deviation of an offset shared by all bands, and of half as large ones per band.
        contrast: Standard deviation of the logarithm of a gain shared by all bands, and of half as large ones per band.
        gamma: Standard deviation of the logarithm of the exponent of a tone curve.
        blur: Share of crops blurred with a Gaussian of 0.1 to 2 pixels.
        drop: Share of crops that lose one band (only where there are at least three).
        radius: Pixels on either side that the blur looks at. 6 hold a Gaussian of 2 pixels to three standard deviations.
        colour: Published changes of colour, which come first.
    """

    brightness: float = 0.3
    contrast: float = 0.2
    gamma: float = 0.2
    blur: float = 0.3
    drop: float = 0.1
    radius: int = 3
    colour: SimCLRColour | PhotometricDistortion | None = None

    def scaled(self, strength: float) -> SpectralJitter:
        """Return changes ``strength`` times as strong. Blur stays: it changes sharpness, not colour."""
        return replace(
            self,
            brightness=self.brightness * strength,
            contrast=self.contrast * strength,
            gamma=self.gamma * strength,
            drop=self.drop * strength,
        )

    def __call__(self, crops: Tensor, generator: torch.Generator) -> Tensor:
        """Return changed ``crops`` (batch, bands, height, width). ``generator`` is on the CPU, so that every device sees
        the same chance."""
        return on_device(self.draw(crops.shape[0], crops.shape[1], generator), crops.device).apply(crops)

    def draw(self, batch: int, bands: int, generator: torch.Generator) -> SpectralChanges:
        """Return changes for ``batch`` crops, on the CPU: all that is random, before the crops are there."""

        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator)

        def uniform(*shape: int) -> Tensor:
            return torch.rand(*shape, generator=generator)

        exponent = torch.exp(self.gamma * normal(batch, 1, 1, 1)) if self.gamma else None
        gain = torch.exp(self.contrast * (normal(batch, 1, 1, 1) + 0.5 * normal(batch, bands, 1, 1)))
        offset = self.brightness * (normal(batch, 1, 1, 1) + 0.5 * normal(batch, bands, 1, 1))
        blurred, kernels, lost = None, None, None
        if self.blur:
            blurred, width = uniform(batch) < self.blur, uniform(batch)
            kernels = _gaussians(torch.where(blurred, 0.1 + 1.9 * width, 1e-3), self.radius)
        if self.drop and bands >= 3:
            lost = (uniform(batch, bands).argsort(dim=1) == 0) & (uniform(batch, 1) < self.drop)
            lost = lost[:, :, None, None]
        colours = self.colour.draw(batch, generator) if self.colour else None
        return SpectralChanges(exponent, gain, offset, blurred, kernels, lost, colours)


@dataclass(frozen=True)
class SpectralChanges:
    """Changes of a batch of crops that have been drawn. What is not changed at all is None.

    Attributes:
        exponent: The exponent of the tone curve, of shape (batch, 1, 1, 1).
        gain, offset: The gain and the offset of each band, of shape (batch, bands, 1, 1).
        blurred: Mask of the crops that are blurred at all, bool of shape (batch,).
        kernels: Kernels that each crop is blurred with along either axis, of shape (batch, 2 * radius + 1).
        lost: Mask of the bands that are lost, bool of shape (batch, bands, 1, 1).
        colours: Published changes of colour.
    """

    exponent: Tensor | None
    gain: Tensor
    offset: Tensor
    blurred: Tensor | None
    kernels: Tensor | None
    lost: Tensor | None
    colours: ColourChanges | None = None

    def picked(self, pick: Callable[[Tensor], Tensor]) -> SpectralChanges:
        """Return the changes of some of the crops; ``pick`` takes their rows out of one attribute."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        picked: dict[str, Any] = {
            name: value.picked(pick) if isinstance(value, ColourChanges) else pick(value)
            for name, value in values.items()
            if value is not None
        }
        return replace(self, **picked)

    def apply(self, crops: Tensor) -> Tensor:
        """Return changed ``crops`` (batch, bands, height, width), which are on the same device and stay as they are."""
        if self.colours is not None:
            crops = self.colours.apply(crops)
        gain, offset = self.gain, self.offset
        if self.exponent is not None:
            # A tone curve over the range where nearly all normalised values lie; its ends stay where they are. The way
            # back from 0 to 1 to that range is left to gain and offset, which saves two passes over the pixels.
            crops = (crops + 4).div_(8).clamp_(1e-4, 1).pow_(self.exponent)
            gain, offset = 8 * gain, offset - 4 * gain
        crops = torch.addcmul(offset, crops, gain)
        if self.blurred is not None and self.kernels is not None:
            crops = _blur(crops, self.blurred, self.kernels)
        return crops if self.lost is None else crops.masked_fill_(self.lost, 0.0)


def _gaussians(stds: Tensor, radius: int) -> Tensor:
    offsets = torch.arange(-radius, radius + 1, dtype=torch.float32)
    kernels = torch.exp(-(offsets**2) / (2 * stds[:, None] ** 2))
    return kernels / kernels.sum(dim=1, keepdim=True)


def _blur(crops: Tensor, blurred: Tensor, kernels: Tensor) -> Tensor:
    if crops.device.type != "cpu":
        # Picking crops would make the CPU wait for the device. The others' kernels leave them as they are.
        return _convolved(crops, kernels)
    rows = blurred.nonzero()[:, 0]
    return crops.index_copy_(0, rows, _convolved(crops[rows], kernels[rows])) if len(rows) else crops


def _convolved(crops: Tensor, kernels: Tensor) -> Tensor:
    batch, bands, height, width = crops.shape
    weights = kernels.repeat_interleave(bands, dim=0)
    flat = crops.reshape(1, batch * bands, height, width)
    flat = torch.nn.functional.pad(flat, [kernels.shape[1] // 2] * 4, mode="replicate")
    flat = torch.nn.functional.conv2d(flat, weights[:, None, None, :], groups=batch * bands)
    flat = torch.nn.functional.conv2d(flat, weights[:, None, :, None], groups=batch * bands)
    return flat.reshape(batch, bands, height, width)


def torch_generator(*numbers: int) -> torch.Generator:
    """Return a CPU generator seeded by several numbers, for example the job's seed and the training step."""
    seed = 0
    for number in numbers:
        seed = (seed * 1_000_003 + number + 1) % (2**63 - 1)
    generator = torch.Generator()
    generator.manual_seed(seed)
    return generator


QUIET = SpectralJitter(brightness=0.1, contrast=0.1, gamma=0.05, blur=0.0, drop=0.0)
"""Small changes for fine-tuning, where colour itself tells classes apart."""
