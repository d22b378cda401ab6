"""A map in int8 comes from one network that the model alone decides, is the same file however it comes about, and says how
good it is; where int8 cannot be had, the map is made in float32, and a sentence says why."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
import threading
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import rasterio
import safetensors.torch
import shapely
import torch
from small_world import Listener, textured_land, write_raster

from false_core.computing.distributed import ALONE
from false_core.dispatch import run
from false_core.errors import Cancelled, DeviceError, InputError, ModelFileError
from false_core.feedback import Feedback
from false_core.inference import int8
from false_core.jobs import Classify
from false_core.mapping.classify import numbers
from false_core.mapping.classify.classify import Classification
from false_core.mapping.classify.plan import plan_of
from false_core.mapping.classify.store import DIGITS, JobStart
from false_core.models.from_file import segmenter_from
from false_core.models.fused import FusedSegmenter, FusedSpec, Member
from false_core.models.label_crops import CROP_PX, CROPS_PREFIX, UNLABELLED, LabelCrops, crops_kept
from false_core.models.model_file import read_card, read_crops, save_model
from false_core.models.segmenter import build_segmenter, class_probabilities
from false_core.sampling.label_crops import label_crops

needs_onnx = pytest.mark.skipif(
    not (find_spec("onnx") and find_spec("onnxruntime")), reason="onnx or onnxruntime is missing: pip install -e '.[test]'."
)
REALLY_MOST_CHANGED = int8.MOST_CHANGED
QUANTISES = """
import hashlib, torch
from false_core.feedback import Feedback
from false_core.inference import int8
from false_core.models.segmenter import build_segmenter
torch.manual_seed(0)
network = build_segmenter("resnet10t", "deeplabv3plus", 4, 3).eval()
crops = [torch.randn(1, 4, 128, 128) for _ in range(2)]
print(hashlib.sha256(int8._onnx_in_int8(network, ["scores"], crops, Feedback())).hexdigest(), end="")
"""
SMALL_STRIPS = {"false_core.inference.tiles.MAX_STRIDE_PX": 256, "false_core.mapping.classify.plan.LEAST_PIXELS": 1}


@pytest.fixture(autouse=True)
def a_network_of_two_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its classes are close calls."""
    monkeypatch.setattr(int8, "MOST_CHANGED", 0.5)


@pytest.fixture
def small_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SMALL_STRIPS.items():
        monkeypatch.setattr(name, value)


def job_of(land: str, model: str, folder: Path, **settings: str) -> Classify:
    folder.mkdir(exist_ok=True)
    return Classify(land, model, str(folder / "map.tif"), **{"device": "cpu", "precision": "int8", **settings})


def classes_of(path: str) -> np.ndarray:
    with rasterio.open(path) as file:
        return file.read(1)


class TestTheCropsOfAModel:
    def test_are_pieces_of_its_raster_with_labels_of_all_classes(self, land: str, model: str) -> None:
        card = read_card(model)
        crops = read_crops(model, card)
        assert crops is not None
        assert len(crops.pixels) == min(crops_kept(4), 12)
        assert {*crops.targets.unique().tolist()} == {0, 1, 2, UNLABELLED}
        # The raster is narrower than a crop: what lies beyond it is neither data nor labelled.
        with rasterio.open(land) as file:
            valid = file.read(1) != 0
            whole = card.normalisation.apply(np.where(valid, file.read().astype(np.float32), np.nan))
        assert whole.shape[1:] == (120, 170)
        corners = [
            column
            for column in range(170 - CROP_PX + 1)
            if np.array_equal(whole[:, :, column : column + CROP_PX].astype(np.float16), crops.pixels[0, :, :120].numpy())
        ]
        assert corners
        counted = np.zeros((120, 170), int)
        for pixels, targets in zip(crops.pixels, crops.targets):
            column = next(
                column
                for column in range(170 - CROP_PX + 1)
                if np.array_equal(whole[:, :, column : column + CROP_PX].astype(np.float16), pixels[:, :120].numpy())
            )
            counted[:, column : column + CROP_PX] += targets[:120].numpy() != UNLABELLED
        assert counted.max() == 1, "no label is counted twice"
        assert not crops.pixels[:, :, 120:].any()
        assert bool((crops.targets[:, 120:] == UNLABELLED).all())
        assert bool((crops.targets[0, :120].numpy() == UNLABELLED)[~valid[:, corners[0] : corners[0] + CROP_PX]].all())

    def test_are_refused_where_they_are_none(self, model: str, tmp_path: Path) -> None:
        tensors = safetensors.torch.load_file(model)
        with safetensors.safe_open(model, "pt") as file:
            header = file.metadata()
        for name, broken in (
            ("pixels", tensors[f"{CROPS_PREFIX}pixels"][..., :9]),
            ("pixels", tensors[f"{CROPS_PREFIX}pixels"] * torch.inf),
            ("targets", tensors[f"{CROPS_PREFIX}targets"] * 0 + 3),
        ):
            path = str(tmp_path / "m.safetensors")
            safetensors.torch.save_file({**tensors, f"{CROPS_PREFIX}{name}": broken.contiguous()}, path, header)
            with pytest.raises(ModelFileError, match="crops around its labels cannot be read"):
                read_crops(path, read_card(path))

    @pytest.mark.parametrize(
        "hostile",
        [
            {f"{CROPS_PREFIX}more": torch.zeros(1)},
            {f"{CROPS_PREFIX}pixels": torch.zeros(17, 4, CROP_PX, CROP_PX, dtype=torch.float16)},
            {f"{CROPS_PREFIX}targets": torch.zeros(12, CROP_PX, CROP_PX)},
        ],
    )
    def test_are_not_read_where_the_header_has_others(
        self, hostile: dict[str, torch.Tensor], model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tensors = safetensors.torch.load_file(model)
        with safetensors.safe_open(model, "pt") as file:
            header = file.metadata()
        path = str(tmp_path / "m.safetensors")
        safetensors.torch.save_file({**tensors, **hostile}, path, header)
        card = read_card(path)
        for module, name in ((safetensors, "safe_open"), (safetensors.torch, "load_file")):
            monkeypatch.setattr(module, name, lambda *given: pytest.fail("It is read."))
        with pytest.raises(ModelFileError, match="crops around its labels"):
            read_crops(path, card)
        with pytest.raises(ModelFileError, match="crops around its labels"):
            segmenter_from(path, card)

    def test_are_left_out_where_the_raster_cannot_be_read_any_more(self) -> None:
        class Gone:
            bands = (1, 2, 3)
            width = height = 200

            def read(self, window: object) -> np.ndarray:
                raise InputError("land.tif cannot be read.")

        one = SimpleNamespace(shapes=np.array([shapely.Point(9, 9)]), targets=np.array([0]))
        with pytest.warns(RuntimeWarning, match=r"The model keeps no crops around its labels\. land\.tif cannot be read"):
            assert label_crops(SimpleNamespace(source=Gone(), annotation=one), 0) is None  # type: ignore[arg-type]

    def test_are_not_kept_of_very_many_bands(self) -> None:
        assert [crops_kept(bands) for bands in (3, 13, 100, 1000)] == [16, 9, 1, 0]


@needs_onnx
@pytest.mark.thorough
class TestAMapInInt8:
    def test_is_the_same_in_one_go_and_in_parts_and_quantised_once(
        self, model: str, small_strips: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listener: Listener
    ) -> None:
        land = write_raster(tmp_path / "strip.tif", textured_land(300, 900), nodata=0)
        whole = job_of(land, model, tmp_path / "whole", report=str(tmp_path / "report.html"))
        run(whole, listener)
        assert "The network computes in int8." in listener.infos
        told = re.search(
            r"Of [\d,]+ labelled pixels that the model learned from .* in int8 .* float32\..* not the accuracy of the map.*",
            listener.infos,
        )
        assert told
        page = (tmp_path / "report.html").read_text("utf-8")
        assert "Precision: int8<" in page
        assert told.group() in page
        int8._last.clear()
        monkeypatch.setattr(int8, "_onnx_in_int8", lambda *given: pytest.fail("It is kept."))
        monkeypatch.setattr(int8, "_agreement", lambda *given: pytest.fail("It is kept."))
        again = job_of(land, model, tmp_path / "again")
        feedback = Feedback()
        plan = plan_of(again, feedback)
        assert len(plan.strips) > 1
        with Classification(again, JobStart.of([again.output], ALONE), ALONE.share, feedback) as first:
            first._own = first._own[1:]
            first.compute()
            assert first._store.number(DIGITS) == 7
        run(again, listener)
        assert f"Going on with {len(plan.strips) - 1} of {len(plan.strips)} strips" in listener.infos
        assert Path(again.output).read_bytes() == Path(whole.output).read_bytes()

    def test_differs_in_few_pixels_where_the_head_has_frozen_encoders(self, model: str, tmp_path: Path) -> None:
        torch.manual_seed(0)
        card, crops = read_card(model), read_crops(model, read_card(model))
        members = (Member(("encoder 0 at 1", "encoder 0 at 2", "spectrum"), 1.0),)
        spec = FusedSpec((card.encoder,), ((1, 2),), members)
        network = FusedSegmenter(spec, 4, 3).eval()
        for weights in network.weights.values():
            weights.copy_(torch.randn_like(weights))
        path = str(tmp_path / "model.safetensors")
        save_model(path, dataclasses.replace(card, head=spec, decoder=""), network, crops=crops)
        made = int8.int8_segmenter(path)
        assert made.network.stride == network.stride
        assert crops is not None
        image = crops.pixels[:1].float()
        short, long = class_probabilities(made.network, image), class_probabilities(network, image)
        assert 0 < float((short - long).abs().mean()) < 0.1
        assert 0 <= made.agreement.changed < 0.2
        assert made.agreement.labelled == int((crops.targets != UNLABELLED).sum())


def without(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)


@pytest.fixture
def without_crops(model: str, tmp_path: Path) -> str:
    """The model as an earlier version wrote it."""
    tensors = {n: t for n, t in safetensors.torch.load_file(model).items() if not n.startswith(CROPS_PREFIX)}
    with safetensors.safe_open(model, "pt") as file:
        header = file.metadata()
    safetensors.torch.save_file(tensors, tmp_path / "old.safetensors", header)
    return str(tmp_path / "old.safetensors")


@needs_onnx
class TestFloat32IsTakenWhere:
    def warned(self, model: str, land: str, tmp_path: Path, listener: Listener) -> str:
        job = job_of(land, model, tmp_path / "out")
        int8._last.clear()
        own, why_not = numbers.own_precision(job, plan_of(job, Feedback()), torch.device("cpu"), listener.feedback)
        assert own == torch.float32
        assert not listener.warnings, "others may have agreed on int8"
        return why_not

    @pytest.mark.thorough
    def test_onnxruntime_is_missing(
        self, land: str, model: str, tmp_path: Path, listener: Listener, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        without("onnxruntime", monkeypatch)
        short, exact = (job_of(land, model, tmp_path / name, precision=name) for name in ("int8", "float32"))
        run(short, listener)
        run(exact)
        assert (classes_of(short.output) == classes_of(exact.output)).all()
        assert re.search(
            r"int8 take the package onnxruntime, which is not installed in the compute environment\. The map is made in "
            r"float32\. In QGIS, run Set up the compute environment.* -m pip install onnxruntime",
            listener.warnings,
        )

    def test_the_model_keeps_no_crops(self, land: str, without_crops: str, tmp_path: Path, listener: Listener) -> None:
        said = self.warned(without_crops, land, tmp_path, listener)
        assert "keeps no crops around its labels" in said
        assert said.endswith("The map is made in float32. Fine-tune it again.")

    def test_there_is_no_encoder(self, land: str, model: str, tmp_path: Path, listener: Listener) -> None:
        spec = FusedSpec((), (), (Member(("spectrum",), 1.0),))
        path = str(tmp_path / "spectrum.safetensors")
        save_model(path, dataclasses.replace(read_card(model), head=spec, decoder=""), FusedSegmenter(spec, 4, 3))
        assert "has no encoder that int8 would make faster" in self.warned(path, land, tmp_path, listener)

    @pytest.mark.thorough
    @pytest.mark.parametrize(
        "error", [RuntimeError, OSError, AssertionError, IndexError, type("ValidationError", (Exception,), {})]
    )
    def test_the_network_cannot_be_exported_which_is_tried_once(
        self,
        error: type[Exception],
        land: str,
        model: str,
        tmp_path: Path,
        listener: Listener,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        tried = []

        def fails(*given: object) -> bytes:
            tried.append(given)
            raise error("Unsupported operator\nand much more")

        monkeypatch.setattr(int8, "_onnx_in_int8", fails)
        monkeypatch.setattr(int8, "INT8_FORMAT", 0)  # Nothing is kept of it.
        said = self.warned(model, land, tmp_path, listener)
        assert "cannot be computed in int8 (Unsupported operator). The map is made in float32." in said
        with pytest.raises(DeviceError, match="Unsupported operator"):
            int8.int8_segmenter(model)
        assert len(tried) == 1

    def test_what_is_kept_cannot_be_read(
        self, land: str, model: str, tmp_path: Path, listener: Listener, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(int8, "_quantised", lambda *given: torch.nn.Identity())
        monkeypatch.setattr(int8, "_kept", lambda *given: b"{")
        assert "cannot be computed in int8 (Expecting property name" in self.warned(model, land, tmp_path, listener)

    @pytest.mark.parametrize("error", [MemoryError, Cancelled])
    def test_not_where_the_job_cannot_go_on(
        self, error: type[Exception], model: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fails(*given: object) -> bytes:
            raise error

        monkeypatch.setattr(int8, "_onnx_in_int8", fails)
        monkeypatch.setattr(int8, "INT8_FORMAT", 0)
        with pytest.raises(error):
            int8.int8_segmenter(model)

    @pytest.mark.parametrize("error", [ImportError("DLL load failed", name="onnxruntime"), OSError("DLL load failed")])
    def test_onnxruntime_is_broken(
        self,
        error: Exception,
        land: str,
        model: str,
        tmp_path: Path,
        listener: Listener,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        class Broken:
            def find_spec(self, name: str, path: object = None, target: object = None) -> None:
                if name == "onnxruntime":
                    raise error

        monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
        monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
        said = self.warned(model, land, tmp_path, listener)
        assert said == "The packages for maps in int8 cannot be loaded (DLL load failed). The map is made in float32."

    @pytest.mark.thorough
    def test_many_pixels_would_get_another_class(
        self, land: str, model: str, tmp_path: Path, listener: Listener, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(int8, "MOST_CHANGED", -1.0)
        assert "of the pixels around the labels of the model would get another class" in self.warned(
            model, land, tmp_path, listener
        )

    def test_there_is_a_gpu(self, land: str, model: str, tmp_path: Path, listener: Listener) -> None:
        job = job_of(land, model, tmp_path / "out")
        own = numbers.own_precision(job, plan_of(job, Feedback()), torch.device("mps"), listener.feedback)
        assert own == (torch.float32, "Maps in int8 are made on CPUs. This one is made in float32.")


class Begun:
    """The numbers that a map was begun with."""

    path = Path("strips")

    def __init__(self, digits: int) -> None:
        self.digits = digits

    def number(self, what: str) -> int:
        return self.digits if what == DIGITS else 1

    def put_if_absent(self, what: str, number: int) -> int:
        return self.number(what)


def agreed(job: Classify, begun: Begun, listener: Listener) -> torch.dtype:
    cpu = torch.device("cpu")
    return numbers.agreed_precision(begun, job, plan_of(job, Feedback()), cpu, listener.feedback)  # type: ignore[arg-type]


def test_a_part_that_others_computed_in_int8_is_not_gone_on_with_otherwise(
    land: str, without_crops: str, tmp_path: Path, listener: Listener
) -> None:
    with pytest.raises(DeviceError, match="keeps no crops"):
        agreed(job_of(land, without_crops, tmp_path / "out"), Begun(7), listener)
    assert not listener.warnings, "It says float32 of a map in int8."


@needs_onnx
def test_a_part_that_another_network_in_int8_computed_is_not_gone_on_with(
    land: str, model: str, tmp_path: Path, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numbers, "int8_segmenter", lambda *given: None)
    with pytest.raises(DeviceError, match="other versions of PyTorch, onnx or onnxruntime"):
        agreed(job_of(land, model, tmp_path / "out"), Begun(7), listener)


class Always(torch.nn.Module):
    """A network that always gives one of two classes."""

    def __init__(self, found: int) -> None:
        super().__init__()
        self.found, self.stride = found, 1

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        scores = torch.zeros(len(pixels), 2, *pixels.shape[2:])
        scores[:, self.found] = 1
        return scores


def test_pixels_without_data_do_not_dilute_the_share_of_changed_ones() -> None:
    pixels = torch.ones(1, 3, CROP_PX, CROP_PX, dtype=torch.float16)
    pixels[..., 9:] = 0
    crops = LabelCrops(pixels, torch.full((1, CROP_PX, CROP_PX), UNLABELLED, dtype=torch.uint8))
    assert json.loads(int8._agreement(Always(0), Always(1), crops))["changed"] == 1


@pytest.mark.parametrize(("changed", "is_taken"), [(0.1, True), (0.11, False)])
@needs_onnx
def test_a_tenth_of_the_pixels_may_get_another_class(
    changed: float, is_taken: bool, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    agreement = json.dumps(dataclasses.asdict(int8.Agreement(9, 1.0, 1.0, changed))).encode()
    monkeypatch.setattr(int8, "MOST_CHANGED", REALLY_MOST_CHANGED)
    monkeypatch.setattr(int8, "INT8_FORMAT", changed)
    monkeypatch.setattr(int8, "_quantised", lambda *given: Always(0))
    monkeypatch.setattr(int8, "_kept", lambda *given: agreement)
    with nullcontext() if is_taken else pytest.raises(DeviceError, match="11 % of the pixels"):
        assert int8.int8_segmenter(model).agreement.changed == changed


@needs_onnx
@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions.")
def test_networks_are_kept_in_a_folder_of_this_user_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FALSE_CACHE", str(tmp_path))
    monkeypatch.setenv("FALSE_DISK_GB", "1")
    disk = int8._own_cache()
    assert disk is not None
    assert (tmp_path / "int8").stat().st_mode & 0o777 == 0o700
    (tmp_path / "int8").rmdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "int8").symlink_to(tmp_path / "elsewhere")
    assert int8._own_cache() is None, "whoever made it could put another network there"


@needs_onnx
@pytest.mark.thorough
def test_converting_a_network_can_be_cancelled_in_its_midst(monkeypatch: pytest.MonkeyPatch, listener: Listener) -> None:
    cancel, export = threading.Event(), int8.export_network

    def exported(*given: Any, **more: Any) -> None:
        export(*given, **more)
        cancel.set()

    monkeypatch.setattr(int8, "export_network", exported)
    network = build_segmenter("resnet10t", "deeplabv3plus", 4, 3)
    with pytest.raises(Cancelled):
        int8._onnx_in_int8(network, ["scores"], [torch.randn(1, 4, 128, 128)], Feedback(listener, cancel))
    assert listener.infos == "The network is converted to int8, once for this model."


@needs_onnx
@pytest.mark.thorough
def test_two_processes_make_the_same_network() -> None:
    made = [
        subprocess.run(
            [sys.executable, "-c", QUANTISES], env={**os.environ, "PYTHONHASHSEED": seed}, check=True, capture_output=True
        ).stdout
        for seed in ("1", "2")
    ]
    assert len(made[0]) == 64
    assert made[0] == made[1]


def test_int8_is_not_tried_where_strips_were_begun_in_float32(
    land: str, model: str, tmp_path: Path, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numbers, "int8_segmenter", lambda *given: pytest.fail("It is tried."))
    assert agreed(job_of(land, model, tmp_path / "out"), Begun(24), listener) == torch.float32
    assert listener.warnings == "Earlier strips of the map were computed in float32. So are the others."


@pytest.mark.thorough
@pytest.mark.skipif(not find_spec("onnxruntime"), reason="needs onnxruntime")
def test_onnxruntime_tells_nobody_what_it_does(tmp_path: Path) -> None:
    """By itself 1.31 tells its maker over the network, by a file of one name in the folder for temporary files."""
    subprocess.run(
        [sys.executable, "-c", "from false_core.inference.int8 import int8_version; int8_version()"],
        env={**{name: value for name, value in os.environ.items() if not name.startswith("ORT_")}, "TMPDIR": str(tmp_path)},
        check=True,
    )
    assert not list(tmp_path.iterdir())
