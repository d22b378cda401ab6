"""Models of frozen features do all that models with a decoder do."""

from __future__ import annotations

from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import torch

from false_core.dispatch import run
from false_core.jobs import Classify, Embed, ModelInfo, SuggestLabels
from false_core.models.from_file import segmenter_from
from false_core.models.model_file import read_card
from false_core.models.segmenter import class_probabilities
from false_core.raster.source import RasterSource

pytestmark = pytest.mark.thorough


def test_the_map_shows_what_the_network_says(frozen_model: str, land: str, tmp_path: Path) -> None:
    run(Classify(land, frozen_model, str(tmp_path / "map.tif"), device="cpu"))
    with rasterio.open(tmp_path / "map.tif") as file:
        shown = file.read(1)
    card, source = read_card(frozen_model), RasterSource(land)
    assert card.head is not None
    raw, valid = source.read_with_validity(source.window_of(None))
    pixels = torch.from_numpy(card.normalisation.apply(raw))[None]
    found = class_probabilities(segmenter_from(frozen_model, card), pixels)[0].argmax(dim=0).numpy()
    codes = np.array([c.code for c in card.classes])
    np.testing.assert_array_equal(shown == card.classes.nodata, ~valid)
    # A tile of the map sees blank surroundings where this image ends, which changes a few pixels near the border.
    assert (shown == codes[found])[valid].mean() > 0.97


def test_places_to_label_next_are_suggested(frozen_model: str, land: str, labels: str, tmp_path: Path) -> None:
    job = SuggestLabels(land, frozen_model, str(tmp_path / "next.gpkg"), labels=labels, count=3, size=12, device="cpu")
    assert run(job)["suggested"] == 3
    assert len(geopandas.read_file(tmp_path / "next.gpkg")) == 3


def test_its_encoder_can_be_looked_at(frozen_model: str, land: str, tmp_path: Path) -> None:
    assert run(Embed(land, frozen_model, str(tmp_path / "seen.tif"), device="cpu"))["bands"] == 3


def test_its_description_names_the_head_and_where_the_encoder_comes_from(frozen_model: str, tmp_path: Path) -> None:
    page = tmp_path / "info.html"
    run(ModelInfo(frozen_model, report=str(page)))
    html = page.read_text(encoding="utf-8")
    assert f"tf_efficientnet_lite0 + {read_card(frozen_model).method['head']}" in html
    assert "Apache-2.0" in html
