"""Wherever a window or a crop lies, whatever its size and scale, it shows what plain arithmetic says lies there."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from small_world import write_raster

from false_core.inference.tiles import MAX_FILE_PIXELS, MOST_BYTES, TilePlan
from false_core.raster.source import RasterSource, Window
from false_core.raster.statistics import Normalisation
from false_core.sampling.cache import CHUNK_PX, ChunkCache
from false_core.sampling.geometry import Placement, matched_points, random_placement, resample, window_side

WIDTH, HEIGHT, NODATA = 61, 47, 7
NORMAL = Normalisation((0.0, 0.0), (255.0, 255.0), (100.0, 50.0), (50.0, 25.0))
thorough = settings(max_examples=40, deadline=None)

windows = st.builds(Window, st.integers(-80, 130), st.integers(-80, 130), st.integers(1, 140), st.integers(1, 140))
factors = st.integers(1, 9)
scales = st.tuples(st.floats(0.2, 1.0), st.floats(1.0, 4.0))
seeds = st.integers(0, 2**32 - 1)


def content() -> np.ndarray:
    """Return (2, HEIGHT, WIDTH) bytes, about a tenth of them nodata, and one corner nodata in both bands."""
    pixels = np.random.default_rng(3).integers(8, 90, (2, HEIGHT, WIDTH)).astype("uint8")
    pixels[np.random.default_rng(4).random(pixels.shape) < 0.1] = NODATA
    pixels[:, :20, :20] = NODATA
    return pixels


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("windows") / "r.tif"
    # Blocks that hold nothing are not stored, so that there are holes to tell from pixels.
    layout: dict[str, Any] = {"tiled": True, "blockxsize": 16, "blockysize": 16, "sparse_ok": True}
    return write_raster(Path(file), content(), nodata=NODATA, **layout)


def expected(window: Window, factor: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what reading must give: means of blocks over what is valid, pixel by pixel, and the validity of the file's."""
    source_pixels = content().astype(float)
    source_pixels[source_pixels == NODATA] = np.nan
    pixels = np.full((2, window.height, window.width), np.nan)
    valid = np.zeros((window.height * factor, window.width * factor), bool)
    for y in range(window.height):
        for x in range(window.width):
            top, left = (window.row + y) * factor, (window.column + x) * factor
            if top < 0 or left < 0 or top >= HEIGHT or left >= WIDTH:
                continue
            block = source_pixels[:, top : top + factor, left : left + factor]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # The mean of nothing is NaN, as it should be.
                pixels[:, y, x] = np.nanmean(block, axis=(1, 2))
            inside = np.isfinite(block).any(axis=0)
            valid[y * factor : y * factor + inside.shape[0], x * factor : x * factor + inside.shape[1]] = inside
    return pixels, valid


class TestAnyWindowOfARaster:
    @thorough
    @given(windows, factors)
    def test_shows_the_means_of_the_valid_pixels_there(self, path: str, window: Window, factor: int) -> None:
        pixels, valid = RasterSource(path, factor=factor).read_with_validity(window)
        wanted, wanted_valid = expected(window, factor)
        np.testing.assert_allclose(pixels, wanted, rtol=1e-5)
        np.testing.assert_array_equal(valid, wanted_valid)

    @thorough
    @given(windows, factors)
    def test_that_is_called_a_hole_holds_nothing(self, path: str, window: Window, factor: int) -> None:
        source = RasterSource(path, factor=factor)
        if source.is_hole(window):
            assert not source.read_with_validity(window)[1].any()

    @thorough
    @given(windows, factors, st.sampled_from([0, 10**9]))
    @example(Window(0, 48, 1, 2), 1, 0)  # A little beyond the last row, in the same chunk.
    def test_comes_out_of_the_cache_normalised(self, path: str, window: Window, factor: int, budget: int) -> None:
        source = RasterSource(path, factor=factor)
        raw = source.read(window)
        pixels, valid = ChunkCache([source], NORMAL, budget).read(window)
        np.testing.assert_allclose(pixels, NORMAL.apply(raw), atol=4e-3)
        np.testing.assert_array_equal(valid, np.isfinite(raw).any(axis=0))

    @settings(max_examples=30, deadline=None)
    @given(st.integers(-5, 3), st.integers(-5, 3), st.integers(-30, 30), st.integers(-30, 30))
    def test_over_the_borders_of_chunks_is_no_other(self, path: str, column: int, row: int, x: int, y: int) -> None:
        source = RasterSource(path)
        window = Window(column * CHUNK_PX + x, row * CHUNK_PX + y, CHUNK_PX + 17, CHUNK_PX + 31)
        pixels, _ = ChunkCache([source], NORMAL, 0).read(window)
        np.testing.assert_allclose(pixels, NORMAL.apply(source.read(window)), atol=4e-3)


class TestThePlanOfAnyArea:
    @thorough
    @given(st.integers(0, 10**6), st.integers(1, 10**5), st.integers(1, 10**5), st.integers(1, 254), st.integers(1, 32))
    def test_covers_it_with_tiles_that_fit_the_memory(
        self, column: int, width: int, height: int, classes: int, factor: int
    ) -> None:
        plan = TilePlan.for_area(Window(column, 0, width, height), classes, factor)
        assert (plan.columns - 1) * plan.stride < width <= plan.columns * plan.stride
        assert (plan.rows - 1) * plan.stride < height <= plan.rows * plan.stride
        assert plan.side % 32 == 0
        assert 0 < plan.ramp < plan.overlap
        assert 2 * plan.lead + plan.ramp == plan.overlap
        assert plan.side <= 64 or (4 * classes * plan.side**2 <= MOST_BYTES and (plan.side * factor) ** 2 <= MAX_FILE_PIXELS)


class TestAnyCrop:
    @thorough
    @given(st.integers(2, 40), scales, st.floats(0, 30), st.booleans(), seeds)
    def test_lies_in_its_window(
        self, size: int, between: tuple[float, float], farthest: float, rotate: bool, seed: int
    ) -> None:
        placement = random_placement(8, between, farthest, np.random.default_rng(seed), rotate)
        half, side = size / 2, window_side(size, between[1], farthest)
        corners = np.array([[[x, y] for x in (-half, half) for y in (-half, half)]] * 8)
        assert np.abs(placement.to_window(corners)).max() <= side / 2 + 1e-3

    @thorough
    @given(st.integers(2, 24), scales, st.floats(0, 10), seeds)
    def test_shows_what_lies_there(self, size: int, between: tuple[float, float], farthest: float, seed: int) -> None:
        generator = np.random.default_rng(seed)
        placement = random_placement(2, between, farthest, generator)
        side = window_side(size, between[1], farthest)
        # Two planes: bilinear interpolation gives them back exactly, wherever it is asked.
        along = torch.arange(side) + 0.5 - side / 2
        planes = torch.stack([along[None, :].expand(side, side), along[:, None].expand(side, side)])
        crops = resample(planes.expand(2, 2, side, side), placement, size).numpy()
        for i in range(2):
            for row in range(size):
                for column in range(size):
                    x, y = column + 0.5 - size / 2, row + 0.5 - size / 2
                    (a, b), (c, d) = placement.matrix[i].astype(float)
                    wanted = a * x + b * y + placement.shift[i, 0], c * x + d * y + placement.shift[i, 1]
                    assert crops[i, :, row, column] == pytest.approx(wanted, abs=2e-3 + 1e-5 * side)

    @thorough
    @given(st.integers(2, 64), scales, st.floats(0, 50), st.floats(-1e5, 1e5), st.floats(-1e5, 1e5), seeds)
    def test_is_found_again_from_the_raster(
        self, size: int, between: tuple[float, float], farthest: float, x: float, y: float, seed: int
    ) -> None:
        generator = np.random.default_rng(seed)
        placement = random_placement(1, between, farthest, generator)
        point = generator.uniform(-size / 2, size / 2, 2)
        dx, dy = placement.to_window(point[None, None])[0, 0]
        there = placement.to_crop(0, (x, y), size) @ (x + dx, y + dy)
        assert there == pytest.approx(point + size / 2, abs=1e-2)

    @thorough
    @given(st.integers(8, 64), scales, st.floats(0, 20), st.integers(1, 30), st.floats(0, 3), seeds)
    def test_shares_with_another_the_points_that_are_said_to_be_in_both(
        self, size: int, between: tuple[float, float], farthest: float, count: int, margin: float, seed: int
    ) -> None:
        generator = np.random.default_rng(seed)
        first, second = (random_placement(4, between, farthest, generator) for _ in range(2))
        one, two, seen = matched_points(first, second, size, count, margin, generator)
        assert one.shape == two.shape == (4, count, 2)
        ground = [placement.to_window(points * (size / 2)) for placement, points in ((first, one), (second, two))]
        np.testing.assert_allclose(ground[0], ground[1], atol=1e-2)
        limit = 1 - margin / (size / 2) + 1e-5
        assert (np.abs(one) <= limit).all()
        assert (np.abs(two[seen]) <= limit).all()
        assert (np.abs(two[~seen]).max(axis=-1, initial=1) > limit - 2e-5).all() or not (~seen).any()

    @thorough
    @given(scales, seeds)
    def test_can_be_turned_back(self, between: tuple[float, float], seed: int) -> None:
        placement = random_placement(16, between, 0.0, np.random.default_rng(seed))
        assert isinstance(placement, Placement)
        scale = np.sqrt(np.abs(np.linalg.det(placement.matrix.astype(float))))
        assert (scale >= between[0] * (1 - 1e-5)).all()
        assert (scale <= between[1] * (1 + 1e-5)).all()
        assert all(math.isfinite(v) for v in np.linalg.inv(placement.matrix.astype(float)).ravel())
