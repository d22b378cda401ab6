"""Bands that are nodata everywhere are left out of what is learned from."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from small_world import Listener, textured_land, write_raster

from false_core.dispatch import run
from false_core.errors import InputError
from false_core.jobs import Pretrain
from false_core.models.model_file import read_card


@pytest.fixture
def job(tmp_path: Path) -> Pretrain:
    land = textured_land(dtype="int16")
    empty = np.full_like(land[:1], -9999)
    bands = np.concatenate([land[:2], empty, empty, land[2:], empty])
    raster = write_raster(tmp_path / "many.tif", bands, nodata=-9999)
    return Pretrain(
        (raster,), str(tmp_path / "e.safetensors"), preset="quick", method="random", device="cpu", steps=2, batch_size=4
    )


def test_bands_without_a_valid_pixel_are_left_out_with_one_warning(job: Pretrain, listener: Listener) -> None:
    run(job, listener)
    assert "many.tif: bands 3, 4, 7 are nodata everywhere and left out." in listener.warnings
    assert read_card(job.encoder).band_numbers == (1, 2, 5, 6)


def test_a_band_that_was_asked_for_is_not_left_out_silently(job: Pretrain) -> None:
    with pytest.raises(InputError, match=r"The bands 3, 7 have no valid pixel in many.tif. Leave out what holds nothing."):
        run(dataclasses.replace(job, bands=(1, 3, 7)))


def test_a_single_one_is_named_as_one(job: Pretrain) -> None:
    with pytest.raises(InputError, match=r"Band 4 has no valid pixel in many.tif. Leave out what holds nothing."):
        run(dataclasses.replace(job, bands=(1, 4)))
