"""QGIS 4 comes with Qt 6. Nothing here can run it, so the plugin is read for what Qt 6 would trip over."""

from __future__ import annotations

from pathlib import Path

import pytest
from qt6_names import complaints

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [
    file for folder in ("qgis_false", "processing_scripts", "tools") for file in sorted((ROOT / folder).rglob("*.py"))
]


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_the_plugin_uses_nothing_that_qt_6_lacks(qgis_app, file):
    assert list(complaints(file.read_text("utf-8"))) == []


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("from PyQt5.QtCore import Qt", "PyQt5.QtCore is imported"),
        ("import sip", "sip is imported"),
        ("from qgis.PyQt.QtCore import Qt\nQt.AlignLeft", "AlignmentFlag.AlignLeft"),
        ("from qgis.PyQt.QtWidgets import QMessageBox as Box\nBox.Yes", "StandardButton.Yes"),
        ("from qgis.core import Qgis\nQgis.Warning", "MessageLevel.Warning"),
        ("from qgis.core import QgsProcessing\nQgsProcessing.TypeRaster", "needs its enumeration"),
        ("from qgis.PyQt.QtCore import QRegExp", "QRegExp is gone"),
        ("from qgis.PyQt.QtWidgets import QFloatingWidget", "has no QFloatingWidget"),
        ("from qgis.PyQt.QtCore import Qt\nQt.AlignmentFlag.AlignDown", "AlignmentFlag has no AlignDown"),
        ("from qgis.PyQt import QtCore\nQtCore.QFloatingSize", "has no QFloatingSize"),
        ("dialog.exec_()", "exec_ is gone"),
        ("from qgis.PyQt.QtCore import QVariant\nQVariant.Int", "QMetaType"),
    ],
)
def test_what_is_wrong_is_found(qgis_app, source, what):
    (found,) = complaints(source)
    assert what in found


@pytest.mark.parametrize(
    "source",
    [
        "from qgis.PyQt.QtCore import Qt\nQt.AlignmentFlag.AlignLeft",
        "from qgis.core import Qgis, QgsProcessing\nQgis.MessageLevel.Warning, Qgis.version(), QgsProcessing.SourceType",
        "from qgis.core import QgsProcessingUtils as U\nU.LayerHint.Raster, U.tempFolder()",
        "from pathlib import Path\nPath.home, Path().parent",
    ],
)
def test_what_is_right_is_passed_over(qgis_app, source):
    assert list(complaints(source)) == []
