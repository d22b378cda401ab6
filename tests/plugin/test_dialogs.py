"""Every dialog opens, shows the parameters, and can be looked at: set DIALOG_PICTURES to a folder to keep the pictures."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest
from qgis.core import QgsProject, QgsSettings
from qgis.PyQt.QtCore import QCoreApplication
from qgis.PyQt.QtWidgets import QDialogButtonBox, QLabel, QPushButton, QScrollArea, QTextEdit, QWidget


@pytest.fixture
def dialog(algorithm, monkeypatch, qgis_parent, raster, compute_python):
    import processing.gui.ParametersPanel

    from qgis_false.dialogs.dialog import FalseDialog

    monkeypatch.setenv("FALSE_CORE_PYTHON", compute_python)
    monkeypatch.setattr(processing.gui.ParametersPanel, "iface", None)
    QgsSettings().remove("false/made")
    QgsProject.instance().addMapLayer(raster)
    opened = []

    def open_dialog(name: str) -> FalseDialog:
        made = algorithm(name).createCustomParametersWidget(qgis_parent)
        opened.append(made)
        made.resize(1000, 760)
        made.show()
        QCoreApplication.processEvents()
        return made

    yield open_dialog
    for made in opened:
        made.close()
    QgsProject.instance().clear()
    QgsSettings().remove("false/made")


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


def text(value) -> str:
    return value.sink.staticValue() if hasattr(value, "sink") else value or ""


class TestWhatADialogProposes:
    @pytest.fixture
    def styled(self, labels):
        """Labels with a key, a remark and the classes, drawn by their classes."""
        from qgis.core import QgsCategorizedSymbolRenderer, QgsField, QgsRendererCategory, QgsSymbol
        from qgis.PyQt.QtCore import QVariant

        labels.dataProvider().addAttributes([QgsField("remark", QVariant.String)])
        labels.updateFields()
        symbol = QgsSymbol.defaultSymbol(labels.geometryType())
        categories = [QgsRendererCategory(name, symbol.clone(), name) for name in ("road", "roof", "tree")]
        labels.setRenderer(QgsCategorizedSymbolRenderer("class", categories))
        QgsProject.instance().addMapLayer(labels)
        return labels

    @pytest.mark.parametrize("name", ["finetune", "Map from a few labels", "Improve a map"])
    def test_the_class_field_is_that_of_the_style(self, dialog, styled, name):
        values = dialog(name).mainWidget().wrappers
        assert values.get("FIELD", values.get("field")).parameterValue() == "class"

    def test_another_label_layer_brings_its_own_field(self, dialog, styled):
        from qgis.core import QgsVectorLayer

        other = QgsVectorLayer("Point?crs=EPSG:32633&field=fid:integer&field=kind:string", "other", "memory")
        QgsProject.instance().addMapLayer(other)
        panel = dialog("finetune").mainWidget()
        panel.wrappers["LABELS"].setParameterValue(other.id(), panel.processing_context)
        assert panel.wrappers["FIELD"].parameterValue() == "kind"
        panel.wrappers["LABELS"].setParameterValue(styled.id(), panel.processing_context)
        assert panel.wrappers["FIELD"].parameterValue() == "class"

    @pytest.mark.parametrize(
        ("name", "files"),
        [
            ("pretrain", {"ENCODER": "raster_encoder.safetensors", "REPORT": "raster_pretrain_report.html"}),
            ("finetune", {"MODEL": "raster_model.safetensors", "REPORT": "raster_finetune_report.html"}),
            ("classify", {"OUTPUT": "raster_map.tif", "CONFIDENCE": "", "REPORT": "raster_classify_report.html"}),
            ("polygonise", {"OUTPUT": "raster_polygons.gpkg"}),
            ("samplepoints", {"OUTPUT": "raster_sample_points.gpkg"}),
            ("suggestlabels", {"OUTPUT": "raster_places.gpkg"}),
            ("Map from a few labels", {"classify:map": "raster_map.tif", "finetune:model": "raster_model.safetensors"}),
        ],
    )
    def test_results_go_beside_the_raster_under_its_name(self, dialog, raster, name, files):
        panel = dialog(name).mainWidget()
        if name == "pretrain":
            panel.wrappers["RASTERS"].setParameterValue([raster.id()], panel.processing_context)
        for output, file in files.items():
            path = text(panel.wrappers[output].parameterValue())
            assert path == (str(Path(raster.source()).parent / file) if file else ""), output

    def test_nothing_that_is_there_is_written_over_and_what_was_entered_stays(self, dialog, raster, tmp_path):
        (tmp_path / "raster_map.tif").touch()
        (tmp_path / "raster_map_2.tif").touch()
        panel = dialog("classify").mainWidget()
        assert text(panel.wrappers["OUTPUT"].parameterValue()) == str(tmp_path / "raster_map_3.tif")
        panel.wrappers["OUTPUT"].setParameterValue(str(tmp_path / "mine.tif"), panel.processing_context)
        panel.propose_destinations()
        assert text(panel.wrappers["OUTPUT"].parameterValue()) == str(tmp_path / "mine.tif")

    def test_another_raster_brings_other_names(self, dialog, tmp_path):
        from qgis.core import QgsRasterLayer
        from small_raster import write_raster

        (tmp_path / "elsewhere").mkdir()
        other = QgsRasterLayer(str(write_raster(tmp_path / "elsewhere" / "fields.tif")), "fields")
        QgsProject.instance().addMapLayer(other)
        panel = dialog("classify").mainWidget()
        panel.wrappers["RASTER"].setParameterValue(other.id(), panel.processing_context)
        assert text(panel.wrappers["OUTPUT"].parameterValue()) == str(tmp_path / "elsewhere" / "fields_map.tif")

    def test_without_a_folder_to_keep_them_in_results_stay_temporary(self, dialog, raster, monkeypatch):
        from qgis_false.dialogs import destinations

        monkeypatch.setattr(destinations.os, "access", lambda path, mode: False)
        assert text(dialog("classify").mainWidget().wrappers["OUTPUT"].parameterValue()) == "TEMPORARY_OUTPUT"

    def test_the_encoder_the_model_and_the_map_made_last_are_offered(self, dialog, raster, tmp_path):
        from qgis.core import QgsRasterLayer
        from small_raster import write_raster

        from qgis_false import made_files

        for name in ("e1", "e2", "m1", "m2", "other"):
            (tmp_path / name).touch()
        made = write_raster(tmp_path / "a map.tif")
        QgsProject.instance().addMapLayer(QgsRasterLayer(str(made), "a map"))
        for kind, name, source in (
            (made_files.ENCODER, "e1", raster.source()),
            (made_files.ENCODER, "e2", raster.source()),
            (made_files.ENCODER, "other", "/another/raster.tif"),
            (made_files.SEGMENTER, "m1", raster.source()),
            (made_files.SEGMENTER, "m2", "/another/raster.tif"),
        ):
            made_files.remember(kind, str(tmp_path / name), [source])
        made_files.remember(made_files.MAP, str(made), [raster.source()])
        finetune = dialog("finetune").mainWidget().wrappers
        assert finetune["RASTER"].parameterValue() == raster.id()
        assert finetune["ENCODER"].parameterValue() == str(tmp_path / "e2")
        assert dialog("classify").mainWidget().wrappers["MODEL"].parameterValue() == str(tmp_path / "m1")
        (tmp_path / "m1").unlink()
        assert dialog("classify").mainWidget().wrappers["MODEL"].parameterValue() == str(tmp_path / "m2")
        wrapper = dialog("assess").mainWidget().wrappers["MAP"]
        assert QgsProject.instance().mapLayer(wrapper.parameterValue()).source() == str(made)


class TestWhatADialogAsks:
    @pytest.fixture
    def asked(self, dialog, labels, monkeypatch, tmp_path):
        """Return a function that presses Run with label classes, answers No, and returns the question."""
        from processing.gui.AlgorithmDialog import AlgorithmDialog
        from qgis.PyQt.QtWidgets import QMessageBox
        from small_labels import add, memory_layer, square

        runs = []
        monkeypatch.setattr(AlgorithmDialog, "runAlgorithm", lambda self: runs.append(self))

        def press(*classes: str, answer: str = "No"):
            layer = memory_layer()
            for place, name in enumerate(classes):
                add(layer, square(10 * place), name)
            QgsProject.instance().addMapLayer(layer)
            questions = []

            def reply(parent, title, question, *rest):
                questions.append(question)
                return getattr(QMessageBox.StandardButton, answer)

            monkeypatch.setattr(QMessageBox, "question", reply)
            opened = dialog("finetune")
            opened.mainWidget().wrappers["LABELS"].setParameterValue(layer.id(), opened.mainWidget().processing_context)
            opened.runAlgorithm()
            return questions, len(runs)

        return press

    def test_nothing_where_each_class_has_several_shapes(self, asked):
        assert asked("road", "road", "tree", "tree") == ([], 1)

    def test_about_one_shape_per_class(self, asked):
        questions, runs = asked("1", "2", "5", "20")
        assert runs == 0
        assert "Each of the 4 classes in the field class has one shape only." in questions[0]

    def test_about_names_that_differ_in_capitals_or_blanks_alone(self, asked):
        questions, runs = asked("urban", "Urban", "tree cover", "tree  cover", "tree cover", "water", "water")
        assert runs == 0
        assert '"Urban" / "urban"; "tree  cover" / "tree cover"' in questions[0]
        assert "water" not in questions[0]

    def test_and_runs_where_the_user_means_it(self, asked):
        assert asked("a", "b", answer="Yes")[1] == 1


@pytest.mark.thorough
def test_a_click_says_what_a_job_costs_and_does_nothing_of_it(dialog, raster, tmp_path, monkeypatch):
    monkeypatch.setenv("FALSE_CACHE", str(tmp_path / "cache"))
    opened = dialog("pretrain")
    encoder = tmp_path / "encoder.safetensors"
    opened.setParameters({"RASTERS": [raster.source()], "ENCODER": str(encoder), "PRESET": "quick"})
    (button,) = [one for one in opened.findChildren(QPushButton) if one.text() == "Estimate"]
    button.click()
    assert not button.isEnabled() and not opened.algorithm().only_estimates
    until = time.monotonic() + 240
    while not button.isEnabled() and time.monotonic() < until:
        QCoreApplication.processEvents()
        time.sleep(0.05)
    log = "\n".join(one.toPlainText() for one in opened.findChildren(QTextEdit))
    assert re.search(r"This will take about \d+ \w+, [\d.]+ GB of memory and [\d.]+ GB of disk\.", log)
    assert not encoder.exists()
    assert opened.isVisible() and opened.buttonBox().button(QDialogButtonBox.StandardButton.Ok).isEnabled()
    pictures = Path(os.environ.get("DIALOG_PICTURES", tmp_path))
    assert opened.grab().save(str(pictures / "estimate.png"))


@pytest.mark.parametrize(("name", "launcher", "offered"), [
    ("pretrain", "", True), ("finetune", "", True), ("classify", "", True), ("embed", "", False), ("polygonise", "", False),
    ("pretrain", "srun python", False),
])  # fmt: skip
def test_what_can_be_estimated_has_a_button_for_it(dialog, monkeypatch, name, launcher, offered):
    monkeypatch.setenv("FALSE_LAUNCHER", launcher)
    texts = [one.text() for one in dialog(name).findChildren(QPushButton)]
    assert ("Estimate" in texts) is offered
