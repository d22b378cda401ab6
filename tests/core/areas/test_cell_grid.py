"""The cells of a grid: each once, and those under a shape."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from false_core.areas.cell_grid import CellGrid
from false_core.areas.pooling import AREA_TILE_PX
from false_core.raster.source import Window


@pytest.mark.thorough
@pytest.mark.parametrize("side", [5.0, 32.0, 76.8, 1000.0])
def test_strips_hold_each_cell_once(side: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("false_core.areas.cell_grid.CELLS_AT_ONCE", 2000)
    grid = CellGrid.over(side, Window(100, 50, 1500, 1250))
    strips = list(grid.strips())
    assert len(strips) > 1 or side > 50
    assert (np.concatenate(strips) == np.arange(grid.count)).all()
    boxes = grid.cells(np.arange(grid.count))
    assert shapely.union_all(boxes).contains(shapely.box(100, 50, 1600, 1300).buffer(-1e-6))
    assert shapely.area(boxes) == pytest.approx(side**2)


def test_strips_begin_with_a_row_of_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("false_core.areas.cell_grid.CELLS_AT_ONCE", 5000)
    grid = CellGrid.over(32.0, Window(0, 0, 3200, 5000))
    tops = [shapely.bounds(grid.cells(strip[:1]))[0, 1] for strip in grid.strips()]
    assert tops == [number * 2 * AREA_TILE_PX for number in range(4)]


@pytest.mark.parametrize(
    "shape",
    [
        shapely.box(100, 100, 300, 180), shapely.Point(333, 222).buffer(70), shapely.box(201, 201, 202, 202),
        shapely.box(-500, -500, -400, -400), shapely.box(550, 90, 900, 200), shapely.Polygon(),
    ],
)  # fmt: skip
def test_cells_under_a_shape_have_their_middle_in_it_or_hold_its_own(shape: shapely.Polygon) -> None:
    grid = CellGrid.over(50.0, Window(60, 60, 520, 400))
    boxes = grid.cells(np.arange(grid.count))
    middle = shapely.centroid(shape)
    expected = [n for n, box in enumerate(boxes) if shape.contains(box.centroid) or box.contains(middle)]
    assert sorted(grid.at(shape).tolist()) == expected
