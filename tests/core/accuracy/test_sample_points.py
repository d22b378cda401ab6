"""Sample points: drawn by chance alone within each class, as many as the error wanted takes, and blind to the map."""

from __future__ import annotations

import csv
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
import scipy.stats
from small_world import CRS, GRID, Listener, write_raster

from false_core.accuracy.area_adjusted import adjust
from false_core.accuracy.metrics import confusion_matrix
from false_core.accuracy.sample_points import draw
from false_core.dispatch import run
from false_core.errors import Cancelled, InputError, OutputError
from false_core.jobs import Assess, SamplePoints
from false_core.raster import class_map
from false_core.raster.class_map import ClassMap

HEIGHT, WIDTH = 90, 120


@pytest.fixture(scope="module")
def codes() -> np.ndarray:
    """A map of four classes, 1 and 3 common, 7 rare, 200 next to nothing, with a hole of nodata (0)."""
    generator = np.random.default_rng(5)
    pixels = np.where(np.arange(WIDTH) < 70, 1, 3) * np.ones((HEIGHT, 1), int)
    pixels[20:30, 10:60] = 7
    noise = generator.random(pixels.shape) < 0.1
    pixels = np.where(noise, generator.choice([1, 3], pixels.shape), pixels)
    pixels[40, 40:46] = 200
    pixels[60:75, 30:90] = 0
    return pixels.astype("uint8")


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory, codes: np.ndarray) -> str:
    return write_raster(tmp_path_factory.mktemp("map") / "map.tif", codes[None], nodata=0)


@pytest.fixture
def sample(mapped: str, tmp_path: Path) -> Any:
    """Return a function that draws points and reads them back."""

    def draw_points(name: str = "points.gpkg", listener: Listener | None = None, **more: Any) -> geopandas.GeoDataFrame:
        path = tmp_path / name
        run(SamplePoints(mapped, str(path), **{"minimum": 20, **more}), listener or Listener())
        return geopandas.read_file(path)

    return draw_points


def pixels_of(points: geopandas.GeoDataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and columns of the pixels that points lie in."""
    column, row = ~GRID * (points.geometry.x.to_numpy(), points.geometry.y.to_numpy())
    return np.floor(row).astype(int), np.floor(column).astype(int)


class TestThePoints:
    def test_lie_at_centres_of_pixels_with_data_each_in_its_own(self, sample: Any, codes: np.ndarray) -> None:
        points = sample()
        assert points.crs == CRS
        column, row = ~GRID * (points.geometry.x.to_numpy(), points.geometry.y.to_numpy())
        np.testing.assert_allclose(column % 1, 0.5, atol=1e-6)
        np.testing.assert_allclose(row % 1, 0.5, atol=1e-6)
        rows, columns = pixels_of(points)
        assert (codes[rows, columns] > 0).all()
        assert len(set(zip(rows, columns))) == len(points)

    def test_wait_to_be_filled_in_and_do_not_say_what_the_map_shows(self, sample: Any) -> None:
        points = sample()
        assert list(points.columns) == ["id", "class", "geometry"]
        assert points["class"].isna().all()
        assert points["id"].tolist() == list(range(1, len(points) + 1))

    def test_the_field_for_the_class_takes_text(self, sample: Any, tmp_path: Path) -> None:
        sample()
        import pyogrio

        info = pyogrio.read_info(tmp_path / "points.gpkg")
        assert dict(zip(info["fields"], info["dtypes"]))["class"] == "object"
        assert info["geometry_type"] == "Point"

    def test_are_as_many_as_the_error_wanted_takes_with_a_minimum_for_rare_classes(
        self, mapped: str, codes: np.ndarray, tmp_path: Path, listener: Listener
    ) -> None:
        path = str(tmp_path / "p.gpkg")
        results = run(SamplePoints(mapped, path, standard_error=0.02, users_accuracy=0.8, minimum=50), listener)
        rows, columns = pixels_of(geopandas.read_file(path))
        number = Counter(codes[rows, columns].tolist())
        # 0.8 x 0.2 / 0.02^2 = 400, of which 50 each go to the two rare ones; one of these has only 6 pixels.
        common = {code: int((codes == code).sum()) for code in (1, 3)}
        assert (number[7], number[200]) == (50, 6)
        assert number[1] == pytest.approx(300 * common[1] / (common[1] + common[3]), abs=1)
        assert number[1] + number[3] == 300
        assert results["points"] == 356
        assert results["expected_error"] == pytest.approx(0.023, abs=0.001)
        assert "Fewer than 50 pixels are mapped as 200" in listener.warnings

    def test_come_in_an_order_that_gives_nothing_away(self, sample: Any, codes: np.ndarray) -> None:
        rows, columns = pixels_of(sample())
        shown = codes[rows, columns]
        for order in (shown, rows, columns):
            assert scipy.stats.spearmanr(np.arange(len(order)), order).pvalue > 0.01

    def test_are_the_same_for_the_same_seed_and_others_for_another(self, sample: Any) -> None:
        first, again, other = sample(seed=3), sample(seed=3), sample(seed=4)
        assert first.geometry.equals(again.geometry)
        assert not first.geometry.equals(other.geometry)

    def test_do_not_depend_on_how_the_map_is_read(self, sample: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        at_once = sample()
        monkeypatch.setattr(class_map, "PIXELS_PER_WINDOW", 7 * WIDTH)
        assert sample().geometry.equals(at_once.geometry)

    @pytest.mark.thorough
    def test_every_pixel_of_a_class_has_the_same_chance(self, mapped: str, codes: np.ndarray, listener: Listener) -> None:
        the_map = ClassMap(mapped)
        pixels = the_map.count(listener.feedback)
        assert pixels == {code: int((codes == code).sum()) for code in (1, 3, 7, 200)}
        times = np.zeros(codes.shape, int)
        for seed in range(300):
            drawn = draw(the_map, pixels, {1: 60, 3: 60, 7: 60, 200: 3}, seed, listener.feedback)
            times[drawn.rows, drawn.columns] += 1
        assert times[codes == 0].sum() == 0
        for code, number in {1: 60, 3: 60, 7: 60, 200: 3}.items():
            here = times[codes == code]
            assert here.sum() == 300 * number
            assert scipy.stats.chisquare(here).pvalue > 0.001

    def test_lie_right_on_a_map_without_georeferencing(self, codes: np.ndarray, tmp_path: Path) -> None:
        path = write_raster(tmp_path / "plain.tif", codes[None], nodata=0, crs=None, transform=None)
        run(SamplePoints(path, str(tmp_path / "p.gpkg"), key=str(tmp_path / "key.csv")))
        points = geopandas.read_file(tmp_path / "p.gpkg")
        there = [codes[int(-y), int(x)] for x, y in zip(points.geometry.x, points.geometry.y)]
        assert there == [int(row["code"]) for row in read_key(tmp_path / "key.csv")]


def read_key(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


class TestTheFiles:
    def test_the_key_says_what_the_map_shows_at_each_point(self, sample: Any, codes: np.ndarray, tmp_path: Path) -> None:
        points = sample(key=str(tmp_path / "key.csv"))
        key = read_key(tmp_path / "key.csv")
        rows, columns = pixels_of(points)
        assert [int(row["id"]) for row in key] == points["id"].tolist()
        assert [int(row["code"]) for row in key] == codes[rows, columns].tolist()
        assert [float(row["x"]) for row in key] == points.geometry.x.tolist()

    @pytest.mark.parametrize("name", ["points.shp", "points.geojson", "points.fgb", "points.sqlite"])
    def test_go_by_their_extension(self, sample: Any, name: str, tmp_path: Path) -> None:
        points = sample(name)
        assert len(points) > 60
        assert points["class"].isna().all()
        assert points.crs == CRS
        assert not list(tmp_path.glob(".*"))

    @pytest.mark.parametrize("name", ["points.csv", "points.xlsx", "points.docx", "points"])
    def test_what_keeps_no_geometries_is_refused(self, sample: Any, name: str, tmp_path: Path) -> None:
        with pytest.raises(OutputError, match=r"ends in \.gpkg"):
            sample(name)
        assert not list(tmp_path.iterdir())

    def test_a_layer_that_was_there_is_replaced(self, sample: Any) -> None:
        sample(standard_error=0.01)
        assert len(sample(standard_error=0.05)) < 200

    @pytest.mark.parametrize(
        ("pixels", "what"),
        [
            (np.zeros((1, 9, 9), "uint8"), "no valid pixel"),
            (np.full((1, 9, 9), 1.5, "float32"), "holds 1.5; class codes are whole numbers"),
            (np.arange(1, 901).reshape(1, 30, 30).astype("uint16"), "more than 254 different values"),
            (np.full((1, 9, 9), 2**31, "uint32"), "beyond 16,777,215"),
        ],
    )
    def test_what_is_no_map_is_refused(self, pixels: np.ndarray, what: str, tmp_path: Path) -> None:
        path = write_raster(tmp_path / "m.tif", pixels, nodata=0)
        with pytest.raises(InputError, match=what):
            run(SamplePoints(path, str(tmp_path / "p.gpkg")))
        assert [file.name for file in tmp_path.iterdir()] == ["m.tif"]

    def test_cancelling_leaves_nothing(self, mapped: str, tmp_path: Path) -> None:
        cancel = threading.Event()
        with pytest.raises(Cancelled):
            run(SamplePoints(mapped, str(tmp_path / "p.gpkg")), lambda event: cancel.set(), cancel)
        assert not list(tmp_path.iterdir())


class TestTheWholeRound:
    @pytest.fixture
    def truth(self, codes: np.ndarray) -> np.ndarray:
        """What is really there: the map is right in about 80 % of its pixels, in rare classes less often."""
        generator = np.random.default_rng(9)
        wrong = generator.random(codes.shape) < np.where(codes == 7, 0.4, 0.18)
        return np.where(wrong, generator.choice([1, 3, 7], codes.shape), codes).astype("uint8")

    def test_sample_fill_in_assess(
        self, mapped: str, codes: np.ndarray, truth: np.ndarray, sample: Any, tmp_path: Path
    ) -> None:
        points = sample()
        rows, columns = pixels_of(points)
        points["class"] = [str(code) for code in truth[rows, columns]]
        points.loc[:4, "class"] = None
        points.to_file(tmp_path / "points.gpkg")
        listener = Listener()
        found = run(Assess(mapped, reference=str(tmp_path / "points.gpkg"), field="class"), listener)
        used = slice(5, None)
        shown, true = codes[rows, columns][used], truth[rows, columns][used]
        right = {code: (true == code)[shown == code] for code in (1, 3, 7, 200)}
        share = {code: (codes == code).sum() / (codes > 0).sum() for code in right}
        assert found["compared"] == len(points) - 5
        assert found["oa"] == pytest.approx((shown == true).mean())
        assert found["adjusted_oa"] == pytest.approx(sum(share[code] * right[code].mean() for code in right))
        variance = sum(share[code] ** 2 * right[code].var(ddof=1) / len(right[code]) for code in right)
        assert found["adjusted_oa_error"] == pytest.approx(1.96 * np.sqrt(variance))
        assert "5 points have no class" in listener.warnings

    @pytest.mark.thorough
    def test_intervals_hold_the_truth_in_about_95_of_100_samples(
        self, mapped: str, codes: np.ndarray, truth: np.ndarray, listener: Listener
    ) -> None:
        kinds = np.array([1, 3, 7, 200])
        with rasterio.open(mapped) as file:
            there = file.read(1) > 0
        oa = (codes == truth)[there].mean()
        shares = np.array([(truth == kind)[there].mean() for kind in kinds])
        the_map = ClassMap(mapped)
        pixels = the_map.count(listener.feedback)
        covered = []
        for seed in range(200):
            drawn = draw(the_map, pixels, {1: 150, 3: 120, 7: 50, 200: 6}, seed, listener.feedback)
            true, shown = (np.searchsorted(kinds, m[drawn.rows, drawn.columns]) for m in (truth, codes))
            found = adjust(confusion_matrix(true, shown, 4), np.array([pixels[kind] for kind in kinds.tolist()]))
            inside = np.abs(found.shares.value - shares) <= found.shares.error
            covered.append([abs(found.oa.value - oa) <= found.oa.error, *inside[:3]])
        # 3 standard deviations of what 200 throws at 95 % give are 4.6 %.
        assert np.mean(covered, axis=0) == pytest.approx(0.95, abs=0.046)
