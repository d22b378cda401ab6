"""What a user does in a QGIS desktop, done by QGIS itself: ``qgis --code session.py``. The test beside this file starts it.

It reads what to work with from the folder in ``FALSE_SESSION``, writes a line of JSON there after every step, takes a
picture of the screen, and closes QGIS. A step that fails ends it.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import processing
import pyplugin_installer
import qgis.utils
from qgis.core import (
    QgsApplication,
    QgsCategorizedSymbolRenderer,
    QgsFillSymbol,
    QgsProject,
    QgsRasterLayer,
    QgsRendererCategory,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QCoreApplication, QTimer
from qgis.PyQt.QtWidgets import QApplication, QDockWidget, QMessageBox, QTextEdit, QTreeView, QWidget
from qgis.utils import iface

FOLDER = Path(os.environ["FALSE_SESSION"])
GIVEN: dict[str, Any] = json.loads((FOLDER / "given.json").read_text("utf-8"))
LIMIT_S = 900
"""For one step."""
COLORS = ("#e3b23c", "#8fbf4d", "#8d8d92", "#c4513a", "#2f6b3a", "#2f78b7")


def pause(seconds: float) -> None:
    """Let QGIS work."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        QCoreApplication.processEvents()
        time.sleep(0.01)


def wait_for(condition: Callable[[], Any], what: str) -> None:
    until = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < until, f"{what} did not happen within {LIMIT_S} s"
        pause(0.05)


def picture(name: str) -> None:
    """Take a picture of the whole screen."""
    pause(1.0)
    subprocess.run(["import", "-window", "root", str(FOLDER / f"{name}.png")], check=True, timeout=60)


def install_from_zip() -> dict[str, Any]:
    """As the plugin manager's page "Install from ZIP" does it."""
    pyplugin_installer.instance().installFromZipFile(GIVEN["package"])
    assert "qgis_false" in qgis.utils.active_plugins
    from pyplugin_installer.installer_data import plugins

    shown = plugins.all()["qgis_false"]
    assert not shown["error"], shown["error_details"]
    about = qgis.utils.pluginMetadata("qgis_false", "about")
    return {"about": about, "name": shown["name"], "folder": qgis.utils.pluginDirectory("qgis_false")}


def open_project() -> dict[str, Any]:
    """The image, and the labels on it in the colours of their classes."""
    image = QgsRasterLayer(GIVEN["image"], "Image")
    labels = QgsVectorLayer(GIVEN["labels"] + "|layername=labels", "Labels", "ogr")
    assert image.isValid() and labels.isValid()
    categories = []
    for number, value in enumerate(sorted(labels.uniqueValues(labels.fields().lookupField("land_cover")))):
        # Colours that the labels themselves do not bring: they must come from this style.
        symbol = QgsFillSymbol.createSimple({"color": COLORS[number % len(COLORS)], "outline_color": "white"})
        categories.append(QgsRendererCategory(value, symbol, value.capitalize()))
    labels.setRenderer(QgsCategorizedSymbolRenderer("land_cover", categories))
    QgsProject.instance().addMapLayers([labels, image])
    iface.mainWindow().showMaximized()
    iface.mainWindow().findChild(QDockWidget, "Browser").hide()
    pause(0.5)
    iface.mapCanvas().setExtent(image.extent())
    return {"colors": {c.label(): c.symbol().color().name() for c in categories}}


def open_toolbox() -> dict[str, Any]:
    """Show the toolbox with our group open and return what stands in it."""
    toolbox = iface.mainWindow().findChild(QDockWidget, "ProcessingToolbox")
    toolbox.show()
    toolbox.raise_()
    tree = toolbox.findChild(QTreeView, "algorithmTree")
    model = tree.model()
    for row in range(model.rowCount()):
        index = model.index(row, 0)
        if index.data() == "FALSE":
            tree.expandRecursively(index)
            tree.scrollTo(index, QTreeView.ScrollHint.PositionAtTop)
            groups = [model.index(child, 0, index) for child in range(model.rowCount(index))]
            return {"entries": {group.data(): [model.index(child, 0, group).data() for child in range(model.rowCount(group))]
                                for group in groups}}  # fmt: skip
    raise AssertionError("FALSE is not in the toolbox")


def run_dialog(name: str, **values: Any) -> dict[str, Any]:
    """Open the dialog of an algorithm, press Run, wait, and return the results."""
    dialog = processing.createAlgorithmDialog(f"false:{name}", values)
    ended: list[tuple[bool, dict[str, Any]]] = []
    dialog.algorithmFinished.connect(lambda successful, results: ended.append((successful, dict(results))))
    dialog.resize(960, 700)
    dialog.show()
    dialog.mainWidget().findChild(QWidget, "grpAdvanced").setProperty("collapsed", True)
    picture(f"{name}_dialog")
    dialog.runButton().click()
    wait_for(lambda: ended, f"the end of {name}")
    successful, results = ended[0]
    picture(f"{name}_log")
    dialog.close()
    assert successful, f"{name} failed; the picture {name}_log shows why"
    return {key: value for key, value in results.items() if isinstance(value, (str, int, float))}


SHORT = {"PRESET": "quick", "STEPS": GIVEN["steps"], "DEVICE": "cpu"}


def layer(name: str) -> Any:
    (found,) = QgsProject.instance().mapLayersByName(name)
    return found


def pretrain() -> dict[str, Any]:
    return run_dialog(
        "pretrain", RASTERS=[layer("Image").id()], ENCODER=str(FOLDER / "encoder.safetensors"), BATCH_SIZE=8,
        REPORT=str(FOLDER / "pretrain.html"), **SHORT,
    )  # fmt: skip


def finetune() -> dict[str, Any]:
    return run_dialog(
        "finetune", RASTER=layer("Image").id(), LABELS=layer("Labels").id(), FIELD="land_cover",
        ENCODER=str(FOLDER / "encoder.safetensors"), MODEL=str(FOLDER / "model.safetensors"),
        REPORT=str(FOLDER / "finetune.html"), **SHORT,
    )  # fmt: skip


def classify() -> dict[str, Any]:
    return run_dialog(
        "classify", RASTER=layer("Image").id(), MODEL=str(FOLDER / "model.safetensors"), OUTPUT=str(FOLDER / "map.tif"),
        DEVICE="cpu",
    )  # fmt: skip


def look_at_the_map() -> dict[str, Any]:
    """Return how the map is drawn, and the colours that are really on the canvas."""
    project = QgsProject.instance()
    (classified,) = (one for one in project.mapLayers().values() if one.source().endswith("map.tif"))
    root = project.layerTreeRoot()
    root.findLayer(layer("Labels").id()).setItemVisibilityChecked(False)
    root.findLayer(classified.id()).setExpanded(True)
    root.findLayer(layer("Image").id()).setExpanded(False)
    iface.mainWindow().findChild(QDockWidget, "ResultsViewer").hide()
    iface.messageBar().clearWidgets()
    open_toolbox()
    pause(0.5)
    canvas = iface.mapCanvas()
    canvas.setExtent(classified.extent())
    canvas.refreshAllLayers()
    pause(0.5)
    wait_for(lambda: not canvas.isDrawing(), "the canvas")
    image = canvas.grab().toImage()
    seen = {image.pixelColor(x, y).name() for x in range(0, image.width(), 3) for y in range(0, image.height(), 3)}
    legend = {entry.label: entry.color.name() for entry in classified.renderer().classes()}
    return {"layer": classified.name(), "legend": legend, "seen": sorted(seen & set(legend.values()))}


def begin_to_train() -> dict[str, Any]:
    """Begin a training that would take days, and return the processes of it."""
    dialog = processing.createAlgorithmDialog(
        "false:pretrain",
        {"RASTERS": [layer("Image").id()], "ENCODER": str(FOLDER / "never.safetensors"), **SHORT, "STEPS": 10**6},
    )
    dialog.show()
    dialog.runButton().click()
    log = dialog.findChild(QTextEdit, "txtLog")
    wait_for(lambda: "Pretraining" in log.toPlainText(), "the training")
    return {"processes": below(os.getpid())}


def below(process: int) -> list[int]:
    """Return the processes that a process has started, and those that they have."""
    children = Path(f"/proc/{process}/task").glob("*/children")
    own = [int(child) for file in children for child in file.read_text("ascii").split()]
    return [*own, *(one for child in own for one in below(child))]


def close_qgis() -> None:
    """As a user does. QGIS asks whether to cancel what still runs, and wants to be told again to close when that is done.

    Then it asks whether layers in the folder for temporary files, where all of this is, may go.
    """

    def answer() -> None:
        asked = QApplication.activeModalWidget()
        if isinstance(asked, QMessageBox):
            picture("close_qgis")
            asked.button(QMessageBox.StandardButton.Yes).click()
        QTimer.singleShot(200, answer)

    QTimer.singleShot(200, answer)
    iface.actionExit().trigger()
    wait_for(lambda: not QgsApplication.taskManager().countActiveTasks(), "the end of the training")
    iface.actionExit().trigger()


STEPS = (install_from_zip, open_project, open_toolbox, pretrain, finetune, classify, look_at_the_map, begin_to_train)


def main() -> None:
    code = 0
    with open(FOLDER / "steps.jsonl", "a", encoding="utf-8") as record:
        for step in STEPS:
            try:
                said = step()
                picture(step.__name__)
            except BaseException:  # noqa: BLE001 - whatever it was, the test must hear of it.
                said, code = {"failed": traceback.format_exc()}, 1
            record.write(json.dumps({"step": step.__name__, **said}) + "\n")
            record.flush()
            if code:
                break
    QgsProject.instance().setDirty(False)
    if code:
        QgsApplication.exit(code)
    else:
        close_qgis()


# Once the window stands and QGIS waits for its user.
QTimer.singleShot(1000, main)
