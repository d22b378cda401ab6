"""A fine-tuned model before it is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from false_core.models.model_file import ModelCard
from false_core.sampling.labelled import LabelledRaster
from false_core.training.checkpoint import Checkpoint
from false_core.training.curves import Curves


@dataclass(frozen=True)
class UnwrittenModel:
    """A model that is not written yet, and what its report shows.

    Attributes:
        learned_from: The raster and its labels; None in a process that leaves the fitting to the first one.
    """

    card: ModelCard
    network: nn.Module
    confusion: npt.NDArray[np.number[Any]] | None
    curves: Curves | None = None
    checkpoint: Checkpoint | None = None
    learned_from: LabelledRaster | None = None
