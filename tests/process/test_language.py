"""A QGIS whose options say German gets a German plugin."""

from __future__ import annotations

import pytest
from qgis_profile import link_checkout, make_profile


@pytest.fixture(scope="module")
def german(tmp_path_factory, qgis_process, compute_python):
    profile = make_profile(tmp_path_factory.mktemp("a German profile"), qgis_process, compute_python, link_checkout)
    options = profile.folder / "profiles" / "default" / "QGIS" / "QGIS3.ini"
    options.parent.mkdir(exist_ok=True)
    before = options.read_text("utf-8") if options.is_file() else ""
    options.write_text(before + "\n[locale]\noverrideFlag=true\nuserLocale=de\n", "utf-8")
    return profile


def test_titles_and_help_are_german(german):
    assert "3. Ein Raster klassifizieren" in german.call("list").said
    said = german.call("help", "false:classify").said
    assert "Macht mit einem Modell aus einem Raster eine Landbedeckungskarte." in said
    assert "Klassifiziertes Raster" in said


def test_what_the_compute_process_says_is_german(german, tmp_path):
    wrong = german.run("false:modelinfo", MODEL=__file__, REPORT=tmp_path / "report.html")
    assert wrong.code != 0
    assert f"{__file__} ist kein Modell von FALSE." in wrong.said
