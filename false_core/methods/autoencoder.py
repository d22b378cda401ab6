"""An autoencoder: a view is painted again from its coarsest features. The control from the paradigm without any supervision.

Hinton and Salakhutdinov, "Reducing the Dimensionality of Data with Neural Networks", Science 313, 2006. The features at a
stride of 32 alone are painted from: what finer ones hold could be copied.
"""

from __future__ import annotations

from torch import Tensor

from false_core.methods.inpainting import uncoloured
from false_core.methods.method import Views
from false_core.methods.pretext import PaintingMethod
from false_core.presets import PretrainSettings


class Autoencoder(PaintingMethod):
    """Paints a view that it has seen."""

    paradigm = "unsupervised"
    signal = "the view itself, through a bottleneck"
    joined = ()

    @classmethod
    def adapted(cls, settings: PretrainSettings) -> PretrainSettings:
        """Return ``settings`` without changes of colour: what is to be painted has its own colours."""
        return uncoloured(settings)

    def hidden(self, views: Views) -> Tensor:
        """Return the views: nothing is hidden."""
        return views.pixels

    def errors(self, painted: Tensor, pixels: Tensor) -> Tensor:
        """Return the mean squared error of each view."""
        return (painted - pixels).square().mean(dim=(1, 2, 3))
