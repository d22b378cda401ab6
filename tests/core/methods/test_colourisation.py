"""Colourisation: one band goes in, all bands are to come out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from small_world import write_raster

from false_core.dispatch import run
from false_core.errors import RequestError
from false_core.jobs import Pretrain
from false_core.methods.colourisation import one_band


def test_the_band_that_is_shown_is_drawn_for_each_view() -> None:
    pixels = torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    shown = one_band(pixels, torch.tensor([0.0, 0.34, 0.99, 1.0]))
    for view, band in enumerate((0, 1, 2, 2)):
        for other in range(3):
            assert shown[view, other].equal(pixels[view, band])


def test_needs_two_bands(tmp_path: Path) -> None:
    grey = write_raster(tmp_path / "grey.tif", np.random.default_rng(0).integers(1, 250, (1, 128, 128)).astype(np.uint8))
    job = Pretrain(
        (grey,), str(tmp_path / "e.safetensors"), preset="quick", device="cpu", method="colourisation",
        backbone="test_resnet", weights="none",
    )  # fmt: skip
    with pytest.raises(RequestError, match="colourisation needs at least two bands"):
        run(job)
