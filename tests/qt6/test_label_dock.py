"""The list of classes, the keys and the pages of the dock under PyQt6. What it does with layers and the map needs QGIS."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from qgis.core import QgsApplication
from qgis.PyQt.QtCore import QEvent, QObject, Qt, pyqtSignal
from qgis.PyQt.QtGui import QAction, QKeyEvent, QKeySequence
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import QGraphicsView, QMainWindow, QWidget

CLASSES = ((1, "forest", "#1b7837"), (2, "water", "#2b83ba"), (7, "built-up area", "#d7191c"))
ACTIONS = ("complete", "cancel", "remove", "undo", "redo", "next_place")


class Project(QObject):
    """What the dock listens to."""

    readProject = pyqtSignal()  # noqa: N815 - so it is called in QGIS.
    cleared = pyqtSignal()

    def mapLayer(self, name: str) -> None:
        return None

    def mapLayers(self) -> dict[str, object]:
        return {}

    def readEntry(self, scope: str, key: str, default: str = "") -> tuple[str, bool]:
        return default, False

    def layerTreeRoot(self) -> SimpleNamespace:
        return SimpleNamespace(layerOrder=list)


class Canvas(QGraphicsView):
    currentLayerChanged = pyqtSignal(object)  # noqa: N815 - so it is called in QGIS.

    def currentLayer(self) -> None:
        return None


class Desktop(QMainWindow):
    def __init__(self) -> None:
        super().__init__()
        self.canvas = Canvas()
        self.setCentralWidget(self.canvas)

    def mainWindow(self) -> QMainWindow:
        return self

    def messageBar(self) -> None:
        return None

    def mapCanvas(self) -> QWidget:
        return self.canvas


@pytest.fixture
def dock(qgis_app, monkeypatch):
    from qgis_false.dock import dock as module

    project = Project()
    monkeypatch.setattr(module.QgsProject, "instance", staticmethod(lambda: project))
    monkeypatch.setattr("qgis_false.dock.first_page.find_interpreter", lambda: None)
    desktop = Desktop()
    made = module.LabelDock(desktop, lambda name: None)
    desktop.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, made)
    desktop.resize(700, 820)
    desktop.show()
    QgsApplication.processEvents()
    yield made
    made.shut()
    desktop.close()


@pytest.fixture
def scores():
    from false_core.session_protocol import ClassScore, SessionScores

    known = (ClassScore(1, 40, 0.91, 0.83, 0.96), ClassScore(2, 6, missing=9), ClassScore(7, 1))
    return SessionScores(1, 1, 0.9, 0.8, 0.95, classes=known)


@pytest.fixture
def classes():
    from qgis_false.dock.label_file import LabelClass

    return [LabelClass(*one) for one in CLASSES]


def test_the_first_page_asks_for_a_raster(dock, pictures):
    page = dock.first_page
    assert "Add a raster" in page.missing.text() and page.example.isVisible() and not page.set_up.isVisible()
    assert dock.grab().save(str(pictures / "dock_first_page.png"))


def test_the_page_to_work_on_shows_classes_keys_and_accuracy(dock, classes, scores, pictures):
    dock.pages.setCurrentIndex(1)
    dock.classes.model.set_classes(classes)
    dock.classes.model.set_counts({1: 40, 2: 6})
    dock.classes.model.set_scores(scores)
    dock.classes.table.selectRow(1)
    QgsApplication.processEvents()
    assert dock.grab().save(str(pictures / "dock.png"))
    shown = dock.classes.table.grab().toImage()
    seen = {shown.pixelColor(x, y).name() for x in range(shown.width()) for y in range(shown.height())}
    assert {color for _, _, color in CLASSES} <= seen


def test_a_class_is_renamed_in_the_list(dock, classes):
    from qgis_false.dock.class_list import ACCURACY_COLUMN, KEY_COLUMN, NAME_COLUMN

    heard = []
    rows = dock.classes.model
    rows.edited.connect(lambda *one: heard.append(one))
    rows.set_classes(classes)
    assert [rows.index(2, column).data() for column in (KEY_COLUMN, NAME_COLUMN, ACCURACY_COLUMN)] == [
        "3",
        "built-up area",
        "",
    ]
    assert rows.flags(rows.index(0, NAME_COLUMN)) & Qt.ItemFlag.ItemIsEditable
    assert not rows.flags(rows.index(0, KEY_COLUMN)) & Qt.ItemFlag.ItemIsEditable
    assert rows.setData(rows.index(1, NAME_COLUMN), " lake ")
    assert heard == [(classes[1].code, "lake", "")]


NONE, CONTROL, SHIFT = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
KEYPAD = Qt.KeyboardModifier.KeypadModifier


@pytest.mark.parametrize(
    ("key", "modifiers", "what"),
    [
        (Qt.Key.Key_1, NONE, 1), (Qt.Key.Key_9, KEYPAD, 9), (Qt.Key.Key_0, NONE, None), (Qt.Key.Key_1, CONTROL, None),
        (Qt.Key.Key_Return, NONE, "complete"), (Qt.Key.Key_Enter, KEYPAD, "complete"), (Qt.Key.Key_Escape, NONE, "cancel"),
        (Qt.Key.Key_Delete, NONE, "remove"), (Qt.Key.Key_N, NONE, "next_place"), (Qt.Key.Key_N, CONTROL, None),
        (Qt.Key.Key_Z, CONTROL, "undo"), (Qt.Key.Key_Z, CONTROL | SHIFT, "redo"), (Qt.Key.Key_Y, CONTROL, "redo"),
    ],
)  # fmt: skip
def test_keys_over_the_canvas_come_before_shortcuts(qgis_app, key, modifiers, what):
    from qgis_false.dock.keys import CanvasKeys

    done: list[object] = []
    window = Desktop()
    shortcut = QAction("a shortcut of QGIS", window)
    shortcut.setShortcut(QKeySequence(key | (modifiers & ~KEYPAD)))
    shortcut.triggered.connect(lambda: done.append("QGIS"))
    window.addAction(shortcut)
    window.show()
    window.activateWindow()
    window.canvas.setFocus()
    QgsApplication.processEvents()
    actions = {name: (lambda name=name: done.append(name)) for name in ACTIONS}
    keys = CanvasKeys(
        window.canvas, lambda: True, lambda: False, lambda number: done.append(number) or True, actions, QWidget(window)
    )
    QTest.keyClick(window.canvas, key, modifiers)
    assert done == [what or "QGIS"]
    keys.remove()
    QTest.keyClick(window.canvas, key, modifiers)
    assert done == [what or "QGIS", "QGIS"]
    window.close()


def test_a_key_that_qt_has_no_name_for_is_left_alone(qgis_app):
    from qgis_false.dock.keys import CanvasKeys

    window = Desktop()
    keys = CanvasKeys(window.canvas, lambda: True, lambda: False, lambda number: True, {}, QWidget(window))
    assert not keys.eventFilter(window.canvas, QKeyEvent(QEvent.Type.KeyPress, 0x4E2D, NONE))
    keys.remove()
