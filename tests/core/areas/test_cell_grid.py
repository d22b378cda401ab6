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
        shapely.box(175, 150, 225, 200), shapely.box(175, 175, 225, 225), shapely.box(154, 150, 204, 200),
    ],
)  # fmt: skip
def test_cells_under_a_shape_are_those_that_share_more_than_a_part_with_it(shape: shapely.Polygon) -> None:
    grid = CellGrid.over(50.0, Window(60, 60, 520, 400))
    boxes = grid.cells(np.arange(grid.count))
    expected = [n for n, box in enumerate(boxes) if box.intersection(shape).area > 0.1 * min(2500.0, shape.area)]
    assert sorted(grid.at(shape, 0.1).tolist()) == expected


def test_a_long_thin_shape_has_at_least_one_cell() -> None:
    grid = CellGrid.over(50.0, Window(0, 0, 2000, 500))
    assert grid.at(shapely.box(20, 220, 2000, 221), 0.1).size > 0


@pytest.mark.parametrize(
    ("column", "row", "cells"), [(4.0, 3.5, 2), (4.0, 4.0, 4), (4.5, 4.5, 1), (4.45, 4.45, 1), (4.3, 4.5, 2)]
)
def test_cells_around_a_point_are_those_beside_it(column: float, row: float, cells: int) -> None:
    grid = CellGrid.over(50.0, Window(0, 0, 500, 500))
    around = shapely.box(50 * column - 25, 50 * row - 25, 50 * column + 25, 50 * row + 25)
    assert len(grid.at(around, 0.1)) == cells
