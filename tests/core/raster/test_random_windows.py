"""Wherever a window lies, whatever its size and the working grid, it shows what plain arithmetic says lies there."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from small_world import write_raster

from false_core.raster.source import RasterSource, Window
from false_core.raster.statistics import Normalisation
from false_core.sampling.cache import CHUNK_PX, ChunkCache

WIDTH, HEIGHT, NODATA = 61, 47, 7
NORMAL = Normalisation((0.0, 0.0), (255.0, 255.0), (100.0, 50.0), (50.0, 25.0))
thorough = settings(max_examples=40, deadline=None)

windows = st.builds(Window, st.integers(-80, 130), st.integers(-80, 130), st.integers(1, 140), st.integers(1, 140))
factors = st.integers(1, 9)


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

    @pytest.mark.thorough
    @thorough
    @given(windows, factors, st.sampled_from([0, 10**9]))
    @example(Window(0, 48, 1, 2), 1, 0)  # A little beyond the last row, in the same chunk.
    def test_comes_out_of_the_cache_normalised(self, path: str, window: Window, factor: int, budget: int) -> None:
        source = RasterSource(path, factor=factor)
        raw = source.read(window)
        pixels, valid = ChunkCache([source], NORMAL, budget).read(window)
        np.testing.assert_allclose(pixels, NORMAL.apply(raw), atol=4e-3)
        np.testing.assert_array_equal(valid, np.isfinite(raw).any(axis=0))

    @pytest.mark.thorough
    @settings(max_examples=30, deadline=None)
    @given(st.integers(-5, 3), st.integers(-5, 3), st.integers(-30, 30), st.integers(-30, 30))
    def test_over_the_borders_of_chunks_is_no_other(self, path: str, column: int, row: int, x: int, y: int) -> None:
        source = RasterSource(path)
        window = Window(column * CHUNK_PX + x, row * CHUNK_PX + y, CHUNK_PX + 17, CHUNK_PX + 31)
        pixels, _ = ChunkCache([source], NORMAL, 0).read(window)
        np.testing.assert_allclose(pixels, NORMAL.apply(source.read(window)), atol=4e-3)
