"""Colourisation: one band of a view is shown, and all bands are to be painted.

Zhang et al., "Colorful Image Colorization", ECCV 2016, as compared for remote sensing by Tao et al., IEEE GRSL 19, 2020,
arXiv 2010.00882, after the abstract and the published code. That code overwrites what is to be painted with the one band, so
that it learns to copy; here it is all bands, as meant. The band is drawn for each view, not for each batch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from false_core.errors import RequestError
from false_core.methods.method import Views
from false_core.methods.pretext import PaintingMethod
from false_core.models.encoder import channels_of
from false_core.presets import PretrainSettings
from false_core.sampling.views import SamplingRequirements


class Colourisation(PaintingMethod):
    """Paints all bands of a view from one of them.

    Raises:
        RequestError: There is one band.
    """

    paradigm = "self-supervised, generative"
    signal = "all bands of a view, from one of them"

    def __init__(self, encoder: nn.Module, settings: PretrainSettings) -> None:
        if channels_of(encoder)[0] < 2:
            raise RequestError(
                "The method colourisation needs at least two bands.", "Choose another method, or a raster with more bands."
            )
        super().__init__(encoder, settings)

    @classmethod
    def sampling_requirements(cls, settings: PretrainSettings) -> SamplingRequirements:
        """Ask for what decides on the band."""
        return SamplingRequirements(chance=1)

    def hidden(self, views: Views) -> Tensor:
        """Return one band of each view in the place of all."""
        assert views.chance is not None
        return one_band(views.pixels, views.chance[:, 0])

    def errors(self, painted: Tensor, wanted: Tensor) -> Tensor:
        """Return the mean squared error of each view."""
        return (painted - wanted).square().mean(dim=(1, 2, 3))


def one_band(pixels: Tensor, chance: Tensor) -> Tensor:
    """Return views (batch, bands, height, width) with one of their bands in the place of each.

    Args:
        chance: Numbers from 0 to 1 that decide which, of shape (batch,).
    """
    bands = pixels.shape[1]
    chosen = (chance * bands).long().clamp(max=bands - 1)
    rows = torch.arange(len(pixels), device=pixels.device)
    return pixels[rows, chosen][:, None].expand_as(pixels)
