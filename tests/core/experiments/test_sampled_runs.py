"""Heads fitted to kept features are those that fine-tuning fits, scored on random pixels instead of on whole maps."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from small_world import (
    BORDER,
    HEIGHT,
    WIDTH,
    Listener,
    label_boxes,
    on_map,
    pixel_box,
    textured_land,
    write_labels,
    write_raster,
)

from false_core import jobs
from false_core.dispatch import run
from false_core.errors import InputError
from false_core.experiments import baselines, cell_encoder
from false_core.experiments.cells import Cell, Variant
from false_core.experiments.config import Experiment, read_experiment
from false_core.experiments.dataset import prepare
from false_core.experiments.labelling import labels_of_parts
from false_core.experiments.partition import NO_PART, as_ground, part_at
from false_core.experiments.results import ChosenHead, RunResult, read_result
from false_core.experiments.runner import run_experiment
from false_core.experiments.sampled import SampledRun, WantedFeatures
from false_core.experiments.scoring import Tally, draw_pixels
from false_core.experiments.tables import MEAN_OF_PARTS, group_results, interval_holds, regret_of, scored_of, scores_of
from false_core.feedback import Feedback
from false_core.labels.annotation import IGNORE
from false_core.labels.reading import read_annotation
from false_core.models.from_file import segmenter_from
from false_core.models.header import SEGMENTER
from false_core.models.model_file import read_card
from false_core.raster.classes import ClassTable, LandCoverClass
from false_core.raster.source import RasterSource
from false_core.training.heads.samples import FeatureSampler

pytestmark = pytest.mark.thorough

CLASSES = ClassTable(tuple(LandCoverClass(n, name, "#000000") for n, name in enumerate(("field", "forest", "water"), 1)))


@pytest.fixture(scope="module")
def land_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``land.tif`` of the small world, its truth, and its labels by class code."""
    folder = tmp_path_factory.mktemp("land with truth")
    write_raster(folder / "land.tif", textured_land(), nodata=0)
    truth = np.broadcast_to(1 + np.arange(WIDTH) * 3 // WIDTH, (HEIGHT, WIDTH)).astype(np.uint8).copy()
    truth[:BORDER] = truth[-BORDER:] = 0
    truth[:, :BORDER] = truth[:, -BORDER:] = 0
    write_raster(folder / "truth.tif", truth[None], nodata=0)
    names, boxes = label_boxes()
    codes = [CLASSES.classes[["field", "forest", "water"].index(name)].code for name in names]
    write_labels(folder / "labels.gpkg", codes, [on_map(box) for box in boxes])
    return folder


@pytest.fixture
def config(tmp_path: Path, land_folder: Path) -> Callable[[str, str], Experiment]:
    def write(more: str, dataset: str = "") -> Experiment:
        path = tmp_path / "experiment.toml"
        path.write_text(
            f"""
name = "heads"
output = "out"
preset = "quick"
device = "cpu"
scored_pixels = 3_000
{more}
[[datasets]]
name = "land"
kind = "pair"
raster = "{(land_folder / "land.tif").as_posix()}"
truth = "{(land_folder / "truth.tif").as_posix()}"
labels = "{(land_folder / "labels.gpkg").as_posix()}"
field = "cover"
{dataset}
""",
            encoding="utf-8",
        )
        return read_experiment(path)

    return write


Config = Callable[..., Experiment]


def results_of(experiment: Experiment) -> dict[str, RunResult]:
    found = [read_result(path) for path in sorted((experiment.output / "cells").glob("*.json"))]
    return {f"{r.cell.protocol} {r.cell.variant.method} {r.cell.variant.head}": r for r in found if r}


class TestTheSameModel:
    def test_a_head_on_kept_features_is_the_one_that_fine_tuning_fits(self, land_folder: Path, tmp_path: Path) -> None:
        pixels = draw_pixels(str(land_folder / "truth.tif"), CLASSES, None, 500)
        job = jobs.Finetune(
            raster=str(land_folder / "land.tif"),
            labels=str(land_folder / "labels.gpkg"),
            field="cover",
            model=str(tmp_path / "model.safetensors"),
            preset="quick",
            device="cpu",
            seed=2,
        )
        run(job)
        card = read_card(job.model, SEGMENTER)
        made = segmenter_from(job.model, card)
        wanted = WantedFeatures(tmp_path / "features", True, [job.labels], "cover", pixels)
        for _ in range(2):  # Computed, and then read.
            fitted = SampledRun(job, CLASSES, wanted, Listener().feedback)._fitted
            assert fitted.segmenter.spec == card.head
            for name, value in made.state_dict().items():
                if value.is_floating_point():
                    largest = float(value.abs().max())
                    assert np.allclose(fitted.segmenter.state_dict()[name], value, atol=0.02 * largest + 1e-6), name

    def test_what_is_kept_is_not_computed_again(self, config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
        more = 'protocol = "scene"\nmethods = ["supervised"]\nbaselines = ["coordinates"]\n'
        first = config(more + 'heads = ["auto"]\n')
        assert run_experiment(first).failed == {}
        assert not [path for path in (first.output / "features").rglob("*") if path.suffix not in ("", ".safetensors")]

        def refuse(*_: Any) -> Any:
            raise AssertionError("features are computed again")

        monkeypatch.setattr(FeatureSampler, "adapt_to_raster", refuse)
        monkeypatch.setattr(FeatureSampler, "at", refuse)
        second = dataclasses.replace(first, heads=("auto", "linear", "texture"))
        assert run_experiment(second).run == 2

    def test_the_score_of_pixels_is_that_of_the_map_but_for_chance(self, config: Config) -> None:
        more = 'protocol = "scene"\nmethods = ["supervised"]\nheads = ["linear"]\nbaselines = []\n'
        on_pixels = config(more)
        run_experiment(on_pixels)
        (sampled,) = results_of(on_pixels).values()
        on_map_ = dataclasses.replace(on_pixels, score="map", output=on_pixels.output.with_name("maps"))
        run_experiment(on_map_)
        (whole,) = results_of(on_map_).values()
        counted, every = sampled.tallies["land"].confusion, whole.tallies["land"].confusion
        assert counted.sum() == 3_000 < every.sum()
        share = np.trace(every) / every.sum()
        error = (share * (1 - share) / 3_000) ** 0.5
        assert np.trace(counted) / 3_000 == pytest.approx(share, abs=4 * error + 0.005)


class TestPixels:
    def test_they_are_of_known_class_and_off_the_labels(self, land_folder: Path) -> None:
        truth = str(land_folder / "truth.tif")
        labels = read_annotation(str(land_folder / "labels.gpkg"), "cover", RasterSource(truth), [], Listener().feedback)
        pixels = draw_pixels(truth, CLASSES, labels, 2_000)
        with rasterio.open(truth) as file:
            codes = file.read(1)[pixels.rows, pixels.columns]
        burned = labels.burn(rasterio.Affine.identity(), HEIGHT, WIDTH)
        assert np.array_equal(codes, pixels.targets + 1)
        assert (burned[pixels.rows, pixels.columns] == IGNORE).all()
        assert len(set(zip(pixels.rows.tolist(), pixels.columns.tolist()))) == 2_000
        again = draw_pixels(truth, CLASSES, labels, 2_000)
        assert np.array_equal(again.rows, pixels.rows) and np.array_equal(again.columns, pixels.columns)

    def test_there_may_be_fewer_than_were_asked_for(self, land_folder: Path) -> None:
        pixels = draw_pixels(str(land_folder / "truth.tif"), CLASSES, None, 10**9)
        assert len(pixels.rows) == (HEIGHT - 2 * BORDER) * (WIDTH - 2 * BORDER)


class TestParts:
    def test_what_lies_in_a_part_belongs_to_it(self) -> None:
        boxes = np.array([shapely.box(0, 0, 10, 10), shapely.box(10, 0, 20, 10)], dtype=object)
        places = np.array([[3.0, 3.0], [15.0, 5.0], [3.0, 30.0], [10.0, 5.0]])
        assert part_at(as_ground(boxes), places).tolist() == [0, 1, NO_PART, 0]

    def test_tiles_learn_from_their_own_labels_or_from_those_of_the_others(self, config: Config) -> None:
        experiment = config(
            'protocol = ["tiles_alone", "tiles_left_out"]\nmethods = ["supervised"]\nheads = ["texture"]\n'
            'baselines = ["coordinates"]\n',
            "parts_down = 2\n",
        )
        listener = Listener()
        assert run_experiment(experiment, listener).failed == {}
        results = results_of(experiment)
        assert len(results) == 4
        for result in results.values():
            assert list(result.tallies) == ["part 1", "part 2"]
            assert sum(tally.confusion.sum() for tally in result.tallies.values()) == 3_000
            scored = scored_of(experiment, result)[MEAN_OF_PARTS]
            parts = [scores_of(tally.confusion)[0]["miou"] for tally in result.tallies.values()]
            assert scored.whole["miou"] == pytest.approx(np.mean(parts))
        with (experiment.output / "results.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert [row["raster"] for row in rows[:3]] == ["part 1", "part 2", MEAN_OF_PARTS]
        page = (experiment.output / "results.html").read_text(encoding="utf-8")
        assert "each tile alone" in page and "tiles left out" in page and "coordinates alone" in page

    def test_a_part_alone_is_scored_on_the_classes_that_its_labels_show(self, config: Config, tmp_path: Path) -> None:
        dataset = prepare(config('protocol = "tiles_alone"\n', "parts_across = 2\n").datasets[0], tmp_path, Feedback())
        alone = labels_of_parts(dataset, "tiles_alone", 1.0, 0, Feedback())
        others = labels_of_parts(dataset, "tiles_left_out", 1.0, 0, Feedback())
        assert {name: labels.codes for name, labels in alone.items()} == {"part 1": (1, 2), "part 2": (2, 3)}
        assert [labels.codes for labels in others.values()] == [None, None]
        for labels in alone.values():
            table = geopandas.read_file(labels.path)
            assert labels.codes == tuple(sorted(set(table["code"])))

    def test_polygons_of_a_layer_may_be_the_parts(self, config: Config, land_folder: Path) -> None:
        halves = [on_map(pixel_box(0, 0, WIDTH, HEIGHT // 2)), on_map(pixel_box(0, HEIGHT // 2, WIDTH, HEIGHT // 2))]
        write_labels(land_folder / "parts.gpkg", [1, 2], halves)
        experiment = config(
            'protocol = "tiles_alone"\nmethods = ["supervised"]\nheads = ["texture"]\nbaselines = []\n',
            f'parts = "{(land_folder / "parts.gpkg").as_posix()}"\n',
        )
        assert run_experiment(experiment).failed == {}
        (result,) = results_of(experiment).values()
        assert len(result.tallies) == 2

    def test_one_polygon_parts_nothing(self, config: Config, land_folder: Path) -> None:
        write_labels(land_folder / "one.gpkg", [1], [on_map(pixel_box(0, 0, 40, 40))])
        experiment = config(
            'protocol = "tiles_alone"\nmethods = ["supervised"]\nbaselines = []\n',
            f'parts = "{(land_folder / "one.gpkg").as_posix()}"\n',
        )
        (said,) = run_experiment(experiment).failed.values()
        assert "fewer than two polygons" in said

    def test_parts_of_one_class_each_cannot_be_mapped_alone(self, config: Config) -> None:
        experiment = config('protocol = "tiles_alone"\nmethods = ["supervised"]\nbaselines = []\n', "parts_across = 3\n")
        (said,) = run_experiment(experiment).failed.values()
        assert "no part has labels of two classes" in said and "Choose larger parts" in said


class TestChoices:
    def result(self, told: dict[str, float], choices: dict[str, ChosenHead], protocol: str = "scene") -> RunResult:
        cell = Cell("land", Variant("supervised"), 0, 1.0, protocol)
        tallies = {name: Tally(np.array([[8, 2], [0, 10]]), 0, 0) for name in choices}
        return RunResult(cell, CLASSES, tallies, {}, told, choices=choices)

    def test_the_regret_is_what_the_best_candidate_does_better(self) -> None:
        land = ChosenHead("linear", {"linear": 0.6, "texture": 0.65, "fused": 0.5})
        assert land.regret == pytest.approx(0.05)
        assert regret_of(self.result({}, {"land": land}), "land") == pytest.approx(0.05)
        parts = {"part 1": land, "part 2": ChosenHead("texture", {"linear": 0.6, "texture": 0.65})}
        assert regret_of(self.result({}, parts, "tiles_alone"), MEAN_OF_PARTS) == pytest.approx(0.025)

    def test_an_interval_holds_the_accuracy_or_not_or_is_unknown(self) -> None:
        choices = {"land": ChosenHead("linear", {"linear": 0.6}), "unseen": ChosenHead("linear", {"linear": 0.6})}
        holds = self.result({"oa": 0.8, "oa_low": 0.7, "oa_high": 0.95}, choices)
        assert interval_holds(holds, "land") is True and interval_holds(holds, "unseen") is None
        assert interval_holds(self.result({"oa": 0.8, "oa_low": 0.7, "oa_high": 0.85}, choices), "land") is False
        assert interval_holds(self.result({}, choices), "land") is None

    def test_the_page_and_the_table_tell_them(self, config: Config, land_folder: Path) -> None:
        image, truth = ((land_folder / name).as_posix() for name in ("land.tif", "truth.tif"))
        experiment = config(
            'protocol = "scene"\nmethods = ["supervised"]\nheads = ["auto"]\nbaselines = ["coordinates", "values"]\n',
            f'transfer = [{{ name = "again", raster = "{image}", truth = "{truth}" }}]\n',
        )
        assert run_experiment(experiment).failed == {}
        result = results_of(experiment)["scene supervised auto"]
        assert set(result.choices) == {"land", "again"} and len(result.choices["land"].scores) > 2
        page = (experiment.output / "results.html").read_text(encoding="utf-8")
        assert "What auto chooses, and what it promises" in page
        with (experiment.output / "results.csv").open(encoding="utf-8", newline="") as file:
            row = next(row for row in csv.DictReader(file) if row["head"] == "auto")
        assert row["chosen"] == result.choices["land"].chosen
        assert float(row["regret"]) == pytest.approx(result.choices["land"].regret, abs=1e-6)
        (group, other) = group_results(experiment, [*results_of(experiment).values()])
        # Coordinates say nothing of another raster, and values do.
        assert [len(g.rows) for g in (group, other)] == [3, 3] and {group.raster, other.raster} == {"land", "again"}


class TestBaselines:
    @pytest.mark.parametrize("trees", [True, False])
    def test_the_place_alone_maps_what_lies_together(self, trees: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(baselines, "has_trees", lambda: trees)
        chance = np.random.default_rng(0)
        places = chance.uniform(0, 1, (600, 2)).astype(np.float32)
        targets = (places[:, 0] > 0.5).astype(np.int64)
        learned = baselines.Baseline(places[:300], targets[:300], np.ones(300), 0)
        assert (learned.answers(places[300:]) == targets[300:]).mean() > 0.95


class TestAxes:
    def test_each_setting_of_pretraining_is_a_row(self, config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[jobs.Pretrain] = []

        def pretrain(job: Any, *_: Any) -> Any:
            asked.append(job)
            raise InputError("Enough.")

        monkeypatch.setattr(cell_encoder, "run", pretrain)
        experiment = config(
            'protocol = "scene"\nmethods = ["supervised", "simclr"]\nweights = ["general", "none"]\nbaselines = []\n'
            'backbones = ["resnet10t"]\n[pretrain]\nsteps = [2, 3]\nbatch_size = 4\n'
        )
        run_experiment(experiment)
        assert {(job.method, job.steps, job.weights, job.backbone, job.batch_size) for job in asked} == {
            *(("simclr", steps, weights, "resnet10t", 4) for steps in (2, 3) for weights in ("general", "none")),
            # Labels alone, with an encoder that fine-tuning does not come by without a file.
            *(("random", None, weights, "resnet10t", None) for weights in ("general", "none")),
        }
