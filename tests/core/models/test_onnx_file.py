"""A model exported for Deepness gives what the model gives, from pixels as Deepness hands them over, and says what it is."""

from __future__ import annotations

import builtins
import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_world import BORDER, Listener, label_boxes, on_map, textured_land, write_labels, write_raster

from false_core.dispatch import run
from false_core.errors import FalseError, ModelFileError, OutputError, RequestError
from false_core.jobs import ExportOnnx, Finetune
from false_core.models.from_file import segmenter_from
from false_core.models.model_file import load_weights, read_card, save_model
from false_core.models.segmenter import build_segmenter, class_probabilities
from false_core.raster.classes import ClassTable, LandCoverClass
from false_core.raster.source import RasterSource, Window

pytestmark = pytest.mark.thorough

needs_onnx = pytest.mark.skipif(
    not (find_spec("onnx") and find_spec("onnxruntime")), reason="onnx or onnxruntime is missing: pip install -e '.[test]'."
)

TILE = 96


def open_session(path: str) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def as_deepness_would(path: str, raw: np.ndarray) -> np.ndarray:
    """Return what Deepness gets for tiles of raw pixels (batch, bands, side, side): divided by 255, then standardised."""
    session = open_session(path)
    told = session.get_modelmeta().custom_metadata_map
    mean, std = (
        np.array(json.loads(told[key]), np.float32)[:, None, None] for key in ("standardization_mean", "standardization_std")
    )
    pixels = (np.float32(raw * 1.0 / 255.0) - mean) / std
    return session.run(None, {session.get_inputs()[0].name: pixels.astype(np.float32)})[0]


def as_we_would(model: str, raster: str, window: Window) -> np.ndarray:
    card, source = read_card(model), RasterSource(raster)
    network = build_segmenter(card.encoder, card.decoder, len(card.bands), len(card.classes))
    load_weights(model, network)
    pixels = torch.from_numpy(card.normalisation.apply(source.read(window)))[None]
    return class_probabilities(network.eval(), pixels).numpy()


def raw_window(pixels: np.ndarray, window: Window) -> np.ndarray:
    rows, columns = (slice(start, start + TILE) for start in (window.row, window.column))
    return pixels[None, :, rows, columns]


INSIDE, AT_THE_EDGE = Window(BORDER, BORDER, TILE, TILE), Window(0, 0, TILE, TILE)


@pytest.fixture(scope="module")
def exported(model: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = str(tmp_path_factory.mktemp("onnx") / "model.onnx")
    assert run(ExportOnnx(model, path, tile=TILE)) == {"output": path, "classes": 3, "resolution": 100.0}
    return path


@needs_onnx
class TestTheExportedModel:
    @pytest.mark.thorough
    @pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
    def test_gives_the_probabilities_of_the_model_from_raw_pixels(
        self, exported: str, model: str, tmp_path: Path, dtype: str
    ) -> None:
        land = textured_land(dtype=dtype)
        raster = write_raster(tmp_path / "r.tif", land)
        got = as_deepness_would(exported, raw_window(land, INSIDE))
        assert got.shape == (1, 3, TILE, TILE)
        np.testing.assert_allclose(got, as_we_would(model, raster, INSIDE), atol=1e-3)
        np.testing.assert_allclose(got.sum(axis=1), 1, atol=1e-5)
        assert got.std() > 0.01, "it must look at the pixels"

    def test_clips_values_far_beyond_those_it_knows_as_the_model_does(
        self, exported: str, model: str, tmp_path: Path
    ) -> None:
        land = textured_land()
        land[:, 40:60, 40:60] = 65_000
        raster = write_raster(tmp_path / "r.tif", land)
        got = as_deepness_would(exported, raw_window(land, INSIDE))
        np.testing.assert_allclose(got, as_we_would(model, raster, INSIDE), atol=1e-3)

    def test_takes_what_is_no_number_for_missing(self, exported: str, model: str, tmp_path: Path) -> None:
        land = textured_land(dtype="float32")
        land[:, 30:50, 30:60] = np.nan
        land[2, 80:90, 20:90] = np.nan
        raster = write_raster(tmp_path / "r.tif", land)
        got = as_deepness_would(exported, raw_window(land, INSIDE))
        np.testing.assert_allclose(got, as_we_would(model, raster, INSIDE), atol=1e-3)

    def test_takes_the_value_named_for_missing(self, model: str, land: str, tmp_path: Path) -> None:
        path = str(tmp_path / "m.onnx")
        run(ExportOnnx(model, path, tile=TILE, nodata=0))
        wanted = as_we_would(model, land, AT_THE_EDGE)  # The raster itself says that 0 is nodata.
        np.testing.assert_allclose(as_deepness_would(path, raw_window(textured_land(), AT_THE_EDGE)), wanted, atol=1e-3)

    def test_without_a_nodata_value_takes_0_for_a_value(self, exported: str, model: str, land: str, tmp_path: Path) -> None:
        plain = write_raster(tmp_path / "r.tif", textured_land())
        got = as_deepness_would(exported, raw_window(textured_land(), AT_THE_EDGE))
        np.testing.assert_allclose(got, as_we_would(model, plain, AT_THE_EDGE), atol=1e-3)
        assert np.abs(got - as_we_would(model, land, AT_THE_EDGE)).max() > 0.01

    def test_takes_several_tiles_at_once(self, exported: str) -> None:
        land = textured_land()
        one, two = raw_window(land, INSIDE), raw_window(land, AT_THE_EDGE)
        together = as_deepness_would(exported, np.concatenate([one, two]))
        np.testing.assert_allclose(together[1:], as_deepness_would(exported, two), atol=1e-5)

    def test_needs_no_newer_runtime_than_deepness_brings(self, exported: str) -> None:
        """Deepness accepts onnxruntime from 1.12.1 on, which reads operator set 17 and format version 8."""
        import onnx

        written = onnx.load(exported)
        assert {entry.domain: entry.version for entry in written.opset_import} == {"": 17}
        assert written.ir_version <= 8

    @pytest.mark.thorough
    def test_of_the_published_decoder_gives_its_probabilities_too(self, land: str, tmp_path: Path) -> None:
        torch.manual_seed(0)
        classes = ClassTable((LandCoverClass(1, "a", "#000000"), LandCoverClass(2, "b", "#ffffff")))
        card = replace(read_card(tiny(land, tmp_path)), decoder="deeplabv3plus", classes=classes)
        path = str(tmp_path / "deeplab.safetensors")
        save_model(path, card, build_segmenter(card.encoder, card.decoder, 4, 2))
        run(ExportOnnx(path, str(tmp_path / "m.onnx"), tile=TILE))
        got = as_deepness_would(str(tmp_path / "m.onnx"), raw_window(textured_land(), INSIDE))
        np.testing.assert_allclose(got, as_we_would(path, land, INSIDE), atol=1e-3)


def tiny(land: str, folder: Path) -> str:
    names, boxes = label_boxes()
    labels = write_labels(folder / "l.gpkg", names, [on_map(box) for box in boxes])
    path = str(folder / "tiny.safetensors")
    run(Finetune(land, labels, "cover", path, preset="quick", device="cpu", head="network", steps=1, validation=0))
    return path


@needs_onnx
class TestTheMetadata:
    """What Deepness 0.6.5 reads, as JSON texts."""

    @pytest.fixture
    def told(self, exported: str) -> dict[str, Any]:
        return {key: json.loads(text) for key, text in open_session(exported).get_modelmeta().custom_metadata_map.items()}

    def test_is_complete(self, told: dict[str, Any]) -> None:
        assert told == {
            "model_type": "Segmentor",
            "class_names": {"0": "field", "1": "forest", "2": "water"},
            "resolution": 100.0,
            "tile_size": TILE,
            "tiles_size": TILE,
            "tiles_overlap": 20,
            "standardization_mean": [0.0] * 4,
            "standardization_std": [1.0] * 4,
            "seg_thresh": 0.0,
            "seg_small_segment": 0,
        }

    def test_goes_with_the_shapes(self, exported: str, told: dict[str, Any]) -> None:
        (given,), (got,) = open_session(exported).get_inputs(), open_session(exported).get_outputs()
        # A text in place of the number of tiles is how Deepness knows that it may choose it.
        assert isinstance(given.shape[0], str)
        assert given.shape[1:] == [4, TILE, TILE] and given.type == "tensor(float)"
        assert got.shape[1:] == [len(told["class_names"]), TILE, TILE]

    def test_counts_classes_from_0_whatever_their_codes(self, model: str, tmp_path: Path) -> None:
        card = read_card(model)
        classes = ClassTable(tuple(LandCoverClass(code, f"Größe {code}", "#123456") for code in (0, 200, 254)))
        network = build_segmenter(card.encoder, card.decoder, 4, 3)
        load_weights(model, network)
        path = str(tmp_path / "m.safetensors")
        save_model(path, replace(card, classes=classes), network)
        run(ExportOnnx(path, str(tmp_path / "m.onnx"), tile=64))
        told = open_session(str(tmp_path / "m.onnx")).get_modelmeta().custom_metadata_map
        assert json.loads(told["class_names"]) == {"0": "Größe 0", "1": "Größe 200", "2": "Größe 254"}

    def test_of_a_model_from_nowhere_takes_a_unit_for_a_metre(self, model: str, tmp_path: Path, listener: Listener) -> None:
        card = read_card(model)
        network = build_segmenter(card.encoder, card.decoder, 4, 3)
        path = str(tmp_path / "m.safetensors")
        save_model(path, replace(card, ground_sample_distance=None, pixel_size=0.25), network)
        results = run(ExportOnnx(path, str(tmp_path / "m.onnx"), tile=64), listener)
        assert results["resolution"] == 25.0
        assert "A unit is taken for a metre" in listener.warnings


@needs_onnx
class TestWhatTheUserIsTold:
    def test_which_bands_in_which_order_and_that_deepness_documents_8_bits_only(
        self, model: str, tmp_path: Path, listener: Listener
    ) -> None:
        run(ExportOnnx(model, str(tmp_path / "m.onnx"), tile=64), listener)
        assert "in this order: 1 Band 1, 2 Band 2, 3 Band 3, 4 Band 4" in listener.infos
        assert "made on uint16 values; Deepness documents 8-bit rasters only" in listener.warnings

    def test_that_other_bands_have_to_be_chosen_there(self, model: str, tmp_path: Path, listener: Listener) -> None:
        card = read_card(model)
        path = str(tmp_path / "m.safetensors")
        network = build_segmenter(card.encoder, card.decoder, 4, 3)
        save_model(path, replace(card, band_numbers=(4, 3, 2, 1), dtype="uint8"), network)
        run(ExportOnnx(path, str(tmp_path / "m.onnx"), tile=64), listener)
        assert "channels mapping" in listener.warnings
        assert "8-bit" not in listener.warnings


@needs_onnx
class TestWhatCannotBeDone:
    @pytest.mark.parametrize(
        ("changes", "error", "said"),
        [
            ({"tile": 100}, RequestError, "multiple of 32; it is 100. Use 96 or 128"),
            ({"output": "m.pt"}, OutputError, "ends in .onnx"),
        ],
    )
    def test_is_said(self, model: str, tmp_path: Path, changes: dict[str, Any], error: type[FalseError], said: str) -> None:
        output = str(tmp_path / changes.pop("output", "m.onnx"))
        with pytest.raises(error, match=said):
            run(ExportOnnx(model, output, **changes))
        assert not list(tmp_path.iterdir())

    def test_an_encoder_has_no_classes_to_export(self, encoder: str, tmp_path: Path) -> None:
        with pytest.raises(ModelFileError, match="holds an encoder"):
            run(ExportOnnx(encoder, str(tmp_path / "m.onnx")))


@pytest.fixture
def without_onnx(monkeypatch: pytest.MonkeyPatch) -> None:
    real: Callable[..., Any] = builtins.__import__

    def refuse(name: str, *arguments: Any, **more: Any) -> Any:
        if name.partition(".")[0] == "onnx":
            raise ImportError("No module named 'onnx'")
        return real(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)


@pytest.mark.usefixtures("without_onnx")
def test_where_the_package_is_missing_the_set_up_installs_it_or_a_command(model: str, tmp_path: Path) -> None:
    command = re.escape(f'"{sys.executable}" -m pip install onnx')
    with pytest.raises(FalseError, match=f"run Set up the compute environment: it installs .* run: {command}"):
        run(ExportOnnx(model, str(tmp_path / "m.onnx")))
    assert not list(tmp_path.iterdir())


@needs_onnx
class TestAModelOfFrozenFeatures:
    @pytest.fixture(params=["one encoder", "the general and a pretrained encoder"])
    def fitted(
        self, request: pytest.FixtureRequest, frozen_model: str, encoder: str, land: str, labels: str, tmp_path: Path
    ) -> str:
        if request.param == "one encoder":
            return frozen_model
        model = str(tmp_path / "model.safetensors")
        run(Finetune(land, labels, "cover", model, encoder, head="linear", device="cpu"))
        head = read_card(model).head
        assert head is not None and len(head.encoders) == 2
        return model

    def test_gives_its_probabilities_for_several_tiles_at_once(self, fitted: str, land: str, tmp_path: Path) -> None:
        path = str(tmp_path / "m.onnx")
        run(ExportOnnx(fitted, path, tile=128))
        source, card = RasterSource(land), read_card(fitted)
        tiles = np.stack([source.read(Window(column, 0, 128, 120)) for column in (20, 40)])
        tiles = np.pad(tiles, ((0, 0), (0, 0), (0, 8), (0, 0)), mode="reflect")
        pixels = torch.from_numpy(np.stack([card.normalisation.apply(tile) for tile in tiles]))
        wanted = class_probabilities(segmenter_from(fitted, card), pixels).numpy()
        np.testing.assert_allclose(as_deepness_would(path, tiles), wanted, atol=1e-3)
