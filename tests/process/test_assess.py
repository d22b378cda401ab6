"""A map is sampled and assessed as a user would do it in the terminal: points, then scores, report and table."""

from __future__ import annotations

from pathlib import Path

import pytest
from osgeo import gdal, ogr


@pytest.fixture(scope="module")
def mapped(scene, tmp_path_factory) -> str:
    """The truth of the scene, as a map that is right everywhere."""
    path = str(tmp_path_factory.mktemp("a map") / "map.tif")
    gdal.Translate(path, scene.truth)
    return path


@pytest.fixture(scope="module")
def points(profile, mapped, tmp_path_factory) -> dict[str, object]:
    folder = tmp_path_factory.mktemp("the points")
    return profile.run(
        "false:samplepoints", MAP=mapped, OUTPUT=folder / "points.gpkg", STANDARD_ERROR=0.05, MINIMUM=5
    ).results  # fmt: skip


def test_points_are_drawn(points):
    layer = ogr.Open(points["OUTPUT"])
    assert layer.GetLayer(0).GetFeatureCount() == points["POINTS"] >= 64
    assert 0 < points["EXPECTED_ERROR"] < 0.1


def test_filled_in_points_assess_the_map(profile, mapped, points, tmp_path):
    dataset = ogr.Open(points["OUTPUT"], update=1)
    layer, raster = dataset.GetLayer(0), gdal.Open(mapped)
    west, width, _, north, _, height = raster.GetGeoTransform()
    for feature in layer:
        x, y = feature.GetGeometryRef().GetX(), feature.GetGeometryRef().GetY()
        code = raster.GetRasterBand(1).ReadRaster(int((x - west) / width), int((y - north) / height), 1, 1)[0]
        feature.SetField("class", str(code))
        layer.SetFeature(feature)
    layer = dataset = None
    results = profile.run(
        "false:assess", MAP=mapped, REFERENCE=points["OUTPUT"], FIELD="class", REPORT=tmp_path / "r.html",
        TABLE=tmp_path / "t.csv",
    ).results  # fmt: skip
    assert results["COMPARED"] == points["POINTS"]
    assert results["OA"] == results["ADJUSTED_OA"] == results["MIOU"] == results["F1"] == 1
    assert "Assessment of a map" in Path(results["REPORT"]).read_text("utf-8")
    assert Path(results["TABLE"]).read_text("utf-8").startswith("code,class,mapped as ")


def test_a_truth_raster_assesses_the_map(profile, mapped, scene):
    results = profile.run("false:assess", MAP=mapped, TRUTH=scene.truth, REPORT="").results
    assert results["OA"] == 1


def test_a_map_is_handed_in_with_a_page_to_print(profile, mapped, tmp_path):
    results = profile.run("false:handin", MAP=mapped, OUTPUT=tmp_path / "out").results
    assert results["ACCURACY"] == "unknown"
    assert {"map.tif", "polygons.gpkg", "areas.csv", "report.html", "layout.pdf"} <= {
        path.name for path in (tmp_path / "out").iterdir()
    }
    assert (tmp_path / "out" / "layout.pdf").read_bytes().startswith(b"%PDF")


def test_without_a_reference_it_says_what_is_missing(profile, mapped):
    outcome = profile.run("false:assess", MAP=mapped)
    assert outcome.code == 1
    assert "“Truth raster” (TRUTH) was given. Give just one:" in " ".join(outcome.said.split())
