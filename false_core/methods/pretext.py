"""Methods whose loss is that of each view by itself: something of it is hidden, and is to be told from the rest.

Tao et al., "Remote Sensing Image Scene Classification With Self-Supervised Paradigm Under Limited Labeled Samples", IEEE
GRSL 19, 2020, arXiv 2010.00882, compare several of them, after the abstract and the published code.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from false_core.methods.method import Method, Outcome, Views
from false_core.methods.pictures import MarkedView, MarkedViews
from false_core.models.encoder import channels_of
from false_core.presets import PretrainSettings

VIEWS_SHOWN = 6
"""Views in the pictures of the report."""


class PretextMethod(Method):
    """A method that looks at each view by itself. Its loss is the mean over the views, and so are its curves."""

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

    Values have a standard deviation of 1 in each band and no bounds, so a painter ends without the tanh that is published,
    and a loss of 1 is that of who paints the mean of the band.
    """

    joined: Sequence[int] = (4, 3)

    def __init__(self, encoder: nn.Module, settings: PretrainSettings) -> None:
        super().__init__(encoder, settings)
        channels = channels_of(encoder)
        self.painter = ViewPainter(channels, channels[0], self.joined)

    @abstractmethod
    def hidden(self, views: Views) -> Tensor:
        """Return the views as the encoder gets to see them, of the same shape."""

    @abstractmethod
    def errors(self, painted: Tensor, pixels: Tensor) -> Tensor:
        """Return the loss of each view, of shape (2B,), in float32 or better."""

    def of_each(self, views: Views) -> dict[str, Tensor]:
        """Return the loss of each view."""
        painted = self.painter(self.encoder(self.hidden(views)))
        precise = painted if painted.dtype == torch.float64 else painted.float()
        return {"loss": self.errors(precise, views.pixels)}

    @torch.no_grad()
    def marked_views(self, views: Views) -> list[MarkedViews]:
        """Return some views, what the encoder sees of them, and what is painted."""
        some = Views(
            views.pixels[:VIEWS_SHOWN], views.points[:VIEWS_SHOWN], views.kept[:0],
            chance=None if views.chance is None else views.chance[:VIEWS_SHOWN],
        )  # fmt: skip
        shown = self.hidden(some)
        rows = [one.float().cpu() for one in (views.pixels[:VIEWS_SHOWN], shown, self.painter(self.encoder(shown)))]
        columns = tuple(tuple(MarkedView(pixels) for pixels in column) for column in zip(*rows))
        text = "Each column is a view, what of it was shown to the encoder, and what was painted from its features."
        return [MarkedViews("What was painted", text, ("View", "Shown", "Painted"), columns)]
