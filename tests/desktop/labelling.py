"""What a person who labels does in a QGIS desktop, with mouse and keys: ``qgis --code labelling.py``.

``test_labelling.py`` starts it three times: to draw, until the system kills this QGIS in the middle of a polygon; again, to
find everything as it was, until QGIS and its session are killed at once, while a label waits for its file; and once more.
``test_two_desktops.py`` starts it twice at once, on the same raster; ``test_real_scene.py`` once, on a real one. It writes a
line of JSON to the folder in ``FALSE_SESSION`` after every step.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qgis.core import QgsApplication, QgsGeometry, QgsPointXY, QgsProject, QgsRasterLayer
from qgis.PyQt.QtCore import QCoreApplication, QPoint, Qt, QTimer
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import QAction, QApplication, QDockWidget, QLineEdit, QPushButton, QScrollArea, QToolButton
from qgis.utils import iface

from false_core.session_protocol import pixels_of

FOLDER = Path(os.environ["FALSE_SESSION"])
GIVEN: dict[str, Any] = json.loads((FOLDER / "given.json").read_text("utf-8"))
PROJECT = FOLDER / "project.qgz"
LIMIT_S = GIVEN.get("limit_s", 300)
AROUND = 10
"""Factor by which the view is larger than a place that is drawn."""
LEFT = Qt.MouseButton.LeftButton
NO_KEY = Qt.KeyboardModifier.NoModifier


def pause(seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        QCoreApplication.processEvents()
        time.sleep(0.01)


def wait_for(condition: Callable[[], Any], what: str) -> None:
    until = time.monotonic() + LIMIT_S
    while not condition():
        if time.monotonic() > until:
            picture("stuck")
            raise AssertionError(f"{what} did not happen within {LIMIT_S} s")
        pause(0.02)


def picture(name: str) -> None:
    pause(0.7)
    subprocess.run(["import", "-window", "root", str(FOLDER / f"{name}.png")], check=True, timeout=60)


def dock() -> Any:
    return iface.mainWindow().findChild(QDockWidget, "false_label_dock")


def open_dock() -> dict[str, Any]:
    """The image is in the project, and the toolbar opens the dock."""
    image = QgsRasterLayer(GIVEN["image"], "Image")
    QgsProject.instance().addMapLayer(image)
    iface.mainWindow().showMaximized()
    iface.mainWindow().findChild(QDockWidget, "Browser").hide()
    iface.mainWindow().findChild(QDockWidget, "ProcessingToolbox").show()
    pause(0.5)
    iface.mapCanvas().setExtent(image.extent())
    iface.mainWindow().findChild(QAction, "false_label").trigger()
    wait_for(lambda: dock() is not None and dock().isVisible(), "the dock")
    pause(0.5)
    return {"missing": dock().first_page.missing.text(), "share": dock().height() / iface.mainWindow().height()}


def begin() -> dict[str, Any]:
    dock().first_page.begin.click()
    work = dock().work
    for name in GIVEN["classes"]:
        work.label_classes.add(name)
    started = time.monotonic()
    wait_for(lambda: work.conversation.opened is not None, "the opening of the raster")
    return {"labels": work.labels.source().split("|")[0], "opened_s": time.monotonic() - started}


def place_of(x: float, y: float) -> QPoint:
    """Return where a place of the map is on the canvas."""
    point = iface.mapCanvas().getCoordinateTransform().transform(x, y)
    return QPoint(round(point.x()), round(point.y()))


def click(x: float, y: float) -> None:
    viewport = iface.mapCanvas().viewport()
    QTest.mouseMove(viewport, place_of(x, y))
    QTest.mouseClick(viewport, LEFT, NO_KEY, place_of(x, y))


def press(key: Any, modifier: Any = NO_KEY) -> None:
    QTest.keyClick(iface.mapCanvas(), key, modifier)


def learned_number() -> int:
    """Return the number of the last request that the map has learned from."""
    return dock().work.conversation.learned.number if dock().work.conversation.learned is not None else 0


def draw() -> dict[str, Any]:
    """A polygon by clicks and Enter for each place that is given, after the key of its class."""
    dock().drawing.buttons["polygon"].click()
    seconds = []
    for number, (code, ring) in enumerate(GIVEN["polygons"]):
        press(Qt.Key.Key_0 + code)
        for x, y in ring:
            click(x, y)
        before = learned_number()
        started = time.monotonic()
        press(Qt.Key.Key_Return)
        wait_for(lambda before=before: learned_number() > before, "learning")
        seconds.append(time.monotonic() - started)
        if number == 1:
            wait_for(lambda: dock().work.live.picture is not None, "the first map")
            picture("first_map")
    wait_for(lambda: dock().work.live.picture.known == 1, "the whole view")
    picture("map")
    return {"count": dock().work.labels.featureCount(), "seconds": seconds, "status": dock().status.text()}


def undo() -> dict[str, Any]:
    press(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    undone = dock().work.labels.featureCount()
    press(Qt.Key.Key_Y, Qt.KeyboardModifier.ControlModifier)
    return {"undone": undone, "done": dock().work.labels.featureCount()}


def look_at_confidence() -> dict[str, Any]:
    dock().live_map.shows.setCurrentIndex(1)
    wait_for(lambda: dock().work.live.picture.shows == "confidence", "the confidence")
    wait_for(lambda: dock().work.conversation.scores is not None, "scores")
    picture("confidence")
    dock().live_map.shows.setCurrentIndex(0)
    rows = range(len(dock().work.classes))
    return {"accuracies": [dock().classes.model.index(row, 4).data(Qt.ItemDataRole.ToolTipRole) for row in rows]}


def outline() -> dict[str, Any]:
    dock().drawing.buttons["outline"].click()
    click(*GIVEN["outline"])
    tool = iface.mapCanvas().mapTool()
    wait_for(lambda: not tool._outline.isEmpty(), "the outline")
    picture("outline")
    press(Qt.Key.Key_Return)
    return {"count": dock().work.labels.featureCount()}


def next_place() -> dict[str, Any]:
    press(Qt.Key.Key_N)
    wait_for(lambda: " of " in dock().next_place.line.text(), "a place")
    wait_for(lambda: not iface.mapCanvas().isDrawing(), "the canvas")
    pause(1.5)
    picture("next_place")
    iface.mapCanvas().zoomToFullExtent()
    return {"says": dock().next_place.line.text()}


def beside_polygon(number: int) -> tuple[int, list[list[float]]]:
    """Return class and corners of a polygon beside one that is drawn already."""
    code, ring = GIVEN["polygons"][number]
    return code, [[x + 12, y + 8] for x, y in ring]


def kill_the_session() -> dict[str, Any]:
    """With a polygon half drawn; it is completed while a new session starts."""
    dock().drawing.buttons["polygon"].click()
    code, ring = beside_polygon(0)
    press(Qt.Key.Key_0 + code)
    before = dock().work.session.process_id
    click(*ring[0])
    os.kill(before, signal.SIGKILL)
    for x, y in ring[1:]:
        click(x, y)
    press(Qt.Key.Key_Return)
    count = dock().work.labels.featureCount()
    work = dock().work
    wait_for(lambda: work.session.process_id not in (0, before) and work.conversation.learned is not None, "a new session")
    wait_for(lambda: work.conversation.learned.labels == count, "all labels")
    return {"count": count}


def kill_qgis() -> dict[str, Any]:
    """The project is saved, one more polygon is drawn, and one is begun when the end comes."""
    assert QgsProject.instance().write(str(PROJECT))
    code, draw_one = beside_polygon(1)
    press(Qt.Key.Key_0 + code)
    for x, y in draw_one:
        click(x, y)
    press(Qt.Key.Key_Return)
    click(*draw_one[0])
    return {"count": dock().work.labels.featureCount(), "session": dock().work.session.process_id}


HOLDER = """\
import sqlite3, sys
file = sqlite3.connect(sys.argv[1], isolation_level=None)
file.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""
"""A program that holds the label file until this QGIS is gone."""
HOLDERS: list[Any] = []


def kill_both() -> dict[str, Any]:
    """One more polygon is drawn, one that waits as another program holds the file, and one is begun when the end comes."""
    code, ring = beside_polygon(2)
    dock().drawing.buttons["polygon"].click()

    def draw_one(to_the_right: float) -> None:
        press(Qt.Key.Key_0 + code)
        for x, y in ring:
            click(x + to_the_right, y)
        press(Qt.Key.Key_Return)

    draw_one(0)
    work = dock().work
    command = [os.environ["FALSE_CORE_PYTHON"], "-c", HOLDER, work.labels.source().split("|")[0]]
    HOLDERS.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
    assert HOLDERS[0].stdout.readline() == b"held\n"
    draw_one(6)
    click(*ring[0])
    return {
        "count": work.labels.featureCount(), "waiting": len(work.edits.waiting.labels()), "status": dock().status.text(),
        "session": work.session.process_id,
    }  # fmt: skip


def find_after_both() -> dict[str, Any]:
    found = find_again()
    said = [one.text() for one in iface.messageBar().items()]
    folder = Path(GIVEN["image"]).parent
    return {**found, "said": said, "left": [one.name for one in folder.glob("*_waiting*")]}


def find_again() -> dict[str, Any]:
    """The project is opened in another QGIS."""
    iface.mainWindow().showMaximized()
    assert QgsProject.instance().read(str(PROJECT))
    iface.mainWindow().findChild(QAction, "false_label").trigger()
    wait_for(lambda: dock() is not None and dock().work is not None, "the dock finds its work")
    work = dock().work
    count = work.labels.featureCount()
    wait_for(lambda: work.conversation.learned is not None and work.conversation.learned.labels == count, "all labels")
    wait_for(lambda: work.live.picture is not None and work.live.picture.known == 1, "the map")
    picture("found_again")
    layers = [layer.isValid() for layer in QgsProject.instance().mapLayers().values()]
    return {"count": count, "classes": [one.name for one in work.classes], "valid": layers}


def make_the_map(file: str = "image_map.tif") -> dict[str, Any]:
    dock().whole_maps.make_map.click()

    def made() -> list[Any]:
        return [one for one in QgsProject.instance().mapLayers().values() if one.source().endswith(file)]

    wait_for(made, "the map")
    (layer,) = made()
    return {"map": layer.source(), "legend": [entry.label for entry in layer.renderer().classes()]}


def meet(where: str) -> None:
    """Wait for the other QGIS to come to the same place of its script."""
    folder, me = Path(GIVEN["meeting"]), GIVEN["me"]
    (folder / f"{where} {me}").touch()
    wait_for((folder / f"{where} {1 - me}").exists, f"the other one at {where}")


def wait_for_labels(number: int) -> None:
    talk = dock().work.conversation
    wait_for(lambda: talk.learned is not None and talk.learned.labels == number, f"{number} labels")


def begin_beside() -> dict[str, Any]:
    """Two QGIS open the dock on one raster, and each adds a class when it has seen those of the other one."""
    meet("the beginning")
    if GIVEN["me"]:  # The file with the labels is made by one of them, and found by the other one.
        wait_for(Path(GIVEN["image"]).with_name("image_labels.gpkg").exists, "the label file")
    dock().first_page.begin.click()
    work = dock().work
    wait_for(lambda: work.conversation.opened is not None, "the opening of the raster")
    for number, name in enumerate(GIVEN["classes"]):
        wait_for(lambda number=number: len(work.classes) >= number, "the classes of the other one")
        if number % 2 == GIVEN["me"]:
            work.label_classes.add(name)
    wait_for(lambda: len(work.classes) == len(GIVEN["classes"]), "all classes")
    return {"labels": work.labels.source().split("|")[0], "classes": [[one.code, one.name] for one in work.classes]}


def draw_beside() -> dict[str, Any]:
    """Both draw at the same time, and each learns from the labels of both."""
    meet("the drawing")
    drawn = draw()
    wait_for_labels(2 * len(GIVEN["polygons"]))
    wait_for(lambda: dock().work.live.picture.known == 1, "the whole view")
    pause(1)
    picture = dock().work.live.picture
    (FOLDER / "pixels").write_bytes(pixels_of(picture))
    return {"seconds": drawn["seconds"], "extent": list(picture.extent), "pixels": str(FOLDER / "pixels")}


def undo_beside() -> dict[str, Any]:
    """One takes its last label back, and not the one that the other one drew last."""
    count = 2 * len(GIVEN["polygons"])
    meet("the undoing")
    if GIVEN["me"]:
        press(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    wait_for_labels(count - 1)
    codes = sorted(feature["class"] for feature in dock().work.labels.getFeatures())
    meet("the doing again")
    if GIVEN["me"]:
        press(Qt.Key.Key_Y, Qt.KeyboardModifier.ControlModifier)
    wait_for_labels(count)
    return {"undone": codes}


def make_maps_beside() -> dict[str, Any]:
    """One after the other: none overwrites what the other one has made."""
    made = {}
    for who in range(2):
        meet(f"map {who}")
        if who == GIVEN["me"]:
            made = make_the_map(f"image_map{'_2' if who else ''}.tif")
    meet("the maps")
    return made


def outlive() -> dict[str, Any]:
    """One QGIS is killed with a polygon half drawn, and the other one goes on."""
    code, ring = beside_polygon(0)
    dock().drawing.buttons["polygon"].click()
    press(Qt.Key.Key_0 + code)
    meet("the end")
    if GIVEN["me"] == 0:
        click(*ring[0])
        return {"ended": True}
    gone = Path("/proc") / str(json.loads((Path(GIVEN["meeting"]) / "process").read_text()))
    wait_for(lambda: not gone.exists(), "the end of the other one")
    for x, y in ring:
        click(x, y)
    press(Qt.Key.Key_Return)
    wait_for_labels(2 * len(GIVEN["polygons"]) + 1)
    return {"count": dock().work.labels.featureCount()}


def press_button(button: Any) -> None:
    """Click on a button of the dock, which is scrolled to first."""
    dock().findChild(QScrollArea).ensureWidgetVisible(button)
    pause(0.3)
    assert button.isVisible() and button.isEnabled()
    QTest.mouseClick(button, LEFT)


def open_from_the_toolbar() -> dict[str, Any]:
    """A raster is added to an empty project, and the toolbar opens the dock."""
    iface.mainWindow().showMaximized()
    pause(0.5)
    picture("greeting")
    assert iface.addRasterLayer(GIVEN["image"], "Scene").isValid()
    opens = iface.mainWindow().findChild(QAction, "false_label")
    buttons = [one for one in iface.mainWindow().findChildren(QToolButton) if one.defaultAction() is opens]
    QTest.mouseClick(next(one for one in buttons if one.isVisible()), LEFT)
    wait_for(lambda: dock() is not None and dock().isVisible(), "the dock")
    pause(0.5)
    return {"missing": dock().first_page.missing.text()}


def begin_by_mouse() -> dict[str, Any]:
    press_button(dock().first_page.begin)
    started = time.monotonic()
    wait_for(lambda: dock().work.conversation.opened is not None, "the opening of the raster")
    return {"opened_s": time.monotonic() - started}


def name_classes() -> dict[str, Any]:
    """Each class is added with a button of the dock and typed into the window that asks for its name."""
    (add,) = [one for one in dock().classes.findChildren(QPushButton) if one.text() == "Add..."]

    def type_name(name: str) -> None:
        entry = QApplication.activeModalWidget().findChild(QLineEdit)
        QTest.keyClicks(entry, name)
        if name == GIVEN["classes"][0]:
            picture("class_name")
        QTest.keyClick(entry, Qt.Key.Key_Return)

    for name in GIVEN["classes"]:
        QTimer.singleShot(500, lambda name=name: type_name(name))
        press_button(add)
    return {"classes": [one.name for one in dock().work.classes]}


def draw_places() -> dict[str, Any]:
    """Each place is zoomed to and drawn. The map is looked at after the first two classes, and when all is drawn."""
    canvas, work = iface.mapCanvas(), dock().work
    press_button(dock().drawing.buttons["polygon"])
    for number, (code, ring) in enumerate(GIVEN["polygons"], start=1):
        view = QgsGeometry.fromPolygonXY([[QgsPointXY(x, y) for x, y in ring]]).boundingBox()
        view.scale(AROUND)
        canvas.setExtent(view)
        wait_for(lambda: not canvas.isDrawing(), "the view")
        press(Qt.Key.Key_0 + code)
        for x, y in ring:
            click(x, y)
        press(Qt.Key.Key_Return)
        wait_for(lambda number=number: work.labels.featureCount() == number, "the label")
        if number == 2:
            wait_for(lambda: work.live.picture is not None, "the first map")
            picture("first_map")
    canvas.zoomToFullExtent()
    count = len(GIVEN["polygons"])
    wait_for(lambda: work.conversation.learned is not None and work.conversation.learned.labels == count, "all labels")
    whole = work.raster.extent().width()

    def shows_all() -> bool:
        shown = work.live.picture
        return shown.extent[1] - shown.extent[0] >= 0.99 * whole and shown.known == 1

    wait_for(shows_all, "the whole view")
    return {"count": work.labels.featureCount(), "status": dock().status.text()}


def make_the_map_by_mouse() -> dict[str, Any]:
    """It is said what the map costs; a long one has to be wanted. Then it is there."""
    panel = dock().whole_maps
    press_button(panel.make_map)
    wait_for(lambda: "GB of memory" in panel.line.text(), "the estimate")
    estimate = panel.line.text()
    dock().findChild(QScrollArea).ensureWidgetVisible(panel.line)
    picture("estimate")
    if panel.go_ahead.isVisible():
        press_button(panel.go_ahead)
    made: list[Any] = []

    def is_made() -> bool:
        made[:] = [one for one in QgsProject.instance().mapLayers().values() if one.source().endswith("scene_map.tif")]
        return bool(made)

    began = time.monotonic()
    wait_for(is_made, "the map")
    (layer,) = made
    taken = time.monotonic() - began
    wait_for(lambda: not iface.mapCanvas().isDrawing(), "the canvas")
    legend = [entry.label for entry in layer.renderer().classes()]
    return {"map": layer.source(), "legend": legend, "estimate": estimate, "seconds": taken}


def ask_what_improving_costs() -> dict[str, Any]:
    """A pretraining takes minutes: it waits for a word, and here nobody wants it."""
    panel = dock().whole_maps
    press_button(panel.improve)
    wait_for(panel.go_ahead.isVisible, "the question")
    dock().findChild(QScrollArea).ensureWidgetVisible(panel.go_ahead)
    picture("question")
    estimate = panel.line.text()
    press_button(panel._cancel)
    return {"estimate": estimate, "says": panel.line.text(), "can_begin": panel.improve.isEnabled()}


FIRST = (open_dock, begin, draw, undo, look_at_confidence, outline, next_place, kill_the_session, kill_qgis)
SECOND = (find_again, make_the_map, kill_both)
THIRD = (find_after_both,)
REAL = (open_from_the_toolbar, begin_by_mouse, name_classes, draw_places, make_the_map_by_mouse, ask_what_improving_costs)
BESIDE = (open_dock, begin_beside, draw_beside, undo_beside, make_maps_beside, outlive)


def main() -> None:
    code = 0
    done = FOLDER / "steps.jsonl"
    is_third = done.exists() and kill_both.__name__ in done.read_text("utf-8")
    steps = (
        REAL
        if "is_real" in GIVEN
        else BESIDE
        if "meeting" in GIVEN
        else THIRD
        if is_third
        else SECOND
        if PROJECT.exists()
        else FIRST
    )
    with open(done, "a", encoding="utf-8") as record:
        for step in steps:
            try:
                said = step()
                picture(step.__name__)
            except BaseException:  # noqa: BLE001 - whatever it was, the test must hear of it.
                said, code = {"failed": traceback.format_exc()}, 1
            record.write(json.dumps({"step": step.__name__, **said}) + "\n")
            record.flush()
            os.fsync(record.fileno())
            if code:
                break
    if steps is SECOND and not code:
        os.kill(said["session"], signal.SIGKILL)
    if steps in (FIRST, SECOND) or (steps is BESIDE and not code and GIVEN["me"] == 0):
        os.kill(os.getpid(), signal.SIGKILL)
    QgsProject.instance().setDirty(False)
    QgsApplication.exit(code)


# Once the window stands and QGIS waits for its user.
QTimer.singleShot(1000, main)
