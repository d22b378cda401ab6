"""A model is one file that says what it is. Reading one executes nothing, and whatever is wrong with it is said."""

from __future__ import annotations

import json
import os
import pickle  # To write files with that must be refused. Nothing reads one.
import struct
import sys
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from false_core import __version__
from false_core.errors import ModelFileError, OutputError
from false_core.models.encoder import build_encoder
from false_core.models.header import ENCODER, LONGEST_HEADER, MODEL_FORMAT, SEGMENTER
from false_core.models.model_file import ModelCard, check_bands, load_weights, read_card, save_model
from false_core.models.segmenter import build_segmenter, class_probabilities
from false_core.raster.classes import ClassTable, LandCoverClass
from false_core.raster.statistics import Normalisation

CARD = ModelCard(
    kind=SEGMENTER,
    encoder="resnet10t",
    decoder="unet-small",
    bands=("red", "Grün", "nir"),
    band_numbers=(3, 2, 4),
    dtype="uint16",
    normalisation=Normalisation((0.1, 0, -1), (1, 2, 3e38), (0.5, 1, 1), (0.25, 1 / 3, 1e37)),
    pixel_size=0.5,
    ground_sample_distance=None,
    patch_size=96,
    classes=ClassTable((LandCoverClass(0, "Wald – 森", "#1b7837"), LandCoverClass(254, "b", "#ffffff"))),
    method={"name": "finetune", "steps": 2, "scales": [0.7, 1.4]},
    provenance={"raster": "ü.tif", "scores": {"oa": 0.9}},
)


@pytest.fixture
def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))


@pytest.fixture
def path(tmp_path: Path, network: torch.nn.Module) -> Path:
    """A file with ``CARD`` and small weights."""
    save_model(str(tmp_path / "model.safetensors"), CARD, network)
    return tmp_path / "model.safetensors"


def rewrite(path: Path, metadata: dict[str, str] | None = None, **changes: Any) -> str:
    """Write the file again with some of its header changed: the card's fields, or what safetensors keeps beside them."""
    with safetensors.safe_open(path, "pt") as file:
        header = file.metadata()
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
    header[MODEL_FORMAT] = json.dumps({**json.loads(header[MODEL_FORMAT]), **changes})
    safetensors.torch.save_file(weights, path, metadata={**header, **(metadata or {})})
    return str(path)


class TestAModelFile:
    def test_comes_back_as_it_was_written(self, path: Path, network: torch.nn.Module) -> None:
        card = read_card(str(path))
        assert {**vars(card), "provenance": None} == {**vars(CARD), "provenance": None}
        assert card.provenance == {**CARD.provenance, "false_core": __version__}
        other = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
        load_weights(str(path), other)
        assert all(torch.equal(a, b) for a, b in zip(network.state_dict().values(), other.state_dict().values()))

    def test_is_the_same_to_the_byte_when_it_is_written_again(self, path: Path, network: torch.nn.Module) -> None:
        first = path.read_bytes()
        save_model(str(path), CARD, network)
        assert path.read_bytes() == first

    def test_is_a_safetensors_file_that_any_tool_can_open(self, path: Path) -> None:
        with safetensors.safe_open(path, "pt") as file:
            assert json.loads(file.metadata()[MODEL_FORMAT])["bands"] == ["red", "Grün", "nir"]
            assert "0.weight" in list(file.keys())

    @pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
    def test_can_be_read_by_whoever_can_read_other_new_files(self, path: Path) -> None:
        (path.parent / "other").touch()
        assert path.stat().st_mode == (path.parent / "other").stat().st_mode

    @pytest.mark.thorough
    def test_knows_whether_it_is_what_is_needed(self, path: Path, encoder: str) -> None:
        assert read_card(str(path), SEGMENTER).kind == SEGMENTER
        assert read_card(encoder, ENCODER).kind == ENCODER
        with pytest.raises(ModelFileError, match=r"holds a segmenter.*but an encoder is needed.*written by pretraining"):
            read_card(str(path), ENCODER)
        with pytest.raises(ModelFileError, match=r"holds an encoder, but a segmenter.*needed.*Run fine-tuning"):
            read_card(encoder, SEGMENTER)

    @pytest.mark.thorough
    def test_of_fine_tuning_gives_probabilities(self, model: str) -> None:
        card = read_card(model, SEGMENTER)
        network = build_segmenter(card.encoder, card.decoder, len(card.bands), len(card.classes))
        load_weights(model, network)
        for height, width in ((32, 32), (33, 70), (1, 1)):
            probabilities = class_probabilities(network.eval(), torch.zeros(2, len(card.bands), height, width))
            assert probabilities.shape == (2, 3, height, width)
            torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(2, height, width))

    def test_keeps_fields_of_an_unknown_kind_out(self, path: Path) -> None:
        assert read_card(rewrite(path, colour="red")).kind == SEGMENTER

    def test_fits_only_rasters_with_as_many_bands(self) -> None:
        check_bands(CARD, "m.safetensors", 3, "r.tif")
        with pytest.raises(ModelFileError, match=r"made for 3 bands \(red, Grün, nir\), but 4 of r\.tif would be used"):
            check_bands(CARD, "m.safetensors", 4, "r.tif")


class TestWhatIsNoModel:
    def test_a_missing_file(self, tmp_path: Path) -> None:
        for path in (tmp_path / "nowhere.safetensors", tmp_path):
            with pytest.raises(ModelFileError, match="does not exist"):
                read_card(str(path))

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"\x10",
            b"a text that is long enough to hold a length",
            struct.pack("<Q", 2**63) + b"{}",
            struct.pack("<Q", 2) + b"{}",
            struct.pack("<Q", 2) + b"[]",
            struct.pack("<Q", 2) + b"\xff\xfe",
            struct.pack("<Q", 9) + b'{"a": NaN',
            struct.pack("<Q", 90_000) + b"[" * 90_000,
            struct.pack("<Q", 21) + b'{"__metadata__": [1]}',
            struct.pack("<Q", LONGEST_HEADER + 1) + b" " * 100,
            pickle.dumps({"weights": [1.0]}),
            b"II*\x00" + b"\x00" * 64,
        ],
        ids=lambda content: repr(content[:12]),
    )
    def test_a_file_of_another_kind(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "model.safetensors"
        path.write_bytes(content)
        with pytest.raises(ModelFileError, match="is not a model made by FALSE"):
            read_card(str(path))

    def test_a_safetensors_file_of_somebody_else(self, tmp_path: Path) -> None:
        path = tmp_path / "model.safetensors"
        for metadata in (None, {"format": "pt"}, {"false": "{}"}):
            safetensors.torch.save_file({"a": torch.zeros(2)}, path, metadata=metadata)
            with pytest.raises(ModelFileError, match="is not a model made by FALSE"):
                read_card(str(path))

    @pytest.mark.parametrize("version", [6, 17])
    def test_a_model_of_a_newer_version(self, path: Path, version: int) -> None:
        with pytest.raises(ModelFileError, match="newer version.*Update FALSE"):
            read_card(rewrite(path, format_version=version))


class TestDamage:
    @pytest.mark.parametrize("share", [0.0001, 0.3, 0.99])
    def test_a_file_cut_off(self, model: str, tmp_path: Path, share: float) -> None:
        content = Path(model).read_bytes()
        path = tmp_path / "model.safetensors"
        path.write_bytes(content[: int(len(content) * share)])
        card = read_card(model)
        network = build_segmenter(card.encoder, card.decoder, len(card.bands), len(card.classes))
        with pytest.raises(ModelFileError, match=r"cut off|not a model"):
            load_weights(str(path), network) if share > 0.1 else read_card(str(path))

    @pytest.mark.parametrize("body", ["", "{", "[]", "null", "1", "[" * 100_000], ids=lambda body: body[:4])
    def test_a_description_that_is_no_description(self, path: Path, body: str) -> None:
        with pytest.raises(ModelFileError, match="is damaged: its description cannot be read"):
            read_card(rewrite(path, {MODEL_FORMAT: body}))

    @pytest.mark.thorough
    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("format_version", "two"),
            ("format_version", None),
            ("kind", "painter"),
            ("kind", ["encoder"]),
            ("bands", []),
            ("bands", ["red"]),
            ("bands", 3),
            ("bands", None),
            ("band_numbers", []),
            ("band_numbers", [0, 1, 2]),
            ("band_numbers", [1, 2]),
            ("band_numbers", [1, 2, float("inf")]),
            ("normalisation", {}),
            ("normalisation", [1]),
            ("normalisation", {"low": [0] * 3, "high": [1] * 3, "mean": [0] * 3, "deviation": [float("nan"), 1, 1]}),
            ("normalisation", {"low": [0] * 3, "high": [1] * 3, "mean": [0, 0, float("inf")], "deviation": [1] * 3}),
            ("normalisation", {"low": [0] * 3, "high": [1] * 3, "mean": [0] * 3, "deviation": [1, 0, 1]}),
            ("normalisation", {"low": [0] * 3, "high": [1] * 3, "mean": [0] * 2, "deviation": [1] * 3}),
            ("pixel_size", 0),
            ("pixel_size", -1.0),
            ("pixel_size", "0.5"),
            ("pixel_size", float("nan")),
            ("ground_sample_distance", -1.0),
            ("ground_sample_distance", "1 m"),
            ("ground_sample_distance", float("inf")),
            ("patch_size", 0),
            ("patch_size", None),
            ("classes", []),
            ("classes", [{"code": 1}]),
            ("classes", [{"code": 300, "name": "a", "color": "#000000"}]),
            ("classes", 5),
            ("encoder", None),
            ("encoder", "hf-hub:somebody/weights"),
            ("encoder", "local-dir:/tmp/weights"),
            ("encoder", "../weights"),
            ("decoder", 1),
            ("general", 1),
            ("general", "resnet10t"),
            ("general", "hf-hub:somebody/weights"),
            ("dtype", None),
            ("method", []),
            ("provenance", "mine"),
        ],
    )
    def test_a_description_that_makes_no_sense(self, path: Path, field: str, value: Any) -> None:
        with pytest.raises(ModelFileError, match="is damaged: its description cannot be read"):
            read_card(rewrite(path, **{field: value}))

    @pytest.mark.parametrize("field", ["kind", "encoder", "bands", "band_numbers", "normalisation", "pixel_size", "classes"])
    def test_a_description_that_lacks_something(self, path: Path, field: str) -> None:
        with safetensors.safe_open(path, "pt") as file:
            body = json.loads(file.metadata()[MODEL_FORMAT])
        del body[field]
        with pytest.raises(ModelFileError, match="is damaged: its description cannot be read"):
            read_card(rewrite(path, {MODEL_FORMAT: json.dumps(body)}))

    def test_weights_that_do_not_fit_the_description(self, path: Path) -> None:
        for other in (
            torch.nn.Sequential(torch.nn.Conv2d(3, 5, 3), torch.nn.BatchNorm2d(5)),
            torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3)),
            torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)).half(),
        ):
            with pytest.raises(ModelFileError, match="weights do not fit its own description, such as"):
                load_weights(str(path), other)

    @pytest.mark.thorough
    def test_a_network_that_nobody_knows(self) -> None:
        for name in ("resnet10t2", ""):
            with pytest.raises(ModelFileError, match="no encoder called"):
                build_encoder(name, 3)
        with pytest.raises(ModelFileError, match=r"no encoder called 'vit_tiny_patch16_224': .*[^.]\. Use"):
            build_encoder("vit_tiny_patch16_224", 3)
        with pytest.raises(ModelFileError, match="takes images of one size alone"):
            build_encoder("swin_tiny_patch4_window7_224", 3)
        with pytest.raises(ModelFileError, match="no decoder called 'painter'"):
            build_segmenter("resnet10t", "painter", 3, 2)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit on Windows")
def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    import resource

    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, usual[1]))
    try:
        with pytest.raises(OutputError, match=r"model\.safetensors cannot be written"):
            save_model(str(tmp_path / "model.safetensors"), CARD, torch.nn.Linear(1000, 1000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert not list(tmp_path.iterdir())
