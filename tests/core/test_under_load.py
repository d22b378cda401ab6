"""More labels, more vertices and more classes than anybody digitises by hand are read, or refused in so many words."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import shapely
from affine import Affine
from small_world import GRID, Listener, on_map, write_labels, write_raster
from sparse_land import run_until, write_sparse, write_untrained

from false_core.errors import InputError
from false_core.jobs import Classify, to_json
from false_core.labels.reading import read_annotation
from false_core.labels.split import split
from false_core.raster.classes import MOST_CLASSES
from false_core.raster.source import RasterSource

pytestmark = pytest.mark.thorough

SIDE = 1000


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> RasterSource:
    return RasterSource(write_raster(tmp_path_factory.mktemp("load") / "r.tif", np.ones((1, SIDE, SIDE), "uint8")))


def to_map(shapes: np.ndarray) -> np.ndarray:
    """Return shapes in pixel coordinates as they lie on the map."""
    a, b, c, d, e, f = GRID[:6]
    return np.asarray(shapely.transform(shapes, lambda xy: xy @ np.array([[a, d], [b, e]]) + np.array([c, f])))


def star(points: int, x: float, y: float, radius: float) -> shapely.Polygon:
    """Return a polygon of so many vertices, with a finely toothed outline."""
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    r = radius * (1 + 0.02 * np.sin(50 * angle))
    return shapely.Polygon(np.column_stack([x + r * np.cos(angle), y + r * np.sin(angle)]))


def test_ten_thousand_polygons(tmp_path: Path, source: RasterSource, listener: Listener) -> None:
    corners = np.random.default_rng(0).uniform(0, SIDE - 6, (10_000, 2))
    boxes = to_map(shapely.box(corners[:, 0], corners[:, 1], corners[:, 0] + 5, corners[:, 1] + 5))
    path = write_labels(tmp_path / "many.gpkg", [f"class {k % 9}" for k in range(10_000)], boxes)
    annotation = read_annotation(path, "cover", source, [], listener.feedback)
    assert len(annotation.shapes) == 10_000
    assert len(annotation.classes) == 9
    # What lies in a patch is found without looking at all of them: the union of all boxes, by numpy.
    everything = np.zeros((SIDE, SIDE), bool)
    for x, y in corners:
        inside = [slice(int(np.ceil(v - 0.5)), int(np.ceil(v + 5 - 0.5))) for v in (y, x)]
        everything[inside[0], inside[1]] = True
    burnt = annotation.burn(Affine.translation(-300, -400), 128, 128)
    np.testing.assert_array_equal(burnt != 255, everything[400:528, 300:428])
    training, held_out = split(annotation, 0.2, SIDE, SIDE, 0)
    assert 0.1 < len(held_out.shapes) / 10_000 < 0.3
    assert len(training.shapes) + len(held_out.shapes) == 10_000


def test_one_polygon_of_a_million_vertices(tmp_path: Path, source: RasterSource, listener: Listener) -> None:
    large, small = star(1_000_000, 500, 500, 300), star(100, 50, 50, 30)
    path = write_labels(tmp_path / "large.gpkg", ["lake", "land"], to_map(np.array([large, small])))
    tracemalloc.start()
    annotation = read_annotation(path, "cover", source, [], listener.feedback)
    burnt = annotation.burn(Affine.identity(), SIDE, SIDE)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    lake = next(index for index, c in enumerate(annotation.classes) if c.name == "lake")
    assert (burnt == lake).sum() == pytest.approx(large.area, rel=1e-3)
    assert peak < 1_000_000_000
    # Cut into squares, it keeps its area.
    pieces = annotation.cut(SIDE / 8)
    assert pieces.pixels[pieces.targets == lake].sum() == pytest.approx(large.area, rel=1e-6)


def test_a_million_vertices_that_cross_each_other(tmp_path: Path, source: RasterSource, listener: Listener) -> None:
    # As a shaky hand or a tracing tool leaves them: every hundredth tooth folds back.
    angle = np.linspace(0, 2 * np.pi, 100_000, endpoint=False)
    angle[::100] -= 3e-4
    ring = np.column_stack([500 + 300 * np.cos(angle), 500 + 300 * np.sin(angle)])
    path = write_labels(
        tmp_path / "shaky.gpkg", ["lake", "land"], to_map(np.array([shapely.Polygon(ring), star(100, 50, 50, 30)]))
    )
    annotation = read_annotation(path, "cover", source, [], listener.feedback)
    assert annotation.pixels.max() == pytest.approx(np.pi * 300**2, rel=1e-3)


@pytest.mark.parametrize("classes", [MOST_CLASSES, 500])
def test_the_most_classes_are_mapped_and_more_are_refused(
    tmp_path: Path, source: RasterSource, listener: Listener, classes: int
) -> None:
    points = [on_map(shapely.Point(3 * (k % 300) + 1, 5 * (k // 300) + 1)) for k in range(classes)]
    path = write_labels(tmp_path / "classes.gpkg", [f"class {k}" for k in range(classes)], points)
    if classes <= MOST_CLASSES:
        assert len(read_annotation(path, "cover", source, [], listener.feedback).classes) == classes
        return
    with pytest.raises(InputError, match="has 500 different values; a map can hold 254.*merge classes"):
        read_annotation(path, "cover", source, [], listener.feedback)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_a_sparse_raster_is_gone_on_with_and_takes_no_more_memory_than_a_small_one(tmp_path: Path) -> None:
    # benchmarks/sparse_raster.py does the same with 10^10 pixels.
    model = write_untrained(tmp_path / "model.safetensors", 32.0)
    jobs = {
        side: Classify(
            write_sparse(tmp_path / f"{side}.tif", side, 4), model, str(tmp_path / f"{side} map.tif"), device="cpu"
        )
        for side in (6_000, 40_000)
    }
    small = run_until(to_json(jobs[6_000]), 2.0, tmp_path / "cache")
    begun = run_until(to_json(jobs[40_000]), 0.4, tmp_path / "cache")
    resumed = run_until(to_json(jobs[40_000]), 0.5, tmp_path / "cache")
    assert (small.code, begun.code, resumed.code) == (0, -9, -9)
    assert resumed.kept[0] > 0
    # GDAL's cache of decoded blocks, 160 MB, fills up with the larger one alone.
    assert max(begun.peak_mb, resumed.peak_mb) - small.peak_mb < 250


def test_more_features_than_are_read_as_a_whole(
    tmp_path: Path, source: RasterSource, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("false_core.labels.label_file.MOST_FEATURES", 100)
    points = [on_map(shapely.Point(k, k)) for k in range(101)]
    path = write_labels(tmp_path / "many.gpkg", ["a", "b"] * 50 + ["a"], points)
    with pytest.raises(InputError, match="holds more than 100 features"):
        read_annotation(path, "cover", source, [], listener.feedback)
