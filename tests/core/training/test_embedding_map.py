"""The map of the features lies where the raster lies, is white where there is nothing, and is the same every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from small_world import BORDER, Listener, textured_land, write_raster
from torch import Tensor, nn

from false_core.errors import Cancelled
from false_core.models.encoder import build_encoder
from false_core.raster.source import RasterSource, Window
from false_core.raster.statistics import Normalisation, measure
from false_core.training import embedding_map
from false_core.training.embedding_map import EmbeddingMap, draw_map, map_embedding

pytestmark = pytest.mark.thorough

CPU = torch.device("cpu")


class Brightness(nn.Module):
    """An encoder whose features are the mean of each band at the strides of a real one."""

    def forward(self, pixels: Tensor) -> list[Tensor]:
        return [pixels, *(torch.nn.functional.avg_pool2d(pixels, 2**level) for level in range(1, 6))]


def look(
    raster: str, encoder: nn.Module | None = None, area: Window | None = None, seed: int = 0, factor: int = 1
) -> EmbeddingMap | None:
    source = RasterSource(raster, factor=factor)
    area = area or source.window_of(None)
    normalisation = measure([source], [area], Listener().feedback)
    return map_embedding(encoder or Brightness(), source, area, normalisation, CPU, seed, Listener().feedback)


def squares(width: int, height: int, bands: int = 3) -> np.ndarray:
    """Return squares of 16 pixels, dark and bright in turn, with a little noise."""
    column, row = np.meshgrid(np.arange(width), np.arange(height))
    bright = ((column // 16 + row // 16) % 2) * 100 + 50
    return (bright + np.random.default_rng(0).integers(0, 5, (bands, height, width))).astype("uint8")


class TestTheMap:
    def test_lies_where_the_raster_lies(self, tmp_path: Path) -> None:
        # Wider than a tile, and no multiple of anything.
        made = look(write_raster(tmp_path / "r.tif", squares(333, 277)))
        assert made is not None
        assert made.raster_picture.shape == (277, 333, 3)
        assert made.embedding.shape == (70, 84, 3)
        assert (made.name, made.area, made.share) == ("r.tif", Window(0, 0, 333, 277), 1.0)
        dark = made.raster_picture[2:274:4, 2:330:4, 0] < 100
        # The first component of these features is brightness: it says bright and dark where the raster does.
        first = made.embedding[: dark.shape[0], : dark.shape[1], 0].astype(float)
        assert abs(np.corrcoef(dark.ravel(), first.ravel())[0, 1]) > 0.7

    def test_of_a_part_shows_that_part(self, tmp_path: Path) -> None:
        pixels = squares(200, 200)
        pixels[:, 64:128, 32:96] = 250
        made = look(write_raster(tmp_path / "r.tif", pixels), area=Window(32, 64, 96, 80))
        assert made is not None
        assert made.raster_picture.shape == (80, 96, 3)
        assert made.embedding.shape == (20, 24, 3)
        assert made.raster_picture[:64, :64].min() > made.raster_picture[64:].max()
        plain = made.embedding[4:12, 4:12, :2].reshape(-1, 2)
        assert plain.std(axis=0).max() < 12

    def test_is_white_just_where_there_is_no_data(self, land: str) -> None:
        made = look(land)
        assert made is not None
        valid = (textured_land() > 0).any(axis=0)
        np.testing.assert_array_equal((made.raster_picture == 255).all(axis=2), ~valid)
        height, width = made.embedding.shape[:2]
        white = (made.embedding == 255).all(axis=2)
        inner = slice(BORDER // 4 + 1, -(BORDER // 4 + 1))
        assert white[: BORDER // 4].all() and white[:, : BORDER // 4].all()
        assert not white[inner, inner].any()
        assert (height, width) == (30, 43)

    def test_is_made_on_the_working_grid(self, land: str) -> None:
        made = look(land, factor=2)
        assert made is not None
        assert made.raster_picture.shape == (60, 85, 3)
        assert made.embedding.shape == (15, 22, 3)

    def test_is_the_same_with_the_same_seed(self, land: str) -> None:
        torch.manual_seed(0)
        encoder = build_encoder("test_resnet", 4)
        state = torch.get_rng_state()
        one, two = look(land, encoder), look(land, encoder)
        assert one is not None and two is not None
        np.testing.assert_array_equal(one.embedding, two.embedding)
        assert draw_map(one) == draw_map(two)
        assert torch.equal(state, torch.get_rng_state()), "it must not disturb other chance"

    def test_is_not_made_where_nothing_is_valid(self, tmp_path: Path) -> None:
        source = RasterSource(write_raster(tmp_path / "r.tif", np.zeros((3, 40, 40), "uint8"), nodata=0))
        plain = Normalisation((0.0,) * 3, (1.0,) * 3, (0.0,) * 3, (1.0,) * 3)
        assert map_embedding(Brightness(), source, source.window_of(None), plain, CPU, 0, Listener().feedback) is None

    @pytest.mark.parametrize("bands", [1, 2, 7])
    def test_takes_any_number_of_bands_and_hardly_any_pixels(self, tmp_path: Path, bands: int) -> None:
        made = look(write_raster(tmp_path / "r.tif", squares(9, 5, bands)))
        assert made is not None
        assert made.embedding.shape == (2, 3, 3)

    def test_of_a_large_raster_shows_the_middle(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(embedding_map, "MAX_SIDE_PX", 256)
        raster = write_raster(tmp_path / "r.tif", squares(600, 300))
        made = look(raster)
        assert made is not None
        assert made.area == Window(172, 22, 256, 256)
        assert made.share == pytest.approx(256 * 256 / (600 * 300))
        assert made.raster_picture.shape == (64, 64, 3), "four pixels in one, as it is drawn small"
        assert made.embedding.shape == (64, 64, 3)

    def test_can_be_cancelled(self, land: str) -> None:
        source = RasterSource(land)
        feedback = Listener().feedback
        feedback._cancel.set()
        plain = Normalisation((0.0,) * 4, (300.0,) * 4, (90.0,) * 4, (50.0,) * 4)
        with pytest.raises(Cancelled):
            map_embedding(Brightness(), source, source.window_of(None), plain, CPU, 0, feedback)
