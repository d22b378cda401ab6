"""Experiments: reading a config, finding datasets, choosing labels, scoring, running what is missing, and the tables."""

from __future__ import annotations

import csv
import dataclasses
import itertools
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
import rasterio.features
import torch
from affine import Affine
from small_world import (
    BORDER,
    GRID,
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

from false_core.computing.precision import INSTRUCTIONS, Use, precision_of, precisions_in_training
from false_core.errors import Cancelled, FalseError, InputError, OutOfMemoryError, RequestError
from false_core.experiments import cell_encoder, cell_run, runner
from false_core.experiments.cells import Cell, Variant, cell_key, cell_title, encoder_key, expand
from false_core.experiments.colour_truth import UNKNOWN_CODE, colour_table, write_codes
from false_core.experiments.config import Experiment, read_experiment
from false_core.experiments.dataset import Dataset, LabelledImage, prepare
from false_core.experiments.folders import (
    DEEPGLOBE_CLASSES,
    POTSDAM_CLASSES,
    POTSDAM_TEST,
    POTSDAM_TRAIN,
    find_dataset_files,
)
from false_core.experiments.labelling import (
    CODE_FIELD,
    choose_patches,
    cut_patches,
    patch_labels,
    scene_labels,
)
from false_core.experiments.page import write_page
from false_core.experiments.results import RunResult, read_result, write_result
from false_core.experiments.runner import run_experiment
from false_core.experiments.scoring import Tally, score_map
from false_core.experiments.tables import ALL_IMAGES, difference, group_results, scores_of, spread, write_csv
from false_core.feedback import Feedback
from false_core.jobs import Job
from false_core.labels.annotation import IGNORE
from false_core.labels.reading import read_annotation
from false_core.raster.classes import ClassTable, LandCoverClass
from false_core.raster.source import RasterSource, Window

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).resolve().parents[3]
CLASSES = ClassTable((LandCoverClass(1, "field", "#ffd92f"), LandCoverClass(2, "forest", "#1b7837")))
HEAD = 'name = "test"\noutput = "out"\nprotocol = "scene"\nbaselines = []\nheads = ["network"]\n'
PAIR = '[[datasets]]\nname = "land"\nkind = "pair"\nraster = "land.tif"\ntruth = "truth.tif"\n'

NETWORK_ALONE = 'heads = ["network"]\nbaselines = []'

Write = Callable[[str], Path]


@pytest.fixture
def config(tmp_path: Path) -> Write:
    """Return a function that writes a config and returns its path."""

    def write(text: str) -> Path:
        path = tmp_path / "experiment.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="module")
def land_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``land.tif`` of the small world, its truth (codes 1 to 3, 0 on the border) and its labels."""
    folder = tmp_path_factory.mktemp("land with truth")
    write_raster(folder / "land.tif", textured_land(), nodata=0)
    truth = np.broadcast_to(1 + np.arange(WIDTH) * 3 // WIDTH, (HEIGHT, WIDTH)).astype(np.uint8).copy()
    truth[:BORDER] = truth[-BORDER:] = 0
    truth[:, :BORDER] = truth[:, -BORDER:] = 0
    write_raster(folder / "truth.tif", truth[None], nodata=0)
    names, boxes = label_boxes()
    write_labels(folder / "labels.gpkg", names, [on_map(box) for box in boxes])
    return folder


def land_config(folder: Path, output: Path, more: str = "", dataset: str = "") -> str:
    return f"""
name = "Land <& co>"
output = "{output.as_posix()}"
protocol = "scene"
preset = "quick"
device = "cpu"
{"" if "heads" in more else NETWORK_ALONE}
{more}
[pretrain]
steps = 1
batch_size = 2
[finetune]
steps = 1
[[datasets]]
name = "land"
kind = "pair"
raster = "{(folder / "land.tif").as_posix()}"
truth = "{(folder / "truth.tif").as_posix()}"
labels = "{(folder / "labels.gpkg").as_posix()}"
field = "cover"
classes = [{{ code = 1, name = "Field" }}, {{ code = 2, name = "forest" }}, {{ code = 3, name = "water" }}]
{dataset}
"""


def of_kind(kind: str, folder: Path) -> str:
    return HEAD + f'[[datasets]]\nkind = "{kind}"\nfolder = "{folder.as_posix()}"\n'


def pieces(text: str) -> list[str]:
    """Return a text without its marks and breaks, for looking things up."""
    return " ".join(text.split()).split("<h2>")


def do_jobs_by(monkeypatch: pytest.MonkeyPatch, stand_in: Callable[..., Any] | None) -> None:
    """Have the jobs of cells done by something else."""
    for module in (cell_encoder, cell_run):
        monkeypatch.setattr(module, "run", stand_in)


def test_all_cells_compute_in_float32_on_a_cpu(
    config: Write, land_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FALSE_PRECISION", "auto")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {INSTRUCTIONS[0]: True}, raising=False)
    cpu, seen = torch.device("cpu"), []

    def noted(job: Job, *more: object) -> None:
        seen.append((*precisions_in_training(cpu, mixed=True), precision_of(cpu, Use.DECODER)))
        raise InputError("enough")

    assert torch.bfloat16 in precisions_in_training(cpu, mixed=True)
    do_jobs_by(monkeypatch, noted)
    run_experiment(read_experiment(config(land_config(land_folder, tmp_path / "out"))))
    assert seen and set(seen) == {(torch.float32, torch.float32)}
    assert os.environ["FALSE_PRECISION"] == "auto"


class TestConfig:
    def test_defaults_are_those_of_the_protocol(self, config: Write, tmp_path: Path) -> None:
        scene = read_experiment(config(HEAD + PAIR))
        assert scene.output == tmp_path / "out"
        assert scene.datasets[0].pair is not None and scene.datasets[0].pair.image == tmp_path / "land.tif"
        assert (scene.fractions, scene.frozen) == ((1.0,), (False,))
        patches = read_experiment(config(HEAD.replace('"scene"', '"patches"') + PAIR))
        assert (patches.fractions, patches.frozen) == ((0.01,), (True,))

    def test_everything_can_be_said(self, config: Write) -> None:
        text = (
            HEAD
            + """
            methods = ["false", "pcl", "random"]
            confidences = [0, 0.5, "adaptive"]
            seeds = [3, 1]
            fractions = [0.5, 1]
            frozen = "both"
            preset = "quick"
            device = "cpu"
            keep = true
            [pretrain]
            steps = 3
            bands = [1, 3]
            [finetune]
            validation = 0.0
            """
            + PAIR
            + 'transfer = [{ raster = "b.tif", truth = "c.tif" }]\nclasses = [{ code = 4, name = "Moor" }]\n'
        )
        experiment = read_experiment(config(text))
        assert experiment.confidences == (0.0, 0.5, "adaptive")
        assert experiment.frozen == (True, False)
        assert experiment.pretrain == {"steps": 3, "bands": (1, 3)}
        assert experiment.finetune == {"validation": 0.0}
        assert [pair.name for pair in experiment.datasets[0].transfer] == ["b"]
        assert [(c.code, c.name) for c in experiment.datasets[0].classes] == [(4, "Moor")]

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            (HEAD, "names no dataset"),
            (PAIR, "needs protocol"),
            (HEAD.replace('"scene"', '["scene", "patches"]') + PAIR, "patches stands alone"),
            (HEAD.replace('"scene"', '"tiles_alone"') + PAIR, "land has no parts for the protocol tiles_alone"),
            (HEAD.replace("network", "forest") + PAIR, "heads must be a list of auto"),
            (HEAD + 'score = "map"\nscored_pixels = 5\n' + PAIR, "a whole number of at least 100"),
            (HEAD + PAIR + "[pretrain]\nsteps = [3, 3]\n", "steps must be a value or a list of several, each once"),
            (HEAD + PAIR + "[pretrain]\nsteps = [3, 0]\n", "steps must be at least 1"),
            (HEAD + PAIR + "[pretrain]\nweights = \"none\"\n", "cannot set weights"),
            (HEAD + PAIR + "[finetune]\nsmoothing = 3.0\n", "single pixels cannot be smoothed"),
            ("protocol = ", "not valid TOML"),
            (HEAD + "colour = 1\n" + PAIR, "has no colour"),
            (HEAD + PAIR + 'folder = "x"\n', "has no folder"),
            (HEAD + 'methods = ["byol"]\n' + PAIR, "methods must be a list of false"),
            (HEAD + "methods = []\n" + PAIR, "and not empty"),
            (HEAD + "seeds = [1, 1]\n" + PAIR, "each once"),
            (HEAD + "seeds = [true]\n" + PAIR, "seeds must be"),
            (HEAD + "confidences = [1.5]\n" + PAIR, "confidences must be"),
            (HEAD + 'confidences = ["sure"]\n' + PAIR, "confidences must be"),
            (HEAD + "fractions = [0]\n" + PAIR, "above 0 and at most 1"),
            (HEAD + 'frozen = "yes"\n' + PAIR, "frozen must be"),
            (HEAD + 'preset = "slow"\n' + PAIR, "preset must be one of"),
            (HEAD + PAIR + '[pretrain]\nseed = 1\n', "cannot set seed"),
            (HEAD + PAIR + "[pretrain]\nspeed = 1\n", "no parameter speed"),
            (HEAD + PAIR + "[finetune]\nsteps = 0\n", "steps must be at least 1"),
            (HEAD + PAIR + PAIR, "two datasets with the same name"),
            (HEAD + PAIR.replace("land.tif", "$NO_SUCH_VARIABLE/land.tif"), "NO_SUCH_VARIABLE is not set"),
            (HEAD + PAIR.replace('"land"', '"a/b"'), "cannot be a part of file names"),
            (HEAD + PAIR + 'labels = "l.gpkg"\n', "needs field"),
            (HEAD + PAIR + 'classes = [{ code = 1, name = "a" }, { code = 2, name = "A" }]\n', "classes with the same name"),
            (HEAD + PAIR + 'classes = [{ code = 1 }, { code = 1, name = "A" }]\n', "different numbers"),
            (HEAD + '[[datasets]]\nkind = "potsdam"\n', "needs folder"),
        ],
    )  # fmt: skip
    def test_what_is_wrong_is_said(self, config: Write, text: str, said: str) -> None:
        with pytest.raises(FalseError, match=said.replace("[", r"\[")):
            read_experiment(config(text))

    def test_a_missing_file_is_an_input_error(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="cannot be read"):
            read_experiment(tmp_path / "nowhere.toml")

    @pytest.mark.parametrize("path", sorted((ROOT / "experiments").glob("*.toml")), ids=lambda path: path.stem)
    def test_those_that_come_along_can_be_read(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FALSE_DATA", "/data")
        experiment = read_experiment(path)
        assert len(expand(experiment)) > 1
        assert experiment.output.is_relative_to(ROOT / "experiments" / "results")


class TestGrid:
    def experiment(self, config: Write, more: str = "") -> Experiment:
        return read_experiment(config(HEAD + more + PAIR))

    def test_confidences_are_for_false_alone_and_labels_alone_are_never_frozen(self, config: Write) -> None:
        more = 'methods = ["false", "simclr", "supervised"]\nconfidences = [0, 1]\nseeds = [0, 1]\nfrozen = "both"\n'
        cells = expand(self.experiment(config, more))
        assert len(cells) == len(set(cells)) == 2 * (2 * (2 + 1) + 1)
        assert {cell.variant.confidence for cell in cells if cell.variant.method == "simclr"} == {None}
        assert {cell.frozen for cell in cells if cell.variant.method == "supervised"} == {False}
        assert [cell.seed for cell in cells] == sorted(cell.seed for cell in cells)

    def test_methods_may_take_false_negatives_along(self, config: Write, monkeypatch: pytest.MonkeyPatch) -> None:
        experiment = self.experiment(config, 'methods = ["rissnet", "rissnet+fncc", "grass+fncc"]\n')
        cells = expand(experiment)
        assert [cell.variant.confidence for cell in cells] == [None] * 3
        assert [cell_title(cell, experiment).split(",")[1] for cell in cells] == [
            " RiSSNet",
            " RiSSNet + FNCC",
            " GraSS + FNCC",
        ]
        keys = {cell_key(cell, self.experiment(config)) for cell in cells}
        assert len(keys) == 3
        with pytest.raises(RequestError, match="methods must be a list"):
            self.experiment(config, 'methods = ["pcl+fncc"]\n')

    def test_an_untrained_encoder_that_is_trained_through_is_not_run_beside_labels_alone(self, config: Write) -> None:
        cells = expand(self.experiment(config, 'methods = ["random", "supervised"]\nfrozen = "both"\n'))
        assert {(cell.variant.method, cell.frozen) for cell in cells} == {("random", True), ("supervised", False)}
        assert len(expand(self.experiment(config, 'methods = ["random"]\nfrozen = "both"\n'))) == 2

    def test_a_key_changes_with_what_decides_the_result_and_with_nothing_else(self, config: Write) -> None:
        experiment = self.experiment(config)
        variant = Variant("false", 0.5, head="network")
        cell = Cell("land", variant, 0, 1.0)
        alone = dataclasses.replace(cell, variant=Variant("supervised", head="network"))
        key, key_alone = cell_key(cell, experiment), cell_key(alone, experiment)
        assert key.startswith("land-false-0.5-seed0-1-trained-")
        unchanged = dataclasses.replace(experiment, name="other", output=Path("/x"), seeds=(0, 1), device="cuda", keep=True)
        assert cell_key(cell, unchanged) == key
        longer = dataclasses.replace(experiment, pretrain={"steps": 9})
        assert cell_key(cell, longer) != key
        assert cell_key(alone, longer) == key_alone
        assert cell_key(cell, dataclasses.replace(experiment, finetune={"steps": 9})) != key
        assert cell_key(cell, dataclasses.replace(experiment, preset="paper")) != key
        others: list[dict[str, Any]] = [
            *({"seed": 1}, {"fraction": 0.5}, {"frozen": True}, {"protocol": "tiles_alone"}),
            *(
                {"variant": dataclasses.replace(variant, **change)}
                for change in (
                    *({"confidence": "adaptive"}, {"backbone": "resnet18"}, {"weights": "none"}),
                    *({"settings": (("steps", 9),)}, {"head": "auto"}),
                )
            ),
        ]
        assert len({key, *(cell_key(dataclasses.replace(cell, **other), experiment) for other in others)}) == 10
        on_pixels = dataclasses.replace(alone, variant=Variant("supervised", head="auto"))
        fewer = dataclasses.replace(experiment, scored_pixels=500)
        assert cell_key(on_pixels, fewer) != cell_key(on_pixels, experiment) and cell_key(cell, fewer) == key

    def test_cells_that_differ_after_pretraining_share_an_encoder(self, config: Write) -> None:
        experiment = self.experiment(config)
        cell = Cell("land", Variant("false", 1.0, head="network"), 0, 1.0)
        key = encoder_key(cell, experiment, {"files": "abc"})
        assert encoder_key(dataclasses.replace(cell, fraction=0.5, frozen=True), experiment, {"files": "abc"}) == key
        assert encoder_key(cell, dataclasses.replace(experiment, finetune={"steps": 9}), {"files": "abc"}) == key
        assert encoder_key(dataclasses.replace(cell, seed=1), experiment, {"files": "abc"}) != key
        assert encoder_key(cell, experiment, {"files": "other files"}) != key


def potsdam_folder(folder: Path, names: tuple[str, ...] = ("2_10", "2_11", "2_13"), size: int = 96) -> Path:
    """Write a folder as ISPRS distributes it, with tiny images: building and low vegetation in stripes, and a car."""
    (folder / "2_Ortho_RGB").mkdir(parents=True)
    (folder / "5_Labels_all").mkdir()
    generator = np.random.default_rng(0)
    for number, name in enumerate(names):
        place = GRID * Affine.translation(number * size, 0)
        stripe = (np.arange(size) // 16) % 2 == 0
        truth = np.zeros((3, size, size), np.uint8)
        truth[2] = 255
        truth[1][:, ~stripe] = 255
        truth[:, 40:48, 20:28] = np.array([252, 255, 0])[:, None, None]  # As it is in one of the published images.
        image = np.where(stripe, 200, 60) + generator.integers(0, 40, (3, size, size))
        write_raster(folder / "2_Ortho_RGB" / f"top_potsdam_{name}_RGB.tif", image.astype(np.uint8), transform=place)
        write_raster(folder / "5_Labels_all" / f"top_potsdam_{name}_label.tif", truth, transform=place)
    return folder


def deepglobe_folder(folder: Path, count: int = 10, size: int = 64) -> Path:
    """Write a folder as DeepGlobe distributes it, with tiny tiles: water above, forest below, a corner unknown."""
    (folder / "train").mkdir(parents=True)
    for number in range(100, 100 + count):
        image = np.random.default_rng(number).integers(0, 255, (3, size, size), np.uint8)
        mask = np.zeros((3, size, size), np.uint8)
        mask[2, : size // 2] = 250  # Not quite 255, as masks are.
        mask[1, size // 2 :] = 255
        mask[:, :8, :8] = 3
        for driver, what, pixels in (("JPEG", "sat.jpg", image), ("PNG", "mask.png", mask)):
            path = folder / "train" / f"{number}_{what}"
            with rasterio.open(path, "w", driver=driver, width=size, height=size, count=3, dtype="uint8") as f:
                f.write(pixels)
    for path in (folder / "train").glob("*.aux.xml"):
        path.unlink()
    return folder


def listing(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


class TestFolders:
    def spec(self, config: Write, kind: str, folder: Path, more: str = "") -> Any:
        return read_experiment(config(of_kind(kind, folder) + more)).datasets[0]

    def test_the_published_split_of_potsdam_is_complete(self) -> None:
        assert (len(POTSDAM_TRAIN), len(POTSDAM_TEST)) == (24, 14)
        assert not set(POTSDAM_TRAIN) & set(POTSDAM_TEST)

    def test_potsdam_is_found_and_split_as_published(self, config: Write, tmp_path: Path) -> None:
        found = find_dataset_files(self.spec(config, "potsdam", potsdam_folder(tmp_path / "potsdam")))
        assert [pair.name for pair in found.train] == ["2_10", "2_11"]
        assert [pair.name for pair in found.test] == ["2_13"]
        assert found.classes == POTSDAM_CLASSES

    def test_labels_without_boundaries_and_infrared_are_found_too(self, config: Write, tmp_path: Path) -> None:
        folder = potsdam_folder(tmp_path / "potsdam")
        (folder / "2_Ortho_RGB").rename(folder / "4_Ortho_RGBIR")
        (folder / "5_Labels_all").rename(folder / "5_Labels_all_noBoundary")
        for path in listing(folder):
            if path.suffix == ".tif":
                path.rename(path.with_name(path.name.replace("RGB.", "RGBIR.").replace("label.", "label_noBoundary.")))
        found = find_dataset_files(self.spec(config, "potsdam", folder))
        assert found.train[0].image.name == "top_potsdam_2_10_RGBIR.tif"
        assert found.train[0].truth.name == "top_potsdam_2_10_label_noBoundary.tif"

    def test_colours_become_codes_and_nothing_is_written_beside_them(self, config: Write, tmp_path: Path) -> None:
        folder = potsdam_folder(tmp_path / "potsdam")
        before = listing(folder)
        dataset = prepare(self.spec(config, "potsdam", folder), tmp_path / "out", Feedback())
        assert listing(folder) == before
        with rasterio.open(dataset.train[1].truth) as truth, rasterio.open(dataset.train[1].image) as image:
            assert truth.transform == image.transform
            codes = truth.read(1)
        assert codes[0, 0] == 2 and codes[0, 16] == 3
        assert (codes[40:48, 20:28] == 5).all()

    def test_sheets_of_potsdam_can_be_filled_up_to_whole_patches_with_a_class_of_its_own(
        self, config: Write, tmp_path: Path
    ) -> None:
        folder = potsdam_folder(tmp_path / "potsdam")
        dataset = prepare(self.spec(config, "potsdam", folder, "pad = 64"), tmp_path / "out", Feedback())
        assert [c.name for c in dataset.classes][5:] == ["clutter/background", "outside"]
        for pair in (*dataset.train, *dataset.test):
            with rasterio.open(pair.truth) as truth, rasterio.open(pair.image) as image:
                codes, pixels, nodata = truth.read(1), image.read(), image.nodata
                place = image.transform
            original = next((folder / "2_Ortho_RGB").glob(f"top_potsdam_{pair.name}_*"))
            with rasterio.open(original) as source:
                assert np.array_equal(pixels[:, :96, :96], source.read()) and place == source.transform
            assert pixels.shape == (3, 128, 128) and codes.shape == (128, 128)
            outside = np.ones((128, 128), bool)
            outside[:96, :96] = False
            assert ((codes == 7) == outside).all()
            assert nodata is None and not pixels[:, outside].any(), "black, and not without data"
        assert len(cut_patches(dataset.train, 64)) == 2 * 4

    def test_deepglobe_is_split_by_seed_and_its_jpegs_are_made_quick_to_read(self, config: Write, tmp_path: Path) -> None:
        folder = deepglobe_folder(tmp_path / "deepglobe")
        (folder / "train" / "999_sat.jpg").write_bytes((folder / "train" / "100_sat.jpg").read_bytes())  # Has no mask.
        spec = self.spec(config, "deepglobe", folder, "test_share = 0.3")
        found = find_dataset_files(spec)
        assert found == find_dataset_files(spec)
        names = [pair.name for pair in (*found.train, *found.test)]
        assert sorted(names) == [str(number) for number in range(100, 110)] and len(found.test) == 3
        before = listing(folder)
        dataset = prepare(spec, tmp_path / "out", Feedback())
        assert listing(folder) == before
        assert dataset.classes == DEEPGLOBE_CLASSES
        with rasterio.open(dataset.train[0].truth) as truth:
            codes = truth.read(1)
        assert codes[40, 40] == 4 and codes[10, 40] == 5 and codes[0, 0] == UNKNOWN_CODE
        assert Path(dataset.train[0].image).suffix == ".tif" and Path(dataset.test[0].image).suffix == ".jpg"
        with rasterio.open(dataset.train[0].image) as copy, rasterio.open(found.train[0].image) as original:
            assert np.array_equal(copy.read(), original.read())

    def test_unknown_can_be_a_class(self, tmp_path: Path, config: Write) -> None:
        black = LandCoverClass(7, "unknown", "#000000")
        path = deepglobe_folder(tmp_path / "deepglobe", 1) / "train" / "100_mask.png"
        write_codes(path, tmp_path / "codes.tif", ClassTable((*DEEPGLOBE_CLASSES, black)))
        with rasterio.open(tmp_path / "codes.tif") as codes:
            assert codes.read(1)[0, 0] == 7

    def test_colours_that_truth_cannot_show_are_refused(self) -> None:
        with pytest.raises(RequestError, match="cannot be in the truth"):
            colour_table(CLASSES)

    def test_sheets_can_be_named(self, config: Write, tmp_path: Path) -> None:
        folder = potsdam_folder(tmp_path / "potsdam")
        found = find_dataset_files(self.spec(config, "potsdam", folder, 'train = ["2_13"]\ntest = ["2_10"]'))
        assert [pair.name for pair in (*found.train, *found.test)] == ["2_13", "2_10"]

    @pytest.mark.parametrize(
        ("more", "said"),
        [
            ('train = ["9_9"]', "has no image 9_9"),
            ('train = ["2_10"]\ntest = ["2_10"]', "cannot both train and test"),
            ('images = "3_Ortho_IRRG"', "has no folder 3_Ortho_IRRG"),
            ('test = ["2_10", "2_11"]', "no image to learn from"),
        ],
    )
    def test_what_is_wrong_is_said(self, config: Write, tmp_path: Path, more: str, said: str) -> None:
        with pytest.raises(FalseError, match=said):
            find_dataset_files(self.spec(config, "potsdam", potsdam_folder(tmp_path / "potsdam"), more))

    def test_a_sheet_without_truth_is_missed(self, config: Write, tmp_path: Path) -> None:
        folder = potsdam_folder(tmp_path / "potsdam")
        (folder / "5_Labels_all" / "top_potsdam_2_11_label.tif").unlink()
        with pytest.raises(InputError, match="top_potsdam_2_11_RGB.tif has no truth"):
            find_dataset_files(self.spec(config, "potsdam", folder))

    def test_a_truth_of_another_size_is_refused(self, config: Write, tmp_path: Path) -> None:
        write_raster(tmp_path / "land.tif", np.ones((1, 20, 30), np.uint8))
        write_raster(tmp_path / "truth.tif", np.ones((1, 20, 31), np.uint8))
        with pytest.raises(InputError, match="30 x 20 and 31 x 20"):
            prepare(read_experiment(config(HEAD + PAIR)).datasets[0], tmp_path / "out", Feedback())


class TestSceneLabels:
    def dataset(self, config: Write, land_folder: Path, output: Path, without: str = "") -> Dataset:
        text = land_config(land_folder, output)
        lines = [line for line in text.splitlines() if not (without and line.startswith(tuple(without.split())))]
        return prepare(read_experiment(config("\n".join(lines))).datasets[0], output, Feedback())

    def test_names_find_the_codes_of_the_truth(self, config: Write, land_folder: Path, tmp_path: Path) -> None:
        dataset = self.dataset(config, land_folder, tmp_path / "out")
        labels = scene_labels(dataset, 1.0, 0, Feedback())
        table = geopandas.read_file(labels.path)
        with rasterio.open(dataset.train[0].truth) as truth:
            under = [next(truth.sample([(p.x, p.y)]))[0] for p in table.geometry.representative_point()]
        assert table[CODE_FIELD].tolist() == under
        assert len(table) == 12

    def test_a_class_the_truth_does_not_have_is_refused(self, config: Write, land_folder: Path, tmp_path: Path) -> None:
        dataset = self.dataset(config, land_folder, tmp_path / "out", without="classes")
        with pytest.raises(InputError, match="the truth does not have the classes field, forest, water"):
            scene_labels(dataset, 1.0, 0, Feedback())

    def test_a_smaller_share_is_part_of_a_larger_one(self, config: Write, land_folder: Path, tmp_path: Path) -> None:
        dataset = self.dataset(config, land_folder, tmp_path / "out")

        def chosen(fraction: float, seed: int) -> set[str]:
            table = geopandas.read_file(scene_labels(dataset, fraction, seed, Feedback()).path)
            assert set(table[CODE_FIELD]) == {1, 2, 3}
            return set(table.geometry.normalize().to_wkt(rounding_precision=3))

        sets = [chosen(fraction, 5) for fraction in (0.01, 0.5, 0.75, 1.0)]
        assert [len(polygons) for polygons in sets] == [3, 6, 9, 12]
        assert all(small < large for small, large in itertools.pairwise(sets))
        assert any(chosen(0.5, seed) != sets[1] for seed in (6, 7, 8))

    def test_none_of_the_polygons_is_scored(self, config: Write, land_folder: Path, tmp_path: Path) -> None:
        dataset = self.dataset(config, land_folder, tmp_path / "out")
        few = scene_labels(dataset, 0.25, 0, Feedback())
        truth = dataset.train[0].truth
        tally = score_map(truth, truth, dataset.classes, few.excluded["land"])
        known = (HEIGHT - 2 * BORDER) * (WIDTH - 2 * BORDER)
        assert tally.labelled == 12 * 100
        assert tally.confusion.sum() == np.trace(tally.confusion) == known - 12 * 100

    def test_without_labels_polygons_are_drawn_inside_objects(
        self, config: Write, land_folder: Path, tmp_path: Path
    ) -> None:
        dataset = self.dataset(config, land_folder, tmp_path / "out", without="labels field classes")
        assert [c.code for c in dataset.classes] == [1, 2, 3]
        table = geopandas.read_file(scene_labels(dataset, 1.0, 0, Feedback()).path)
        assert set(table[CODE_FIELD]) == {1, 2, 3}
        assert 0.004 < table.area.sum() / ((HEIGHT - 2 * BORDER) * (WIDTH - 2 * BORDER)) < 0.02
        with rasterio.open(dataset.train[0].truth) as truth:
            burned = rasterio.features.rasterize(
                list(zip(table.geometry, table[CODE_FIELD])), truth.shape, transform=truth.transform
            )
            codes = truth.read(1)
        assert (codes[burned > 0] == burned[burned > 0]).all()

    def test_it_takes_one_scene(self, config: Write, tmp_path: Path) -> None:
        folder = potsdam_folder(tmp_path / "potsdam")
        spec = read_experiment(config(of_kind("potsdam", folder))).datasets[0]
        with pytest.raises(InputError, match="2 training images; the scene protocol takes one"):
            scene_labels(prepare(spec, tmp_path / "out", Feedback()), 1.0, 0, Feedback())


class TestPatches:
    def test_potsdam_gives_the_published_number_of_patches(self, tmp_path: Path) -> None:
        path = tmp_path / "image.tif"
        options = {"driver": "GTiff", "width": 6000, "height": 6000, "count": 1, "dtype": "uint8", "sparse_ok": True}
        with rasterio.open(path, "w", **options):
            pass
        patches = cut_patches([LabelledImage(str(n), str(path), "") for n in range(24)], 256)
        assert len(patches) == 13_824
        assert all(p.column + p.width <= 6000 and p.row + p.height <= 6000 and p.width == 256 for p in patches)
        one_percent = choose_patches(patches, 0.01, 3)
        assert len(one_percent) == 138
        assert set(choose_patches(patches, 0.001, 3)) < set(one_percent)
        assert set(choose_patches(patches, 0.01, 4)) != set(one_percent)

    @pytest.fixture
    def dataset(self, config: Write, tmp_path: Path) -> Dataset:
        folder = potsdam_folder(tmp_path / "potsdam")
        spec = read_experiment(config(of_kind("potsdam", folder))).datasets[0]
        return prepare(spec, tmp_path / "out", Feedback())

    def test_a_patch_keeps_its_pixels_and_its_truth_and_sees_no_other(self, dataset: Dataset) -> None:
        labels = patch_labels(dataset, 32, 0.3, 0)
        chosen = choose_patches(cut_patches(dataset.train, 32), 0.3, 0)
        assert len(chosen) == 5
        source = RasterSource(labels.raster)
        assert source.pixel_size == 1.0
        pixels, valid = source.read_with_validity(Window(0, 0, source.width, source.height))
        assert valid.sum() == 5 * 32 * 32
        assert not valid[:32, 32:64].any()
        annotation = read_annotation(labels.path, CODE_FIELD, source, [], Feedback())
        codes = np.array([*(c.code for c in annotation.classes), *[0] * (256 - len(annotation.classes))])
        burned = codes[annotation.burn(Affine.identity(), source.height, source.width)]
        assert not burned[~valid].any()
        patch = chosen[1]
        with (
            rasterio.open(dataset.train[patch.image].image) as image,
            rasterio.open(dataset.train[patch.image].truth) as truth,
        ):
            box = slice(patch.row, patch.row + 32), slice(patch.column, patch.column + 32)
            assert np.array_equal(pixels[:, :32, 64:96], image.read()[(slice(None), *box)])
            assert np.array_equal(burned[:32, 64:96], truth.read(1)[box])

    def test_the_last_patch_of_a_row_is_moved_in(self, dataset: Dataset) -> None:
        patches = cut_patches(dataset.train[:1], 40)
        assert len(patches) == 9
        assert max(p.column for p in patches) == 96 - 40

    def test_labelled_patches_are_known_for_the_score(self, dataset: Dataset) -> None:
        labels = patch_labels(dataset, 32, 0.3, 0)
        covered = sum((a.burn(Affine.identity(), 96, 96) != IGNORE).sum() for a in labels.excluded.values())
        assert covered == 5 * 32 * 32

    def test_tiles_without_a_place_work_too(self, config: Write, tmp_path: Path) -> None:
        folder = deepglobe_folder(tmp_path / "deepglobe", 3)
        dataset = prepare(read_experiment(config(of_kind("deepglobe", folder))).datasets[0], tmp_path / "out", Feedback())
        labels = patch_labels(dataset, 64, 1.0, 0)
        source = RasterSource(labels.raster)
        annotation = read_annotation(labels.path, CODE_FIELD, source, [], Feedback())
        burned = annotation.burn(Affine.identity(), source.height, source.width)
        assert (burned != IGNORE).sum() == 2 * (64 * 64 - 8 * 8)
        assert burned[40, 10] == 0 and burned[20, 20] == 1  # Forest is class 4, water class 5.


class TestScoring:
    def test_labels_nodata_and_unknown_truth_are_left_out(self, tmp_path: Path) -> None:
        truth = np.array([[1, 1, 2, 2], [1, 1, 2, 9], [0, 1, 2, 2]], np.uint8)
        mapped = np.array([[1, 2, 2, 0], [1, 1, 1, 1], [1, 2, 2, 2]], np.uint8)
        paths = [write_raster(tmp_path / f"{n}.tif", v[None], nodata=0) for n, v in (("truth", truth), ("map", mapped))]
        labels = write_labels(tmp_path / "l.gpkg", [1, 2], [on_map(pixel_box(0, 0, 1, 1)), on_map(pixel_box(2, 2, 1, 1))])
        annotation = read_annotation(labels, "cover", RasterSource(paths[0]), [], Feedback())
        tally = score_map(paths[1], paths[0], CLASSES, annotation)
        assert tally.confusion.tolist() == [[2, 2], [1, 2]]
        assert (tally.labelled, tally.without_data) == (2, 1)

    def test_strips_add_up(self, tmp_path: Path) -> None:
        generator = np.random.default_rng(1)
        truth, mapped = generator.integers(0, 3, (2, 1100, 20), np.uint8)
        paths = [write_raster(tmp_path / f"{n}.tif", v[None]) for n, v in (("truth", truth), ("map", np.maximum(mapped, 1)))]
        tally = score_map(paths[1], paths[0], CLASSES, None)
        for t in (1, 2):
            for m in (1, 2):
                assert tally.confusion[t - 1, m - 1] == ((truth == t) & (np.maximum(mapped, 1) == m)).sum()

    def test_other_pixels_are_refused(self, tmp_path: Path) -> None:
        paths = [write_raster(tmp_path / f"{n}.tif", np.ones((1, 4, n), np.uint8)) for n in (4, 5)]
        with pytest.raises(ValueError, match="not on the same pixels"):
            score_map(paths[0], paths[1], CLASSES, None)


def made_up(cell: Cell, **confusions: list[list[int]]) -> RunResult:
    tallies = {name: Tally(np.array(matrix), 1, 2) for name, matrix in confusions.items()}
    return RunResult(cell, CLASSES, tallies, {"pretrain": 3.0, "finetune": 2.0, "classify": 1.0}, facts={"version": "0"})


class TestTables:
    @pytest.fixture
    def experiment(self, config: Write) -> Experiment:
        more = 'methods = ["false", "simclr"]\nconfidences = [0, 1, "adaptive"]\nseeds = [0, 1]\n'
        return read_experiment(config(HEAD + more + PAIR))

    @pytest.fixture
    def results(self, experiment: Experiment) -> list[RunResult]:
        hits = {0.0: 50, 1.0: 90, "adaptive": 80, None: 60}
        return [
            made_up(cell, land=[[hits[cell.variant.confidence] + 4 * cell.seed, 10], [10, 30]])
            for cell in expand(experiment)
        ]

    def test_mean_and_standard_deviation_are_those_of_a_sample(self) -> None:
        s = spread([0.1, 0.3, float("nan")])
        assert (s.mean, s.std, s.number) == (pytest.approx(0.2), pytest.approx(0.1 * 2**0.5), 2)
        assert np.isnan(spread([0.5]).std) and np.isnan(spread([]).mean)

    def test_a_row_holds_the_seeds_of_a_method(self, experiment: Experiment, results: list[RunResult]) -> None:
        (group,) = group_results(experiment, results)
        assert [(row.variant.method, row.variant.confidence) for row in group.rows] == [
            ("false", 0.0), ("false", 1.0), ("false", "adaptive"), ("simclr", None),
        ]  # fmt: skip
        assert group.rows[1].scores["oa"] == pytest.approx([120 / 140, 124 / 144])
        assert group.rows[1].iou[0] == pytest.approx([90 / 110, 94 / 114])

    def test_the_page_has_the_papers_layout_and_the_best_in_bold(
        self, experiment: Experiment, results: list[RunResult], tmp_path: Path
    ) -> None:
        write_page(tmp_path / "p.html", experiment, group_results(experiment, results), results, len(results), {})
        parts = pieces((tmp_path / "p.html").read_text(encoding="utf-8"))
        methods = next(part for part in parts if part.startswith("Methods"))
        best, second = spread([120 / 140, 124 / 144]), spread([110 / 130, 114 / 134])
        assert f"<td>FALSE (α 1)</td><td><b>{100 * best.mean:.2f} ± {100 * best.std:.2f}</b></td>" in methods
        assert f"<td>FALSE (α adaptive)</td><td><u>{100 * second.mean:.2f} ± {100 * second.std:.2f}</u></td>" in methods
        weights = next(part for part in parts if part.startswith("Confidence weights: land"))
        assert "<th>α</th><th>0</th><th>1</th><th>adaptive</th>" in weights
        assert "</span> field</td>" in weights and weights.count("<b>") == 1  # Forest is the same for all.
        everything = next(part for part in parts if part.startswith("All scores"))
        assert "<th>field</th><th>forest</th><th>OA</th><th>mIoU</th><th>mAcc</th><th>kappa</th><th>F1</th>" in everything
        figure = next(part for part in parts if part.startswith("Confidence weights and mIoU"))
        assert "<svg" in figure and "mIoU (%)" in figure
        assert "SimCLR</td><td>3</td><td>2</td><td>1</td>" in next(part for part in parts if part.startswith("Time"))

    def test_methods_are_compared_seed_by_seed(
        self, experiment: Experiment, results: list[RunResult], tmp_path: Path
    ) -> None:
        # SimCLR has one seed only: nothing may be compared with the other seed of FALSE.
        results = [result for result in results if (result.cell.variant.method, result.cell.seed) != ("simclr", 0)]
        (group,) = group_results(experiment, results)
        false, simclr = group.rows[1], group.rows[3]
        assert (false.seeds, simclr.seeds) == ([0, 1], [1])
        gain = scores_of(np.array([[94, 10], [10, 30]]))[0]["miou"] - scores_of(np.array([[64, 10], [10, 30]]))[0]["miou"]
        assert difference(false, simclr, "miou").mean == pytest.approx(gain)
        assert difference(false, simclr, "miou").number == 1
        write_page(tmp_path / "p.html", experiment, [group], results, len(results), {})
        parts = pieces((tmp_path / "p.html").read_text(encoding="utf-8"))
        added = next(part for part in parts if part.startswith("What a method adds"))
        assert "<th>over SimCLR</th>" in added and f"<td>FALSE (α 1)</td><td>{100 * gain:+.2f}</td>" in added

    def test_the_error_of_a_mean_shrinks_with_the_seeds(self) -> None:
        four = spread([1.0, 2.0, 3.0, 4.0])
        assert four.error == pytest.approx(np.std([1, 2, 3, 4], ddof=1) / 2)

    def test_equal_means_are_marked_alike(self, experiment: Experiment, tmp_path: Path) -> None:
        results = [made_up(cell, land=[[9, 1], [1, 9]]) for cell in expand(experiment)]
        write_page(tmp_path / "p.html", experiment, group_results(experiment, results), results, len(results), {})
        assert "<b>" not in (tmp_path / "p.html").read_text(encoding="utf-8")

    def test_the_csv_has_a_line_for_every_run_and_raster(
        self, experiment: Experiment, results: list[RunResult], tmp_path: Path
    ) -> None:
        write_csv(tmp_path / "t.csv", experiment, results)
        with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
        assert len(lines) == len(results)
        line = next(line for line in lines if line["confidence"] == "adaptive" and line["seed"] == "1")
        wanted, iou = scores_of(np.array([[84, 10], [10, 30]]))
        for name, value in wanted.items():
            assert float(line[name]) == pytest.approx(value, abs=1e-6)
        assert float(line["iou forest"]) == pytest.approx(iou[1], abs=1e-6)
        assert (line["pixels"], line["pixels_without_data"], line["pixels_labelled"]) == ("134", "1", "2")

    def test_sheets_of_patches_are_scored_together(self, experiment: Experiment, tmp_path: Path) -> None:
        experiment = dataclasses.replace(experiment, protocols=("patches",))
        results = [made_up(cell, a=[[9, 1], [0, 0]], b=[[0, 0], [5, 5]]) for cell in expand(experiment)]
        (group,) = group_results(experiment, results)
        assert group.raster == ALL_IMAGES
        assert group.rows[0].scores["oa"] == [0.7, 0.7]
        write_csv(tmp_path / "t.csv", experiment, results)
        with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
        assert [line["raster"] for line in lines[:3]] == ["a", "b", ALL_IMAGES]
        assert lines[2]["pixels_labelled"] == "4"

    def test_labels_alone_stand_in_both_tables(self, config: Write) -> None:
        more = 'methods = ["random", "supervised"]\nfrozen = "both"\n'
        experiment = read_experiment(config(HEAD + more + PAIR))
        results = [made_up(cell, land=[[9, 1], [1, 9]]) for cell in expand(experiment)]
        groups = group_results(experiment, results)
        assert [group.frozen for group in groups] == [True, False]
        # Trained through, the untrained encoder is what is run without pretraining.
        assert [[row.variant.method for row in group.rows] for group in groups] == [["random", "supervised"], ["supervised"]]

    def test_a_result_can_be_read_again_and_a_damaged_one_cannot(self, tmp_path: Path) -> None:
        result = made_up(
            Cell("land", Variant("false", "adaptive", settings=(("steps", 9),)), 1, 0.5, frozen=True), land=[[9, 1], [1, 9]]
        )
        write_result(tmp_path / "r.json", result)
        again = read_result(tmp_path / "r.json")
        assert again is not None and again.cell == result.cell and again.classes == result.classes
        assert np.array_equal(again.tallies["land"].confusion, result.tallies["land"].confusion)
        text = (tmp_path / "r.json").read_text()
        for damage in (text[:50], "[]", "{}", text.replace('"seed"', '"seeds"')):
            (tmp_path / "r.json").write_text(damage)
            assert read_result(tmp_path / "r.json") is None
        assert read_result(tmp_path / "nowhere.json") is None


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, land_folder: Path) -> tuple[Experiment, Listener]:
    """A real run of two methods and two seeds, a step each, with a second raster that is only scored."""
    folder = tmp_path_factory.mktemp("experiment")
    path = folder / "experiment.toml"
    truth, image = ((land_folder / name).as_posix() for name in ("truth.tif", "land.tif"))
    path.write_text(
        land_config(
            land_folder,
            folder / "out",
            'methods = ["false", "supervised"]\nseeds = [0, 1]\n',
            f'transfer = [{{ name = "again", raster = "{image}", truth = "{truth}" }}]',
        ),
        encoding="utf-8",
    )
    listener = Listener()
    experiment = read_experiment(path)
    summary = run_experiment(experiment, listener)
    assert (summary.cells, summary.run, summary.failed) == (4, 4, {})
    return experiment, listener


class TestRunning:
    def test_everything_is_written_and_nothing_else(self, finished: tuple[Experiment, Listener]) -> None:
        output = finished[0].output
        assert sorted(path.name for path in output.iterdir()) == [
            "cells", "datasets", "encoders", "results.csv", "results.html",
        ]  # fmt: skip
        assert len(list((output / "cells").iterdir())) == 4
        assert len(list((output / "encoders").glob("*.safetensors"))) == 2

    def test_another_experiment_takes_over_encoders_that_are_alike(
        self, finished: tuple[Experiment, Listener], tmp_path: Path
    ) -> None:
        first = finished[0]
        before = {path.name: path.stat().st_mtime_ns for path in first.encoders.iterdir()}
        other = dataclasses.replace(first, output=tmp_path / "other", fractions=(0.6,), seeds=(0,))
        assert run_experiment(other).run == 2
        assert {path.name: path.stat().st_mtime_ns for path in first.encoders.iterdir()} == before
        assert not (tmp_path / "other" / "encoders").exists()

    def test_the_tables_hold_the_means_of_the_results(self, finished: tuple[Experiment, Listener]) -> None:
        experiment = finished[0]
        files = sorted((experiment.output / "cells").glob("land-false-*.json"))
        matrices = [np.array(json.loads(file.read_text())["rasters"]["land"]["confusion"]) for file in files]
        accuracy = spread([np.trace(matrix) / matrix.sum() for matrix in matrices])
        page = (experiment.output / "results.html").read_text(encoding="utf-8")
        assert "Land &lt;&amp; co&gt;" in page
        assert f"{100 * accuracy.mean:.2f} ± {100 * accuracy.std:.2f}" in page
        assert "land: again" in page
        with (experiment.output / "results.csv").open(encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
        assert len(lines) == 8
        own = [float(line["oa"]) for line in lines if line["method"] == "false" and line["raster"] == "land"]
        assert np.mean(own) == pytest.approx(accuracy.mean, abs=1e-6)

    def test_labels_are_left_out_of_the_scene_alone(self, finished: tuple[Experiment, Listener]) -> None:
        known = (HEIGHT - 2 * BORDER) * (WIDTH - 2 * BORDER)
        for file in (finished[0].output / "cells").iterdir():
            rasters = json.loads(file.read_text())["rasters"]
            assert np.sum(rasters["land"]["confusion"]) == known - 1200
            assert np.sum(rasters["again"]["confusion"]) == known

    def test_progress_never_falls_and_each_run_is_told(self, finished: tuple[Experiment, Listener]) -> None:
        from false_core.events import Progress

        listener = finished[1]
        fractions = [event.fraction for event in listener.all(Progress)]
        assert fractions == sorted(fractions) and fractions[-1] <= 1
        assert "land, FALSE (α 1), 100 % of labels, seed 1: land OA 0." in listener.infos

    def test_only_what_is_missing_is_run_again_and_comes_out_the_same(
        self, finished: tuple[Experiment, Listener], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        experiment = finished[0]
        cells = sorted((experiment.output / "cells").iterdir())
        removed = next(path for path in cells if "false" in path.name and "seed1" in path.name)
        before = {path: path.read_text() for path in cells}
        times = {path: path.stat().st_mtime_ns for path in cells}
        table = (experiment.output / "results.csv").read_text()
        removed.unlink()
        asked: list[str] = []
        real = cell_run.run

        def count(job: Any, *arguments: Any) -> Any:
            asked.append(type(job).__name__)
            return real(job, *arguments)

        do_jobs_by(monkeypatch, count)
        summary = run_experiment(experiment)
        assert summary.run == 1
        assert asked == ["Finetune", "Classify", "Classify"]  # The encoder is still there.
        assert {path: path.stat().st_mtime_ns for path in cells if path != removed} == {
            path: time for path, time in times.items() if path != removed
        }
        again, first = json.loads(removed.read_text()), json.loads(before[removed])
        assert again["rasters"] == first["rasters"]
        columns = ["seed", "oa", "miou", "kappa"]
        rows = [[line[c] for c in columns] for line in csv.DictReader(table.splitlines())]
        now = list(csv.DictReader((experiment.output / "results.csv").read_text().splitlines()))
        assert [[line[c] for c in columns] for line in now] == rows

    def test_a_finished_experiment_needs_its_data_no_more(
        self, finished: tuple[Experiment, Listener], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def gone(spec: object) -> None:
            raise InputError("land.tif does not exist.")

        monkeypatch.setattr(runner, "dataset_fingerprint", gone)
        do_jobs_by(monkeypatch, None)
        assert run_experiment(finished[0]).run == 0

    def test_other_data_of_the_same_name_is_noticed(
        self, finished: tuple[Experiment, Listener], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[object] = []

        def refuse(job: object, *arguments: Any) -> Any:
            asked.append(job)
            raise OutOfMemoryError("The memory ran out.")

        monkeypatch.setattr(runner, "dataset_fingerprint", lambda spec: {"files": "others"})
        do_jobs_by(monkeypatch, refuse)
        listener = Listener()
        tables = {path: path.read_bytes() for path in finished[0].output.glob("results.*")}
        try:
            summary = run_experiment(finished[0], listener)
        finally:
            for path, content in tables.items():
                path.write_bytes(content)
        assert "The files of land have changed" in listener.infos
        assert len(asked) == len(summary.failed) == 4


class TestTrouble:
    def test_a_run_that_fails_does_not_keep_the_others_from_running(
        self, config: Write, land_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(job: Any, *arguments: Any) -> Any:
            raise OutOfMemoryError("The memory ran out.", "Buy more.")

        do_jobs_by(monkeypatch, refuse)
        more = 'methods = ["false", "supervised"]\n'
        summary = run_experiment(read_experiment(config(land_config(land_folder, tmp_path / "out", more))))
        assert len(summary.failed) == 2 and summary.run == 0
        assert "The memory ran out. Buy more." in summary.page.read_text()
        assert "2 of 2 runs have no result yet" in summary.page.read_text()
        assert not list((tmp_path / "out").glob(".running-*"))

    def test_cancelled_it_stops_and_still_writes_the_tables(self, config: Write, land_folder: Path, tmp_path: Path) -> None:
        cancel = threading.Event()
        cancel.set()
        with pytest.raises(Cancelled):
            run_experiment(read_experiment(config(land_config(land_folder, tmp_path / "out"))), cancel=cancel)
        assert (tmp_path / "out" / "results.html").is_file()

    def test_missing_data_is_said_before_anything_runs(self, config: Write, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"land.tif does not exist"):
            run_experiment(read_experiment(config(HEAD + PAIR)))

    def test_a_folder_that_cannot_be_made_is_said(self, config: Write, land_folder: Path, tmp_path: Path) -> None:
        (tmp_path / "out").write_text("a file")
        with pytest.raises(FalseError, match="cannot be written to"):
            run_experiment(read_experiment(config(land_config(land_folder, tmp_path / "out"))))


def test_the_published_protocol_runs_on_potsdam_filled_up(config: Write, tmp_path: Path) -> None:
    """The page has mIoU of all seven classes, as published, and of the six that are land cover."""
    folder = potsdam_folder(tmp_path / "potsdam")
    text = f"""
name = "Potsdam"
output = "out"
protocol = "patches"
methods = ["random"]
heads = ["network"]
fractions = [0.6]
preset = "quick"
device = "cpu"
patch_size = 64
[pretrain]
batch_size = 2
[finetune]
steps = 2
[[datasets]]
name = "potsdam"
kind = "potsdam"
folder = "{folder.as_posix()}"
pad = 64
"""
    summary = run_experiment(read_experiment(config(text)))
    assert not summary.failed
    (file,) = (tmp_path / "out" / "cells").iterdir()
    result = read_result(file)
    assert result is not None
    confusion = result.tallies["2_13"].confusion
    assert confusion[6].sum() == 128 * 128 - 96 * 96
    iou = np.diag(confusion) / np.maximum(1, confusion.sum(axis=0) + confusion.sum(axis=1) - np.diag(confusion))
    there = confusion.sum(axis=1) > 0
    page = (tmp_path / "out" / "results.html").read_text(encoding="utf-8")
    assert "mIoU of all 7 classes" in page
    for classes in (there, there & (np.arange(7) < 6)):
        assert f"{100 * iou[classes].mean():.2f}" in page


def test_the_published_protocol_runs_on_potsdam_as_distributed(config: Write, tmp_path: Path) -> None:
    folder = potsdam_folder(tmp_path / "potsdam")
    text = f"""
name = "Potsdam"
output = "out"
protocol = "patches"
methods = ["random"]
heads = ["network"]
fractions = [0.3]
preset = "quick"
device = "cpu"
patch_size = 32
keep = true
[pretrain]
batch_size = 2
[finetune]
steps = 2
[[datasets]]
name = "potsdam"
kind = "potsdam"
folder = "{folder.as_posix()}"
"""
    summary = run_experiment(read_experiment(config(text)))
    assert not summary.failed
    (file,) = (tmp_path / "out" / "cells").iterdir()
    result = read_result(file)
    assert result is not None and result.cell.frozen
    assert list(result.tallies) == ["2_13"]
    assert result.tallies["2_13"].confusion.sum() == 96 * 96
    kept = list((tmp_path / "out" / "kept").rglob("*"))
    assert {"model.safetensors", "2_13.tif"} <= {path.name for path in kept}


def test_the_command_runs_it(
    config: Write, land_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    from false_core.cli import main

    monkeypatch.setenv("COLUMNS", "200")
    path = config(land_config(land_folder, tmp_path / "out", 'methods = ["supervised"]\n'))
    monkeypatch.setattr("sys.argv", ["false-core", "experiment", str(path)])
    main()
    said = capsys.readouterr().out
    assert "results.html" in said and "1 now, 1 in all" in said


@pytest.mark.skipif(not os.environ.get("FALSE_DATA"), reason="FALSE_DATA names no folder with real imagery")
def test_the_real_scene_is_scored_outside_its_polygons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = read_experiment(ROOT / "experiments" / "deepglobe_scene.toml")
    dataset = prepare(experiment.datasets[0], tmp_path, Feedback())
    labels = scene_labels(dataset, 0.5, 0, Feedback())
    pair = dataset.train[0]
    tally = score_map(pair.truth, pair.truth, dataset.classes, labels.excluded[pair.name])
    assert scores_of(tally.confusion)[0]["miou"] == 1.0
    assert 0.010 < tally.labelled / (tally.labelled + tally.confusion.sum()) < 0.011
    assert len(geopandas.read_file(labels.path)) < 60
