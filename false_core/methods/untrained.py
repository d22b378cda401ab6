"""No training at all: the control that shows what pretraining adds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from false_core.methods.method import Method, Outcome, Views


class Untrained(Method):
    """Leaves the weights as they were drawn, or given, and only lets the batch norms see what their inputs look like.

    Without that a frozen encoder would not even have its features on a common scale, and losing to it would prove little.
    """

    paradigm = "none"
    signal = "nothing: a control"

    by_gradients: ClassVar[bool] = False
    most_steps: ClassVar[int] = 50

    def represent(self, views: Views) -> dict[str, Tensor]:
        """Show the views to the encoder, and return nothing."""
        with torch.no_grad():
            self.encoder(views.pixels)
        return {}

    def compare_all(self, representations: Mapping[str, Tensor]) -> Outcome:
        """Return a loss without gradients."""
        return Outcome(torch.zeros((), requires_grad=True))
