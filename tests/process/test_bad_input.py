"""Bad input ends with exit code 1, a message that says what is wrong and what to do, and nothing written."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from osgeo import gdal, ogr, osr

once_more = pytest.mark.slow
"""What the library refuses, as tests/core/test_main_job.py shows. One such refusal of each kind of job is run always."""


@pytest.fixture
def output(tmp_path) -> Path:
    folder = tmp_path / "output"
    folder.mkdir()
    return folder


@pytest.fixture
def refused(profile, output):
    """Run something that must fail, and return what was said in one line."""

    def run(algorithm: str, variables: dict[str, str] | None = None, **values: object) -> str:
        outcome = profile.run(algorithm, variables, **values)
        assert outcome.code == 1, outcome.said
        assert "Traceback" not in outcome.said
        assert list(output.iterdir()) == []
        return " ".join(outcome.said.split())

    return run


@pytest.fixture
def finetune(refused, scene, output):
    good = {
        "RASTER": scene.image, "LABELS": scene.labels, "FIELD": "land_cover", "MODEL": output / "m.safetensors",
        "PRESET": "quick", "STEPS": 2, "DEVICE": "cpu",
    }  # fmt: skip
    return lambda **values: refused("false:finetune", **{**good, **values})


@pytest.fixture
def classify(refused, scene, output):
    def run(model: str | Path, **values: object) -> str:
        good = {"RASTER": scene.image, "MODEL": model, "OUTPUT": output / "map.tif", "DEVICE": "cpu"}
        return refused("false:classify", **{**good, **values})

    return run


def write_labels(path: Path, values: list[str | None], west: float, north: float) -> Path:
    """Write one square per value, side by side, 10 m wide, from the given corner on."""
    crs = osr.SpatialReference()
    crs.ImportFromEPSG(32633)
    dataset = ogr.GetDriverByName("GPKG").CreateDataSource(str(path))
    layer = dataset.CreateLayer("labels", crs, ogr.wkbPolygon)
    layer.CreateField(ogr.FieldDefn("land_cover", ogr.OFTString))
    for number, value in enumerate(values):
        feature = ogr.Feature(layer.GetLayerDefn())
        x, y = west + 12 * number, north - 30
        feature.SetGeometry(
            ogr.CreateGeometryFromWkt(f"POLYGON(({x} {y}, {x + 10} {y}, {x + 10} {y - 10}, {x} {y - 10}, {x} {y}))")
        )
        if value is not None:
            feature.SetField("land_cover", value)
        layer.CreateFeature(feature)
    layer = dataset = None
    return path


@pytest.fixture
def corner(scene) -> tuple[float, float]:
    dataset = gdal.Open(scene.image)
    west, width, _, north, _, _ = dataset.GetGeoTransform()
    return west + 30 * width, north


def test_no_compute_environment(refused, scene, output, tmp_path):
    said = refused(
        "false:pretrain",
        {"FALSE_CORE_PYTHON": str(tmp_path / "gone")},
        RASTERS=scene.image,
        ENCODER=output / "e.safetensors",
    )
    assert "FALSE_CORE_PYTHON names" in said
    assert "is not a program" in said


def test_an_environment_without_torch(refused, scene, output, tmp_path):
    bare = shutil.which("python3", path="/usr/bin:/usr/local/bin")
    assert bare
    # Not this interpreter's own packages either, should it have some.
    wrapper = tmp_path / "python"
    wrapper.write_text(f'#!/bin/sh\nshift\nexec "{bare}" -S -I "$@"\n')
    wrapper.chmod(0o755)
    said = refused(
        "false:pretrain", {"FALSE_CORE_PYTHON": str(wrapper)}, RASTERS=scene.image, ENCODER=output / "e.safetensors"
    )
    assert "has no torch, " in said
    assert "-m pip install" in said


def test_raster_missing(classify, finetune, tmp_path):
    assert "“Raster” (RASTER): there is no file /no/such.tif" in classify(tmp_path / "m.safetensors", RASTER="/no/such.tif")


def test_one_of_several_rasters_missing(refused, scene, output):
    said = refused("false:pretrain", RASTERS=[scene.image, "/no/such.tif"], ENCODER=output / "e.safetensors")
    assert "“Rasters” (RASTERS): there is no file /no/such.tif" in said


def test_raster_that_is_none(classify, tmp_path):
    other = tmp_path / "notes.tif"
    other.write_text("not a raster")
    assert "notes.tif is no layer that can be opened" in classify(tmp_path / "m.safetensors", RASTER=other)


def test_raster_cut_off(refused, scene, output, tmp_path):
    whole = Path(scene.image).read_bytes()
    cut = tmp_path / "cut.tif"
    cut.write_bytes(whole[: len(whole) // 2])
    said = refused("false:pretrain", RASTERS=cut, ENCODER=output / "e.safetensors", PRESET="quick", STEPS=2, DEVICE="cpu")
    assert "cut.tif" in said


@once_more
def test_raster_without_a_valid_pixel(refused, output, tmp_path):
    dataset = gdal.GetDriverByName("GTiff").Create(str(tmp_path / "empty.tif"), 128, 128, 3, gdal.GDT_Byte)
    for band in (1, 2, 3):
        dataset.GetRasterBand(band).SetNoDataValue(0)
    dataset = None
    said = refused(
        "false:pretrain",
        RASTERS=tmp_path / "empty.tif",
        ENCODER=output / "e.safetensors",
        PRESET="quick",
        STEPS=2,
        DEVICE="cpu",
    )
    assert "valid" in said or "nodata" in said


@once_more
def test_band_out_of_range(refused, scene, output):
    said = refused("false:pretrain", RASTERS=scene.image, BANDS="1,9", ENCODER=output / "e.safetensors", DEVICE="cpu")
    assert "no band 9" in said


def test_bands_that_are_no_numbers(refused, scene, output):
    said = refused("false:pretrain", RASTERS=scene.image, BANDS="red", ENCODER=output / "e.safetensors")
    assert "“Bands” (BANDS) must be a list of whole numbers" in said


def test_labels_missing(finetune):
    assert "“Labels” (LABELS): there is no file /no/labels.gpkg" in finetune(LABELS="/no/labels.gpkg")


def test_field_missing(finetune):
    said = finetune(FIELD="landcover")
    assert "no field landcover" in said
    assert "land_cover" in said


@once_more
def test_field_all_null(finetune, tmp_path, corner):
    assert "holds no value" in finetune(LABELS=write_labels(tmp_path / "null.gpkg", [None, None], *corner))


@once_more
def test_one_class_only(finetune, tmp_path, corner):
    said = finetune(LABELS=write_labels(tmp_path / "one.gpkg", ["road", "road"], *corner))
    assert "of one class, 'road'" in said


def test_no_label_over_the_raster_says_both_extents(finetune, tmp_path):
    said = finetune(LABELS=write_labels(tmp_path / "far.gpkg", ["road", "roof"], 500_000, 5_600_000))
    assert "No label lies over the raster" in said
    assert "500000" in said.replace(" ", "").replace(",", "")
    assert "412000" in said.replace(" ", "").replace(",", "")


def test_model_that_is_none(classify, scene):
    assert "not a model made by FALSE" in classify(scene.truth)


@once_more
def test_encoder_where_a_model_is_needed(classify, pretrained):
    said = classify(pretrained.results["ENCODER"])
    assert "Run fine-tuning to make a model" in said


@once_more
def test_model_for_other_bands(classify, model, tmp_path):
    dataset = gdal.GetDriverByName("GTiff").Create(str(tmp_path / "grey.tif"), 128, 128, 1, gdal.GDT_Byte)
    dataset.GetRasterBand(1).Fill(7)
    dataset = None
    said = classify(model, RASTER=tmp_path / "grey.tif")
    assert "bands" in said


def test_output_folder_missing(classify, model, tmp_path):
    said = classify(model, OUTPUT=tmp_path / "nowhere" / "map.tif")
    assert f"there is no folder {tmp_path / 'nowhere'}" in said
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.skipif(os.name == "nt", reason="needs a place that even an administrator cannot write to")
def test_output_folder_not_writable(classify, model):
    said = classify(model, OUTPUT="/proc/map.tif")
    assert "cannot be written to" in said


def test_a_map_in_another_format(classify, model, output):
    assert "png" in classify(model, OUTPUT=output / "map.png")


@once_more
def test_a_gpu_that_is_not_there(classify, model):
    said = classify(model, DEVICE="cuda:99")
    assert "cuda" in said


def test_a_mistyped_parameter_is_mentioned(profile, scene, output):
    # Without --json, which leaves warnings out on QGIS 3.22. The bands make it end at once.
    outcome = profile.call(
        "run", "false:pretrain", "--", f"RASTERS={scene.image}", f"ENCODER={output / 'e.safetensors'}", "STEP=2", "BANDS=red"
    )
    assert outcome.code == 1
    assert "pretrain has no parameter STEP" in outcome.said


def test_with_too_few_labels_the_accuracy_is_told_as_unknown_and_not_as_a_number(profile, scene, corner, tmp_path):
    labels = write_labels(tmp_path / "few.gpkg", ["road", "roof", "road", "roof"], *corner)
    bare = str(tmp_path / "bare.tif")
    gdal.Translate(bare, scene.image)
    gdal.Open(bare, gdal.GA_Update).SetProjection("")
    for raster in (scene.image, bare):
        results = profile.run(
            "false:finetune", RASTER=raster, LABELS=labels, FIELD="land_cover", MODEL=tmp_path / "m.safetensors",
            PRESET="quick", DEVICE="cpu",
        ).results  # fmt: skip
        assert results["ACCURACY"] == "unknown"
        assert not {"OA", "OA_LOW", "OA_HIGH", "MIOU", "MACC", "KAPPA"} & set(results)
