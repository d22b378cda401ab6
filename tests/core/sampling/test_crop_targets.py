"""Targets cut out of labels that were burned once are those of labels burned into each crop, up to their edges."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely
from small_world import write_raster

from false_core.labels.annotation import IGNORE, Annotation
from false_core.raster.classes import ClassTable, LandCoverClass
from false_core.raster.source import RasterSource
from false_core.sampling.crop_targets import CropTargets
from false_core.sampling.geometry import random_placement, window_side

SIDE, SIZE, SCALES = 700, 96, (0.7, 1.4)
CLASSES = ClassTable(tuple(LandCoverClass(code, str(code), "#808080") for code in range(1, 5)))


@pytest.fixture
def source(tmp_path: Path) -> RasterSource:
    return RasterSource(write_raster(tmp_path / "r.tif", np.ones((1, SIDE, SIDE), "uint8")))


def labels(*shapes: list[shapely.Geometry]) -> Annotation:
    every = np.array([shape for group in shapes for shape in group], dtype=object)
    every = every[np.argsort(-shapely.area(every), kind="stable")]
    return Annotation(CLASSES, every, np.arange(len(every)) % 4, shapely.STRtree(every))


def polygons(smallest: float, largest: float, number: int = 60) -> list[shapely.Geometry]:
    chance = np.random.default_rng(1)
    made = []
    for _ in range(number):
        angles, radius = np.sort(chance.uniform(0, 2 * np.pi, 12)), chance.uniform(smallest, largest)
        made.append(shapely.Polygon(chance.uniform(0, SIDE, 2) + radius * np.stack([np.cos(angles), np.sin(angles)], -1)))
    return made


def points(number: int = 300) -> list[shapely.Geometry]:
    return list(shapely.points(np.random.default_rng(2).uniform(0, SIDE, (number, 2))))


def lines(number: int = 40) -> list[shapely.Geometry]:
    chance = np.random.default_rng(3)
    return [shapely.LineString(chance.uniform(0, SIDE, 2) + chance.uniform(-30, 30, (4, 2))) for _ in range(number)]


def burned(annotation: Annotation, source: RasterSource) -> tuple[np.ndarray, np.ndarray]:
    """Return targets cut out, and the same burned crop by crop."""
    chance, side = np.random.default_rng(4), window_side(SIZE, SCALES[1], 0.0)
    placement = random_placement(40, SCALES, 0.0, chance)
    corners = chance.integers(-40, SIDE - side + 40, (40, 2))
    found = CropTargets(annotation, source, SCALES[1]).of(placement, corners, side, SIZE)
    exact = [
        annotation.burn(placement.to_crop(crop, (column + side / 2, row + side / 2), SIZE), SIZE, SIZE)
        for crop, (column, row) in enumerate(corners.tolist())
    ]
    return found, np.stack(exact)


@pytest.mark.parametrize(
    "shapes",
    [points(), lines(), polygons(0.4, 1.1), [*points(), *lines()]],
    ids=["points", "lines", "small polygons", "points and lines"],
)
def test_of_small_shapes_are_the_same_to_the_pixel(source: RasterSource, shapes: list[shapely.Geometry]) -> None:
    found, exact = burned(labels(shapes), source)
    assert (exact != IGNORE).any()
    np.testing.assert_array_equal(found, exact)


def test_differ_at_edges_alone_and_not_to_one_side(source: RasterSource) -> None:
    every = labels(polygons(5, 60), points(), lines(10))
    found, exact = burned(every, source)
    labelled = (exact != IGNORE).sum()
    assert labelled > found.size / 4
    assert (found != exact).sum() < 0.02 * labelled
    assert abs(int((found != IGNORE).sum()) - int(labelled)) < 0.002 * labelled
    # No pixel differs whose neighbours all agree: an edge is nowhere a pixel off.
    inside = np.ones(exact.shape, bool)
    for shift in (-1, 1):
        for axis in (1, 2):
            inside &= np.roll(exact, shift, axis) == exact
    assert not (found != exact)[inside].any()


def test_beyond_the_raster_and_the_labels_are_to_be_ignored(source: RasterSource) -> None:
    targets = CropTargets(labels([shapely.box(10, 10, 60, 60)]), source, 1.4)
    placement = random_placement(2, SCALES, 0.0, np.random.default_rng(0))
    side = window_side(SIZE, SCALES[1], 0.0)
    assert (targets.of(placement, np.array([[-5000, -5000], [400, 400]]), side, SIZE) == IGNORE).all()
