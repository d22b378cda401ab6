"""A raster on the grid of another one shows what lies there, wherever its own pixels lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio.warp
from affine import Affine
from small_world import CRS, GRID, LEFT, TOP, Listener, write_raster

from false_core.errors import InputError
from false_core.raster.image_on_grid import ImageOnGrid
from false_core.raster.source import RasterSource, Window

SIZE = 60


@pytest.fixture
def grid(tmp_path: Path) -> RasterSource:
    return RasterSource(write_raster(tmp_path / "grid.tif", np.ones((1, SIZE, SIZE), np.uint8)))


def slope(transform: Affine, width: int, height: int, to_utm: str | None = None) -> np.ndarray:
    """Return what a slope over the map is at the middles of pixels: a metre east is 1 more, a metre south 2 more."""
    columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    x, y = transform * (columns, rows)
    if to_utm:
        x, y = (
            np.array(values).reshape(height, width) for values in rasterio.warp.transform(to_utm, CRS, x.ravel(), y.ravel())
        )
    return ((x - LEFT) + 2 * (TOP - y))[None].astype(np.float32)


def test_on_the_same_grid_pixels_are_as_they_are(tmp_path: Path, grid: RasterSource) -> None:
    pixels = np.random.default_rng(0).normal(size=(2, SIZE, SIZE)).astype(np.float32)
    image = ImageOnGrid(RasterSource(write_raster(tmp_path / "a.tif", pixels)), grid, Listener().feedback)
    assert np.array_equal(image.read(Window(5, 7, 20, 10)), pixels[:, 7:17, 5:25])
    assert image.extent_on_grid() == Window(0, 0, SIZE, SIZE)


def test_a_raster_that_lies_some_pixels_beside_is_not_resampled(tmp_path: Path, grid: RasterSource) -> None:
    pixels = np.random.default_rng(0).normal(size=(1, SIZE, SIZE)).astype(np.float32)
    beside = GRID * Affine.translation(10, -20)
    image = ImageOnGrid(RasterSource(write_raster(tmp_path / "a.tif", pixels, transform=beside)), grid, Listener().feedback)
    found = image.read(Window(0, 0, SIZE, SIZE))
    assert np.array_equal(found[:, :40, 10:], pixels[:, 20:, :50])
    assert np.isnan(found[:, 40:]).all()
    assert np.isnan(found[:, :, :10]).all()
    assert image.extent_on_grid() == Window(10, 0, 50, 40)


def test_without_a_way_from_one_crs_to_the_other_it_is_said_which_rasters_these_are(
    tmp_path: Path, grid: RasterSource
) -> None:
    site = 'LOCAL_CS["building site",UNIT["metre",1]]'
    image = write_raster(tmp_path / "site.tif", np.ones((1, SIZE, SIZE), np.uint8), crs=site)
    with pytest.raises(InputError, match="site.tif cannot be brought to the grid of grid.tif.*right CRS") as refused:
        ImageOnGrid(RasterSource(image), grid, Listener().feedback)
    assert refused.value.remedy == "Check that both rasters have the right CRS."


@pytest.mark.parametrize("crs", [CRS, "EPSG:4326", None])
@pytest.mark.parametrize("pixel", [0.5, 0.9, 1.7])
def test_a_slope_is_the_same_slope(tmp_path: Path, crs: str | None, pixel: float) -> None:
    own = Affine(pixel, 0, LEFT - 8.3, 0, -pixel, TOP + 9.1)
    side = int(90 / pixel)
    if crs == "EPSG:4326":
        box = rasterio.warp.transform_bounds(CRS, crs, LEFT - 10, TOP - 80, LEFT + 80, TOP + 10)
        step = pixel / 100_000
        own, side = Affine(step, 0, box[0], 0, -step, box[3]), int(max(box[2] - box[0], box[3] - box[1]) / step)
    values = slope(own, side, side, "EPSG:4326" if crs == "EPSG:4326" else None)
    grid = RasterSource(
        write_raster(tmp_path / "grid.tif", np.ones((1, SIZE, SIZE), np.uint8), crs=None if crs is None else CRS)
    )
    other = RasterSource(write_raster(tmp_path / "a.tif", values, crs=crs, transform=own))
    image = ImageOnGrid(other, grid, Listener().feedback)
    found = image.read(Window(12, 8, 30, 40))
    expected = slope(GRID, SIZE, SIZE)[:, 8:48, 12:42]
    assert np.abs(found - expected).max() < 0.2
    # Whatever the window, a pixel is the same.
    assert np.allclose(image.read(Window(20, 10, 5, 5)), found[:, 2:7, 8:13], atol=1e-3)


def test_a_finer_raster_is_averaged(tmp_path: Path, grid: RasterSource) -> None:
    pixels = np.random.default_rng(0).normal(size=(1, 4 * SIZE, 4 * SIZE)).astype(np.float32)
    fine = RasterSource(write_raster(tmp_path / "a.tif", pixels, transform=GRID * Affine.scale(0.25)))
    found = ImageOnGrid(fine, grid, Listener().feedback).read(Window(0, 0, SIZE, SIZE))
    assert np.allclose(found[0], pixels.reshape(SIZE, 4, SIZE, 4).mean(axis=(1, 3)), atol=1e-5)


def test_nodata_stays_nodata_and_does_not_spread(tmp_path: Path, grid: RasterSource) -> None:
    pixels = np.full((1, SIZE, SIZE), 5, np.float32)
    mask = np.full((SIZE, SIZE), 255, np.uint8)
    mask[20:30, 20:30] = 0
    half = GRID * Affine.translation(0.5, 0.5)
    source = RasterSource(write_raster(tmp_path / "a.tif", pixels, mask, transform=half))
    found = ImageOnGrid(source, grid, Listener().feedback).read(Window(0, 0, SIZE, SIZE))[0]
    assert np.isnan(found[22:29, 22:29]).all()
    assert np.allclose(found[np.isfinite(found)], 5)
    assert np.isfinite(found[2:19, 2:19]).all()


def test_one_without_a_crs_is_taken_to_be_in_the_same_coordinates_and_it_is_said(tmp_path: Path, grid: RasterSource) -> None:
    listener = Listener()
    pixels = np.full((1, SIZE, SIZE), 5, np.float32)
    image = ImageOnGrid(RasterSource(write_raster(tmp_path / "a.tif", pixels, crs=None)), grid, listener.feedback)
    assert (image.read(Window(0, 0, 4, 4)) == 5).all()
    assert "taken to be in the same coordinates" in listener.warnings


def test_a_crs_that_cannot_be_right_is_an_error_before_memory_is_full(
    tmp_path: Path, grid: RasterSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("false_core.raster.image_on_grid.MOST_PIXELS_OF_A_WINDOW", 100)
    third = GRID * Affine.translation(0.3, 0.3)
    other = RasterSource(write_raster(tmp_path / "a.tif", np.ones((1, SIZE, SIZE), np.uint8), transform=third))
    with pytest.raises(InputError, match="Check that both rasters have the right CRS"):
        ImageOnGrid(other, grid, Listener().feedback).read(Window(0, 0, SIZE, SIZE))
