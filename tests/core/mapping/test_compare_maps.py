"""Two maps are compared by the names of their classes: how much changed, from what to what, and where."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from small_world import CRS, GRID, Listener

from false_core.dispatch import run
from false_core.errors import InputError
from false_core.jobs import CompareMaps, EditMap
from false_core.raster.carried_classes import read_carried_classes
from false_core.raster.classes import ClassTable, LandCoverClass
from false_core.raster.new_map import new_map
from false_core.raster.source import RasterSource

BEFORE = ClassTable(
    (LandCoverClass(1, "forest", "#1b7837"), LandCoverClass(2, "water", "#2b7bba"), LandCoverClass(3, "Moor", "#998844"))
)
AFTER = ClassTable(
    (LandCoverClass(4, "Water", "#2b7bba"), LandCoverClass(7, "Forest", "#1b7837"), LandCoverClass(9, "Town", "#b2182b"))
)
WIDTH, HEIGHT = 600, 560


def write_map(path: Path, codes: np.ndarray, classes: ClassTable, grid: Affine = GRID) -> str:
    height, width = codes.shape
    blank = path.with_name(f"grid_of_{path.name}")
    with rasterio.open(
        blank, "w", driver="GTiff", width=width, height=height, count=1, dtype="uint8", crs=CRS, transform=grid
    ):
        pass
    with new_map(str(path), RasterSource(str(blank)), classes) as file:
        file.write(0, 0, codes)
    return str(path)


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("maps")
    before = np.full((HEIGHT, WIDTH), 1, np.uint8)
    before[:, :100] = 2
    before[:40] = 3
    before[:, -50:] = 0
    after = np.full((HEIGHT, WIDTH), 7, np.uint8)
    after[:, :100] = 4
    after[500:, 200:300] = 9
    after[-10:, :] = 0
    return write_map(folder / "before.tif", before, BEFORE), write_map(folder / "after.tif", after, AFTER)


def test_the_pixels_are_counted_by_the_names_of_their_classes(maps: tuple[str, str], tmp_path: Path) -> None:
    told = run(CompareMaps(*maps, table=str(tmp_path / "t.csv")))
    rows = {(r["before"], r["after"]): int(r["pixels"]) for r in csv.DictReader((tmp_path / "t.csv").open(encoding="utf-8"))}
    assert rows == {
        ("Forest", "Forest"): 510 * 450 - 50 * 100,
        ("Forest", "Town"): 50 * 100,
        ("Water", "Water"): 510 * 100,
        ("Moor", "Water"): 40 * 100,
        ("Moor", "Forest"): 40 * 450,
    }
    assert told["compared"] == 550 * 550
    assert told["changed"] == pytest.approx((50 * 100 + 40 * 550) / 550**2)


def test_areas_are_those_of_pixels_on_the_ground(maps: tuple[str, str], tmp_path: Path) -> None:
    run(CompareMaps(*maps, table=str(tmp_path / "t.csv")))
    row = next(r for r in csv.DictReader((tmp_path / "t.csv").open(encoding="utf-8")) if r["after"] == "Town")
    assert float(row["area_ha"]) == pytest.approx(5000 * abs(GRID.determinant) / 10_000)
    assert (row["changed"], float(row["share"])) == ("1", pytest.approx(5000 / 550**2))


def test_a_map_shows_where_with_the_classes_of_the_map_after(maps: tuple[str, str], tmp_path: Path) -> None:
    target = tmp_path / "where.tif"
    run(CompareMaps(*maps, output=str(target)))
    expected = np.full((HEIGHT, WIDTH), 254, np.uint8)
    expected[:40] = 7
    expected[:40, :100] = 4
    expected[500:, 200:300] = 9
    expected[:, -50:] = 0
    expected[-10:] = 0
    with rasterio.open(target) as file:
        assert np.array_equal(file.read(1), expected)
    assert [(c.code, c.name) for c in read_carried_classes(str(target)).classes] == [
        (4, "Water"), (7, "Forest"), (9, "Town"), (254, "unchanged")
    ]  # fmt: skip


def test_a_map_on_another_grid_is_looked_up(maps: tuple[str, str], tmp_path: Path) -> None:
    with rasterio.open(maps[0]) as file:
        coarse = file.read(1)[10::20, 10::20]
    before = write_map(tmp_path / "coarse.tif", coarse, BEFORE, GRID * Affine.scale(20))
    told = run(CompareMaps(before, maps[1]))
    assert told["changed"] == pytest.approx((50 * 100 + 40 * 540) / (540 * 550), rel=0.1)


def test_the_report_has_pictures_what_became_what_and_what_was_left_out(maps: tuple[str, str], tmp_path: Path) -> None:
    heard = Listener()
    run(CompareMaps(*maps, report=str(tmp_path / "r.html")), heard)
    text = (tmp_path / "r.html").read_text("utf-8")
    assert "8.9 %" in text
    assert text.count("<image") == 3
    assert text.index("Moor</td>") < text.index("Town</td>")
    assert "only one of the two maps has" in heard.infos


def test_equal_maps_did_not_change(maps: tuple[str, str], tmp_path: Path) -> None:
    assert run(CompareMaps(maps[1], maps[1], report=str(tmp_path / "r.html")))["changed"] == 0
    assert "Nothing changed." in (tmp_path / "r.html").read_text("utf-8")


def test_maps_of_different_places_cannot_be_compared(maps: tuple[str, str], tmp_path: Path) -> None:
    elsewhere = write_map(tmp_path / "far.tif", np.ones((50, 50), np.uint8), BEFORE, Affine.translation(10**5, 0) * GRID)
    with pytest.raises(InputError, match="no pixel in common"):
        run(CompareMaps(elsewhere, maps[1]))


def test_codes_that_a_byte_cannot_hold_get_others_on_the_map_of_what_changed(tmp_path: Path) -> None:
    for name, codes in (("a.tif", [[100, 2000], [100, 100]]), ("b.tif", [[100, 100], [3000, 100]])):
        with rasterio.open(
            tmp_path / name, "w", driver="GTiff", width=2, height=2, count=1, dtype="int16", crs=CRS, transform=GRID
        ) as file:
            file.write(np.array([codes], np.int16))
    run(CompareMaps(str(tmp_path / "a.tif"), str(tmp_path / "b.tif"), str(tmp_path / "where.tif")))
    with rasterio.open(tmp_path / "where.tif") as file:
        assert file.read(1).tolist() == [[254, 1], [2, 254]]


def codes_alone(path: Path, codes: list[int], nodata: int | None = None) -> str:
    """A map of one row without names of classes."""
    profile = {"driver": "GTiff", "width": len(codes), "height": 1, "count": 1, "dtype": "uint8", "nodata": nodata}
    with rasterio.open(path, "w", crs=CRS, transform=GRID, **profile) as file:
        file.write(np.array([[codes]], np.uint8))
    return str(path)


@pytest.mark.parametrize(
    ("codes", "shown", "unchanged"),
    [([1, 254, 254], [1, 254], 253), ([0, 253, 254], [0, 253, 254], 252), ([1, 255, 255], [1, 2], 254),
     ([*range(1, 255), 7], [*range(1, 255)], 0), ([*range(254), 7], [*range(254)], 254)],
)  # fmt: skip
def test_what_did_not_change_gets_a_code_that_no_class_has(
    tmp_path: Path, codes: list[int], shown: list[int], unchanged: int
) -> None:
    before = codes_alone(tmp_path / "a.tif", [*codes[:-1], codes[0]])
    run(CompareMaps(before, codes_alone(tmp_path / "b.tif", codes), str(tmp_path / "where.tif")))
    classes = read_carried_classes(str(tmp_path / "where.tif")).classes
    assert [c.code for c in classes] == sorted([*shown, unchanged])
    assert next(c.name for c in classes if c.code == unchanged) == "unchanged"
    with rasterio.open(tmp_path / "where.tif") as file:
        made = file.read(1)[0].tolist()
        assert file.nodata not in (*shown, unchanged)
    changed = shown[sorted(set(codes)).index(codes[-1])]
    assert made == [*[unchanged] * (len(codes) - 1), changed]


def test_more_values_than_a_map_has_classes_are_refused_by_the_name_of_the_file(tmp_path: Path) -> None:
    few, many = codes_alone(tmp_path / "few.tif", [1] * 255), codes_alone(tmp_path / "many.tif", [*range(255)])
    for before, after in ((few, many), (many, few)):
        with pytest.raises(InputError, match=r"many.tif holds more than 254 different values"):
            run(CompareMaps(before, after))


def named(path: Path, *names: str) -> str:
    """A map of one row, two pixels of each of the codes from 1, with these names."""
    classes = ClassTable(tuple(LandCoverClass(code, name, "#000000") for code, name in enumerate(names, 1)))
    return write_map(path, np.repeat(np.arange(1, len(names) + 1, dtype=np.uint8), 2)[None], classes)


@pytest.mark.thorough
def test_the_maps_are_called_by_the_names_of_their_files(tmp_path: Path) -> None:
    """Neither of two maps is the reference of the other."""
    german = named(tmp_path / "german.tif", "Acker", "Wald", "See")
    numbers, coded = named(tmp_path / "numbers.tif", "2", "3", "1"), codes_alone(tmp_path / "coded.tif", [1, 1, 2, 2, 3, 3])
    english = named(tmp_path / "english.tif", "field", "forest", "water")
    for before, after, said in (
        (coded, numbers, "The numbers in coded.tif are taken for names of the classes of numbers.tif."),
        (german, english, "german.tif was compared by its codes, but has other names for some of them"),
        (german, english, "1 is Acker there and field in english.tif"),
        (coded, english, "coded.tif has no names of classes. Its codes are taken to mean what they mean in english.tif."),
        (english, coded, "coded.tif has no names of classes. Its codes are taken to mean what they mean in english.tif."),
    ):
        heard = Listener()
        run(CompareMaps(before, after, report=str(tmp_path / "r.html")), heard)
        assert said in heard.warnings
        for text in (heard.warnings, (tmp_path / "r.html").read_text("utf-8")):
            assert "reference" not in text and "truth" not in text
    heard = Listener()
    run(CompareMaps(coded, coded), heard)
    run(CompareMaps(english, english), heard)
    assert heard.warnings == ""


@pytest.mark.thorough
def test_a_class_that_is_no_more_keeps_its_name_and_colour(tmp_path: Path) -> None:
    """Also where the maps are compared by their codes."""
    before, after = write_map(tmp_path / "a.tif", np.array([[1, 2, 3]], np.uint8), BEFORE), tmp_path / "b.tif"
    run(EditMap(before, str(after), names="forest = Wald; moor = Wald"))
    run(CompareMaps(before, str(after), report=str(tmp_path / "r.html"), table=str(tmp_path / "t.csv")))
    rows = {(r["before"], r["after"]) for r in csv.DictReader((tmp_path / "t.csv").open(encoding="utf-8"))}
    assert rows == {("Wald", "Wald"), ("water", "water"), ("Moor", "Wald")}
    assert "#998844" in (tmp_path / "r.html").read_text("utf-8")


def test_two_classes_of_one_name_are_told_with_the_way_to_make_them_one(tmp_path: Path) -> None:
    wood, twice = named(tmp_path / "wood.tif", "wood", "water"), named(tmp_path / "twice.tif", "Wood", "wood")
    with pytest.raises(InputError, match=r"twice.tif has 2 classes called 'wood'.*Correct a map': 2 = wood"):
        run(CompareMaps(wood, twice))
    run(EditMap(twice, str(tmp_path / "one.tif"), names="2 = wood"))
    assert run(CompareMaps(wood, str(tmp_path / "one.tif")))["changed"] == 0.5
