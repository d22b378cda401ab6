"""A benchmark measures what the jobs would do, writes its tables, and goes on where it was."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
import rasterio.features
import shapely
from rasterio.features import geometry_mask
from small_world import HEIGHT, LEFT, TOP, WIDTH, Listener, textured_land, write_raster

from false_core import jobs
from false_core.benchmark.area_classification import draws_of_areas, measure_areas
from false_core.benchmark.area_features import see_areas
from false_core.benchmark.area_likeness import precision_of_first
from false_core.benchmark.change_detection import measure_change
from false_core.benchmark.encoders import encoder_called
from false_core.benchmark.measurements import read_run
from false_core.benchmark.ready_tasks import generated_tasks
from false_core.benchmark.runner import run_benchmark
from false_core.benchmark.settings import BenchmarkSettings, settings_of
from false_core.benchmark.tasks import AREAS, CHANGE, LIKENESS, SEGMENTATION, BenchmarkTask, read_tasks
from false_core.computing.device import choose_device
from false_core.dispatch import run
from false_core.errors import Cancelled, InputError, OutputError, RequestError
from false_core.feedback import Feedback
from false_core.raster.grid import moved

pytestmark = pytest.mark.thorough

SIDE, ACROSS, DOWN = 32, 8, 6


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A raster of three stripes with its truth; and one of cells that are smooth, rough and striped, with their classes."""
    folder = tmp_path_factory.mktemp("benchmark")
    truth = np.broadcast_to(1 + np.arange(WIDTH) * 3 // WIDTH, (HEIGHT, WIDTH)).astype(np.uint8)
    chance = np.random.default_rng(0)
    pixels = np.zeros((3, DOWN * SIDE, ACROSS * SIDE), np.uint8)
    kinds, boxes, splits = [], [], []
    for number in range(DOWN * ACROSS):
        row, column = divmod(number, ACROSS)
        kind = int(chance.integers(3))
        noise = chance.normal(0, 3 if kind != 1 else 45, (3, SIDE, SIDE))
        stripes = 60 * np.sin(np.arange(SIDE) * 0.8)[None, None] if kind == 2 else 0
        there = slice(row * SIDE, (row + 1) * SIDE), slice(column * SIDE, (column + 1) * SIDE)
        pixels[(slice(None), *there)] = (120 + noise + stripes).clip(0, 255)
        kinds.append(("calm", "rough", "striped")[kind])
        splits.append("test" if number % 3 == 0 else "train")
        boxes.append(shapely.box(LEFT + column * SIDE, TOP - (row + 1) * SIDE, LEFT + (column + 1) * SIDE, TOP - row * SIDE))
    fields = {"kind": kinds, "use": splits, "same": ["x"] * len(kinds)}
    geopandas.GeoDataFrame(fields, geometry=boxes, crs="EPSG:32633").to_file(folder / "cells.gpkg")
    return {
        "land": write_raster(folder / "land.tif", textured_land(), nodata=0),
        "truth": write_raster(folder / "truth.tif", truth[None], nodata=0),
        "cells": str(folder / "cells.gpkg"),
        "mosaic": write_raster(folder / "mosaic.tif", pixels),
    }


@pytest.fixture
def settings() -> BenchmarkSettings:
    device = choose_device("cpu", Feedback())
    return settings_of([1, 3], [0.05], 2, is_quick=True, device=device)


def segmentation(world: dict[str, str]) -> BenchmarkTask:
    return BenchmarkTask("land", SEGMENTATION, world["land"], world["truth"])


def cells(world: dict[str, str], kind: str = AREAS, **more: str) -> BenchmarkTask:
    given = {"field": "kind", "split": "use", **more}
    return BenchmarkTask(f"cells, {kind}", kind, world["mosaic"], labels=world["cells"], **given)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("output")


class TestAWholeRun:
    def test_writes_every_fit_a_page_and_the_ranks(
        self, world: dict[str, str], settings: BenchmarkSettings, folder: Path, encoder: str
    ) -> None:
        tasks = [segmentation(world), cells(world), cells(world, LIKENESS)]
        encoders = [encoder_called(name) for name in ("none", "general", encoder)]
        listener = Listener()
        summary = run_benchmark(tasks, encoders, settings, folder, listener)
        # The encoder file is of four bands, the cells have three.
        assert sorted(summary.failed) == ["cells, areas, encoder", "cells, likeness, encoder"]
        assert (summary.runs, summary.done) == (9, 7)
        rows = rows_of(summary.table)
        assert len(rows) == 3 * 6 + 2 * 2 * 4
        for row in rows:
            score = row[{SEGMENTATION: "miou", AREAS: "oa", LIKENESS: "precision"}[row["kind"]]]
            assert 0 <= float(score) <= 1
        body = json.loads(summary.body.read_text(encoding="utf-8"))
        assert body["ranked_over"] == ["land", "cells, areas", "cells, likeness"]
        assert {one["encoder"] for one in body["ranks"]} == {"none", "general", "encoder"}
        page = summary.page.read_text(encoding="utf-8")
        for said in ("Start from", "cells, areas, encoder failed", "encoder has no results on cells, areas", "3 a class"):
            assert said in page and "<svg" in page
        assert "cells, areas, encoder failed" in listener.warnings

    def test_does_nothing_again(
        self, world: dict[str, str], settings: BenchmarkSettings, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("false_core.benchmark.runner.MEASURES", {})
        summary = run_benchmark([segmentation(world), cells(world)], [encoder_called("none")], settings, folder)
        assert (summary.runs, summary.done, summary.failed) == (2, 0, {})

    def test_takes_features_from_the_disk_and_knows_what_they_cost(
        self, world: dict[str, str], settings: BenchmarkSettings, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = measure_areas(cells(world), encoder_called("general"), settings, folder / "features", Feedback())
        monkeypatch.setattr("false_core.areas.pooling.Pooling.over", None)
        again = measure_areas(cells(world), encoder_called("general"), settings, folder / "features", Feedback())
        assert again.seconds_of_features == before.seconds_of_features > 0
        assert [one.scores for one in again.measurements] == [one.scores for one in before.measurements]


def test_areas_are_scored_as_the_job_classifies_them(
    world: dict[str, str], settings: BenchmarkSettings, tmp_path: Path
) -> None:
    task, encoder = cells(world), encoder_called("general")
    measured = measure_areas(task, encoder, settings, tmp_path / "features", Feedback())
    seen = see_areas(task, encoder, settings.device, tmp_path / "features", Feedback())
    table = geopandas.read_file(world["cells"])
    for one, draw in zip(measured.measurements, draws_of_areas(seen, settings)):
        given, output = tmp_path / "given.gpkg", tmp_path / f"{draw.budget.labels} {draw.number}.gpkg"
        table.iloc[draw.chosen][["kind", "geometry"]].to_file(given)
        job = jobs.ClassifyAreas(
            world["mosaic"], str(output), areas=world["cells"], labels=str(given), field="kind", device="cpu"
        )
        run(job)
        found = geopandas.read_file(output, layer=output.stem)
        scored = table["use"] == "test"
        assert one.scores["oa"] == pytest.approx((found["class"][scored] == table["kind"][scored]).mean())


def test_the_first_found_are_counted_of_as_many_as_there_could_be() -> None:
    likeness = np.linspace(1, 0, 30)
    wanted = np.zeros(30, bool)
    wanted[[0, 2, 5, 20]] = True
    assert precision_of_first(likeness, wanted) == 3 / 4
    wanted[10:] = True
    assert precision_of_first(likeness, wanted) == 3 / 10


@pytest.mark.parametrize("name", ["none", "random"])
def test_without_a_trained_encoder_textures_are_told_apart_better_than_by_guessing(
    world: dict[str, str], settings: BenchmarkSettings, tmp_path: Path, name: str
) -> None:
    measured = measure_areas(cells(world), encoder_called(name), settings, tmp_path, Feedback())
    table = geopandas.read_file(world["cells"])
    commonest = table["kind"][table["use"] == "test"].value_counts(normalize=True).max()
    of_three = [one.scores["oa"] for one in measured.measurements if one.budget.labels == 3]
    assert np.mean(of_three) > commonest
    assert (measured.parameters > 0) == (name == "random")


def test_areas_without_a_split_are_scored_in_other_blocks_of_space(
    world: dict[str, str], settings: BenchmarkSettings, tmp_path: Path
) -> None:
    seen = see_areas(cells(world, split=""), encoder_called("none"), settings.device, tmp_path, Feedback())
    assert seen.is_learned.any() and seen.is_scored.any()
    assert not (seen.is_learned & seen.is_scored).any()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"field": "no"}, "the areas have no field 'no'; they have kind, use, same"),
        ({"field": "same"}, "all areas are of one class"),
        ({"split": "same"}, "too few areas to learn from and to score"),
    ],
)
def test_areas_that_cannot_be_scored_are_said(
    world: dict[str, str], settings: BenchmarkSettings, tmp_path: Path, more: dict[str, str], said: str
) -> None:
    with pytest.raises(InputError, match=f"cells, areas: .*{said}"):
        see_areas(cells(world, **more), encoder_called("none"), settings.device, tmp_path, Feedback())


def test_it_stops_where_it_is_told_to(world: dict[str, str], settings: BenchmarkSettings, tmp_path: Path) -> None:
    import threading

    cancel = threading.Event()

    def stop(event: Any) -> None:
        if "fits." in getattr(event, "text", ""):
            cancel.set()

    encoders = [encoder_called("none"), encoder_called("general")]
    with pytest.raises(Cancelled):
        run_benchmark([segmentation(world)], encoders, settings, tmp_path, stop, cancel)
    assert {row["encoder"] for row in rows_of(tmp_path / "benchmark.csv")} == {"none"}


def test_a_folder_that_cannot_be_written_to_is_said(
    world: dict[str, str], settings: BenchmarkSettings, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written to"):
        run_benchmark([segmentation(world)], [encoder_called("none")], settings, tmp_path / "file")


def test_a_run_that_cannot_be_read_is_done_again(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"task": "t"}', encoding="utf-8")
    assert read_run(tmp_path / "run.json") is None
    assert read_run(tmp_path / "none.json") is None


def test_the_generated_scene_has_tasks_of_every_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("false_core.benchmark.ready_tasks.SIDE_IN_SHORT", 512)
    tasks = generated_tasks(tmp_path, is_quick=True)
    assert {task.kind for task in tasks} == {SEGMENTATION, AREAS, LIKENESS, CHANGE}
    cells_of_scene = geopandas.read_file(tasks[2].labels)
    assert len(set(cells_of_scene["land_cover"])) >= 2
    dated = (tmp_path / "generated-512-0" / "image.tif").stat().st_mtime_ns
    generated_tasks(tmp_path, is_quick=True)
    assert (tmp_path / "generated-512-0" / "image.tif").stat().st_mtime_ns == dated


@pytest.fixture(scope="module")
def two_dates(tmp_path_factory: pytest.TempPathFactory) -> BenchmarkTask:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("SIDE_IN_SHORT", "SIDE_OF_TWO_DATES_IN_SHORT"):
            patch.setattr(f"false_core.benchmark.ready_tasks.{name}", 320)
        return generated_tasks(tmp_path_factory.mktemp("dates"), is_quick=True)[-1]


class TestChange:
    def test_is_found_by_encoders_of_every_sort(
        self, two_dates: BenchmarkTask, settings: BenchmarkSettings, tmp_path: Path
    ) -> None:
        alone = replace(two_dates, land_cover="")
        measured = {
            name: measure_change(alone, encoder_called(name), replace(settings, draws=1), tmp_path, Feedback())
            for name in ("general", "random", "general+random")
        }
        for name, found in measured.items():
            assert [(one.draw, one.budget.title) for one in found.measurements] == [(0, "no labels")]
            assert found.parameters == measured["general"].parameters * (2 if "+" in name else 1)
        assert measured["general"].measurements[0].scores != measured["random"].measurements[0].scores
        assert not list(tmp_path.iterdir())

    def test_is_scored_as_the_map_of_the_job_is(
        self, two_dates: BenchmarkTask, settings: BenchmarkSettings, tmp_path: Path
    ) -> None:
        few = replace(settings, draws=1, budgets=())
        measured = measure_change(two_dates, encoder_called("general"), few, tmp_path / "scratch", Feedback())
        run(jobs.Change(two_dates.raster, two_dates.after, str(tmp_path / "change.tif"), device="cpu"))
        with rasterio.open(tmp_path / "change.tif") as file, rasterio.open(two_dates.truth) as truth:
            shown, changed = file.read(1), truth.read(1) > 0
        shown, changed = shown[shown > 0] == 2, changed[shown > 0]
        hits = (shown & changed).sum()
        assert measured.measurements[0].scores["f1"] == pytest.approx(2 * hits / (shown.sum() + changed.sum()))

    @pytest.mark.parametrize("given", ["land cover", "polygons"])
    def test_learns_from_draws_of_labels_of_the_earlier_date(
        self,
        two_dates: BenchmarkTask,
        settings: BenchmarkSettings,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        given: str,
    ) -> None:
        with rasterio.open(two_dates.land_cover) as file:
            cover, transform = file.read(1), file.transform
        classes = np.flatnonzero(np.bincount(cover.ravel(), minlength=256)[1:]) + 1
        task, drawn = two_dates, []
        if given == "polygons":
            pieces = [(shapely.geometry.shape(one), int(code)) for one, code in rasterio.features.shapes(cover, cover > 0)]
            shapes = shapely.transform([shape for shape, _ in pieces], lambda xy: moved(transform, xy))
            table = geopandas.GeoDataFrame({"kind": [code for _, code in pieces]}, geometry=shapes, crs=file.crs)
            table.to_file(tmp_path / "labels.gpkg")
            task = replace(two_dates, labels=str(tmp_path / "labels.gpkg"), field="kind", land_cover="")

        def looked(job: jobs.Change, _: Feedback) -> None:
            table = None
            if job.labels:
                table = geopandas.read_file(job.labels)
                inside = geometry_mask(table.geometry, cover.shape, transform, invert=True)
                assert set(np.unique(cover[inside])) <= set(table[job.field]) <= set(classes)
            if len(drawn) == 7:
                raise InputError("Not these.")
            drawn.append(table)
            with (
                rasterio.open(job.before) as image,
                rasterio.open(job.output, "w", **{**image.profile, "count": 1, "dtype": "uint8", "nodata": 0}) as target,
            ):
                target.write(1 + (cover == classes[0]).astype(np.uint8), 1)

        monkeypatch.setattr("false_core.benchmark.change_detection.find_change", looked)
        listener = Listener()
        measured = measure_change(task, encoder_called("general"), settings, tmp_path, listener.feedback)
        titles = [one.budget.title for one in measured.measurements]
        assert titles == ["no labels"] * 2 + ["1 a class"] * 2 + ["3 a class"] * 2 + ["5 % of pixels"]
        assert "5 % of pixels, draw 1 is left out: Not these." in listener.warnings
        assert [one.labels for one in measured.measurements] == [0 if one is None else len(one) for one in drawn]
        assert [table["code"].value_counts().max() for table in drawn[2:6]] == [1, 1, 3, 3]
        assert measured.facts["labels"] > 0

    def test_takes_an_encoder_and_one_beside_the_general_one_at_most(
        self, two_dates: BenchmarkTask, settings: BenchmarkSettings, tmp_path: Path
    ) -> None:
        with pytest.raises(RequestError, match="Without an encoder no change is found"):
            measure_change(two_dates, encoder_called("none"), settings, tmp_path, Feedback())
        with pytest.raises(RequestError, match="the general encoder and one other at most"):
            measure_change(two_dates, encoder_called("random+random"), settings, tmp_path, Feedback())


class TestTheCommand:
    @pytest.fixture
    def command(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
        from false_core.cli import main

        monkeypatch.setenv("COLUMNS", "300")
        monkeypatch.setenv("NO_COLOR", "1")

        def run_it(*arguments: str) -> tuple[int, str]:
            monkeypatch.setattr("sys.argv", ["false-core", "benchmark", *arguments])
            code = 0
            try:
                main()
            except SystemExit as end:
                code = int(end.code or 0)
            said = capsys.readouterr()
            return code, said.out + said.err

        return run_it

    def test_runs_tasks_of_folders(
        self, command: Callable[..., tuple[int, str]], world: dict[str, str], tmp_path: Path
    ) -> None:
        body = f'kind = "segmentation"\nraster = "{world["land"]}"\ntruth = "{world["truth"]}"\n'
        (tmp_path / "task.toml").write_text(body, encoding="utf-8")
        few = ("--labels", "2", "--shares", "0.05", "--draws", "2", "--device", "cpu")
        code, said = command(str(tmp_path), "--encoders", "none", "random", "--output", str(tmp_path / "out"), *few)
        assert code == 0
        assert "Start from" in said and "2 now, 2 in all, 0 not possible" in said
        assert read_tasks([str(tmp_path)])[0].name == tmp_path.name
        assert len(rows_of(tmp_path / "out" / "benchmark.csv")) == 2 * 4

    def test_that_comes_to_nothing_fails(self, command: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
        body = 'kind = "segmentation"\nraster = "gone.tif"\ntruth = "gone.tif"\n'
        (tmp_path / "task.toml").write_text(body, encoding="utf-8")
        code, said = command(str(tmp_path), "--encoders", "none", "--output", str(tmp_path / "out"), "--device", "cpu")
        assert code == 1
        assert "No encoder could be measured on any task." in said

    def test_asks_no_server_unless_the_user_names_one(
        self, command: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        closed = []

        def looked(*_: object) -> None:
            closed.append(os.environ.get("CPL_VSIL_CURL_ALLOWED_FILENAME") == "none")
            raise RequestError("Enough.")

        monkeypatch.setattr("false_core.benchmark.runner.run_benchmark", looked)
        body = 'name = "a"\nkind = "segmentation"\nraster = "/vsis3/archive/a.tif"\ntruth = "t.tif"\n'
        (tmp_path / "task.toml").write_text(body, encoding="utf-8")
        (tmp_path / "mine.toml").write_text(f"[[tasks]]\n{body}", encoding="utf-8")
        for named in (tmp_path, tmp_path / "mine.toml"):
            assert command(str(named), "--encoders", "none", "--output", str(tmp_path / "out"), "--device", "cpu")[0] == 2
        assert closed == [True, False]

    def test_is_not_in_the_plugin(
        self, command: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        import sys

        for name in [name for name in sys.modules if name.startswith("false_core.benchmark")]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, "false_core.benchmark", None)
        code, said = command("--output", str(tmp_path))
        assert code == 2
        assert "runs no experiments and no benchmark. Install false-core by itself" in said
