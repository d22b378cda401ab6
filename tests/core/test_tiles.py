"""A map has no seams: overlapping tiles are blended so that every pixel's weights add up to one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_world import Listener, write_raster

from false_core.labels.classes import ClassTable, LandCoverClass
from false_core.mapping.classify import NO_CONFIDENCE, classify_area
from false_core.models.model_file import SEGMENTER, ModelCard
from false_core.raster.source import RasterSource, Window
from false_core.raster.statistics import Normalisation
from false_core.raster.tiles import MOST_BYTES, Blender, TilePlan

CPU = torch.device("cpu")

plans = st.builds(
    lambda column, row, width, height, layout: TilePlan(Window(column, row, width, height), *layout),
    st.integers(-3, 70), st.integers(-3, 70), st.integers(1, 90), st.integers(1, 90),
    st.sampled_from([(16, 8), (8, 8), (24, 4), (64, 32)]),
)  # fmt: skip


def blend(plan: TilePlan, factor: int, field: np.ndarray) -> np.ndarray:
    """Feed a Blender tiles cut out of ``field``, and put what it hands out together.

    Args:
        plan: Of the tiles.
        factor: Pixels of the field per working pixel.
        field: (classes, height, width), large enough for every tile; its origin is the first tile's corner.
    """
    blender = Blender(plan, factor, len(field), CPU)
    half = plan.overlap // 2
    out = np.full(
        (len(field), (plan.rows * plan.stride) * factor, (plan.columns * plan.stride) * factor), np.nan, np.float32
    )
    for tile in plan:
        x, y = ((tile.window.column - plan.area.column + half) * factor, (tile.window.row - plan.area.row + half) * factor)
        cut = field[:, y : y + plan.side * factor, x : x + plan.side * factor]
        done = blender.add(tile, torch.from_numpy(np.ascontiguousarray(cut)))
        out[:, y : y + plan.stride * factor, x : x + plan.stride * factor] = done.numpy()
    x, y = half * factor, half * factor
    return out[:, y : y + plan.area.height * factor, x : x + plan.area.width * factor]


def field_for(plan: TilePlan, factor: int, classes: int, seed: int = 0) -> np.ndarray:
    """Return random probabilities for all that the tiles of a plan see."""
    height, width = (n * plan.stride + plan.overlap for n in (plan.rows, plan.columns))
    return np.random.default_rng(seed).random((classes, height * factor, width * factor)).astype(np.float32)


class TestTheTiles:
    @given(plans)
    def test_cover_the_area_and_come_row_by_row(self, plan: TilePlan) -> None:
        tiles = list(plan)
        assert len(tiles) == len(plan) == plan.rows * plan.columns
        assert [(tile.row, tile.column) for tile in tiles] == sorted((tile.row, tile.column) for tile in tiles)
        covered = np.zeros((plan.area.height, plan.area.width), int)
        for tile in tiles:
            assert tile.window.width == tile.window.height == plan.side
            x, y = tile.window.column - plan.area.column, tile.window.row - plan.area.row
            covered[max(0, y) : max(0, y + plan.stride), max(0, x) : max(0, x + plan.stride)] += 1
        assert (covered == 1).all(), "what a tile completes is completed by no other"

    @pytest.mark.parametrize(("classes", "factor"), [(2, 1), (6, 1), (254, 1), (6, 4), (20, 4), (6, 8), (3, 32)])
    def test_are_as_large_as_the_memory_allows(self, classes: int, factor: int) -> None:
        plan = TilePlan.for_area(Window(0, 0, 5000, 5000), classes, factor)
        assert 4 * classes * (plan.side * factor) ** 2 <= MOST_BYTES
        assert plan.overlap >= 32

    def test_of_a_small_area_is_one(self) -> None:
        assert len(TilePlan.for_area(Window(0, 0, 300, 200), 6, 1)) == 1


class TestBlending:
    @settings(max_examples=60, deadline=None)
    @given(plans, st.sampled_from([1, 2, 3]))
    def test_of_the_same_everywhere_is_the_same_everywhere(self, plan: TilePlan, factor: int) -> None:
        constant = np.full_like(field_for(plan, factor, 2), 0.25)
        constant[1] = 0.75
        blended = blend(plan, factor, constant)
        np.testing.assert_allclose(blended[0], 0.25, rtol=1e-5)
        np.testing.assert_allclose(blended[1], 0.75, rtol=1e-5)

    @settings(max_examples=40, deadline=None)
    @given(plans, st.sampled_from([1, 2]), st.integers(0, 99))
    def test_of_tiles_that_agree_gives_what_they_agree_on(self, plan: TilePlan, factor: int, seed: int) -> None:
        field = field_for(plan, factor, 3, seed)
        half = plan.overlap // 2 * factor
        wanted = field[:, half : half + plan.area.height * factor, half : half + plan.area.width * factor]
        np.testing.assert_allclose(blend(plan, factor, field), wanted, rtol=1e-5, atol=1e-6)

    @settings(max_examples=40, deadline=None)
    @given(plans, st.sampled_from([1, 2]), st.integers(0, 99))
    def test_of_tiles_that_differ_is_their_weighted_mean(self, plan: TilePlan, factor: int, seed: int) -> None:
        """Compared with adding everything up in two arrays as large as the area, and dividing."""
        chance = np.random.default_rng(seed)
        side, overlap = plan.side * factor, plan.overlap * factor
        ramp = (np.arange(overlap) + 0.5) / overlap
        profile = np.concatenate([ramp, np.ones(side - 2 * overlap), ramp[::-1]])
        height, width = (n * plan.stride * factor + overlap for n in (plan.rows, plan.columns))
        total, weight = np.zeros((2, height, width)), np.zeros((height, width))
        blender = Blender(plan, factor, 2, CPU)
        got = np.zeros((2, height, width))
        for tile in plan:
            x, y = tile.column * plan.stride * factor, tile.row * plan.stride * factor
            tile_field = chance.random((2, side, side)).astype(np.float32)
            total[:, y : y + side, x : x + side] += tile_field * (profile[:, None] * profile)
            weight[y : y + side, x : x + side] += profile[:, None] * profile
            done = blender.add(tile, torch.from_numpy(tile_field)).numpy()
            got[:, y : y + done.shape[1], x : x + done.shape[2]] = done
        half = overlap // 2
        inside = (
            slice(None),
            slice(half, half + plan.area.height * factor),
            slice(half, half + plan.area.width * factor),
        )
        np.testing.assert_allclose(got[inside], (total / weight)[inside], rtol=1e-4, atol=1e-5)

    def test_leaves_the_field_given_as_it_was(self) -> None:
        plan = TilePlan(Window(0, 0, 40, 40), 16, 8)
        tile_field = torch.rand(2, 24, 24)
        before = tile_field.clone()
        Blender(plan, 1, 2, CPU).add(next(iter(plan)), tile_field)
        assert torch.equal(tile_field, before)

    def test_a_tile_without_a_valid_pixel_adds_nothing(self) -> None:
        plan = TilePlan(Window(0, 0, 40, 8), 16, 8)
        field = torch.ones(1, 24, 24)
        blender = Blender(plan, 1, 1, CPU)
        tiles = list(plan)
        assert (blender.add(tiles[0], field) == 1).all()
        second = blender.add(tiles[1], None)
        assert (second[:, :, 8:] == 0).all()
        assert (second[:, :, 0] > second[:, :, 7]).all(), "what its neighbour saw fades out"

    def test_keeps_memory_that_does_not_grow_with_the_number_of_rows(self) -> None:
        def kept(height: int) -> int:
            blender = Blender(TilePlan(Window(0, 0, 2000, height), 512, 96), 1, 6, CPU)
            return sum(value.numel() for value in vars(blender).values() if isinstance(value, torch.Tensor))

        assert kept(1000) == kept(1_000_000)


class ByBrightness(torch.nn.Module):
    """A network that looks at nothing but the pixel itself: dark, medium or bright."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        brightness = pixels[:, :1]
        return torch.cat([-brightness - 1, -3 * brightness.abs(), brightness - 1], dim=1)


class TestAMapWithoutSeams:
    CARD = ModelCard(
        SEGMENTER, "", ("Band 1",), (1,), "uint8", Normalisation((0,), (255,), (128,), (32,)), 1.0, 1.0, 64,
        classes=ClassTable(tuple(LandCoverClass(code, str(code), "#000000") for code in (3, 5, 9))),
    )  # fmt: skip

    @pytest.mark.parametrize("area", [Window(0, 0, 1300, 700), Window(37, 601, 560, 99)], ids=["everything", "a part"])
    def test_a_network_that_sees_single_pixels_gives_the_same_with_tiles_as_without(
        self, tmp_path: Path, listener: Listener, area: Window
    ) -> None:
        pixels = np.random.default_rng(0).integers(1, 256, (1, 700, 1300)).astype("uint8")
        pixels[:, 300:340] = 0
        source = RasterSource(write_raster(tmp_path / "r.tif", pixels, nodata=0))
        assert len(TilePlan.for_area(area, 3, 1)) >= 2
        overview = classify_area(
            self.CARD, ByBrightness(), source, area, CPU, tmp_path / "map.tif", tmp_path / "sure.tif", listener.feedback
        )
        seen = pixels[:, area.row : area.row + area.height, area.column : area.column + area.width]
        normal = torch.from_numpy(self.CARD.normalisation.apply(seen.astype(np.float32)))[None]
        best, index = ByBrightness()(normal).softmax(dim=1)[0].max(dim=0)
        valid = seen[0] > 0
        with rasterio.open(tmp_path / "map.tif") as file:
            np.testing.assert_array_equal(file.read(1), np.where(valid, np.array([3, 5, 9])[index], 0))
        with rasterio.open(tmp_path / "sure.tif") as file:
            percent = file.read(1)
        assert (percent[~valid] == NO_CONFIDENCE).all()
        assert np.abs(percent[valid] - (100 * best.numpy())[valid]).max() < 0.51
        assert overview.classified == valid.sum()
        for channel, code in enumerate((3, 5, 9)):
            assert overview.pixels[code] == (valid & (index.numpy() == channel)).sum()

    def test_nor_does_a_coarser_working_grid_make_any(self, tmp_path: Path, listener: Listener) -> None:
        # On 4 x 4 blocks of one value each, the mean is the value, and blending must not move it from tile to tile.
        blocks = np.random.default_rng(0).choice([40, 128, 216], (1, 170, 330)).astype("uint8")
        source = RasterSource(write_raster(tmp_path / "r.tif", blocks.repeat(4, 1).repeat(4, 2)), factor=4)
        area = Window(0, 0, source.width, source.height)
        classify_area(self.CARD, ByBrightness(), source, area, CPU, tmp_path / "map.tif", None, listener.feedback)
        probabilities = ByBrightness()(torch.from_numpy(self.CARD.normalisation.apply(blocks.astype(np.float32)))[None])
        whole = torch.nn.functional.interpolate(probabilities.softmax(dim=1), scale_factor=4, mode="bilinear")[0]
        margin = whole.topk(2, dim=0).values.diff(dim=0).abs()[0].numpy() > 1e-4
        with rasterio.open(tmp_path / "map.tif") as file:
            mapped = file.read(1)
        inner = (slice(8, -8), slice(8, -8))  # Tiles see nothing beyond the raster, the whole repeats its edge.
        assert margin.mean() > 0.99
        assert (mapped == np.array([3, 5, 9])[whole.argmax(dim=0)])[inner][margin[inner]].all()
