"""What is found looks like the examples, in order, and each place once."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
import rasterio.warp
import shapely
import shapely.affinity
from affine import Affine
from small_world import CRS, GRID, LEFT, TOP, Listener, write_labels, write_raster

from false_core.areas import cell_grid
from false_core.areas.find_similar import _on_raster, _without_contradictions
from false_core.areas.pooling import Pooling
from false_core.areas.similar_places_report import SeenMarks
from false_core.dispatch import run
from false_core.errors import InputError, RequestError
from false_core.jobs import FindSimilar
from false_core.raster.place_pictures import PlaceShown
from false_core.raster.source import RasterSource, Window
from false_core.raster.stored_bands import StoredBands

SIDE, ACROSS, DOWN = 128, 6, 6
KINDS = ("calm", "rough", "striped")


def cell(column: float, row: float) -> shapely.Polygon:
    left, top = LEFT + column * SIDE, TOP - row * SIDE
    return shapely.box(left, top - SIDE, left + SIDE, top)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Six times six cells of 128 pixels: smooth, rough and striped ones, and the last one without data."""
    folder = tmp_path_factory.mktemp("alike")
    chance = np.random.default_rng(0)
    pixels = np.zeros((3, DOWN * SIDE, ACROSS * SIDE), np.uint8)
    mask = np.full(pixels.shape[1:], 255, np.uint8)
    kinds = []
    for number in range(DOWN * ACROSS):
        row, column = divmod(number, ACROSS)
        kind = int(chance.integers(3))
        noise = chance.normal(0, 45 if KINDS[kind] == "rough" else 3, (3, SIDE, SIDE))
        stripes = 60 * np.sin(np.arange(SIDE) * 0.8)[None, None] if KINDS[kind] == "striped" else 0
        there = slice(row * SIDE, (row + 1) * SIDE), slice(column * SIDE, (column + 1) * SIDE)
        pixels[(slice(None), *there)] = (120 + noise + stripes).clip(0, 255)
        if number == DOWN * ACROSS - 1:
            mask[there] = 0
        kinds.append(KINDS[kind])
    boxes = [cell(number % ACROSS, number // ACROSS) for number in range(DOWN * ACROSS)]
    of = {kind: [n for n, own in enumerate(kinds[:-1]) if own == kind] for kind in KINDS}
    raster = write_raster(folder / "land.tif", pixels, mask)
    examples = write_labels(folder / "rough.gpkg", ["rough"] * 2, [boxes[n] for n in of["rough"][:2]])
    return {"folder": folder, "raster": raster, "pixels": pixels, "boxes": boxes, "of": of, "examples": examples}


def find(world: dict[str, Any], output: Path, **more: Any) -> tuple[dict[str, Any], geopandas.GeoDataFrame]:
    given = {"rasters": (world["raster"],), "examples": world["examples"], "output": str(output), **more}
    results = run(FindSimilar(**given))
    return results, geopandas.read_file(output, layer=output.stem)


def numbers(table: geopandas.GeoDataFrame) -> list[int]:
    """Return which cells of the small world have been found."""
    middles = shapely.get_coordinates(table.geometry.centroid.to_numpy())
    column, row = np.floor((middles - [LEFT, TOP]) / [SIDE, -SIDE]).astype(int).T
    return (row * ACROSS + column).tolist()


def forbid_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let any look at the pixels of a raster fail."""

    def read(*given: Any) -> Any:
        raise AssertionError("The raster was read again.")

    monkeypatch.setattr(StoredBands, "read", read)


@pytest.fixture(scope="module")
def first(world: dict[str, Any]) -> dict[str, Any]:
    results, table = find(world, world["folder"] / "out.gpkg", report=str(world["folder"] / "found.html"))
    return {**world, "results": results, "table": table}


@pytest.mark.thorough
class TestWhatIsFound:
    def test_looks_like_the_examples(self, first: dict[str, Any]) -> None:
        wanted, found = first["of"]["rough"][2:], numbers(first["table"])
        assert set(found[:5]) <= set(wanted)
        assert len(set(found[: len(wanted)]) & set(wanted)) > 0.7 * len(wanted)
        assert not set(found[: len(wanted)]) & set(first["of"]["striped"])

    def test_has_ranks_in_the_order_of_scores(self, first: dict[str, Any]) -> None:
        table = first["table"]
        assert table["rank"].tolist() == list(range(1, len(table) + 1))
        assert (np.diff(table["score"]) <= 0).all()
        assert table["score"].between(-1, 1).all()
        assert set(table["raster"]) == {first["raster"]}

    def test_is_every_cell_with_data_but_the_examples(self, first: dict[str, Any]) -> None:
        every = set(range(DOWN * ACROSS - 1)) - set(first["of"]["rough"][:2])
        assert set(numbers(first["table"])) == every
        assert first["results"]["places"] == first["results"]["cells"] == len(every)
        assert first["results"]["side"] == SIDE  # As large as the examples.
        assert shapely.equals(first["table"].geometry.iloc[0], first["boxes"][numbers(first["table"])[0]])

    def test_is_as_many_as_were_asked_for(self, first: dict[str, Any], tmp_path: Path) -> None:
        _, table = find(first, tmp_path / "few.gpkg", count=3)
        assert numbers(table) == numbers(first["table"])[:3]

    def test_lies_in_the_extent(self, first: dict[str, Any], tmp_path: Path) -> None:
        extent = f"{LEFT},{LEFT + 4 * SIDE},{TOP - 6 * SIDE},{TOP - 3 * SIDE}"
        _, table = find(first, tmp_path / "part.gpkg", extent=extent)
        expected = {n for n in numbers(first["table"]) if n % ACROSS < 4 and n // ACROSS >= 3}
        assert set(numbers(table)) == expected

    def test_is_less_like_what_is_not_meant(self, first: dict[str, Any], tmp_path: Path) -> None:
        of = first["of"]
        both = write_labels(tmp_path / "both.gpkg", ["a", "b"], [first["boxes"][of[k][0]] for k in ("rough", "striped")])
        unlike = write_labels(tmp_path / "unlike.gpkg", ["x"], [first["boxes"][of["striped"][1]].centroid])
        _, before = find(first, tmp_path / "before.gpkg", examples=both)
        _, after = find(first, tmp_path / "after.gpkg", examples=both, unlike=unlike, cell=float(SIDE))
        assert of["striped"][1] not in numbers(after)

        def mean_rank(table: geopandas.GeoDataFrame) -> float:
            return float(np.mean([numbers(table).index(n) for n in of["striped"][2:]]))

        assert mean_rank(after) > mean_rank(before) + 2

    def test_does_not_depend_on_what_is_an_example_and_none(
        self, first: dict[str, Any], tmp_path: Path, listener: Listener
    ) -> None:
        rough, striped = (first["of"][kind] for kind in ("rough", "striped"))
        boxes = [first["boxes"][n] for n in (*rough[:2], striped[0])]
        examples = write_labels(tmp_path / "examples.gpkg", ["a"] * 3, boxes)
        moved = shapely.affinity.translate(boxes[2], 9, 9)
        unlike = write_labels(tmp_path / "unlike.gpkg", ["x"], [moved])
        output, report = tmp_path / "out.gpkg", tmp_path / "out.html"
        run(FindSimilar((first["raster"],), examples, str(output), unlike, report=str(report)), listener)
        assert "1 places are in" in listener.warnings and "left out of both" in listener.warnings
        assert "left out of both" in report.read_text(encoding="utf-8")
        found = numbers(geopandas.read_file(output, layer="out"))
        assert found == [n for n in numbers(first["table"]) if n != striped[0]]

    def test_is_the_same_for_points(self, first: dict[str, Any], tmp_path: Path, listener: Listener) -> None:
        middles = [first["boxes"][n].centroid for n in first["of"]["rough"][:2]]
        line = shapely.LineString([(LEFT, TOP), (LEFT + 9, TOP - 9)])
        far = shapely.Point(LEFT - 9000, TOP)
        points = write_labels(tmp_path / "points.gpkg", ["a"] * 3, [shapely.MultiPoint(middles), line, far])
        run(FindSimilar((first["raster"],), points, str(tmp_path / "out.gpkg"), cell=float(SIDE)), listener)
        table = geopandas.read_file(tmp_path / "out.gpkg", layer="out")
        assert numbers(table) == numbers(first["table"])
        assert "1 shapes of" in listener.warnings and "no polygons and no points" in listener.warnings
        assert "1 of 3 places of" in listener.warnings
        assert "only 33 places to find, not 100" in listener.infos

    def test_is_nothing_that_an_example_lies_on(self, first: dict[str, Any], tmp_path: Path) -> None:
        """A click between two cells, and one where four of them meet."""
        at = [shapely.Point(LEFT + column * SIDE, TOP - row * SIDE) for column, row in ((2.0, 1.5), (4.0, 4.0))]
        points = write_labels(tmp_path / "points.gpkg", ["a"] * 2, at)
        _, table = find(first, tmp_path / "out.gpkg", examples=points, cell=float(SIDE))
        beside = {ACROSS + 1, ACROSS + 2, *(row * ACROSS + column for row in (3, 4) for column in (3, 4))}
        assert set(numbers(table)) == set(range(DOWN * ACROSS - 1)) - beside

    def test_is_the_same_however_many_cells_are_looked_at_together(
        self, first: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(cell_grid, "CELLS_AT_ONCE", 1)
        monkeypatch.setattr(cell_grid, "AREA_TILE_PX", SIDE)
        _, table = find(first, tmp_path / "strips.gpkg")
        assert numbers(table) == numbers(first["table"])

    def test_may_be_marked_by_a_polygon_smaller_than_a_pixel(self, first: dict[str, Any], tmp_path: Path) -> None:
        middle = first["boxes"][first["of"]["rough"][0]].centroid
        examples = write_labels(tmp_path / "tiny.gpkg", ["a"], [middle.buffer(0.2)])
        extent = f"{LEFT},{LEFT + SIDE},{TOP - SIDE},{TOP}"
        results, _ = find(first, tmp_path / "out.gpkg", examples=examples, extent=extent)
        assert results["side"] == 8

    def test_is_found_again_without_a_look_at_the_raster(
        self, first: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FALSE_DISK_GB", "1")
        monkeypatch.setenv("FALSE_DISK_FOLDER", str(tmp_path / "kept"))
        _, before = find(first, tmp_path / "before.gpkg")
        forbid_reading(monkeypatch)
        _, after = find(first, tmp_path / "after.gpkg", count=5)
        assert numbers(after) == numbers(before)[:5]
        extent = f"{LEFT},{LEFT + 4 * SIDE},{TOP - 6 * SIDE},{TOP - 3 * SIDE}"
        _, part = find(first, tmp_path / "part.gpkg", extent=extent)
        assert set(numbers(part)) == {n for n in numbers(before) if n % ACROSS < 4 and n // ACROSS >= 3}


@pytest.mark.thorough
class TestTheReport:
    def test_shows_what_was_looked_for_and_what_was_found(self, first: dict[str, Any]) -> None:
        text = (first["folder"] / "found.html").read_text(encoding="utf-8")
        assert f"<td>2 of {first['examples']}</td>" in text
        head, found = text.split("The places that look most alike</h2>")
        found, rest = found.split("<h2>Where they lie</h2>")
        assert head.count("<image") == 2 and found.count("<image") == 24 and rest.count("<image") == 1
        table = first["table"]
        rows = re.findall(r"<td>(\d+)</td><td[^>]*>([\d.-]+)</td><td[^>]*>land.tif</td><td[^>]*>(\d+)</td>", found)
        middles = table.geometry.centroid.x.round().astype(int)
        told = [(str(r), f"{s:.3f}", str(x)) for r, s, x in zip(table["rank"], table["score"], middles)]
        assert rows == told

    def test_of_places_that_contradict_each_other_is_none(self, first: dict[str, Any], tmp_path: Path) -> None:
        with pytest.raises(InputError, match="Every place of .* is also one of"):
            find(first, tmp_path / "out.gpkg", unlike=first["examples"])


@pytest.mark.thorough
class TestManyRasters:
    def test_are_not_looked_at_again_where_another_one_is_added(
        self, first: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FALSE_DISK_GB", "1")
        monkeypatch.setenv("FALSE_DISK_FOLDER", str(tmp_path / "kept"))
        find(first, tmp_path / "one.gpkg")
        beside = rasterio.transform.from_origin(LEFT, TOP - 9 * SIDE * DOWN, 1, 1)
        more = write_raster(tmp_path / "dark.tif", first["pixels"] // 2, transform=beside)
        looked_at, over = [], Pooling.over

        def noted(self: Pooling, *given: Any) -> Any:
            looked_at.append(self.source.path)
            return over(self, *given)

        monkeypatch.setattr(Pooling, "over", noted)
        _, table = find(first, tmp_path / "two.gpkg", rasters=(first["raster"], more))
        assert set(looked_at) == {more}
        assert set(table["raster"]) == {first["raster"], more}

    def test_are_not_read_by_the_next_search_of_them(
        self, first: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FALSE_DISK_GB", "1")
        monkeypatch.setenv("FALSE_DISK_FOLDER", str(tmp_path / "kept"))
        beside = rasterio.transform.from_origin(LEFT, TOP - 9 * SIDE * DOWN, 1, 1)
        dark = write_raster(tmp_path / "dark.tif", first["pixels"] // 2, transform=beside)
        nowhere = np.zeros((DOWN * SIDE, ACROSS * SIDE), np.uint8)
        empty = write_raster(tmp_path / "empty.tif", first["pixels"], nowhere, transform=beside)
        rasters = first["raster"], dark, empty
        _, before = find(first, tmp_path / "before.gpkg", rasters=rasters)
        forbid_reading(monkeypatch)
        _, after = find(first, tmp_path / "after.gpkg", rasters=rasters)
        assert after.equals(before)

    def test_that_need_more_room_than_is_kept_are_looked_at_again_and_it_is_said(
        self, first: dict[str, Any], tmp_path: Path, listener: Listener, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FALSE_DISK_GB", "0.000001")
        monkeypatch.setenv("FALSE_DISK_FOLDER", str(tmp_path / "kept"))
        run(FindSimilar((first["raster"],), first["examples"], str(tmp_path / "out.gpkg")), listener)
        assert "more than is kept on the disk" in listener.warnings

    def test_are_all_searched_and_what_lies_on_two_is_found_once(self, first: dict[str, Any], tmp_path: Path) -> None:
        halves = []
        for name, columns in (("west", slice(0, 4 * SIDE)), ("east", slice(2 * SIDE, None))):
            there = GRID * Affine.translation(columns.start, 0)
            halves.append(write_raster(tmp_path / f"{name}.tif", first["pixels"][:, :, columns], transform=there))
        results, table = find(first, tmp_path / "out.gpkg", rasters=tuple(halves))
        found = numbers(table)
        assert len(found) == len(set(found)) == DOWN * ACROSS - 2  # Of 48 cells, 12 lie on both.
        assert set(table["raster"]) == set(halves)
        assert set(found[:4]) <= set(first["of"]["rough"][2:])
        assert results["cells"] == 48 - 2 * 2 + sum(n % ACROSS not in (2, 3) for n in first["of"]["rough"][:2])

    def test_of_several_crss_give_places_in_that_of_the_first(self, first: dict[str, Any], tmp_path: Path) -> None:
        other = write_raster(tmp_path / "other.tif", first["pixels"], crs="EPSG:32632")
        _, table = find(first, tmp_path / "out.gpkg", rasters=(first["raster"], other))
        assert table.crs.to_epsg() == 32633
        away = table[table["raster"] == other]
        assert len(away) == DOWN * ACROSS
        assert np.allclose(np.sqrt(away.area), SIDE, rtol=0.02)
        left, bottom, right, top = away.total_bounds
        expected = rasterio.warp.transform_bounds("EPSG:32632", CRS, *rasterio.open(other).bounds)
        assert np.allclose([left, bottom, right, top], expected, atol=1)


class TestWhatIsAsked:
    def test_needs_an_encoder(self, world: dict[str, Any], tmp_path: Path) -> None:
        with pytest.raises(RequestError, match="no encoder to look with"):
            find(world, tmp_path / "out.gpkg", weights="none")

    def test_needs_examples_that_are_places(self, world: dict[str, Any], tmp_path: Path) -> None:
        lines = write_labels(tmp_path / "lines.gpkg", ["a"], [shapely.LineString([(LEFT, TOP), (LEFT + 9, TOP - 9)])])
        with pytest.raises(InputError, match="holds no polygon and no point"):
            find(world, tmp_path / "out.gpkg", examples=lines)

    @pytest.mark.thorough
    def test_needs_examples_where_there_is_data(self, world: dict[str, Any], tmp_path: Path) -> None:
        for shape in (cell(900, 0), cell(ACROSS - 1, DOWN - 1)):
            examples = write_labels(tmp_path / "away.gpkg", ["a"], [shape])
            with pytest.raises(InputError, match="No place of .* lies on the data of"):
                find(world, tmp_path / "out.gpkg", examples=examples)

    @pytest.mark.thorough
    def test_needs_something_beside_the_examples(self, world: dict[str, Any], tmp_path: Path) -> None:
        everything = write_labels(tmp_path / "all.gpkg", ["a"], [shapely.union_all(world["boxes"])])
        with pytest.raises(InputError, match="nothing to compare"):
            find(world, tmp_path / "out.gpkg", examples=everything, cell=float(SIDE))

    @pytest.mark.thorough
    def test_needs_cells_of_some_size(self, world: dict[str, Any], tmp_path: Path) -> None:
        with pytest.raises(InputError, match="Cells of .* would be"):
            find(world, tmp_path / "out.gpkg", cell=0.01)


class TestContradictions:
    @staticmethod
    def seen(sources: list[Any], windows: list[Window]) -> SeenMarks:
        places = [PlaceShown(source, window) for source, window in zip(sources, windows)]
        return SeenMarks(np.arange(len(places), dtype=np.float32)[:, None], places)

    def test_are_places_of_one_raster_that_have_more_than_half_in_common(self, listener: Listener) -> None:
        here, there = object(), object()
        wanted = self.seen([here, here, there], [Window(0, 0, 10, 10), Window(50, 0, 10, 10), Window(90, 0, 10, 10)])
        unwanted = self.seen(
            [here, here, there, here],
            [Window(3, 0, 10, 10), Window(54, 0, 10, 10), Window(0, 0, 10, 10), Window(90, 0, 10, 10)],
        )
        left, others = _without_contradictions(wanted, unwanted, "a", "b", listener.feedback)
        assert left.features[:, 0].tolist() == [1, 2] and others.features[:, 0].tolist() == [1, 2, 3]
        assert "1 places are in a and in b alike" in listener.warnings

    def test_are_looked_for_among_many_marks_at_once(self, listener: Listener) -> None:
        number, source = 5_000, object()
        wanted = self.seen([source] * number, [Window(20 * n, 0, 10, 10) for n in range(number)])
        beside = [Window(20 * n, 9, 10, 10) for n in range(number - 1)]
        unwanted = self.seen([source] * number, [*beside, Window(0, 0, 9, 9)])
        begun = time.process_time()
        left, others = _without_contradictions(wanted, unwanted, "a", "b", listener.feedback)
        assert len(left.places) == len(others.places) == number - 1
        assert time.process_time() - begun < 3


def test_a_mark_larger_than_the_raster_is_seen_as_far_as_the_raster_goes(tmp_path: Path) -> None:
    source = RasterSource(write_raster(tmp_path / "land.tif", np.full((3, 50, 40), 9, np.uint8)))
    assert _on_raster(shapely.box(-1e6, 10, 1e6, 1e6), source) == Window(0, 10, 40, 40)
    assert _on_raster(shapely.box(5, 6, 7, 8), source) == Window(5, 6, 2, 2)
