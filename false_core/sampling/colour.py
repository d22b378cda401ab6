"""Changes of colour as published, with SimCLR and with MMSegmentation: of an image between black and white.

Both are defined on red, green and blue. An image of three bands is taken for one, whatever its bands are. For any other
number of bands grey is their mean, and nothing is done to the hue, which they do not have.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from false_core.raster.statistics import HEADROOM, Normalisation

OFFSET, GAIN, CONTRAST, SATURATION, VIVIDNESS, HUE = range(6)
"""The kinds of a change: added; multiplied; away from the mean grey of the crop; away from the grey of the pixel; the
saturation of HSV, away from the largest band of the pixel; the hue of HSV, in turns."""
UNCHANGED = {OFFSET: 0.0, GAIN: 1.0, CONTRAST: 1.0, SATURATION: 1.0, VIVIDNESS: 1.0, HUE: 0.0}
"""The amount of each that changes nothing."""
LUMA = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in grey, ITU-R 601."""


@dataclass(frozen=True)
class BlackAndWhite:
    """The normalised values of black and of white, by band."""

    black: tuple[float, ...]
    white: tuple[float, ...]

    @classmethod
    def of(cls, normalisation: Normalisation, dtype: str) -> BlackAndWhite:
        """Return 0 and 255 of a raster of bytes, and of any other one the percentiles that it is normalised with."""
        values = zip(normalisation.low, normalisation.high, normalisation.mean, normalisation.std)
        ends = []
        for low, high, mean, std in values:
            margin = (high - low) * HEADROOM / (1 + 2 * HEADROOM)
            black, white = (0.0, 255.0) if dtype == "uint8" else (low + margin, high - margin)
            ends.append(((black - mean) / std, max((white - mean) / std, (black - mean) / std + 1e-3)))
        return cls(tuple(black for black, _ in ends), tuple(white for _, white in ends))


@dataclass(frozen=True)
class SimCLRColour:
    """ColorJitter(.8 s, .8 s, .8 s, .2 s) with a probability of 0.8, and grey with one of 0.2 (Chen et al. 2020, App. A).

    Attributes:
        strength: s.
    """

    ends: BlackAndWhite
    strength: float = 1.0

    def draw(self, batch: int, generator: torch.Generator) -> ColourChanges:
        """Return changes for ``batch`` crops."""
        s = self.strength
        order = torch.rand(batch, 4, generator=generator).argsort(dim=1)
        kinds = torch.tensor([GAIN, CONTRAST, SATURATION, HUE])[order]
        around = torch.tensor([1.0, 1.0, 1.0, 0.0])[order]
        reach = torch.tensor([0.8 * s, 0.8 * s, 0.8 * s, 0.2 * s])[order]
        amounts = around + reach * (2 * torch.rand(batch, 4, generator=generator) - 1)
        amounts = torch.where(torch.rand(batch, 1, generator=generator) < 0.8, amounts, around)
        grey = (torch.rand(batch, 1, generator=generator) >= 0.2).float()
        kinds = torch.cat([kinds, torch.full((batch, 1), SATURATION)], dim=1)
        return ColourChanges.between(self.ends, kinds, torch.cat([amounts, grey], dim=1))


@dataclass(frozen=True)
class PhotometricDistortion:
    """The distortion of MMSegmentation (``PhotoMetricDistortion`` with its defaults), each change with a probability of 0.5.

    An offset of up to 32 of 255; a gain of 0.5 to 1.5, either then or at the end; in HSV a saturation of 0.5 to 1.5 and a
    hue of up to 18 of 180 steps.
    """

    ends: BlackAndWhite

    def draw(self, batch: int, generator: torch.Generator) -> ColourChanges:
        """Return changes for ``batch`` crops."""
        kinds = torch.tensor([OFFSET, GAIN, VIVIDNESS, HUE, GAIN]).expand(batch, -1)
        around = torch.tensor([0.0, 1.0, 1.0, 0.0, 1.0])
        reach = torch.tensor([32 / 255, 0.5, 0.5, 18 / 180, 0.5])
        amounts = around + reach * (2 * torch.rand(batch, 5, generator=generator) - 1)
        applied = torch.rand(batch, 5, generator=generator) < 0.5
        first = torch.rand(batch, generator=generator) < 0.5
        applied[:, 1] &= first
        applied[:, 4] &= ~first
        return ColourChanges.between(self.ends, kinds, torch.where(applied, amounts, around))


@dataclass(frozen=True)
class ColourChanges:
    """Changes of a batch of crops that have been drawn, one after the other.

    Attributes:
        kinds: Kind of each change, of shape (batch, changes).
        amounts: Strength of each change, of shape (batch, changes).
        black, white: Normalised values, of shape (batch, bands).
    """

    kinds: Tensor
    amounts: Tensor
    black: Tensor
    white: Tensor

    @classmethod
    def between(cls, ends: BlackAndWhite, kinds: Tensor, amounts: Tensor) -> ColourChanges:
        """Return changes between the same black and white for all crops."""
        black, white = (torch.tensor(end).expand(len(kinds), -1) for end in (ends.black, ends.white))
        return cls(kinds, amounts, black, white)

    def picked(self, pick: Callable[[Tensor], Tensor]) -> ColourChanges:
        """Return the changes of some of the crops; ``pick`` takes their rows out of one attribute."""
        return ColourChanges(pick(self.kinds), pick(self.amounts), pick(self.black), pick(self.white))

    def apply(self, crops: Tensor) -> Tensor:
        """Return changed ``crops`` (batch, bands, height, width), normalised as they are. After each change what is darker
        than black or lighter than white becomes that."""
        black = self.black[:, :, None, None]
        span = self.white[:, :, None, None] - black
        image = ((crops - black) / span).clamp_(0, 1)
        for kinds, amounts in zip(self.kinds.unbind(dim=1), self.amounts.unbind(dim=1)):
            image = _changed(image, kinds[:, None, None, None], amounts[:, None, None, None])
        return image * span + black


def _changed(image: Tensor, kind: Tensor, amount: Tensor) -> Tensor:
    """Return images after one change each. All kinds are computed, as looking which are needed makes a device wait."""

    def own(which: int) -> Tensor:
        return torch.where(kind == which, amount, UNCHANGED[which])

    grey = _grey(image)
    largest, smallest = image.amax(dim=1, keepdim=True), image.amin(dim=1, keepdim=True)
    # No more than what makes the smallest band 0: a saturation of 1.
    most_vivid = largest / (largest - smallest).clamp(min=1e-6)
    for reference, factor in (
        (image.new_zeros(1), own(GAIN)),
        (grey.mean(dim=(2, 3), keepdim=True), own(CONTRAST)),
        (grey, own(SATURATION)),
        (largest, torch.minimum(own(VIVIDNESS), most_vivid)),
    ):
        image = torch.lerp(reference, image, factor)
    image = (image + own(OFFSET)).clamp_(0, 1)
    return _turned(image, own(HUE)) if image.shape[1] == len(LUMA) else image


def _grey(image: Tensor) -> Tensor:
    if image.shape[1] != len(LUMA):
        return image.mean(dim=1, keepdim=True)
    return (image * image.new_tensor(LUMA)[:, None, None]).sum(dim=1, keepdim=True)


def _turned(image: Tensor, turns: Tensor) -> Tensor:
    """Return images of red, green and blue with their hue turned; saturation and value of HSV stay."""
    value, chroma = image.amax(dim=1), image.amax(dim=1) - image.amin(dim=1)
    red, green, blue = image.unbind(dim=1)
    some = chroma.clamp(min=1e-12)
    sixth = torch.where(
        value == red, (green - blue) / some, torch.where(value == green, 2 + (blue - red) / some, 4 + (red - green) / some)
    )
    sixth = sixth + 6 * turns[:, 0]
    bands = [
        value - chroma * torch.minimum(turned, 4 - turned).clamp(0, 1)
        for turned in ((sixth + start) % 6 for start in (5, 3, 1))
    ]
    return torch.stack(bands, dim=1)
