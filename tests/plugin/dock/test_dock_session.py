"""The dock with a real session: two classes are drawn, and the map that comes tells them apart."""

from __future__ import annotations

import numpy as np
import pytest
from osgeo import gdal, osr
from qgis.core import QgsGeometry, QgsProject, QgsRasterLayer, QgsRectangle
from qgis.PyQt.QtCore import Qt
from test_dock import Desktop, until

from false_core.session_protocol import pixels_of


@pytest.fixture
def image(qgis_new_project, tmp_path) -> QgsRasterLayer:
    """Dark on the left, bright on the right."""
    path = str(tmp_path / "halves.tif")
    size = 128
    dataset = gdal.GetDriverByName("GTiff").Create(path, size, size, 3, gdal.GDT_Byte)
    dataset.SetGeoTransform((500_000, 1, 0, 5_600_000, 0, -1))
    crs = osr.SpatialReference()
    crs.ImportFromEPSG(32633)
    dataset.SetProjection(crs.ExportToWkt())
    pixels = np.random.default_rng(0).integers(0, 40, (size, size), np.uint8)
    pixels[:, size // 2 :] += 150
    for band in range(1, 4):
        dataset.GetRasterBand(band).WriteRaster(0, 0, size, size, (pixels + 10 * band).astype(np.uint8).tobytes())
    dataset = None
    layer = QgsRasterLayer(path, "halves")
    QgsProject.instance().addMapLayer(layer)
    return layer


@pytest.mark.thorough
def test_the_map_follows_the_labels(provider, image, compute_python, tmp_path, monkeypatch):
    from qgis_false.dock.dock import LabelDock

    desk = Desktop()
    desk.window.show()
    desk.canvas.setDestinationCrs(image.crs())
    desk.canvas.setLayers([image])
    desk.canvas.setExtent(image.extent())
    dock = LabelDock(desk, lambda name: None)
    desk.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, dock)
    dock.start(image)
    work = dock.work
    work.label_classes.add("dark")
    work.label_classes.add("bright")
    for x, code in ((10, 1), (90, 2)):
        for y in (10, 50, 90):
            box = QgsRectangle(500_000 + x, 5_600_000 - y - 20, 500_000 + x + 20, 5_600_000 - y)
            work.add_label(QgsGeometry.fromRect(box), image.crs(), code)
    live, conversation = work.live, work.conversation
    until(lambda: live.picture is not None and live.picture.known == 1 and conversation.learned.labels == 6, "a map", 120)
    picture = work.live.picture
    codes = np.frombuffer(pixels_of(picture), np.uint8).reshape(picture.height, picture.width)
    middle = codes[codes.shape[0] // 2]
    assert set(middle[: len(middle) // 3]) == {1}
    assert set(middle[-(len(middle) // 3) :]) == {2}
    until(lambda: work.conversation.scores is not None, "scores", 60)
    work.model_saving.ask(tmp_path / "model.safetensors")
    until((tmp_path / "model.safetensors").exists, "a model", 60)
    dock.shut()
    desk.window.close()
