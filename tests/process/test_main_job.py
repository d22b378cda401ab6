"""The main job through ``qgis_process``: learn without labels, train with a few, map."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from osgeo import gdal, ogr
from qgis_profile import SHORT_PRETRAINING


@pytest.fixture(scope="module")
def classified(profile, scene, model, tmp_path_factory):
    target = tmp_path_factory.mktemp("map") / "map.tif"
    return profile.run("false:classify", RASTER=scene.image, MODEL=model, DEVICE="cpu", OUTPUT=target).results


def test_the_algorithms_are_listed(profile):
    listed = profile.call("list").said
    for name in ("pretrain", "finetune", "classify", "polygonise", "embed", "checkenvironment", "Map from a few labels"):
        assert f"false:{name}" in listed


def test_help_names_every_parameter_and_output(profile):
    shown = profile.call("help", "false:finetune").said
    for name in ("RASTER", "LABELS", "FIELD", "ENCODER", "PRESET", "MODEL", "REPORT", "OA", "MIOU", "MACC", "KAPPA"):
        assert name in shown


def test_check_environment_computes_something_and_says_on_what(plain_profile):
    results = plain_profile.run("false:checkenvironment", DEVICE="cpu").results
    assert results["DEVICE"] == "cpu"
    assert results["GFLOPS"] > 0
    assert results["TORCH"] and results["PYTHON"] and results["VERSION"]


def test_pretrain_writes_an_encoder_and_a_report(pretrained):
    results = pretrained.results
    encoder, report = Path(results["ENCODER"]), Path(results["REPORT"])
    assert results["STEPS"] == 2
    assert results["LOSS"] > 0
    assert encoder.stat().st_size > 0
    assert "<svg" in report.read_text("utf-8")
    assert {path.name for path in encoder.parent.iterdir()} == {"encoder.safetensors", "report.html"}


def test_rasters_may_be_named_by_folders_and_patterns(profile, scene, tmp_path):
    (tmp_path / "tiles").mkdir()
    for name in ("1.tif", "2.tif"):
        shutil.copy(scene.image, tmp_path / "tiles" / name)
    encoder = tmp_path / "e.safetensors"
    names = [tmp_path / "tiles", f"{tmp_path}/**/2.tif"]
    outcome = profile.run("false:pretrain", RASTERS=names, ENCODER=encoder, **SHORT_PRETRAINING)
    assert "2 raster(s) are meant by" in outcome.said
    assert Path(outcome.results["ENCODER"]).stat().st_size > 0
    assert [path.name for path in sorted((tmp_path / "tiles").iterdir())] == ["1.tif", "2.tif"], "QGIS opened none"


def test_nothing_is_written_beside_the_inputs(scene, finetuned, classified):
    assert finetuned.code == 0
    assert classified
    # qgis_process opens every raster before it asks the plugin, and keeps its statistics in a file of this name.
    by_qgis = {"image.tif.aux.xml"}
    assert {path.name for path in Path(scene.image).parent.iterdir()} - by_qgis == {"image.tif", "labels.gpkg", "truth.tif"}


def test_finetune_writes_a_model_and_scores_it(finetuned):
    results = finetuned.results
    assert Path(results["MODEL"]).stat().st_size > 0
    assert "REPORT" not in results
    for score in ("OA", "MIOU", "MACC"):
        assert 0.0 <= results[score] <= 1.0
    assert -1.0 <= results["KAPPA"] <= 1.0


def test_classify_writes_a_map_in_the_raster_s_place(scene, classified):
    made, raster = gdal.Open(classified["OUTPUT"]), gdal.Open(scene.image)
    assert (made.RasterXSize, made.RasterYSize) == (raster.RasterXSize, raster.RasterYSize)
    assert made.GetGeoTransform() == raster.GetGeoTransform()
    assert made.GetRasterBand(1).DataType == gdal.GDT_Byte


def test_the_map_carries_its_classes_and_nodata(classified):
    made = gdal.Open(classified["OUTPUT"])
    band = made.GetRasterBand(1)
    classes = json.loads(made.GetMetadataItem("FALSE_CLASSES"))
    assert len(classes) >= 2
    assert all(set(entry) >= {"code", "name", "color"} for entry in classes)
    assert band.GetRasterColorTable() is not None
    assert band.GetNoDataValue() == 0
    pixels = band.ReadRaster()
    assert set(pixels) - {0} <= {entry["code"] for entry in classes}
    assert classified["PIXELS"] == sum(value != 0 for value in pixels) > 0


def test_classify_maps_a_part_and_says_how_sure_it_is(profile, scene, model, tmp_path):
    raster = gdal.Open(scene.image)
    west, width, _, north, _, height = raster.GetGeoTransform()
    part = f"{west + 20 * width},{west + 90 * width},{north + 80 * height},{north + 30 * height} [EPSG:32633]"
    results = profile.run(
        "false:classify", RASTER=scene.image, MODEL=model, EXTENT=part, OUTPUT=tmp_path / "part.tif", DEVICE="cpu",
        CONFIDENCE=tmp_path / "confidence.tif",
    ).results  # fmt: skip
    made = gdal.Open(results["OUTPUT"])
    assert (made.RasterXSize, made.RasterYSize) == (70, 50)
    sure = gdal.Open(results["CONFIDENCE"])
    confidence = sure.GetRasterBand(1).ReadRaster()
    assert all(percent <= 100 or percent == 255 for percent in confidence)
    assert any(0 < percent <= 100 for percent in confidence)


def test_the_map_becomes_polygons(profile, classified, tmp_path):
    results = profile.run(
        "false:polygonise", MAP=classified["OUTPUT"], MINIMUM_AREA=10, SMOOTHING=0.5, OUTPUT=tmp_path / "polygons.gpkg"
    ).results
    dataset = ogr.Open(results["OUTPUT"])  # It owns its layers.
    layer = dataset.GetLayerByName("polygons")
    assert layer.GetFeatureCount() == results["POLYGONS"] > 0
    codes = {entry["code"] for entry in json.loads(gdal.Open(classified["OUTPUT"]).GetMetadataItem("FALSE_CLASSES"))}
    assert {feature.GetField("code") for feature in layer} <= codes


def test_what_the_encoder_sees_is_a_picture(profile, scene, pretrained, tmp_path):
    results = profile.run(
        "false:embed", RASTER=scene.image, MODEL=pretrained.results["ENCODER"], DEVICE="cpu", OUTPUT=tmp_path / "seen.tif"
    ).results
    made, raster = gdal.Open(results["OUTPUT"]), gdal.Open(scene.image)
    assert (made.RasterCount, results["BANDS"]) == (3, 3)
    assert made.RasterXSize == -(-raster.RasterXSize // 4)
    assert 0 < results["EXPLAINED"] <= 1
    assert results["PIXEL_SIZE"] == 4 * raster.GetGeoTransform()[1]
