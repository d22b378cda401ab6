"""Statistics of a raster are measured once, and again as soon as anything that decides them is another."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from small_world import Listener, textured_land, write_raster

from false_core.errors import InputError
from false_core.raster import kept_statistics
from false_core.raster import statistics as raster_statistics
from false_core.raster.kept_statistics import kept_or_measured_bands
from false_core.raster.source import RasterSource
from false_core.raster.statistics import MeasuredBands, measure_any_bands
from false_core.raster.working_grid import open_all


@pytest.fixture
def land(tmp_path: Path) -> np.ndarray:
    """Return four bands: the second is nodata everywhere, the last holds one value."""
    land = textured_land(bands=4, dtype="int16")
    land[1], land[3] = -9999, 7
    return land


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[RasterSource]:
    """Return the rasters that are measured, as they are; 1 GB may be kept."""
    monkeypatch.setenv("FALSE_DISK_GB", "1")
    monkeypatch.setenv("FALSE_DISK_FOLDER", str(tmp_path / "kept"))
    noted: list[RasterSource] = []

    def measure(sources: Any, *given: Any) -> MeasuredBands:
        noted.extend(sources)
        return measure_any_bands(sources, *given)

    monkeypatch.setattr(raster_statistics, "measure_any_bands", measure)
    monkeypatch.setattr(kept_statistics, "measure_any_bands", measure)
    return noted


def statistics(source: RasterSource, listener: Listener) -> MeasuredBands:
    return kept_or_measured_bands([source], [source.window_of(None)], listener.feedback)


def test_they_are_the_same_again_and_measured_once(
    land: np.ndarray, measured: list[RasterSource], tmp_path: Path, listener: Listener
) -> None:
    source = RasterSource(write_raster(tmp_path / "land.tif", land, nodata=-9999))
    first = statistics(source, listener)
    assert first == measure_any_bands([source], [source.window_of(None)], listener.feedback)
    assert first.filled == (0, 2, 3) and first.constant == (3,)
    assert statistics(RasterSource(source.path), listener) == first
    assert len(measured) == 1


def test_of_a_raster_without_a_valid_pixel_it_is_said_again_without_another_look(
    land: np.ndarray, measured: list[RasterSource], tmp_path: Path, listener: Listener
) -> None:
    path = write_raster(tmp_path / "empty.tif", np.full_like(land, -9999), nodata=-9999)
    for _ in range(2):
        with pytest.raises(InputError, match=r"no valid pixel in empty.tif. Everything is nodata or masked"):
            statistics(RasterSource(path), listener)
    assert len(measured) == 1


def test_what_decides_them_has_them_measured_again(
    land: np.ndarray, measured: list[RasterSource], tmp_path: Path, listener: Listener
) -> None:
    path = write_raster(tmp_path / "land.tif", land, nodata=-9999)
    first = statistics(RasterSource(path), listener)
    assert statistics(RasterSource(path, (1, 3)), listener).filled == (0, 1)
    assert statistics(RasterSource(path, factor=4), listener) != first
    assert statistics(RasterSource(f"{path}|nodata=7"), listener).filled == (0, 2)
    write_raster(tmp_path / "land.tif", land // 2, nodata=-9999)
    assert statistics(RasterSource(path), listener) != first
    assert len(measured) == 5


@pytest.mark.parametrize("changed", ["the innermost file", "the mask of that"])
def test_what_a_vrt_within_a_vrt_shows_decides_them(
    changed: str, land: np.ndarray, measured: list[RasterSource], tmp_path: Path, listener: Listener
) -> None:
    innermost = write_raster(tmp_path / "land.tif", land, nodata=-9999)
    for inner, outer in ((innermost, "inner.vrt"), (str(tmp_path / "inner.vrt"), "outer.vrt")):
        rasterio.shutil.copy(inner, tmp_path / outer, driver="VRT")
    path = str(tmp_path / "outer.vrt")
    first = statistics(RasterSource(path), listener)
    assert statistics(RasterSource(path), listener) == first and len(measured) == 1
    if changed == "the innermost file":
        write_raster(tmp_path / "land.tif", land // 2, nodata=-9999)
    else:
        write_raster(tmp_path / "land.tif.msk", np.full(land.shape[1:], 255, np.uint8)[None])
    statistics(RasterSource(path), listener)
    assert len(measured) == 2


def test_beside_a_raster_in_other_numbers_they_are_others(
    measured: list[RasterSource], tmp_path: Path, listener: Listener
) -> None:
    """Scale and type may be the same after numbers were changed and where they are taken as they are."""
    values = textured_land(bands=1, dtype="float32")
    own = write_raster(tmp_path / "own.tif", values)
    with rasterio.open(own, "r+") as file:
        file.scales = (0.1,)
    beside = [write_raster(tmp_path / "whole.tif", values.astype("uint8")), write_raster(tmp_path / "real.tif", values)]
    found = [statistics(open_all([other, own], (), listener.feedback)[1], listener).normalisation.mean for other in beside]
    assert len(measured) == 2 and found[0][0] == pytest.approx(10 * found[1][0], rel=1e-4)


@pytest.mark.parametrize("inside", ["/vsizip/{0}/land.tif", "/vsizip/{{{0}}}/land.tif"])
def test_a_raster_in_an_archive_is_another_one_when_the_archive_is(
    inside: str, land: np.ndarray, measured: list[RasterSource], tmp_path: Path, listener: Listener
) -> None:
    archive = tmp_path / "land.zip"
    path, found = inside.format(archive), []
    for divisor in (1, 2):
        file = write_raster(tmp_path / "land.tif", land // divisor, nodata=-9999)
        with zipfile.ZipFile(archive, "w") as written:
            written.write(file, "land.tif")
        found += [statistics(RasterSource(path), listener) for _ in range(2)]
    assert found[0] == found[1] != found[2] == found[3]
    assert len(measured) == 2


def test_those_of_a_raster_that_cannot_be_told_from_another_one_are_not_kept(
    land: np.ndarray, measured: list[RasterSource], tmp_path: Path, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = RasterSource(write_raster(tmp_path / "land.tif", land, nodata=-9999))
    source.files += ("/vsizip/gone.zip/land.tif",)
    assert statistics(source, listener) == statistics(source, listener)
    assert len(measured) == 2
    monkeypatch.setenv("FALSE_DISK_GB", "0")
    statistics(RasterSource(source.path), listener)
    assert len(measured) == 3
