"""The features of an encoder, written where the raster lies: without seams, with nodata, as colours or as they are."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
from affine import Affine
from small_world import BORDER, GRID, HEIGHT, LEFT, TOP, WIDTH, Listener, textured_land, write_raster

from false_core.dispatch import run
from false_core.errors import Cancelled, InputError, OutputError, RequestError
from false_core.events import Progress
from false_core.jobs import Embed
from false_core.mapping import embed
from false_core.models.encoder import build_encoder
from false_core.models.model_file import load_weights, read_card

pytestmark = pytest.mark.thorough

FEATURES = 32 + 48 + 192 + 96
"""Of a test_resnet, at strides 4 to 32."""


def embedded(raster: str, model: str, output: Path, components: int = 3, **more: Any) -> tuple[np.ndarray, dict[str, Any]]:
    """Run it on the CPU and return the bands and the results."""
    results = run(Embed(raster, model, str(output), components, device="cpu", **more))
    with rasterio.open(output) as file:
        return file.read(), results


def wide_land(tmp_path: Path) -> str:
    """A raster that takes several tiles of any size, with a hole."""
    pixels = np.tile(textured_land()[:, 20:100, 20:150], (1, 3, 2))[:, :190, :233]
    pixels[:, 60:104, 100:200] = 0
    return write_raster(tmp_path / "wide.tif", pixels, nodata=0)


class TestAllFeatures:
    def test_are_those_of_the_encoder_run_on_the_whole_raster(self, land: str, encoder: str, tmp_path: Path) -> None:
        written, results = embedded(land, encoder, tmp_path / "f.tif", 0)
        assert written.shape == (FEATURES, HEIGHT // 4, 43)
        assert results == {"output": str(tmp_path / "f.tif"), "bands": FEATURES, "explained": 1.0, "pixel_size": 4.0}
        card = read_card(encoder)
        network = build_encoder(card.encoder, 4)
        load_weights(encoder, network)
        values = textured_land().astype("float32")
        values[:, (values == 0).all(axis=0)] = np.nan
        # Nodata all around, which is how the world beyond the raster looks.
        pixels = np.pad(card.normalisation.apply(values), ((0, 0), (256, 256 + 8), (256, 256 + 22)))
        with torch.no_grad():
            levels = network.eval()(torch.from_numpy(pixels)[None])[2:]
            levels = [torch.nn.functional.interpolate(level, levels[0].shape[-2:], mode="bilinear") for level in levels]
        whole = torch.cat(levels, dim=1)[0, :, 64 : 64 + HEIGHT // 4, 64 : 64 + 43].numpy()
        valid = np.isfinite(written[0])
        np.testing.assert_array_equal(np.isfinite(written), np.broadcast_to(valid, written.shape))
        np.testing.assert_allclose(written[:, valid], whole[:, valid], atol=1e-4 * whole.std(), rtol=1e-3)

    def test_say_which_is_which(self, land: str, encoder: str, tmp_path: Path) -> None:
        embedded(land, encoder, tmp_path / "f.tif", 0)
        with rasterio.open(tmp_path / "f.tif") as file:
            assert file.dtypes[0] == "float32"
            assert np.isnan(file.nodata)
            assert file.descriptions[0] == "Stride 4, feature 1"
            assert file.descriptions[-1] == "Stride 32, feature 96"
            assert file.block_shapes[0] == (64, 64)


class TestNoSeams:
    @pytest.mark.parametrize("components", [3, 5])
    def test_the_size_of_the_tiles_does_not_matter(
        self, encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, components: int
    ) -> None:
        raster = wide_land(tmp_path)
        made = []
        for tile in (256, 128):
            monkeypatch.setattr(embed, "EMBED_TILE_PX", tile)
            made.append(embedded(raster, encoder, tmp_path / f"{tile}.tif", components)[0].astype(float))
        spread = np.nanstd(made[0])
        for other in made[1:]:
            np.testing.assert_array_equal(np.isnan(other), np.isnan(made[0]))
            assert np.nanmax(np.abs(other - made[0])) <= (1.0 if components == 3 else 0.001 * spread)

    def test_a_context_too_small_would_show(self, encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        raster = wide_land(tmp_path)
        whole = embedded(raster, encoder, tmp_path / "whole.tif")[0].astype(float)
        monkeypatch.setattr(embed, "EMBED_TILE_PX", 64)
        monkeypatch.setattr(embed, "halo_of", lambda *_: 32)
        assert np.abs(embedded(raster, encoder, tmp_path / "cut.tif")[0] - whole).max() > 3

    def test_a_part_is_a_part_of_the_whole(self, encoder: str, tmp_path: Path) -> None:
        raster = wide_land(tmp_path)
        whole = embedded(raster, encoder, tmp_path / "whole.tif", 0)[0]
        extent = f"{LEFT + 41},{LEFT + 121},{TOP - 99},{TOP - 22} [EPSG:32633]"
        part = embedded(raster, encoder, tmp_path / "part.tif", 0, extent=extent)[0]
        assert part.shape == (FEATURES, 20, 21), "whole cells, from 40 to 124 and from 20 to 100"
        np.testing.assert_allclose(part, whole[:, 5:25, 10:31], atol=1e-4 * np.nanstd(whole), rtol=1e-3)
        with rasterio.open(tmp_path / "part.tif") as file:
            assert file.transform == GRID * Affine.translation(40, 20) * Affine.scale(4)


class TestColours:
    @pytest.fixture(scope="class")
    def made(self, land: str, encoder: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
        path = tmp_path_factory.mktemp("colours") / "seen.tif"
        return path, embedded(land, encoder, path)[1]

    def test_lie_where_the_raster_lies(self, made: tuple[Path, dict[str, Any]]) -> None:
        with rasterio.open(made[0]) as file:
            assert (file.count, file.width, file.height) == (3, 43, 30)
            assert file.transform == GRID * Affine.scale(4)
            assert file.crs.to_epsg() == 32633
            assert file.dtypes == ("uint8",) * 3
            assert [meaning.name for meaning in file.colorinterp] == ["red", "green", "blue"]
            assert file.profile["tiled"]

    def test_are_0_just_where_there_is_no_data(self, made: tuple[Path, dict[str, Any]]) -> None:
        with rasterio.open(made[0]) as file:
            bands = file.read()
            assert file.nodata == 0
        valid = np.zeros((120, 172), bool)
        valid[BORDER : HEIGHT - BORDER, BORDER : WIDTH - BORDER] = True
        share = valid.reshape(30, 4, 43, 4).mean(axis=(1, 3))
        for band in bands:
            np.testing.assert_array_equal(band > 0, share >= 0.5)

    def test_use_the_whole_range(self, made: tuple[Path, dict[str, Any]]) -> None:
        with rasterio.open(made[0]) as file:
            first = file.read(1)
        assert first[first > 0].min() == 1
        assert first.max() == 255

    def test_say_how_much_of_the_variance_they_show(self, made: tuple[Path, dict[str, Any]]) -> None:
        results = made[1]
        assert results["bands"] == 3
        assert 0.1 < results["explained"] < 1.0
        with rasterio.open(made[0]) as file:
            shares = [float(name.split("(")[1].split("%")[0]) for name in file.descriptions]
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) == pytest.approx(100 * results["explained"], abs=0.2)

    def test_are_the_same_with_the_same_seed(self, made: tuple[Path, Any], land: str, encoder: str, tmp_path: Path) -> None:
        embedded(land, encoder, tmp_path / "again.tif")
        assert (tmp_path / "again.tif").read_bytes() == made[0].read_bytes()


class TestComponents:
    def test_are_those_of_a_principal_component_analysis(self, land: str, encoder: str, tmp_path: Path) -> None:
        """On a raster this small the sample is every cell, so the components can be computed from the features written."""
        features = embedded(land, encoder, tmp_path / "f.tif", 0)[0]
        written, results = embedded(land, encoder, tmp_path / "c.tif", 4)
        valid = np.isfinite(features[0])
        cells = features[:, valid].T.astype(np.float64)
        weights = np.concatenate([np.full(n, n**-0.5) for n in (32, 48, 192, 96)])
        std = np.maximum(cells.std(axis=0), 1e-6)
        table = (cells - cells.mean(axis=0)) / std * weights
        left, singular, _ = np.linalg.svd(table, full_matrices=False)
        assert results["explained"] == pytest.approx((singular[:4] ** 2).sum() / (singular**2).sum(), rel=1e-3)
        for number in range(4):
            mine, theirs = written[number][valid], left[:, number] * singular[number]
            assert abs(np.corrcoef(mine, theirs)[0, 1]) > 0.999
            assert mine.std() == pytest.approx(theirs.std(), rel=0.01)

    def test_may_be_more_than_there_are_cells(self, encoder: str, tmp_path: Path) -> None:
        raster = write_raster(tmp_path / "r.tif", np.random.default_rng(0).integers(1, 200, (4, 8, 8)).astype("uint16"))
        written, _ = embedded(raster, encoder, tmp_path / "c.tif", 9)
        assert written.shape == (9, 2, 2)
        assert (written[4:] == 0).all()


class TestAnyRaster:
    def test_a_fine_tuned_model_shows_its_own_encoder(self, land: str, encoder: str, model: str, tmp_path: Path) -> None:
        of_model = embedded(land, model, tmp_path / "m.tif", 0)[0]
        assert of_model.shape == (FEATURES, 30, 43)
        assert not np.allclose(of_model, embedded(land, encoder, tmp_path / "e.tif", 0)[0], equal_nan=True)

    def test_of_finer_pixels_is_seen_at_those_of_the_model(self, encoder: str, tmp_path: Path) -> None:
        fine = textured_land().repeat(2, axis=1).repeat(2, axis=2)
        raster = write_raster(tmp_path / "r.tif", fine, nodata=0, transform=GRID * Affine.scale(0.5))
        written, results = embedded(raster, encoder, tmp_path / "s.tif")
        assert written.shape == (3, 30, 43)
        assert results["pixel_size"] == 4.0

    def test_that_lies_nowhere_gives_a_result_that_lies_on_it(self, encoder: str, tmp_path: Path) -> None:
        raster = write_raster(tmp_path / "r.tif", textured_land(), nodata=0, transform=None, crs=None)
        embedded(raster, encoder, tmp_path / "s.tif")
        with rasterio.open(tmp_path / "s.tif") as file:
            assert tuple(file.bounds) == (0, -HEIGHT, 172, 0)

    def test_smaller_than_a_cell(self, encoder: str, tmp_path: Path) -> None:
        raster = write_raster(tmp_path / "r.tif", np.full((4, 3, 3), 9, "uint16"))
        assert embedded(raster, encoder, tmp_path / "s.tif")[0].shape == (3, 1, 1)


class TestBadInput:
    def test_no_valid_pixel(self, encoder: str, tmp_path: Path) -> None:
        raster = write_raster(tmp_path / "r.tif", np.zeros((4, 40, 40), "uint16"), nodata=0)
        for components in (0, 3):
            with pytest.raises(InputError, match=r"no valid pixel in r\.tif"):
                embedded(raster, encoder, tmp_path / "s.tif", components)
        assert not (tmp_path / "s.tif").exists()

    def test_more_components_than_features(self, land: str, encoder: str, tmp_path: Path) -> None:
        with pytest.raises(RequestError, match=f"components is {FEATURES + 1}, but the encoder has {FEATURES} features"):
            embedded(land, encoder, tmp_path / "s.tif", FEATURES + 1)

    def test_another_format(self, land: str, encoder: str, tmp_path: Path) -> None:
        with pytest.raises(OutputError, match="not a GeoTIFF"):
            run(Embed(land, encoder, str(tmp_path / "s.png"), device="cpu"))

    def test_cancelled_in_the_middle(self, encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(embed, "EMBED_TILE_PX", 64)
        raster, cancel, listener = wide_land(tmp_path), threading.Event(), Listener()

        def stop_while_embedding(event: Any) -> None:
            listener(event)
            if isinstance(event, Progress) and event.stage == "Embedding":
                cancel.set()

        with pytest.raises(Cancelled):
            run(Embed(raster, encoder, str(tmp_path / "s.tif"), device="cpu"), stop_while_embedding, cancel)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["wide.tif"]
