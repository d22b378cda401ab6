"""Makes the pictures of the tutorial, from the real dialogs and from the results of ``make demo``.

    make demo
    QT_QPA_PLATFORM=offscreen .venv-qgis/bin/python tools/make_pictures.py

It needs a Python with PyQGIS. ``--demo FOLDER`` names another folder with a demo's results. Run it again after a dialog has
changed, and look at every picture.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qgis.core import (
    QgsApplication,
    QgsCategorizedSymbolRenderer,
    QgsContrastEnhancement,
    QgsFillSymbol,
    QgsMapRendererCustomPainterJob,
    QgsMapSettings,
    QgsPalettedRasterRenderer,
    QgsProject,
    QgsRasterLayer,
    QgsRasterMinMaxOrigin,
    QgsRectangle,
    QgsRendererCategory,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QCoreApplication, QRectF, QSize, Qt
from qgis.PyQt.QtGui import QColor, QFont, QImage, QPainter
from qgis.PyQt.QtWidgets import QWidget

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "images"
LARGEST = 200_000
"""Bytes of one picture."""
MAP_SIZE = 350
LEGEND_WIDTH = 130
FIELD = "land_cover"
WHITE = QColor(255, 255, 255)


def main() -> int:
    """Write every picture and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--demo", type=Path, default=ROOT / "demo", help="folder with the results of make demo")
    demo: Path = parser.parse_args().demo.resolve()
    if not (demo / "results" / "map.tif").is_file():
        print(f"{demo} holds no results of a demo. Run make demo first.", file=sys.stderr)
        return 1
    _start_qgis()
    image, labels, classified = _layers(demo)
    whole = image.extent()
    quarter = QgsRectangle(whole.xMinimum(), whole.center().y(), whole.center().x(), whole.yMaximum())
    classes = classified.renderer().classes()
    _save(_render([image], quarter), "scene.png")
    _save(_with_legend(_render([labels, image], quarter), classes), "labels.png")
    _save(_with_legend(_render([classified], quarter), classes), "map.png")
    _save(_render([_confidence(demo), classified], quarter), "confidence.png")
    results = "/home/you/maps"
    for name, values in {
        "pretrain": {"RASTERS": [image.id()], "PRESET": "quick", "ENCODER": f"{results}/encoder.safetensors"},
        "finetune": {"RASTER": image.id(), "LABELS": labels.id(), "FIELD": FIELD, "PRESET": "quick",
                     "ENCODER": f"{results}/encoder.safetensors", "MODEL": f"{results}/model.safetensors"},
        "classify": {"RASTER": image.id(), "MODEL": f"{results}/model.safetensors", "OUTPUT": f"{results}/map.tif"},
    }.items():  # fmt: skip
        report = {"REPORT": f"{results}/{name}_report.html"}
        _save(_dialog(name, {**values, **report}), f"dialog_{name}.png")
    return 0


def _start_qgis() -> None:
    application = QgsApplication([], True)
    application.initQgis()
    _start_qgis.application = application  # type: ignore[attr-defined]  # Qt keeps a bare pointer to it.
    sys.path[:0] = [str(ROOT), QgsApplication.pkgDataPath() + "/python/plugins"]
    from processing.core.Processing import Processing

    Processing.initialize()
    from qgis_false.plugin import FalsePlugin

    _start_qgis.plugin = FalsePlugin()  # type: ignore[attr-defined]
    _start_qgis.plugin.initProcessing()  # type: ignore[attr-defined]


def _layers(demo: Path) -> tuple[QgsRasterLayer, QgsVectorLayer, QgsRasterLayer]:
    """Return image, labels and map, styled as a user would see them, in the project."""
    from qgis_false.layers.class_styles import classes_of

    image = QgsRasterLayer(str(demo / "image.tif"), "image")
    image.setContrastEnhancement(
        QgsContrastEnhancement.ContrastEnhancementAlgorithm.StretchToMinimumMaximum,
        QgsRasterMinMaxOrigin.Limits.CumulativeCut,
        image.extent(),
        0,
    )
    labels = QgsVectorLayer(f"{demo / 'labels.gpkg'}|layername=labels", "labels", "ogr")
    classified = QgsRasterLayer(str(demo / "results" / "map.tif"), "map")
    classes = classes_of(str(demo / "results" / "map.tif"))
    classified.setRenderer(QgsPalettedRasterRenderer(classified.dataProvider(), 1, classes))
    categories = [
        QgsRendererCategory(
            one.label,
            QgsFillSymbol.createSimple({"color": one.color.name(), "outline_color": "black", "outline_width": "0.3"}),
            one.label,
        )
        for one in classes
    ]
    labels.setRenderer(QgsCategorizedSymbolRenderer(FIELD, categories))
    for layer in (image, labels, classified):
        assert layer.isValid(), layer.source()
        QgsProject.instance().addMapLayer(layer)
    return image, labels, classified


def _confidence(demo: Path) -> QgsRasterLayer:
    from qgis_false.layers.confidence_style import draw_as_overlay

    layer = QgsRasterLayer(str(demo / "results" / "confidence.tif"), "confidence")
    assert layer.isValid()
    draw_as_overlay(layer)
    return layer


def _render(layers: Sequence[Any], extent: QgsRectangle) -> QImage:
    settings = QgsMapSettings()
    settings.setLayers(list(layers))
    settings.setDestinationCrs(layers[-1].crs())
    settings.setExtent(extent)
    settings.setOutputSize(QSize(MAP_SIZE, MAP_SIZE))
    settings.setBackgroundColor(WHITE)
    picture = QImage(MAP_SIZE, MAP_SIZE, QImage.Format.Format_RGB32)
    picture.fill(WHITE)
    painter = QPainter(picture)
    job = QgsMapRendererCustomPainterJob(settings, painter)
    job.start()
    job.waitForFinished()
    painter.end()
    return picture


def _with_legend(picture: QImage, classes: Sequence[Any]) -> QImage:
    """Return ``picture`` with the classes beside it."""
    wide = QImage(MAP_SIZE + LEGEND_WIDTH, MAP_SIZE, QImage.Format.Format_RGB32)
    wide.fill(WHITE)
    painter = QPainter(wide)
    painter.setRenderHint(QPainter.RenderHint.TextAntialiasing)
    painter.drawImage(0, 0, picture)
    painter.setFont(QFont("sans-serif", 11))
    for row, one in enumerate(classes):
        top = 12 + 30 * row
        painter.setPen(QColor("#555555"))
        painter.setBrush(one.color)
        painter.drawRect(QRectF(MAP_SIZE + 14, top, 22, 16))
        painter.setPen(QColor("#222222"))
        painter.drawText(MAP_SIZE + 46, top + 14, one.label)
    painter.end()
    return wide


def _dialog(name: str, values: dict[str, Any]) -> QImage:
    """Return a picture of the dialog of ``false:name`` with ``values`` entered."""
    import processing.gui.ParametersPanel

    processing.gui.ParametersPanel.iface = None  # There is no main window.
    # Kept as long as the dialog: the algorithm owns its parameters.
    algorithm = QgsApplication.processingRegistry().algorithmById(f"false:{name}").create()
    parent = QWidget()
    dialog = algorithm.createCustomParametersWidget(parent)
    dialog.show()  # First: showing it restores the size it had last.
    dialog.resize(900, {"pretrain": 580, "finetune": 780, "classify": 680}[name])
    QCoreApplication.processEvents()
    dialog.mainWidget().setParameters(values)
    QCoreApplication.processEvents()
    picture = dialog.grab().toImage()
    dialog.close()
    return picture


def _save(picture: QImage, name: str) -> None:
    """Write a picture with 65,536 colours at most, which is what makes photographs small, and say how large it is."""
    path = FOLDER / name
    coarse = picture.convertToFormat(
        QImage.Format.Format_RGB16, Qt.ImageConversionFlag.ThresholdDither | Qt.ImageConversionFlag.AvoidDither
    )
    coarse.convertToFormat(QImage.Format.Format_RGB32).save(str(path), "PNG", 0)
    size = path.stat().st_size
    print(f"{path.relative_to(ROOT)}: {size / 1000:.0f} kB")
    assert size < LARGEST, f"{name} is too large"


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # PyQGIS is known to crash when a plain script tears it down.
