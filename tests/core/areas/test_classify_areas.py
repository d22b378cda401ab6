"""Areas get the class of the examples that look like them, whatever their shape."""

from __future__ import annotations

import errno
import json
import re
import sqlite3
import xml.etree.ElementTree as ET
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from small_world import LEFT, TOP, Listener, write_labels, write_raster

from false_core.areas import kept_features, pooling
from false_core.dispatch import run
from false_core.errors import InputError, ModelFileError, OutputError, RequestError
from false_core.jobs import ClassifyAreas, ModelInfo
from false_core.models.model_file import read_card
from false_core.rerun import plan

SIDE, ACROSS = 32, 8


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Eight times six cells of 32 pixels: smooth, rough and striped ones, and the last one without data."""
    folder = tmp_path_factory.mktemp("areas")
    chance = np.random.default_rng(0)
    pixels = np.zeros((3, 6 * SIDE, ACROSS * SIDE), np.uint8)
    mask = np.full(pixels.shape[1:], 255, np.uint8)
    kinds, boxes = [], []
    for number in range(6 * ACROSS):
        row, column = divmod(number, ACROSS)
        kind = int(chance.integers(3))
        noise = chance.normal(0, 3 if kind != 1 else 45, (3, SIDE, SIDE))
        stripes = 60 * np.sin(np.arange(SIDE) * 0.8)[None, None] if kind == 2 else 0
        there = slice(row * SIDE, (row + 1) * SIDE), slice(column * SIDE, (column + 1) * SIDE)
        pixels[(slice(None), *there)] = (120 + noise + stripes).clip(0, 255)
        if number == 6 * ACROSS - 1:
            mask[there] = 0
        kinds.append(("calm", "rough", "striped")[kind])
        boxes.append(cell(column, row))
    raster = write_raster(folder / "land.tif", pixels, mask)
    table = geopandas.GeoDataFrame({"number": range(len(boxes)), "owner": kinds}, geometry=boxes, crs="EPSG:32633")
    table.to_file(folder / "cells.gpkg")
    some = {kind: [n for n, own in enumerate(kinds) if own == kind][:3] for kind in set(kinds)}
    labelled = sorted(number for numbers in some.values() for number in numbers)
    labels = write_labels(folder / "labels.gpkg", [kinds[n] for n in labelled], [boxes[n] for n in labelled])
    return {
        "raster": raster, "cells": str(folder / "cells.gpkg"), "labels": labels, "kinds": kinds, "boxes": boxes,
        "labelled": labelled, "folder": folder,
    }  # fmt: skip


def cell(column: float, row: float) -> shapely.Polygon:
    left, top = LEFT + column * SIDE, TOP - row * SIDE
    return shapely.box(left, top - SIDE, left + SIDE, top)


def job(world: dict[str, Any], output: Path, **more: Any) -> ClassifyAreas:
    given = {"areas": world["cells"], "labels": world["labels"], "field": "cover", **more}
    return ClassifyAreas(raster=world["raster"], output=str(output), **{k: v for k, v in given.items() if v is not None})


@pytest.fixture(scope="module")
def first(world: dict[str, Any]) -> dict[str, Any]:
    folder = world["folder"]
    results = run(
        job(world, folder / "out.gpkg", new_model=str(folder / "areas.safetensors"), report=str(folder / "report.html"))
    )
    return {"results": results, "table": geopandas.read_file(folder / "out.gpkg", layer="out"), **world}


@pytest.mark.thorough
class TestAreas:
    def test_get_the_class_of_those_that_look_like_them(self, first: dict[str, Any]) -> None:
        right = first["table"]["class"][:-1] == first["kinds"][:-1]
        assert right.mean() > 0.9

    def test_keep_their_fields_and_their_order(self, first: dict[str, Any]) -> None:
        table = first["table"]
        assert table["owner"].tolist() == first["kinds"]
        assert table["number"].tolist() == list(range(len(first["kinds"])))
        assert shapely.equals(table.geometry.to_numpy(), np.array(first["boxes"])).all()

    def test_have_no_class_without_a_valid_pixel(self, first: dict[str, Any]) -> None:
        last = first["table"].iloc[-1]
        assert last["class"] is None or last["class"] != last["class"]
        assert np.isnan(last["confidence"])
        assert (first["results"]["classified"], first["results"]["without"]) == (47, 1)

    def test_with_a_label_keep_it_for_certain(self, first: dict[str, Any]) -> None:
        labelled = first["table"].iloc[first["labelled"]]
        assert (labelled["class"] == [first["kinds"][n] for n in first["labelled"]]).all()
        assert (labelled["confidence"] == 100).all()

    def test_are_told_about_in_the_report(self, first: dict[str, Any]) -> None:
        text = (first["folder"] / "report.html").read_text(encoding="utf-8")
        assert "Areas of each class" in text
        for kind, number in first["table"]["class"].value_counts().items():
            assert re.search(
                rf"{kind}</td>\s*<td[^>]*>{number}</td>.*?{number * SIDE**2 / 10_000:.2f}</td>", text, re.DOTALL
            )
        assert "unknown" in text  # Nine examples are too few for a score.

    def test_of_any_shape_get_one(self, first: dict[str, Any], tmp_path: Path, listener: Listener) -> None:
        """Overlapping, in several parts, smaller than a pixel, crossing itself, and beyond the raster."""
        calm = [first["boxes"][n] for n, kind in enumerate(first["kinds"]) if kind == "calm"][:2]
        x, y = calm[-1].centroid.coords[0]
        bow = shapely.Polygon([(x - 9, y - 9), (x + 9, y + 9), (x + 9, y - 9), (x - 9, y + 9)])
        shapes = [
            calm[-1], calm[-1].buffer(-5), shapely.MultiPolygon([calm[-1].buffer(-8), calm[0]]),
            shapely.box(x, y, x + 0.2, y + 0.2), shapely.box(x - 9, y, x + 9, y + 0.1), bow,
            shapely.box(0, 0, 1, 1), shapely.MultiPolygon(),
        ]  # fmt: skip
        areas = write_labels(tmp_path / "shapes.gpkg", range(len(shapes)), shapes, field="class")
        model = str(first["folder"] / "areas.safetensors")
        wanted = job(first, tmp_path / "out.gpkg", areas=areas, labels=None, field=None, model=model)
        run(wanted, listener)
        table = geopandas.read_file(tmp_path / "out.gpkg", layer="out")
        assert table["class"][:2].tolist() == ["calm"] * 2
        assert table["class"][:6].notna().all()
        assert table["class"][6:].isna().all()
        assert table["class_1"].tolist() == list(range(len(shapes)))  # Their own field of that name.
        assert "are called like ours" in listener.infos

    @pytest.mark.parametrize("name", ["out.gpkg", "out.shp", "out.geojson"])
    def test_are_polygons_alone(self, first: dict[str, Any], tmp_path: Path, listener: Listener, name: str) -> None:
        """Whatever else a layer holds has no area, and most formats keep one kind of shape."""
        square = first["boxes"][0]
        mixed = shapely.GeometryCollection([square.centroid, square])
        areas = write_labels(tmp_path / "a.gpkg", range(5), [square.centroid, mixed, square.boundary, None, square])
        model = str(first["folder"] / "areas.safetensors")
        run(job(first, tmp_path / name, areas=areas, labels=None, field=None, model=model), listener)
        table = geopandas.read_file(tmp_path / name)
        assert table["cover"].tolist() == [1, 4]
        assert shapely.equals(table.geometry.to_numpy(), square).all()
        assert table["class"].tolist() == [first["kinds"][0]] * 2
        assert "3 of 5 shapes of" in listener.warnings

    def test_of_two_classes_with_one_name_are_warned_of(self, first: dict[str, Any], tmp_path: Path) -> None:
        legend = tmp_path / "legend.json"
        legend.write_text(json.dumps([{"value": value, "name": "Wood", "color": None} for value in ("calm", "rough")]))
        listener = Listener()
        run(job(first, tmp_path / "out.gpkg", legend=str(legend)), listener)
        assert "'Wood' / 'Wood'" in listener.warnings

    @pytest.mark.parametrize(("name", "said"), [("out.shp", True), ("out.gpkg", False)])
    def test_lose_no_name_or_text_in_silence(
        self, first: dict[str, Any], tmp_path: Path, listener: Listener, name: str, said: bool
    ) -> None:
        table = geopandas.GeoDataFrame(
            {"name_of_the_owner": ["ä" * 128], "name": ["a"]}, geometry=first["boxes"][:1], crs="EPSG:32633"
        )
        table.to_file(tmp_path / "a.gpkg")
        model = str(first["folder"] / "areas.safetensors")
        areas = str(tmp_path / "a.gpkg")
        run(job(first, tmp_path / name, areas=areas, labels=None, field=None, model=model), listener)
        assert ("names in out.shp: name_of_the_owner is name_of_th." in listener.warnings) == said
        assert ("cut off in out.shp, in name_of_the_owner; a GeoPackage" in listener.warnings) == said

    def test_that_are_cells_of_a_grid_need_no_layer(self, first: dict[str, Any], tmp_path: Path) -> None:
        points = [first["boxes"][n].centroid for n in first["labelled"]]
        labels = write_labels(tmp_path / "points.gpkg", [first["kinds"][n] for n in first["labelled"]], points)
        run(job(first, tmp_path / "out.gpkg", areas=None, cell=float(SIDE), labels=labels))
        table = geopandas.read_file(tmp_path / "out.gpkg", layer="out")
        assert table["class"][:-1].tolist() == first["table"]["class"][:-1].tolist()
        assert table["cell"].tolist() == list(range(1, 49))

    def test_without_a_crs_come_out_in_that_of_the_raster(
        self, first: dict[str, Any], tmp_path: Path, listener: Listener
    ) -> None:
        areas = write_labels(tmp_path / "areas.gpkg", range(2), first["boxes"][:2], crs=None)
        model = str(first["folder"] / "areas.safetensors")
        run(job(first, tmp_path / "out.gpkg", areas=areas, labels=None, field=None, model=model), listener)
        table = geopandas.read_file(tmp_path / "out.gpkg", layer="out")
        assert table.crs.to_epsg() == 32633
        assert table["class"].tolist() == first["table"]["class"][:2].tolist()
        assert f"{areas} has no CRS. Its areas" in listener.warnings
        assert "labels" not in listener.warnings

    def test_are_examples_of_their_own_where_a_label_covers_none_and_it_is_said(
        self, first: dict[str, Any], tmp_path: Path, listener: Listener
    ) -> None:
        inside = [first["boxes"][number].centroid.buffer(8) for number in first["labelled"]]
        labels = write_labels(tmp_path / "small.gpkg", [first["kinds"][number] for number in first["labelled"]], inside)
        report = tmp_path / "report.html"
        run(job(first, tmp_path / "out.gpkg", labels=labels, report=str(report)), listener)
        assert f"mostly cover no area: {len(inside)}. Each is an example" in listener.infos
        text = report.read_text(encoding="utf-8")
        assert "Labelled areas" in text
        assert "Patches it was trained on" not in text and "accuracy of a map" not in text

    def test_may_be_labelled_in_their_own_layer(self, first: dict[str, Any], tmp_path: Path) -> None:
        known = [kind if n in first["labelled"] else None for n, kind in enumerate(first["kinds"])]
        areas = write_labels(tmp_path / "areas.gpkg", known, first["boxes"])
        run(job(first, tmp_path / "out.gpkg", areas=areas, labels=areas))
        table = geopandas.read_file(tmp_path / "out.gpkg", layer="out")
        assert table["class"][:-1].tolist() == first["table"]["class"][:-1].tolist()

    def test_of_a_part_are_those_that_lie_in_it(self, first: dict[str, Any], tmp_path: Path, listener: Listener) -> None:
        extent = f"{LEFT},{LEFT + 2.5 * SIDE},{TOP - 6 * SIDE},{TOP - 4 * SIDE}"
        run(job(first, tmp_path / "out.gpkg", extent=extent), listener)
        table = geopandas.read_file(tmp_path / "out.gpkg", layer="out")
        assert table["number"].tolist() == [32, 33, 34, 40, 41, 42]
        assert "42 of 48 areas lie outside the extent" in listener.infos
        assert table["class"].notna().all()

    def test_beyond_the_extent_points_teach_as_polygons_do(self, first: dict[str, Any], tmp_path: Path) -> None:
        numbers = first["labelled"]
        inside = [shapely.centroid(first["boxes"][number]) for number in numbers]
        points = write_labels(tmp_path / "points.gpkg", [first["kinds"][number] for number in numbers], inside)
        extent = f"{LEFT},{LEFT + 2.5 * SIDE},{TOP - 6 * SIDE},{TOP - 4 * SIDE}"
        answers = []
        for labels in (first["labels"], points):
            output = tmp_path / "out.gpkg"
            run(job(first, output, extent=extent, labels=labels))
            answers.append(geopandas.read_file(output))
        assert len(answers[0]) == 6
        assert answers[0].equals(answers[1])

    def test_are_summed_up_alike_however_many_at_once(
        self, first: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pooling, "AREAS_AT_ONCE", 5)
        monkeypatch.setattr(kept_features, "MOST_FEATURES_IN_MEMORY", 0)
        monkeypatch.setattr(kept_features, "FEATURES_FILE_BYTES", 10_000)
        run(job(first, tmp_path / "out.gpkg"))
        table = geopandas.read_file(tmp_path / "out.gpkg", layer="out")
        assert table.drop(columns="geometry").equals(first["table"].drop(columns="geometry"))

    def test_that_the_disk_does_not_hold_are_said(
        self, first: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(**given: Any) -> None:
            assert given["dir"] == tmp_path
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(kept_features, "MOST_FEATURES_IN_MEMORY", 0)
        monkeypatch.setattr(kept_features, "tempfile", SimpleNamespace(TemporaryFile=full))
        with pytest.raises(OutputError, match="no room in .* for what is seen of 48 areas"):
            run(job(first, tmp_path / "out.gpkg"))

    def test_of_another_raster_are_classified_by_the_model_that_was_kept(
        self, first: dict[str, Any], tmp_path: Path
    ) -> None:
        """The same land with its rows of cells in another order."""
        with rasterio.open(first["raster"]) as file:
            rows = np.split(file.read(), 6, axis=1), np.split(file.dataset_mask(), 6)
        pixels, mask = np.concatenate(rows[0][::-1], axis=1), np.concatenate(rows[1][::-1])
        raster = write_raster(tmp_path / "other.tif", pixels, mask)
        model = str(first["folder"] / "areas.safetensors")
        run(job({**first, "raster": raster}, tmp_path / "out.gpkg", labels=None, field=None, model=model))
        found = geopandas.read_file(tmp_path / "out.gpkg", layer="out")["class"]
        wanted = first["table"]["class"].to_numpy().reshape(-1, ACROSS)[::-1].ravel()
        there = np.arange(6 * ACROSS) != ACROSS - 1
        assert found.notna().tolist() == there.tolist()
        assert (found[there] == wanted[there]).mean() > 0.9

    def test_hold_their_style(self, first: dict[str, Any]) -> None:
        with closing(sqlite3.connect(first["folder"] / "out.gpkg")) as database:
            ((table, default, style),) = database.execute("SELECT f_table_name, useAsDefault, styleQML FROM layer_styles")
        renderer = ET.fromstring(style).find("renderer-v2")
        assert (table, default) == ("out", 1)
        assert renderer is not None and renderer.get("attr") == "class"
        assert {"calm", "rough", "striped"} <= {category.get("label") for category in renderer.iter("category")}

    def test_are_classified_alike_by_the_model_that_was_kept(self, first: dict[str, Any], tmp_path: Path) -> None:
        model = str(first["folder"] / "areas.safetensors")
        results = run(job(first, tmp_path / "out.gpkg", labels=None, field=None, model=model))
        table = geopandas.read_file(tmp_path / "out.gpkg", layer="out")
        assert (table["class"][:-1] == first["table"]["class"][:-1]).all()
        assert results["accuracy"] == first["results"]["accuracy"]


@pytest.mark.thorough
class TestTheModel:
    def test_says_what_it_is(self, first: dict[str, Any], tmp_path: Path) -> None:
        model = str(first["folder"] / "areas.safetensors")
        assert run(ModelInfo(model, str(tmp_path / "about.html")))["kind"] == "area classifier"
        text = (tmp_path / "about.html").read_text(encoding="utf-8")
        assert "A model of areas." in text

    def test_can_be_made_again(self, first: dict[str, Any], tmp_path: Path) -> None:
        planned = plan(str(first["folder"] / "areas.safetensors"), str(tmp_path / "again.safetensors"))
        assert planned.is_the_same
        assert planned.job.output == str(tmp_path / "again.gpkg")  # type: ignore[attr-defined]

    def test_that_maps_pixels_is_another_one(self, first: dict[str, Any], tmp_path: Path) -> None:
        from false_core.jobs import Classify

        model = str(first["folder"] / "areas.safetensors")
        with pytest.raises(ModelFileError, match="holds a model of areas, but a segmenter"):
            run(Classify(first["raster"], model, str(tmp_path / "map.tif")))

    def test_holds_its_card(self, first: dict[str, Any]) -> None:
        card = read_card(str(first["folder"] / "areas.safetensors"), "area classifier")
        assert [c.name for c in card.classes] == ["calm", "rough", "striped"]
        assert sum(count for count, _ in card.provenance["labels"].values()) == len(first["labelled"])


class TestWhatIsAsked:
    def test_is_a_model_or_labels(self, world: dict[str, Any], tmp_path: Path) -> None:
        with pytest.raises(RequestError, match="Neither labels nor model"):
            run(job(world, tmp_path / "out.gpkg", labels=None, field=None))
        with pytest.raises(RequestError, match="model and new_model were both given"):
            run(job(world, tmp_path / "o.gpkg", labels=None, field=None, model="a.safetensors", new_model="b.safetensors"))

    def test_needs_an_encoder(self, world: dict[str, Any], tmp_path: Path) -> None:
        with pytest.raises(RequestError, match="no encoder to look with"):
            run(job(world, tmp_path / "out.gpkg", weights="none"))

    @pytest.mark.thorough
    @pytest.mark.parametrize(
        ("values", "shapes", "problem"),
        [
            (["a", "a"], [cell(0, 0), cell(1, 0)], "of one class, 'a'"),
            (["a", "b"], [cell(500, 0), cell(501, 0)], "No label of .* lies on"),
            ([None], [cell(0, 0)], "holds no value"),
            (["a", "b"], [cell(0, 0), cell(7, 5)], "No labelled area of b holds a valid pixel"),
        ],
    )
    def test_needs_labels_that_say_something(
        self, world: dict[str, Any], tmp_path: Path, values: list[Any], shapes: list[Any], problem: str
    ) -> None:
        labels = write_labels(tmp_path / "labels.gpkg", values, shapes)
        with pytest.raises(InputError, match=problem):
            run(job(world, tmp_path / "out.gpkg", labels=labels))

    @pytest.mark.thorough
    def test_needs_areas_that_are_of_one_class(self, world: dict[str, Any], tmp_path: Path) -> None:
        points = write_labels(tmp_path / "points.gpkg", ["a", "b"], [cell(0, 0).centroid, cell(1, 0).centroid])
        with pytest.raises(InputError, match="Each area with labels bears labels of several classes"):
            run(job(world, tmp_path / "out.gpkg", areas=None, cell=500.0, labels=points))

    def test_needs_polygons_over_the_raster(self, world: dict[str, Any], tmp_path: Path) -> None:
        points = write_labels(tmp_path / "points.gpkg", ["a"], [cell(0, 0).centroid])
        with pytest.raises(InputError, match="holds no polygon"):
            run(job(world, tmp_path / "out.gpkg", areas=points))
        far = write_labels(tmp_path / "far.gpkg", ["a"], [cell(900, 0)])
        with pytest.raises(InputError, match="No area lies over the raster"):
            run(job(world, tmp_path / "out.gpkg", areas=far))
        one = write_labels(tmp_path / "one.gpkg", ["a"], [cell(0, 0)])
        elsewhere = f"{LEFT + 100},{LEFT + 140},{TOP - 140},{TOP - 100}"
        with pytest.raises(InputError, match="No area of .* lies within the extent"):
            run(job(world, tmp_path / "out.gpkg", areas=one, extent=elsewhere))

    def test_needs_cells_of_some_size(self, world: dict[str, Any], tmp_path: Path) -> None:
        with pytest.raises(InputError, match="would be"):
            run(job(world, tmp_path / "out.gpkg", areas=None, cell=0.01))
        with pytest.raises(InputError, match="A cell of 1e\\+300 m is far larger than"):
            run(job(world, tmp_path / "out.gpkg", areas=None, cell=1e300))
