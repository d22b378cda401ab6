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

from false_core.raster.areas import areas, pixel_areas, unit_in_words, unit_of_areas, unit_of_map
from false_core.raster.source import RasterSource
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


@pytest.mark.parametrize("crs", MERCATOR + OTHERS)
def test_they_are_square_metres_of_ground_where_the_map_is_not_true_to_scale(tmp_path: Path, crs: str) -> None:
    lon = 175.0 if crs == "EPSG:3832" else 15.0  # It is made for the Pacific Ocean.
    source = raster(tmp_path, crs, lon, pixel=0.01 if "units=km" in crs else 10.0)
    box = shapely.box(*(source.bounds[n] for n in (0, 2, 1, 3)))
    truth = on_ellipsoid(source, box)
    assert areas(np.array([box]), source)[0] == pytest.approx(truth, rel=2e-5)
    assert pixel_areas(source, np.arange(source.height)).sum() * source.width == pytest.approx(truth, rel=2e-5)
    assert (unit_of_areas(source), unit_of_map(source).name) == ("m²", "pixels")
    assert source.ground_sample_distance == pytest.approx(np.sqrt(truth / source.width / source.height), rel=1e-5)


def test_a_polygon_across_half_a_continent_in_mercator(tmp_path: Path) -> None:
    source = raster(tmp_path, "EPSG:3857", pixel=100_000.0)
    box = shapely.box(*(source.bounds[n] for n in (0, 2, 1, 3)))
    assert areas(np.array([box]), source)[0] == pytest.approx(on_ellipsoid(source, box), rel=1e-4)


@pytest.mark.parametrize("lon", [2.0, 359.99])
def test_in_grads_and_up_to_360_degrees(tmp_path: Path, lon: float) -> None:
    grads = CRS.from_epsg(4807)
    grid = Affine(1e-3, 0, lon, 0, -1e-3, 50 / 0.9 if lon < 10 else 50)
    crs, factor = (grads, 0.9) if lon < 10 else (CRS.from_epsg(4326), 1.0)
    source = RasterSource(write_raster(tmp_path / "r.tif", np.ones((1, 40, 40), "uint8"), crs=crs, transform=grid))
    box = shapely.box(*(source.bounds[n] for n in (0, 2, 1, 3)))
    geod = pyproj.CRS.from_wkt(crs.to_wkt()).get_geod()
    truth = abs(geod.geometry_area_perimeter(shapely.transform(shapely.segmentize(box, 1e-4), lambda xy: xy * factor))[0])
    assert areas(np.array([box]), source)[0] == pytest.approx(truth, rel=1e-5)
    assert pixel_areas(source, np.arange(40)).sum() * 40 == pytest.approx(truth, rel=1e-5)
    assert source.ground_sample_distance == pytest.approx(np.sqrt(truth / 1600), rel=2e-3)
    assert unit_in_words(source) == "m², measured on the ground"


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
    assert areas(np.array([box]), source)[0] == box.area
    assert pixel_areas(source, np.arange(3)).tolist() == [1.0] * 3
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
