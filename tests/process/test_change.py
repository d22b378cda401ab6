"""Change between two dates is found as a user would do it in the terminal, with labels, polygons and a report."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from osgeo import gdal, ogr
from qgis_profile import ROOT

TWO_DATES = """
import sys
from pathlib import Path
from false_core.synthetic.files import labels_of, write_image
from false_core.benchmark.two_dates import generate_two_dates
folder = Path(sys.argv[1])
dates = generate_two_dates(256, 256, seed=3, changing=0.1, gsd=0.7)
write_image(folder / "before.tif", dates.before)
write_image(folder / "after.tif", dates.after)
labels_of(dates.before, 0.03, 1).to_file(folder / "labels.gpkg")
"""


@pytest.fixture(scope="module")
def dates(compute_python, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("dates")
    subprocess.run([compute_python, "-c", TWO_DATES, str(folder)], cwd=ROOT, check=True)
    return folder


def test_a_map_polygons_and_a_report_say_what_changed(profile, dates, tmp_path):
    results = profile.run(
        "false:change", BEFORE=dates / "before.tif", AFTER=dates / "after.tif", LABELS=dates / "labels.gpkg",
        FIELD="land_cover", OUTPUT=tmp_path / "change.tif", POLYGONS=tmp_path / "changes.gpkg", REPORT=tmp_path / "r.html",
    ).results  # fmt: skip
    assert 0 < results["CHANGED_LOW"] <= results["CHANGED"] <= results["CHANGED_HIGH"] < 0.5
    assert gdal.Open(results["OUTPUT"]).RasterXSize == 256
    assert ogr.Open(results["POLYGONS"]).GetLayerByName("changes").GetFeatureCount() > 0
    assert "How much changed" in Path(results["REPORT"]).read_text("utf-8")
