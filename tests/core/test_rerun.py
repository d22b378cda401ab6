"""A model file records enough to make the model again, and what is different now is said."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.shutil
import safetensors.torch
import torch
from small_world import FROM_NOTHING, label_boxes, on_map, textured_land, write_labels, write_raster

from false_core import jobs, rerun
from false_core.cli import main
from false_core.computing.precision import INSTRUCTIONS, trained_again_in
from false_core.dispatch import run
from false_core.errors import ModelFileError, OutputError, RequestError
from false_core.jobs import Finetune, Pretrain
from false_core.models.from_file import segmenter_from
from false_core.models.header import ENCODER
from false_core.models.model_file import MADE_BY, PRECISION, STAGES, ModelCard, read_card, save_model
from false_core.models.record import SAMPLE_BYTES, SAMPLES_HASHED, file_fingerprint, read_record

pytestmark = pytest.mark.thorough


class World:
    """Inputs in a folder of their own, and the encoder and the model made from them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.raster = write_raster(folder / "land.tif", textured_land(), nodata=0)
        names, boxes = label_boxes()
        self.labels = write_labels(folder / "labels.gpkg", names, [on_map(box) for box in boxes])
        self.legend = str(folder / "legend.json")
        Path(self.legend).write_text('[{"value": "field", "name": "Acker", "color": "#f2d16b"}]')
        self.encoder, self.model = str(folder / "encoder.safetensors"), str(folder / "model.safetensors")
        run(Pretrain((self.raster,), self.encoder, steps=2, batch_size=4, seed=3, bands=(3, 1), **FROM_NOTHING))
        run(
            Finetune(
                self.raster, f"{self.labels}|layername=labels", "cover", self.model, self.encoder, preset="quick",
                device="cpu", head="network", steps=2, seed=4, legend=self.legend, report=str(folder / "report.html"),
            )
        )  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("rerun"))


@pytest.fixture
def world(made: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """The same files, put aside and back, so that a test may change them."""
    kept = tmp_path / "kept"
    shutil.copytree(made.folder, kept)
    yield made
    shutil.rmtree(made.folder)
    shutil.copytree(kept, made.folder)


def states(plan: rerun.Plan) -> dict[str, str]:
    return {one.parameter: one.state for one in plan.inputs}


def weights(path: str) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in safetensors.torch.load_file(path).items()}


class TestARerun:
    def test_of_an_encoder_gives_the_same_to_the_last_bit(self, made: World, tmp_path: Path) -> None:
        plan = rerun.plan(made.encoder, str(tmp_path / "again.safetensors"))
        assert plan.is_the_same
        assert isinstance(plan.job, Pretrain)
        assert (plan.job.seed, plan.job.bands, plan.job.steps) == (3, (3, 1), 2)
        assert rerun.rerun(plan, made.encoder) == 0
        assert weights(str(tmp_path / "again.safetensors")) == weights(made.encoder)

    def test_of_a_model_gives_the_same_file(self, made: World, tmp_path: Path) -> None:
        plan = rerun.plan(made.model, str(tmp_path / "again.safetensors"))
        assert plan.is_the_same
        assert states(plan) == dict.fromkeys(("raster", "labels", "encoder", "legend"), rerun.SAME)
        assert rerun.rerun(plan, made.model) == 0
        assert (tmp_path / "again.safetensors").read_bytes() == Path(made.model).read_bytes()
        assert not list(tmp_path.glob("*.html")), "no report is written unless it is asked for"

    def test_says_which_input_has_changed_and_by_how_much_the_result_differs(self, world: World, tmp_path: Path) -> None:
        with rasterio.open(world.raster, "r+") as file:
            file.write(
                file.read(1, window=rasterio.windows.Window(0, 0, 60, 60)) + 40,
                1,
                window=rasterio.windows.Window(0, 0, 60, 60),
            )
        plan = rerun.plan(world.model, str(tmp_path / "again.safetensors"))
        assert states(plan)["raster"] == rerun.CHANGED
        assert states(plan)["labels"] == rerun.SAME
        assert not plan.is_the_same
        assert rerun.rerun(plan, world.model) > 0

    def test_does_not_mind_dates_and_what_lies_beside_a_raster(self, world: World, tmp_path: Path) -> None:
        os.utime(world.raster, (1, 1))
        Path(f"{world.raster}.aux.xml").write_text("<PAMDataset></PAMDataset>")
        assert rerun.plan(world.model, str(tmp_path / "again.safetensors")).is_the_same

    def test_takes_inputs_from_where_they_lie_now(self, world: World, tmp_path: Path) -> None:
        os.rename(world.labels, tmp_path / "moved.gpkg")
        lost = rerun.plan(world.model, "again.safetensors")
        assert states(lost)["labels"] == rerun.MISSING
        plan = rerun.plan(world.model, "again.safetensors", replaced={"labels": str(tmp_path / "moved.gpkg")})
        assert states(plan)["labels"] == rerun.SAME
        assert plan.is_the_same
        with pytest.raises(RequestError, match="was made without truth"):
            rerun.plan(world.encoder, "again.safetensors", replaced={"truth": "t.tif"})

    def test_says_what_is_of_another_version(self, made: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("false_core.models.record.__version__", "9.9")
        plan = rerun.plan(made.model, "again.safetensors")
        assert [(name, now) for name, _, now in plan.tools] == [("false_core", "9.9")]
        assert not plan.is_the_same

    def test_never_overwrites_the_model_with_its_report(self, made: World, tmp_path: Path) -> None:
        before = Path(made.model).read_bytes()
        link = tmp_path / "link"
        os.link(made.model, link)
        for report in (made.model, str(link)):
            with pytest.raises(OutputError, match="is the model that is to be made again"):
                rerun.rerun(rerun.plan(made.model, str(tmp_path / "again.safetensors"), report), made.model)
        assert Path(made.model).read_bytes() == before

    def test_never_overwrites_the_model(self, made: World) -> None:
        before = Path(made.model).read_bytes()
        with pytest.raises(OutputError, match="is the model that is to be made again"):
            rerun.rerun(rerun.plan(made.model, made.model), made.model)
        assert Path(made.model).read_bytes() == before

    def test_of_a_network_of_another_kind_cannot_be_compared(self, made: World, tmp_path: Path) -> None:
        output = str(tmp_path / "again.safetensors")
        plan = rerun.plan(made.encoder, output)
        assert rerun.rerun(plan, made.model) == float("inf")


@pytest.fixture
def with_instructions(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor that was built for bfloat16."""
    monkeypatch.delenv("FALSE_PRECISION")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {INSTRUCTIONS[0]: True}, raising=False)


class TestTheOrderOfSets:
    """Which the hash seed of a process decides: all processes that test are copies of one, with the same."""

    MAKES = """
import sys
from false_core.dispatch import run
from false_core.jobs import Classify, Finetune, Pretrain
raster, labels, encoder, model, output = sys.argv[1:]
start = {"preset": "quick", "weights": "none", "device": "cpu"}
run(Pretrain((raster,), encoder, steps=2, batch_size=4, backbone="test_resnet", **start))
run(Finetune(raster, labels, "cover", model, encoder, **start))
run(Classify(raster, model, output, device="cpu"))
"""

    def test_changes_no_result(self, made: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        files = [tmp_path / name for name in ("encoder.safetensors", "model.safetensors", "map.tif")]
        program = tmp_path / "makes.py"
        program.write_text(self.MAKES)
        words = [str(program), made.raster, made.labels, *map(str, files)]
        subprocess.run([sys.executable, *words], env={**os.environ, "PYTHONHASHSEED": "1"}, check=True, capture_output=True)
        elsewhere = {path.name: path.read_bytes() for path in files}
        for path in files:
            path.unlink()
        # This process has a seed of its own.
        monkeypatch.setattr("sys.argv", words)
        runpy.run_path(str(program))
        assert {path.name for path in files if path.read_bytes() != elsewhere[path.name]} == set()


class TestTheNumbersOfATraining:
    @pytest.mark.parametrize("numbers", [torch.float32, torch.bfloat16], ids=str)
    def test_are_taken_again(
        self,
        numbers: torch.dtype,
        made: World,
        with_instructions: None,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        path, output = str(tmp_path / "e.safetensors"), str(tmp_path / "again.safetensors")
        job = Finetune(
            made.raster, made.labels, "cover", path, made.encoder, preset="quick", device="cpu", head="network", steps=1
        )
        with trained_again_in(numbers):
            run(job)
        # A test of speed would take the others now.
        others = torch.bfloat16 if numbers == torch.float32 else torch.float32
        monkeypatch.setattr(
            "false_core.training.finetuning_cost.choose_precision",
            lambda possible, *more: others if others in possible else possible[0],
        )
        plan = rerun.plan(path, output)
        assert plan.is_the_same
        assert rerun.rerun(plan, path) == 0
        assert read_card(output).method[PRECISION] == str(numbers).removeprefix("torch.")
        assert Path(output).read_bytes() == Path(path).read_bytes()

    def test_that_cannot_be_taken_again_are_said(
        self, made: World, with_instructions: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        card = self.trained_in(made, "bfloat16")
        assert self.differences(card, monkeypatch) == ()
        assert self.differences(self.trained_in(made, "float16"), monkeypatch) == (
            ("precision", "float16", "float32 or bfloat16"),
        )
        monkeypatch.setenv("FALSE_PRECISION", "float32")
        assert self.differences(card, monkeypatch) == (("precision", "bfloat16", "float32"),)
        monkeypatch.setenv("FALSE_PRECISION", "auto")
        monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
        assert self.differences(card, monkeypatch) == (("precision", "bfloat16", "float32"),)

    def test_of_stages_are_said_where_they_are_different(
        self, made: World, with_instructions: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        card = read_card(made.encoder, ENCODER)

        def after(first: str) -> ModelCard:
            stages = [{"method": {PRECISION: first}}, {"method": {PRECISION: "bfloat16"}}, "no stage"]
            return replace(card, provenance={**card.provenance, STAGES: stages})

        assert self.differences(after("bfloat16"), monkeypatch) == ()
        assert self.differences(after("float32"), monkeypatch) == (
            ("precision", "float32, bfloat16", "float32 or bfloat16"),
        )

    @staticmethod
    def trained_in(made: World, numbers: str) -> ModelCard:
        card = read_card(made.model)
        return replace(card, method={**card.method, PRECISION: numbers})

    @staticmethod
    def differences(card: ModelCard, monkeypatch: pytest.MonkeyPatch) -> tuple[tuple[str, str, str], ...]:
        """Return what is different now of a model with such a card."""
        with monkeypatch.context() as patch:
            patch.setattr(rerun, "read_card", lambda path: card)
            plan = rerun.plan("m.safetensors", "again.safetensors")
        assert plan.is_the_same == (not plan.tools)
        return plan.tools


class TestTheRecord:
    def test_does_not_tell_who_made_it(self, made: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("HOME", str(made.folder))
        path = str(tmp_path / "e.safetensors")
        run(Pretrain((made.raster,), path, preset="quick", device="cpu", steps=1, batch_size=2))
        content = Path(path).read_bytes()
        assert str(made.folder).encode() not in content
        assert b"~/land.tif" in content
        assert states(rerun.plan(path, "again.safetensors")) == {"rasters": rerun.SAME}

    def test_holds_no_outputs_and_those_of_a_stranger_are_not_written(self, made: World, tmp_path: Path) -> None:
        card = read_card(made.model)
        record = card.provenance[MADE_BY]
        assert not {"model", "report"} & set(record["job"])
        record["job"]["report"] = str(tmp_path / "precious.html")
        path = str(tmp_path / "hostile.safetensors")
        save_model(path, replace(card, provenance={**card.provenance, MADE_BY: record}), segmenter_from(made.model, card))
        with pytest.raises(ModelFileError, match="how it was made cannot be read"):
            rerun.plan(path, str(tmp_path / "again.safetensors"))

    @pytest.mark.parametrize(
        "record",
        [
            1,
            {},
            {"job": 1, "inputs": {}, "made_with": {}},
            {"job": {"job": ["pretrain"]}, "inputs": {}, "made_with": {}},
            {"job": {"job": "classify"}, "inputs": {}, "made_with": {}},
            {"job": {"job": "pretrain"}, "inputs": {"a": 1}, "made_with": {}},
        ],
        ids=str,
    )
    def test_that_is_damaged_is_said_to_be(self, made: World, record: Any) -> None:
        card = read_card(made.model)
        with pytest.raises(ModelFileError, match="how it was made cannot be read"):
            read_record(replace(card, provenance={MADE_BY: record}), "m.safetensors")

    def test_is_missing_in_models_of_early_versions(self, made: World) -> None:
        card = replace(read_card(made.model), provenance={})
        with pytest.raises(ModelFileError, match="does not say enough of how it was made"):
            read_record(card, "m.safetensors")


class TestAFingerprint:
    def test_of_a_large_file_sees_what_changed_at_its_ends_and_its_size(self, tmp_path: Path) -> None:
        path = tmp_path / "large.bin"
        with path.open("wb") as file:
            file.truncate(3 * SAMPLE_BYTES * SAMPLES_HASHED)
        first = file_fingerprint(str(path), jobs.FILE)
        assert first == file_fingerprint(str(path), jobs.FILE)
        for place in (0, 3 * SAMPLE_BYTES * SAMPLES_HASHED - 1):
            with path.open("r+b") as file:
                file.seek(place)
                file.write(b"x")
            assert file_fingerprint(str(path), jobs.FILE) != first
        path.open("ab").write(b"x")
        assert file_fingerprint(str(path), jobs.FILE) != first

    def test_of_a_vrt_is_that_of_its_parts_too(self, tmp_path: Path) -> None:
        part = write_raster(tmp_path / "part.tif", np.ones((1, 8, 8), "uint8"))
        with rasterio.open(part) as file:
            rasterio.shutil.copy(file, tmp_path / "all.vrt", driver="VRT")
        first = file_fingerprint(str(tmp_path / "all.vrt"), jobs.RASTER)
        write_raster(tmp_path / "part.tif", np.full((1, 8, 8), 2, "uint8"))
        assert file_fingerprint(str(tmp_path / "all.vrt"), jobs.RASTER) != first

    def test_of_what_is_no_file_there_is_none(self, tmp_path: Path) -> None:
        assert file_fingerprint(str(tmp_path / "nowhere"), jobs.FILE) == ""
        assert file_fingerprint("/vsicurl/http://127.0.0.1:9/x.tif", jobs.RASTER) == ""


class TestTheCommand:
    def call(self, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
        monkeypatch.setenv("COLUMNS", "300")
        monkeypatch.setattr("sys.argv", ["false-core", "rerun", *arguments])
        main()

    def test_without_an_output_only_says_what_it_would_read(
        self, made: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        before = sorted(made.folder.iterdir())
        self.call(monkeypatch, made.model)
        said = capsys.readouterr().out
        for wanted in ("labels.gpkg", "legend.json", "land.tif", rerun.SAME, "the same to the last bit"):
            assert wanted in said
        assert sorted(made.folder.iterdir()) == before

    def test_with_one_does_it_and_compares(
        self, made: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        moved = tmp_path / "somewhere else.gpkg"
        shutil.copy(made.labels, moved)
        output, report = tmp_path / "again.safetensors", tmp_path / "again.html"
        self.call(monkeypatch, made.model, "--output", str(output), "--report", str(report), "--input", f"labels={moved}")
        assert "The weights are the same to the last bit." in " ".join(capsys.readouterr().out.split())
        assert weights(str(output)) == weights(made.model)
        assert report.is_file()
