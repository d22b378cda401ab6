"""Scores of a map of change, against numbers counted by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_world import write_raster

from false_core.change.change_scores import change_scores, change_scores_of_files
from false_core.errors import InputError

SHOWN = np.array([[2, 2, 1, 1], [2, 1, 0, 3], [0, 0, 1, 1]], np.uint8)
CHANGED = np.array([[1, 0, 1, 0], [1, 0, 1, 1], [1, 0, 0, 0]], bool)


def test_they_are_those_counted_by_hand() -> None:
    found = change_scores(SHOWN, CHANGED)
    assert (found.hits, found.missed, found.false_alarms, found.pixels) == (3, 1, 1, 9)
    assert found.f1 == pytest.approx(6 / 8)
    assert found.precision == pytest.approx(3 / 4)
    assert found.recall == pytest.approx(3 / 4)
    assert found.false_alarm_share == pytest.approx(1 / 9)


def test_nothing_shown_and_nothing_changed_is_no_number() -> None:
    found = change_scores(np.ones((2, 2), np.uint8), np.zeros((2, 2), bool))
    assert all(np.isnan(value) for value in (found.f1, found.precision, found.recall))
    assert found.false_alarm_share == 0
    assert np.isnan(change_scores(np.zeros((1, 1), np.uint8), np.zeros((1, 1), bool)).false_alarm_share)


class TestOfFiles:
    def test_they_are_the_same(self, tmp_path: Path) -> None:
        shown = write_raster(tmp_path / "shown.tif", SHOWN[None], nodata=0)
        changed = write_raster(tmp_path / "changed.tif", CHANGED[None].astype(np.uint8))
        assert change_scores_of_files(shown, changed) == change_scores(SHOWN, CHANGED)

    def test_both_have_the_same_size(self, tmp_path: Path) -> None:
        shown = write_raster(tmp_path / "shown.tif", SHOWN[None])
        changed = write_raster(tmp_path / "changed.tif", CHANGED[None, :2].astype(np.uint8))
        with pytest.raises(InputError, match="must lie on the grid of the map"):
            change_scores_of_files(shown, changed)
