"""Where features of areas lie that the memory is not to hold, and what is kept of them."""

from __future__ import annotations

import errno
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
import torch
from small_world import Listener, write_raster

from false_core.areas import kept_features
from false_core.areas.cell_grid import CellGrid
from false_core.areas.kept_features import CellsOfStrip, features_of, fill_features_of_strip, table_of_features
from false_core.areas.pooling import Pooling
from false_core.errors import OutputError
from false_core.models import feature_identity
from false_core.models.area_classifier import AreaEncoder
from false_core.raster.source import RasterSource
from false_core.raster.statistics import Normalisation


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the temporary folder, beside the one of the output; every table is taken to be large."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr(kept_features, "MOST_FEATURES_IN_MEMORY", 0)
    return folder


def refuse(monkeypatch: pytest.MonkeyPatch, number: int, tables: int) -> list[str]:
    """Let the first tables fail to be mapped into the memory. Return the folders of files, as they are made."""
    folders: list[str] = []
    mapped, opened = np.memmap, tempfile.TemporaryFile

    def memmap(*given: Any, **more: Any) -> Any:
        if len(folders) <= tables:
            raise OSError(number, "it is refused")
        return mapped(*given, **more)

    def temporary_file(**given: Any) -> Any:
        folders.append(str(given["dir"]))
        return opened(**given)

    monkeypatch.setattr(np, "memmap", memmap)
    monkeypatch.setattr(tempfile, "TemporaryFile", temporary_file)
    return folders


def test_a_table_that_the_folder_of_the_output_cannot_hold_lies_in_the_temporary_one(
    temporary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = refuse(monkeypatch, errno.ENODEV, 1)
    table = table_of_features(5, 3, tmp_path)
    table[2] = 1
    assert folders == [str(tmp_path), str(temporary)]
    assert np.isnan(table[[0, 1, 3, 4]]).all() and (table[2] == 1).all()
    del table
    assert not list(temporary.iterdir())


def test_one_that_neither_of_them_can_hold_is_refused_with_the_reason(
    temporary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch, errno.ENODEV, 2)
    with pytest.raises(OutputError, match=r"seen of 5 areas cannot be kept in .*temporary: it is refused"):
        table_of_features(5, 3, tmp_path)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_no_room_is_said_where_there_is_none(
    number: int, temporary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = refuse(monkeypatch, number, 1)
    with pytest.raises(OutputError, match="There is no room in"):
        table_of_features(5, 3, tmp_path)
    assert folders == [str(tmp_path)]


@pytest.fixture
def pooling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listener: Listener) -> Pooling:
    """Return an encoder that looks at a raster; 1 GB may be kept."""
    monkeypatch.setenv("FALSE_DISK_GB", "1")
    monkeypatch.setenv("FALSE_DISK_FOLDER", str(tmp_path / "kept"))
    source = RasterSource(write_raster(tmp_path / "land.tif", np.ones((1, 64, 64), np.uint8)))
    encoder = AreaEncoder(["resnet18"], [False], (1,), 1).eval()
    normalisation = Normalisation((0.0,), (2.0,), (1.0,), (1.0,))
    return Pooling(encoder, source, normalisation, torch.device("cpu"), listener.feedback)


@pytest.mark.thorough
def test_what_decides_them_is_looked_up_once_for_all_strips(
    pooling: Pooling, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a mosaic of thousands of files and a large network it takes long."""
    looked_up: list[RasterSource] = []
    facts = feature_identity.facts_of_pixels
    monkeypatch.setattr(feature_identity, "facts_of_pixels", lambda source: looked_up.append(source) or facts(source))
    grid = CellGrid.over(8, pooling.source.window_of(None))
    strips = [CellsOfStrip(strip, grid, np.array([0, 2])) for strip in np.split(np.arange(grid.count), 4)]
    table = table_of_features(8, pooling.width, tmp_path)
    for number, cells in enumerate(strips):
        fill_features_of_strip(pooling, cells, table, 2 * number)
    assert looked_up == [pooling.source] and not np.isnan(table).any()


@pytest.mark.thorough
def test_nothing_is_kept_of_a_raster_that_cannot_be_told_from_another_one(
    pooling: Pooling, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    area = np.array([shapely.box(3, 3, 60, 60)])
    looked_at: list[int] = []
    over = Pooling.over
    monkeypatch.setattr(Pooling, "over", lambda self, *given: looked_at.append(1) or over(self, *given))
    first = features_of(pooling, area, tmp_path)
    assert (features_of(pooling, area, tmp_path) == first).all() and len(looked_at) == 1
    pooling.source.files += ("/vsizip/gone.zip/land.tif",)
    pooling = replace(pooling)  # Another run.
    assert (features_of(pooling, area, tmp_path) == first).all() and len(looked_at) == 2
    features_of(pooling, area, tmp_path)
    assert len(looked_at) == 3
