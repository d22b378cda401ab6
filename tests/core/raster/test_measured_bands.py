"""Bands that say nothing are left out of what is learned from: empty ones, constant ones, and those marked as bad."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import rasterio
from small_world import Listener, textured_land, write_raster

from false_core.computing.distributed import ALONE
from false_core.dispatch import run
from false_core.errors import InputError
from false_core.jobs import Pretrain
from false_core.models.model_file import read_card
from false_core.raster.measured_bands import measured_bands
from false_core.raster.working_grid import open_all


@pytest.fixture
def job(tmp_path: Path) -> Pretrain:
    land = textured_land(dtype="int16")
    empty = np.full_like(land[:1], -9999)
    bands = np.concatenate([land[:2], empty, empty, land[2:], empty])
    raster = write_raster(tmp_path / "many.tif", bands, nodata=-9999)
    return Pretrain(
        (raster,), str(tmp_path / "e.safetensors"), preset="quick", method="random", device="cpu", steps=2, batch_size=4
    )


@pytest.mark.thorough
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


@pytest.mark.thorough
def test_bad_and_constant_bands_are_named_in_the_same_warning(tmp_path: Path, listener: Listener) -> None:
    land = textured_land(bands=3, dtype="int16")
    empty, constant = np.full_like(land[:1], -9999), np.full_like(land[:1], 7)
    raster = write_raster(
        tmp_path / "flight.img",
        np.concatenate([land[:1], empty, land[1:2], constant, land[2:], constant]),
        driver="ENVI",
        photometric=None,
        alpha=None,
    )
    with (tmp_path / "flight.hdr").open("a") as header:
        header.write("\ndata ignore value = -9999\nbbl = {1, 1, 0, 1, 1, 1}\n")
    encoder = str(tmp_path / "e.safetensors")
    job = Pretrain((raster,), encoder, preset="quick", method="random", device="cpu", steps=2, batch_size=4)
    run(job, listener)
    said = (
        "flight.img: band 2 is nodata everywhere, band 3 is marked as bad in the header, bands 4, 6 are of one value nearly "
        "everywhere and left out."
    )
    assert said in listener.warnings
    assert listener.warnings.count("left out") == 1
    assert read_card(encoder).band_numbers == (1, 5)
    run(dataclasses.replace(job, bands=(1, 3)), listener)
    assert read_card(encoder).band_numbers == (1, 3), "asked for by number"


@pytest.mark.parametrize("bbl", ["0, 0", "1, 0, 1", "nonsense", ""])
def test_something_stays_whatever_the_header_says(tmp_path: Path, listener: Listener, bbl: str) -> None:
    land = textured_land(bands=2, dtype="int16")
    raster = write_raster(tmp_path / "flight.img", land, driver="ENVI", photometric=None, alpha=None)
    with (tmp_path / "flight.hdr").open("a") as header:
        header.write(f"\nbbl = {{{bbl}}}\n")
    sources = open_all((raster,), ())
    sources, normalisation = measured_bands(sources, [sources[0].window_of(None)], False, listener.feedback, ALONE)
    assert (sources[0].bands, len(normalisation.mean)) == ((1, 2), 2)
    assert not listener.warnings


def test_a_copy_of_the_header_in_a_geotiff_counts_too(tmp_path: Path) -> None:
    raster = write_raster(tmp_path / "flight.tif", textured_land(bands=3, dtype="int16"))
    with rasterio.open(raster, "r+") as file:
        file.update_tags(bbl="{1, 0, 1}")
    assert open_all((raster,), ())[0].bad_bands == (2,)
