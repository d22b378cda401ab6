"""Makes the pictures of digitising in the dock, from the dock itself with a session that learns on a generated scene.

    QT_QPA_PLATFORM=offscreen FALSE_CORE_PYTHON=.venv/bin/python .venv-qgis/bin/python tools/make_dock_pictures.py

It needs a Python with PyQGIS, and a compute environment. Run it again after the dock has changed, and look at every picture.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from qgis.core import QgsApplication, QgsProject, QgsRasterLayer, QgsVectorLayer
from qgis.gui import QgsMapCanvas
from qgis.PyQt.QtCore import QCoreApplication, QPoint, Qt
from qgis.PyQt.QtGui import QImage
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import QMainWindow

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ROOT / "docs" / "images", ROOT / "qgis_false" / "help" / "images"
LARGEST = 60_000
"""Bytes of one picture."""
WINDOW = (760, 560)
PATIENCE_S = 300
SCENE = "import sys; from false_core.synthetic import write_scene; write_scene(sys.argv[1], 384, 256, 3, 0.04)"
DRAWN_OF_EACH_CLASS = 4
LEAST_AREA = 12.0
"""Square metres of a label of the scene that is worth drawing."""
CLOSER = 10
"""Widths of the first label that the view of it shows."""
LEVEL = 32
"""Steps between two levels of a colour: the noise of the scene would make pictures large."""


class Desktop(QMainWindow):  # type: ignore[misc]
    """As much of QGIS's window as the dock needs."""

    def __init__(self) -> None:
        super().__init__()
        self.canvas = QgsMapCanvas(self)
        self.setCentralWidget(self.canvas)
        self.resize(*WINDOW)

    def mainWindow(self) -> QMainWindow:  # noqa: N802 - as QGIS calls it.
        """Return the window, as ``iface`` does."""
        return self

    def messageBar(self) -> None:  # noqa: N802 - as QGIS calls it.
        """Return the message bar, as ``iface`` does: there is none here."""

    def mapCanvas(self) -> QgsMapCanvas:  # noqa: N802 - as QGIS calls it.
        """Return the map view, as ``iface`` does."""
        return self.canvas


def main() -> int:
    """Write every picture and return the exit code."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    _start_qgis()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FALSE_CACHE"] = f"{folder}/cache"
        subprocess.run([os.environ["FALSE_CORE_PYTHON"], "-c", SCENE, folder], cwd=ROOT, check=True)
        _draw(Path(folder))
    return 0


def _start_qgis() -> None:
    application = QgsApplication([], True)
    application.initQgis()
    _start_qgis.application = application  # type: ignore[attr-defined]  # Qt keeps a bare pointer to it.
    sys.path[:0] = [str(ROOT), QgsApplication.pkgDataPath() + "/python/plugins"]


def _draw(folder: Path) -> None:
    from qgis_false.dock.dock import LabelDock

    desk = Desktop()
    image = QgsRasterLayer(str(folder / "image.tif"), "image")
    QgsProject.instance().addMapLayer(image)
    desk.canvas.setDestinationCrs(image.crs())
    desk.canvas.setLayers([image])
    dock = LabelDock(desk, lambda name: None)
    desk.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, dock)
    desk.show()
    desk.canvas.setExtent(image.extent())
    _settle(desk)
    _save(desk, "digitise_begin.png")

    dock.start(image)
    work = dock.work
    _until(lambda: work.conversation.opened is not None)
    labels = _labels(folder)
    for name in sorted({name for name, _ in labels}):
        work.label_classes.add(name)
    codes = {one.name: one.code for one in work.classes}
    desk.canvas.setLayers([work.labels, image])
    name, shape = labels[0]
    around = shape.boundingBox()
    around.scale(CLOSER)
    desk.canvas.setExtent(around)
    _settle(desk)
    dock.classes.choose(codes[name])
    dock.drawing.buttons["polygon"].click()
    for point in shape.asGeometryCollection()[0].asPolygon()[0][:-2]:
        _click(desk.canvas, point.x(), point.y())
    _settle(desk)
    _save(desk, "digitise_draw.png")

    QTest.keyClick(desk.canvas, Qt.Key.Key_Return)
    desk.canvas.setExtent(image.extent())
    for name, shape in labels[1:]:
        work.add_label(shape, image.crs(), codes[name])
    count = len(labels)
    _until(lambda: work.conversation.learned is not None and work.conversation.learned.labels == count)
    _until(lambda: work.live.picture is not None and work.live.picture.known == 1)
    _until(lambda: work.conversation.scores is not None)
    _settle(desk)
    _save(desk, "digitise_map.png")

    QTest.keyClick(desk.canvas, Qt.Key.Key_N)
    _until(lambda: bool(dock.next_place.line.text()) and not desk.canvas.extent().contains(image.extent()))
    _until(lambda: work.live.picture.known == 1)
    _settle(desk)
    _save(desk, "digitise_next_place.png")
    dock.shut()


def _labels(folder: Path) -> list[tuple[str, Any]]:
    """Return class and shape of some labels of the scene, spread over it: as a person would draw them."""
    layer = QgsVectorLayer(f"{folder / 'labels.gpkg'}|layername=labels", "labels", "ogr")
    found: dict[str, list[Any]] = {}
    for feature in layer.getFeatures():
        for part in feature.geometry().asGeometryCollection():
            simple = part.simplify(2)
            if part.area() > LEAST_AREA and simple.isGeosValid():
                found.setdefault(feature["land_cover"], []).append(simple)
    chosen = []
    for name, shapes in sorted(found.items()):
        chosen += [(name, shape) for shape in shapes[:: max(1, len(shapes) // DRAWN_OF_EACH_CLASS)][:DRAWN_OF_EACH_CLASS]]
    return chosen


def _click(canvas: QgsMapCanvas, x: float, y: float) -> None:
    point = canvas.getCoordinateTransform().transform(x, y)
    place = QPoint(round(point.x()), round(point.y()))
    QTest.mouseMove(canvas.viewport(), place)
    QTest.mouseClick(canvas.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place)


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        QCoreApplication.processEvents()
        time.sleep(0.01)


def _is_past(moment: float) -> bool:
    return time.monotonic() > moment


def _settle(desk: Desktop) -> None:
    """Wait until all is drawn."""
    for _ in range(3):
        _until(partial(_is_past, time.monotonic() + 0.5))
        desk.canvas.waitWhileRendering()


def _save(desk: Desktop, name: str) -> None:
    """Write a picture of the window. The map loses its finest shades, which makes it small, and the dock hardly anything."""
    picture = desk.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    view = desk.canvas.geometry()
    for y in range(view.top(), view.bottom() + 1):
        for x in range(view.left(), view.right() + 1):
            shades = picture.pixel(x, y)
            picture.setPixel(x, y, 0xFF000000 | (shades & 0x00E0E0E0) | (LEVEL // 2) * 0x010101)
    path = FOLDERS[0] / name
    # With a table of 256 colours, and no dots that stand for others.
    plain = Qt.ImageConversionFlag.ThresholdDither | Qt.ImageConversionFlag.AvoidDither
    picture.convertToFormat(QImage.Format.Format_Indexed8, plain).save(str(path), "PNG", 0)
    size = path.stat().st_size
    print(f"{path.relative_to(ROOT)}: {size / 1000:.0f} kB")
    assert size < LARGEST, f"{name} is too large"
    for folder in FOLDERS[1:]:
        shutil.copy(path, folder)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # PyQGIS is known to crash when a plain script tears it down.
