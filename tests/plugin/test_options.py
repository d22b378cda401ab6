"""The options page shows what is set, remembers what is entered, and starts nothing by itself."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from qgis.PyQt.QtCore import QCoreApplication
from qgis.PyQt.QtWidgets import QComboBox, QDoubleSpinBox, QLabel, QLineEdit, QMainWindow, QMenu, QPushButton


@pytest.fixture
def settings(provider, monkeypatch):
    from qgis_false import settings

    for setting in settings.PLUGIN_SETTINGS:
        monkeypatch.delenv(setting.variable, raising=False)
        setting.store("")
    yield settings
    for setting in settings.PLUGIN_SETTINGS:
        setting.store("")


@pytest.fixture
def page(settings, qgis_parent):
    from qgis_false.options import OptionsFactory

    made = []

    def open_page():
        made.append(OptionsFactory().createWidget(qgis_parent))
        made[-1].resize(760, 620)
        made[-1].show()
        QCoreApplication.processEvents()
        return made[-1]

    yield open_page
    for one in made:
        one.close()


def test_every_setting_is_on_the_page_with_its_help(page, settings, tmp_path):
    opened = page()
    texts = [label.text() for label in opened.findChildren(QLabel)]
    for setting in settings.PLUGIN_SETTINGS:
        assert setting.label in texts and setting.help in texts
        assert setting.variable in opened.findChild(object, setting.key).toolTip()
    pictures = Path(os.environ.get("DIALOG_PICTURES", tmp_path))
    assert opened.grab().save(str(pictures / "options.png"))


def test_what_is_entered_is_remembered_when_the_options_are_accepted(page, settings):
    opened = page()
    opened.findChild(QComboBox, "false/device").setCurrentText("cuda:3")
    opened.findChild(QDoubleSpinBox, "false/memory_gb").setValue(6.5)
    opened.findChild(object, "false/cache").setFilePath("/scratch/ä b")
    opened.findChild(QLineEdit, "false/launcher").setText("srun --gpus=1 python ")
    opened.findChild(QLineEdit, "false/paths").setText("/home/ä b=/scratch")
    assert settings.DEVICE.stored() == ""
    opened.apply()
    assert (settings.DEVICE.value(), settings.MEMORY.value(), settings.CACHE.value()) == ("cuda:3", "6.5", "/scratch/ä b")
    assert (settings.LAUNCHER.value(), settings.PATHS.value()) == ("srun --gpus=1 python", "/home/ä b=/scratch")
    again = page()
    assert again.findChild(QComboBox, "false/device").currentText() == "cuda:3"
    assert again.findChild(QLineEdit, "false/launcher").text() == "srun --gpus=1 python"
    assert again.findChild(QDoubleSpinBox, "false/memory_gb").value() == 6.5


def test_what_a_variable_sets_cannot_be_changed_here_and_the_page_says_why(page, settings, monkeypatch):
    settings.DEVICE.store("cuda:3")
    monkeypatch.setenv("FALSE_DEVICE", "cpu")
    opened = page()
    field = opened.findChild(QComboBox, "false/device")
    assert field.currentText() == "cpu" and not field.isEnabled()
    assert any("The variable FALSE_DEVICE is set" in label.text() for label in opened.findChildren(QLabel))
    opened.apply()
    assert settings.DEVICE.stored() == "cuda:3"


def test_a_word_where_a_number_belongs_does_not_keep_the_page_from_opening(page, settings):
    settings.MEMORY.store("plenty")
    settings.DISK.store("plenty")
    assert page().findChild(QDoubleSpinBox, "false/memory_gb").value() == 1.0
    assert page().findChild(QDoubleSpinBox, "false/disk_gb").value() == 10.0


def test_no_disk_for_rasters_is_an_amount_too(page, settings):
    opened = page()
    opened.findChild(QDoubleSpinBox, "false/disk_gb").setValue(0)
    disk_for = opened.findChild(QComboBox, "false/disk_for")
    disk_for.setCurrentIndex(disk_for.findData("all"))
    opened.apply()
    assert settings.for_the_library()["FALSE_DISK_GB"] == "0"
    assert settings.for_the_library()["FALSE_DISK_FOR"] == "all"
    assert page().findChild(QDoubleSpinBox, "false/disk_gb").value() == 0


def test_opening_it_starts_no_program_and_no_dialog(page, monkeypatch):
    def started(*arguments: object, **more: object) -> None:
        raise AssertionError(f"started {arguments}")

    monkeypatch.setattr(subprocess, "Popen", started)
    page()


@pytest.mark.parametrize("algorithm", ["false:setupenvironment", "false:checkenvironment", "false:diagnostics"])
def test_a_button_opens_the_dialog_and_what_was_entered_counts(page, settings, algorithm, monkeypatch):
    import processing

    opened = []
    monkeypatch.setattr(
        processing, "execAlgorithmDialog", lambda name, values: opened.append((name, settings.DEVICE.value()))
    )
    shown = page()
    shown.findChild(QComboBox, "false/device").setCurrentText("cpu")
    shown.findChild(QPushButton, algorithm).click()
    assert opened == [(algorithm, "cpu")]


def test_it_says_whether_there_is_an_environment(page, settings, monkeypatch, tmp_path):
    from qgis.core import QgsApplication

    from qgis_false.environment import interpreters

    monkeypatch.setattr(interpreters, "PLUGIN_FOLDER", tmp_path)
    monkeypatch.setattr(QgsApplication, "qgisSettingsDirPath", lambda: str(tmp_path) + "/")
    assert "no compute environment yet" in page().state.text()


def test_the_plugin_adds_it_to_the_options_and_takes_it_away(provider, monkeypatch):
    from qgis_false.plugin import FalsePlugin

    class Desktop(QMainWindow):
        factories: list = []  # noqa: RUF012

        def mainWindow(self) -> QMainWindow:
            return self

        def rasterMenu(self) -> QMenu:
            return raster_menu

        def registerOptionsWidgetFactory(self, factory: object) -> None:
            self.factories.append(factory)

        def unregisterOptionsWidgetFactory(self, factory: object) -> None:
            self.factories.remove(factory)

    desktop, raster_menu = Desktop(), QMenu()
    plugin = FalsePlugin(desktop)
    monkeypatch.setattr(plugin, "initProcessing", lambda: None)
    monkeypatch.setattr("sys.modules", dict(__import__("sys").modules))
    plugin.initGui()
    (factory,) = desktop.factories
    assert factory.title() == "FALSE"
    plugin.unload()
    assert desktop.factories == []


def test_reports_name_the_author_of_the_project_where_no_other_is_set(qgis_new_project, monkeypatch):
    from qgis.core import QgsProject

    from qgis_false import settings

    monkeypatch.delenv("FALSE_AUTHOR", raising=False)
    metadata = QgsProject.instance().metadata()
    metadata.setAuthor("Ada")
    QgsProject.instance().setMetadata(metadata)
    assert settings.for_the_library()["FALSE_AUTHOR"] == "Ada"
    settings.AUTHOR.store("Grace")
    assert settings.for_the_library()["FALSE_AUTHOR"] == "Grace"
    settings.AUTHOR.store("")
