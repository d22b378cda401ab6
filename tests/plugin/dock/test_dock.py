"""The dock: labels drawn on the canvas are in their file at once, and the map of a session is on the canvas."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from osgeo import gdal
from qgis.core import (
    QgsApplication,
    QgsCategorizedSymbolRenderer,
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsDefaultValue,
    QgsFeature,
    QgsField,
    QgsFillSymbol,
    QgsGeometry,
    QgsGraduatedSymbolRenderer,
    QgsPalettedRasterRenderer,
    QgsPointXY,
    QgsProcessingException,
    QgsProcessingUtils,
    QgsProject,
    QgsRasterLayer,
    QgsRectangle,
    QgsRendererCategory,
    QgsRendererRange,
    QgsRuleBasedRenderer,
    QgsSingleSymbolRenderer,
    QgsVectorLayer,
)
from qgis.gui import QgsMapCanvas, QgsMapToolPan, QgsMessageBar
from qgis.PyQt.QtCore import QCoreApplication, QEvent, QPoint, QPointF, QRect, QSize, Qt, QVariant
from qgis.PyQt.QtGui import QColor, QKeyEvent, QWheelEvent
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import QAction, QApplication, QLabel, QLineEdit, QMainWindow, QPushButton
from small_labels import saved
from small_raster import write_raster

from false_core.session_protocol import Learned, Refused, Suggest

FAKE = Path(__file__).parents[1] / "fake_session.py"
SOON_S = 20.0


def until(condition, what: str, within_s: float = SOON_S) -> None:
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, f"{what}: it did not happen"
        QCoreApplication.processEvents()
        time.sleep(0.005)


class Desktop:
    def __init__(self) -> None:
        self.window = QMainWindow()
        self.canvas = QgsMapCanvas(self.window)
        self.window.setCentralWidget(self.canvas)
        self.canvas.setCachingEnabled(True)
        self.window.resize(700, 500)
        self.bar = QgsMessageBar()

    def mainWindow(self):
        return self.window

    def mapCanvas(self):
        return self.canvas

    def messageBar(self):
        return self.bar

    def addDockWidget(self, area, dock):
        self.window.addDockWidget(area, dock)


@pytest.fixture
def desk(provider, qgis_app, qgis_new_project):
    made = Desktop()
    made.window.show()
    yield made
    made.window.close()


@pytest.fixture
def record(tmp_path) -> Path:
    return tmp_path / "requests.jsonl"


@pytest.fixture
def mode() -> str:
    return "behaves"


@pytest.fixture
def image(desk, tmp_path) -> QgsRasterLayer:
    layer = QgsRasterLayer(str(write_raster(tmp_path / "image.tif")), "image")
    QgsProject.instance().addMapLayer(layer)
    desk.canvas.setDestinationCrs(layer.crs())
    desk.canvas.setLayers([layer])
    desk.canvas.setExtent(layer.extent())
    return layer


@pytest.fixture
def opened_dialogs() -> list[str]:
    return []


@pytest.fixture
def dock(desk, image, record, mode, monkeypatch, opened_dialogs):
    from qgis_false.dock.dock import LabelDock

    monkeypatch.setattr("qgis_false.dock.conversation.SCORE_AFTER_MS", 50)
    monkeypatch.setattr("qgis_false.dock.lasting_session.RESTART_AFTER_MS", (50, 50, 50))
    made = LabelDock(desk, opened_dialogs.append, lambda: [sys.executable, "-u", str(FAKE), mode, str(record)])
    desk.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, made)
    made.start(image)
    until(lambda: made.work.conversation.opened is not None, "the session opens")
    yield made
    made.shut()


OTHER_PROGRAM = """\
import sys, time
from osgeo import ogr
file = ogr.Open(sys.argv[1], 1)
layer = file.GetLayer("labels")
for number in range(20):
    feature = ogr.Feature(layer.GetLayerDefn())
    feature["class"] = 2
    x = 500001 + number
    ring = f"{x} 5599990, {x + .5} 5599990, {x + .5} 5599991, {x} 5599990"
    feature.SetGeometry(ogr.CreateGeometryFromWkt(f"MultiPolygon((({ring})))"))
    assert layer.CreateFeature(feature) == 0
    time.sleep(0.05)
"""


def heard(record: Path) -> list[dict]:
    """Return all requests that are written down. The last line may be in the midst of it."""
    text = record.read_text("utf-8") if record.exists() else ""
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def requests(record: Path, kind: str) -> list[dict]:
    return [one for one in heard(record) if one["request"] == kind]


def told(record: Path) -> dict[int, int]:
    """Return the labels that the session of now knows: id and code."""
    known: dict[int, int] = {}
    for one in heard(record):
        if one["request"] == "open":
            known = {}
        elif one["request"] == "changelabels":
            known.update({label["id"]: label["code"] for label in one["changed"]})
            for gone in one["removed"]:
                known.pop(gone, None)
    return known


def in_file(dock) -> dict[int, int]:
    """Return the labels that another program reads from the file."""
    path = dock.work.labels.source()
    return {one.id(): one["class"] for one in QgsVectorLayer(path, "other", "ogr").getFeatures()}


def codes_in(path: Path) -> list[int]:
    """Return the codes of the labels that another program reads from a file."""
    return sorted(one["class"] for one in QgsVectorLayer(str(path), "other", "ogr").getFeatures())


def at(desk, x: float, y: float) -> QPoint:
    """Return the pixel of the canvas at a share of its size."""
    size = desk.canvas.size()
    return QPoint(round(x * size.width()), round(y * size.height()))


def click(desk, x: float, y: float, button=Qt.MouseButton.LeftButton) -> None:
    place = at(desk, x, y)
    QTest.mouseMove(desk.canvas.viewport(), place)
    QTest.mouseClick(desk.canvas.viewport(), button, Qt.KeyboardModifier.NoModifier, place)


def turn_wheel(desk, x: float, y: float, steps: int) -> None:
    place = QPointF(at(desk, x, y))
    away, none = QPoint(0, 120 * steps), QPoint(0, 0)
    buttons, keys, phase = Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase
    there = QPointF(desk.canvas.viewport().mapToGlobal(place.toPoint()))
    event = QWheelEvent(place, there, none, away, buttons, keys, phase, False)
    QCoreApplication.sendEvent(desk.canvas.viewport(), event)


def press(desk, key, modifier=Qt.KeyboardModifier.NoModifier) -> None:
    QTest.keyClick(desk.canvas, key, modifier)


def with_author(labels: QgsVectorLayer) -> str:
    """Give a layer a field that QGIS fills in by itself, and return what with."""
    assert labels.dataProvider().addAttributes([QgsField("by", QVariant.String)])
    labels.updateFields()
    labels.setDefaultValueDefinition(labels.fields().lookupField("by"), QgsDefaultValue("'Ada'"))
    return "Ada"


def draw_square(desk, x: float, y: float, key=Qt.Key.Key_Return) -> None:
    for corner in ((x, y), (x + 0.05, y), (x + 0.05, y + 0.05), (x, y + 0.05)):
        click(desk, *corner)
    press(desk, key)


def two_classes(dock) -> None:
    from qgis_false.dock.label_file import CLASS_COLOURS, LabelClass

    made = [LabelClass(code, name, CLASS_COLOURS[code - 1]) for code, name in ((1, "road"), (2, "roof"))]
    dock.work.label_classes.change(lambda known: made)


class TestDrawing:
    def test_a_polygon_is_in_the_file_and_with_the_session_at_once(self, dock, desk, record):
        two_classes(dock)
        dock.drawing.use("polygon")
        press(desk, Qt.Key.Key_2)
        draw_square(desk, 0.4, 0.4)
        assert in_file(dock) == {1: 2}
        until(lambda: told(record) == {1: 2}, "the session hears of it")

    @pytest.mark.thorough
    def test_other_fields_have_the_values_that_their_layer_gives_them(self, dock, desk):
        two_classes(dock)
        by = with_author(dock.work.labels)
        dock.drawing.use("polygon")
        draw_square(desk, 0.4, 0.4)
        press(desk, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        press(desk, Qt.Key.Key_Y, Qt.KeyboardModifier.ControlModifier)
        assert [one["by"] for one in QgsVectorLayer(dock.work.labels.source(), "other", "ogr").getFeatures()] == [by]

    def test_the_map_is_on_the_canvas_between_raster_and_labels(self, dock, desk, record, image):
        two_classes(dock)
        dock.drawing.use("polygon")
        draw_square(desk, 0.3, 0.4)
        press(desk, Qt.Key.Key_2)
        draw_square(desk, 0.6, 0.4)
        until(lambda: dock.work.live.picture is not None, "a picture comes")
        desk.canvas.setLayers([dock.work.labels, image])
        assert [one.name() for one in desk.canvas.layers()] == ["image_labels", "FALSE", "image"]
        assert dock.work.live.layer.id() not in QgsProject.instance().mapLayers()
        finished = QgsRasterLayer(image.source(), "map")
        desk.canvas.setLayers([dock.work.labels, finished, image])
        assert [one.name() for one in desk.canvas.layers()] == ["image_labels", "FALSE", "map", "image"]
        dock.live_map.opacity.setValue(100)
        colours = [one.color for one in dock.work.classes]

        def drawn() -> list[str]:
            seen = desk.canvas.grab().toImage()
            return [seen.pixelColor(at(desk, x, 0.6)).name() for x in (0.2, 0.8)]

        until(lambda: drawn() == colours, "it is drawn")

    @pytest.mark.thorough
    def test_a_canvas_in_another_crs_shows_it_where_it_belongs(self, dock, desk, record, image):
        desk.canvas.setDestinationCrs(QgsCoordinateReferenceSystem("EPSG:3857"))
        two_classes(dock)
        for x, code in ((500_004, 1), (500_030, 2)):
            dock.work.add_label(QgsGeometry.fromRect(QgsRectangle(x, 5_599_980, x + 4, 5_599_984)), image.crs(), code)
        whole = QgsCoordinateTransform(image.crs(), desk.canvas.mapSettings().destinationCrs(), QgsProject.instance())
        desk.canvas.setExtent(whole.transformBoundingBox(image.extent()))
        dock.live_map.opacity.setValue(100)
        until(lambda: requests(record, "view") and dock.work.live.picture is not None, "a picture comes")
        xmin, xmax, ymin, ymax = requests(record, "view")[-1]["extent"]
        assert QgsRectangle(xmin, ymin, xmax, ymax).contains(QgsRectangle(500_001, 5_599_971, 500_039, 5_599_999))
        colours = [one.color for one in dock.work.classes]

        def drawn() -> list[str]:
            seen = desk.canvas.grab().toImage()
            return [seen.pixelColor(at(desk, x, 0.6)).name() for x in (0.2, 0.8)]

        until(lambda: drawn() == colours, "it is drawn")

    @pytest.mark.parametrize("name", ["stroke", "point"])
    def test_strokes_and_points_become_polygons(self, dock, desk, record, name):
        two_classes(dock)
        dock.drawing.use(name)
        place = at(desk, 0.5, 0.5)
        QTest.mousePress(desk.canvas.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place)
        QTest.mouseRelease(desk.canvas.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place)
        (label,) = dock.work.labels.getFeatures()
        area = label.geometry().area()
        width = 12 * desk.canvas.mapUnitsPerPixel()
        assert area == pytest.approx(4.0 if name == "point" else 3.14 * (width / 2) ** 2, rel=0.05)

    def test_an_outline_follows_the_wheel_and_is_accepted_by_enter(self, dock, desk, record):
        two_classes(dock)
        dock.drawing.use("outline")
        click(desk, 0.5, 0.5)
        tool = dock.drawing.tools["outline"]
        until(lambda: not tool._outline.isEmpty(), "it is outlined")
        before = tool._outline.area()
        turn_wheel(desk, 0.5, 0.5, steps=4)
        until(lambda: tool._outline.area() > before, "it reaches further")
        assert tool.reach == 0.5
        press(desk, Qt.Key.Key_Return)
        (label,) = dock.work.labels.getFeatures()
        assert label.geometry().area() == pytest.approx(12.0**2, rel=0.01)

    @pytest.mark.parametrize("mode", ["outlines nothing"])
    def test_where_nothing_can_be_outlined_it_says_so_and_the_wheel_zooms(self, dock, desk):
        two_classes(dock)
        dock.drawing.use("outline")
        click(desk, 0.5, 0.5)
        until(lambda: dock.status.text().startswith("Nothing can be outlined there"), "it is said")
        assert not dock.drawing.tools["outline"].is_drawing()
        scale = desk.canvas.scale()
        turn_wheel(desk, 0.5, 0.5, steps=1)
        assert desk.canvas.scale() < scale

    @pytest.mark.thorough
    def test_what_encloses_nothing_is_no_label(self, dock, desk):
        two_classes(dock)
        dock.drawing.use("polygon")
        for x in (0.3, 0.4, 0.5):
            click(desk, x, 0.5)
        press(desk, Qt.Key.Key_Return)
        assert in_file(dock) == {}
        assert "encloses no area" in dock.status.text()


class TestKeys:
    def test_undo_and_redo_keep_the_ids(self, dock, desk, record):
        two_classes(dock)
        dock.drawing.use("polygon")
        draw_square(desk, 0.3, 0.4)
        draw_square(desk, 0.6, 0.4)
        press(desk, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        assert in_file(dock) == {1: 1}
        press(desk, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        assert in_file(dock) == {}
        press(desk, Qt.Key.Key_Y, Qt.KeyboardModifier.ControlModifier)
        press(desk, Qt.Key.Key_Y, Qt.KeyboardModifier.ControlModifier)
        assert in_file(dock) == {1: 1, 2: 1}
        until(lambda: told(record) == {1: 1, 2: 1}, "the session hears of it")

    @pytest.mark.thorough
    def test_undo_and_redo_know_fields_by_their_names(self, dock, desk, record):
        two_classes(dock)
        layer = dock.work.labels
        by = with_author(layer)
        dock.drawing.use("polygon")
        draw_square(desk, 0.3, 0.4)
        draw_square(desk, 0.6, 0.4)
        dock.work.edits.undo()
        assert layer.dataProvider().addAttributes([QgsField("note", QVariant.String)])
        layer.updateFields()
        dock.work.edits.redo()
        assert [(one["by"], bool(one["note"])) for one in layer.getFeatures()] == [(by, False)] * 2, "one field is new"
        dock.work.edits.reclassify([1], 2)
        dock.work.edits.remove([1])
        assert layer.dataProvider().deleteAttributes([layer.fields().lookupField("by")])
        layer.updateFields()
        for _ in range(2):
            dock.work.edits.undo()
        assert [(one["class"], bool(one["note"])) for one in layer.getFeatures()] == [(1, False), (1, False)]
        dock.work.edits.redo()
        assert in_file(dock) == {1: 2, 2: 1}

    @pytest.mark.thorough
    def test_without_the_field_of_the_classes_nothing_is_drawn_and_it_is_said(self, dock, desk, record):
        two_classes(dock)
        layer = dock.work.labels
        dock.drawing.use("polygon")
        draw_square(desk, 0.3, 0.4)
        until(lambda: told(record) == {1: 1}, "the session hears of it")
        assert layer.dataProvider().deleteAttributes([layer.fields().lookupField("class")])
        layer.updateFields()
        draw_square(desk, 0.6, 0.4)
        assert layer.featureCount() == 1 and "has no field class any more" in dock.status.text()
        press(desk, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        assert layer.featureCount() == 1
        dock.work.watch.look()
        until(lambda: told(record) == {}, "no label has a class")

    def test_escape_forgets_and_delete_steps_back(self, dock, desk):
        two_classes(dock)
        dock.drawing.use("polygon")
        tool = dock.drawing.tools["polygon"]
        for x in (0.3, 0.4, 0.5):
            click(desk, x, 0.2 + x)
        press(desk, Qt.Key.Key_Delete)
        assert len(tool._corners) == 2
        press(desk, Qt.Key.Key_Escape)
        assert not tool.is_drawing()
        assert in_file(dock) == {}

    def test_delete_removes_what_is_selected(self, dock, desk):
        two_classes(dock)
        dock.drawing.use("polygon")
        draw_square(desk, 0.3, 0.4)
        draw_square(desk, 0.6, 0.4)
        dock.work.labels.selectByIds([1])
        press(desk, Qt.Key.Key_Delete)
        assert in_file(dock) == {2: 1}

    @pytest.mark.thorough
    def test_they_count_where_the_mouse_is_after_a_button_of_the_dock(self, dock, desk):
        two_classes(dock)
        desk.window.activateWindow()
        until(lambda: desk.window.isActiveWindow(), "the window is active")
        dock.classes.table.setFocus()
        QTest.mouseMove(desk.canvas.viewport(), at(desk, 0.4, 0.4))
        assert dock.classes.table.hasFocus(), "nothing is drawn yet"
        dock.drawing.use("polygon")
        dock.classes.table.setFocus()
        QTest.mouseMove(desk.canvas.viewport(), at(desk, 0.5, 0.4))
        QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_2)
        draw_square(desk, 0.3, 0.4)
        assert in_file(dock) == {1: 2}

    @pytest.mark.thorough
    def test_a_name_that_is_being_typed_keeps_them(self, dock, desk):
        from qgis_false.dock.class_list import NAME_COLUMN

        two_classes(dock)
        desk.window.activateWindow()
        until(lambda: desk.window.isActiveWindow(), "the window is active")
        dock.drawing.use("polygon")
        dock.classes.table.edit(dock.classes.model.index(0, NAME_COLUMN))
        typed = QApplication.focusWidget()
        assert isinstance(typed, QLineEdit)
        QTest.mouseMove(desk.canvas.viewport(), at(desk, 0.5, 0.4))
        assert QApplication.focusWidget() is typed

    @pytest.mark.thorough
    def test_they_come_before_the_shortcuts_of_qgis_and_go_back_to_it(self, dock, desk):
        two_classes(dock)

        def claimed() -> bool:
            event = QKeyEvent(QEvent.Type.ShortcutOverride, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
            event.ignore()
            QCoreApplication.sendEvent(desk.canvas, event)
            return event.isAccepted()

        assert not claimed()
        dock.drawing.use("polygon")
        assert claimed()
        desk.canvas.unsetMapTool(dock.drawing.tools["polygon"])
        assert not claimed()

    @pytest.mark.thorough
    def test_those_that_remove_and_undo_count_while_labels_are_selected_and_not_edited(self, dock, desk, image):
        two_classes(dock)
        dock.drawing.use("polygon")
        draw_square(desk, 0.3, 0.4)
        draw_square(desk, 0.6, 0.4)
        labels, tool, action = dock.work.labels, QgsMapToolPan(desk.canvas), QAction()
        action.setObjectName("mActionSelectFeatures")
        tool.setAction(action)
        desk.canvas.setMapTool(tool)
        labels.selectByIds([1])

        def left_to_qgis() -> None:
            press(desk, Qt.Key.Key_Delete)
            press(desk, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
            assert in_file(dock) == {1: 1, 2: 1}

        desk.canvas.setCurrentLayer(image)
        left_to_qgis()
        desk.canvas.setCurrentLayer(labels)
        assert labels.startEditing()
        left_to_qgis()
        assert labels.rollBack()
        action.setObjectName("mActionPan")
        left_to_qgis()
        action.setObjectName("mActionSelectFeatures")
        labels.selectByIds([1])
        press(desk, Qt.Key.Key_Delete)
        assert in_file(dock) == {2: 1}
        press(desk, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        assert in_file(dock) == {1: 1, 2: 1}
        press(desk, Qt.Key.Key_Y, Qt.KeyboardModifier.ControlModifier)
        assert in_file(dock) == {2: 1}
        press(desk, Qt.Key.Key_2)
        assert dock.classes.table.currentIndex().row() == 0, "the others count while something is drawn"


class TestLabelLayer:
    def test_edits_with_the_tools_of_qgis_count_before_they_are_saved(self, dock, record):
        two_classes(dock)
        layer = dock.work.labels
        layer.startEditing()
        feature = QgsFeature(layer.fields())
        feature["class"] = 2
        square = "MultiPolygon(((500001 5599990, 500003 5599990, 500003 5599992, 500001 5599990)))"
        feature.setGeometry(QgsGeometry.fromWkt(square))
        layer.addFeature(feature)
        until(lambda: list(told(record).values()) == [2], "the session hears of it")
        dock.work.edits.add(
            [(QgsGeometry.fromWkt("Polygon((500005 5599990, 500007 5599990, 500007 5599992, 500005 5599990))"), 1)]
        )
        layer.rollBack()
        until(lambda: list(told(record).values()) == [1], "and that it was taken back")

    @pytest.mark.thorough
    def test_what_another_program_writes_counts(self, dock, record):
        two_classes(dock)
        other = QgsVectorLayer(dock.work.labels.source(), "other", "ogr")
        feature = QgsFeature(other.fields())
        feature["class"] = 1
        feature.setGeometry(
            QgsGeometry.fromWkt("MultiPolygon(((500001 5599990, 500003 5599990, 500003 5599992, 500001 5599990)))")
        )
        assert other.dataProvider().addFeatures([feature])[0]
        until(lambda: told(record) == {1: 1}, "the session hears of it")
        assert other.dataProvider().deleteFeatures([1])
        until(lambda: told(record) == {}, "the session hears of it")

    @pytest.mark.thorough
    def test_two_programs_that_draw_at_once_lose_nothing_of_each_other(self, dock, desk, record, tmp_path):
        """As two QGIS with a dock of the same raster do."""
        two_classes(dock)
        script = tmp_path / "other.py"
        script.write_text(OTHER_PROGRAM)
        other = subprocess.Popen([sys.executable, str(script), dock.work.labels.source().split("|")[0]])
        dock.drawing.use("polygon")
        for number in range(5):
            draw_square(desk, 0.1 + 0.15 * number, 0.4)
        until(lambda: other.poll() is not None, "the other one is done")
        assert other.returncode == 0
        assert sorted(in_file(dock).values()) == [1] * 5 + [2] * 20
        until(lambda: told(record) == in_file(dock), "the session knows all")

    @pytest.mark.thorough
    def test_what_another_program_writes_just_before_an_edit_here_counts(self, dock, record):
        two_classes(dock)
        other = QgsVectorLayer(dock.work.labels.source(), "other", "ogr")
        feature = QgsFeature(other.fields())
        feature["class"] = 2
        square = "MultiPolygon(((500001 5599990, 500003 5599990, 500003 5599992, 500001 5599990)))"
        feature.setGeometry(QgsGeometry.fromWkt(square))
        dock.work.watch.look_for_others()
        until(lambda: not dock.work.watch._later.isActive() and dock.work.watch._looking is None, "all is looked at")
        assert other.dataProvider().addFeatures([feature])[0]
        dock.work.edits.add([(QgsGeometry.fromWkt(square), 1)])
        until(lambda: told(record) == {1: 2, 2: 1}, "the session hears of both")

    def test_classes_are_the_style_of_the_layer_and_lie_in_the_file(self, dock, record):
        from qgis_false.dock.label_file import classes_of_labels

        two_classes(dock)
        again = QgsVectorLayer(dock.work.labels.source(), "again", "ogr")
        assert classes_of_labels(again) == dock.work.classes
        assert again.editorWidgetSetup(again.fields().lookupField("class")).type() == "ValueMap"
        until(lambda: requests(record, "setclasses"), "the session hears of it")
        renderer = dock.work.labels.renderer().clone()
        renderer.updateCategoryLabel(0, "way")
        dock.work.labels.setRenderer(renderer)
        assert [one.name for one in dock.work.classes] == ["way", "roof"]
        until(lambda: requests(record, "setclasses")[-1]["classes"][0]["name"] == "way", "the session hears of it")

    @pytest.mark.thorough
    def test_classes_that_another_qgis_adds_are_taken_over_and_keep_their_codes(self, dock, desk, record):
        from qgis_false.dock.label_file import LabelClass, show_classes, store_classes

        two_classes(dock)
        other = QgsVectorLayer(dock.work.labels.source(), "of the other one", "ogr")
        show_classes(other, [*dock.work.classes, LabelClass(3, "tree", "#00aa00")])
        store_classes(other)
        assert dock.work.label_classes.add("water").code == 4, "at once, before it has looked at the file by itself"
        assert [one.name for one in dock.work.classes] == ["road", "roof", "tree", "water"]
        show_classes(other, [LabelClass(1, "way", "#aa0000"), *dock.work.classes[1:]])
        store_classes(other)
        until(lambda: dock.work.classes[0] == LabelClass(1, "way", "#aa0000"), "the dock hears of a new name")
        until(lambda: requests(record, "setclasses")[-1]["classes"][0]["name"] == "way", "the session does")
        again = QgsVectorLayer(dock.work.labels.source(), "again", "ogr")
        assert [category.label() for category in again.renderer().categories()] == ["way", "roof", "tree", "water"]

    @pytest.mark.thorough
    def test_a_style_that_is_changed_in_the_window_of_qgis_lies_in_the_file_too(self, dock):
        from qgis_false.dock.label_file import classes_of_labels

        two_classes(dock)
        renderer = dock.work.labels.renderer().clone()
        renderer.updateCategoryLabel(0, "way")
        dock.work.labels.setRenderer(renderer)
        again = QgsVectorLayer(dock.work.labels.source(), "again", "ogr")
        assert [one.name for one in classes_of_labels(again)] == ["way", "roof"]

    @pytest.mark.thorough
    def test_another_style_for_a_while_costs_no_classes(self, dock):
        """As *Symbology > Single symbol* does, or another field."""
        from qgis_false.dock.label_file import classes_in_file

        two_classes(dock)
        single = QgsSingleSymbolRenderer(QgsFillSymbol.createSimple({}))
        for other in (single, QgsCategorizedSymbolRenderer("fid", [])):
            dock.work.labels.setRenderer(other)
            assert [one.name for one in classes_in_file(dock.work.labels)] == ["road", "roof"]
            assert [one.name for one in dock.work.classes] == ["road", "roof"]
        dock.work.label_classes.add("tree")
        assert [one.name for one in classes_in_file(dock.work.labels)] == ["road", "roof", "tree"]

    @pytest.mark.thorough
    def test_its_file_is_opened_again_only_where_its_styles_are_others(self, dock, monkeypatch):
        from qgis_false.dock import label_file

        two_classes(dock)
        before = label_file.classes_in_file(dock.work.labels)
        with monkeypatch.context() as patch:
            patch.setattr(label_file, "QgsVectorLayer", None)  # What is opened fails.
            assert label_file.classes_in_file(dock.work.labels) == before
        for name in ("lane", "path"):  # Of the same length: file and time are the same to whoever looks at them alone.
            other = QgsVectorLayer(dock.work.labels.source(), "of the other one", "ogr")
            label_file.show_classes(other, [replace(before[0], name=name), before[1]])
            label_file.store_classes(other)
            assert [one.name for one in label_file.classes_in_file(dock.work.labels)] == [name, "roof"]
        in_file = gdal.OpenEx(dock.work.labels.source().split("|")[0], gdal.OF_VECTOR | gdal.OF_UPDATE)
        in_file.ExecuteSQL("DROP TABLE labels")
        in_file = None
        assert label_file.classes_in_file(dock.work.labels) == []

    @pytest.mark.thorough
    def test_a_style_beside_its_file_counts_where_the_file_holds_none_of_its_table(self, dock):
        from qgis_false.dock.label_file import classes_in_file

        two_classes(dock)
        layer, path = dock.work.labels, dock.work.labels.source().split("|")[0]
        in_file = gdal.OpenEx(path, gdal.OF_VECTOR | gdal.OF_UPDATE)
        in_file.ExecuteSQL("UPDATE layer_styles SET f_table_name = 'another'")
        in_file = None
        for name in ("lane", "path"):
            renderer = layer.renderer().clone()
            renderer.updateCategoryLabel(0, name)
            beside = QgsVectorLayer(layer.source(), "beside", "ogr")
            beside.setRenderer(renderer)
            said, is_written = beside.saveNamedStyle(str(Path(path).with_suffix(".qml")))
            assert is_written, said
            assert [one.name for one in classes_in_file(layer)] == [name, "roof"]

    @pytest.mark.thorough
    def test_the_last_class_can_be_removed(self, dock):
        from qgis_false.dock.label_file import classes_in_file

        dock.work.label_classes.add("road")
        dock.classes.remove()
        assert dock.work.classes == classes_in_file(dock.work.labels) == []

    @pytest.mark.thorough
    def test_forms_offer_each_class_at_once(self, dock):
        two_classes(dock)
        renderer = dock.work.labels.renderer().clone()
        renderer.updateCategoryLabel(0, "way")
        dock.work.labels.setRenderer(renderer)
        again = QgsVectorLayer(dock.work.labels.source(), "again", "ogr")
        offered = again.editorWidgetSetup(again.fields().lookupField("class")).config()["map"]
        assert offered == [{"way": "1"}, {"roof": "2"}]

    @pytest.mark.thorough
    @pytest.mark.parametrize("how", ["rename", "recolour", "layer", "text", "remove", "window of styles"])
    def test_no_change_here_takes_away_what_another_qgis_has_just_added(self, dock, labels, tmp_path, how):
        from qgis_false.dock.class_list import COLOUR_COLUMN, NAME_COLUMN
        from qgis_false.dock.label_file import LabelClass, classes_in_file, show_classes, store_classes

        two_classes(dock)
        other = QgsVectorLayer(dock.work.labels.source(), "of the other one", "ogr")
        show_classes(other, [*dock.work.classes, LabelClass(3, "tree", "#00aa00")])
        store_classes(other)
        if how == "rename":
            assert dock.classes.model.setData(dock.classes.model.index(0, NAME_COLUMN), "way")
        elif how == "recolour":
            assert dock.classes.model.setData(dock.classes.model.index(0, COLOUR_COLUMN), "#010203")
        elif how == "layer":
            categories = [QgsRendererCategory("pond", QgsFillSymbol.createSimple({}), "pond")]
            labels.setRenderer(QgsCategorizedSymbolRenderer("class", categories))
            dock.classes.take(labels, with_labels=False)
        elif how == "text":
            (tmp_path / "classes.txt").write_text("pond\n", "utf-8")
            name = "qgis_false.dock.panels.classes.QFileDialog.getOpenFileName"
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(name, lambda *_: (str(tmp_path / "classes.txt"), ""))
                dock.classes._take_from_text()
        elif how == "remove":
            dock.classes.choose(2)
            dock.classes.remove()
        else:
            renderer = dock.work.labels.renderer().clone()
            renderer.updateCategoryLabel(0, "way")
            dock.work.labels.setRenderer(renderer)
        first = {"rename": "way", "window of styles": "way"}.get(how, "road")
        names = {one.code: one.name for one in dock.work.classes}
        assert (names[1], names[3]) == (first, "tree")
        assert classes_in_file(dock.work.labels) == dock.work.classes
        assert (2 in names) == (how != "remove") and ("pond" in names.values()) == (how in ("layer", "text"))
        assert (dock.work.classes[0].color == "#010203") == (how == "recolour")

    @pytest.mark.thorough
    @pytest.mark.parametrize("call", ["deleteStyleFromDatabase", "saveStyleToDatabase"])
    def test_classes_that_the_file_does_not_take_are_said_kept_and_tried_again(self, dock, monkeypatch, call):
        from qgis_false.dock.label_file import LabelClass, classes_in_file, show_classes, store_classes

        two_classes(dock)
        said = []
        dock.work.said.connect(lambda text, attention: attention and said.append(text))
        refusal = (False, "database is locked") if call == "deleteStyleFromDatabase" else "database is locked"
        with monkeypatch.context() as locked:
            locked.setattr(QgsVectorLayer, call, lambda *_: refusal)
            dock.work.label_classes.add("tree")
        assert "The classes cannot be written" in said[0] and "database is locked" in said[0]
        dock.work.watch.looking.emit()
        assert [one.name for one in dock.work.classes] == ["road", "roof", "tree"], "what is owed is not forgotten"
        other = QgsVectorLayer(dock.work.labels.source(), "of the other one", "ogr")
        show_classes(other, [*dock.work.classes[:2], LabelClass(7, "pond", "#0000ff")])
        store_classes(other)
        dock.work.label_classes._store_later.start(0)
        until(lambda: not dock.work.label_classes._store_later.isActive(), "it is tried again")
        assert {one.name for one in classes_in_file(dock.work.labels)} == {"road", "roof", "tree", "pond"}
        assert classes_in_file(dock.work.labels) == dock.work.classes

    @pytest.mark.thorough
    def test_in_a_transaction_of_qgis_nothing_is_drawn_that_the_file_would_not_hold(self, dock, desk):
        two_classes(dock)
        QgsProject.instance().setAutoTransaction(True)
        assert dock.work.labels.startEditing()
        dock.drawing.use("polygon")
        draw_square(desk, 0.3, 0.4)
        assert "End the editing first" in dock.status.text()
        dock.work.labels.rollBack()
        draw_square(desk, 0.3, 0.4)
        assert in_file(dock) == {1: 1}

    @pytest.mark.thorough
    def test_two_classes_are_merged(self, dock, desk, record):
        two_classes(dock)
        dock.drawing.use("polygon")
        press(desk, Qt.Key.Key_2)
        draw_square(desk, 0.3, 0.4)
        dock.work.remove_class(2, into=1)
        assert in_file(dock) == {1: 1}
        assert [one.name for one in dock.work.classes] == ["road"]
        until(lambda: told(record) == {1: 1}, "the session hears of it")

    def test_labels_go_to_the_crs_of_the_raster(self, desk, image, tmp_path, record):
        from qgis_false.dock.label_file import label_layer
        from qgis_false.dock.labelling import EncoderChoice, Labelling

        labels = label_layer(tmp_path / "degrees.gpkg", QgsCoordinateReferenceSystem("EPSG:4326"))
        work = Labelling(
            desk.canvas, image, labels, EncoderChoice(), lambda: [sys.executable, str(FAKE), "behaves", str(record)]
        )
        work.begin()
        work.add_label(QgsGeometry.fromRect(image.extent()), image.crs(), 1)
        until(lambda: requests(record, "changelabels"), "the session hears of it")
        (label,) = requests(record, "changelabels")[0]["changed"]
        shape = QgsGeometry()
        shape.fromWkb(bytes.fromhex(label["wkb"]))
        assert shape.boundingBox().xMinimum() == pytest.approx(500_000, abs=0.01)
        assert labels.extent().xMaximum() < 180
        work.close()


HOLDER = """\
import sqlite3, sys, time
file = sqlite3.connect(sys.argv[1], isolation_level=None)
file.execute("BEGIN " + sys.argv[2])
print("held", flush=True)
sys.stdin.read(1)
time.sleep(float(sys.argv[3]))
"""
KILLED = """\
import sys
from pathlib import Path
from qgis.core import QgsApplication, QgsCoordinateReferenceSystem, QgsGeometry, QgsRectangle
application = QgsApplication([], False)
application.initQgis()
from qgis_false.dock.label_edits import LabelEdits
from qgis_false.dock.label_file import LabelClass, label_layer, show_classes
labels = label_layer(Path(sys.argv[1]), QgsCoordinateReferenceSystem(sys.argv[2]))
show_classes(labels, [LabelClass(1, "road", "#ff0000"), LabelClass(2, "tree", "#00ff00")])
edits = LabelEdits(labels)
for x in (500001, 500011):
    edits.add([(QgsGeometry.fromRect(QgsRectangle(x, 5599980, x + 4, 5599984)), 2)])
print(len(edits.waiting.labels()), "wait", flush=True)
sys.stdin.read()
"""
"""A QGIS that is killed while labels wait."""
IN_A_MOMENT_S = 3.0
"""Without asking first QGIS waits for at least 5 s at each statement."""


@pytest.mark.thorough
class TestAFileThatAnotherProgramHolds:
    @pytest.fixture
    def hold(self):
        held = []

        def hold_file(path: str, how: str = "IMMEDIATE", longer_s: float = 0) -> subprocess.Popen:
            command = [sys.executable, "-c", HOLDER, path.split("|")[0], how, str(longer_s)]
            held.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
            assert held[-1].stdout.readline() == "held\n"
            return held[-1]

        yield hold_file
        for one in held:
            one.kill()
            one.wait()

    @pytest.fixture
    def quick(self, monkeypatch):
        monkeypatch.setattr("qgis_false.dock.waiting_edits.TRY_AGAIN_MS", 50)
        monkeypatch.setattr("qgis_false.dock.label_classes.STORE_AGAIN_MS", 50)

    @pytest.mark.parametrize("how", ["IMMEDIATE", "EXCLUSIVE"])
    def test_labels_wait_for_it_and_the_window_does_not(self, quick, dock, desk, record, hold, how):
        two_classes(dock)
        dock.drawing.use("polygon")
        other = hold(dock.work.labels.source(), how)
        began = time.monotonic()
        draw_square(desk, 0.3, 0.4)
        draw_square(desk, 0.6, 0.4)
        assert time.monotonic() - began < IN_A_MOMENT_S
        assert "2 labels wait until another program" in dock.status.text() and "image_labels.gpkg" in dock.status.text()
        assert dock.work._waiting.shapes.numberOfVertices() > 4, "they are shown"
        press(desk, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        assert in_file(dock) == {} and len(dock.work.edits.waiting.labels()) == 1
        other.stdin.write("x")
        other.stdin.flush()
        until(lambda: in_file(dock) == {1: 1}, "it is written")
        until(lambda: told(record) == {1: 1}, "the session hears of it")
        assert not dock.work.edits.waiting.labels() and "wait until" not in dock.status.text()
        press(desk, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        assert in_file(dock) == {}

    def test_the_classes_are_those_that_were_read_last_and_nothing_waits(self, image, tmp_path, hold):
        from qgis_false.dock import label_file

        labels = label_file.label_layer(tmp_path / "held.gpkg", image.crs())
        label_file.show_classes(labels, [label_file.LabelClass(1, "road", "#ff0000")])
        label_file.store_classes(labels)
        before = label_file.classes_in_file(labels)
        assert [one.name for one in before] == ["road"]
        # In the other mode readers wait for nobody.
        code = "import sqlite3, sys; print(*sqlite3.connect(sys.argv[1]).execute('PRAGMA journal_mode = DELETE').fetchone())"
        command = [sys.executable, "-c", code, labels.source().split("|")[0]]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "delete\n"
        hold(labels.source(), "EXCLUSIVE")
        began = time.monotonic()
        assert label_file.classes_in_file(labels) == before
        assert time.monotonic() - began < IN_A_MOMENT_S
        label_file._READ.clear()
        began = time.monotonic()
        label_file.classes_in_file(labels)
        assert time.monotonic() - began < IN_A_MOMENT_S, "nor where nothing was read"

    def test_what_needs_attention_is_said_also_while_it_looks_at_the_rest(self, dock, desk, hold):
        from false_core.events import Progress

        two_classes(dock)
        dock.drawing.use("polygon")
        hold(dock.work.labels.source())
        draw_square(desk, 0.3, 0.4)
        dock.work.conversation._hear(Progress(0.5, "Looking at the rest of the raster"))
        assert "1 label waits until" in dock.status.text() and dock.status.styleSheet()

    def test_nothing_else_is_done_and_it_is_said(self, quick, dock, desk, hold):
        two_classes(dock)
        dock.drawing.use("polygon")
        draw_square(desk, 0.3, 0.4)
        other = hold(dock.work.labels.source())
        began = time.monotonic()
        press(desk, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        assert "is held by another program" in dock.status.text()
        dock.work.label_classes.add("tree")
        assert time.monotonic() - began < IN_A_MOMENT_S
        assert in_file(dock) == {1: 1} and dock.work.label_classes._store_later.isActive()
        other.kill()
        until(lambda: not dock.work.label_classes._store_later.isActive(), "the classes are stored")
        assert "classes are not in" not in dock.status.text()
        assert [one.name for one in dock.work.label_classes._stored] == ["road", "roof", "tree"]
        press(desk, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        assert in_file(dock) == {}

    @pytest.mark.parametrize("how", ["IMMEDIATE", "EXCLUSIVE"])
    @pytest.mark.parametrize("end", ["closed", "layer removed", "new project"])
    def test_at_the_end_of_the_work_they_go_to_a_file_of_their_own(self, dock, desk, hold, tmp_path, end, how):
        two_classes(dock)
        dock.drawing.use("polygon")
        work, source = dock.work, dock.work.labels.source()
        by = with_author(work.labels)
        taken = tmp_path / "image_labels_waiting.gpkg"
        taken.touch()
        hold(source, how)
        draw_square(desk, 0.3, 0.4)
        draw_square(desk, 0.6, 0.4, Qt.Key.Key_Return)
        began = time.monotonic()
        if end == "closed":
            dock.stop()
        elif end == "layer removed":
            QgsProject.instance().removeMapLayer(work.labels.id())
        else:
            QgsProject.instance().clear()
        assert time.monotonic() - began < IN_A_MOMENT_S
        kept = QgsVectorLayer(str(tmp_path / "image_labels_waiting_2.gpkg"), "", "ogr")
        assert [(one["class"], one["by"]) for one in kept.getFeatures()] == [(1, by)] * 2 and kept.extent().width() > 1
        assert "2 labels are not in image_labels.gpkg, but in" in desk.bar.currentItem().text()
        assert kept.source() in desk.bar.currentItem().text() and not taken.stat().st_size
        assert dock.work is None and work.session.process_id == 0 and not work.session._silence.isActive()

    @pytest.mark.parametrize("end", ["closed", "layer removed", "layer of an opened project removed"])
    def test_at_the_end_of_the_work_they_are_written_where_it_let_go(self, dock, desk, hold, tmp_path, end):
        two_classes(dock)
        if "opened" in end:
            path = str(tmp_path / "project.qgs")
            assert QgsProject.instance().write(path) and QgsProject.instance().read(path)
            until(lambda: dock.work is not None and dock.work.conversation.opened is not None, "it goes on")
            desk.canvas.setLayers([dock.work.raster])
            desk.canvas.setExtent(dock.work.raster.extent())
            dock.classes.choose(1)
        dock.drawing.use("polygon")
        source = dock.work.labels.source()
        other = hold(source)
        draw_square(desk, 0.3, 0.4)
        other.kill()
        other.wait()
        dock.stop() if end == "closed" else QgsProject.instance().removeMapLayer(dock.work.labels.id())
        assert [one["class"] for one in QgsVectorLayer(source, "", "ogr").getFeatures()] == [1]
        assert not list(tmp_path.glob("*_waiting*"))

    @pytest.mark.parametrize("odd", ["a type", "a name", "gone since", "new since", "a value"])
    def test_no_field_of_theirs_keeps_them_from_a_file_of_their_own(self, dock, desk, hold, monkeypatch, tmp_path, odd):
        from qgis_false.dock import label_replacement, rescue_file

        monkeypatch.setattr(rescue_file, "documents", lambda: tmp_path / "documents")
        two_classes(dock)
        work, provider = dock.work, dock.work.labels.dataProvider()
        by = with_author(work.labels) if odd != "new since" else ""
        if odd == "a type":
            work.labels.addExpressionField("7", QgsField("odd", QVariant.UInt))
        elif odd == "a name":
            work.labels.addExpressionField("7", QgsField("geom", QVariant.Int))
        if odd == "a value":
            added = label_replacement._added
            monkeypatch.setattr(
                label_replacement,
                "_added",
                lambda to, features: (False, []) if any(one["by"] for one in features) else added(to, features),
            )
        square = QgsGeometry.fromRect(QgsRectangle(500_001, 5_599_980, 500_005, 5_599_984))
        if odd == "gone since":
            work.edits.add([(square, 1)])
            work.edits.undo()
            assert provider.deleteAttributes([work.labels.fields().lookupField("by")])
            work.labels.updateFields()
            hold(work.labels.source())
            work.edits.redo()
        else:
            hold(work.labels.source())
            work.edits.add([(square, 1)])
        if odd == "new since":
            field = work.labels.addExpressionField("''", QgsField("by", QVariant.String))
            work.labels.setDefaultValueDefinition(field, QgsDefaultValue("'Ada'"))
        work.edits.add([(square, 2)])
        dock.stop()
        assert "2 labels are not in image_labels.gpkg, but in" in desk.bar.currentItem().text()
        kept = list(QgsVectorLayer(str(tmp_path / "image_labels_waiting.gpkg"), "", "ogr").getFeatures())
        assert [one["class"] for one in kept] == [1, 2] and all(one.geometry().area() == 16 for one in kept)
        expected = {"gone since": [by, None], "new since": [None, "Ada"], "a value": [None, None]}.get(odd, [by, by])
        assert [one["by"] or None for one in kept] == expected

    def test_where_the_folder_takes_no_file_they_go_to_the_documents(self, dock, desk, image, hold, monkeypatch, tmp_path):
        from qgis_false.dock import rescue_file

        home, made = tmp_path / "documents", rescue_file.label_layer
        home.mkdir()

        def made_elsewhere(path: Path, *given: object) -> QgsVectorLayer:
            if path.parent == tmp_path:
                raise QgsProcessingException("read-only")
            return made(path, *given)

        monkeypatch.setattr(rescue_file, "label_layer", made_elsewhere)
        monkeypatch.setattr(rescue_file, "documents", lambda: home)
        two_classes(dock)
        dock.drawing.use("polygon")
        other = hold(dock.work.labels.source())
        draw_square(desk, 0.3, 0.4)
        (kept,) = home.glob("image_labels_*_waiting.gpkg")
        assert str(kept) in dock.status.text()
        dock.stop()
        assert codes_in(kept) == [1] and str(kept) in desk.bar.currentItem().text()
        other.kill()
        other.wait()
        dock.start(image)
        assert in_file(dock) == {1: 1} and not list(home.iterdir())

    def test_meanwhile_they_lie_in_a_file_of_their_own(self, quick, dock, desk, hold, tmp_path):
        two_classes(dock)
        dock.drawing.use("polygon")
        other, kept = hold(dock.work.labels.source()), tmp_path / "image_labels_waiting.gpkg"
        draw_square(desk, 0.3, 0.4)
        assert codes_in(kept) == [1] and "Until then it is in image_labels_waiting.gpkg." in dock.status.text()
        press(desk, Qt.Key.Key_2)
        draw_square(desk, 0.6, 0.4)
        assert codes_in(kept) == [1, 2]
        press(desk, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        assert codes_in(kept) == [1]
        press(desk, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        assert not list(tmp_path.glob("*_waiting*"))
        press(desk, Qt.Key.Key_Y, Qt.KeyboardModifier.ControlModifier)
        assert codes_in(kept) == [1]
        other.kill()
        until(lambda: in_file(dock) == {1: 1}, "it is written")
        until(lambda: not list(tmp_path.glob("*_waiting*")), "the other file is gone")

    def test_that_no_file_takes_them_is_said(self, dock, desk, hold, monkeypatch):
        from qgis_false.dock import rescue_file

        def refuse(*_: object) -> None:
            raise QgsProcessingException("The disk is full.")

        two_classes(dock)
        dock.drawing.use("polygon")
        hold(dock.work.labels.source())
        monkeypatch.setattr(rescue_file, "label_layer", refuse)
        draw_square(desk, 0.3, 0.4)
        assert "in the memory of QGIS alone. The disk is full." in dock.status.text()
        monkeypatch.undo()
        draw_square(desk, 0.6, 0.4)
        assert "Until then they are in image_labels_waiting.gpkg." in dock.status.text()

    def test_those_of_a_qgis_that_is_killed_are_taken_up(self, dock, desk, image, hold, tmp_path):
        two_classes(dock)
        source = dock.work.labels.source()
        dock.stop()
        other, kept = hold(source), tmp_path / "image_labels_waiting.gpkg"
        command = [sys.executable, "-c", KILLED, source.split("|")[0], image.crs().authid()]
        paths = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        killed = subprocess.Popen(command, env=paths, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            assert killed.stdout.readline() == "2 wait\n"
            other.kill()
            other.wait()
            dock.start(image)
            assert in_file(dock) == {} and codes_in(kept) == [2, 2], "they are still those of the other one"
            dock.stop()
        finally:
            killed.kill()
            killed.wait()
        dock.start(image)
        assert in_file(dock) == {1: 3, 2: 3} and [one.name for one in dock.work.classes] == ["road", "roof", "tree"]
        assert "2 labels that still waited" in desk.bar.currentItem().text()
        assert not list(tmp_path.glob("*_waiting*"))
        dock.drawing.undo()
        assert in_file(dock) == {}

    def test_those_of_a_qgis_on_another_computer_are_offered_and_taken_up_where_a_person_says_so(
        self, dock, desk, image, hold, monkeypatch, tmp_path
    ):
        from qgis_false.dock import rescue_file

        two_classes(dock)
        dock.drawing.use("polygon")
        other, kept = hold(dock.work.labels.source()), tmp_path / "image_labels_waiting.gpkg"
        draw_square(desk, 0.3, 0.4)
        dock.stop()
        other.kill()
        other.wait()
        lock = kept.with_name(f".{kept.name}.lock")
        lock.write_text(f"{os.getpid()}\nqgis\nanother-computer\n", "utf-8")
        dock.start(image)
        said = desk.bar.currentItem()
        assert in_file(dock) == {} and codes_in(kept) == [1]
        assert "1 label waits in" in said.text() and "on the computer another-computer" in said.text()
        monkeypatch.setattr(rescue_file.QLockFile, "removeStaleLockFile", lambda _: False)
        dock.work.take_up_rescued([kept])
        assert in_file(dock) == {} and codes_in(kept) == [1], "a process holds the lock"
        monkeypatch.undo()
        said.findChild(QPushButton).click()
        assert in_file(dock) == {1: 1} and not kept.exists() and not lock.exists()
        assert "1 label that still waited" in desk.bar.currentItem().text()

    def test_a_file_of_the_user_that_is_called_as_theirs_is_left_alone(self, quick, dock, desk, image, hold, tmp_path):
        from qgis_false.dock.label_file import label_layer

        two_classes(dock)
        own = tmp_path / "image_labels_waiting.gpkg"
        theirs = label_layer(own, image.crs())  # Even one with labels of ours.
        label = QgsFeature(theirs.fields())
        label["class"] = 2
        label.setGeometry(QgsGeometry.fromRect(image.extent()))
        assert theirs.dataProvider().addFeature(label)
        del theirs
        dock.stop()
        dock.start(image)
        assert in_file(dock) == {} and codes_in(own) == [2]
        dock.drawing.use("polygon")
        other = hold(dock.work.labels.source())
        draw_square(desk, 0.3, 0.4)
        assert codes_in(tmp_path / "image_labels_waiting_2.gpkg") == [1]
        other.kill()
        until(lambda: in_file(dock) == {1: 1}, "it is written")
        until(lambda: not (tmp_path / "image_labels_waiting_2.gpkg").exists(), "the other file is gone")
        assert codes_in(own) == [2]

    def test_at_the_next_opening_they_are_taken_up_once(self, dock, desk, image, hold, tmp_path):
        two_classes(dock)
        dock.drawing.use("polygon")
        by = with_author(dock.work.labels)
        other, kept = hold(dock.work.labels.source()), tmp_path / "image_labels_waiting.gpkg"
        draw_square(desk, 0.3, 0.4)
        draw_square(desk, 0.6, 0.4)
        dock.stop()
        dock.start(image)
        assert "2 labels of the last time still wait in" in desk.bar.currentItem().text() and codes_in(kept) == [1, 1]
        dock.stop()
        other.kill()
        other.wait()
        written = kept.read_bytes()
        for _ in range(2):
            dock.start(image)
            assert in_file(dock) == {1: 1, 2: 1} and [one["by"] for one in dock.work.labels.getFeatures()] == [by] * 2
            dock.stop()
            assert not list(tmp_path.glob("*_waiting*"))
            kept.write_bytes(written)  # As if it could not be removed.

    def test_a_file_of_their_own_that_cannot_be_removed_is_emptied(self, quick, dock, desk, hold, monkeypatch, tmp_path):
        unlink = Path.unlink

        def held(path: Path, *given: bool) -> None:
            if "_waiting" in path.name:
                raise PermissionError("A virus scanner holds it.")
            unlink(path, *given)

        two_classes(dock)
        dock.drawing.use("polygon")
        hold(dock.work.labels.source())
        draw_square(desk, 0.3, 0.4)
        monkeypatch.setattr(Path, "unlink", held)
        press(desk, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        assert codes_in(tmp_path / "image_labels_waiting.gpkg") == []

    def test_where_their_drive_is_gone_too_it_is_said(self, dock, desk, hold, monkeypatch):
        from qgis_false.dock import rescue_file

        def gone(*_: object) -> None:
            raise OSError("Transport endpoint is not connected")

        two_classes(dock)
        dock.drawing.use("polygon")
        hold(dock.work.labels.source())
        monkeypatch.setattr(rescue_file, "numbered", gone)
        draw_square(desk, 0.3, 0.4)
        assert "in the memory of QGIS alone." in dock.status.text() and "is not connected" in dock.status.text()

    def test_one_that_the_crs_of_the_layer_cannot_show_is_left_where_it_is(self, dock):
        two_classes(dock)
        there = QgsVectorLayer("Polygon?crs=EPSG:4326&field=class:integer", "", "memory")
        label = QgsFeature(there.fields())
        label["class"] = 1
        label.setGeometry(QgsGeometry.fromRect(QgsRectangle(0, 95, 1, 96)))
        with pytest.raises(QgsProcessingException, match="lies outside what the CRS of the label layer can show"):
            dock.work.edits.take_up([label], there.crs(), {})

    def test_the_window_does_not_stand_still_while_it_is_tried_again(self, quick, dock, desk, hold, monkeypatch):
        from qgis_false.dock import busy_file

        two_classes(dock)
        dock.drawing.use("polygon")
        hold(dock.work.labels.source())
        draw_square(desk, 0.3, 0.4)
        dock.work.label_classes.add("tree")
        asked, is_free = [], busy_file._is_free
        monkeypatch.setattr(busy_file, "_is_free", lambda path, patience: asked.append(patience) or is_free(path, patience))
        shown = []
        monkeypatch.setattr("qgis_false.dock.label_classes.show_classes", lambda *given: shown.append(given))
        until(lambda: len(asked) > 8, "it is tried again")
        assert set(asked) == {0} and not shown

    def test_one_that_is_taken_back_comes_again(self, quick, dock, desk, hold):
        two_classes(dock)
        dock.drawing.use("polygon")
        other = hold(dock.work.labels.source())
        draw_square(desk, 0.3, 0.4)
        press(desk, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        assert not dock.work.edits.waiting.labels()
        press(desk, Qt.Key.Key_Y, Qt.KeyboardModifier.ControlModifier)
        assert len(dock.work.edits.waiting.labels()) == 1
        press(desk, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        other.kill()
        other.wait()
        press(desk, Qt.Key.Key_Y, Qt.KeyboardModifier.ControlModifier)
        assert in_file(dock) == {1: 1} and not dock.work.edits.can_redo()

    def test_without_a_session_it_is_not_said_that_the_raster_is_open(self, quick, dock, desk, hold):
        two_classes(dock)
        dock.drawing.use("polygon")
        hold(dock.work.labels.source())
        dock.work.session.give_up("The raster cannot be read.")
        draw_square(desk, 0.3, 0.4)
        assert "1 label waits until" in dock.status.text() and "The raster cannot be read." in dock.status.text()
        assert "The raster is open" not in dock.status.text()

    def test_another_problem_than_that_is_said_by_its_name(self, quick, dock, desk, hold, monkeypatch):
        two_classes(dock)
        dock.drawing.use("polygon")
        other = hold(dock.work.labels.source())
        draw_square(desk, 0.3, 0.4)
        monkeypatch.setattr("qgis_false.dock.label_replacement._added", lambda provider, features: (False, []))
        other.kill()
        until(lambda: "cannot be written to" in dock.status.text(), "it is said")
        assert "wait until another program" not in dock.status.text()
        monkeypatch.undo()

    def test_sample_points_are_answered_again(self, dock, desk, tmp_path, hold):
        from qgis.core import QgsVectorFileWriter

        path = str(tmp_path / "points.gpkg")
        options = QgsVectorFileWriter.SaveVectorOptions()
        QgsVectorFileWriter.writeAsVectorFormatV3(sample_points(), path, QgsProject.instance().transformContext(), options)
        points = QgsVectorLayer(path, "in a file", "ogr")
        QgsProject.instance().addMapLayer(points)
        two_classes(dock)
        dock.samples.fill_in(points)
        hold(path)
        began = time.monotonic()
        press(desk, Qt.Key.Key_1)
        assert time.monotonic() - began < IN_A_MOMENT_S
        assert "is held by another program" in dock.status.text() and dock.samples.queue.filled == 0


@pytest.mark.thorough
class TestSession:
    @pytest.mark.thorough
    @pytest.mark.parametrize("mode", ["dies of the first label", "talks nonsense once", "sends half a picture"])
    def test_after_its_end_another_one_is_told_everything_again(self, dock, desk, record):
        two_classes(dock)
        dock.drawing.use("polygon")
        draw_square(desk, 0.3, 0.4)
        press(desk, Qt.Key.Key_2)
        draw_square(desk, 0.6, 0.4)
        until(lambda: len(requests(record, "open")) >= 2 and told(record) == {1: 1, 2: 2}, "the next one is told")
        assert in_file(dock) == {1: 1, 2: 2}

    def test_killed_from_outside_it_begins_again(self, dock, desk, record):
        two_classes(dock)
        dock.drawing.use("polygon")
        draw_square(desk, 0.3, 0.4)
        os.kill(dock.work.session.process_id, signal.SIGKILL)
        draw_square(desk, 0.6, 0.4)
        until(lambda: len(requests(record, "open")) == 2 and told(record) == {1: 1, 2: 1}, "the next one is told")

    def test_where_a_person_begins_anew_before_it_begins_by_itself_only_one_runs(self, dock, desk, record, monkeypatch):
        session = dock.work.session
        session.start_again("It talks nonsense.")
        assert session._restart_later.isActive()
        session.restart()
        first = session._process
        assert not session._restart_later.isActive()
        session.start()
        assert first._closed and first._child.wait(10) is not None and session._process is not first
        session.start_again("It talks nonsense.")
        session.give_up("It speaks another version.")
        assert not session._restart_later.isActive()

    @pytest.mark.thorough
    @pytest.mark.parametrize("mode", ["dies of each label"])
    def test_one_that_keeps_dying_is_left_alone(self, dock, desk):
        two_classes(dock)
        dock.drawing.use("polygon")
        draw_square(desk, 0.3, 0.4)
        until(lambda: "several times" in dock.status.text(), "it gives up")
        assert "a pointer to nowhere" in dock.status.text()
        assert dock.again.isVisibleTo(dock)
        assert in_file(dock) == {1: 1}

    @pytest.mark.parametrize("mode", ["hangs"])
    def test_one_that_hangs_is_said_to_and_can_be_replaced(self, dock, desk, record, monkeypatch):
        two_classes(dock)
        dock.drawing.use("polygon")
        draw_square(desk, 0.3, 0.4)
        until(lambda: told(record) == {1: 1}, "it hears of the label, and hangs")
        monkeypatch.setattr("qgis_false.dock.lasting_session.SILENCE_S", 0.0)
        dock.work.session._look_for_silence()
        assert "has not answered" in dock.status.text()
        draw_square(desk, 0.6, 0.4)
        assert in_file(dock) == {1: 1, 2: 1}
        dock.again.click()
        until(lambda: len(requests(record, "open")) == 2, "another one begins")

    def test_many_labels_come_in_several_requests(self, dock, record, monkeypatch):
        monkeypatch.setattr("qgis_false.dock.label_watch.MOST_IN_ONE_REQUEST", 3)
        two_classes(dock)
        features = []
        for number in range(8):
            feature = QgsFeature(dock.work.labels.fields())
            feature["class"] = 1
            x = 500_001 + number
            feature.setGeometry(
                QgsGeometry.fromWkt(f"MultiPolygon((({x} 5599990, {x + 1} 5599990, {x} 5599992, {x} 5599990)))")
            )
            features.append(feature)
        assert dock.work.labels.dataProvider().addFeatures(features)[0]
        until(lambda: len(told(record)) == 8, "all are told")
        assert [one["more"] for one in requests(record, "changelabels")] == [True, True, False]

    @pytest.mark.thorough
    def test_ten_thousand_labels_do_not_hold_qgis_up(self, dock, record):
        two_classes(dock)
        features = []
        for number in range(10_000):
            feature = QgsFeature(dock.work.labels.fields())
            feature["class"] = 1 + number % 2
            x, y = 500_000 + number % 100 * 0.4, 5_599_970 + number // 100 * 0.3
            box = f"({x} {y}, {x + 0.3} {y}, {x + 0.3} {y + 0.2}, {x} {y})"
            feature.setGeometry(QgsGeometry.fromWkt(f"MultiPolygon(({box}))"))
            features.append(feature)
        assert dock.work.labels.dataProvider().addFeatures(features)[0]
        held_up = []
        last = time.monotonic()

        def is_told() -> bool:
            nonlocal last
            now = time.monotonic()
            held_up.append(now - last)
            last = now
            return sum(dock.work.watch.counts().values()) == 10_000

        until(is_told, "all are told")
        assert max(held_up) < 1.0  # It is 25 ms on a computer that does nothing else.
        started = time.monotonic()
        dock.work.edits.add(
            [(QgsGeometry.fromWkt("Polygon((500005 5599990, 500007 5599990, 500007 5599992, 500005 5599990))"), 1)]
        )
        assert time.monotonic() - started < 1.0
        until(lambda: len(told(record)) == 10_001, "the session hears of one more")

    def test_it_says_what_to_do_also_while_it_looks_at_the_rest(self, dock, desk):
        from false_core.events import Progress

        dock.work.conversation._hear(Progress(0.5, "Looking at the rest of the raster"))
        assert "Add a class for each land cover" in dock.status.text()
        two_classes(dock)
        until(lambda: dock.work.conversation.learned is not None, "it has no labels to learn from")
        dock.work.conversation._hear(Progress(0.6, "Looking at the rest of the raster"))
        assert dock.status.text() == dock.work.conversation.learned.problem
        dock.drawing.use("polygon")
        draw_square(desk, 0.3, 0.4)
        press(desk, Qt.Key.Key_2)
        draw_square(desk, 0.6, 0.4)
        until(
            lambda: dock.status.text() == "Learned from 2 labels. Looking at the rest of the raster 60%.", "it has learned"
        )
        dock.work.conversation._hear(Progress(1.0, "Looking at the rest of the raster"))
        assert dock.status.text() == "Learned from 2 labels."

    def test_of_labels_that_a_new_session_has_not_looked_at_yet_it_does_not_say_that_there_are_none(self, dock, desk):
        two_classes(dock)
        dock.drawing.use("polygon")
        draw_square(desk, 0.3, 0.4)
        until(lambda: 0 < dock.work.conversation._state.sent_by == dock.work.conversation.learned.number, "it has learned")
        before = dock.work.conversation._state.sent_by - 1
        dock.work.conversation._hear(Learned(before, 0, 0, 0, "There is no label yet. Draw one of each of two classes."))
        assert dock.status.text() == "The labels are being looked at."

    @pytest.mark.parametrize("code", [0, 300, -1])
    def test_a_label_with_a_code_that_no_map_holds_waits_and_the_others_count(self, dock, desk, code):
        two_classes(dock)
        dock.drawing.use("polygon")
        draw_square(desk, 0.3, 0.4)
        draw_square(desk, 0.6, 0.7)
        until(lambda: dock.work.watch.counts() == {1: 2}, "both count")
        dock.work.edits.reclassify([2], code)
        until(lambda: dock.work.watch.counts() == {1: 1}, "one waits")
        dock.work.watch.reset()
        until(lambda: dock.work.watch.counts() == {1: 1}, "all are told anew but that one")
        talk = dock.work.conversation
        until(lambda: talk.learned is not None and talk._state.sent_by <= talk.learned.number, "it has learned")
        assert "code" not in dock.status.text()

    def test_that_labels_are_refused_is_said_until_the_next_ones(self, dock, desk, monkeypatch):
        talk = dock.work.conversation
        two_classes(dock)
        dock.drawing.use("polygon")
        draw_square(desk, 0.3, 0.4)
        until(lambda: 0 < talk._state.sent_by == talk.learned.number, "it has learned")
        ask, numbers = dock.work.session._process.ask, iter((1000, 1001, 1002))
        monkeypatch.setattr(dock.work.session._process, "ask", lambda kind, **values: next(numbers))
        known, problem = talk.learned, talk.learned.problem
        dock.work.edits.reclassify([1], 2)
        assert dock.status.text() == "The labels are being looked at."
        talk._hear(Refused(1000, "Label 1 has the class code 300.", "Codes are whole numbers from 1 to 254."))
        talk._hear(known)
        assert "class code 300" in dock.status.text() and dock.status.styleSheet()
        dock.work.watch.has_more = True  # Of several requests the first one is refused, and the last one is not.
        dock.work.edits.reclassify([1], 1)
        dock.work.watch.has_more = False
        assert dock.status.text() == "The labels are being looked at."
        talk._hear(Refused(1001, "Label 1 has the class code 0.", ""))
        dock.work.edits.reclassify([1], 2)
        talk._hear(Learned(1002, 1, 0, 0, problem))
        assert dock.status.text() == "Label 1 has the class code 0."
        monkeypatch.setattr(dock.work.session._process, "ask", ask)
        dock.work.edits.reclassify([1], 1)
        talk._hear(Learned(2000, 1, 0, 0, problem))
        assert dock.status.text() == problem

    def test_no_picture_is_owed_where_there_is_no_map(self, dock, desk, image, record, monkeypatch):
        """Who looks around before the first label is not told after a minute that the session is silent."""
        two_classes(dock)
        until(lambda: dock.work.conversation.learned is not None and dock.work.session._owed is None, "it has answered")
        seen = len(requests(record, "view"))
        desk.canvas.zoomByFactor(0.5)
        until(lambda: len(requests(record, "view")) > seen, "another view is asked for")
        monkeypatch.setattr("qgis_false.dock.lasting_session.SILENCE_S", -1)
        dock.work.session._look_for_silence()
        assert not dock.work.session.needs_restart and "has not answered" not in dock.status.text()
        dock.work.session.ask(Suggest)
        dock.work.session._look_for_silence()
        assert dock.work.session.needs_restart

    def test_an_answer_to_what_was_asked_before_is_none_to_what_was_asked_last(self, dock):
        two_classes(dock)
        session = dock.work.session
        until(lambda: dock.work.conversation.learned is not None and session._owed is None, "it has answered")
        number = session.ask(Suggest)
        session._hear(Learned(number - 1, 0, problem="Draw labels of two classes."))
        assert session._owed == (Suggest, number)
        until(lambda: session._owed is None, "it answers")

    def test_it_ends_with_the_dock(self, dock):
        process = dock.work.session._process._child
        dock.close()
        until(lambda: process.poll() is not None, "it ends")
        assert process.returncode == 0

    def test_scores_stand_beside_the_classes(self, dock, desk):
        two_classes(dock)
        dock.drawing.use("polygon")
        draw_square(desk, 0.3, 0.4)
        draw_square(desk, 0.3, 0.6)
        press(desk, Qt.Key.Key_2)
        draw_square(desk, 0.6, 0.4)
        model = dock.classes.model
        until(lambda: model.index(0, 4).data() == "90% (70–97)", "a score comes")
        assert model.index(1, 4).data() == "after 1 more"
        assert model.index(1, 4).data(Qt.ItemDataRole.ToolTipRole) == "unknown, draw 1 more"
        assert model.index(0, 2).data(Qt.ItemDataRole.ToolTipRole).startswith("road\n")
        assert [model.index(row, 3).data() for row in range(2)] == ["2", "1"]
        dock.work.edits.remove([3])
        until(lambda: model.index(0, 4).data() == "", "the map is gone, and its score with it")
        assert dock.work.conversation.scores is None

    @pytest.mark.parametrize("model", ["", "a.safetensors"])
    def test_a_map_of_labels_that_are_gone_is_not_shown_and_comes_back_with_them(self, dock, desk, model):
        from qgis_false.dock.project_state import EncoderChoice

        two_classes(dock)
        dock.work.reopen(EncoderChoice(model=model))
        dock.drawing.use("polygon")
        draw_square(desk, 0.3, 0.4)
        press(desk, Qt.Key.Key_2)
        draw_square(desk, 0.6, 0.4)
        until(lambda: dock.work.live.layer is not None, "there is a map")
        dock.drawing.undo()
        talk = dock.work.conversation
        until(lambda: talk.learned is not None and bool(talk.learned.problem), "one class is left")
        assert (dock.work.live.layer is None) == (not model)  # A model makes a map without labels.
        assert ("FALSE" in [one.name() for one in desk.canvas.layers()]) == bool(model)
        dock.drawing.redo()
        until(lambda: dock.work.live.layer is not None and dock.work.live.layer in desk.canvas.layers(), "it is back")

    def test_a_narrow_dock_cuts_names_and_no_accuracy(self, dock):
        from qgis_false.dock.class_list import ACCURACY_COLUMN, COUNT_COLUMN, NAME_COLUMN

        two_classes(dock)
        known = SimpleNamespace(code=1, accuracy=1.0, low=0.88, high=1.0, missing=0)
        dock.classes.model.set_scores(SimpleNamespace(classes=[known]))
        dock.setFloating(True)
        dock.resize(1, dock.height())
        dock.show()
        QCoreApplication.processEvents()
        table = dock.classes.table
        assert table.horizontalScrollBar().maximum() == 0
        assert [
            table.columnWidth(column) >= table.sizeHintForColumn(column) for column in (COUNT_COLUMN, ACCURACY_COLUMN)
        ] == [True, True]
        assert table.columnWidth(NAME_COLUMN) >= 40

    def test_the_next_place_is_zoomed_to(self, dock, desk):
        two_classes(dock)
        dock.drawing.use("polygon")
        press(desk, Qt.Key.Key_N)
        until(lambda: "1 of 2" in dock.next_place.line.text(), "places come")
        assert desk.canvas.extent().center().x() == pytest.approx(500_012, abs=0.1)
        assert "road or roof?" in dock.next_place.line.text()
        press(desk, Qt.Key.Key_N)
        assert "2 of 2" in dock.next_place.line.text()
        assert desk.canvas.size() != QSize(0, 0)

    @pytest.mark.parametrize(
        ("mode", "said"),
        [
            ("knows no places", "There is no map yet. Draw labels of two classes at least."),
            ("dies of a question", ""),  # What has happened stands above, and it has begun again.
        ],
    )
    def test_nobody_is_told_to_wait_for_places_that_do_not_come(self, dock, desk, record, said):
        two_classes(dock)
        dock.next_place.visit_next()
        assert dock.next_place.line.text() == "Looking for places..."
        until(lambda: dock.next_place.line.text() != "Looking for places...", "it looks no more")
        until(lambda: dock.next_place.line.text() == said, "it is said why")


class TestClasses:
    def test_they_come_from_the_style_of_a_layer_with_its_shapes(self, dock, labels, record):
        drawn = (("road", "#010203"), ("roof", "#040506"))
        categories = [
            QgsRendererCategory(value, QgsFillSymbol.createSimple({"color": colour}), value.upper())
            for value, colour in drawn
        ]
        labels.setRenderer(QgsCategorizedSymbolRenderer("class", categories))
        QgsProject.instance().addMapLayer(labels, False)
        dock.classes.take(labels, with_labels=True)
        assert [(one.name, one.color) for one in dock.work.classes][:2] == [("ROAD", "#010203"), ("ROOF", "#040506")]
        until(lambda: sorted(told(record).values()) == [1, 2], "the session hears of them")
        dock.work.edits.undo()
        assert in_file(dock) == {}

    @pytest.mark.parametrize("how", ["rules", "ranges", "raster"])
    def test_they_come_from_other_styles_too(self, dock, labels, image, how):
        from qgis_false.dock.class_sources import classes_of_style, layers_with_classes

        layer = labels
        if how == "rules":
            root = QgsRuleBasedRenderer.Rule(None)
            for name, colour in (("road", "#010203"), ("roof", "#040506")):
                symbol = QgsFillSymbol.createSimple({"color": colour})
                root.appendChild(QgsRuleBasedRenderer.Rule(symbol, 0, 0, f"\"class\" = '{name}'", name.upper()))
            labels.setRenderer(QgsRuleBasedRenderer(root))
        elif how == "ranges":
            layer = QgsVectorLayer("Polygon?crs=EPSG:32633&field=kind:integer", "ranges", "memory")
            features = []
            for value in (4, 7):
                features.append(QgsFeature(layer.fields()))
                features[-1]["kind"] = value
            assert layer.dataProvider().addFeatures(features)[0]
            ranges = [
                QgsRendererRange(low, low + 1, QgsFillSymbol.createSimple({"color": colour}), name)
                for low, name, colour in ((4, "ROAD", "#010203"), (7, "ROOF", "#040506"))
            ]
            layer.setRenderer(QgsGraduatedSymbolRenderer("kind", ranges))
        else:
            layer = image
            shown = [
                QgsPalettedRasterRenderer.Class(value, QColor(colour), name)
                for value, name, colour in ((4, "ROAD", "#010203"), (7, "ROOF", "#040506"))
            ]
            image.setRenderer(QgsPalettedRasterRenderer(image.dataProvider(), 1, shown))
        QgsProject.instance().addMapLayer(layer, False)
        assert layer in layers_with_classes()
        classes, _ = classes_of_style(layer, [])
        assert [(one.name, one.color) for one in classes[:2]] == [("ROAD", "#010203"), ("ROOF", "#040506")]
        if how != "rules":
            assert [one.code for one in classes] == [4, 7]

    @pytest.mark.parametrize("kind", ["integer", "double"])
    def test_they_are_the_ranges_of_a_style_with_all_values_in_them(self, dock, image, kind):
        layer = QgsVectorLayer(f"Polygon?crs=EPSG:32633&field=height:{kind}", "heights", "memory")
        features = []
        for number, height in enumerate((1, 2, 5, 9, 30, None)):
            features.append(QgsFeature(layer.fields()))
            features[-1]["height"] = height
            features[-1].setGeometry(
                QgsGeometry.fromRect(QgsRectangle(500_000 + number, 5_599_990, 500_001 + number, 5_599_991))
            )
        assert layer.dataProvider().addFeatures(features)[0]
        shown = ((0, 4, "low", "#010203"), (4, 10, "high", "#040506"), (10, 20, "", "#070809"))
        ranges = [
            QgsRendererRange(low, up, QgsFillSymbol.createSimple({"color": colour}), name) for low, up, name, colour in shown
        ]
        ranges[1].setRenderState(False)  # What is not ticked is a class all the same.
        layer.setRenderer(QgsGraduatedSymbolRenderer("height", ranges))
        dock.classes.take(layer, with_labels=True)
        made = [(one.name, one.color) for one in dock.work.classes]
        assert made == [("low", "#010203"), ("high", "#040506"), ("10 - 20", "#070809")]
        codes = [one.code for one in dock.work.classes]
        assert sorted(in_file(dock).values()) == sorted([codes[0]] * 2 + [codes[1]] * 2)

    def test_more_of_them_than_a_map_holds_are_refused(self, provider):
        from qgis_false.dock.class_sources import joined_classes
        from qgis_false.dock.label_file import LabelClass

        offered = [LabelClass(0, f"class {number}", "") for number in range(255)]
        assert joined_classes([], offered[:-1])[1] == list(range(1, 255))
        with pytest.raises(QgsProcessingException, match="254 classes"):
            joined_classes([], offered)

    @pytest.mark.parametrize("source", ["a layer", "a text file"])
    def test_a_name_in_other_capitals_and_blanks_is_that_class(self, dock, labels, tmp_path, source):
        from qgis_false.dock.class_sources import classes_in_text

        two_classes(dock)
        if source == "a layer":
            named = {"road": " Ro ad", "roof": "hut"}
            shown = [QgsRendererCategory(value, QgsFillSymbol(), name) for value, name in named.items()]
            labels.setRenderer(QgsCategorizedSymbolRenderer("class", shown))
            dock.classes.take(labels, with_labels=False)
        else:
            file = tmp_path / "classes.txt"
            file.write_text(" Ro ad\nhut\nHUT\n", "utf-8")
            dock.work.label_classes.change(lambda known: classes_in_text(str(file), known))
        assert [(one.code, one.name) for one in dock.work.classes] == [(1, "road"), (2, "roof"), (3, "hut")]

    @pytest.mark.thorough
    def test_they_come_from_a_text_file(self, dock, tmp_path):
        from qgis_false.dock.class_sources import classes_in_text

        file = tmp_path / "classes.txt"
        file.write_text("7;water;#0000ff\nforest;green\nroad\n", "utf-8")
        dock.work.label_classes.change(lambda known: classes_in_text(str(file), known))
        known = [(one.code, one.name, one.color) for one in dock.work.classes]
        assert known[:2] == [(7, "water", "#0000ff"), (8, "forest", "#008000")]
        assert known[2][:2] == (9, "road")

    @pytest.mark.parametrize(("text", "problem"), [(None, "cannot be read"), ("", "no new class")])
    def test_a_file_without_any_is_refused(self, provider, tmp_path, text, problem):
        from qgis_false.dock.class_sources import classes_in_text

        file = tmp_path / "classes.txt"
        if text is not None:
            file.write_text(text, "utf-8")
        with pytest.raises(QgsProcessingException, match=problem):
            classes_in_text(str(file), [])

    def test_a_layer_without_classes_is_refused(self, provider, labels):
        from qgis_false.dock.class_sources import classes_of_style

        labels.setRenderer(QgsCategorizedSymbolRenderer("no such field", []))
        with pytest.raises(QgsProcessingException, match="no style that shows classes"):
            classes_of_style(labels, [])

    def test_a_name_is_changed_in_the_list(self, dock):
        two_classes(dock)
        assert dock.classes.model.setData(dock.classes.model.index(0, 2), "way")
        assert [one.name for one in dock.work.classes] == ["way", "roof"]

    @pytest.mark.thorough
    @pytest.mark.parametrize("name", ["road", " Road", "ro ad"])
    @pytest.mark.parametrize("how", ["renamed", "added"])
    def test_two_do_not_get_the_same_name(self, dock, monkeypatch, name, how):
        two_classes(dock)
        if how == "renamed":
            dock.classes.model.setData(dock.classes.model.index(1, 2), name)
        else:
            monkeypatch.setattr("qgis_false.dock.panels.classes.QInputDialog.getText", lambda *_: (name, True))
            dock.classes._add()
        assert [one.name for one in dock.work.classes] == ["road", "roof"]
        assert "There is a class road already" in dock.status.text()
        dock.classes.model.setData(dock.classes.model.index(0, 2), name.title())
        assert [one.name for one in dock.work.classes] == [name.title().strip(), "roof"]

    @pytest.mark.thorough
    @pytest.mark.parametrize("into", [None, 2])
    def test_one_that_is_removed_comes_back_with_its_labels(self, dock, desk, into):
        two_classes(dock)
        dock.drawing.use("polygon")
        draw_square(desk, 0.3, 0.4)
        before = list(dock.work.classes)
        dock.work.remove_class(1, into)
        assert [one.code for one in dock.work.classes] == [2]
        assert dock.work.label_classes.add("tree").code == 3, "labels of the class that is gone would be trees"
        press(desk, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        assert in_file(dock) == {1: 1}
        assert dock.work.classes[:2] == before
        assert [one.name for one in dock.work.classes] == ["road", "roof", "tree"]

    @pytest.mark.thorough
    def test_several_that_are_gone_come_back_at_once(self, dock, desk):
        two_classes(dock)
        before = list(dock.work.classes)
        dock.drawing.use("polygon")
        draw_square(desk, 0.3, 0.4)
        press(desk, Qt.Key.Key_2)
        draw_square(desk, 0.6, 0.4)
        dock.work.edits.remove([1, 2])
        for code in (1, 2):
            dock.work.remove_class(code, None)
        assert dock.work.classes == []
        dock.work.edits.undo()
        assert (in_file(dock), dock.work.classes) == ({1: 1, 2: 2}, before)

    @pytest.mark.thorough
    def test_the_last_one_that_is_removed_leaves_its_code_to_its_labels(self, dock, desk):
        two_classes(dock)
        dock.drawing.use("polygon")
        press(desk, Qt.Key.Key_2)
        draw_square(desk, 0.3, 0.4)
        dock.work.remove_class(2, None)
        assert dock.work.label_classes.add("tree").code == 3
        press(desk, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        assert in_file(dock) == {1: 2}
        assert {one.code: one.name for one in dock.work.classes} == {1: "road", 2: "roof", 3: "tree"}

    @pytest.mark.thorough
    def test_one_without_labels_is_removed_at_once_and_another_one_with_them(self, dock, desk):
        two_classes(dock)
        dock.drawing.use("polygon")
        draw_square(desk, 0.3, 0.4)
        press(desk, Qt.Key.Key_2)
        dock.classes.remove()
        assert [one.name for one in dock.work.classes] == ["road"]
        dock.work.remove_class(1, into=None)
        assert in_file(dock) == {}
        assert dock.work.classes == []

    @pytest.mark.thorough
    def test_colours_are_explained(self, dock):
        dock.live_map.shows.setCurrentIndex(1)
        assert "90\u00a0%" in dock.live_map.colour_key.text()
        dock.live_map.shows.setCurrentIndex(2)
        assert "another class than before" in dock.live_map.colour_key.text()
        dock.live_map.shows.setCurrentIndex(0)
        assert dock.live_map.colour_key.text() == ""


@pytest.mark.thorough
class TestProject:
    def test_one_that_is_opened_again_finds_its_work(self, dock, desk, tmp_path, record):
        two_classes(dock)
        dock.drawing.use("polygon")
        draw_square(desk, 0.3, 0.4)
        draw_square(desk, 0.6, 0.4)
        press(desk, Qt.Key.Key_2)
        draw_square(desk, 0.8, 0.4)
        until(lambda: dock.work.live.picture is not None, "a map")
        project = QgsProject.instance()
        assert project.write(str(tmp_path / "project.qgs"))
        project.clear()
        assert dock.work is None
        assert project.read(str(tmp_path / "project.qgs"))
        until(lambda: dock.work is not None and dock.work.conversation.opened is not None, "it goes on")
        assert [one.name for one in dock.work.classes] == ["road", "roof"]
        until(lambda: told(record) == {1: 1, 2: 1, 3: 2}, "the new session is told")
        assert all(layer.isValid() for layer in project.mapLayers().values())
        assert len(project.mapLayers()) == 2

    @pytest.mark.parametrize("noted", [True, False])
    def test_a_style_that_is_changed_while_the_dock_is_closed_counts(self, dock, image, noted):
        from qgis_false.dock.label_file import STORED_PROPERTY, LabelClass, classes_in_file, show_classes, store_classes

        two_classes(dock)
        labels = dock.work.labels
        dock.stop()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        renderer = labels.renderer().clone()
        renderer.updateCategoryLabel(0, "way")
        renderer.addCategory(QgsRendererCategory(5, QgsFillSymbol.createSimple({"color": "#0000ff"}), "pond"))
        labels.setRenderer(renderer)
        if not noted:  # As by a project of an older version.
            labels.removeCustomProperty(STORED_PROPERTY)
        other = QgsVectorLayer(labels.source(), "of another QGIS", "ogr")
        show_classes(other, [*classes_in_file(other), LabelClass(3, "tree", "#00aa00")])
        store_classes(other)
        dock.start(image)
        assert dock.work.labels.id() == labels.id()
        assert [one.name for one in dock.work.classes] == ["way", "roof", "pond", "tree"]
        assert classes_in_file(labels) == dock.work.classes

    def test_classes_of_a_project_that_was_not_saved_are_in_the_file(self, dock, image):
        """The layer of the project is older than its file then, and has changed nothing."""
        two_classes(dock)
        labels = dock.work.labels
        old = labels.renderer().clone(), labels.customProperties()
        dock.work.label_classes.edit(1, name="way")
        dock.stop()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        labels.setRenderer(old[0])
        labels.setCustomProperties(old[1])
        dock.start(image)
        assert [one.name for one in dock.work.classes] == ["way", "roof"]

    def test_a_layer_that_shows_no_classes_takes_those_of_its_file(self, dock, image):
        two_classes(dock)
        labels = dock.work.labels
        dock.stop()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        labels.setRenderer(QgsSingleSymbolRenderer(QgsFillSymbol.createSimple({})))
        dock.start(image)
        assert [one.name for one in dock.work.classes] == ["road", "roof"]

    def test_a_label_layer_that_is_removed_ends_the_work(self, dock):
        QgsProject.instance().removeMapLayer(dock.work.labels.id())
        assert dock.work is None

    def test_without_a_compute_environment_the_first_page_leads_to_it(self, desk, image, monkeypatch):
        from qgis_false.dock.dock import LabelDock
        from qgis_false.environment.interpreters import NoEnvironment

        def none():
            raise NoEnvironment("There is none.", "Look for the button elsewhere.")

        monkeypatch.setattr("qgis_false.dock.first_page.find_interpreter", none)
        opened = []
        made = LabelDock(desk, opened.append)
        desk.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, made)
        made.first_page.set_up.click()
        assert opened == ["setupenvironment"]
        assert made.first_page.missing.text().startswith("There is none.\n\nSet up... downloads 0.5 GB")
        QCoreApplication.processEvents()
        assert made.widget().verticalScrollBar().maximum() == 0, "all of it is seen"
        made.shut()

    def test_the_first_page_shows_the_way_to_a_first_map(self, desk, monkeypatch):
        from qgis.PyQt.QtGui import QDesktopServices

        from qgis_false.dock.first_page import FirstPage

        opened = []
        monkeypatch.setattr(QDesktopServices, "openUrl", opened.append)
        FirstPage(lambda name: None).tutorial.click()
        assert Path(opened[0].toLocalFile()).name == "first_steps.html" and Path(opened[0].toLocalFile()).is_file()

    def test_the_first_page_proposes_the_raster_that_is_active_and_no_map(self, dock, desk, image, tmp_path):
        dock.stop()
        path = str(write_raster(tmp_path / "a map.tif", bands=1))
        dataset = gdal.Open(path, gdal.GA_Update)
        dataset.SetMetadataItem("FALSE_CLASSES", '[{"code": 1, "name": "road", "color": "#112233"}]')
        dataset = None
        the_map, other = QgsRasterLayer(path, "a map"), QgsRasterLayer(str(write_raster(tmp_path / "b.tif")), "b")
        QgsProject.instance().addMapLayers([the_map, other])
        for active, proposed in ((image, image), (other, other), (the_map, other), (None, other), (image, image)):
            desk.canvas.setCurrentLayer(active)
            assert dock.first_page.raster() == proposed
        chosen = dock.first_page._raster
        chosen.setLayer(the_map)
        chosen.activated.emit(chosen.currentIndex())
        desk.canvas.setCurrentLayer(other)
        assert dock.first_page.raster() == the_map, "what a person has chosen stays"
        QgsProject.instance().removeMapLayer(the_map.id())
        desk.canvas.setCurrentLayer(image)
        assert dock.first_page.raster() == image, "as long as it is there"
        dock.start(image)
        QgsProject.instance().removeMapLayer(image.id())
        assert dock.work is None and dock.first_page.raster() == other

    def test_no_raster_is_opened_for_a_proposal_that_nobody_sees(self, dock, desk, image, monkeypatch, tmp_path):
        opened = []
        monkeypatch.setattr("qgis_false.dock.finished_maps.classes_of", lambda path: opened.append(path) or [])
        other = QgsRasterLayer(str(write_raster(tmp_path / "b.tif")), "b")
        QgsProject.instance().addMapLayer(other)
        desk.canvas.setCurrentLayer(other)
        assert not opened
        dock.stop()
        assert dock.first_page.raster() == other and len(opened) == 2, "each once, when it is seen"

    def test_a_base_map_from_the_web_is_no_raster_to_work_on(self, desk, image):
        from qgis_false.layers.sources import raster_layers

        web = QgsRasterLayer("type=xyz&url=file:///nowhere/{x}/{y}/{z}.png", "web", "wms")
        assert web.isValid() and web.providerType() == "wms"
        QgsProject.instance().addMapLayer(web)
        assert raster_layers() == [image]

    @pytest.mark.parametrize("page", ["first page", "work"])
    def test_no_text_makes_the_page_wider_than_the_dock(self, dock, desk, page):
        if page == "first page":
            dock.stop()
        lines = [one for one in dock.pages.currentWidget().findChildren(QLabel) if one.wordWrap()]
        assert len(lines) == (1 if page == "first page" else 8)
        least = dock.pages.currentWidget().minimumSizeHint().width()
        long = "The report is in /data/" + 40 * "a_long_name_" + ".html."
        for line in lines:
            line.setText(long)
            line.show()
        assert {line.toolTip() for line in lines} == {long}
        QCoreApplication.processEvents()
        assert dock.pages.currentWidget().minimumSizeHint().width() == least

    def test_the_wheel_scrolls_the_page_and_changes_nothing(self, dock, desk):
        for widget in (dock.encoder.choice, dock.live_map.shows, dock.live_map.opacity, dock.drawing._stroke_width):
            before = [widget.currentIndex() if hasattr(widget, "currentIndex") else widget.value()]
            none, keys, phase = QPoint(0, 0), Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase
            place = QPointF(widget.rect().center())
            for steps in (1, -1):
                event = QWheelEvent(
                    place, QPointF(widget.mapToGlobal(place.toPoint())), none, QPoint(0, 120 * steps),
                    Qt.MouseButton.NoButton, keys, phase, False,
                )  # fmt: skip
                QCoreApplication.sendEvent(widget, event)
                assert not event.isAccepted(), "so it goes on to the page"
            after = [widget.currentIndex() if hasattr(widget, "currentIndex") else widget.value()]
            assert after == before

    def test_a_file_that_holds_something_else_is_refused(self, image, tmp_path):
        from qgis_false.dock.label_file import label_layer

        (tmp_path / "other.gpkg").write_bytes(b"no database")
        with pytest.raises(QgsProcessingException, match="holds no labels of FALSE"):
            label_layer(tmp_path / "other.gpkg", image.crs())
        with pytest.raises(QgsProcessingException, match="cannot be written"):
            label_layer(tmp_path / "nowhere" / "labels.gpkg", image.crs())

    @pytest.mark.parametrize("in_project", [True, False])
    def test_labels_of_the_user_under_the_name_of_ours_are_left_alone(
        self, desk, image, labels, tmp_path, record, in_project
    ):
        from qgis_false.dock.dock import LabelDock

        mine = saved(labels, tmp_path / "image_labels.gpkg")  # In a table of the same name, as the example data.
        before = [one.attributes() for one in mine.getFeatures()]
        if in_project:
            QgsProject.instance().addMapLayer(mine)
        made = LabelDock(desk, lambda name: None, lambda: [sys.executable, str(FAKE), "behaves", str(record)])
        for _ in range(2):
            made.start(image)
            assert made.work.labels.source() == f"{tmp_path / 'image_labels_2.gpkg'}|layername=labels"
        made.work.label_classes.add("road")
        made.shut()
        assert [one.attributes() for one in mine.getFeatures()] == before and not mine.listStylesInDatabase()[1]

    def test_a_label_file_that_is_damaged_is_said_and_not_replaced(self, desk, image, tmp_path):
        from qgis_false.dock.dock import LabelDock

        (tmp_path / "image_labels.gpkg").write_bytes(b"no database")
        made = LabelDock(desk, lambda name: None)
        made.start(image)
        assert made.work is None and "image_labels.gpkg holds no labels of FALSE" in made.first_page.missing.text()
        made.shut()

    @pytest.mark.parametrize("links", [True, False])
    def test_the_file_of_another_qgis_that_was_quicker_is_taken(self, image, tmp_path, monkeypatch, links):
        from qgis_false.dock import label_file

        path, real = tmp_path / "labels.gpkg", label_file.os.link
        theirs = label_file.label_layer(tmp_path / "theirs.gpkg", image.crs())
        assert theirs.isValid()

        def link(source, target):
            (tmp_path / "theirs.gpkg").rename(path)
            if not links:
                raise OSError("Operation not supported")
            real(source, target)

        monkeypatch.setattr(label_file.os, "link", link)
        before = (tmp_path / "theirs.gpkg").stat().st_ino
        assert label_file.label_layer(path, image.crs()).isValid()
        assert path.stat().st_ino == before
        monkeypatch.undo()
        made = label_file.label_layer(tmp_path / "made.gpkg", image.crs())
        assert made.isValid() and not list(tmp_path.glob(".labels_*"))

    def test_where_there_are_no_links_it_is_made_all_the_same(self, image, tmp_path, monkeypatch):
        from qgis_false.dock import label_file

        def link(source, target):
            raise OSError("Operation not supported")

        monkeypatch.setattr(label_file.os, "link", link)
        assert label_file.label_layer(tmp_path / "labels.gpkg", image.crs()).isValid()

    def test_a_folder_that_refuses_is_asked_once(self, image, tmp_path, monkeypatch):
        """On Windows tempfile takes each name in such a folder for a taken one, and tries the next one 2^31 times."""
        from qgis_false.dock import label_file

        asked = []

        def refuse(folder, *_):
            asked.append(Path(folder))
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("os.mkdir", refuse)
        monkeypatch.setattr("pathlib.Path.mkdir", refuse)
        monkeypatch.setattr("tempfile._os", SimpleNamespace(**{**vars(os), "name": "nt"}))
        monkeypatch.setattr("tempfile.TMP_MAX", 10)
        with pytest.raises(QgsProcessingException, match="cannot be written to .*Permission denied"):
            label_file.label_layer(tmp_path / "labels.gpkg", image.crs())
        assert len(asked) == 1 and asked[0].parent == tmp_path

    def test_a_file_that_a_virus_scanner_holds_is_no_failure(self, image, tmp_path, monkeypatch):
        from qgis_false.dock import label_file

        def refuse(*_, **__):
            raise PermissionError(13, "The process cannot access the file")

        for name in ("os.unlink", "os.rmdir"):
            monkeypatch.setattr(name, refuse)
        assert label_file.label_layer(tmp_path / "labels.gpkg", image.crs()).isValid()

    def test_a_file_that_takes_nothing_loses_nothing_in_silence(self, dock, desk, monkeypatch):
        two_classes(dock)
        monkeypatch.setattr("qgis_false.dock.label_replacement._added", lambda provider, features: (False, []))
        dock.drawing.use("polygon")
        draw_square(desk, 0.3, 0.4)
        assert "cannot be written" in dock.status.text()
        assert not dock.work.edits.can_undo()


class Started:
    """In place of the runs of algorithms.

    Args:
        seconds: Seconds that each is said to take; None where nobody says it.
    """

    def __init__(self, monkeypatch, seconds: float | None = 5) -> None:
        from qgis_false.dock.background_run import BackgroundRun

        self.started, self.estimated = [], []

        def start(run: BackgroundRun) -> None:
            (self.estimated if run.only_estimates else self.started).append(run)
            if run.only_estimates and seconds is not None:
                run.ended.emit(True, {"SECONDS": seconds}, f"Computing on a CPU\nThis will take about {seconds} seconds.")

        monkeypatch.setattr(BackgroundRun, "start", start)


class TestModels:
    def test_classes_are_taken_from_a_model_and_drawn_with_at_once(self, dock, desk, monkeypatch, record):
        two_classes(dock)
        monkeypatch.setattr(
            "qgis_false.dock.panels.panel.QFileDialog.getOpenFileName", lambda *asked: ("/m/wet.safetensors", "")
        )
        from_model = dock.findChild(QAction, "classes_of_model")
        from_model.trigger()
        until(lambda: [one.name for one in dock.work.classes] == ["river", "marsh"], "the classes come")
        assert requests(record, "open")[-1]["model"] == "/m/wet.safetensors"
        assert [one.code for one in dock.classes.model.classes] == [3, 7]
        dock.drawing.use("polygon")
        press(desk, Qt.Key.Key_2)
        draw_square(desk, 0.4, 0.4)
        assert in_file(dock) == {1: 7}

    @pytest.mark.thorough
    def test_one_that_is_not_chosen_changes_nothing(self, dock, monkeypatch, record):
        two_classes(dock)
        monkeypatch.setattr("qgis_false.dock.panels.panel.QFileDialog.getOpenFileName", lambda *asked: ("", ""))
        dock.findChild(QAction, "classes_of_model").trigger()
        assert [one.name for one in dock.work.classes] == ["road", "roof"]
        assert len(requests(record, "open")) == 1


class TestEncoders:
    @pytest.mark.thorough
    def test_none_leaves_colours_and_texture_and_the_project_knows(self, dock, record, tmp_path):
        from qgis_false.dock.panels.encoder import ENCODER_NONE

        assert requests(record, "open")[-1]["weights"] == "general"
        dock.encoder.choice.setCurrentIndex(ENCODER_NONE)
        dock.encoder.choice.activated.emit(ENCODER_NONE)
        until(lambda: dock.work.conversation.opened is not None, "it goes on")
        assert requests(record, "open")[-1]["weights"] == "none"
        project = QgsProject.instance()
        assert project.write(str(tmp_path / "project.qgs")) and project.read(str(tmp_path / "project.qgs"))
        until(lambda: dock.work is not None and dock.work.conversation.opened is not None, "it is found again")
        assert requests(record, "open")[-1]["weights"] == "none"
        assert dock.encoder.choice.currentIndex() == ENCODER_NONE


class TestAFolderThatIsReadOnly:
    """Root may write anywhere, so the folder only says that it is."""

    @pytest.fixture
    def image(self, image, monkeypatch, tmp_path):
        home = tmp_path / "home"
        home.mkdir()
        may = os.access
        monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path and may(path, mode))
        QgsProject.instance().setFileName(str(home / "work.qgz"))
        return image

    def test_the_one_for_temporary_files_counts_as_one_that_is_lost(self, image, monkeypatch, tmp_path):
        from qgis_false.dialogs.destinations import proposed
        from qgis_false.dock.label_file import file_beside

        folder = Path(QgsProcessingUtils.tempFolder()) / "clip"
        folder.mkdir(exist_ok=True)
        layer = QgsRasterLayer(str(write_raster(folder / "OUTPUT.tif")), "Clipped (mask)")
        home = tmp_path / "documents"
        home.mkdir()
        assert file_beside(layer, "_labels.gpkg") == tmp_path / "home" / "Clipped_mask_labels.gpkg"
        assert proposed(layer.source(), "classify", "OUTPUT", ".tif") == str(tmp_path / "home" / "OUTPUT_map.tif")
        QgsProject.instance().setFileName("")
        monkeypatch.setattr("qgis_false.dialogs.destinations.QStandardPaths.writableLocation", lambda place: str(home))
        assert file_beside(layer, "_labels.gpkg") == home / "Clipped_mask_labels.gpkg"
        assert proposed(layer.source(), "classify", "OUTPUT", ".tif") is None, "as the results of all algorithms of QGIS"

    def test_nothing_is_written_over_for_a_temporary_one_while_the_project_is_not_saved(self, desk, monkeypatch, tmp_path):
        from qgis_false.dock.panels.whole_maps import _new_file

        monkeypatch.setattr("qgis_false.dialogs.destinations.QStandardPaths.writableLocation", lambda place: str(tmp_path))
        folder = Path(QgsProcessingUtils.tempFolder()) / "another clip"
        folder.mkdir(exist_ok=True)
        layer = QgsRasterLayer(str(write_raster(folder / "OUTPUT.tif")), "Clipped (mask)")
        for asked, name in (
            (("finetune", "model", ".safetensors"), "model"), (("classify", "output", ".tif"), "map"),
            (("editmap", "output", ".tif"), "corrected"), (("comparemaps", "report", ".html"), "comparemaps_report"),
        ):  # fmt: skip
            for number in ("", "_2", "_3"):
                path = Path(_new_file(layer, *asked))
                assert path == tmp_path / f"Clipped_mask_{name}{number}{asked[2]}"
                path.touch()

    def test_a_temporary_one_has_no_labels_of_another_one_of_its_name(self, desk, monkeypatch, tmp_path):
        from qgis_false.dock.dock import _labels_of

        monkeypatch.setattr("qgis_false.dialogs.destinations.QStandardPaths.writableLocation", lambda place: str(tmp_path))
        clips = []
        for name in ("first", "second", "third"):
            folder = Path(QgsProcessingUtils.tempFolder()) / name
            folder.mkdir(exist_ok=True)
            clips.append(QgsRasterLayer(str(write_raster(folder / "OUTPUT.tif")), "Clipped (mask)"))
        first, second = (_labels_of(one) for one in clips[:2])
        assert [Path(one.source().split("|")[0]).name for one in (first, second)] == [
            "Clipped_mask_labels.gpkg", "Clipped_mask_labels_2.gpkg"
        ]  # fmt: skip
        assert [_labels_of(one) for one in clips[:2]] == [first, second], "each finds its own again"
        QgsProject.instance().clear()
        assert _labels_of(clips[2]).source().split("|")[0] == str(tmp_path / "Clipped_mask_labels_3.gpkg")

    def test_labels_that_are_in_the_home_folder_already_stay_there(self, desk, image, monkeypatch, tmp_path):
        from qgis_false.dock.label_file import label_file_of, label_layer

        home, documents = tmp_path / "user", tmp_path / "user" / "documents"
        documents.mkdir(parents=True)
        monkeypatch.setattr(Path, "home", lambda: home)
        monkeypatch.setattr("qgis_false.dialogs.destinations.QStandardPaths.writableLocation", lambda place: str(documents))
        QgsProject.instance().setFileName("")
        assert label_file_of(image) == documents / "image_labels.gpkg"
        label_layer(home / "image_labels.gpkg", image.crs())
        assert label_file_of(image) == home / "image_labels.gpkg"

    @pytest.mark.thorough
    def test_has_labels_model_and_map_in_the_folder_of_the_project(self, dock, desk, monkeypatch, tmp_path):
        runs = Started(monkeypatch)
        assert dock.work.labels.source().split("|")[0] == str(tmp_path / "home" / "image_labels.gpkg")
        two_classes(dock)
        dock.drawing.use("polygon")
        draw_square(desk, 0.4, 0.4)
        assert in_file(dock) == {1: 1}
        dock.whole_maps.make_map.click()
        until(lambda: runs.started, "the run begins")
        (run,) = runs.started
        assert {Path(run.values[name]).parent for name in ("MODEL", "OUTPUT")} == {tmp_path / "home"}
        assert not [one.name for one in tmp_path.iterdir() if one.name.startswith("image_")]


@pytest.mark.thorough
class TestWholeMaps:
    def test_the_map_is_made_of_the_saved_model_and_shown(self, dock, monkeypatch, tmp_path):
        runs = Started(monkeypatch)
        dock.whole_maps.make_map.click()
        until(lambda: runs.started, "the run begins")
        (run,) = runs.started
        assert (run.name, run.values["RASTER"]) == ("classify", dock.work.raster.id())
        assert Path(run.values["MODEL"]) == tmp_path / "image_model.safetensors"
        assert Path(run.values["OUTPUT"]) == tmp_path / "image_map.tif"
        assert not dock.whole_maps.make_map.isEnabled()
        write_raster(Path(run.values["OUTPUT"]), bands=1)
        run.ended.emit(True, {"OUTPUT": run.values["OUTPUT"]}, "")
        (made,) = [one for one in QgsProject.instance().mapLayers().values() if one.source() == run.values["OUTPUT"]]
        said = made.metadata().abstract().split("\n")
        assert "by Classify a raster of FALSE" in said[0] and said[1:] == ["Raster: image", "Model: image_model.safetensors"]
        assert dock.whole_maps.make_map.isEnabled()

    def test_it_is_begun_once_and_shown_while_the_model_is_saved(self, dock, monkeypatch):
        runs, panel, asked = Started(monkeypatch), dock.whole_maps, []
        monkeypatch.setattr(dock.work.model_saving, "ask", asked.append)
        panel.make_map.click()
        panel._save_model()
        assert len(asked) == 1 and not panel.make_map.isEnabled() and not panel.improve.isEnabled()
        assert not panel._progress.isHidden() and not panel._cancel.isHidden()
        dock.work.model_saving.saved.emit(str(asked[0]))
        assert len(runs.started) == 1 and not panel._cancel.isHidden()
        runs.started[0].ended.emit(False, {}, "")
        assert panel.make_map.isEnabled() and panel._progress.isHidden()

    @pytest.mark.parametrize("why", ["refused", "cancelled", "session ends", "dock is closed"])
    def test_one_can_begin_again_where_the_model_is_not_saved(self, dock, monkeypatch, why):
        runs, panel, work = Started(monkeypatch), dock.whole_maps, dock.work
        monkeypatch.setattr(work.session._process, "ask", lambda kind, **values: 77)
        panel.said.emit("The map is in old.tif.", False)
        panel.make_map.click()
        assert not panel.make_map.isEnabled() and panel.line.isHidden(), "what was said of another run is gone"
        said = ""
        if why == "refused":
            said = "No model can be saved. Draw more labels."
            work.conversation._hear(Refused(77, "No model can be saved.", "Draw more labels."))
        elif why == "cancelled":
            said = "Cancelled."
            panel._cancel.click()
        elif why == "session ends":
            said = "The computing process"
            os.kill(work.session.process_id, signal.SIGKILL)
        else:
            dock.stop()
        until(panel.make_map.isEnabled, "one can begin again")
        assert not runs.started and panel._progress.isHidden() and panel._cancel.isHidden()
        assert panel.line.text().startswith(said) and panel.line.isHidden() == (not said)

    @pytest.mark.parametrize("mode", ["takes long to save"])
    def test_a_model_that_nobody_wants_any_more_is_taken_back_from_the_session(self, dock, record):
        dock.whole_maps.make_map.click()
        until(lambda: requests(record, "save"), "the session is asked")
        dock.whole_maps._cancel.click()
        until(lambda: requests(record, "withdraw"), "it is told")
        assert requests(record, "withdraw")[0]["asked"] == requests(record, "save")[0]["number"]
        assert dock.whole_maps.make_map.isEnabled() and dock.whole_maps.line.text() == "Cancelled."
        until(lambda: dock.work.session._owed is None, "it has answered")

    @pytest.mark.parametrize("mode", ["writes when it is told to stop"])
    def test_a_model_that_was_being_written_when_it_was_cancelled_is_told_and_not_mapped_with(
        self, dock, record, monkeypatch, tmp_path
    ):
        runs, panel = Started(monkeypatch), dock.whole_maps
        panel.make_map.click()
        until(lambda: requests(record, "save"), "the session is asked")
        panel._cancel.click()
        until(lambda: panel.line.text() != "Cancelled.", "more is said")
        assert (tmp_path / "image_model.safetensors").exists()
        assert panel.line.text() == f"It was too late to cancel: the model is in {tmp_path / 'image_model.safetensors'}."
        assert not runs.started and panel.make_map.isEnabled()

    def test_the_live_map_gives_way_to_a_new_one_until_the_next_label(self, dock, desk, image, monkeypatch, tmp_path):
        runs, live = Started(monkeypatch), dock.live_map._visible
        two_classes(dock)
        dock.whole_maps.make_map.click()
        until(lambda: runs.started, "the run begins")
        path = runs.started[0].values["OUTPUT"]
        write_raster(Path(path), bands=1)
        dataset = gdal.Open(path, gdal.GA_Update)
        dataset.SetMetadataItem("FALSE_CLASSES", '[{"code": 1, "name": "road", "color": "#112233"}]')
        dataset = None
        runs.started[0].ended.emit(True, {"OUTPUT": path}, "")
        (made,) = [one for one in QgsProject.instance().mapLayers().values() if one.source() == path]
        node = QgsProject.instance().layerTreeRoot().findLayer(made.id())
        assert (live.isChecked(), node.itemVisibilityChecked()) == (False, True)
        dock.drawing.use("polygon")
        draw_square(desk, 0.4, 0.4)
        assert (live.isChecked(), node.itemVisibilityChecked()) == (True, False)
        node.setItemVisibilityChecked(True)
        live.setChecked(False)
        draw_square(desk, 0.6, 0.4)
        assert (live.isChecked(), node.itemVisibilityChecked()) == (False, True), "what a person has chosen stays"

    def test_it_gives_way_to_no_map_of_another_raster_and_hides_none(self, dock, desk, image, monkeypatch, tmp_path):
        runs, live, made = Started(monkeypatch), dock.live_map._visible, []
        tree, other = QgsProject.instance().layerTreeRoot(), QgsRasterLayer(str(write_raster(tmp_path / "b.tif")), "b")
        QgsProject.instance().addMapLayer(other)

        def finish(run) -> None:
            path = run.values["OUTPUT"]
            write_raster(Path(path), bands=1)
            dataset = gdal.Open(path, gdal.GA_Update)
            dataset.SetMetadataItem("FALSE_CLASSES", '[{"code": 1, "name": "road", "color": "#112233"}]')
            dataset = None
            run.ended.emit(True, {"OUTPUT": path}, "")
            (layer,) = [one for one in QgsProject.instance().mapLayers().values() if one.source() == path]
            made.append(tree.findLayer(layer.id()))

        for raster in (image, other):
            dock.start(raster)
            until(lambda: dock.work.conversation.opened is not None, "the session opens")
            dock.whole_maps.make_map.click()
            until(lambda: len(runs.started) > len(made), "the run begins")
            if raster is image:
                dock.start(other)
            finish(runs.started[-1])
            assert live.isChecked() == (raster is image)
        two_classes(dock)
        dock.drawing.use("polygon")
        draw_square(desk, 0.4, 0.4)
        assert live.isChecked() and [one.itemVisibilityChecked() for one in made] == [True, False]
        dock.live_map.give_way(made[1].layerId(), other.id())
        dock.start(image)
        assert live.isChecked() and dock.work.live._visible, "it gave way for the other raster"

    @pytest.mark.parametrize("button", ["make_map", "improve"])
    def test_a_short_run_is_begun_and_said_what_it_costs_and_a_long_one_has_to_be_wanted(self, dock, monkeypatch, button):
        panel = dock.whole_maps
        runs = Started(monkeypatch)
        getattr(panel, button).click()
        until(lambda: runs.started, "the run begins")
        assert panel.line.text() == "This will take about 5 seconds." and panel.go_ahead.isHidden()
        assert runs.estimated[0].values == runs.started[0].values
        titles = [one._task.description() for one in (runs.estimated[0], runs.started[0])]
        assert "Estimate: " in titles[0] and "Estimate" not in titles[1], "QGIS says which of its tasks is complete"
        runs.started[0].ended.emit(False, {}, "")
        runs = Started(monkeypatch, seconds=600)
        for wanted in (False, True):
            getattr(panel, button).click()
            until(lambda: not panel.go_ahead.isHidden(), "it is asked")
            assert panel.line.text() == "This will take about 600 seconds."
            assert not runs.started and not getattr(panel, button).isEnabled()
            (panel.go_ahead if wanted else panel._cancel).click()
            assert panel.go_ahead.isHidden() and getattr(panel, button).isEnabled() != wanted
        (run,) = runs.started
        assert run.values == runs.estimated[1].values and panel._progress.maximum() == 100

    @pytest.mark.parametrize("successful", [True, False])
    @pytest.mark.parametrize("then", ["closed", "begun again"])
    def test_no_run_begins_where_nobody_waits_for_its_estimate_any_more(
        self, dock, desk, image, monkeypatch, successful, then
    ):
        runs = Started(monkeypatch, seconds=None)
        dock.whole_maps.improve.click()
        dock.stop()
        assert runs.estimated[0].is_cancelled
        if then == "begun again":
            dock.start(image)
        runs.estimated[0].ended.emit(successful, {"SECONDS": 5}, "This will take about 5 seconds.")
        assert not runs.started and dock.whole_maps.improve.isEnabled() and dock.whole_maps.go_ahead.isHidden()
        assert not desk.bar.items() or then == "begun again"

    def test_an_encoder_that_was_pretrained_is_swapped_in(self, dock, monkeypatch, record):
        runs = Started(monkeypatch)
        dock.whole_maps.improve.click()
        (run,) = runs.started
        assert (run.name, run.values["RASTERS"]) == ("pretrain", [dock.work.raster.id()])
        run.ended.emit(True, {"ENCODER": run.values["ENCODER"]}, "")
        until(lambda: len(requests(record, "open")) == 2, "the session begins anew")
        assert requests(record, "open")[1]["encoder"] == run.values["ENCODER"]

    @pytest.mark.parametrize("how", ["closed", "another raster", "another project"])
    def test_what_is_done_when_something_else_is_done_in_the_dock_is_not_lost(
        self, dock, desk, image, monkeypatch, record, tmp_path, how
    ):
        from qgis_false.dock.project_state import remembered_work
        from qgis_false.made_files import MADE_ENCODER, last_made

        other = QgsRasterLayer(str(write_raster(tmp_path / "other.tif")), "other")
        QgsProject.instance().addMapLayer(other)

        def leave() -> None:
            if how == "another project":
                QgsProject.instance().clear()
            elif how == "another raster":
                dock.start(other)
            else:
                dock.stop()

        runs, source = Started(monkeypatch), image.source()
        dock.whole_maps.improve.click()
        leave()
        (run,) = runs.started
        Path(run.values["ENCODER"]).touch()
        run.ended.emit(True, {"ENCODER": run.values["ENCODER"]}, "")
        assert last_made(MADE_ENCODER, source) == run.values["ENCODER"]
        said = desk.bar.currentItem().text() if how != "another raster" else dock.status.text()
        assert run.values["ENCODER"] in said
        if how == "another raster":
            assert dock.work.encoder_choice.encoder == ""
        elif how == "closed":
            assert remembered_work().encoder_choice.encoder == run.values["ENCODER"]

    @pytest.mark.parametrize("how", ["closed", "another project"])
    def test_a_map_that_is_done_when_the_dock_is_closed_is_shown_where_its_raster_is(
        self, dock, desk, monkeypatch, tmp_path, how
    ):
        runs = Started(monkeypatch)
        dock.whole_maps.make_map.click()
        until(lambda: runs.started, "the run begins")
        (run,) = runs.started
        dock.stop() if how == "closed" else QgsProject.instance().clear()
        path = run.values["OUTPUT"]
        write_raster(Path(path), bands=1)
        run.ended.emit(True, {"OUTPUT": path}, "")
        shown = [one.source() for one in QgsProject.instance().mapLayers().values()]
        assert (path in shown) == (how == "closed")
        assert path in desk.bar.currentItem().text()

    def test_a_run_that_fails_says_why(self, dock, monkeypatch):
        runs = Started(monkeypatch)
        dock.whole_maps.improve.click()
        runs.started[0].ended.emit(False, {}, "Computing with a Python\nThe disk is full.")
        assert dock.status.text() == "The disk is full."

    @pytest.mark.parametrize("mode", ["refuses to save"])
    def test_a_model_that_cannot_be_saved_begins_no_run(self, dock, monkeypatch):
        runs = Started(monkeypatch)
        dock.whole_maps.make_map.click()
        until(lambda: "There is no map yet." in dock.status.text(), "it is refused")
        assert not runs.started


class TestFinishedMaps:
    @pytest.fixture
    def maps(self, dock, tmp_path) -> list[QgsRasterLayer]:
        from qgis_false.dock.finished_maps import add_above

        made = []
        for name in ("old", "new"):
            path = str(write_raster(tmp_path / f"{name}.tif", bands=1))
            dataset = gdal.Open(path, gdal.GA_Update)
            dataset.SetMetadataItem("FALSE_CLASSES", '[{"code": 1, "name": "road", "color": "#112233"}]')
            dataset = None
            layer = QgsRasterLayer(path, name)
            add_above(layer, dock.work.raster)
            made.append(layer)
        return made

    def test_labels_overwrite_the_one_that_is_chosen(self, dock, desk, maps, monkeypatch, tmp_path):
        runs = Started(monkeypatch)
        two_classes(dock)
        draw_square(desk, 0.3, 0.3)
        monkeypatch.setattr("qgis_false.dock.panels.panel.QInputDialog.getItem", lambda *asked: (asked[3][0], True))
        dock.whole_maps.finished.menu().actions()[0].trigger()
        (run,) = runs.started
        assert (run.name, run.values["MAP"]) == ("editmap", maps[1].id())
        assert run.values["PATCHES"].source.staticValue() == dock.work.labels.id()
        assert not run.values["PATCHES"].selectedFeaturesOnly
        assert run.values["OUTPUT"] == str(tmp_path / "new_corrected.tif")
        assert not dock.whole_maps.finished.isEnabled()

    def test_two_are_compared_and_the_share_that_changed_is_said(self, dock, maps, monkeypatch, tmp_path):
        runs = Started(monkeypatch)
        monkeypatch.setattr("qgis_false.dock.panels.panel.QInputDialog.getItem", lambda *asked: (asked[3][0], True))
        dock.whole_maps.finished.menu().actions()[1].trigger()
        (run,) = runs.started
        assert (run.values["BEFORE"], run.values["AFTER"]) == (maps[0].id(), maps[1].id())
        write_raster(Path(run.values["OUTPUT"]), bands=1)
        run.ended.emit(True, {**run.values, "CHANGED": 0.123, "COMPARED": 100.0}, "")
        assert "12.3% of the pixels changed" in dock.status.text()
        opened = []
        monkeypatch.setattr("qgis_false.dock.panels.whole_maps.QDesktopServices.openUrl", opened.append)
        assert not dock.whole_maps.report.isHidden()
        dock.whole_maps.report.click()
        assert opened[0].toLocalFile() == run.values["REPORT"]
        order = [one.name().partition(":")[0] for one in QgsProject.instance().layerTreeRoot().layerOrder()]
        assert order == ["image_labels", "Where they differ", "new", "old", "image"], "what is new lies above"
        (made,) = [one for one in QgsProject.instance().mapLayers().values() if one.source() == run.values["OUTPUT"]]
        assert made.metadata().abstract().split("\n")[1:] == ["Map before: old", "Map after: new"]
        monkeypatch.setattr(QgsApplication, "locale", lambda: "de")
        dock.whole_maps.finished.menu().actions()[1].trigger()
        runs.started[1].ended.emit(True, {**run.values, "CHANGED": 0.123, "COMPARED": 100.0}, "")
        assert "12,3\u00a0% of the pixels changed" in dock.status.text()

    @pytest.mark.thorough
    def test_what_shows_where_two_differ_is_hidden_as_one_and_no_map_to_choose(self, dock, maps, tmp_path, monkeypatch):
        from qgis_false.dock.finished_maps import class_rasters, map_layers
        from qgis_false.layers.result_metadata import layer_metadata

        new, difference = maps[1], maps[0]
        difference.setMetadata(layer_metadata("comparemaps", {}))
        new.setMetadata(layer_metadata("classify", {}))
        project = tmp_path / "project.qgz"
        assert QgsProject.instance().write(str(project)) and QgsProject.instance().read(str(project))
        assert [one.name() for one in map_layers()] == ["new"]
        assert {one.name() for one in class_rasters()} == {"new", "old"}

    @pytest.mark.thorough
    def test_of_several_the_one_is_proposed_of_which_the_points_are(self, dock, maps, monkeypatch, tmp_path):
        from qgis_false.dock.label_file import label_layer

        asked = []
        monkeypatch.setattr(
            "qgis_false.dock.panels.panel.QInputDialog.getItem", lambda *question: (asked.append(question), ("", False))[1]
        )
        for name in ("old_points", "new_points"):
            path = tmp_path / f"{name}.gpkg"
            points = QgsVectorLayer(str(path), name, "ogr") if path.exists() else label_layer(path, maps[0].crs())
            dock.samples.fill_in(points)
            assert name.partition("_")[0] in asked[-1][3][0]

    @pytest.mark.thorough
    def test_without_any_it_is_said(self, dock, monkeypatch):
        runs = Started(monkeypatch)
        for action in dock.whole_maps.finished.menu().actions():
            action.trigger()
            assert "no finished map" in dock.status.text()
        assert not runs.started

    @pytest.mark.thorough
    def test_the_estimate_narrows_as_sample_points_are_filled_in(self, dock, desk, maps, monkeypatch):
        runs = Started(monkeypatch)
        monkeypatch.setattr("qgis_false.dock.panels.panel.QInputDialog.getItem", lambda *asked: (asked[3][0], True))
        points = sample_points()
        two_classes(dock)
        QgsProject.instance().layerTreeRoot().findLayer(maps[0].id()).setItemVisibilityChecked(False)
        dock.samples.fill_in(points)
        nodes = {name: QgsProject.instance().layerTreeRoot().findLayer(one.id()) for name, one in zip(("old", "new"), maps)}
        assert not any(node.itemVisibilityChecked() for node in nodes.values()), "nobody is led by a map"
        press(desk, Qt.Key.Key_1)
        assert not runs.started
        press(desk, Qt.Key.Key_1)
        press(desk, Qt.Key.Key_2)
        (run,) = runs.started
        assert run.values == {"MAP": maps[1].id(), "REFERENCE": points.id(), "FIELD": "class"}
        run.ended.emit(True, {"ADJUSTED_OA": 0.84, "ADJUSTED_OA_ERROR": 0.05}, "")
        assert "2 points 84.0% ± 5.0%" in dock.samples.estimate_line.text()
        assert len(runs.started) == 2, "of the point that came in meanwhile"
        monkeypatch.setattr(QgsApplication, "locale", lambda: "de")
        dock.samples._show_estimate(2, {"ADJUSTED_OA": 0.84, "ADJUSTED_OA_ERROR": 0.05})
        assert "84,0\u00a0% ± 5,0\u00a0%" in dock.samples.estimate_line.text()
        runs.started[1].ended.emit(True, {"ADJUSTED_OA": None, "ADJUSTED_OA_ERROR": None}, "")
        assert "two points in each class" in dock.samples.estimate_line.text()
        press(desk, Qt.Key.Key_Escape)
        assert not dock.samples.estimate_line.text()
        assert [nodes[name].itemVisibilityChecked() for name in ("old", "new")] == [False, True], "as they were before"

    @pytest.mark.thorough
    def test_one_that_comes_in_while_points_are_filled_in_is_hidden_until_then(self, dock, desk, maps, monkeypatch):
        Started(monkeypatch)
        monkeypatch.setattr("qgis_false.dock.panels.panel.QInputDialog.getItem", lambda *asked: (asked[3][0], True))
        node = QgsProject.instance().layerTreeRoot().findLayer(maps[1].id())
        node.setItemVisibilityChecked(False)
        dock.samples.fill_in(sample_points())
        node.setItemVisibilityChecked(True)
        dock.whole_maps.map_shown.emit(maps[1].id(), dock.work.raster.id())
        assert not node.itemVisibilityChecked()
        dock.samples.leave()
        assert node.itemVisibilityChecked()

    @pytest.mark.thorough
    def test_those_that_are_hidden_in_a_saved_project_are_shown_when_it_is_opened(self, dock, maps, monkeypatch, tmp_path):
        Started(monkeypatch)
        monkeypatch.setattr("qgis_false.dock.panels.panel.QInputDialog.getItem", lambda *asked: (asked[3][0], True))
        project, shown = QgsProject.instance(), maps[1].id()
        project.layerTreeRoot().findLayer(maps[0].id()).setItemVisibilityChecked(False)
        dock.samples.fill_in(sample_points())
        assert project.write(str(tmp_path / "project.qgs"))
        project.clear()
        assert project.read(str(tmp_path / "project.qgs"))
        until(lambda: dock.work is not None, "it goes on")
        visible = [one.layerId() for one in project.layerTreeRoot().findLayers() if one.itemVisibilityChecked()]
        assert shown in visible and len(visible) == len(project.layerTreeRoot().findLayers()) - 1


class TestOpening:
    @pytest.mark.thorough
    @pytest.mark.parametrize("how", ["refuses the raster", "fails with the raster"])
    def test_a_raster_that_is_refused_is_said_and_can_be_opened_again(self, desk, image, record, how):
        from qgis_false.dock.dock import LabelDock

        made = LabelDock(desk, lambda name: None, lambda: [sys.executable, str(FAKE), how, str(record)])
        made.start(image)
        assert made.status.text() == "The session starts..." and made.again.isHidden()
        until(lambda: "cannot be read" in made.status.text(), "it says so")
        assert len(requests(record, "open")) == 1
        made.again.click()
        until(lambda: len(requests(record, "open")) == 2, "it is opened again")
        until(lambda: not made.again.isHidden(), "it may be tried once more")
        made.shut()


def sample_points(numbers: Iterable[int] = (3, 1, 2)) -> QgsVectorLayer:
    layer = QgsVectorLayer("Point?crs=EPSG:32633&field=id:integer&field=class:string", "points", "memory")
    features = []
    for number in numbers:
        feature = QgsFeature(layer.fields())
        feature["id"] = number
        feature.setGeometry(QgsGeometry.fromPointXY(QgsPointXY(500_000 + 10 * number, 5_599_985)))
        features.append(feature)
    assert layer.dataProvider().addFeatures(features)[0]
    QgsProject.instance().addMapLayer(layer)
    return layer


class TestSamplePoints:
    @pytest.fixture
    def points(self, image) -> QgsVectorLayer:
        return sample_points()

    def test_keys_fill_them_in_one_after_the_other(self, dock, desk, points):
        def answers() -> dict[int, object]:
            return {one["id"]: one["class"] for one in points.getFeatures() if one["class"]}

        two_classes(dock)
        desk.canvas.setExtent(QgsRectangle(499_000, 5_599_000, 501_000, 5_601_000))
        dock.samples.button.click()
        assert 300 < desk.canvas.extent().width() < 500, "a person sees what is there"
        assert desk.canvas.extent().center().x() == pytest.approx(500_010, abs=0.01)
        assert not dock.work.live._visible
        press(desk, Qt.Key.Key_2)
        assert answers() == {1: "roof"}
        assert desk.canvas.extent().center().x() == pytest.approx(500_020, abs=0.01)
        press(desk, Qt.Key.Key_0)
        press(desk, Qt.Key.Key_1)
        assert answers() == {1: "roof", 3: "road"}
        assert "2 of 3" in dock.samples.line.text()
        assert "There are no more" in dock.samples.line.text()
        press(desk, Qt.Key.Key_Delete)
        press(desk, Qt.Key.Key_2)
        assert answers()[3] == "roof"
        press(desk, Qt.Key.Key_Escape)
        assert dock.samples.queue is None
        assert dock.work.live._visible

    def test_it_is_said_how_long_one_takes_and_all_that_wait(self, dock, desk, monkeypatch):
        clock = [0.0]
        monkeypatch.setattr("qgis_false.dock.sample_queue.monotonic", lambda: clock[0])
        points = sample_points(range(1, 31))
        two_classes(dock)
        dock.samples.fill_in(points)
        for seconds, key in ((4, Qt.Key.Key_1), (6, Qt.Key.Key_0), (3_600, Qt.Key.Key_2)):
            assert "A point takes" not in dock.samples.line.text(), "too few to tell"
            clock[0] += seconds
            press(desk, key)
        assert "A point takes about 6 s, the rest about 3 min." in dock.samples.line.text(), "a break counts little"

    def test_that_nobody_can_tell_counts_once_and_is_remembered(self, dock, desk, points):
        two_classes(dock)
        dock.samples.fill_in(points)
        press(desk, Qt.Key.Key_0)
        press(desk, Qt.Key.Key_Delete)
        press(desk, Qt.Key.Key_0)
        assert "At 1 more the class cannot be told." in dock.samples.line.text()
        press(desk, Qt.Key.Key_Escape)
        dock.samples.fill_in(points)
        assert "At 1 more the class cannot be told." in dock.samples.line.text()
        press(desk, Qt.Key.Key_1)
        press(desk, Qt.Key.Key_1)
        assert (
            "2 of 3 points are filled in. At 1 more the class cannot be told. There are no more." in dock.samples.line.text()
        )
        press(desk, Qt.Key.Key_1)
        assert "2 of 3 points" in dock.samples.line.text(), "there is no point that it could be said of"
        for _ in range(3):
            press(desk, Qt.Key.Key_Delete)
        press(desk, Qt.Key.Key_2)
        assert "3 of 3" in dock.samples.line.text() and "cannot be told" not in dock.samples.line.text()
        press(desk, Qt.Key.Key_Escape)
        dock.samples.fill_in(points)
        assert "cannot be told" not in dock.samples.line.text()

    def test_that_nobody_can_tell_is_remembered_in_another_order_and_under_other_ids(self, dock, desk, points):
        two_classes(dock)
        dock.samples.fill_in(points)
        press(desk, Qt.Key.Key_0)  # At the point with the lowest number, which lies in the middle of the table.
        press(desk, Qt.Key.Key_Escape)
        provider, features = points.dataProvider(), list(points.getFeatures())
        assert provider.truncate()
        for feature in reversed(features):
            feature["id"] += 100
            assert provider.addFeatures([feature])[0]
        assert {one.id() for one in points.getFeatures()}.isdisjoint({one.id() for one in features})
        dock.samples.fill_in(points)
        assert "At 1 more the class cannot be told." in dock.samples.line.text()
        (passed,) = dock.samples.queue.passed
        assert points.getFeature(passed).geometry().equals(features[1].geometry())

    @pytest.mark.thorough
    @pytest.mark.parametrize("ground", ["#ffff00", "#000000"])
    def test_the_mark_is_seen_on_any_ground_and_hides_nothing_in_it(self, dock, desk, points, ground):
        two_classes(dock)
        desk.canvas.setLayers([])
        desk.canvas.setCanvasColor(QColor(ground))
        dock.samples.fill_in(points)
        middle = desk.canvas.rect().center()
        corner = QRect(middle.x() - 20, middle.y() - 20, 1, 1)
        until(lambda: desk.canvas.grab(corner).toImage().pixelColor(0, 0).name() == ground, "the canvas is drawn")
        seen = desk.canvas.grab(QRect(middle.x() - 20, middle.y() - 20, 41, 41)).toImage()
        colours = {seen.pixelColor(x, y).name() for x in range(seen.width()) for y in range(seen.height())}
        assert {"#ffff00", "#000000"} <= colours
        inside = {seen.pixelColor(x, y).name() for x in range(15, 26) for y in range(15, 26)}
        assert inside == {ground}

    @pytest.mark.thorough
    def test_what_is_said_of_them_is_scrolled_into_sight(self, dock, points):
        dock.setFloating(True)
        dock.resize(dock.width(), 300)
        dock.show()
        QCoreApplication.processEvents()
        area = dock.widget()
        area.verticalScrollBar().setValue(0)
        dock.samples.button.click()
        for line in (dock.samples.line, dock.samples.keys_line, dock.samples.estimate_line):
            until(
                lambda line=line: area.viewport().rect().contains(line.mapTo(area.viewport(), line.rect().bottomLeft())),
                "the line is in sight",
            )

    @pytest.mark.thorough
    def test_the_keys_are_said_while_they_count(self, dock, points):
        two_classes(dock)
        dock.samples.fill_in(points)
        assert not dock.samples.keys_line.isHidden()
        dock.samples.leave()
        assert dock.samples.keys_line.isHidden()

    def test_one_that_cannot_be_written_is_said(self, dock, desk, points, monkeypatch):
        two_classes(dock)
        dock.samples.fill_in(points)
        points.setReadOnly(True)
        monkeypatch.setattr(type(points.dataProvider()), "changeAttributeValues", lambda provider, values: False)
        press(desk, Qt.Key.Key_1)
        assert "The class cannot be written" in dock.status.text()

    @pytest.mark.thorough
    def test_without_any_the_dialog_that_draws_them_opens(self, dock, opened_dialogs):
        dock.samples.button.click()
        assert opened_dialogs == ["samplepoints"] and dock.samples.queue is None
        assert "holds sample points yet" in dock.samples.line.text()

    @pytest.mark.thorough
    def test_those_that_are_drawn_in_that_dialog_are_filled_in(self, dock, monkeypatch):
        drawn = []
        monkeypatch.setattr(dock.samples, "_run_algorithm", lambda name: drawn.append(sample_points()))
        dock.samples.button.click()
        assert [dock.samples.queue.layer.id()] == [one.id() for one in drawn]
