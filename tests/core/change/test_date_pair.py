"""Two rasters become one pair of dates, and what is odd about them is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_world import Listener, write_raster

from false_core.change.date_pair import open_pair
from false_core.jobs import Change


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(1, 250, (5, 40, 40)).astype(np.uint8)


def test_one_raster_for_both_dates_is_said(pixels: np.ndarray, tmp_path: Path, listener: Listener) -> None:
    one, other = (write_raster(tmp_path / f"{name}.tif", pixels[:3]) for name in ("one", "other"))
    open_pair(Change(one, other, str(tmp_path / "change.tif")), None, listener.feedback)
    assert "both dates" not in listener.warnings
    open_pair(Change(one, one, str(tmp_path / "change.tif")), None, listener.feedback)
    assert "one.tif is given for both dates" in listener.warnings


def test_bands_of_the_later_date_that_are_left_out_are_said(pixels: np.ndarray, tmp_path: Path, listener: Listener) -> None:
    before, after = write_raster(tmp_path / "before.tif", pixels[:3]), write_raster(tmp_path / "after.tif", pixels)
    pair = open_pair(Change(before, after, str(tmp_path / "change.tif")), None, listener.feedback)
    assert pair.after.source.bands == pair.before.bands == (1, 2, 3)
    assert "after.tif: of its 5 bands, 1 to 3 are compared" in listener.infos
