"""Whatever goes from one CRS to another goes the most accurate way, and says where that is not accurate enough.

Shapes and pixels go the same one: labels and a truth raster of the same places lie on each other.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pyproj
import pytest
import shapely
from affine import Affine
from small_world import Listener, write_labels, write_raster

from false_core.areas.marks import Marks
from false_core.collection.candidates import Guide
from false_core.collection.places import read_places
from false_core.feedback import Feedback
from false_core.labels.placement import on_common_map
from false_core.raster.aligned import AlignedCodes
from false_core.raster.image_on_grid import ImageOnGrid
from false_core.raster.source import RasterSource, Window
from false_core.training.purity import Truth

SIZE = 60


def best_way(theirs: str, ours: str, longitude: float, latitude: float) -> Any:
    """Return the most accurate transformation that PROJ lists for a place."""
    around = pyproj.aoi.AreaOfInterest(longitude - 0.01, latitude - 0.01, longitude + 0.01, latitude + 0.01)
    known = pyproj.transformer.TransformerGroup(theirs, ours, always_xy=True, area_of_interest=around)
    return min(known.transformers, key=lambda way: way.accuracy if way.accuracy >= 0 else np.inf)


class World:
    """Two rasters of the same ground whose CRSs count from different datums, each with a corner that stands out."""

    def __init__(self, folder: Path, theirs: str, ours: str, longitude: float, latitude: float, pixel: float) -> None:
        self.folder, self.theirs, self.way = folder, theirs, best_way(theirs, ours, longitude, latitude)
        x, y = pyproj.Transformer.from_crs("OGC:CRS84", ours, always_xy=True).transform(longitude, latitude)
        self.ours = self.raster("ours.tif", ours, Affine(pixel, 0, x, 0, -pixel, y))
        # As large as ours and with pixels a tenth as wide, so that what is looked up is right to a tenth of a pixel.
        middle = self.ours.transform * (SIZE / 2, SIZE / 2)
        there = [self.way.transform(*middle, direction="INVERSE")]
        there += [
            self.way.transform(middle[0] + dx, middle[1] + dy, direction="INVERSE")
            for dx, dy in ((pixel / 10, 0), (0, -pixel / 10))
        ]
        (x, y), right, down = there[0], np.subtract(there[1], there[0]), np.subtract(there[2], there[0])
        grid = Affine(right[0], down[0], x, right[1], down[1], y) @ Affine.translation(-SIZE * 5, -SIZE * 5)
        self.other = self.raster("other.tif", theirs, grid, 10)

    def raster(self, name: str, crs: str, grid: Affine, times: int = 1) -> RasterSource:
        pixels = np.full((SIZE, SIZE), 1, "uint8")
        pixels[10:30, 10:40] = 2
        pixels = np.kron(pixels, np.ones((times, times), "uint8"))[None]
        return RasterSource(write_raster(self.folder / name, pixels, crs=crs, transform=grid))

    def labels(self) -> str:
        box = shapely.transform(
            shapely.box(10, 10, 40, 30),
            lambda xy: np.array([self.way.transform(*(self.ours.transform * p), direction="INVERSE") for p in xy]),
        )
        return write_labels(self.folder / "labels.gpkg", ["a"], [box], crs=self.theirs)


def _codes(world: World, feedback: Feedback) -> None:
    with AlignedCodes(world.other.path, world.ours, feedback):
        pass


def _guide(world: World, feedback: Feedback) -> None:
    list(_guide_over(geopandas.read_file(world.labels()), [world.other, world.ours], feedback))


def _guide_over(table: geopandas.GeoDataFrame, sources: list[RasterSource], feedback: Feedback) -> Any:
    class Searched:
        pass

    searched: Any = Searched()
    searched.sources = sources
    return Guide.of(table, ["a"] * len(table)).over(searched, feedback)


def _places(world: World, feedback: Feedback) -> None:
    both = [world.other, world.ours]
    read_places(world.labels(), both, [source.window_of(None) for source in both], feedback)


def _squares(world: World, feedback: Feedback) -> None:
    on_common_map(np.array([shapely.box(0, 0, 9, 9)] * 2), np.array([0, 1]), [world.ours, world.other], feedback)


TAKEN_THERE: dict[str, Callable[[World, Feedback], object]] = {
    "codes of another map": _codes,
    "the other date of a change": lambda world, feedback: ImageOnGrid(world.other, world.ours, feedback),
    "true classes of a pretraining": lambda world, feedback: Truth(world.other.path, [world.ours], feedback),
    "examples of places": lambda world, feedback: Marks.read(world.labels(), feedback).on(world.ours, 8, feedback),
    "map data over the second raster": _guide,
    "places on the second raster": _places,
    "squares of several rasters": _squares,
}


class TestWhatIsNotAccurateEnough:
    @pytest.mark.parametrize("taken", TAKEN_THERE.values(), ids=TAKEN_THERE)
    def test_is_said_wherever_something_goes_from_one_crs_to_another(
        self, tmp_path: Path, listener: Listener, taken: Callable[[World, Feedback], object]
    ) -> None:
        taken(World(tmp_path, "EPSG:26715", "EPSG:32615", -93.0, 45.0, 0.5), listener.feedback)
        assert listener.warnings.count("which is right within about 7 m") == 1
        assert "needs the grid file" in listener.warnings

    @pytest.mark.parametrize("taken", TAKEN_THERE.values(), ids=TAKEN_THERE)
    def test_is_no_matter_where_pixels_are_large(
        self, tmp_path: Path, listener: Listener, taken: Callable[[World, Feedback], object]
    ) -> None:
        taken(World(tmp_path, "EPSG:26715", "EPSG:32615", -93.0, 45.0, 30.0), listener.feedback)
        assert not listener.warnings


@pytest.mark.parametrize(
    ("theirs", "ours", "longitude", "latitude"),
    [
        ("EPSG:26715", "EPSG:32615", -93.0, 45.0),
        ("EPSG:2065", "EPSG:32633", 15.0, 50.0),  # Counts from Ferro, to the south and the west.
        ("EPSG:20255", "EPSG:32754", 141.0, -30.0),  # Newer registers have another way.
        ("EPSG:4314", "EPSG:32632", 9.0, 50.0),  # Latitude first.
        ("EPSG:4807", "EPSG:32631", 3.0, 46.0),  # In grads, from Paris.
        ("EPSG:31467", "EPSG:4326", 9.0, 50.0),
    ],
)
def test_pixels_go_the_most_accurate_way_as_shapes_do(
    tmp_path: Path, theirs: str, ours: str, longitude: float, latitude: float
) -> None:
    world = World(tmp_path, theirs, ours, longitude, latitude, 2e-5 if ours == "EPSG:4326" else 2.0)
    expected = np.ones((SIZE, SIZE), "uint8")
    expected[10:30, 10:40] = 2
    with AlignedCodes(world.other.path, world.ours, Listener().feedback) as codes:
        found, valid = codes.read(Window(0, 0, SIZE, SIZE))
    inner = np.s_[1:-1, 1:-1]
    assert valid[inner].all()
    np.testing.assert_array_equal(found[inner], expected[inner])
    image = ImageOnGrid(world.other, world.ours, Listener().feedback).read(Window(0, 0, SIZE, SIZE))[0]
    np.testing.assert_allclose(image[inner], expected[inner], atol=0.25)
    (marks,) = Marks.read(world.labels(), Listener().feedback).on(world.ours, 8, Listener().feedback)
    np.testing.assert_allclose(marks.bounds, (10, 10, 40, 30), atol=0.01)
