"""Results can be told apart in a project, show what they mean, and a cancelled run is no failure."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

import pytest
from osgeo import gdal
from qgis.core import (
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingUtils,
    QgsProject,
    QgsRasterLayer,
    QgsSettings,
)
from qgis.PyQt.QtCore import QCoreApplication, QSize
from small_raster import write_raster

from false_core import jobs

WHEN = r"\d{4}-\d\d-\d\d \d\d:\d\d"


@pytest.fixture
def confidence(qgis_app, tmp_path) -> QgsRasterLayer:
    path = write_raster(tmp_path / "confidence.tif", bands=1)
    dataset = gdal.Open(str(path), gdal.GA_Update)
    width, height = dataset.RasterXSize, dataset.RasterYSize
    values = bytes(min(100, 30 + 70 * column // width) for column in range(width)) * height
    dataset.GetRasterBand(1).WriteRaster(0, 0, width, height, values)
    dataset = None
    return QgsRasterLayer(str(path), "confidence")


class TestTheConfidence:
    def test_has_one_scale_for_all_maps_in_percent(self, provider, confidence, context, feedback, tmp_path):
        from qgis_false.layers.confidence_style import confidence_style

        QgsProject.instance().addMapLayer(confidence)
        confidence_style().postProcessLayer(confidence, context, feedback)
        renderer = confidence.renderer()
        assert (renderer.classificationMin(), renderer.classificationMax()) == (0, 100)
        items = renderer.shader().rasterShaderFunction().colorRampItemList()
        assert [item.label for item in items] == ["0 %", "25 %", "50 %", "75 %", "100 %"]
        opacity = [item.color.alpha() for item in items]
        assert opacity == sorted(opacity, reverse=True) and opacity[-1] == 0
        settings = QgsMapSettings()
        settings.setLayers([confidence])
        settings.setExtent(confidence.extent())
        settings.setOutputSize(QSize(300, 300))
        job = QgsMapRendererParallelJob(settings)
        job.start()
        job.waitForFinished()
        picture = job.renderedImage()
        assert picture.save(str(Path(os.environ.get("DIALOG_PICTURES", tmp_path)) / "confidence.png"))
        assert picture.pixelColor(20, 150).lightness() < picture.pixelColor(280, 150).lightness()

    def test_lies_over_the_map(self, provider, confidence, raster, context, feedback):
        from qgis_false.layers.confidence_style import confidence_style

        QgsProject.instance().addMapLayer(confidence)
        confidence_style().postProcessLayer(confidence, context, feedback)
        QgsProject.instance().addMapLayer(raster)  # It comes later.
        QCoreApplication.processEvents()
        order = [node.layerId() for node in QgsProject.instance().layerTreeRoot().findLayers()]
        assert order == [confidence.id(), raster.id()]


class TestANameOfALayer:
    @pytest.fixture
    def named(self, provider, context):
        from qgis_false.layers.result_names import name_layers

        def name(job: jobs.Job, output: str) -> str:
            details = QgsProcessingContext.LayerDetails("as QGIS says", QgsProject.instance(), output)
            context.addLayerToLoadOnCompletion(getattr(job, output), details)
            name_layers(job, context)
            details = context.layerToLoadOnCompletionDetails(getattr(job, output))
            assert details.forceName
            return details.name

        return name

    def test_says_what_it_is_of_and_when_it_was_made(self, named, tmp_path):
        made = {"output": str(tmp_path / "o.tif"), "confidence": str(tmp_path / "c.tif")}
        job = jobs.Classify("/data/scene.tif|crs=EPSG:32633", "/m", **made)
        assert re.fullmatch(f"Classified raster: scene, {WHEN}", named(job, "output"))
        assert re.fullmatch(f"Confidence: scene, {WHEN}", named(job, "confidence"))

    def test_of_what_lies_in_a_temporary_folder_leaves_that_out(self, named, tmp_path):
        job = jobs.Polygonise(QgsProcessingUtils.generateTempFilename("OUTPUT.tif"), str(tmp_path / "p.gpkg"))
        assert re.fullmatch(f"Polygons, {WHEN}", named(job, "output"))

    def test_of_example_data_is_that_of_the_scene(self, named, tmp_path):
        job = jobs.ExampleData(str(tmp_path / "false_example.tif"), str(tmp_path / "l.gpkg"))
        assert re.fullmatch(f"Labels: false_example, {WHEN}", named(job, "labels"))


class TestMetadata:
    @pytest.fixture
    def described(self, provider, context, feedback, raster):
        from qgis_false.layers.class_styles import class_style
        from qgis_false.layers.confidence_style import confidence_style
        from qgis_false.layers.result_names import name_layers

        def describe(job: jobs.Job, output: str) -> str:
            details = QgsProcessingContext.LayerDetails("as QGIS says", QgsProject.instance(), output)
            style = confidence_style() if output == "confidence" else class_style()
            details.setPostProcessor(style)
            context.addLayerToLoadOnCompletion(getattr(job, output), details)
            name_layers(job, context)
            style.postProcessLayer(raster, context, feedback)
            assert raster.metadata().history() == [raster.metadata().abstract().split("\n")[0]]
            return raster.metadata().abstract()

        return describe

    def test_says_which_algorithm_made_the_layer_of_what_and_when(self, described):
        job = jobs.Classify("/data/scene.tif|crs=EPSG:32633", "/m/forest.safetensors", "/o/map.tif", "/o/c.tif")
        for output in ("output", "confidence"):
            made, *inputs = described(job, output).split("\n")
            assert re.fullmatch(rf"Made on {WHEN} by Classify a raster of FALSE [\d.]+\.", made)
            assert inputs == ["Raster: scene.tif", "Model: forest.safetensors"]

    def test_names_of_many_files_are_cut_short(self, described):
        job = jobs.ClassifyMany([f"/d/{k}.tif" for k in range(9)], "/m.safetensors", "/o")
        from qgis_false.layers.result_metadata import metadata_of

        assert "0.tif, 1.tif, 2.tif, 3.tif, 4.tif, ...\n" in metadata_of(job).abstract()

    def test_an_address_keeps_its_password_to_itself(self, described):
        job = jobs.Classify("/vsicurl/https://me:secret@host/scene.tif?sig=hidden", "/m.safetensors", "/o/map.tif")
        said = described(job, "output")
        assert "scene.tif" in said and "secret" not in said and "hidden" not in said


class Log(QgsProcessingFeedback):
    def __init__(self) -> None:
        super().__init__(False)
        self.errors: list[str] = []
        self.infos: list[str] = []

    def reportError(self, error, fatalError=False):
        self.errors.append(error)

    def pushInfo(self, info):
        self.infos.append(info)


class TestACancelledRun:
    def test_says_so_once_and_shows_no_error(self, provider):
        from qgis_false.dialogs.cancelled_run import CancelledRunFeedback

        log = Log()
        calm = CancelledRunFeedback(log)
        calm.reportError("before")
        log.cancel()
        assert calm.isCanceled()
        calm.reportError("Cancelled.")
        calm.reportError("Execution failed after 2 s")
        assert log.errors == ["before"]
        assert log.infos == ["Cancelled. Nothing that was there before has changed."]

    @pytest.mark.thorough
    def test_is_none_in_the_dialog_either(self, algorithm, raster, qgis_parent, monkeypatch, tmp_path):
        import processing.gui.ParametersPanel

        from qgis_false.compute import worker

        monkeypatch.setattr(worker, "_command_here", lambda feedback: ["python3", "-c", "import time; time.sleep(20)"])
        monkeypatch.setenv("FALSE_CORE_PYTHON", "/usr/bin/python3")
        monkeypatch.setattr(processing.gui.ParametersPanel, "iface", None)
        QgsProject.instance().addMapLayer(raster)
        model = tmp_path / "m.safetensors"
        model.touch()
        dialog = algorithm("classify").createCustomParametersWidget(qgis_parent)
        dialog.show()
        dialog.setParameters({"MODEL": str(model)})
        dialog.runAlgorithm()
        deadline = time.monotonic() + 15
        while not dialog.cancelButton().isEnabled() and time.monotonic() < deadline:
            QCoreApplication.processEvents()
        dialog.cancelButton().click()
        while dialog.cancelButton().isEnabled() and time.monotonic() < deadline:
            QCoreApplication.processEvents()
        QCoreApplication.processEvents()
        text = dialog.findChild(object, "txtLog").toPlainText()
        assert dialog.grab().save(str(Path(os.environ.get("DIALOG_PICTURES", tmp_path)) / "cancelled.png"))
        assert "Cancelled. Nothing that was there before has changed." in text
        assert "failed" not in text.lower() and "finished" not in text and "generated" not in text
        assert dialog.wasExecuted() and dialog.results() == {}
        dialog.close()


@pytest.mark.thorough
def test_a_report_is_called_after_what_it_is_of(algorithm, raster, qgis_parent, monkeypatch, tmp_path):
    import processing.gui.ParametersPanel

    monkeypatch.setenv("FALSE_CORE_PYTHON", "/usr/bin/python3")
    monkeypatch.setattr(processing.gui.ParametersPanel, "iface", None)
    QgsProject.instance().addMapLayer(raster)
    names = {}
    for name in ("classify", "Map from a few labels"):
        dialog = algorithm(name).createCustomParametersWidget(qgis_parent)
        dialog._name_reports()
        names[name] = {o.description() for o in dialog.algorithm().outputDefinitions() if o.type() == "outputHtml"}
        dialog.close()
    assert names["classify"] == {"Classify a raster: raster"}
    assert "Map from a few labels, Map report: raster" in names["Map from a few labels"]


def test_what_was_made_is_remembered_and_what_is_gone_forgotten(provider, tmp_path):
    from qgis_false import made_files

    QgsSettings().remove("false/made")
    first, second = tmp_path / "1", tmp_path / "2"
    for path in (first, second):
        path.touch()
        made_files.remember_file(made_files.MADE_ENCODER, str(path), ["/a.tif"])
    assert made_files.last_made(made_files.MADE_ENCODER) == str(second)
    assert made_files.last_made(made_files.MADE_ENCODER, "/b.tif") is None
    second.unlink()
    assert made_files.last_made(made_files.MADE_ENCODER, "/a.tif") == str(first)
    QgsSettings().setValue("false/made", json.dumps([{"of": "another version"}]))
    assert made_files.last_made(made_files.MADE_ENCODER) is None
    QgsSettings().remove("false/made")
