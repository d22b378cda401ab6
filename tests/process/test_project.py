"""Layers of a project, by their names: where it names files beside itself, it may be moved with them."""

from __future__ import annotations

import shutil

import pytest
from qgis_profile import assignments

LAYER = (
    '<maplayer type="raster"><id>{name}_1</id><datasource>./Karten/{path}</datasource><layername>{name}</layername>'
    "<provider>gdal</provider></maplayer>"
)
PROJECT = (
    "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n<qgis version=\"3.22.0\" projectname=\"\"><projectlayers>"
    '{}</projectlayers><properties><Paths><Absolute type="bool">false</Absolute></Paths></properties></qgis>'
)


@pytest.fixture
def moved(scene, tmp_path):
    """The folder of a project with a map and its truth, after it got another name."""
    made = tmp_path / "made here"
    (made / "Karten").mkdir(parents=True)
    for name in ("map.tif", "truth.tif"):
        shutil.copy(scene.truth, made / "Karten" / name)
    layers = LAYER.format(name="Karte (alt)", path="map.tif") + LAYER.format(name="T", path="truth.tif")
    (made / "p.qgs").write_text(PROJECT.format(layers), encoding="utf-8")
    return made.rename(tmp_path / "moved ü")


def test_layers_of_a_project_that_was_moved_are_found(profile, moved):
    values = {"MAP": "Karte (alt)", "TRUTH": "T", "REPORT": moved / "Karten" / "r.html"}
    project = f"--PROJECT_PATH={moved / 'p.qgs'}"
    results = profile.call("run", "false:assess", "--json", project, "--", *assignments(values)).results
    assert results["OA"] == 1
    assert (moved / "Karten" / "r.html").samefile(results["REPORT"])
