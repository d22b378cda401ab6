"""A job can be written to a file instead of being run, with all that goes with it, and its results brought back later."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from osgeo import ogr
from qgis.core import (
    QgsPalettedRasterRenderer,
    QgsProcessingException,
    QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm,
    QgsProcessingModelChildParameterSource,
    QgsProcessingModelOutput,
    QgsProcessingModelParameter,
    QgsProcessingParameterRasterLayer,
    QgsProcessingUtils,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
)
from small_raster import write_raster
from test_runs import CLASSES, Compute, labels, run, write_polygons  # noqa: F401 - fixtures

from false_core import jobs


@pytest.fixture(autouse=True)
def nothing_runs(provider, monkeypatch):
    """Exporting must start nothing, and needs no environment once the dialog is open."""

    def started(*arguments: object) -> None:
        raise AssertionError("a job was run")

    monkeypatch.delenv("FALSE_PATHS", raising=False)
    monkeypatch.setattr("qgis_false.compute.worker.run_job", started)


@pytest.fixture
def target(tmp_path) -> Path:
    return tmp_path / "my job.json"


@pytest.fixture
def model_file(tmp_path) -> str:
    (tmp_path / "m.safetensors").write_bytes(b"model")
    return str(tmp_path / "m.safetensors")


def exported(target: Path) -> jobs.Job:
    return jobs.from_json(target.read_text("utf-8"))


class TestExporting:
    @pytest.mark.parametrize("way", ["raster", "model", "output", "hard link"])
    def test_no_file_of_the_job_is_written_over(self, run, raster, model_file, target, tmp_path, way):  # noqa: F811
        if way == "hard link":
            os.link(model_file, target)
        output = str(tmp_path / "map.tif")
        export = {"raster": raster.source(), "model": model_file, "output": output, "hard link": str(target)}[way]
        with pytest.raises(QgsProcessingException, match="is a file of the job itself"):
            run("classify", RASTER=raster, MODEL=model_file, OUTPUT=output, EXPORT=export)
        assert Path(model_file).read_bytes() == b"model"

    def test_a_link_is_replaced_and_one_in_place_of_the_folder_is_refused(self, run, raster, model_file, target, tmp_path):  # noqa: F811
        precious = tmp_path / "precious"
        precious.write_text("mine")
        for name in (target, target.with_name(f"{target.name}.partial")):
            name.symlink_to(precious)
        output = str(tmp_path / "map.tif")
        run("classify", RASTER=raster, MODEL=model_file, OUTPUT=output, EXPORT=str(target))
        assert exported(target).output == output
        assert precious.read_text() == "mine"
        target.with_name(f"{target.stem}_files").symlink_to(tmp_path)
        with pytest.raises(QgsProcessingException, match="is a link"):
            run("classify", RASTER=raster, MODEL=model_file, OUTPUT=output, EXPORT=str(target))

    def test_the_file_holds_the_job_that_would_have_run(self, run, raster, model_file, target, tmp_path, feedback):  # noqa: F811
        output = str(tmp_path / "map.tif")
        results = run("classify", RASTER=raster, MODEL=model_file, OUTPUT=output, EXPORT=str(target))
        assert exported(target) == jobs.Classify(raster=raster.source(), model=model_file, output=output)
        assert results == {"EXPORT": str(target), "OUTPUT": output}
        assert not Path(output).exists()
        assert {path.name for path in tmp_path.iterdir()} == {"my job.json", "raster.tif", "m.safetensors"}
        assert f'Run it with: false-core run "{target}"' in feedback.infos

    def test_every_algorithm_that_writes_something_can(self, provider):
        for algorithm in provider.algorithms():
            job = getattr(algorithm, "JOB", None)
            if job in jobs.JOBS.values():
                writes = any(parameter.kind.is_output for parameter in jobs.parameters(job).values())
                assert (algorithm.parameterDefinition("EXPORT") is not None) == writes, algorithm.name()

    def test_labels_and_their_legend_go_with_it(self, run, raster, labels, target, tmp_path):  # noqa: F811
        model = str(tmp_path / "m.safetensors")
        run("finetune", RASTER=raster, LABELS=labels, FIELD="class", MODEL=model, EXPORT=str(target))
        job = exported(target)
        folder = tmp_path / "my job_files"
        assert (job.labels, job.legend) == (str(folder / "labels.gpkg"), str(folder / "legend.json"))
        assert {path.name for path in folder.iterdir()} == {"labels.gpkg", "legend.json"}
        layer = ogr.Open(job.labels)
        assert [feature.GetField("class") for feature in layer.GetLayer(0)] == ["road", "roof"]
        assert json.loads(Path(job.legend).read_text("utf-8"))[1]["name"] == "Roof"

    def test_each_layer_goes_to_a_file_of_its_own_and_the_classes_with_theirs(self, run, raster, labels, target, tmp_path):  # noqa: F811
        places, before = str(tmp_path / "places.gpkg"), str(tmp_path / "before.gpkg")
        write_polygons(before, [(1, "a", "#000000")])
        run("collectplaces", RASTERS=[raster.source()], GUIDE=labels, EXISTING=before, OUTPUT=places, EXPORT=str(target))
        job = exported(target)
        assert job.field == "class" and {Path(job.guide).name, Path(job.existing).name} == {"guide.gpkg", "existing.gpkg"}
        of_guide, of_existing = ogr.Open(job.guide), ogr.Open(job.existing)
        fields = [layer.GetLayer(0).GetLayerDefn().GetFieldIndex("class") for layer in (of_guide, of_existing)]
        assert fields == [0, -1]

    def test_every_path_is_absolute(self, run, raster, model_file, target, tmp_path, monkeypatch):  # noqa: F811
        monkeypatch.chdir(tmp_path)
        run("classify", RASTER="raster.tif", MODEL="m.safetensors", OUTPUT="map.tif", EXPORT="my job.json")
        job = exported(target)
        assert all(map(os.path.isabs, (job.raster, job.model, job.output)))

    def test_outputs_that_were_to_be_temporary_get_a_place(self, run, raster, target, tmp_path, feedback):  # noqa: F811
        temporary = "TEMPORARY_OUTPUT"
        results = run("pretrain", RASTERS=[raster], ENCODER=temporary, REPORT=temporary, EXPORT=str(target))
        job, folder = exported(target), tmp_path / "my job_files"
        assert job.encoder == str(folder / "encoder.safetensors") == results["ENCODER"]
        assert job.report == str(folder / "report.html")
        assert "REPORT" not in results  # QGIS would open it.
        assert folder.is_dir()
        assert any(f"(ENCODER) was to be a temporary file. It goes to {job.encoder}" in info for info in feedback.infos)

    def test_an_input_that_is_gone_when_qgis_ends_is_refused(self, run, model_file, target, tmp_path):  # noqa: F811
        fleeting = write_raster(Path(QgsProcessingUtils.generateTempFilename("warped.tif")))
        with pytest.raises(QgsProcessingException, match="temporary file of QGIS.*warped.tif"):
            run("classify", RASTER=str(fleeting), MODEL=model_file, OUTPUT=str(tmp_path / "map.tif"), EXPORT=str(target))
        assert {path.name for path in tmp_path.iterdir()} == {"m.safetensors"}

    def test_a_temporary_file_for_the_job_itself_is_refused(self, run, raster, model_file, tmp_path):  # noqa: F811
        with pytest.raises(QgsProcessingException, match="EXPORT is a temporary file"):
            run("classify", RASTER=raster, MODEL=model_file, OUTPUT=str(tmp_path / "m.tif"), EXPORT="TEMPORARY_OUTPUT")

    def test_it_has_the_paths_of_the_computer_it_will_run_on(self, run, raster, labels, target, tmp_path, monkeypatch):  # noqa: F811
        monkeypatch.setenv("FALSE_PATHS", f"{tmp_path}=/scratch/me")
        model = str(tmp_path / "m.safetensors")
        results = run("finetune", RASTER=raster, LABELS=labels, FIELD="class", MODEL=model, EXPORT=str(target))
        job = exported(target)
        assert (job.raster, job.model) == ("/scratch/me/raster.tif", "/scratch/me/m.safetensors")
        assert job.labels == "/scratch/me/my job_files/labels.gpkg"
        assert results["MODEL"] == model

    def test_qgis_does_not_look_for_the_layer_that_is_not_made(self, raster, model_file, target, tmp_path, feedback):
        import processing

        values = {"RASTER": raster, "MODEL": model_file, "OUTPUT": str(tmp_path / "map.tif"), "EXPORT": str(target)}
        reported: list[str] = []
        feedback.reportError = lambda text, fatal=False: reported.append(text)
        results = processing.runAndLoadResults("false:classify", values, feedback=feedback)
        assert results["EXPORT"] == str(target)
        assert not reported
        assert not QgsProject.instance().mapLayers()

    def test_what_cannot_be_done_is_said_and_leaves_nothing(self, run, algorithm, context, raster, labels, tmp_path):  # noqa: F811
        values = {"RASTERS": [raster.source()], "ENCODER": str(tmp_path / "e.safetensors"), "EXPORT": "/no/folder/j.json"}
        accepted, why = algorithm("pretrain").checkParameterValues(values, context)
        assert not accepted and "EXPORT: there is no folder /no/folder" in why
        with pytest.raises(QgsProcessingException, match="has no field colour"):
            run("finetune", RASTER=raster, LABELS=labels, FIELD="colour", MODEL=str(tmp_path / "m"),
                EXPORT=str(tmp_path / "j.json"))  # fmt: skip
        assert {path.name for path in tmp_path.iterdir()} == {"raster.tif"}

    def test_a_file_where_its_folder_should_be_is_said_to_be(self, run, raster, model_file, target, tmp_path):  # noqa: F811
        (tmp_path / "my job_files").write_text("mine")
        with pytest.raises(QgsProcessingException, match="The folder .*my job_files cannot be made: File exists"):
            run("classify", RASTER=raster, MODEL=model_file, OUTPUT=str(tmp_path / "map.tif"), EXPORT=str(target))
        assert (tmp_path / "my job_files").read_text() == "mine"
        assert not target.exists()

    def test_a_folder_where_it_should_be_is_said_to_be(self, run, raster, model_file, target, tmp_path):  # noqa: F811
        target.mkdir()
        said = r"The job cannot be written to .*my job\.json: (Is a directory|Permission denied)"
        with pytest.raises(QgsProcessingException, match=said):
            run("classify", RASTER=raster, MODEL=model_file, OUTPUT=str(tmp_path / "map.tif"), EXPORT=str(target))
        assert {path.name for path in tmp_path.iterdir()} == {"my job.json", "raster.tif", "m.safetensors"}

    def test_labels_that_cannot_be_written_are_an_error(self, run, raster, labels, target, tmp_path):  # noqa: F811
        (tmp_path / "my job_files" / "labels.gpkg").mkdir(parents=True)
        model = str(tmp_path / "m.safetensors")
        with pytest.raises(QgsProcessingException, match=r"The labels cannot be written to .*labels\.gpkg: ."):
            run("finetune", RASTER=raster, LABELS=labels, FIELD="class", MODEL=model, EXPORT=str(target))
        assert not target.exists()

    def test_exporting_again_takes_the_labels_of_today(self, run, raster, labels, target, tmp_path):  # noqa: F811
        values = {"RASTER": raster, "LABELS": labels, "FIELD": "class", "MODEL": str(tmp_path / "m"), "EXPORT": str(target)}
        run("finetune", **values)
        labels.dataProvider().deleteFeatures([1])
        run("finetune", **values)
        layer = ogr.Open(exported(target).labels)
        assert layer.GetLayer(0).GetFeatureCount() == 1

    def test_a_model_exports_its_steps_and_they_fit_together(self, provider, context, feedback, raster, tmp_path):
        model = QgsProcessingModelAlgorithm("Export both", "")
        model.addModelParameter(QgsProcessingParameterRasterLayer("raster", "Raster"), QgsProcessingModelParameter("raster"))
        source = QgsProcessingModelChildParameterSource
        steps = {
            "pretrain": {"RASTERS": source.fromModelParameter("raster")},
            "embed": {
                "RASTER": source.fromModelParameter("raster"), "MODEL": source.fromChildOutput("pretrain", "ENCODER"),
            },
        }  # fmt: skip
        for name, given in steps.items():
            child = QgsProcessingModelChildAlgorithm(f"false:{name}")
            child.setChildId(name)
            for definition in child.algorithm().parameterDefinitions():
                if not definition.isDestination():
                    value = given.get(definition.name()) or source.fromStaticValue(definition.defaultValue())
                    child.addParameterSources(definition.name(), [value])
            output = QgsProcessingModelOutput("job", "Job")
            output.setChildId(name)
            output.setChildOutputName("EXPORT")
            child.setModelOutputs({"job": output})
            model.addChildAlgorithm(child)
        assert model.validate() == (True, [])
        targets = {f"{name}:job": str(tmp_path / f"{name}.json") for name in steps}
        results, succeeded = model.run({"raster": raster, **targets}, context, feedback)
        assert succeeded
        first, second = (exported(Path(path)) for path in targets.values())
        assert first.encoder == second.model == str(tmp_path / "pretrain_files" / "encoder.safetensors")
        assert second.output == str(tmp_path / "embed_files" / "output.tif")
        assert targets["pretrain:job"] in (results.get("pretrain:job"), results["CHILD_RESULTS"]["pretrain"]["EXPORT"]), (
            results
        )


class TestImporting:
    @pytest.fixture
    def made(self, run, raster, model_file, target, tmp_path):  # noqa: F811
        """A classification that was exported, and then run somewhere."""
        run("classify", RASTER=raster, MODEL=model_file, OUTPUT=str(tmp_path / "land cover.tif"),
            REPORT=str(tmp_path / "report.html"), EXPORT=str(target))  # fmt: skip
        job = exported(target)
        Compute()(job, None)
        return job

    @pytest.fixture
    def bring(self, provider, feedback):
        import processing

        def run_import(job: str, **more: str) -> dict:
            return processing.runAndLoadResults("false:importresults", {"JOB": job, **more}, feedback=feedback)

        yield run_import
        QgsProject.instance().clear()

    def test_the_map_is_in_the_project_as_if_it_had_been_made_here(self, made, bring, target, feedback):
        results = bring(str(target))
        (layer,) = QgsProject.instance().mapLayers().values()
        assert isinstance(layer, QgsRasterLayer)
        assert layer.source() == made.output
        assert re.fullmatch(rf"Classified raster: {Path(made.raster).stem}, \d{{4}}-\d\d-\d\d \d\d:\d\d", layer.name())
        renderer = layer.renderer()
        assert isinstance(renderer, QgsPalettedRasterRenderer)
        assert [(c.value, c.label) for c in renderer.classes()] == [(entry["code"], entry["name"]) for entry in CLASSES]
        assert results == {"KIND": "classify", "OUTPUT": made.output, "REPORT": made.report}
        assert not feedback.warnings

    def test_polygons_are_drawn_with_their_classes(self, run, bring, raster, target, tmp_path):  # noqa: F811
        run("polygonise", MAP=raster, OUTPUT=str(tmp_path / "p.gpkg"), EXPORT=str(target))
        write_polygons(str(tmp_path / "p.gpkg"), [(3, "Wald", "#1b7837")])
        bring(str(target))
        (layer,) = QgsProject.instance().mapLayers().values()
        assert isinstance(layer, QgsVectorLayer)
        assert [category.label() for category in layer.renderer().categories()] == ["Wald"]

    def test_a_model_is_handed_on(self, run, bring, raster, labels, target, tmp_path):  # noqa: F811
        model = tmp_path / "m.safetensors"
        run("finetune", RASTER=raster, LABELS=labels, FIELD="class", MODEL=str(model), EXPORT=str(target))
        model.write_bytes(b"trained")
        QgsProject.instance().clear()
        assert bring(str(target)) == {"KIND": "finetune", "MODEL": str(model)}
        assert not QgsProject.instance().mapLayers()

    @pytest.mark.parametrize("by", ["the parameter", "the options"])
    def test_paths_come_back_from_the_other_computer(self, made, bring, target, tmp_path, monkeypatch, by):
        text = target.read_text("utf-8").replace(str(tmp_path), "/scratch/me")
        target.write_text(text, "utf-8")
        mapping = f"{tmp_path}=/scratch/me"
        monkeypatch.setenv("FALSE_PATHS", mapping if by == "the options" else "/nowhere=/scratch/me")
        results = bring(str(target), **({"PATHS": mapping} if by == "the parameter" else {}))
        assert results["OUTPUT"] == made.output
        assert len(QgsProject.instance().mapLayers()) == 1

    def test_a_job_that_is_not_finished_is_said_not_to_be(self, made, bring, target):
        os.remove(made.output)
        with pytest.raises(
            QgsProcessingException, match=r"\(OUTPUT\) is not there: .*land cover.tif.*not finished.*mapping"
        ):
            bring(str(target))

    def test_a_report_that_is_missing_is_mentioned(self, made, bring, target, feedback):
        os.remove(made.report)
        assert "REPORT" not in bring(str(target))
        assert any("(REPORT) is not there" in warning for warning in feedback.warnings)

    def test_a_result_of_another_run_is_mentioned(self, made, bring, target, feedback):
        os.utime(made.output, (1, 1))
        bring(str(target))
        assert any("land cover.tif is older than the job" in warning for warning in feedback.warnings)

    @pytest.mark.parametrize(
        ("text", "what"),
        [
            ("{}", "no job called None"),
            ("not JSON", "not valid JSON"),
            ('{"job": "check"}', "makes no files"),
            (
                '{"job": "assess", "map": "/m.tif", "truth": "/t.tif", "table": "/no/t.csv"}',
                "Nothing that .* makes is there",
            ),
        ],
    )
    def test_a_file_without_results_is_an_error(self, bring, target, text, what):
        target.write_text(text)
        with pytest.raises(QgsProcessingException, match=what):
            bring(str(target))

    def test_it_has_the_outputs_of_every_job(self, algorithm):
        declared = {output.name() for output in algorithm("importresults").outputDefinitions()}
        wanted = {name.upper() for job in jobs.JOBS.values() for name, p in jobs.parameters(job).items() if p.kind.is_output}
        assert wanted <= declared
