"""Assessing a map: what is compared with what, which numbers come out, and when they may be trusted."""

from __future__ import annotations

import csv
import json
import math
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pyproj
import pytest
import shapely
import sklearn.metrics
from affine import Affine
from small_world import CRS, GRID, Listener, name_values, on_map, pixel_box, write_labels, write_raster

from false_core.dispatch import run
from false_core.errors import Cancelled, InputError
from false_core.jobs import Assess
from false_core.raster import class_map
from false_core.raster.classes import ClassTable, LandCoverClass
from false_core.raster.map_file import RasterFile, write_class_names
from false_core.raster.source import RasterSource, Window

HEIGHT, WIDTH = 60, 80
CLASSES = ClassTable(
    (
        LandCoverClass(1, "Forest", "#1b7837"),
        LandCoverClass(2, "Water", "#2b7bba"),
        LandCoverClass(5, "Bare <soil>", "#c2a27c"),
        LandCoverClass(9, "Snow", "#e8f1f5"),
    )
)


@pytest.fixture(scope="module")
def codes() -> np.ndarray:
    """What the map shows: forest, water and bare soil in patches, no snow, a corner without data (0)."""
    generator = np.random.default_rng(1)
    patches = generator.choice([1, 1, 2, 5], (HEIGHT // 5, WIDTH // 5))
    pixels = np.kron(patches, np.ones((5, 5), int))
    pixels[:12, :15] = 0
    return pixels.astype("uint8")


@pytest.fixture(scope="module")
def truth(codes: np.ndarray) -> np.ndarray:
    """What is there: the map is right in about 4 of 5 pixels; unknown (0) along the right edge."""
    generator = np.random.default_rng(2)
    true = np.where(generator.random(codes.shape) < 0.3, generator.choice([1, 2, 5], codes.shape), codes)
    true[:12, :15] = 1
    true[:, -4:] = 0
    return true.astype("uint8")


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory, codes: np.ndarray) -> str:
    """The map as classifying writes it, with the names of its classes."""
    folder = tmp_path_factory.mktemp("map")
    grid = RasterSource(write_raster(folder / "grid.tif", codes[None]))
    with RasterFile(folder / "map.tif", grid, Window(0, 0, WIDTH, HEIGHT), 0) as file:
        file.set_classes(CLASSES)
        file.write(0, 0, codes)
    return str(folder / "map.tif")


def by_points(
    tmp_path: Path,
    mapped: str,
    values: list[Any],
    places: Iterable[tuple[float, float]],
    crs: str = CRS,
    listener: Listener | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Assess with points at places (column, row) of the map, handed over in ``crs``."""
    points = geopandas.GeoSeries([on_map(shapely.Point(*place)) for place in places], crs=CRS).to_crs(crs)
    path = write_labels(tmp_path / "points.gpkg", values, list(points), crs=crs)
    return run(Assess(mapped, reference=path, field="cover", **more), listener or Listener())


def at_random(number: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and columns of pixels where the map has data and the truth is known."""
    generator = np.random.default_rng(seed)
    return generator.integers(12, HEIGHT, number), generator.integers(0, WIDTH - 4, number)


def expect(results: dict[str, Any], true: np.ndarray, shown: np.ndarray) -> None:
    """Check the scores with those of scikit-learn."""
    assert results["compared"] == len(true)
    assert results["oa"] == pytest.approx(sklearn.metrics.accuracy_score(true, shown))
    assert results["macc"] == pytest.approx(sklearn.metrics.balanced_accuracy_score(true, shown))
    assert results["kappa"] == pytest.approx(sklearn.metrics.cohen_kappa_score(true, shown))
    present = sorted(set(true.tolist()))
    each = {"labels": present, "average": "macro", "zero_division": 0}
    assert results["miou"] == pytest.approx(sklearn.metrics.jaccard_score(true, shown, **each))
    assert results["f1"] == pytest.approx(sklearn.metrics.f1_score(true, shown, **each))


def read_table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


class TestAgainstATruthRaster:
    def test_every_pixel_that_both_know_is_compared(
        self, mapped: str, codes: np.ndarray, truth: np.ndarray, tmp_path: Path, listener: Listener
    ) -> None:
        path = write_raster(tmp_path / "truth.tif", truth[None], nodata=0)
        results = run(Assess(mapped, truth=path), listener)
        both = (codes > 0) & (truth > 0)
        expect(results, truth[both], codes[both])
        assert "Not compared: 180 pixels of the truth where the map has no data" in listener.infos
        assert "Not compared: 240 pixels of the map without a truth" in listener.infos
        assert "do not rely on the intervals" in listener.warnings

    def test_values_that_stand_for_other_classes_are_doubted(self, mapped: str, codes: np.ndarray, tmp_path: Path) -> None:
        """As where a model gave codes in the order of names, and the truth in that of a legend."""
        for name, order, doubted in (("same", {1: 1, 2: 2, 5: 5}, False), ("other", {1: 2, 2: 5, 5: 1}, True)):
            true, listener = np.zeros_like(codes), Listener()
            for code, value in order.items():
                true[codes == code] = value
            run(Assess(mapped, truth=write_raster(tmp_path / f"{name}.tif", true[None], nodata=0)), listener)
            assert ("It would be 100.0 % if the values of the truth stood for other classes" in listener.warnings) == doubted

    def test_it_may_have_another_grid_and_crs(
        self, mapped: str, codes: np.ndarray, tmp_path: Path, listener: Listener
    ) -> None:
        """The truth is looked up at the centre of each pixel of the map, computed here with pyproj."""
        generator = np.random.default_rng(3)
        true = generator.choice([1, 2, 5], (40, 50)).astype("int16")
        to_degrees = pyproj.Transformer.from_crs(CRS, "EPSG:4326", always_xy=True)
        left, top = to_degrees.transform(*(GRID * (10, 8)))
        grid = Affine(2.2e-5, 3e-6, left, 2e-6, -1.4e-5, top)
        path = write_raster(tmp_path / "truth.tif", true[None], crs="EPSG:4326", transform=grid)
        row, column = np.nonzero(codes)
        x, y = GRID.a * (column + 0.5) + GRID.c, GRID.e * (row + 0.5) + GRID.f
        inverse = ~grid
        there = [inverse * point for point in zip(*to_degrees.transform(x, y))]
        c, r = np.floor(np.array(there)).astype(int).T
        known = (c >= 0) & (c < 50) & (r >= 0) & (r < 40)
        assert 500 < known.sum() < known.size
        results = run(Assess(mapped, truth=path), listener)
        # The warper may be an eighth of a pixel off; that is rarely another pixel.
        expected = (true[r[known], c[known]] == codes[row[known], column[known]]).mean()
        assert results["compared"] == pytest.approx(known.sum(), rel=0.02)
        assert results["oa"] == pytest.approx(expected, abs=0.02)

    def test_of_several_bands_the_first_counts_and_that_is_said(
        self, mapped: str, codes: np.ndarray, tmp_path: Path, listener: Listener
    ) -> None:
        path = write_raster(tmp_path / "truth.tif", np.stack([codes, codes * 0 + 7]), nodata=0)
        assert run(Assess(mapped, truth=path), listener)["oa"] == 1
        assert "truth.tif has 2 bands. Its classes are taken from the first." in listener.warnings

    def test_code_0_is_a_class_where_it_is_not_nodata_and_what_lies_beyond_the_truth_is_not(
        self, tmp_path: Path, listener: Listener
    ) -> None:
        shown = np.zeros((1, 20, 20), "uint8")
        shown[:, :, 10:] = 1
        the_map = write_raster(tmp_path / "map.tif", shown)
        path = write_raster(tmp_path / "truth.tif", shown[:, :15])
        results = run(Assess(the_map, truth=path), listener)
        assert (results["oa"], results["compared"]) == (1, 300)

    @pytest.mark.thorough
    def test_where_it_covers_the_whole_map_nothing_is_estimated(
        self, mapped: str, codes: np.ndarray, tmp_path: Path, listener: Listener
    ) -> None:
        path = write_raster(tmp_path / "truth.tif", np.full((1, HEIGHT, WIDTH), 1, "uint8"))
        results = run(Assess(mapped, truth=path, report=str(tmp_path / "r.html")), listener)
        assert results["oa"] == results["adjusted_oa"] == pytest.approx((codes == 1).sum() / (codes > 0).sum())
        assert "nothing is estimated" in (tmp_path / "r.html").read_text("utf-8")
        assert "do not rely" not in listener.warnings
        assert "overall accuracy of the whole map" not in (tmp_path / "r.html").read_text("utf-8")

    def test_both_may_lack_a_crs(self, codes: np.ndarray, tmp_path: Path, listener: Listener) -> None:
        plain = {"crs": None, "transform": None, "nodata": 0}
        the_map = write_raster(tmp_path / "map.tif", codes[None], **plain)
        path = write_raster(tmp_path / "truth.tif", codes[None], **plain)
        assert run(Assess(the_map, truth=path), listener)["oa"] == 1

    def test_one_elsewhere_is_refused(self, mapped: str, codes: np.ndarray, tmp_path: Path) -> None:
        elsewhere = GRID * Affine.translation(5000, 0)
        path = write_raster(tmp_path / "truth.tif", codes[None], nodata=0, transform=elsewhere)
        with pytest.raises(InputError, match="Nothing can be compared"):
            run(Assess(mapped, truth=path))


def named_map(folder: Path, names: dict[int, str], name: str = "map.tif") -> str:
    """A map of one row, two pixels of each code, with class names as another program leaves them beside it."""
    path = write_raster(folder / name, np.repeat(list(names), 2)[None, None].astype("uint8"), nodata=255)
    classes = tuple(LandCoverClass(code, called, f"#{code:06x}") for code, called in names.items())
    write_class_names(Path(f"{path}.aux.xml"), ClassTable(classes))
    return path


class TestInTheWordsOfTheMap:
    """A reference may say its classes as the map names them or as it codes them, and a perfect map is right in either."""

    @pytest.mark.parametrize(
        ("names", "truth", "doubted"),
        [({1: "112", 2: "311", 3: "512"}, [112, 311, 512], False), ({1: "112", 2: "311", 3: "512"}, [1, 2, 3], False),
         ({1: "1", 2: "11", 3: "2"}, [1, 11, 2], False), ({1: "1", 2: "11", 3: "2"}, [1, 2, 3], False),
         ({1: "01", 2: "11", 3: "02"}, [1, 11, 2], False), ({1: "-5", 2: "0", 3: "5"}, [-5, 0, 5], False),
         ({3: "1", 1: "2", 2: "3"}, [1, 2, 3], True), ({7: "field", 20: "forest", 9: "water"}, [7, 20, 9], False),
         ({1: "1.0", 2: "2.5", 3: "300"}, [1, 2, 300], False)],
    )  # fmt: skip
    def test_a_truth_raster(self, tmp_path: Path, names: dict[int, str], truth: list[int], doubted: bool) -> None:
        mapped = named_map(tmp_path, names)
        true = write_raster(tmp_path / "truth.tif", np.repeat(truth, 2)[None, None].astype("int32"))
        listener = Listener()
        results = run(Assess(mapped, truth=true), listener)
        assert results["oa"] == (1 if truth != [1, 2, 300] else pytest.approx(2 / 3))
        assert ("could also be their codes" in listener.warnings) == doubted
        if results["oa"] == 1:
            assert "reference has" not in listener.warnings

    @pytest.mark.thorough
    @pytest.mark.parametrize(
        "values", [[112, 311, 512], ["112", "311", "512"], [1, 2, 3], ["01", "2", "3"], [112.0, 311, 512]]
    )
    def test_labels(self, tmp_path: Path, values: list[Any]) -> None:
        mapped = named_map(tmp_path, {1: "112", 2: "311", 3: "512"})
        assert by_points(tmp_path, mapped, values, [(0.5, 0.5), (2.5, 0.5), (4.5, 0.5)])["oa"] == 1

    @pytest.mark.thorough
    def test_labels_with_names_that_look_like_numbers(self, tmp_path: Path) -> None:
        names = {1: "91E0", 2: "3_1", 31: "nan", 91: "1e2", 100: "inf"}
        places = [(0.5, 0.5), (2.5, 0.5), (4.5, 0.5), (6.5, 0.5), (8.5, 0.5)]
        assert by_points(tmp_path, named_map(tmp_path, names), list(names.values()), places)["oa"] == 1
        listener, mapped = Listener(), named_map(tmp_path, {31: "field", 91: "water"}, "other.tif")
        (tmp_path / "points.gpkg").unlink()
        assert by_points(tmp_path, mapped, ["91E0", "3_1"], [(0.5, 0.5), (2.5, 0.5)], listener=listener)["oa"] == 0
        assert "count as mapped wrong: 3_1 (1), 91E0 (1)" in listener.warnings

    def test_labels_and_a_map_of_envi(self, tmp_path: Path) -> None:
        codes = np.repeat([1, 2, 3], 2)[None, None].astype("u1")
        path = write_raster(tmp_path / "map.dat", codes, driver="ENVI", photometric=None, alpha=None)
        header = tmp_path / "map.hdr"
        body = header.read_text().replace("ENVI Standard", "ENVI Classification")
        colours = "0,0,0, 240,200,60, 0,120,0, 0,0,250"
        header.write_text(
            f"{body}classes = 4\nclass names = {{Unclassified, field, forest, water}}\nclass lookup = {{{colours}}}\n"
        )
        places = [(0.5, 0.5), (2.5, 0.5), (4.5, 0.5)]
        assert by_points(tmp_path, path, ["field", "forest", "water"], places)["oa"] == 1

    def test_a_truth_raster_with_names_of_its_own(self, tmp_path: Path) -> None:
        """The same classes under other codes."""
        mapped = named_map(tmp_path, {1: "field", 2: "forest", 3: "water"})
        listener, truth = Listener(), named_map(tmp_path, {2: "Field", 3: "forest", 1: "water"}, "truth.tif")
        assert run(Assess(mapped, truth=truth), listener)["oa"] == 1
        assert listener.warnings == ""
        other = named_map(tmp_path, {1: "forest", 2: "water", 3: "field"}, "other.tif")
        assert run(Assess(mapped, truth=other), listener)["oa"] == 0
        assert "stood for other classes" not in listener.warnings, "names leave no doubt"

    def test_a_class_that_such_a_truth_has_alone_is_called_by_its_name(self, tmp_path: Path) -> None:
        mapped = named_map(tmp_path, {1: "field", 2: "forest", 3: "water"})
        listener, truth = Listener(), named_map(tmp_path, {2: "field", 3: "forest", 1: "rock"}, "truth.tif")
        assert run(Assess(mapped, truth=truth), listener)["oa"] == pytest.approx(2 / 3)
        assert "count as mapped wrong: rock (2)" in listener.warnings

    def test_names_in_another_language_leave_the_codes_and_are_told(self, tmp_path: Path) -> None:
        mapped = named_map(tmp_path, {1: "field", 2: "forest", 3: "water"})
        listener, truth = Listener(), named_map(tmp_path, {1: "Acker", 2: "Wald", 3: "Wasser"}, "truth.tif")
        assert run(Assess(mapped, truth=truth), listener)["oa"] == 1
        assert "truth.tif was compared by its codes, but has other names" in listener.warnings
        assert "1 is Acker there and field in map.tif" in listener.warnings

    def test_a_value_that_is_no_class_never_bears_the_name_of_one(self, tmp_path: Path) -> None:
        mapped = named_map(tmp_path, {1: "1", 2: "2", 3: "11", 4: "4", 5: "5"})
        listener, truth = (
            Listener(),
            write_raster(tmp_path / "t.tif", np.repeat([1, 2, 3, 11, 5], 2)[None, None].astype("u1")),
        )
        assert run(Assess(mapped, truth=truth), listener)["oa"] == pytest.approx(3 / 5)
        assert "count as mapped wrong: 3 (2)" in listener.warnings

    def test_a_truth_raster_of_another_program_has_no_truth_where_it_is_unclassified(self, tmp_path: Path) -> None:
        mapped = named_map(tmp_path, {1: "field", 2: "forest", 3: "water"})
        truth = named_map(tmp_path, {0: "Unclassified", 2: "forest", 3: "water"}, "truth.tif")
        listener = Listener()
        assert run(Assess(mapped, truth=truth), listener)["oa"] == 1
        assert "Not compared: 2 pixels of the map without a truth." in listener.infos

    @pytest.mark.thorough
    def test_labels_with_a_legend(self, tmp_path: Path) -> None:
        """The values of the field are called in the legend what the map calls its classes."""
        mapped = named_map(tmp_path, {1: "Acker", 2: "Wald", 3: "Wasser"})
        legend = [
            {"value": ["a", "x"], "name": "acker", "color": None}, {"value": "f", "name": "Wald", "color": "#00ff00"},
            {"value": "w", "name": "Wasser", "color": "#0000ff"}, {"value": "r", "name": "Fels", "color": "#888888"},
        ]  # fmt: skip
        (tmp_path / "legend.json").write_text(json.dumps(legend), encoding="utf-8")
        places = [(0.5, 0.5), (1.5, 0.5), (2.5, 0.5), (4.5, 0.5)]
        more = {"legend": str(tmp_path / "legend.json")}
        assert by_points(tmp_path, mapped, ["a", "x", "f", "w"], places, **more)["oa"] == 1
        (tmp_path / "points.gpkg").unlink()
        listener = Listener()
        assert by_points(tmp_path, mapped, ["a", "x", "f", "r"], places, listener=listener, **more)["oa"] == 0.75
        assert "count as mapped wrong: Fels (1)" in listener.warnings

    def test_a_legend_that_calls_codes_otherwise_counts_before_them(self, tmp_path: Path) -> None:
        mapped = named_map(tmp_path, {1: "Acker", 2: "Wald", 3: "Wasser"})
        legend = [{"value": 1, "name": "Wasser", "color": None}, {"value": 3, "name": "Acker", "color": None}]
        (tmp_path / "legend.json").write_text(json.dumps(legend), encoding="utf-8")
        more = {"legend": str(tmp_path / "legend.json")}
        assert by_points(tmp_path, mapped, [3, 1], [(0.5, 0.5), (4.5, 0.5)], **more)["oa"] == 1

    def test_labels_whose_file_names_its_codes(self, tmp_path: Path) -> None:
        mapped = named_map(tmp_path, {1: "Acker", 2: "Wald", 3: "Wasser"})
        shapes = [on_map(shapely.Point(x, 0.5)) for x in (0.5, 4.5)]
        path = write_labels(tmp_path / "points.gpkg", [3, 1], shapes)
        name_values(path, "cover", {"1": "Wasser", "3": "Acker"})
        assert run(Assess(mapped, reference=path, field="cover"))["oa"] == 1


class TestAgainstPoints:
    @pytest.mark.parametrize("crs", [CRS, "EPSG:4326", "EPSG:3035"])
    def test_each_is_compared_with_the_pixel_it_lies_in(
        self, mapped: str, codes: np.ndarray, truth: np.ndarray, tmp_path: Path, crs: str
    ) -> None:
        row, column = at_random(150)
        places = zip(column + 0.4, row + 0.7)
        results = by_points(tmp_path, mapped, truth[row, column].tolist(), places, crs)
        expect(results, truth[row, column], codes[row, column])

    def test_two_in_one_pixel_count_twice(self, mapped: str, codes: np.ndarray, tmp_path: Path) -> None:
        results = by_points(tmp_path, mapped, [int(codes[30, 30])] * 2, [(30.2, 30.2), (30.8, 30.8)])
        assert results["compared"] == 2

    @pytest.mark.parametrize(
        ("shapes", "said"),
        [
            ([shapely.Point(30.2, 30.2), shapely.Point(30.8, 30.8)], "1 points lie in the pixel of another point of a"),
            ([pixel_box(30, 30, 9, 9)] * 2, "1 labels lie at the very place of another label of a different class"),
        ],
    )
    def test_labels_that_contradict_each_other_are_told(
        self, mapped: str, tmp_path: Path, listener: Listener, shapes: list[Any], said: str
    ) -> None:
        for values, told in (((1, 2), True), ((1, 1), False)):
            reference = write_labels(tmp_path / "reference.gpkg", values, [on_map(shape) for shape in shapes], field="class")
            listener.events.clear()
            run(Assess(mapped, reference, "class"), listener)
            assert (said in listener.warnings) == told

    @pytest.mark.parametrize(
        "written",
        [("Forest", "Water", "Bare <soil>"), ("FOREST ", "water", "bare  <Soil>"), ("1", "2", "5"), (1.0, 2.0, 5.0)],
    )
    def test_classes_go_by_name_in_capitals_or_not_or_by_code(
        self, mapped: str, codes: np.ndarray, truth: np.ndarray, tmp_path: Path, written: tuple[Any, ...]
    ) -> None:
        row, column = at_random(120)
        values = [dict(zip((1, 2, 5), written))[code] for code in truth[row, column].tolist()]
        results = by_points(tmp_path, mapped, values, zip(column + 0.5, row + 0.5))
        expect(results, truth[row, column], codes[row, column])

    def test_numbers_that_are_names_of_the_map_come_before_its_codes(self, tmp_path: Path) -> None:
        """A map that was made from the numbers 2 and 300 has the codes 1 and 2."""
        shown = np.array([[[1, 2]]], "uint8")
        the_map = write_raster(tmp_path / "map.tif", shown)
        write_class_names(
            Path(f"{the_map}.aux.xml"),
            ClassTable((LandCoverClass(1, "2", "#000000"), LandCoverClass(2, "300", "#ffffff"))),
        )
        assert by_points(tmp_path, the_map, [2, 300], [(0.5, 0.5), (1.5, 0.5)])["oa"] == 1

    @pytest.mark.thorough
    def test_what_is_left_out_is_counted_and_said(self, mapped: str, tmp_path: Path) -> None:
        listener = Listener()
        places = [(30.5, 30.5), (40.5, 30.5), (3.5, 3.5), (-20.5, 3.5), (50.5, 50.5)]
        values = ["Forest", "Water", "Water", "Forest", None]
        by_points(tmp_path, mapped, values, places, listener=listener, report=str(tmp_path / "r.html"))
        html = (tmp_path / "r.html").read_text("utf-8")
        for what in ("1 points where the map has no data", "1 label shapes outside the map", "1 labels without a class"):
            assert f"Not compared: {what}." in listener.infos
            assert f"<td>{what}</td>" in " ".join(html.split())
        assert "1 points have no class and are left out" in listener.warnings

    def test_a_class_that_the_map_lacks_counts_as_wrong(self, mapped: str, codes: np.ndarray, tmp_path: Path) -> None:
        row, column = at_random(60)
        values: list[Any] = codes[row, column].astype(str).tolist()
        values[:4] = ["Glacier", "glacier", "77", "Snow"]
        listener = Listener()
        path = write_labels(tmp_path / "p.gpkg", values, [on_map(shapely.Point(*at)) for at in zip(column + 0.5, row + 0.5)])
        results = run(Assess(mapped, reference=path, field="cover", table=str(tmp_path / "t.csv")), listener)
        assert results["oa"] == pytest.approx(56 / 60)
        assert "Snow (1), 77 (1), Glacier (2)" in listener.warnings
        table = {row["class"]: row for row in read_table(tmp_path / "t.csv")}
        assert [(name, table[name]["code"], table[name]["reference_count"]) for name in ("Snow", "77", "Glacier")] == [
            ("Snow", "9", "1"),
            ("77", "77", "1"),
            ("Glacier", "", "2"),
        ]

    def test_a_class_without_reference_is_said_and_left_out_of_the_estimates(
        self, mapped: str, codes: np.ndarray, tmp_path: Path
    ) -> None:
        row, column = at_random(80)
        chosen = codes[row, column] != 5
        row, column = row[chosen], column[chosen]
        listener, places = Listener(), zip(column + 0.5, row + 0.5)
        results = by_points(tmp_path, mapped, codes[row, column].tolist(), places, listener=listener)
        share = 100 * (codes == 5).sum() / (codes > 0).sum()
        assert "The reference has nothing of Bare <soil>" in listener.warnings
        assert f"where the map shows Bare <soil>, {share:.1f} % of the map" in listener.warnings
        assert results["adjusted_oa"] == 1

    def test_all_on_nodata_or_outside_is_an_error(self, mapped: str, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="Nothing can be compared"):
            by_points(tmp_path, mapped, [1, 2], [(2.5, 2.5), (3.5, 3.5)])
        with pytest.raises(InputError, match="No label lies over the raster"):
            by_points(tmp_path, mapped, [1, 2], [(-2.5, 2.5), (-3.5, 3.5)])

    def test_a_name_that_two_classes_have_is_refused(self, codes: np.ndarray, tmp_path: Path) -> None:
        the_map = write_raster(tmp_path / "map.tif", codes[None], nodata=0)
        write_class_names(
            Path(f"{the_map}.aux.xml"),
            ClassTable((LandCoverClass(1, "Wood", "#000000"), LandCoverClass(2, "wood", "#ffffff"))),
        )
        with pytest.raises(InputError, match="2 classes called 'Wood', with the codes 1, 2"):
            by_points(tmp_path, the_map, ["Wood"], [(30.5, 30.5)])


class TestAgainstPolygonsAndLines:
    def test_every_pixel_with_its_centre_in_a_polygon_is_compared(
        self, mapped: str, codes: np.ndarray, tmp_path: Path, listener: Listener
    ) -> None:
        boxes = [pixel_box(20, 20, 17, 9), pixel_box(40, 30, 12.4, 20.4), pixel_box(70, 10, 30, 12)]
        path = write_labels(tmp_path / "l.gpkg", ["forest", "water", "water"], [on_map(box) for box in boxes])
        results = run(Assess(mapped, reference=path, field="cover"), listener)
        true = np.zeros_like(codes)
        true[20:29, 20:37], true[30:50, 40:52], true[10:22, 70:80] = 1, 2, 2
        expect(results, true[true > 0], codes[true > 0])
        assert "lines or polygons" in listener.warnings and "Do not rely on the intervals" in listener.warnings

    @pytest.mark.thorough
    def test_they_are_compared_strip_by_strip(self, mapped: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        shapes = [shapely.Point(40, 35).buffer(18), shapely.Point(62, 20).buffer(12.3)]
        path = write_labels(tmp_path / "l.gpkg", [1, 2], [on_map(shape) for shape in shapes])
        job = Assess(mapped, reference=path, field="cover")
        at_once = run(job)
        monkeypatch.setattr(class_map, "PIXELS_PER_WINDOW", 7 * WIDTH)
        assert run(job) == at_once

    def test_pixels_without_data_are_counted(self, mapped: str, tmp_path: Path, listener: Listener) -> None:
        boxes = [pixel_box(0, 0, 20, 12), pixel_box(40, 30, 5, 5)]
        path = write_labels(tmp_path / "l.gpkg", [1, 2], [on_map(box) for box in boxes])
        assert run(Assess(mapped, reference=path, field="cover"), listener)["compared"] == 5 * 12 + 25
        assert "Not compared: 180 labelled pixels where the map has no data" in listener.infos


@pytest.fixture(scope="module")
def made(mapped: str, codes: np.ndarray, truth: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the report and the table of an assessment by 200 points."""
    tmp_path = tmp_path_factory.mktemp("made")
    row, column = at_random(200)
    by_points(
        tmp_path,
        mapped,
        truth[row, column].tolist(),
        zip(column + 0.5, row + 0.5),
        report=str(tmp_path / "r.html"),
        table=str(tmp_path / "t.csv"),
    )
    return tmp_path


class TestTheTableAndTheReport:
    def test_the_table_holds_the_matrix(self, made: Path, codes: np.ndarray, truth: np.ndarray) -> None:
        row, column = at_random(200)
        names = ["Forest", "Water", "Bare <soil>"]
        table = read_table(made / "t.csv")
        found = [[int(line[f"mapped as {name}"]) for name in names] for line in table]
        wanted = sklearn.metrics.confusion_matrix(truth[row, column], codes[row, column], labels=[1, 2, 5])
        assert found == wanted.tolist()
        assert [(line["code"], line["class"]) for line in table] == list(zip("125", names))
        assert [int(line["map_pixels"]) for line in table] == [int((codes == code).sum()) for code in (1, 2, 5)]

    def test_areas_are_in_hectares_and_add_up_to_the_map(self, made: Path, codes: np.ndarray) -> None:
        table = read_table(made / "t.csv")
        whole = (codes > 0).sum() / 10_000  # Pixels of 1 m.
        for column in ("map_area_ha", "adjusted_area_ha"):
            assert sum(float(line[column]) for line in table) == pytest.approx(whole)

    @pytest.mark.thorough
    def test_the_area_of_a_class_that_was_sampled_and_not_found_is_not_known(self, mapped: str, tmp_path: Path) -> None:
        row, column = at_random(40)
        report, table = tmp_path / "r.html", tmp_path / "t.csv"
        by_points(tmp_path, mapped, [1, 2] * 20, zip(column + 0.5, row + 0.5), report=str(report), table=str(table))
        bare = read_table(table)[2]
        assert int(bare["mapped_count"]) and not int(bare["reference_count"])
        assert {bare[f"adjusted_{name}"] for name in ("share", "share_error", "area_ha", "area_ha_error")} == {""}
        html = report.read_text("utf-8")
        assert "not known</td>" in html and "a sample tells no area: it is not known." in html

    def test_the_report_says_when_to_trust_it_and_stands_alone(self, made: Path) -> None:
        html = (made / "r.html").read_text("utf-8")
        assert "You may trust these numbers where chance alone chose the points" in html
        assert "Adjusted (ha)" in html
        assert "overall accuracy of the whole map" in html
        assert "src=" not in html and 'href="http' not in html

    def test_names_are_shown_as_they_are(self, made: Path) -> None:
        html = (made / "r.html").read_text("utf-8")
        assert "Bare &lt;soil&gt;" in html and "<soil>" not in html

    @pytest.mark.parametrize(
        ("profile", "unit", "per_pixel"),
        [
            ({"crs": "EPSG:2263"}, "ha", (1200 / 3937) ** 2 / 10_000),  # US survey feet in metres.
            # A degree of latitude is 111.2 km there, one of longitude 71.7 km; a metre of the map 0.71 m.
            ({"crs": "EPSG:4326", "transform": Affine(1e-4, 0, 10, 0, -1e-4, 50)}, "ha", 11.123 * 7.170 / 10_000),
            ({"crs": "EPSG:3857"}, "ha", math.cos(math.radians(44.84)) ** 2 / 10_000),
            ({"crs": "EPSG:4326", "transform": Affine(0.1, 0, 10, 0, -0.1, 50)}, "pixels", 1),
            ({"crs": "EPSG:3857", "transform": Affine(1e4, 0, 0, 0, -1e4, 6e6)}, "pixels", 1),
            ({"crs": None}, "square_map_units", 1),
            ({"crs": None, "transform": None}, "pixels", 1),
        ],
    )
    def test_areas_are_told_in_what_the_crs_allows(
        self, profile: dict[str, Any], unit: str, per_pixel: float, codes: np.ndarray, tmp_path: Path
    ) -> None:
        the_map = write_raster(tmp_path / "map.tif", codes[None], nodata=0, **profile)
        run(Assess(the_map, truth=the_map, table=str(tmp_path / "t.csv")))
        areas = [float(line[f"map_area_{unit}"]) for line in read_table(tmp_path / "t.csv")]
        assert sum(areas) == pytest.approx((codes > 0).sum() * per_pixel, rel=5e-3)


class TestUnusualMaps:
    def test_codes_may_be_large_or_negative(self, codes: np.ndarray, tmp_path: Path) -> None:
        recode = np.array([-9999, 100_000, -5, 0, 0, 16_777_215], "int32")
        the_map = write_raster(tmp_path / "map.tif", recode[codes][None], nodata=-9999)
        row, column = at_random(60)
        points = zip(column + 0.5, row + 0.5)
        values = recode[codes[row, column]].tolist()
        assert by_points(tmp_path, the_map, values, points)["oa"] == 1
        assert run(Assess(the_map, truth=the_map))["oa"] == 1

    @pytest.mark.thorough
    def test_one_class_is_enough(self, tmp_path: Path) -> None:
        the_map = write_raster(tmp_path / "map.tif", np.ones((1, 20, 20), "uint8"))
        results = by_points(
            tmp_path, the_map, [1, 1, 1], [(2.5, 2.5), (3.5, 3.5), (9.5, 9.5)], report=str(tmp_path / "r.html")
        )
        assert (results["oa"], results["adjusted_oa"], results["adjusted_oa_error"]) == (1, 1, 0)

    @pytest.mark.parametrize(
        ("pixels", "what"),
        [
            (np.zeros((1, 9, 9), "uint8"), "no valid pixel"),
            (np.full((1, 9, 9), 0.25, "float32"), "holds 0.25; class codes are whole numbers"),
            (np.arange(1, 901).reshape(1, 30, 30).astype("uint16"), "more than 254 different values"),
        ],
    )
    def test_what_is_no_map_is_refused(self, pixels: np.ndarray, what: str, mapped: str, tmp_path: Path) -> None:
        path = write_raster(tmp_path / "m.tif", pixels, nodata=0)
        with pytest.raises(InputError, match=what):
            run(Assess(path, truth=mapped))

    def test_cancelling_leaves_nothing(self, mapped: str, tmp_path: Path) -> None:
        cancel = threading.Event()
        with pytest.raises(Cancelled):
            run(Assess(mapped, truth=mapped, report=str(tmp_path / "r.html")), lambda event: cancel.set(), cancel)
        assert not list(tmp_path.iterdir())
