"""Pretrain, fine-tune, classify: from a raster and a few labels to a map that knows its classes."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import subprocess
import sys
import threading
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
import rasterio.shutil
import safetensors.torch
import shapely
import torch
from affine import Affine
from small_world import (
    BORDER,
    CLASS_NAMES,
    FROM_NOTHING,
    GRID,
    HEIGHT,
    LEFT,
    TOP,
    WIDTH,
    Listener,
    label_boxes,
    on_map,
    pixel_box,
    textured_land,
    write_labels,
    write_raster,
)

from false_core.dispatch import run
from false_core.errors import (
    Cancelled,
    DeviceError,
    FalseError,
    InputError,
    ModelFileError,
    OutOfMemoryError,
    OutputError,
    RequestError,
)
from false_core.events import Artifact, Metric, Progress
from false_core.jobs import Check, Classify, Finetune, Pretrain
from false_core.models.model_file import read_card
from false_core.outputs.sidecars import signed_style

BORDERLESS = (slice(BORDER, HEIGHT - BORDER), slice(BORDER, WIDTH - BORDER))


def classify(raster: str, model: str, output: Path, **more: Any) -> np.ndarray:
    """Classify on the CPU and return the map."""
    run(Classify(raster, model, str(output), device="cpu", **more))
    return read_band(output)


def read_band(path: Path | str) -> np.ndarray:
    with rasterio.open(path) as file:
        return file.read(1)


def weights(path: str) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in safetensors.torch.load_file(path).items()}


class TestPretraining:
    def test_makes_an_encoder_that_knows_what_it_was_made_from(self, land: str, encoder: str) -> None:
        card = read_card(encoder, "encoder")
        assert card.bands == ("Band 1", "Band 2", "Band 3", "Band 4")
        assert card.band_numbers == (1, 2, 3, 4)
        assert card.dtype == "uint16"
        assert (card.pixel_size, card.ground_sample_distance) == (1.0, 1.0)
        assert (card.method["name"], card.method["preset"], card.method["steps"]) == ("false", "quick", 2)
        assert card.provenance["rasters"] == [Path(land).name]
        assert math.isfinite(card.provenance["loss"])

    @pytest.mark.thorough
    def test_takes_part_of_several_rasters_and_chosen_bands(self, land: str, tmp_path: Path, listener: Listener) -> None:
        again = write_raster(tmp_path / "again.tif", textured_land()[:, ::-1], nodata=0)
        job = Pretrain(
            rasters=(land, again), encoder=str(tmp_path / "e.safetensors"), bands=(4, 2), preset="quick", device="cpu",
            extent=f"{LEFT + 20},{LEFT + 150},{TOP - 100},{TOP - 20} [EPSG:32633]", steps=1, batch_size=2, neighbours=2,
            threshold=-1.0, report=str(tmp_path / "report.html"),
        )  # fmt: skip
        outputs = run(job, listener)
        assert outputs.keys() == {"encoder", "report", "loss", "steps"}
        assert math.isfinite(outputs["loss"])
        assert read_card(job.encoder).band_numbers == (4, 2)
        assert Path(job.report or "").read_text(encoding="utf-8").lstrip().lower().startswith("<!doctype html")
        fractions = [event.fraction for event in listener.all(Progress)]
        assert fractions == sorted(fractions)
        assert fractions[-1] == pytest.approx(1.0)
        assert {event.kind for event in listener.all(Artifact)} == {"encoder", "report"}
        assert "loss" in {event.name for event in listener.all(Metric)}

    @pytest.mark.thorough
    def test_looks_only_at_rasters_that_the_extent_meets(self, land: str, tmp_path: Path, listener: Listener) -> None:
        far = write_raster(tmp_path / "far.tif", textured_land(), transform=GRID * Affine.translation(1000, 0), nodata=0)
        job = Pretrain(
            rasters=(land, far), encoder=str(tmp_path / "e.safetensors"), preset="quick", device="cpu", steps=1,
            batch_size=2, extent=f"{LEFT + 20},{LEFT + 150},{TOP - 100},{TOP - 20} [EPSG:32633]",
        )  # fmt: skip
        run(job, listener)
        assert read_card(job.encoder).provenance["rasters"] == [Path(land).name]
        assert "does not overlap far.tif" in listener.warnings
        assert "It is left out." in listener.warnings


class TestFineTuning:
    def test_makes_a_model_that_knows_its_classes_and_scores(self, model: str, encoder: str) -> None:
        card = read_card(model, "segmenter")
        assert [(c.code, c.name) for c in card.classes] == [(1, "field"), (2, "forest"), (3, "water")]
        assert card.normalisation == read_card(encoder).normalisation
        # Of twelve shapes, three are held out: too few for a number.
        assert card.provenance["scores"].keys() == {"shapes"} and card.provenance["missing_shapes"].keys() == {"1", "2", "3"}
        assert card.provenance["labels"] == {str(c.code): [4, 400] for c in card.classes}
        assert card.provenance["pretraining"]["name"] == "false"

    @pytest.mark.thorough
    @pytest.mark.parametrize("head", ["network", "auto"])
    def test_takes_over_the_legend(self, land: str, labels: str, encoder: str, tmp_path: Path, head: str) -> None:
        legend = tmp_path / "legend.json"
        legend.write_text(json.dumps([{"value": "water", "name": "Open water", "color": "#0000ff"}]))
        path = str(tmp_path / "m.safetensors")
        outputs = run(
            Finetune(
                land, labels, "cover", path, encoder, preset="quick", device="cpu", head=head, steps=1, validation=0,
                legend=str(legend), report=str(tmp_path / "r.html"),
            )
        )  # fmt: skip
        classes = {c.code: (c.name, c.color) for c in read_card(path).classes}
        assert classes[3] == ("Open water", "#0000ff")
        # Without labels held out there is no score of a decoder. Other heads need none held out, but more than 12 shapes.
        assert outputs.keys() == {"model", "report", "accuracy"}
        assert outputs["accuracy"].startswith("unknown; known with" if head == "auto" else "unknown")
        missing = read_card(path).provenance["missing_shapes"]
        assert sorted(missing.values()) == ([2, 3, 3] if head == "auto" else [])

    @pytest.mark.thorough
    @pytest.mark.parametrize(("head", "right"), [("network", 0.6), ("auto", 0.95), ("linear", 0.6), ("texture", 0.95)])
    def test_learns_what_can_be_learnt_in_a_moment(self, tmp_path: Path, head: str, right: float) -> None:
        # Brightness alone tells the classes apart, so a few steps must do better than chance by far.
        pixels = np.repeat(np.array([40, 120, 200], "uint8"), 40)[None, None].repeat(96, axis=1)
        pixels = (pixels + np.random.default_rng(0).integers(-9, 9, pixels.shape)).astype("uint8")
        raster = write_raster(tmp_path / "r.tif", pixels)
        boxes = [pixel_box(40 * k + 5 + 15 * (j % 2), 8 + 45 * (j // 2), 12, 12) for k in range(3) for j in range(4)]
        labels = write_labels(tmp_path / "l.gpkg", [k for k in (10, 20, 30) for _ in range(4)], [on_map(b) for b in boxes])
        path = str(tmp_path / "m.safetensors")
        run(Finetune(raster, labels, "cover", path, preset="quick", device="cpu", head=head, steps=12, validation=0))
        mapped = classify(raster, path, tmp_path / "map.tif")
        truth = np.repeat([10, 20, 30], 40)[None].repeat(96, axis=0)
        assert set(np.unique(mapped)) <= {10, 20, 30}
        assert (mapped == truth).mean() > right

    @pytest.mark.thorough
    def test_goes_on_where_it_was_interrupted_and_ends_as_if_nothing_had_happened(
        self, land: str, labels: str, encoder: str, tmp_path: Path
    ) -> None:
        def job(name: str) -> Finetune:
            return Finetune(
                land, labels, "cover", str(tmp_path / name), encoder, preset="quick", device="cpu", head="network", steps=6
            )

        cancel = threading.Event()

        def stop_at_the_fifth(event: Any) -> None:
            if isinstance(event, Metric) and event.step >= 5:
                cancel.set()

        with pytest.raises(Cancelled):
            run(job("resumed.safetensors"), stop_at_the_fifth, cancel)
        assert not (tmp_path / "resumed.safetensors").exists()
        resumed, listener = job("resumed.safetensors"), Listener()
        run(resumed, listener)
        assert "Going on from step 5" in listener.infos
        undisturbed = job("undisturbed.safetensors")
        run(undisturbed)
        assert weights(resumed.model) == weights(undisturbed.model)


class TestTheMap:
    @pytest.fixture(scope="class")
    def mapped(self, land: str, model: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
        folder = tmp_path_factory.mktemp("map")
        job = Classify(
            land, model, str(folder / "map.tif"), device="cpu", confidence=str(folder / "sure.tif"),
            report=str(folder / "map.html"),
        )  # fmt: skip
        assert run(job)["pixels"] == (WIDTH - 2 * BORDER) * (HEIGHT - 2 * BORDER)
        return folder

    def test_lies_on_the_raster_pixel_by_pixel(self, mapped: Path, land: str) -> None:
        with rasterio.open(mapped / "map.tif") as file, rasterio.open(land) as raster:
            assert (file.width, file.height, file.transform, file.crs) == (WIDTH, HEIGHT, raster.transform, raster.crs)
            assert file.dtypes == ("uint8",)
            assert file.profile["tiled"]
            assert file.profile["compress"] == "deflate"

    def test_comes_with_a_report_of_how_much_there_is_of_each_class(self, mapped: Path, model: str) -> None:
        report = (mapped / "map.html").read_text(encoding="utf-8")
        codes = read_band(mapped / "map.tif")
        for c in read_card(model).classes:
            assert c.name in report
            assert f"{(codes == c.code).sum():,}" in report
        assert "<script" not in report

    def test_leaves_nodata_as_nodata_and_classifies_everything_else(self, mapped: Path) -> None:
        codes = read_band(mapped / "map.tif")
        valid = np.zeros_like(codes, bool)
        valid[BORDERLESS] = True
        assert (codes[~valid] == 0).all()
        assert set(np.unique(codes[valid])) <= {1, 2, 3}
        with rasterio.open(mapped / "map.tif") as file:
            assert file.nodata == 0

    def test_carries_class_names_and_colours(self, mapped: Path, model: str) -> None:
        classes = read_card(model).classes
        with rasterio.open(mapped / "map.tif") as file:
            colours = file.colormap(1)
            assert json.loads(file.tags()["FALSE_CLASSES"]) == classes.to_list()
        for c in classes:
            assert colours[c.code] == (*bytes.fromhex(c.color[1:]), 255)
        assert colours[0] == (0, 0, 0, 0)
        names = [element.text or "" for element in ET.parse(mapped / "map.tif.aux.xml").iter("Category")]
        assert names == ["", *CLASS_NAMES]
        entries = {entry.get("value"): entry for entry in ET.parse(mapped / "map.qml").iter("paletteEntry")}
        assert {value: entry.get("label") for value, entry in entries.items()} == {"1": "field", "2": "forest", "3": "water"}
        assert entries["2"].get("color") == classes.classes[1].color

    def test_comes_with_the_confidence_in_percent(self, mapped: Path) -> None:
        percent = read_band(mapped / "sure.tif")
        valid = np.zeros_like(percent, bool)
        valid[BORDERLESS] = True
        assert (percent[~valid] == 255).all()
        assert percent[valid].min() >= 33, "the chosen one of three classes has at least a third"
        assert percent[valid].max() <= 100
        with rasterio.open(mapped / "sure.tif") as file:
            assert file.nodata == 255

    def test_consists_of_these_files_and_no_others(self, mapped: Path) -> None:
        assert sorted(path.name for path in mapped.iterdir()) == [
            "map.html",
            "map.qml",
            "map.tif",
            "map.tif.aux.xml",
            "sure.tif",
        ]

    @pytest.mark.thorough
    def test_of_a_part_is_a_part_of_the_map(self, mapped: Path, land: str, model: str, tmp_path: Path) -> None:
        extent = f"{LEFT + 30},{LEFT + 100},{TOP - 90},{TOP - 5} [EPSG:32633]"
        codes = classify(land, model, tmp_path / "part.tif", extent=extent)
        assert codes.shape == (85, 70)
        whole = read_band(mapped / "map.tif")
        np.testing.assert_array_equal(codes == 0, whole[5:90, 30:100] == 0)
        with rasterio.open(tmp_path / "part.tif") as file:
            assert file.transform == GRID * Affine.translation(30, 5)

    @pytest.mark.slow
    def test_with_hardly_any_memory_gives_the_same_map(self, mapped: Path, land: str, model: str, tmp_path: Path) -> None:
        """In a process of its own: GDAL asks for the size of its cache once."""
        words = ["classify", "--raster", land, "--model", model, "--output", str(tmp_path / "map.tif"), "--device", "cpu"]
        scarce = {**os.environ, "FALSE_MEMORY_GB": "0.001", "GDAL_CACHEMAX": "1", "FALSE_CACHE": str(tmp_path)}
        subprocess.run([sys.executable, "-m", "false_core", *words], check=True, capture_output=True, env=scarce)
        np.testing.assert_array_equal(read_band(tmp_path / "map.tif"), read_band(mapped / "map.tif"))

    @pytest.mark.thorough
    def test_replaces_an_earlier_one(self, land: str, model: str, tmp_path: Path) -> None:
        for name in ("map.tif", "map.tif.aux.xml"):
            (tmp_path / name).write_text("old")
        (tmp_path / "map.qml").write_bytes(signed_style(b"<old/>"))
        assert classify(land, model, tmp_path / "map.tif").shape == (HEIGHT, WIDTH)
        assert not any("old" in (tmp_path / name).read_text() for name in ("map.qml", "map.tif.aux.xml"))

    @pytest.mark.thorough
    def test_with_a_class_0_has_255_as_nodata(self, land: str, tmp_path: Path) -> None:
        _, boxes = label_boxes()
        labels = write_labels(tmp_path / "l.gpkg", [0] * 4 + [200] * 8, [on_map(box) for box in boxes])
        path = str(tmp_path / "m.safetensors")
        run(Finetune(land, labels, "cover", path, head="texture", device="cpu"))
        codes = classify(land, path, tmp_path / "map.tif")
        assert set(np.unique(codes[BORDERLESS])) <= {0, 200}
        codes[BORDERLESS] = 255
        assert (codes == 255).all()
        with rasterio.open(tmp_path / "map.tif") as file:
            assert file.nodata == 255

    @pytest.mark.thorough
    def test_with_a_name_that_ends_in_vrt_becomes_tiles(self, mapped: Path, land: str, model: str, tmp_path: Path) -> None:
        for name in ("first", "second"):  # The second time in place of the first.
            run(Classify(land, model, str(tmp_path / "map.vrt"), device="cpu", confidence=str(tmp_path / "sure.vrt")))
            tiles = sorted(path.name for path in tmp_path.glob("*_tiles_*/*"))
            assert tiles == ["tile_0_0.tif", "tile_0_0.tif"], name
        np.testing.assert_array_equal(read_band(tmp_path / "map.vrt"), read_band(mapped / "map.tif"))
        np.testing.assert_array_equal(read_band(tmp_path / "sure.vrt"), read_band(mapped / "sure.tif"))
        files = sorted(path.name for path in tmp_path.iterdir() if path.is_file())
        assert files == ["map.qml", "map.stac.json", "map.vrt", "sure.stac.json", "sure.vrt"]

    @pytest.mark.thorough
    def test_of_a_large_raster_has_overviews(self, model: str, tmp_path: Path) -> None:
        pixels = np.zeros((4, 600, 1100), "uint16")
        pixels[:, :HEIGHT, :WIDTH] = textured_land()
        raster = write_raster(tmp_path / "r.tif", pixels, nodata=0, compress="deflate")
        classify(raster, model, tmp_path / "map.tif", extent=None)
        with rasterio.open(tmp_path / "map.tif") as file:
            assert file.overviews(1) == [2, 4]


class TestAnyRaster:
    """The land in other forms, all classified by the same model."""

    @pytest.mark.thorough
    @pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
    def test_of_another_type_is_classified_with_a_warning(
        self, model: str, tmp_path: Path, listener: Listener, dtype: str
    ) -> None:
        raster = write_raster(tmp_path / "r.tif", textured_land(dtype=dtype), nodata=0)
        run(Classify(raster, model, str(tmp_path / "map.tif"), device="cpu"), listener)
        assert f"holds {dtype} values, the model was made on uint16 ones" in listener.warnings
        assert (read_band(tmp_path / "map.tif")[BORDERLESS] > 0).all()

    @pytest.mark.thorough
    @pytest.mark.parametrize(
        "layout",
        [{"tiled": True, "blockxsize": 32, "blockysize": 16}, {"interleave": "band", "blockysize": 3, "compress": "lzw"}],
        ids=["tiled", "striped"],
    )
    def test_in_another_layout_gives_the_same_map(
        self, land: str, model: str, tmp_path: Path, layout: dict[str, Any]
    ) -> None:
        raster = write_raster(tmp_path / "r.tif", textured_land(), nodata=0, **layout)
        one, two = (classify(path, model, tmp_path / f"{n}.tif") for n, path in enumerate((raster, land)))
        np.testing.assert_array_equal(one, two)

    @pytest.mark.thorough
    @pytest.mark.parametrize(
        ("width", "height"), [(1, 1), (5, 3), (64, 64), (16, 560), (560, 16)],
        ids=["one pixel", "smaller than a patch", "one tile", "high", "wide"],
    )  # fmt: skip
    def test_of_any_size(self, model: str, tmp_path: Path, width: int, height: int) -> None:
        pixels = np.random.default_rng(0).integers(1, 200, (4, height, width)).astype("uint16")
        codes = classify(write_raster(tmp_path / "r.tif", pixels), model, tmp_path / "map.tif")
        assert codes.shape == (height, width)
        assert set(np.unique(codes)) <= {1, 2, 3}

    @pytest.mark.thorough
    def test_of_real_numbers_with_holes(self, model: str, tmp_path: Path) -> None:
        pixels = textured_land(dtype="float32")
        pixels[pixels == 0] = np.nan
        pixels[:, 50:60, 50:60] = np.inf
        pixels[0, 70, 70] = np.nan  # One band alone does not make a pixel invalid.
        codes = classify(write_raster(tmp_path / "r.tif", pixels), model, tmp_path / "map.tif")
        hole = np.ones_like(codes, bool)
        hole[BORDERLESS] = False
        hole[50:60, 50:60] = True
        np.testing.assert_array_equal(codes == 0, hole)

    @pytest.mark.thorough
    def test_that_is_rotated_or_lies_nowhere_gives_a_map_that_lies_there_too(self, model: str, tmp_path: Path) -> None:
        turned = Affine.translation(LEFT, TOP) * Affine.rotation(30) * Affine.scale(1, -1)
        for name, place in (("turned", {"transform": turned}), ("nowhere", {"transform": None, "crs": None})):
            raster = write_raster(tmp_path / f"{name}.tif", textured_land(), nodata=0, **place)
            classify(raster, model, tmp_path / f"{name}_map.tif")
            with rasterio.open(tmp_path / f"{name}_map.tif") as file, rasterio.open(raster) as original:
                assert file.transform.almost_equals(original.transform, 1e-9)
                assert file.crs == original.crs

    @pytest.mark.thorough
    def test_a_part_of_one_that_lies_nowhere_says_where_it_lies(self, model: str, tmp_path: Path) -> None:
        raster = write_raster(tmp_path / "r.tif", textured_land(), nodata=0, transform=None, crs=None)
        classify(raster, model, tmp_path / "map.tif", extent="40,90,-70,-30")
        with rasterio.open(tmp_path / "map.tif") as file:
            assert (file.width, file.height) == (50, 40)
            assert tuple(file.bounds) == (40, -70, 90, -30)

    @pytest.mark.thorough
    def test_of_finer_pixels_is_worked_on_at_those_of_the_model(self, model: str, tmp_path: Path) -> None:
        fine = textured_land().repeat(3, axis=1).repeat(3, axis=2)[:, :-1, :-2]
        raster = write_raster(tmp_path / "r.tif", fine, nodata=0, transform=GRID * Affine.scale(1 / 3))
        codes = classify(raster, model, tmp_path / "map.tif")
        np.testing.assert_array_equal(codes == 0, (fine == 0).all(axis=0))

    @pytest.mark.thorough
    def test_with_more_bands_is_read_at_those_of_the_model(
        self, land: str, model: str, tmp_path: Path, listener: Listener
    ) -> None:
        more = np.concatenate([textured_land(), np.full((2, HEIGHT, WIDTH), 7, "uint16")])
        raster = write_raster(tmp_path / "r.tif", more, nodata=0)
        run(Classify(raster, model, str(tmp_path / "map.tif"), device="cpu"), listener)
        assert "Using bands 1 to 4 of r.tif" in listener.infos
        np.testing.assert_array_equal(read_band(tmp_path / "map.tif"), classify(land, model, tmp_path / "land.tif"))

    @pytest.mark.thorough
    # tests/core/training/heads/test_fit.py shows the fourth.
    @pytest.mark.parametrize(("bands", "head"), [(1, "network"), (11, "network"), (11, "auto")])
    def test_with_one_band_or_eleven_goes_the_whole_way(self, tmp_path: Path, bands: int, head: str) -> None:
        raster = write_raster(tmp_path / "r.tif", textured_land(bands=bands, dtype="uint8"), nodata=0)
        names, boxes = label_boxes()
        labels = write_labels(tmp_path / "l.gpkg", names, [on_map(box) for box in boxes])
        made = {name: str(tmp_path / f"{name}.safetensors") for name in ("encoder", "model")}
        common: dict[str, Any] = {"preset": "quick", "device": "cpu", "steps": 1}
        run(Pretrain((raster,), made["encoder"], batch_size=2, **common))
        run(Finetune(raster, labels, "cover", made["model"], made["encoder"], head=head, **common))
        codes = classify(raster, made["model"], tmp_path / "map.tif")
        assert (codes[BORDERLESS] > 0).all()
        assert len(read_card(made["model"]).bands) == bands

    @pytest.mark.thorough
    @pytest.mark.parametrize("head", ["network", "auto"])
    def test_smaller_than_a_patch_can_be_learnt_from(self, tmp_path: Path, head: str) -> None:
        pixels = np.random.default_rng(0).integers(1, 99, (2, 20, 30)).astype("uint8")
        raster = write_raster(tmp_path / "r.tif", pixels)
        labels = write_labels(tmp_path / "l.gpkg", ["a", "b"], [on_map(shapely.Point(3, 3)), on_map(shapely.Point(20, 9))])
        made = {name: str(tmp_path / f"{name}.safetensors") for name in ("encoder", "model")}
        common: dict[str, Any] = {"preset": "quick", "device": "cpu", "steps": 1}
        run(Pretrain((raster,), made["encoder"], batch_size=2, **common))
        run(Finetune(raster, labels, "cover", made["model"], made["encoder"], head=head, **common))
        assert set(np.unique(classify(raster, made["model"], tmp_path / "map.tif"))) <= {1, 2}


@pytest.mark.thorough
class TestTheSameSeed:
    @pytest.mark.thorough
    def test_gives_the_same_weights_and_the_same_map(
        self, land: str, labels: str, encoder: str, model: str, tmp_path: Path
    ) -> None:
        # Once more what the fixtures did.
        again = {name: str(tmp_path / f"{name}.safetensors") for name in ("encoder", "model")}
        run(Pretrain((land,), again["encoder"], steps=2, batch_size=4, **FROM_NOTHING))
        common: dict[str, Any] = {"preset": "quick", "device": "cpu", "steps": 2}
        run(Finetune(land, labels, "cover", again["model"], again["encoder"], head="network", **common))
        assert weights(again["encoder"]) == weights(encoder)
        assert weights(again["model"]) == weights(model)
        for name, file in (("one", model), ("two", again["model"])):
            (tmp_path / name).mkdir()
            classify(land, file, tmp_path / name / "map.tif")
        assert (tmp_path / "one" / "map.tif").read_bytes() == (tmp_path / "two" / "map.tif").read_bytes()

    @pytest.mark.thorough
    def test_another_seed_gives_others(self, land: str, encoder: str, tmp_path: Path) -> None:
        path = str(tmp_path / "e.safetensors")
        run(Pretrain((land,), path, preset="quick", device="cpu", steps=2, batch_size=4, seed=1))
        assert weights(path) != weights(encoder)


class TestBadInput:
    """A clear error, and nothing written."""

    @pytest.fixture
    def refused(self, tmp_path: Path) -> Any:
        """Return a function that runs a job which must fail, and returns what was said."""

        def files() -> dict[Path, int]:
            return {path: 0 if path.is_dir() else path.stat().st_mtime_ns for path in tmp_path.rglob("*")}

        def fail(job: Any, kind: type[FalseError]) -> str:
            before = files()
            with pytest.raises(kind) as caught:
                run(job)
            assert type(caught.value) is kind
            assert files() == before
            return str(caught.value)

        return fail

    @pytest.fixture
    def jobs(self, land: str, labels: str, encoder: str, model: str, tmp_path: Path) -> tuple[Pretrain, Finetune, Classify]:
        """Three jobs that would work."""
        out = tmp_path / "out"
        out.mkdir()
        return (
            Pretrain((land,), str(out / "e.safetensors"), preset="quick", device="cpu", steps=1, batch_size=2),
            Finetune(land, labels, "cover", str(out / "m.safetensors"), encoder, preset="quick", device="cpu", steps=1),
            Classify(land, model, str(out / "map.tif"), device="cpu"),
        )

    def test_a_raster_that_is_missing_or_no_raster(self, jobs: Any, refused: Any, tmp_path: Path) -> None:
        (tmp_path / "text.tif").write_text("text")
        pretrain, finetune, classify_ = jobs
        for name, said in (("nowhere.tif", "does not exist"), ("text.tif", "cannot be opened")):
            path = str(tmp_path / name)
            assert said in refused(dataclasses.replace(pretrain, rasters=(path,)), InputError)
            assert said in refused(dataclasses.replace(finetune, raster=path), InputError)
            assert said in refused(dataclasses.replace(classify_, raster=path), InputError)

    @pytest.mark.thorough
    def test_a_raster_cut_off(self, jobs: Any, refused: Any, land: str, tmp_path: Path) -> None:
        content = Path(land).read_bytes()
        (tmp_path / "cut.tif").write_bytes(content[: len(content) // 2])
        said = refused(dataclasses.replace(jobs[2], raster=str(tmp_path / "cut.tif")), InputError)
        assert "cut.tif" in said

    @pytest.mark.thorough
    def test_no_valid_pixels(self, jobs: Any, refused: Any, tmp_path: Path) -> None:
        empty = write_raster(tmp_path / "empty.tif", np.zeros((4, 50, 50), "uint16"), nodata=0)
        assert "no valid pixel" in refused(dataclasses.replace(jobs[0], rasters=(empty,)), InputError)
        assert "no valid pixel" in refused(dataclasses.replace(jobs[2], raster=empty), InputError)
        within_the_border = f"{LEFT},{LEFT + 5},{TOP - 50},{TOP}"
        assert "no valid pixel" in refused(dataclasses.replace(jobs[2], extent=within_the_border), InputError)

    def test_an_extent_elsewhere(self, jobs: Any, refused: Any) -> None:
        for job in (jobs[0], jobs[2]):
            assert "does not overlap" in refused(dataclasses.replace(job, extent="0,1,0,1"), InputError)

    def test_bands_that_are_not_there(self, jobs: Any, refused: Any) -> None:
        assert "there is no band 9" in refused(dataclasses.replace(jobs[0], bands=(1, 9)), InputError)
        assert "there is no band 9" in refused(dataclasses.replace(jobs[1], bands=(1, 2, 3, 9)), InputError)

    def test_a_model_made_for_other_bands(self, jobs: Any, refused: Any, tmp_path: Path) -> None:
        rgb = write_raster(tmp_path / "rgb.tif", textured_land(bands=3), nodata=0)
        said = refused(dataclasses.replace(jobs[2], raster=rgb), ModelFileError)
        assert "made for 4 bands (Band 1, Band 2, Band 3, Band 4), but 3 of rgb.tif" in said
        said = refused(dataclasses.replace(jobs[1], raster=rgb), ModelFileError)
        assert "made for 4 bands" in said
        assert "made for 4 bands" in refused(dataclasses.replace(jobs[1], bands=(1, 2)), ModelFileError)

    def test_an_encoder_where_a_model_is_needed_and_the_other_way_round(
        self, jobs: Any, refused: Any, encoder: str, model: str
    ) -> None:
        assert "Run fine-tuning" in refused(dataclasses.replace(jobs[2], model=encoder), ModelFileError)
        assert "written by pretraining" in refused(dataclasses.replace(jobs[1], encoder=model), ModelFileError)

    def test_something_else_where_a_model_is_needed(self, jobs: Any, refused: Any, land: str) -> None:
        assert "is not a model" in refused(dataclasses.replace(jobs[2], model=land), ModelFileError)
        assert "does not exist" in refused(dataclasses.replace(jobs[2], model="nowhere.safetensors"), ModelFileError)

    def test_labels_that_cannot_be_used(self, jobs: Any, refused: Any, tmp_path: Path) -> None:
        finetune = jobs[1]
        assert "no field 'colour'" in refused(dataclasses.replace(finetune, field="colour"), InputError)
        assert "does not exist" in refused(dataclasses.replace(finetune, labels="nowhere.gpkg"), InputError)
        elsewhere = write_labels(tmp_path / "elsewhere.gpkg", ["a", "b"], [shapely.Point(0, 0), shapely.Point(1, 1)])
        said = refused(dataclasses.replace(finetune, labels=elsewhere), InputError)
        assert "No label lies over the raster" in said
        assert f"({LEFT:.0f}, {LEFT + WIDTH:.0f}, {TOP - HEIGHT:.0f}, {TOP:.0f})" in said
        one = write_labels(
            tmp_path / "one.gpkg", ["a", "a"], [on_map(pixel_box(40, 40, 9, 9)), on_map(pixel_box(90, 40, 9, 9))]
        )
        assert "of one class, 'a'" in refused(dataclasses.replace(finetune, labels=one), InputError)
        geopandas.GeoDataFrame({"cover": [None, None]}, geometry=[on_map(pixel_box(40, 40, 9, 9))] * 2, crs=32633).astype(
            {"cover": "object"}
        ).to_file(tmp_path / "null.gpkg", schema=None)
        assert "holds no value" in refused(dataclasses.replace(finetune, labels=str(tmp_path / "null.gpkg")), InputError)

    def test_a_legend_that_is_none(self, jobs: Any, refused: Any, tmp_path: Path) -> None:
        (tmp_path / "legend.json").write_text("{}]")
        assert "is not a legend" in refused(dataclasses.replace(jobs[1], legend=str(tmp_path / "legend.json")), InputError)

    def test_a_destination_that_cannot_be_written(self, jobs: Any, refused: Any, land: str, tmp_path: Path) -> None:
        classify_ = jobs[2]
        assert "does not exist" in refused(
            dataclasses.replace(classify_, output=str(tmp_path / "nowhere" / "map.tif")), OutputError
        )
        assert "would overwrite an input" in refused(dataclasses.replace(classify_, output=land), OutputError)
        for ending in ("png", "jp2", ""):
            output = str(tmp_path / f"map.{ending}")
            assert "ends in .tif" in refused(dataclasses.replace(classify_, output=output), OutputError)
            assert "ends in .tif" in refused(dataclasses.replace(classify_, confidence=output), OutputError)

    def test_a_part_of_a_vrt_as_output(self, jobs: Any, refused: Any, land: str, tmp_path: Path) -> None:
        part, vrt = tmp_path / "part.tif", tmp_path / "mosaic.vrt"
        write_raster(part, textured_land(), nodata=0)
        bands = "".join(
            f'<VRTRasterBand dataType="UInt16" band="{band}"><SimpleSource><SourceFilename>{part}</SourceFilename>'
            f"<SourceBand>{band}</SourceBand></SimpleSource></VRTRasterBand>"
            for band in range(1, 5)
        )
        vrt.write_text(f'<VRTDataset rasterXSize="{WIDTH}" rasterYSize="{HEIGHT}">{bands}</VRTDataset>')
        said = refused(dataclasses.replace(jobs[2], raster=str(vrt), output=str(part)), OutputError)
        assert "is a part of the raster mosaic.vrt" in said

    def test_a_device_that_is_not_there(self, jobs: Any, refused: Any) -> None:
        absent = "cuda:99" if torch.cuda.is_available() else "cuda"
        for job in (*jobs, Check()):
            assert "cannot be used" in refused(dataclasses.replace(job, device=absent), DeviceError)
        assert "no device called 'gpu'" in refused(dataclasses.replace(jobs[2], device="gpu"), DeviceError)
        assert "not supported" in refused(dataclasses.replace(jobs[2], device="meta"), DeviceError)

    def test_a_request_out_of_range(self, jobs: Any, refused: Any) -> None:
        assert "confidence must be at most 1" in refused(dataclasses.replace(jobs[0], confidence=1.5), RequestError)

    @pytest.mark.parametrize(
        "error",
        [MemoryError(), torch.OutOfMemoryError("CUDA out of memory."), RuntimeError("DefaultCPUAllocator: can't allocate")],
        ids=["of Python", "of the GPU", "of torch"],
    )
    def test_too_little_memory(self, jobs: Any, refused: Any, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
        def give_up(*_: Any) -> None:
            raise error

        monkeypatch.setattr("false_core.mapping.classify.compute.segmenter_from", give_up)
        assert "memory ran out" in refused(jobs[2], OutOfMemoryError)


class TestBesideTheInputs:
    @pytest.mark.thorough
    def test_nothing_appears_and_no_style_is_lent_to_the_raster(self, land: str, model: str, tmp_path: Path) -> None:
        # QGIS takes scene.qml for the style of scene.vrt, whatever it was written for.
        vrt = tmp_path / "scene.vrt"
        with rasterio.open(land) as file:
            rasterio.shutil.copy(file, vrt, driver="VRT")
        content = vrt.read_bytes()
        classify(str(vrt), model, tmp_path / "scene.tif")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["scene.tif", "scene.tif.aux.xml", "scene.vrt"]
        assert vrt.read_bytes() == content
        assert os.listdir(Path(land).parent) == [Path(land).name]
        assert os.listdir(Path(model).parent) == [Path(model).name]
