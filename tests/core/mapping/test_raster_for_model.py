"""What a model sees of a raster that it was not made on: its own bands, in its own numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from small_world import Listener, write_raster

from false_core.errors import ModelFileError
from false_core.mapping.raster_for_model import open_for_model
from false_core.models.header import ENCODER
from false_core.models.model_file import ModelCard, read_card, save_model
from false_core.raster.source import RasterSource, Window
from false_core.raster.statistics import Normalisation

NAMES = ("blue", "green", "red", "nir")


def raster(path: Path, names: tuple[str, ...] = NAMES, scale: float = 1e-4, offset: float = 0.0) -> str:
    """Write a raster of whole numbers; blue is 0.1, green 0.2 and so on."""
    physical = np.array([NAMES.index(name) + 1 if name in NAMES else 9 for name in names]) / 10
    numbers = np.rint((physical - offset) / scale).astype("uint16")[:, None, None]
    write_raster(path, np.broadcast_to(numbers, (len(names), 4, 4)))
    with rasterio.open(path, "r+") as file:
        file.descriptions = names
        file.scales, file.offsets = [scale] * len(names), [offset] * len(names)
    return str(path)


@pytest.fixture
def card(tmp_path: Path) -> ModelCard:
    source = RasterSource(raster(tmp_path / "own.tif"))
    some = (1.0,) * 4
    return ModelCard(
        ENCODER, "resnet18", source.band_names, source.bands, source.dtype,
        Normalisation(some, some, some, some), 1.0, 1.0, 64, descriptions=source.descriptions,
    )  # fmt: skip


def seen(path: str, card: ModelCard, listener: Listener) -> list[float]:
    return [
        float(v) for v in open_for_model(path, "m.safetensors", card, listener.feedback).read(Window(1, 1, 1, 1)).ravel()
    ]


OWN = [1000.0, 2000.0, 3000.0, 4000.0]


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"names": NAMES[::-1]},
        {"names": ("coastal", "blue", "green_i", "green", "yellow", "red", "rededge", "nir")},
        {"offset": -0.1},
        {"scale": 1e-3, "offset": -0.5, "names": ("red", "nir", "blue", "green")},
    ],
    ids=["its own", "reversed", "of eight bands", "a later offset", "all at once"],
)
def test_the_same_reflectance_is_the_same_number(tmp_path: Path, card: ModelCard, listener: Listener, other: dict) -> None:
    assert seen(raster(tmp_path / "other.tif", **other), card, listener) == pytest.approx(OWN, rel=1e-6)
    assert not listener.warnings


def test_real_numbers_are_taken_for_reflectance(tmp_path: Path, card: ModelCard, listener: Listener) -> None:
    path = write_raster(tmp_path / "real.tif", np.full((4, 4, 4), 0.25, "float32"))
    assert seen(path, card, listener) == pytest.approx([2500.0] * 4)
    assert "Values are converted" in listener.warnings


def test_a_model_of_an_older_version_takes_the_numbers_of_the_file(
    tmp_path: Path, card: ModelCard, listener: Listener
) -> None:
    old = replace(card, descriptions=())
    assert seen(raster(tmp_path / "reversed.tif", NAMES[::-1]), old, listener) == OWN, "it has names, though"
    assert seen(raster(tmp_path / "later.tif", offset=-0.1), old, listener) == [number + 1000 for number in OWN]
    assert "later.tif: scale and offset are 0.0001 and -0.1, those of the model not given" in listener.warnings


def test_fewer_bands_are_refused_unless_they_are_known(tmp_path: Path, card: ModelCard, listener: Listener) -> None:
    with pytest.raises(ModelFileError, match=r"made for 4 bands \(blue, green, red, nir\), but 3 of three.tif"):
        seen(raster(tmp_path / "three.tif", NAMES[:3]), card, listener)


def test_the_file_of_a_model_keeps_what_the_raster_said(tmp_path: Path, card: ModelCard) -> None:
    import torch

    path = str(tmp_path / "m.safetensors")
    save_model(path, card, torch.nn.Linear(1, 1))
    assert read_card(path).descriptions == card.descriptions
    save_model(path, replace(card, descriptions=card.descriptions[:2]), torch.nn.Linear(1, 1))
    with pytest.raises(ModelFileError, match="is damaged"):
        read_card(path)
