"""Every dialog opens, shows the parameters, and can be looked at: set DIALOG_PICTURES to a folder to keep the pictures."""

from __future__ import annotations

import contextlib
import os
import re
import time
from pathlib import Path

import pytest
from qgis.core import QgsProcessingParameterDefinition, QgsProject, QgsSettings
from qgis.PyQt.QtCore import QCoreApplication
from qgis.PyQt.QtWidgets import QCheckBox, QDialogButtonBox, QLabel, QPushButton, QScrollArea, QTextEdit, QWidget

from qgis_false.tasks import EXPORT_NAME

EXPORT = EXPORT_NAME.upper()


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
        "editmap",
        "polygonise",
        "embed",
        "samplepoints",
        "assess",
        "comparemaps",
        "suggestlabels",
        "exportonnx",
        "modelinfo",
        "importresults",
        "checkenvironment",
        "classifyareas",
        "findsimilar",
        "outlinepoints",
        "change",
        "collectplaces",
        "classifymany",
        "handin",
        "exampledata",
    ],
)
def test_the_dialog_shows_every_parameter(dialog, tmp_path, name):
    opened = dialog(name)
    panel = opened.mainWidget()
    panel.findChild(QWidget, "grpAdvanced").setProperty("collapsed", False)
    QCoreApplication.processEvents()
    parameters = panel.findChild(QScrollArea).widget()
    parameters.resize(700, parameters.sizeHint().height())
    named = [*opened.findChildren(QLabel), *opened.findChildren(QCheckBox)]
    shown = {one.text().replace(" [optional]", "") for one in named}
    definitions = opened.algorithm().parameterDefinitions()
    assert definitions
    assert panel.findChild(QWidget, "grpAdvanced").isVisible() == any(
        one.flags() & QgsProcessingParameterDefinition.Flag.FlagAdvanced for one in definitions if one.name() != EXPORT
    )
    for definition in definitions:
        # Lengths and areas are said in the unit of the CRS.
        said = definition.description()
        labels = {said, said.replace("square CRS units", "m²").replace("CRS units", "meters")}
        assert any(label in text for text in shown for label in labels), definition.name()
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
            ("classifyareas", {"OUTPUT": "raster_areas.gpkg", "REPORT": "raster_classifyareas_report.html"}),
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
            (made_files.MADE_ENCODER, "e1", raster.source()),
            (made_files.MADE_ENCODER, "e2", raster.source()),
            (made_files.MADE_ENCODER, "other", "/another/raster.tif"),
            (made_files.MADE_SEGMENTER, "m1", raster.source()),
            (made_files.MADE_SEGMENTER, "m2", "/another/raster.tif"),
        ):
            made_files.remember_file(kind, str(tmp_path / name), [source])
        made_files.remember_file(made_files.MADE_MAP, str(made), [raster.source()])
        finetune = dialog("finetune").mainWidget().wrappers
        assert finetune["RASTER"].parameterValue() == raster.id()
        assert finetune["ENCODER"].parameterValue() == str(tmp_path / "e2")
        assert dialog("classify").mainWidget().wrappers["MODEL"].parameterValue() == str(tmp_path / "m1")
        (tmp_path / "m1").unlink()
        assert dialog("classify").mainWidget().wrappers["MODEL"].parameterValue() == str(tmp_path / "m2")
        wrapper = dialog("assess").mainWidget().wrappers["MAP"]
        assert QgsProject.instance().mapLayer(wrapper.parameterValue()).source() == str(made)

    @pytest.mark.parametrize(("name", "are_maps"), [("comparemaps", True), ("change", False)])
    def test_two_of_a_kind_are_compared_the_newer_one_last(self, dialog, raster, tmp_path, name, are_maps):
        from qgis.core import QgsRasterLayer
        from small_raster import write_raster

        from qgis_false import made_files

        for kind in ("image", "map"):
            for number in (1, 2):
                path = write_raster(tmp_path / f"{kind} {number}.tif")
                if kind == "map":
                    made_files.remember_file(made_files.MADE_MAP, str(path), [raster.source()])
                # What is added later lies upon what was there.
                layer = QgsProject.instance().addMapLayer(QgsRasterLayer(str(path), f"{kind} {number}"), False)
                QgsProject.instance().layerTreeRoot().insertLayer(0, layer)
        wrappers = dialog(name).mainWidget().wrappers
        chosen = [QgsProject.instance().mapLayer(wrappers[one].parameterValue()).name() for one in ("BEFORE", "AFTER")]
        assert chosen == (["map 1", "map 2"] if are_maps else ["image 1", "image 2"])


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
    opened.setParameters({"RASTERS": [raster.source()], "ENCODER": str(encoder), "PRESET": "quick", "BATCH_SIZE": 8})
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


def test_a_run_after_an_estimate_that_was_refused_is_no_estimate(dialog, monkeypatch):
    from processing.gui.AlgorithmDialog import AlgorithmDialog

    asked = []
    monkeypatch.setattr(AlgorithmDialog, "runAlgorithm", lambda self: asked.append(self.algorithm().only_estimates))
    opened = dialog("classify")
    opened._estimate()
    opened.runAlgorithm()
    assert asked == [True, False]
    done = []
    opened.algorithmFinished.connect(lambda ok, results: done.append(ok))
    opened.finish(False, {}, opened.context, opened.feedback)
    assert done == [False]


@pytest.mark.parametrize(("error", "texts"), [
    ("It is of another format. Name it in the variable FALSE_DRIVERS, or in Settings > Options > FALSE.",
     ["Set up...", "Options..."]),
    ("The disk is full.", []),
])  # fmt: skip
def test_a_run_that_an_option_would_mend_leads_to_it(dialog, error, texts):
    opened = dialog("classify")
    feedback = opened.createFeedback()
    feedback.reportError(error)
    feedback.reportError("Execution failed after 2.10 seconds")
    opened.finish(False, {}, opened.context, feedback)
    shown = opened.messageBar().currentItem()
    assert [one.text() for one in shown.findChildren(QPushButton)] == texts if shown else not texts


@pytest.mark.parametrize(("name", "launcher", "offered"), [
    ("pretrain", "", True), ("finetune", "", True), ("classify", "", True), ("embed", "", False), ("polygonise", "", False),
    ("pretrain", "srun python", False),
])  # fmt: skip
def test_what_can_be_estimated_has_a_button_for_it(dialog, monkeypatch, name, launcher, offered):
    monkeypatch.setenv("FALSE_LAUNCHER", launcher)
    monkeypatch.setenv("FALSE_SCHEDULER", "local" if name == "pretrain" else "")
    texts = [one.text() for one in dialog(name).findChildren(QPushButton)]
    assert ("Estimate" in texts) is offered


def test_the_button_that_leads_back_from_the_log_is_not_beside_that_which_runs(dialog):
    made = dialog("pretrain")
    back = [one for one in made.buttonBox().buttons() if one.text() == "Change Parameters"]
    assert len(back) == 1 and not back[0].isVisible() and made.runButton().isVisible()


class TestATrial:
    @pytest.fixture
    def view(self, raster, monkeypatch):
        """A map view, in another CRS than the raster, on its lower left quarter."""
        from types import SimpleNamespace

        from qgis import utils
        from qgis.core import QgsCoordinateReferenceSystem, QgsCoordinateTransform, QgsRectangle
        from qgis.gui import QgsMapCanvas

        canvas, whole = QgsMapCanvas(), raster.extent()
        quarter = QgsRectangle(whole.xMinimum(), whole.yMinimum(), whole.center().x(), whole.center().y())
        utm = QgsCoordinateReferenceSystem("EPSG:32632")
        way = QgsCoordinateTransform(raster.crs(), utm, QgsProject.instance())
        canvas.resize(400, 300)
        canvas.setDestinationCrs(utm)
        canvas.setExtent(way.transformBoundingBox(quarter))
        monkeypatch.setattr(utils, "iface", SimpleNamespace(mapCanvas=lambda: canvas))
        return canvas

    @pytest.fixture
    def runs(self, monkeypatch):
        from processing.gui.AlgorithmDialog import AlgorithmDialog

        kept = []

        class Begun(Exception):
            pass

        def begin(algorithm, parameters, *given):
            kept.append((parameters, algorithm.createInstance().is_trial))
            raise Begun

        run = AlgorithmDialog.runAlgorithm

        def run_up_to_there(dialog):
            with contextlib.suppress(Begun):
                run(dialog)

        # What QGIS hands to the run, whichever of its methods it asks for that.
        monkeypatch.setattr("processing.gui.AlgorithmDialog.QgsProcessingAlgRunnerTask", begin)
        monkeypatch.setattr(AlgorithmDialog, "runAlgorithm", run_up_to_there)
        return kept

    def test_does_not_begin_where_there_is_no_part_to_look_at(self, dialog, raster, tmp_path, runs):
        opened = dialog("classify")
        opened.setParameters({"RASTER": "/vsicurl/http://127.0.0.1:9/a.tif", "OUTPUT": str(tmp_path / "map.tif")})
        (button,) = [one for one in opened.findChildren(QPushButton) if one.text() == "Try it small"]
        button.click()
        opened = dialog("pretrain")
        opened.setParameters({"RASTERS": [raster.source()], "STAGES": str(tmp_path / "stages.toml")})
        (button,) = [one for one in opened.findChildren(QPushButton) if one.text() == "Try it small"]
        button.click()
        assert runs == []
        assert opened.messageBar().currentItem().text().startswith("A part can be tried where")

    def test_takes_what_the_map_shows_few_steps_and_temporary_files_and_changes_nothing(
        self, dialog, raster, tmp_path, view, runs
    ):
        opened = dialog("pretrain")
        encoder = str(tmp_path / "encoder.safetensors")
        opened.setParameters({"RASTERS": [raster.source()], "ENCODER": encoder, "STEPS": 5000})
        (button,) = [one for one in opened.findChildren(QPushButton) if one.text() == "Try it small"]
        button.click()
        opened.runAlgorithm()
        (trial, is_trial), (real, is_no_trial) = runs
        assert is_trial and not is_no_trial
        assert (trial["STEPS"], text(trial["ENCODER"])) == (20, "TEMPORARY_OUTPUT")
        part, whole = trial["EXTENT"], raster.extent()
        assert part.crs() == raster.crs()
        assert abs(part.center().x() - whole.xMinimum()) < whole.width() / 2 and part.area() < 0.8 * whole.area()
        assert (real["STEPS"], text(real["ENCODER"]), real.get("EXTENT")) == (5000, encoder, None)

    def test_of_a_large_part_is_its_middle_and_without_a_view_that_of_the_raster(self, raster, monkeypatch):
        from qgis_false.dialogs import trial

        monkeypatch.setattr(trial, "MOST_TRIAL_PX", 10)
        part = trial.part_in_view(raster, None)
        assert (part.width(), part.height()) == (10, 10)
        assert part.center() == raster.extent().center()

    def test_is_offered_where_a_part_shows_what_the_whole_will_be(self, dialog):
        for name, offered in (("classify", True), ("embed", True), ("finetune", False), ("assess", False)):
            assert ("Try it small" in [one.text() for one in dialog(name).findChildren(QPushButton)]) is offered, name

    @pytest.mark.thorough
    def test_of_pretraining_ends_and_is_not_offered_to_the_next_step(self, dialog, raster, tmp_path, monkeypatch):
        from qgis_false import made_files

        monkeypatch.setenv("FALSE_CACHE", str(tmp_path / "cache"))
        opened = dialog("pretrain")
        opened.setParameters({"RASTERS": [raster.source()], "ENCODER": str(tmp_path / "e.safetensors"), "BATCH_SIZE": 4})
        (button,) = [one for one in opened.findChildren(QPushButton) if one.text() == "Try it small"]
        ended = []
        opened.algorithmFinished.connect(lambda successful, results: ended.append((successful, dict(results))))
        button.click()
        until = time.monotonic() + 240
        while not ended and time.monotonic() < until:
            QCoreApplication.processEvents()
            time.sleep(0.05)
        log = "\n".join(one.toPlainText() for one in opened.findChildren(QTextEdit))
        assert ended and ended[0][0], log
        assert "This is a trial on a part of the raster." in log
        assert ended[0][1]["STEPS"] == 20
        assert Path(ended[0][1]["ENCODER"]).exists() and not (tmp_path / "e.safetensors").exists()
        assert made_files.last_made(made_files.MADE_ENCODER, raster.source()) is None


def shown_in(widget) -> str:
    """What a widget shows where nothing is entered."""
    from qgis.gui import QgsFileWidget
    from qgis.PyQt.QtWidgets import QAbstractSpinBox, QComboBox

    if isinstance(widget, QgsFileWidget):
        widget = widget.lineEdit()
    spins = [one for one in [widget, *widget.findChildren(QAbstractSpinBox)] if isinstance(one, QAbstractSpinBox)]
    if spins:
        return spins[0].text()
    combos = [one for one in [widget, *widget.findChildren(QComboBox)] if isinstance(one, QComboBox)]
    return combos[0].currentText() if combos else widget.placeholderText()


class TestAdvancedParameters:
    def test_show_what_comes_from_the_preset_and_follow_it(self, dialog):
        panel = dialog("pretrain").mainWidget()

        def shown(name: str) -> str:
            return shown_in(panel.wrappers[name].wrappedWidget())

        assert shown("STEPS") == "from the preset: 250 (Quick), 10000 (Standard)"
        assert shown("TEMPERATURE") == "from the preset: 0.2"
        assert shown("BACKBONE") == "from the preset: tf_efficientnet_lite0 (Quick), resnet50 (Standard)"
        assert shown("FALSE_NEGATIVES") == "[from the preset: no]"
        panel.wrappers["PRESET"].setParameterValue("paper", panel.processing_context)
        assert shown("TEMPERATURE") == "from the preset: 0.5"
        assert shown("STEPS") == "from the preset"  # As many as 200 passes over the raster take.
        assert shown("WEIGHTS") == "from the preset: none"
        assert panel.wrappers["TEMPERATURE"].parameterValue() is None

    def test_say_lengths_in_the_unit_of_the_crs(self, dialog, raster):
        from qgis.core import QgsCoordinateReferenceSystem, QgsRasterLayer

        panel = dialog("suggestlabels").mainWidget()
        label, _ = panel._labels["SIZE"]
        assert label.text() == "Side of a square (meters) [optional]"
        other = QgsRasterLayer(raster.source(), "other")
        other.setCrs(QgsCoordinateReferenceSystem("EPSG:4326"))
        QgsProject.instance().addMapLayer(other)
        panel.wrappers["RASTER"].setParameterValue(other.id(), panel.processing_context)
        assert label.text() == "Side of a square (degrees) [optional]"
        panel = dialog("polygonise").mainWidget()
        label, _ = panel._labels["MINIMUM_AREA"]
        for code, unit in (("EPSG:2225", "ft²"), ("EPSG:4326", "m²"), ("EPSG:32633", "m²")):
            other.setCrs(QgsCoordinateReferenceSystem(code))
            panel.wrappers["MAP"].setParameterValue(other.id(), panel.processing_context)
            panel.show_units()
            assert label.text() == f"Minimum area ({unit})"

    def test_list_the_devices_of_this_computer_and_take_others(self, dialog, monkeypatch):
        from qgis.PyQt.QtWidgets import QComboBox

        from qgis_false.dialogs import devices
        from qgis_false.environment.state import WORKS, State

        results = {"device": "cuda:0", "device_name": "NVIDIA X"}
        monkeypatch.setattr(devices, "read_state", lambda folder: State(WORKS, "1", results=results))
        panel = dialog("classify").mainWidget()
        wrapper = panel.wrappers["DEVICE"]
        combo = wrapper.wrappedWidget().parent()
        assert isinstance(combo, QComboBox)
        assert [combo.itemData(index) for index in range(combo.count())] == ["auto", "cuda:0", "cpu"]
        assert combo.itemText(1) == "cuda:0 - NVIDIA X"
        assert wrapper.parameterValue() == combo.currentText() == "auto"
        combo.setCurrentIndex(1)
        combo.activated.emit(1)
        assert wrapper.parameterValue() == combo.currentText() == "cuda:0"
        combo.setEditText("cuda:3")
        assert wrapper.parameterValue() == "cuda:3"
        wrapper.setParameterValue("cpu", panel.processing_context)
        assert combo.currentText() == "cpu"

    def test_have_a_tooltip_in_plain_words(self, dialog):
        panel = dialog("pretrain").mainWidget()
        assert "although both show the same land cover" in panel.wrappers["FALSE_NEGATIVES"].wrappedWidget().toolTip()


class TestExportingAJob:
    @pytest.mark.parametrize("name", ["pretrain", "finetune", "classify"])
    def test_is_a_button_and_no_output_among_others(self, dialog, name):
        opened = dialog(name)
        assert not opened.mainWidget().wrappers["EXPORT"].wrappedWidget().isVisible()
        assert not [label for label in opened.findChildren(QLabel) if "Export the job" in label.text() and label.isVisible()]

    def test_runs_the_dialog_once_with_the_file_that_was_named(self, dialog, monkeypatch, tmp_path):
        from processing.gui.AlgorithmDialog import AlgorithmDialog
        from qgis.PyQt.QtWidgets import QFileDialog, QPushButton

        values = []
        file = str(tmp_path / "job.json")
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (file, ""))
        monkeypatch.setattr(AlgorithmDialog, "runAlgorithm", lambda self: values.append(self.createProcessingParameters()))
        opened = dialog("exportonnx")
        monkeypatch.setenv("FALSE_CORE_PYTHON", str(tmp_path / "none"))  # It computes nothing.
        opened.setParameters({"MODEL": file})
        (button,) = [one for one in opened.findChildren(QPushButton) if one.text() == "Export the job..."]
        button.click()
        assert text(values[0]["EXPORT"]) == file
        assert not opened.createProcessingParameters().get("EXPORT")
