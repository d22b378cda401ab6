"""Change between two dates is found without labels: season, light, sensor and a shift are no change, clouds stay unknown."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
import rasterio.warp
from affine import Affine
from rasterio.transform import array_bounds
from small_world import Listener, write_raster

from false_core.benchmark.two_dates import TwoDates, generate_two_dates
from false_core.change import paired_encoder
from false_core.change.change_scores import ChangeScores, change_scores
from false_core.change.date_pair import open_pair
from false_core.change.find_change import _registered
from false_core.dispatch import run
from false_core.errors import Cancelled, InputError, OutputError, RequestError
from false_core.events import Event, Progress
from false_core.jobs import Change

pytestmark = pytest.mark.thorough

SIDE, GSD = 640, 0.5
PLACE = Affine(GSD, 0, 412_000, 0, -GSD, 5_430_000)


@dataclass(frozen=True)
class Place:
    """Two dates of a place on the disk, and what is known of them."""

    dates: TwoDates
    before: str
    after: str


def write(path: Path, pixels: np.ndarray, transform: Affine = PLACE, **more: Any) -> str:
    return write_raster(path, pixels, transform=transform, nodata=0, **more)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("dates")
    dates = generate_two_dates(SIDE, SIDE, seed=3, changing=0.1, gsd=GSD)
    return Place(dates, write(folder / "before.tif", dates.before.image), write(folder / "after.tif", dates.after.image))


def find(place: Place, output: Path, **more: Any) -> tuple[dict[str, Any], np.ndarray]:
    results = run(Change(**{"before": place.before, "after": place.after, "output": str(output), **more}))
    with rasterio.open(output) as file:
        return results, file.read(1)


@pytest.fixture(scope="module")
def found(place: Place, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("found")
    listener, sure = Listener(), folder / "sure.tif"
    results = run(Change(place.before, place.after, str(folder / "change.tif"), confidence=str(sure)), listener)
    with rasterio.open(folder / "change.tif") as file:
        codes = file.read(1)
    return {"results": results, "codes": codes, "map": folder / "change.tif", "sure": sure, "warned": listener.warnings}


def scores(place: Place, codes: np.ndarray) -> ChangeScores:
    return change_scores(codes, place.dates.changed)


class TestTwoSeasons:
    def test_known_changes_are_found(self, place: Place, found: dict[str, Any]) -> None:
        assert scores(place, found["codes"]).f1 > 0.8
        assert scores(place, found["codes"]).false_alarm_share < 0.03

    def test_what_is_nodata_at_one_date_is_unknown_and_all_else_is_known(self, place: Place, found: dict[str, Any]) -> None:
        both = (place.dates.before.truth > 0) & (place.dates.after.truth > 0)
        assert np.array_equal(found["codes"] > 0, both)

    def test_of_dates_that_say_nothing_of_each_other_it_warns(
        self, place: Place, found: dict[str, Any], tmp_path: Path, listener: Listener
    ) -> None:
        assert "hardly tells what" not in found["warned"]
        other = place.dates.after.image[:, ::-1, ::-1]
        elsewhere = write(tmp_path / "elsewhere.tif", np.roll(other, 200, axis=2))
        run(Change(place.before, elsewhere, str(tmp_path / "c.tif")), listener)
        assert "What before.tif shows hardly tells what elsewhere.tif shows" in listener.warnings

    def test_the_results_say_how_much(self, found: dict[str, Any]) -> None:
        codes = found["codes"]
        assert found["results"]["compared"] == (codes > 0).sum()
        assert found["results"]["changed"] == pytest.approx((codes == 2).sum() / (codes > 0).sum())

    def test_the_map_says_what_its_codes_mean(self, found: dict[str, Any]) -> None:
        with rasterio.open(found["map"]) as file:
            assert file.transform == PLACE
            assert "no change" in file.tags()["FALSE_CLASSES"]
            assert file.colormap(1)[1] != file.colormap(1)[2]

    def test_the_probability_is_higher_where_change_is_shown(self, found: dict[str, Any]) -> None:
        with rasterio.open(found["sure"]) as file:
            percent = file.read(1)
            assert file.nodata == 255
        assert np.array_equal(percent == 255, found["codes"] == 0)
        assert np.median(percent[found["codes"] == 2]) > 90
        assert np.median(percent[found["codes"] == 1]) < 5

    def test_the_season_alone_is_no_change(self, place: Place, tmp_path: Path) -> None:
        still = generate_two_dates(SIDE, SIDE, seed=3, changing=0.0, gsd=GSD)
        _, codes = find(place, tmp_path / "c.tif", after=write(tmp_path / "after.tif", still.after.image))
        assert (codes == 2).sum() < 0.03 * (codes > 0).sum()


class TestWhatIsNoChange:
    def test_another_sensor_with_clouds_and_a_shift(self, place: Place, found: dict[str, Any], tmp_path: Path) -> None:
        chance = np.random.default_rng(0)
        image = place.dates.after.image
        gain, offset = np.array([0.8, 1.2, 1.1, 0.7])[:, None, None], np.array([200, 50, 100, 300])[:, None, None]
        other = (gain * image + offset + chance.normal(0, 30, image.shape)).clip(1, 65_000) * (image > 0)
        other[:, 100:180, 60:200] = 0
        shifted = np.roll(other, (2, 1), axis=(1, 2)).astype(np.uint16)
        _, codes = find(place, tmp_path / "c.tif", after=write(tmp_path / "after.tif", shifted))
        assert not codes[104:178, 64:198].any()
        assert scores(place, codes).f1 > 0.75
        assert scores(place, codes).false_alarm_share < 0.04

    def test_a_shift_that_is_larger_than_was_allowed_is_told_and_stays(self, place: Place, tmp_path: Path) -> None:
        moved = np.roll(place.dates.after.image, (-6, 9), axis=(1, 2))
        for after, warnings in ((place.after, 0), (write(tmp_path / "moved.tif", moved), 1)):
            job, listener = Change(place.before, after, str(tmp_path / "c.tif")), Listener()
            pair = open_pair(job, None, listener.feedback)
            assert _registered(pair, job, listener.feedback).shift == (0, 0)
            assert listener.warnings.count("moved.tif seems to lie 9 columns and -6 rows beside before.tif") == warnings
            assert bool(listener.warnings) == bool(warnings)

    def test_another_grid_in_another_crs(self, place: Place, found: dict[str, Any], tmp_path: Path) -> None:
        crs, theirs = "EPSG:32633", "EPSG:3857"
        image = place.dates.after.image
        box = array_bounds(SIDE, SIDE, PLACE)
        transform, width, height = rasterio.warp.calculate_default_transform(crs, theirs, SIDE, SIDE, *box)
        other = np.zeros((4, height, width), np.uint16)
        rasterio.warp.reproject(
            image,
            other,
            src_transform=PLACE,
            src_crs=crs,
            dst_transform=transform,
            dst_crs=theirs,
            src_nodata=0,
            dst_nodata=0,
        )
        after = write(tmp_path / "after.tif", other, transform, crs=theirs)
        _, codes = find(place, tmp_path / "c.tif", after=after)
        assert codes.shape == (SIDE, SIDE)
        assert scores(place, codes).f1 > 0.75


class TestParameters:
    def test_the_result_does_not_depend_on_the_tiles(
        self, place: Place, found: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(paired_encoder, "CHANGE_TILE_PX", 256)
        _, codes = find(place, tmp_path / "c.tif")
        assert (codes == found["codes"]).mean() > 0.99

    def test_an_extent_and_larger_pixels(self, place: Place, tmp_path: Path) -> None:
        extent = f"{PLACE.c + 50 * GSD},{PLACE.c + 400 * GSD},{PLACE.f - 400 * GSD},{PLACE.f - 50 * GSD}"
        find(place, tmp_path / "c.tif", extent=extent, pixel_size=2 * GSD)
        with rasterio.open(tmp_path / "c.tif") as file:
            assert (file.width, file.height) == (175, 175)
            assert file.transform.a == pytest.approx(2 * GSD)
            assert file.transform * (0, 0) == pytest.approx(PLACE * (50, 50))

    def test_small_changes_are_left_out(self, place: Place, tmp_path: Path) -> None:
        polygons = tmp_path / "changes.gpkg"
        results, codes = find(place, tmp_path / "c.tif", minimum_area=1e7, polygons=str(polygons))
        assert results["changed"] == 0
        assert geopandas.read_file(polygons, layer="changes").empty
        assert set(np.unique(codes)) == {0, 1}


# test_cancel.py cancels in the midst of comparing. The earlier stages show the same once more.
EARLIER = [
    pytest.param(stage, marks=pytest.mark.slow) for stage in ("Comparing samples", "Comparing the dates", "Finding regions")
]


@pytest.mark.parametrize("stage", [*EARLIER, "Writing"])
def test_what_is_cancelled_leaves_nothing(place: Place, tmp_path: Path, stage: str) -> None:
    cancel = threading.Event()

    def listen(event: Event) -> None:
        if isinstance(event, Progress) and event.stage == stage:
            cancel.set()

    with pytest.raises(Cancelled):
        run(Change(place.before, place.after, str(tmp_path / "c.tif"), confidence=str(tmp_path / "p.tif")), listen, cancel)
    assert list(tmp_path.iterdir()) == []


class TestErrors:
    def test_places_that_do_not_overlap(self, place: Place, tmp_path: Path) -> None:
        far = write(tmp_path / "after.tif", place.dates.after.image, PLACE * Affine.translation(5000, 0))
        with pytest.raises(InputError, match="do not overlap"):
            find(place, tmp_path / "c.tif", after=far)

    def test_bands_that_are_not_the_same(self, place: Place, tmp_path: Path) -> None:
        other = write(tmp_path / "after.tif", place.dates.after.image[:2])
        with pytest.raises(InputError, match="Both dates need the same bands"):
            find(place, tmp_path / "c.tif", after=other)

    def test_hardly_any_ground_in_common(self, place: Place, tmp_path: Path) -> None:
        clouded = place.dates.after.image.copy()
        clouded[:, 40:] = 0
        clouded[:, :, 40:] = 0
        with pytest.raises(InputError, match="too little ground in common"):
            find(place, tmp_path / "c.tif", after=write(tmp_path / "after.tif", clouded))

    def test_no_encoder_at_all(self, place: Place, tmp_path: Path) -> None:
        with pytest.raises(RequestError, match="no encoder to look with"):
            find(place, tmp_path / "c.tif", weights="none")

    def test_a_map_that_is_no_geotiff(self, place: Place, tmp_path: Path) -> None:
        with pytest.raises(OutputError, match="is not a GeoTIFF"):
            find(place, tmp_path / "c.png")
