"""The menu, the toolbar and the box that offers the set-up, as PyQt6 makes and draws them."""

from __future__ import annotations

from pathlib import Path

import pytest
from qgis.core import QgsApplication
from qgis.PyQt.QtCore import QEvent
from qgis.PyQt.QtGui import QIcon
from qgis.PyQt.QtWidgets import QMainWindow, QMenu, QMessageBox, QToolBar, QToolButton

ICONS = Path(__file__).resolve().parents[2] / "qgis_false" / "icons"


class Entry:
    """An algorithm, as far as a menu shows it."""

    def __init__(self, name: str) -> None:
        self._name = name.partition(":")[2]

    def displayName(self) -> str:
        return self._name.capitalize()

    def shortDescription(self) -> str:
        return "What it does"

    def icon(self) -> QIcon:
        return QIcon(str(ICONS / f"{self._name}.svg"))


class Registry:
    def algorithmById(self, name: str) -> Entry:
        return Entry(name)


class Desktop(QMainWindow):
    def __init__(self) -> None:
        super().__init__()
        self.raster = QMenu("Raster", self)

    def mainWindow(self) -> QMainWindow:
        return self

    def rasterMenu(self) -> QMenu:
        return self.raster


@pytest.fixture
def desktop(qgis_app, monkeypatch):
    monkeypatch.setattr(QgsApplication, "processingRegistry", staticmethod(Registry))
    window = Desktop()
    yield window
    window.close()


def test_the_menu_is_drawn_and_goes_again(desktop, pictures):
    from qgis_false.menu import MENU_GROUPS, FalseMenu

    menu = FalseMenu(desktop)
    names = [action.objectName() for action in menu.menu.actions() if action.objectName()]
    assert names == ["false_label", "setupenvironment", "exampledata", *(name for step in MENU_GROUPS for name in step)]
    (bar,) = desktop.findChildren(QToolBar)
    assert bar.findChild(QToolButton, "false_button").menu() is menu.menu
    desktop.resize(500, 60)
    desktop.show()
    menu.menu.popup(desktop.pos())
    QgsApplication.processEvents()
    assert menu.menu.grab().save(str(pictures / "menu.png"))
    assert bar.grab().save(str(pictures / "toolbar.png"))
    menu.menu.hide()
    menu.remove()
    assert desktop.raster.actions() == []
    QgsApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    assert desktop.findChildren(QToolBar) == []


@pytest.mark.parametrize(
    ("pressed", "opened"), [("Set up...", "run_set_up"), ("Options...", "show_options"), ("Cancel", None)]
)
def test_a_box_offers_what_mends_it(desktop, monkeypatch, pictures, pressed, opened):
    from qgis_false.dialogs import environment

    done = []
    monkeypatch.setattr(environment, "run_set_up", lambda parent: done.append("run_set_up"))
    monkeypatch.setattr(environment, "show_options", lambda parent: done.append("show_options"))

    def press(box: QMessageBox) -> None:
        box.show()
        QgsApplication.processEvents()
        assert box.grab().save(str(pictures / "box.png"))
        (button,) = [button for button in box.buttons() if button.text().replace("&", "") == pressed]
        button.click()

    monkeypatch.setattr(QMessageBox, "exec", press)
    environment.offer_in_box(desktop, "There is no compute environment yet.")
    assert done == [opened] * (opened is not None)
