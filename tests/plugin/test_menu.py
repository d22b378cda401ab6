"""After installing there is a menu and a toolbar, and no way leads to a dead end."""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from qgis import utils
from qgis.core import QgsSettings
from qgis.PyQt.QtCore import QCoreApplication, QEvent, QUrl
from qgis.PyQt.QtWidgets import QMainWindow, QMenu, QMessageBox, QPushButton, QToolBar, QToolButton

ROOT = Path(__file__).resolve().parents[2]


class Desktop:
    """As much of the desktop application as the menu asks for, with a real window."""

    def __init__(self, window: QMainWindow, bar) -> None:
        self.window, self.bar = window, bar
        self.raster_menu = QMenu("Raster", window)
        self.options: list[str] = []

    def mainWindow(self):
        return self.window

    def rasterMenu(self):
        return self.raster_menu

    def addToolBar(self, title):
        return self.window.addToolBar(title)

    def messageBar(self):
        return self.bar

    def showOptionsDialog(self, parent, page):
        self.options.append(page)


@pytest.fixture
def desktop(provider, qgis_app, monkeypatch):
    from qgis.gui import QgsMessageBar

    window = QMainWindow()
    made = Desktop(window, QgsMessageBar(window))
    monkeypatch.setattr(utils, "iface", made)
    QgsSettings().remove("false/greeted")
    yield made
    window.close()


@pytest.fixture
def menu(desktop):
    from qgis_false.menu import FalseMenu

    return FalseMenu(desktop)


@pytest.fixture
def nowhere(monkeypatch):
    # Before, so that they do not keep what is put in its place.
    import qgis_false.compute.launcher
    import qgis_false.compute.worker  # noqa: F401
    from qgis_false.environment import interpreters

    monkeypatch.delenv("FALSE_CORE_PYTHON", raising=False)

    def none():
        raise interpreters.NoEnvironment("There is no compute environment yet.")

    monkeypatch.setattr(interpreters, "find_interpreter", none)
    return none


def test_it_is_under_raster_and_in_a_toolbar_and_goes_again(menu, desktop, tmp_path):
    assert [action.text() for action in desktop.raster_menu.actions()] == ["FALSE"]
    (bar,) = desktop.window.findChildren(QToolBar)
    assert bar.findChild(QToolButton, "false_button").menu() is menu.menu
    menu.menu.popup(desktop.window.pos())
    QCoreApplication.processEvents()
    assert menu.menu.grab().save(str(Path(os.environ.get("DIALOG_PICTURES", tmp_path)) / "menu.png"))
    menu.menu.hide()
    menu.remove()
    assert desktop.raster_menu.actions() == []
    QCoreApplication.sendPostedEvents(None, 52)  # What is to be deleted later is deleted now.
    assert desktop.window.findChildren(QToolBar) == []


def test_it_leads_to_algorithms_that_are_there_in_the_order_they_are_needed(menu, provider):
    from qgis_false.menu import MENU_GROUPS

    names = [action.objectName() for action in menu.menu.actions() if action.objectName()]
    assert names == ["false_label", "setupenvironment", "exampledata", *(name for step in MENU_GROUPS for name in step)]
    for name in names[1:]:
        assert provider.algorithm(name), name


def test_each_entry_opens_its_dialog(menu, monkeypatch):
    import processing

    opened = []

    class Dialog:
        def show(self):
            opened.append("shown")

        def exec(self):
            QCoreApplication.processEvents()

        def runAlgorithm(self):
            opened.append("run")

    monkeypatch.setattr(processing, "createAlgorithmDialog", lambda name, values: opened.append(name) or Dialog())
    actions = {action.objectName(): action for action in menu.menu.actions()}
    actions["classify"].trigger()
    assert opened == ["false:classify", "shown"]
    del opened[:]
    actions["exampledata"].trigger()
    assert opened == ["false:exampledata", "shown", "run"]


def test_the_options_and_the_help_are_one_click_away(menu, desktop, monkeypatch):
    from qgis.PyQt.QtGui import QDesktopServices

    asked = []
    monkeypatch.setattr(QDesktopServices, "openUrl", asked.append)
    for action in menu.menu.actions():
        if action.text() in ("Options...", "Help"):
            action.trigger()
    assert desktop.options == ["FALSE"]
    (url,) = asked
    page = Path(QUrl(url).toLocalFile())
    assert page.name == "index.html"
    for name in ("setupenvironment", "exampledata", "finetune", "map_from_a_few_labels"):
        assert f'href="{name}.html"' in page.read_text("utf-8")
        assert (page.parent / f"{name}.html").is_file()


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_tutorial_with_its_pictures_comes_with_the_plugin(menu, monkeypatch, language):
    from qgis.PyQt.QtGui import QDesktopServices

    asked = []
    monkeypatch.setattr(QDesktopServices, "openUrl", asked.append)
    next(action for action in menu.menu.actions() if action.text() == "Your first map").trigger()
    page = Path(QUrl(asked[0]).toLocalFile())
    page = page.parents[1] / language / page.name
    text = page.read_text("utf-8")
    pictures = re.findall(r'<img src="([^"]+)"', text)
    assert len(pictures) == 4
    for picture in pictures:
        shown = (page.parent / picture).resolve()
        assert shown.read_bytes() == (ROOT / "docs" / "images" / shown.name).read_bytes(), "run tools/make_dock_pictures.py"
    assert 'href="first_steps.html"' in (page.parent / "index.html").read_text("utf-8")


def test_a_user_with_a_compute_environment_is_offered_an_example(menu, desktop, monkeypatch, compute_python):
    monkeypatch.setenv("FALSE_CORE_PYTHON", compute_python)
    menu._greet()
    (item,) = desktop.bar.items()
    assert "Raster > FALSE. Try it on an example." in item.text()
    assert [button.text() for button in item.findChildren(QPushButton)] == ["Make example data"]


def test_the_user_is_told_once_where_it_is(nowhere, menu, desktop, monkeypatch):
    from qgis_false import menu as module

    monkeypatch.setattr(module, "GREETING_AFTER_MS", 0)
    menu.greet()
    QCoreApplication.processEvents()
    (item,) = desktop.bar.items()
    assert "Raster > FALSE" in item.text()
    assert [button.text() for button in item.findChildren(QPushButton)] == ["Set up..."]
    menu.greet()
    QCoreApplication.processEvents()
    assert len(desktop.bar.items()) == 1


def test_the_greeting_ends_when_it_is_followed(nowhere, menu, desktop, monkeypatch):
    opened = []
    monkeypatch.setattr(menu, "_open", lambda *given, **more: opened.append(given))
    menu._greet()
    desktop.bar.items()[0].findChild(QPushButton).click()
    assert opened == [("setupenvironment",)] and not desktop.bar.items()


def test_the_greeting_ends_when_the_dock_is_opened(nowhere, menu, desktop, monkeypatch):
    menu._dock = SimpleNamespace(setUserVisible=lambda shown: None)
    menu._greet()
    menu.open_dock()
    assert not desktop.bar.items()
    menu._greet()
    desktop.bar.clearWidgets()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    menu.open_dock()  # A person has closed it meanwhile.


class TestWithoutAComputeEnvironment:
    @pytest.fixture
    def dialog(self, nowhere, desktop, algorithm, monkeypatch):
        import processing.gui.ParametersPanel

        monkeypatch.setattr(processing.gui.ParametersPanel, "iface", None)
        made = []

        def opened(name: str):
            one = algorithm(name)
            assert one.canExecute() == (True, "")
            made.append(one.createCustomParametersWidget(desktop.window))
            made[-1].resize(1000, 700)
            made[-1].show()
            QCoreApplication.processEvents()
            return made[-1]

        yield opened
        for one in made:
            one.close()

    @pytest.mark.parametrize("name", ["finetune", "Map from a few labels"])
    def test_the_dialog_opens_and_has_the_button_that_mends_it(self, dialog, desktop, monkeypatch, tmp_path, name):
        from qgis_false.dialogs import environment
        from qgis_false.environment import interpreters

        opened = dialog(name)
        (item,) = opened.messageBar().items()
        assert "There is no compute environment yet." in item.text()
        buttons = {button.text(): button for button in item.findChildren(QPushButton)}
        pictures = Path(os.environ.get("DIALOG_PICTURES", tmp_path))
        assert opened.grab().save(str(pictures / f"dead_end_{name}.png"))
        buttons["Options..."].click()
        assert desktop.options == ["FALSE"]
        assert opened.messageBar().items()
        asked = []
        monkeypatch.setattr(environment.processing, "execAlgorithmDialog", lambda name, values: asked.append(name))
        monkeypatch.setattr(interpreters, "find_interpreter", lambda: None)
        buttons["Set up..."].click()
        assert asked == ["false:setupenvironment"]
        assert opened.messageBar().items() == []

    def test_run_asks_to_set_it_up_and_runs_nothing(self, dialog, monkeypatch):
        from qgis_false.dialogs import environment

        opened, asked = dialog("classify"), []

        def press_set_up(box):
            asked.append(box.text())
            (button,) = [button for button in box.buttons() if button.text() == "Set up..."]
            monkeypatch.setattr(box, "clickedButton", lambda: button, raising=False)

        monkeypatch.setattr(QMessageBox, "exec", press_set_up)
        monkeypatch.setattr(environment.processing, "execAlgorithmDialog", lambda name, values: asked.append(name))
        opened.runAlgorithm()
        assert asked == ["There is no compute environment yet.", "false:setupenvironment"]
        assert not opened.wasExecuted()

    def test_the_set_up_itself_opens_without_a_word(self, dialog):
        assert dialog("setupenvironment").messageBar().items() == []

    def test_in_qgis_process_the_algorithm_says_what_to_do(self, nowhere, algorithm, monkeypatch):
        monkeypatch.setattr(utils, "iface", None)
        assert algorithm("classify").canExecute() == (False, "There is no compute environment yet.")
