"""The cells of a grid: each once, and those under a shape."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio
import shapely
from small_world import Listener, write_raster

from false_core.areas.cell_grid import CellGrid
from false_core.areas.find_similar import _Search
from false_core.areas.layer import make_cells
from false_core.areas.pooling import AREA_TILE_PX
from false_core.errors import InputError
from false_core.raster.source import RasterSource, Window


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


def search(side: float, listener: Listener) -> _Search:
    return _Search(None, {}, None, side, Path(), listener.feedback)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("crs", "left", "top", "pixel"),
    [
        ("EPSG:32633", 500_000, 5_550_000, 1.0),  # Metres
        ("EPSG:2263", 980_000, 200_000, 3.0),  # Feet of the United States
        ("EPSG:3857", 1_670_000, 6_460_000, 1.5),  # Metres of the equator, in the north
        ("EPSG:4326", 15, 50.1, 1e-5),  # Degrees
    ],
)
def test_a_cell_has_its_side_in_metres_of_ground_whatever_the_unit_of_the_crs(
    crs: str, left: float, top: float, pixel: float, tmp_path: Path, listener: Listener
) -> None:
    transform = rasterio.transform.from_origin(left, top, pixel, pixel)
    path = write_raster(tmp_path / "land.tif", np.ones((1, 120, 120), np.uint8), crs=crs, transform=transform)
    source = RasterSource(path)
    cells = make_cells(40.0, None, source)
    on_earth = cells.table.to_crs(4326).geometry.iloc[0]
    area, _ = pyproj.Geod(ellps="WGS84").geometry_area_perimeter(on_earth)
    assert abs(area) == pytest.approx(40.0**2, rel=0.01)
    grid = search(40.0, listener).grids([source], None)[0].grid
    assert shapely.equals_exact(grid.cells(np.arange(grid.count)), cells.shapes, 1e-9).all()
    with pytest.raises(InputError, match="Cells of 0.005 m would be"):
        make_cells(0.005, None, source)
    with pytest.raises(InputError, match="Cells of 0.005 m would be"):
        search(0.005, listener).grids([source], None)
    with pytest.raises(InputError, match=r"A cell of 9000 m is far larger than land.tif, of which \d+(\.\d+)? m are used"):
        make_cells(9000.0, None, source)


@pytest.mark.parametrize(("transform", "columns"), [(None, 3), (rasterio.transform.from_origin(7, 9, 0.5, 0.5), 2)])
def test_without_a_crs_a_cell_has_its_side_in_the_units_of_the_raster(
    transform: rasterio.Affine | None, columns: int, tmp_path: Path, listener: Listener
) -> None:
    path = write_raster(tmp_path / "land.tif", np.ones((1, 120, 120), np.uint8), crs=None, transform=transform)
    source = RasterSource(path)
    cells = make_cells(40.0, None, source)
    assert cells.table.crs is None
    assert cells.table.area.to_numpy() == pytest.approx(40.0**2)
    assert len(cells.shapes) == columns**2 == search(40.0, listener).grids([source], None)[0].grid.count
    with pytest.raises(InputError, match="Cells of 0.001 CRS units would be"):
        make_cells(0.001, None, source)
