"""The report of a map shows the map as it is, beside its raster, and counts it right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from false_core.mapping import map_overview
from false_core.mapping.map_overview import MapOverview
from false_core.raster.classes import ClassTable, LandCoverClass
from false_core.raster.source import Window

CLASSES = ClassTable((LandCoverClass(1, "water", "#0000ff"), LandCoverClass(7, "forest", "#00ff00")))


def overview_of(codes: np.ndarray, block: int, factor: int = 1) -> MapOverview:
    """Return the overview of a map that is written block by block, beside a raster that is bright where there is forest."""
    height, width = codes.shape
    overview = MapOverview(Window(0, 0, width, height), CLASSES)
    other_half = MapOverview(Window(0, 0, width, height), CLASSES)
    bright = np.where(codes == 7, 2.5, -2.5)[None, ::factor, ::factor].astype(np.float32)
    for row in range(0, height, block):
        for column in range(0, width, block):
            part = codes[row : row + block, column : column + block]
            place = Window(column, row, part.shape[1], part.shape[0])
            rows, columns = overview.shown(place)
            seen = bright[:, rows[:, None] // factor, columns // factor]
            (overview if row == 0 else other_half).add(place, part, seen)
    rest = Window(0, block, width, max(0, height - block))
    overview.put(rest, other_half.strip_overview(rest))
    return overview


@pytest.fixture
def codes() -> np.ndarray:
    squares = np.random.default_rng(0).choice([0, 1, 7], (31, 53)).astype("uint8")
    return squares.repeat(4, 0).repeat(4, 1)[:, :-3]


@pytest.mark.parametrize(("block", "factor"), [(124, 1), (8, 1), (20, 4), (12, 2)])
@pytest.mark.parametrize("longest", [900, 50, 7])
def test_the_picture_is_the_map_thinned_however_it_was_written(
    codes: np.ndarray, block: int, factor: int, longest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(map_overview, "PICTURE_SIDE_PX", longest)
    overview = overview_of(codes, block, factor)
    assert [overview.pixels[code] for code in (0, 1, 7)] == [(codes == code).sum() for code in (0, 1, 7)]
    assert overview.classified == (codes > 0).sum() and overview.total == codes.size
    step = -(-codes.shape[1] // longest) if codes.shape[1] > longest else 1
    rows = np.minimum(np.arange(0, codes.shape[0], step) + step // 2, codes.shape[0] - 1)
    columns = np.minimum(np.arange(0, codes.shape[1], step) + step // 2, codes.shape[1] - 1)
    thinned = codes[np.ix_(rows, columns)]
    colours = {0: (255, 255, 255), 1: (0, 0, 255), 7: (0, 255, 0)}
    np.testing.assert_array_equal(overview._coloured(), np.vectorize(colours.get, otypes=[object])(thinned).tolist())
    brightness = {0: 255, 1: 0, 7: 255}
    np.testing.assert_array_equal(overview._image[..., 0], np.vectorize(brightness.get)(thinned))


def test_the_legend_names_what_is_there(codes: np.ndarray, tmp_path: Path) -> None:
    assert "water" in (drawn := overview_of(codes, 40).draw()) and "forest" in drawn
    assert "water" not in overview_of(np.full((9, 9), 7, np.uint8), 3).draw()
