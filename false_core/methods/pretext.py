"""Methods whose loss is that of each view by itself: something of it is hidden, and is to be told from the rest.

Tao et al., "Remote Sensing Image Scene Classification With Self-Supervised Paradigm Under Limited Labeled Samples", IEEE
GRSL 19, 2020, arXiv 2010.00882, compare several of them, after the abstract and the published code.

From random weights they learn at the rate of other encoders, not at the higher one of contrastive methods: at that one the
pooled features of a short training had fewer dimensions than those of the encoder that was not trained, and told less, while
the loss did not fall further. How that was found: docs/methods.md.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from false_core.methods.method import Method, Outcome, Views
from false_core.methods.pictures import MarkedView, MarkedViews
from false_core.models.encoder import channels_of
from false_core.presets import ANY_BANDS, PretrainSettings

VIEWS_SHOWN = 6
"""Views in the pictures of the report."""
SQUARE_PX = 16
"""Side of the squares by whose own mean and deviation painted values are normalised, in pixels of a view."""
FLAT = 0.1
"""Square root of what is added to the variance of a square, in deviations of a band: noise on an even one is no texture."""


class PretextMethod(Method):
    """A method that looks at each view by itself. Its loss is the mean over the views, and so are its curves."""

    @classmethod
    def adapted(cls, settings: PretrainSettings) -> PretrainSettings:
        """Return ``settings`` with one rate."""
        return replace(settings, rate_from_nothing=0.0)

    @abstractmethod
    def of_each(self, views: Views) -> dict[str, Tensor]:
        """Return the ``loss`` of each view, of shape (2B,), and by their names what else is worth plotting."""

    def represent(self, views: Views) -> dict[str, Tensor]:
        """Return the loss of each view and what else is worth plotting, each of shape (2B, 1)."""
        return {name: values[:, None] for name, values in self.of_each(views).items()}

    def compare_all(self, representations: Mapping[str, Tensor]) -> Outcome:
        """Return the means over all views."""
        means = {name: values.mean() for name, values in representations.items()}
        return Outcome(means.pop("loss"), {name: value.detach() for name, value in means.items()})


class ViewPainter(nn.Module):
    """Turns features into pixels again: five steps that double the side, from a stride of 32 to the pixels themselves.

    Args:
        channels: The numbers of channels of the encoder's levels, the input first.
        bands: Bands of what is painted.
        joined: Levels whose features are joined on the way, as published those at a stride of 16 and 8.
    """

    def __init__(self, channels: Sequence[int], bands: int, joined: Sequence[int] = (4, 3), width: int = 64) -> None:
        super().__init__()
        self.joined = tuple(joined)
        layers, before = [], channels[-1]
        for level in range(len(channels) - 2, 0, -1):
            taken = before + (channels[level] if level in self.joined else 0)
            layers.append(nn.Sequential(nn.Conv2d(taken, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()))
            before = width
        self.layers = nn.ModuleList(layers)
        self.last = nn.Conv2d(width, 4 * bands, 3, padding=1)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Return pixels (batch, bands, height, width) for a pyramid of features, the input first."""
        painted = features[-1]
        for layer, level in zip(self.layers, range(len(features) - 2, 0, -1)):
            painted = nn.functional.interpolate(painted, scale_factor=2.0, mode="nearest")
            if level in self.joined:
                painted = torch.cat([painted, features[level]], dim=1)
            painted = layer(painted)
        return nn.functional.pixel_shuffle(self.last(painted), 2)


class PaintingMethod(PretextMethod):
    """A method that hides something of each view and paints the whole view again.

    What is painted is normalised square by square, as He et al. do, "Masked Autoencoders Are Scalable Vision Learners", CVPR
    2022, arXiv 2111.06377: of the plain values nearly all that a painter gets wrong is how bright wide areas are, and an
    encoder that learns that forgets texture. Values have no bounds, so a painter ends without the tanh that is published. A
    loss of 1 is that of who paints the mean of each square.
    """

    joined: Sequence[int] = (4, 3)
    caption: ClassVar[str] = (
        "Each column is a view, what of it was shown to the encoder, and what was painted from its features, in the true "
        "mean and deviation of each square."
    )

    def __init__(self, encoder: nn.Module, settings: PretrainSettings) -> None:
        super().__init__(encoder, settings)
        channels = channels_of(encoder)
        self.painter = ViewPainter(channels, channels[0], self.joined)

    @classmethod
    def adapted(cls, settings: PretrainSettings) -> PretrainSettings:
        """Return ``settings`` without changes of colour: what is to be painted has its own colours."""
        return super().adapted(uncoloured(settings))

    @abstractmethod
    def hidden(self, views: Views) -> Tensor:
        """Return the views as the encoder gets to see them, of the same shape."""

    @abstractmethod
    def errors(self, painted: Tensor, wanted: Tensor) -> Tensor:
        """Return the loss of each view, of shape (2B,), in float32 or better."""

    def zero_and_unit(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Return which values are painted as 0, and how far from them 1 is, each in a shape that goes with ``pixels``."""
        return normal_of_squares(pixels)

    def of_each(self, views: Views) -> dict[str, Tensor]:
        """Return the loss of each view."""
        painted = self.painter(self.encoder(self.hidden(views)))
        precise = painted if painted.dtype == torch.float64 else painted.float()
        zero, unit = self.zero_and_unit(views.pixels)
        return {"loss": self.errors(precise, (views.pixels - zero) / unit)}

    @torch.no_grad()
    def marked_views(self, views: Views) -> list[MarkedViews]:
        """Return some views, what the encoder sees of them, and what is painted."""
        some = Views(
            views.pixels[:VIEWS_SHOWN], views.points[:VIEWS_SHOWN], views.kept[:0],
            chance=None if views.chance is None else views.chance[:VIEWS_SHOWN],
        )  # fmt: skip
        shown = self.hidden(some)
        zero, unit = self.zero_and_unit(some.pixels)
        painted = self.painter(self.encoder(shown)) * unit + zero
        rows = [one.float().cpu() for one in (some.pixels, shown, painted)]
        columns = tuple(tuple(MarkedView(pixels) for pixels in column) for column in zip(*rows))
        return [MarkedViews("What was painted", self.caption, ("View", "Shown", "Painted"), columns)]


def uncoloured(settings: PretrainSettings) -> PretrainSettings:
    """Return ``settings`` with views that are cropped and turned, but neither blurred nor of other colours."""
    return replace(settings, colour=ANY_BANDS, jitter=0.0, blur=0.0)


def normal_of_squares(pixels: Tensor, side: int = SQUARE_PX) -> tuple[Tensor, Tensor]:
    """Return the mean and the deviation of each square of views, over all of its values, at each pixel.

    Args:
        pixels: Views (batch, bands, size, size), whose size is a multiple of ``side``.

    Returns:
        Two tensors of shape (batch, 1, size, size). Of the deviation the square of ``FLAT`` is the least variance.
    """
    batch, bands, height, width = pixels.shape
    squares = pixels.reshape(batch, bands, height // side, side, width // side, side)
    variance, mean = torch.var_mean(squares, dim=(1, 3, 5), correction=0)
    deviation = (variance + FLAT**2).sqrt()
    at_pixels = [one.repeat_interleave(side, 1).repeat_interleave(side, 2)[:, None] for one in (mean, deviation)]
    return at_pixels[0], at_pixels[1]
