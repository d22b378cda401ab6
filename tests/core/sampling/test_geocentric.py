"""Distances on the ground are right in any CRS, between rasters, and in the batches of the sampler."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio.warp
from affine import Affine
from small_world import write_raster

from false_core.raster.source import RasterSource
from false_core.raster.statistics import MeasuredRasters, Normalisation
from false_core.sampling.geocentric import UNKNOWN_DISTANCE_M, GeocentricPositions
from false_core.sampling.views import PatchDraw, PatchSampler

PIXELS = np.ones((1, 100, 140), "uint8")


def source(path: Path, crs: str | None, transform: Affine | None) -> RasterSource:
    return RasterSource(write_raster(path, PIXELS, crs=crs, transform=transform))


def geodesic(one: RasterSource, here: tuple[float, float], other: RasterSource, there: tuple[float, float]) -> float:
    """Return the distance along the ellipsoid in metres between two places in pixel coordinates."""
    ends = []
    for raster, place in ((one, here), (other, there)):
        x, y = raster.transform * place
        lon, lat = rasterio.warp.transform(raster.crs, "EPSG:4326", [x], [y])
        ends += [lon[0], lat[0]]
    return float(pyproj.Geod(ellps="WGS84").inv(*ends)[2])


class TestDistances:
    @pytest.mark.parametrize(
        ("crs", "transform"),
        [
            ("EPSG:32633", Affine(10, 0, 500_000, 0, -10, 5_600_000)),
            ("EPSG:4326", Affine(1e-4, 0, 15, 0, -1e-4, 60)),
            ("EPSG:3857", Affine(20, 0, 1_600_000, 0, -20, 8_000_000)),
            ("EPSG:32633", Affine(6, 5, 500_000, 5, -6, 5_600_000)),
            ("EPSG:2263", Affine(3, 0, 980_000, 0, -3, 200_000)),
        ],
        ids=["utm", "degrees", "web mercator", "rotated", "feet"],
    )
    def test_are_those_along_the_ground(self, tmp_path: Path, crs: str, transform: Affine) -> None:
        raster = source(tmp_path / "a.tif", crs, transform)
        places = np.array([[0.0, 0.0], [140.0, 0.0], [70.0, 50.0], [3.0, 99.0]])
        found = GeocentricPositions([raster]).at(np.zeros(4, np.int64), places)
        for i in range(4):
            for j in range(i):
                wanted = geodesic(raster, tuple(places[i]), raster, tuple(places[j]))
                assert np.linalg.norm(found[i] - found[j]) == pytest.approx(wanted, rel=1e-5)
        corner = geodesic(raster, (70, 50), raster, (71, 50)), geodesic(raster, (70, 50), raster, (70, 51))
        assert GeocentricPositions([raster]).pixel_size() == pytest.approx(np.sqrt(corner[0] * corner[1]), rel=1e-3)

    def test_hold_between_rasters_of_different_crs(self, tmp_path: Path) -> None:
        utm = source(tmp_path / "a.tif", "EPSG:32633", Affine(10, 0, 500_000, 0, -10, 5_600_000))
        degrees = source(tmp_path / "b.tif", "EPSG:4326", Affine(1e-4, 0, 15.01, 0, -1e-4, 50.55))
        found = GeocentricPositions([utm, degrees]).at(np.array([0, 1]), np.array([[7.0, 9.0], [40.0, 90.0]]))
        assert np.linalg.norm(found[0] - found[1]) == pytest.approx(geodesic(utm, (7, 9), degrees, (40, 90)), rel=1e-5)

    @pytest.mark.parametrize("transform", [Affine(0.5, 0, 30, 0, -0.5, 70), None], ids=["with a grid", "without any"])
    def test_of_a_raster_without_a_crs_are_those_of_its_own_grid(self, tmp_path: Path, transform: Affine | None) -> None:
        lost = source(tmp_path / "a.tif", None, transform)
        known = source(tmp_path / "b.tif", "EPSG:32633", Affine(10, 0, 500_000, 0, -10, 5_600_000))
        size = 0.5 if transform else 1.0
        for rasters in ([lost, known], [known, lost], [lost, lost]):
            number = rasters.index(lost)
            ground = GeocentricPositions(rasters)
            here = ground.at(np.array([number, number, 1 - number]), np.array([[0.0, 0.0], [30.0, 40.0], [0.0, 0.0]]))
            assert np.linalg.norm(here[0] - here[1]) == pytest.approx(50 * size)
            assert np.linalg.norm(here[0] - here[2]) > UNKNOWN_DISTANCE_M / 2
        assert GeocentricPositions([lost]).pixel_size() == pytest.approx(size)

    def test_of_a_local_crs_are_those_of_its_own_grid(self, tmp_path: Path) -> None:
        site = 'ENGCRS["site",EDATUM["here"],CS[Cartesian,2],AXIS["x",east],AXIS["y",north],LENGTHUNIT["metre",1]]'
        raster = source(tmp_path / "a.tif", site, Affine(2, 0, 0, 0, -2, 0))
        found = GeocentricPositions([raster]).at(np.zeros(2, np.int64), np.array([[0.0, 0.0], [3.0, 4.0]]))
        assert np.linalg.norm(found[0] - found[1]) == pytest.approx(10)

    def test_near_the_first_raster_survive_single_precision(self, tmp_path: Path) -> None:
        raster = source(tmp_path / "a.tif", "EPSG:32633", Affine(0.1, 0, 500_000, 0, -0.1, 5_600_000))
        found = (
            GeocentricPositions([raster]).at(np.zeros(2, np.int64), np.array([[0.0, 0.0], [1.0, 0.0]])).astype(np.float32)
        )
        assert np.linalg.norm(found[0] - found[1]) == pytest.approx(0.1, rel=1e-3)


class TestBatches:
    def test_say_where_centres_and_points_lie_in_widths_of_a_view(self, tmp_path: Path) -> None:
        raster = source(tmp_path / "a.tif", "EPSG:4326", Affine(1e-4, 0, 15, 0, -1e-4, 60))
        plain = Normalisation((0.0,), (255.0,), (1.0,), (1.0,))
        batch = PatchSampler(
            MeasuredRasters([raster], [raster.window_of(None)], plain), PatchDraw(5, 16, (0.8, 1.2), 7, 0), 10**7
        ).batch(0)
        assert batch.ground.shape == (5, 8, 3)
        # In the order of the first views' rows, of all points whether they are seen or not.
        offsets = batch.first.to_window(batch.points[0].numpy() * 8.0)
        positions = np.concatenate([batch.centres[:, None], batch.centres[:, None] + offsets], axis=1).reshape(-1, 2)
        width = 16 * GeocentricPositions([raster]).pixel_size()
        ground = batch.ground.numpy().reshape(-1, 3)
        for i, j in ((0, 1), (0, 8), (9, 33), (39, 2)):
            wanted = geodesic(raster, tuple(positions[i]), raster, tuple(positions[j])) / width
            assert np.linalg.norm(ground[i] - ground[j]) == pytest.approx(wanted, abs=0.01, rel=1e-3)

    def test_of_points_are_the_places_that_the_report_shows(self, land: str) -> None:
        raster = RasterSource(land)
        plain = Normalisation((0.0,) * 4, (255.0,) * 4, (1.0,) * 4, (1.0,) * 4)
        batch = PatchSampler(
            MeasuredRasters([raster], [raster.window_of(None)], plain), PatchDraw(4, 32, (0.8, 1.2), 6, 0), 10**7
        ).batch(1)
        where = batch.positions("points").pixels
        ground = batch.ground[:, 1:].reshape(-1, 3)[batch.kept[: len(where) // 2]].numpy()
        in_pixels = np.linalg.norm(where[: len(ground), None] - where[None, : len(ground)], axis=2)
        np.testing.assert_allclose(
            np.linalg.norm(ground[:, None] - ground[None], axis=2), in_pixels / 32, rtol=2e-3, atol=1e-3
        )  # fmt: skip
