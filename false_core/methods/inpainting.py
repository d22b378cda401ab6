"""Inpainting: the middle of a view is hidden, and is to be painted from what lies around it.

Pathak et al., "Context Encoders: Feature Learning by Inpainting", CVPR 2016, as compared for remote sensing by Tao et al.,
IEEE GRSL 19, 2020, arXiv 2010.00882, after the abstract and the published code. That leaves out a max-pooling of the encoder
and bounds what is painted by tanh; here the encoder stays as it is and values have no bounds.
"""

from __future__ import annotations

import torch
from torch import Tensor

from false_core.methods.method import Views
from false_core.methods.pretext import PaintingMethod

SIDE_OF_HOLE = 0.5
"""Side of the hole in sides of a view, as published."""
WEIGHT_OF_HOLE = 0.99
"""Weight of the error in the hole; the rest of 1 is that of the error around it."""


class Inpainting(PaintingMethod):
    """Paints the middle of a view."""

    paradigm = "self-supervised, generative"
    signal = "the middle of a view, from what lies around it"

    def hidden(self, views: Views) -> Tensor:
        """Return the views with 0, the mean of a band, in the hole."""
        return views.pixels * shown_around(views.pixels)

    def errors(self, painted: Tensor, wanted: Tensor) -> Tensor:
        """Return the weighted errors in the hole and around it."""
        return inpainting_loss(painted, wanted, shown_around(wanted))


def shown_around(pixels: Tensor) -> Tensor:
    """Return 1 where a view (batch, bands, size, size) is shown and 0 in the hole in its middle, of shape (size, size)."""
    size = pixels.shape[-1]
    hole = round(SIDE_OF_HOLE * size)
    start = (size - hole) // 2
    shown = torch.ones(size, size, dtype=pixels.dtype, device=pixels.device)
    shown[start : start + hole, start : start + hole] = 0
    return shown


def inpainting_loss(painted: Tensor, pixels: Tensor, shown: Tensor, weight: float = WEIGHT_OF_HOLE) -> Tensor:
    """Return the loss of each view, of shape (batch,).

    The mean squared error over the bands and pixels of the hole times ``weight``, and over those around it times the rest.
    """
    squares = (painted - pixels).square().mean(dim=1)
    inside = (squares * (1 - shown)).sum(dim=(1, 2)) / (1 - shown).sum()
    around = (squares * shown).sum(dim=(1, 2)) / shown.sum()
    return weight * inside + (1 - weight) * around
