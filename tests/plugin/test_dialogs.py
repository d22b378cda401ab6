"""Every dialog opens, shows the parameters, and can be looked at: set DIALOG_PICTURES to a folder to keep the pictures."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from qgis.core import QgsProject
from qgis.PyQt.QtCore import QCoreApplication
from qgis.PyQt.QtWidgets import QLabel, QScrollArea, QWidget


@pytest.fixture
def dialog(algorithm, monkeypatch, qgis_parent, raster):
    import processing.gui.ParametersPanel
    from processing.gui.AlgorithmDialog import AlgorithmDialog

    monkeypatch.setattr(processing.gui.ParametersPanel, "iface", None)
    QgsProject.instance().addMapLayer(raster)
    opened = []

    def open_dialog(name: str) -> AlgorithmDialog:
        made = AlgorithmDialog(algorithm(name), False, qgis_parent)
        opened.append(made)
        made.resize(1000, 760)
        made.show()
        QCoreApplication.processEvents()
        return made

    yield open_dialog
    for made in opened:
        made.close()
    QgsProject.instance().clear()


@pytest.mark.parametrize(
    "name",
    [
        "pretrain",
        "finetune",
        "classify",
        "polygonise",
        "embed",
        "samplepoints",
        "assess",
        "suggestlabels",
        "exportonnx",
        "modelinfo",
        "importresults",
        "checkenvironment",
    ],
)
def test_the_dialog_shows_every_parameter(dialog, tmp_path, name):
    opened = dialog(name)
    panel = opened.mainWidget()
    panel.findChild(QWidget, "grpAdvanced").setProperty("collapsed", False)
    QCoreApplication.processEvents()
    parameters = panel.findChild(QScrollArea).widget()
    parameters.resize(700, parameters.sizeHint().height())
    shown = {label.text().replace(" [optional]", "") for label in opened.findChildren(QLabel)}
    definitions = opened.algorithm().parameterDefinitions()
    assert definitions
    for definition in definitions:
        assert any(definition.description() in text for text in shown), definition.name()
    pictures = Path(os.environ.get("DIALOG_PICTURES", tmp_path))
    assert opened.grab().save(str(pictures / f"{name}.png"))
    assert parameters.grab().save(str(pictures / f"{name}_parameters.png"))


def test_the_dialog_of_the_set_up_can_be_left_as_it_is(dialog, context, tmp_path):
    opened = dialog("setupenvironment")
    wrappers, algorithm = opened.mainWidget().wrappers, opened.algorithm()
    values = {name: wrappers[name].parameterValue() for name in ("EXISTING_PYTHON", "BUILD", "FROM_SCRATCH")}
    assert algorithm.parameterAsFile(values, "EXISTING_PYTHON", context) == ""
    assert algorithm.parameterAsEnumString(values, "BUILD", context) == "auto"
    assert algorithm.parameterAsBoolean(values, "FROM_SCRATCH", context) is False
    assert "Set up the compute environment" in opened.windowTitle()
    pictures = Path(os.environ.get("DIALOG_PICTURES", tmp_path))
    assert opened.grab().save(str(pictures / "setupenvironment.png"))


@pytest.mark.parametrize("name", ["pretrain", "finetune"])
def test_what_is_left_alone_comes_from_the_preset(dialog, name):
    """An empty number must reach the job as nothing and not as its smallest value."""
    opened = dialog(name)
    values = {
        definition.name(): opened.mainWidget().wrappers[definition.name()].parameterValue()
        for definition in opened.algorithm().parameterDefinitions()
        if definition.name() in {"STEPS", "BATCH_SIZE", "TEMPERATURE", "FREEZE", "PIXEL_SIZE"}
    }
    assert values
    assert set(values.values()) == {None}
