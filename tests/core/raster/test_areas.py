"""Areas and pixels are as large as the ground they show, in whatever CRS, or it is said that they are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyproj
import pytest
import shapely
from affine import Affine
from rasterio.crs import CRS
from small_world import Listener, write_raster

from false_core.raster.areas import GroundAreas, unit_in_words, unit_of_areas, unit_of_map
from false_core.raster.source import RasterSource, Window
from false_core.raster.working_grid import at_resolution_of_model

MERCATOR = ["EPSG:3857", "ESRI:102100", "EPSG:3395", "EPSG:3832", "+proj=merc +lat_ts=40 +units=us-ft +datum=NAD83"]
OTHERS = ["EPSG:3413", "EPSG:3034", "+proj=tmerc +lon_0=-5 +datum=WGS84", "+proj=stere +lat_0=60 +lon_0=100 +units=km"]


def raster(folder: Path, crs: str, lon: float = 15.0, lat: float = 60.0, pixel: float = 1.0, side: int = 40) -> RasterSource:
    """Write a raster whose middle lies at a place."""
    code = CRS.from_user_input(crs)
    x, y = pyproj.Transformer.from_crs("EPSG:4326", pyproj.CRS.from_wkt(code.to_wkt()), always_xy=True).transform(lon, lat)
    grid = Affine(pixel, 0, x - side / 2 * pixel, 0, -pixel, y + side / 2 * pixel)
    return RasterSource(write_raster(folder / "r.tif", np.ones((1, side, side), "uint8"), crs=code, transform=grid))


def on_ellipsoid(source: RasterSource, geometry: shapely.Polygon) -> float:
    """Return the area of a polygon between geodesics, which many points keep on the lines of the map."""
    crs = pyproj.CRS.from_wkt(source.crs.to_wkt())
    many = shapely.segmentize(geometry, np.sqrt(geometry.area) / 200)
    to_degrees = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    lonlat = shapely.transform(many, lambda xy: np.column_stack(to_degrees.transform(xy[:, 0], xy[:, 1])))
    return abs(crs.get_geod().geometry_area_perimeter(lonlat)[0])


@pytest.mark.thorough
@pytest.mark.parametrize("crs", MERCATOR + OTHERS)
def test_they_are_square_metres_of_ground_where_the_map_is_not_true_to_scale(tmp_path: Path, crs: str) -> None:
    lon = 175.0 if crs == "EPSG:3832" else 15.0  # It is made for the Pacific Ocean.
    source = raster(tmp_path, crs, lon, pixel=0.01 if "units=km" in crs else 10.0)
    box = shapely.box(*(source.bounds[n] for n in (0, 2, 1, 3)))
    truth = on_ellipsoid(source, box)
    assert GroundAreas(source).of_polygons(np.array([box]))[0] == pytest.approx(truth, rel=2e-5)
    assert GroundAreas(source).of_pixels(Window(0, 0, source.width, source.height)).sum() == pytest.approx(truth, rel=2e-5)
    unit = unit_of_map(source)
    assert (unit_of_areas(source), unit.name) == ("m²", "ha")
    assert unit.per_pixel * source.width * source.height == pytest.approx(truth / 10_000, rel=2e-4)
    assert source.ground_sample_distance == pytest.approx(np.sqrt(truth / source.width / source.height), rel=1e-5)


@pytest.mark.parametrize(("crs", "pixel"), [("EPSG:3857", 10_000.0), ("EPSG:4326", 0.05), ("EPSG:3413", 50_000.0)])
def test_where_pixels_differ_in_size_no_area_stands_for_all(tmp_path: Path, crs: str, pixel: float) -> None:
    assert unit_of_map(raster(tmp_path, crs, pixel=pixel)).name == "pixels"


def test_a_small_map_in_degrees_is_told_in_hectares(tmp_path: Path) -> None:
    source = raster(tmp_path, "EPSG:4326", pixel=1e-4)
    box = shapely.box(*(source.bounds[n] for n in (0, 2, 1, 3)))
    unit = unit_of_map(source)
    assert unit.name == "ha"
    assert unit.per_pixel * source.width * source.height == pytest.approx(on_ellipsoid(source, box) / 10_000, rel=2e-4)


def test_a_polygon_across_half_a_continent_in_mercator(tmp_path: Path) -> None:
    source = raster(tmp_path, "EPSG:3857", pixel=100_000.0)
    box = shapely.box(*(source.bounds[n] for n in (0, 2, 1, 3)))
    assert GroundAreas(source).of_polygons(np.array([box]))[0] == pytest.approx(on_ellipsoid(source, box), rel=1e-4)


def wide(folder: Path, crs: str, grid: Affine, width: int, height: int) -> RasterSource:
    return RasterSource(
        write_raster(
            folder / "r.tif", np.ones((1, height, width), "uint8"), crs=CRS.from_user_input(crs), transform=grid, tiled=True
        )
    )


WIDE = {
    "the grid of sea ice": ("EPSG:3413", Affine(50_000, 0, -3_850_000, 0, -50_000, 5_850_000), 152, 224),
    "Antarctica": ("EPSG:3031", Affine(50_000, 0, -3_000_000, 0, -50_000, 3_000_000), 120, 120),
    "half the globe from a satellite": ("+proj=geos +h=35785831 +lon_0=0", Affine(1e5, 0, -5e6, 0, -1e5, 5e6), 100, 100),
    "a turned web map": (
        "EPSG:3857", Affine.translation(1e6, 8e6) @ Affine.rotation(40) @ Affine.scale(10_000, -10_000), 100, 100
    ),
    "turned degrees": ("EPSG:4326", Affine.translation(10, 50) @ Affine.rotation(30) @ Affine.scale(0.1, -0.1), 100, 100),
    "zones side by side": ("EPSG:32633", Affine(10_000, 0, -1_000_000, 0, -10_000, 6_000_000), 300, 100),
}  # fmt: skip


@pytest.mark.thorough
@pytest.mark.parametrize("name", WIDE)
def test_each_pixel_and_each_polygon_of_a_wide_map_is_as_large_as_its_ground(tmp_path: Path, name: str) -> None:
    crs, grid, width, height = WIDE[name]
    source = wide(tmp_path, crs, grid, width, height)
    found = GroundAreas(source)
    pixels = found.of_pixels(Window(0, 0, width, height))
    near = 2e-2 if "satellite" in name else 2e-3  # At the edge of the globe, a pixel is many times the one beside it.
    assert found.largest_pixel >= pixels.max() * 0.999
    for side in (1, 40):
        for column, row in ((0, 0), (width - side, height // 3), (width // 2, height // 2), (width // 4, height - side)):
            corners = ((column, row), (column + side, row), (column + side, row + side), (column, row + side))
            box = shapely.Polygon([grid @ place for place in corners])
            truth = on_ellipsoid(source, box)
            if np.isfinite(truth):  # Beside the globe there is no ground.
                assert pixels[row : row + side, column : column + side].sum() == pytest.approx(truth, rel=near)
                assert found.of_polygons(np.array([box]))[0] == pytest.approx(truth, rel=near)


def test_holes_of_a_large_polygon_are_no_part_of_it(tmp_path: Path) -> None:
    source = wide(tmp_path, *WIDE["Antarctica"])
    whole, hole = shapely.Point(0, 0).buffer(2.9e6), shapely.Point(0, 0).buffer(1e6)
    found = GroundAreas(source).of_polygons(np.array([whole, hole, whole - hole]))
    assert found[2] == pytest.approx(found[0] - found[1], rel=1e-4)
    assert found[0] == pytest.approx(on_ellipsoid(source, whole), rel=1e-4)


@pytest.mark.parametrize("lon", [2.0, 359.99])
def test_in_grads_and_up_to_360_degrees(tmp_path: Path, lon: float) -> None:
    grads = CRS.from_epsg(4807)
    grid = Affine(1e-3, 0, lon, 0, -1e-3, 50 / 0.9 if lon < 10 else 50)
    crs, factor = (grads, 0.9) if lon < 10 else (CRS.from_epsg(4326), 1.0)
    source = RasterSource(write_raster(tmp_path / "r.tif", np.ones((1, 40, 40), "uint8"), crs=crs, transform=grid))
    box = shapely.box(*(source.bounds[n] for n in (0, 2, 1, 3)))
    geod = pyproj.CRS.from_wkt(crs.to_wkt()).get_geod()
    truth = abs(geod.geometry_area_perimeter(shapely.transform(shapely.segmentize(box, 1e-4), lambda xy: xy * factor))[0])
    assert GroundAreas(source).of_polygons(np.array([box]))[0] == pytest.approx(truth, rel=1e-5)
    assert GroundAreas(source).of_pixels(Window(0, 0, 40, 40)).sum() == pytest.approx(truth, rel=1e-5)
    assert source.ground_sample_distance == pytest.approx(np.sqrt(truth / 1600), rel=2e-3)
    assert unit_in_words(source) == "m², measured on the ground"


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("crs", "words"),
    [
        ("EPSG:32633", "m²"),
        ("EPSG:3035", "m²"),
        ("EPSG:5514", "m²"),
        ("EPSG:2263", "square map units (US survey foot, 0.304801 m, squared)"),
        ("+proj=utm +zone=33 +units=km", "square map units (kilometre, 1000 m, squared)"),
    ],
)
def test_a_map_that_is_true_to_scale_is_flat(tmp_path: Path, crs: str, words: str) -> None:
    place = (-74.0, 40.7) if crs == "EPSG:2263" else (15.0, 50.0)
    source = raster(tmp_path, crs, *place)
    box = shapely.box(*(source.bounds[n] for n in (0, 2, 1, 3)))
    assert GroundAreas(source).of_polygons(np.array([box]))[0] == box.area
    assert GroundAreas(source).of_pixels(Window(0, 0, 1, 3)).ravel().tolist() == [1.0] * 3
    assert unit_in_words(source) == words
    assert unit_of_map(source).name == "ha"


def test_far_outside_the_area_of_a_crs_nothing_is_corrected(tmp_path: Path) -> None:
    source = raster(tmp_path, "EPSG:2263", -74.0, 55.0)
    assert source.ground_sample_distance == pytest.approx(0.3048, rel=1e-5)
    assert unit_of_map(source).name == "ha"


def test_without_a_crs_it_is_said_that_nothing_is_known(tmp_path: Path) -> None:
    source = RasterSource(write_raster(tmp_path / "r.tif", np.ones((1, 4, 4), "uint8"), crs=None))
    assert "how large they are is not known" in unit_in_words(source)


@pytest.mark.parametrize("crs", MERCATOR[:3])
def test_a_model_from_a_web_map_sees_a_photo_of_the_same_ground_as_it_is(
    tmp_path: Path, listener: Listener, crs: str
) -> None:
    web, photo = tmp_path / "web", tmp_path / "photo"
    web.mkdir()
    photo.mkdir()
    theirs, ours = raster(web, crs), raster(photo, "EPSG:32633", pixel=0.5)
    assert theirs.ground_sample_distance == pytest.approx(0.5, abs=0.01)
    for source, model in ((ours, theirs), (theirs, ours)):
        used = at_resolution_of_model(source, model.pixel_size, model.ground_sample_distance, listener.feedback)
        assert used.factor == 1
    assert not listener.warnings
