"""An autoencoder: a view is painted again from its coarsest features. The control from the paradigm without any supervision.

Hinton and Salakhutdinov, "Reducing the Dimensionality of Data with Neural Networks", Science 313, 2006. The features at a
stride of 32 alone are painted from: what finer ones hold could be copied.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from false_core.methods.method import Views
from false_core.methods.pretext import PaintingMethod


class Autoencoder(PaintingMethod):
    """Paints a view that it has seen."""

    paradigm = "unsupervised"
    signal = "the view itself, through a bottleneck"
    joined = ()
    caption: ClassVar[str] = (
        "Each column is a view, what of it was shown to the encoder, and what was painted from its features."
    )

    def hidden(self, views: Views) -> Tensor:
        """Return the views: nothing is hidden."""
        return views.pixels

    def zero_and_unit(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Return that of plain values."""
        return torch.zeros_like(pixels[:1, :1, :1, :1]), torch.ones_like(pixels[:1, :1, :1, :1])

    def errors(self, painted: Tensor, wanted: Tensor) -> Tensor:
        """Return the mean squared error of each view."""
        return (painted - wanted).square().mean(dim=(1, 2, 3))
