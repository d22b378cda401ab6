"""A map of change has no change that is smaller than asked for, wherever it lies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_world import write_raster

from false_core.change.change_map import ChangeMap, ProbableChange
from false_core.change.change_probability import SCORE_NODATA, SCORE_STEPS
from false_core.change.date_classes import FoundChange
from false_core.change.from_to import CHANGED_CODE, NO_CHANGE_CODE
from false_core.feedback import Feedback
from false_core.raster.source import RasterSource

SIDE, ISLAND = 60, 5
UNCHANGED, CHANGED = -20 * SCORE_STEPS, 20 * SCORE_STEPS


def codes(scores: np.ndarray, folder: Path, minimum_area: float) -> np.ndarray:
    """Return the codes of the map that is made of scores, which fit into one block."""
    path = write_raster(folder / "scores.tif", scores[None].astype(np.int16), nodata=SCORE_NODATA)
    found = ChangeMap.of(ProbableChange(FoundChange(RasterSource(path), 0.1), 0.5), minimum_area, folder, Feedback())
    (part,) = list(found.windows())
    return part.codes


@pytest.fixture
def scores() -> np.ndarray:
    """Return scores of unchanged ground with a change, and of a changed island in the midst of nodata."""
    made = np.full((SIDE, SIDE), UNCHANGED)
    made[5:25, 5:25] = CHANGED
    made[35:55, 35:55] = SCORE_NODATA
    made[40 : 40 + ISLAND, 40 : 40 + ISLAND] = CHANGED
    return made


def test_a_small_island_in_the_midst_of_nodata_is_no_change(scores: np.ndarray, tmp_path: Path) -> None:
    pixel = RasterSource(write_raster(tmp_path / "one.tif", np.ones((1, 2, 2), np.uint8))).pixel_size ** 2
    found = codes(scores, tmp_path, (ISLAND**2 + 1) * pixel)
    assert (found[40 : 40 + ISLAND, 40 : 40 + ISLAND] == NO_CHANGE_CODE).all()
    assert (found[5:25, 5:25] == CHANGED_CODE).all()
    assert np.array_equal(found == 0, scores == SCORE_NODATA)


def test_one_that_is_as_large_as_asked_for_stays(scores: np.ndarray, tmp_path: Path) -> None:
    pixel = RasterSource(write_raster(tmp_path / "one.tif", np.ones((1, 2, 2), np.uint8))).pixel_size ** 2
    assert (codes(scores, tmp_path, ISLAND**2 * pixel)[40 : 40 + ISLAND, 40 : 40 + ISLAND] == CHANGED_CODE).all()
