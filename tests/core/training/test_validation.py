"""The score of a model comes from the pixels that its map would show there: same tiles, same blending, same pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
import torch
from affine import Affine
from small_world import GRID, textured_land, write_raster

from false_core.accuracy.metrics import confusion_matrix
from false_core.dispatch import run
from false_core.inference import tiles
from false_core.inference.tiles import TilePlan
from false_core.jobs import Classify, Finetune
from false_core.labels.annotation import IGNORE, Annotation
from false_core.models.model_file import read_card, save_model
from false_core.raster.classes import ClassTable, LandCoverClass
from false_core.raster.source import RasterSource, Window
from false_core.training import validation
from false_core.training.validation import score_labels


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles that are smaller than the land, so that there is something to blend."""
    monkeypatch.setattr(tiles, "MAX_STRIDE_PX", 64)
    monkeypatch.setattr(tiles, "MIN_STRIDE_PX", 64)


def shown(path: Path, held_out: Annotation, factor: int) -> np.ndarray:
    """Return the confusion matrix of labels and a map as it lies in its file."""
    with rasterio.open(path) as file:
        codes = file.read(1)
    truth = held_out.burn(Affine.scale(factor), *codes.shape)
    indices = np.full(256, 255)
    for index, c in enumerate(held_out.classes):
        indices[c.code] = index
    known = (truth != IGNORE) & (codes > 0)
    return confusion_matrix(truth[known], indices[codes[known]], len(held_out.classes))


@pytest.mark.thorough
@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("factor", [1, 2])
@pytest.mark.parametrize("waiting", [tiles.MOST_WAITING_BYTES, 1], ids=["in one go", "column by column"])
def test_the_pixels_that_score_a_model_are_those_that_its_map_shows(
    labels: str, encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, factor: int, waiting: int
) -> None:
    """Also where the raster is finer than the pixels that the model works on."""
    fine = textured_land().repeat(factor, axis=1).repeat(factor, axis=2)
    raster = write_raster(tmp_path / "land.tif", fine, nodata=0, transform=GRID * Affine.scale(1 / factor))
    seen: list[Any] = []

    def score_and_keep(network: torch.nn.Module, source: RasterSource, normalisation: Any, *given: Any) -> np.ndarray:
        counted = score_labels(network, source, normalisation, *given)
        seen.extend([network, source, given[0], counted])
        return counted

    monkeypatch.setattr(validation, "MOST_WAITING_BYTES", waiting)
    monkeypatch.setattr("false_core.training.segmenter_training.score_labels", score_and_keep)
    path, scored = str(tmp_path / "model.safetensors"), str(tmp_path / "scored.safetensors")
    run(
        Finetune(
            raster, labels, "cover", path, encoder, head="network", preset="quick", device="cpu", steps=12, validation=0.5
        )
    )  # fmt: skip
    network, source, held_out, counted = seen
    # The model that is written has learned from the labels held out too; what was scored is the one before.
    save_model(scored, read_card(path), network)
    run(Classify(raster, scored, str(tmp_path / "map.tif"), device="cpu"))
    assert source.factor == factor
    assert counted.sum() > 100 * factor * factor
    assert np.count_nonzero(counted.sum(axis=0)) > 1, "the model tells classes apart"
    np.testing.assert_array_equal(counted, shown(tmp_path / "map.tif", held_out, factor))


@pytest.mark.usefixtures("small_tiles")
def test_only_tiles_that_touch_labels_are_computed() -> None:
    plan = TilePlan.for_area(Window(0, 0, 6400, 6400), 2, 1)
    shapes = np.array([shapely.box(3000, 3000, 3010, 3010)])
    classes = ClassTable((LandCoverClass(1, "a", "#000000"), LandCoverClass(2, "b", "#ffffff")))
    labels = Annotation(classes, shapes, np.array([0]), shapely.STRtree(shapes))
    touched = validation._touched(plan, labels, validation.REACH, plan.shared + validation.REACH)
    assert len(plan) > 1000
    assert 1 <= len(touched) <= 4
