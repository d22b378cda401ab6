"""Labels lie where they belong also where longitudes are counted in another way than in the raster."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyproj
import pytest
import shapely
from affine import Affine
from small_world import Listener, pixel_box, write_labels, write_raster

from false_core.jobs import parse_extent
from false_core.labels.reading import read_annotation
from false_core.raster.source import RasterSource, Window


def raster(folder: Path, left: float, crs: str = "EPSG:4326", pixel: float = 1e-3) -> RasterSource:
    grid = Affine(pixel, 0, left, 0, -pixel, 10)
    return RasterSource(write_raster(folder / "r.tif", np.ones((1, 60, 80), "uint8"), crs=crs, transform=grid))


@pytest.mark.thorough
@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:32602"])
@pytest.mark.parametrize(("left", "turn"), [(190.0, -360.0), (-170.0, 360.0), (-170.0, 0.0)])
def test_labels_are_found(tmp_path: Path, listener: Listener, crs: str, left: float, turn: float) -> None:
    source = raster(tmp_path, left)
    boxes = [pixel_box(10, 10, 20, 20), pixel_box(50, 30, 8, 8)]
    move = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True)

    def on_map(xy: np.ndarray) -> np.ndarray:
        lon, lat = np.array([source.transform * (x, y) for x, y in xy]).T
        lon = lon + turn if crs == "EPSG:4326" else (lon + 180) % 360 - 180
        return np.column_stack(move.transform(lon, lat))

    path = write_labels(tmp_path / "l.gpkg", ["a", "b"], [shapely.transform(box, on_map) for box in boxes], crs)
    read = read_annotation(path, "cover", source, (), listener.feedback)
    np.testing.assert_allclose(shapely.bounds(read.shapes), shapely.bounds(boxes), atol=0.02)


def test_labels_that_lie_elsewhere_stay_there(tmp_path: Path, listener: Listener) -> None:
    source = raster(tmp_path, 190.0)
    there = [
        shapely.box(-169.99, 9.97, -169.98, 9.98),
        shapely.box(-169.96, 9.97, -169.95, 9.98),
        shapely.box(10, 9, 11, 10),
    ]
    path = write_labels(tmp_path / "l.gpkg", ["a", "b", "c"], there, "EPSG:4326")
    read = read_annotation(path, "cover", source, (), listener.feedback)
    assert len(read.shapes) == 2
    assert "1 of 3 label shapes lie outside the raster" in listener.infos


def test_a_label_across_the_date_line_may_be_in_two_parts(tmp_path: Path, listener: Listener) -> None:
    source = raster(tmp_path, 179.96)
    whole = shapely.MultiPolygon([shapely.box(179.98, 9.97, 180, 9.98), shapely.box(-180, 9.97, -179.98, 9.98)])
    labels = [whole, shapely.box(179.97, 9.95, 179.98, 9.96), None, shapely.Polygon()]
    path = write_labels(tmp_path / "l.gpkg", ["a", "b", "c", "d"], labels, "EPSG:4326")
    read = read_annotation(path, "cover", source, (), listener.feedback)
    np.testing.assert_allclose(shapely.total_bounds(read.shapes[read.targets == 0]), (20, 20, 60, 30), atol=0.02)
    np.testing.assert_allclose(shapely.total_bounds(read.shapes[read.targets == 1]), (10, 40, 20, 50), atol=0.02)


@pytest.mark.parametrize(("left", "text"), [(190, "-169.99,-169.97,9.96,9.98"), (-170, "190.01,190.03,9.96,9.98")])
def test_extents_are_found(tmp_path: Path, left: float, text: str) -> None:
    source = raster(tmp_path, left)
    assert source.window_of(parse_extent(f"{text} [EPSG:4326]")) == Window(10, 20, 20, 20)
    assert source.window_of(parse_extent(text)) == Window(10, 20, 20, 20)


def test_in_grads_a_turn_has_400(tmp_path: Path) -> None:
    source = raster(tmp_path, 399.0, "EPSG:4807")
    assert source.window_of(parse_extent("-0.99,-0.97,9.96,9.98")) == Window(10, 20, 20, 20)
