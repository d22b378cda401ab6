"""STICL is MoCo with other colours in some views, and without them it is MoCo."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_world import FROM_NOTHING, write_raster

from false_core.dispatch import run
from false_core.errors import InputError
from false_core.jobs import Pretrain
from false_core.models.model_file import read_card
from false_core.presets import pretrain_settings


def job(land: str, folder: Path, method: str, **more: object) -> Pretrain:
    few = {"batch_size": 4, "steps": 2, **FROM_NOTHING, **more}
    return Pretrain((land,), str(folder / f"{method}.safetensors"), method=method, **few)


def weights(one: Pretrain) -> bytes:
    run(one)
    whole = Path(one.encoder).read_bytes()
    return whole[8 + int.from_bytes(whole[:8], "little") :]


@pytest.mark.thorough
def test_without_other_colours_it_is_moco_bit_by_bit_and_with_them_it_is_not(land: str, tmp_path: Path) -> None:
    plain = weights(job(land, tmp_path, "moco"))
    assert weights(job(land, tmp_path, "sticl", transfer=0.0)) == plain
    assert weights(job(land, tmp_path, "sticl", transfer=1.0)) != plain


def test_a_tenth_of_the_patches_get_other_colours_where_nothing_else_is_said() -> None:
    assert pretrain_settings("quick", Pretrain(("a.tif",), "e", method="sticl")).transfer == 0.1
    assert pretrain_settings("quick", Pretrain(("a.tif",), "e", method="sticl", transfer=0.3)).transfer == 0.3
    assert pretrain_settings("quick", Pretrain(("a.tif",), "e", style=("b.tif",))).transfer == 0.1
    assert pretrain_settings("quick", Pretrain(("a.tif",), "e")).transfer == 0


@pytest.mark.thorough
def test_every_method_takes_colours_of_another_date(land: str, tmp_path: Path) -> None:
    dark = write_raster(tmp_path / "dark.tif", np.random.default_rng(0).integers(0, 60, (4, 200, 300)).astype(np.uint8))
    plain = weights(job(land, tmp_path, "simclr"))
    assert weights(job(land, tmp_path, "simclr", style=(dark,), transfer=0.0)) == plain
    coloured = job(land, tmp_path, "simclr", style=(dark,), transfer=1.0)
    assert weights(coloured) != plain
    assert read_card(coloured.encoder).method["transfer"] == 1.0


def test_a_date_with_other_bands_is_refused(land: str, tmp_path: Path) -> None:
    other = write_raster(tmp_path / "other.tif", np.ones((2, 64, 64), np.uint8))
    with pytest.raises(InputError, match="Rasters used together need the same bands"):
        run(job(land, tmp_path, "simclr", style=(other,)))
