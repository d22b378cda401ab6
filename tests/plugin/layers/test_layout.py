"""The page of a map is a PDF with map, title, legend, scale bar, north arrow, date, CRS and author."""

from __future__ import annotations

import re
import zlib

import pytest
from qgis.core import QgsProcessingContext, QgsProcessingException, QgsProcessingFeedback, QgsRasterLayer
from small_raster import write_raster


@pytest.fixture
def layer(tmp_path, qgis_app):
    from qgis_false.layers.class_styles import ClassStyle

    layer = QgsRasterLayer(str(write_raster(tmp_path / "map.tif", 1)), "Land")
    ClassStyle().postProcessLayer(layer, QgsProcessingContext(), QgsProcessingFeedback())
    return layer


def streams(pdf: bytes) -> bytes:
    found = b""
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL):
        try:
            found += zlib.decompress(stream)
        except zlib.error:
            found += stream
    return found


def test_it_is_one_page_a4_across(layer, tmp_path):
    from qgis_false.layers.layout import write_layout

    path = tmp_path / "layout.pdf"
    write_layout(layer, "Land [% 1/0 %] & <more>", "Ada", "76.7 ± 5.4 %", path)
    data = path.read_bytes()
    assert data.startswith(b"%PDF") and data.count(b"/Type /Page\n") == 1
    width, height = map(float, re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)", data)[0])
    assert width == pytest.approx(842, abs=2) and height == pytest.approx(595, abs=2)
    assert len(streams(data)) > 1000


def test_the_foot_says_where_by_whom_and_how_good(layer):
    from qgis_false.layers.layout import _foot

    said = _foot(layer, "Ada", "76.7 ± 5.4 %")
    assert "Ada" in said and "CRS: EPSG:" in said and "Overall accuracy: 76.7 ± 5.4 %" in said


def test_a_page_that_cannot_be_written_is_said(layer, tmp_path):
    from qgis_false.layers.layout import write_layout

    (tmp_path / "layout.pdf").mkdir()
    with pytest.raises(QgsProcessingException, match="cannot be written. Close the programs that have it open."):
        write_layout(layer, "Land", "", "unknown", tmp_path / "layout.pdf")


def test_it_shows_the_whole_map_in_its_frame(layer):
    from qgis.core import QgsPrintLayout, QgsProject

    from qgis_false.layers.layout import _map

    project = QgsProject()
    layout = QgsPrintLayout(project)
    layout.initializeDefaults()
    shown = _map(layout, layer)
    assert shown.extent().contains(layer.extent())
    assert max(shown.extent().width() / layer.extent().width(), shown.extent().height() / layer.extent().height()) < 3
