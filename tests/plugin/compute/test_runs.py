"""A run from QGIS's side: what the job is sent, and what becomes of the result. The compute process is played here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from osgeo import gdal, ogr
from qgis.analysis import QgsNativeAlgorithms
from qgis.core import (
    QgsApplication,
    QgsCategorizedSymbolRenderer,
    QgsFeature,
    QgsFillSymbol,
    QgsGeometry,
    QgsPalettedRasterRenderer,
    QgsProcessingException,
    QgsProcessingFeatureSourceDefinition,
    QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm,
    QgsProcessingModelChildDependency,
    QgsProcessingModelChildParameterSource,
    QgsProcessingOutputLayerDefinition,
    QgsProject,
    QgsRendererCategory,
    QgsVectorLayer,
)
from small_raster import write_raster

from false_core import jobs

CLASSES = [{"code": 3, "name": "Wald", "color": "#1b7837"}, {"code": 20, "name": "See", "color": "#2b7bba"}]


class Compute:
    """Stands in for the compute process: keeps the job and what its files held, and writes the outputs."""

    def __init__(self) -> None:
        self.job: jobs.Job | None = None
        self.legend: list[dict] = []
        self.labels: list[str] = []
        self.shapes: list[str] = []
        self.temporary = Path()
        self.polygons: list[tuple[int, str, str]] = []
        self.told: dict[str, object] = {"accuracy": "90.0 % (80.1 % to 95.2 %)", "oa": 0.9}

    def __call__(self, job: jobs.Job, feedback: object) -> dict[str, object]:
        self.job = job
        if isinstance(job, jobs.Finetune):
            self.temporary = Path(job.labels).parent
            self.legend = json.loads(Path(job.legend).read_text("utf-8")) if job.legend else []
            dataset = ogr.Open(job.labels)
            self.labels = [feature.GetField(job.field) for feature in dataset.GetLayer(0)]
        if isinstance(job, jobs.Assess) and job.legend:
            self.legend = json.loads(Path(job.legend).read_text("utf-8"))
        if isinstance(job, jobs.SuggestLabels) and job.labels:
            self.temporary = Path(job.labels).parent
            dataset = ogr.Open(job.labels)
            self.shapes = [feature.GetGeometryRef().ExportToWkt() for feature in dataset.GetLayer(0)]
        for path in jobs.outputs(job).values():
            if path.endswith(".tif"):
                write_raster(Path(path), bands=1)
                dataset = gdal.Open(path, gdal.GA_Update)
                dataset.SetMetadataItem("FALSE_CLASSES", json.dumps(CLASSES))
                dataset = None
            elif path.endswith(".gpkg"):
                write_polygons(path, self.polygons)
            else:
                Path(path).write_bytes(b"made")
        return {**jobs.outputs(job), **self.told, "pixels": 12, "of no concern": 1}


def write_polygons(path: str, classes: list[tuple[int, str, str]]) -> None:
    """Write one square per class, side by side, with the fields that the library writes."""
    dataset = ogr.GetDriverByName("GPKG").CreateDataSource(path)
    layer = dataset.CreateLayer("polygons", None, ogr.wkbPolygon)
    for name, kind in (("code", ogr.OFTInteger64), ("name", ogr.OFTString), ("color", ogr.OFTString)):
        layer.CreateField(ogr.FieldDefn(name, kind))
    for x, (code, name, color) in enumerate(classes):
        feature = ogr.Feature(layer.GetLayerDefn())
        feature.SetGeometry(ogr.CreateGeometryFromWkt(f"POLYGON(({x} 0, {x + 1} 0, {x + 1} 1, {x} 0))"))
        for field, value in (("code", code), ("name", name), ("color", color)):
            feature.SetField(field, value)
        layer.CreateFeature(feature)
    layer = dataset = None


@pytest.fixture
def compute(provider, monkeypatch) -> Compute:
    made = Compute()
    monkeypatch.setattr("qgis_false.compute.worker.run_job", made)
    return made


@pytest.fixture
def run(algorithm, context, feedback):
    def run_algorithm(name: str, **values: object) -> dict:
        results, succeeded = algorithm(name).run(values, context, feedback, {}, False)
        assert succeeded
        return results

    return run_algorithm


@pytest.fixture
def labels(qgis_app) -> QgsVectorLayer:
    layer = QgsVectorLayer("Polygon?crs=EPSG:32633&field=class:string", "labels", "memory")
    for x, value in enumerate(("road", "roof")):
        feature = QgsFeature(layer.fields())
        feature.setGeometry(QgsGeometry.fromWkt(f"Polygon(({x} 0, {x + 1} 0, {x + 1} 1, {x} 0))"))
        feature.setAttribute(0, value)
        layer.dataProvider().addFeatures([feature])
    categories = [
        QgsRendererCategory(value, QgsFillSymbol.createSimple({"color": color}), label)
        for value, color, label in (("road", "#808080", "Paved road"), ("roof", "#ff0000", "Roof"))
    ]
    layer.setRenderer(QgsCategorizedSymbolRenderer("class", categories))
    QgsProject.instance().addMapLayer(layer)
    return layer


def test_lengths_among_the_results_are_in_the_unit_of_the_raster(compute, run, raster, tmp_path, feedback):
    compute.told = {"bands": 3, "pixel_size": 8.0}
    run("embed", RASTER=raster, MODEL=str(tmp_path / "e.safetensors"), OUTPUT=str(tmp_path / "seen.tif"))
    assert "Pixel size written, in meters: 8" in feedback.infos


@pytest.mark.parametrize("device", ["auto", "cpu"])
@pytest.mark.parametrize("encoder", [None, "e.safetensors"])
def test_encoder_and_device_of_the_one_dialog_reach_its_steps(
    provider, monkeypatch, run, raster, labels, tmp_path, encoder, device
):
    done = []
    compute = Compute()

    def keep(job, feedback):
        done.append(job)
        return compute(job, feedback)

    monkeypatch.setattr("qgis_false.compute.worker.run_job", keep)
    QgsProject.instance().addMapLayer(raster)
    files = {"classify:map": "map.tif", "finetune:model": "m.safetensors"}
    given = {"device": device, **({"encoder": str(tmp_path / encoder)} if encoder else {})}
    outputs = {name: str(tmp_path / file) for name, file in files.items()}
    run("Map from a few labels", raster=raster.id(), labels=labels.id(), field="class", preset="quick", **outputs, **given)
    assert [type(job).__name__ for job in done] == ["Finetune", "Classify"]
    assert done[0].encoder == given.get("encoder")
    assert {job.device for job in done} == {device}


def test_labels_and_their_style_reach_the_job(compute, run, raster, labels, tmp_path):
    model = str(tmp_path / "m.safetensors")
    results = run("finetune", RASTER=raster, LABELS=labels, FIELD="class", MODEL=model, FREEZE="yes")
    assert results == {"MODEL": model, "ACCURACY": "90.0 % (80.1 % to 95.2 %)", "OA": 0.9}
    assert compute.job.raster == raster.source()
    assert compute.job.freeze is True
    assert compute.labels == ["road", "roof"]
    assert compute.legend == [
        {"value": "road", "name": "Paved road", "color": "#808080"},
        {"value": "roof", "name": "Roof", "color": "#ff0000"},
    ]


@pytest.mark.parametrize(
    ("told", "shown"),
    [({"accuracy": "unknown"}, "unknown: no number"), ({"accuracy": "90.0 % (...)", "oa": 0.9}, "90.0 % (...): 0.9")],
)  # fmt: skip
def test_a_model_is_told_an_accuracy_or_that_it_is_unknown(
    compute, provider, raster, labels, context, feedback, tmp_path, told, shown
):
    compute.told = told
    registry = QgsApplication.processingRegistry()
    if registry.providerById("native") is None:
        registry.addProvider(QgsNativeAlgorithms(registry))
    fit = QgsProcessingModelChildAlgorithm("false:finetune")
    fit.setChildId("fit")
    asked = provider.algorithm("finetune").parameterDefinitions()
    values = {definition.name(): definition.defaultValue() for definition in asked}
    values |= {"RASTER": raster.source(), "LABELS": labels.id(), "FIELD": "class", "MODEL": str(tmp_path / "m.safetensors")}
    for name, value in values.items():
        fit.addParameterSources(name, [QgsProcessingModelChildParameterSource.fromStaticValue(value)])
    say = QgsProcessingModelChildAlgorithm("native:stringconcatenation")
    say.setChildId("say")
    for name, text in {"INPUT_1": "@fit_ACCURACY", "INPUT_2": "': ' || coalesce(@fit_OA, 'no number')"}.items():
        say.addParameterSources(name, [QgsProcessingModelChildParameterSource.fromExpression(text)])
    model = QgsProcessingModelAlgorithm("a model")
    say.setDependencies([QgsProcessingModelChildDependency("fit")])
    for child in (fit, say):
        model.addChildAlgorithm(child)
    assert model.validate() == (True, [])
    results, succeeded = model.run({}, context, feedback, {}, False)
    assert succeeded
    assert results["CHILD_RESULTS"]["say"]["CONCATENATION"] == shown
    assert ("OA" in results["CHILD_RESULTS"]["fit"]) == ("oa" in told)


def test_labels_reach_a_job_that_asks_for_no_field_as_shapes(compute, run, raster, labels, tmp_path):
    model = tmp_path / "m.safetensors"
    model.write_bytes(b"model")
    target = str(tmp_path / "next.gpkg")
    run("suggestlabels", RASTER=raster, MODEL=str(model), LABELS=labels, SIZE=2.5, OUTPUT=target)
    assert len(compute.shapes) == 2
    assert compute.shapes[0].startswith("POLYGON ((0 0")
    assert not compute.temporary.exists()
    assert (compute.job.output, compute.job.size, compute.job.count) == (target, 2.5, 10)
    run("suggestlabels", RASTER=raster, MODEL=str(model), OUTPUT=target)
    assert compute.job.labels is None


def test_selected_features_keep_the_style_of_their_layer(compute, run, raster, labels, tmp_path):
    labels.selectByExpression("\"class\" = 'roof'")
    selected = QgsProcessingFeatureSourceDefinition(labels.id(), True)
    run("finetune", RASTER=raster, LABELS=selected, FIELD="class", MODEL=str(tmp_path / "m.safetensors"))
    assert compute.labels == ["roof"]
    assert len(compute.legend) == 2


def test_results_are_said_in_words_with_as_many_digits_as_a_person_reads(compute, run, raster, tmp_path, feedback):
    compute.told = {"adjusted_oa": 0.766800728888889, "compared": 250.0, "oa": None}
    run("assess", MAP=raster, TRUTH=raster, REPORT=None, TABLE=None)
    assert "Overall accuracy of the whole map, area-adjusted: 0.7668" in feedback.infos
    assert "Points or pixels compared: 250" in feedback.infos
    assert not [text for text in feedback.infos if text.startswith("Overall accuracy:")]


def test_temporary_files_are_gone_after_the_run(compute, run, raster, labels, tmp_path):
    run("finetune", RASTER=raster, LABELS=labels, FIELD="class", MODEL=str(tmp_path / "m.safetensors"))
    assert compute.temporary.name.startswith("false-")
    assert not compute.temporary.exists()


def test_what_was_left_empty_is_left_to_the_job(compute, run, raster, tmp_path):
    encoder = str(tmp_path / "e.safetensors")
    run("pretrain", RASTERS=[raster], ENCODER=encoder, STEPS=None, BANDS="", EXTENT=None, REPORT=None)
    assert compute.job == jobs.Pretrain(rasters=(raster.source(),), encoder=encoder)


def test_a_layer_that_the_table_of_a_batch_leaves_out_is_left_out(compute, run, raster, tmp_path):
    (tmp_path / "m.safetensors").write_bytes(b"model")
    left_out = QgsProcessingOutputLayerDefinition("", QgsProject.instance())
    wanted = QgsProcessingOutputLayerDefinition(str(tmp_path / "map.tif"), QgsProject.instance())
    run("classify", RASTER=raster, MODEL=str(tmp_path / "m.safetensors"), OUTPUT=wanted, CONFIDENCE=left_out)
    assert (compute.job.output, compute.job.confidence) == (str(tmp_path / "map.tif"), None)


def test_what_was_entered_arrives_in_the_job_s_types(compute, run, raster, tmp_path):
    run(
        "pretrain",
        RASTERS=[raster.source(), raster.source()],
        ENCODER=str(tmp_path / "e.safetensors"),
        STEPS="20",
        BANDS="3, 1",
        TEMPERATURE=0.2,
        PRESET="paper",
        REPORT=str(tmp_path / "r.html"),
    )
    assert compute.job.rasters == (raster.source(), raster.source())
    assert (compute.job.steps, compute.job.bands, compute.job.temperature) == (20, (3, 1), 0.2)
    assert (compute.job.preset, compute.job.report) == ("paper", str(tmp_path / "r.html"))


@pytest.mark.parametrize("bands", [[1, 3], "1;3", "1,3", ["1", "3"]])
def test_picked_bands_arrive_however_they_are_written(compute, run, raster, labels, tmp_path, bands):
    run("finetune", RASTER=raster, LABELS=labels, FIELD="class", MODEL=str(tmp_path / "m.safetensors"), BANDS=bands)
    assert compute.job.bands == (1, 3)


def test_one_band_may_be_a_plain_number(compute, run, raster, labels, tmp_path):
    run("finetune", RASTER=raster, LABELS=labels, FIELD="class", MODEL=str(tmp_path / "m.safetensors"), BANDS=2)
    assert compute.job.bands == (2,)


def test_a_value_the_job_does_not_admit_is_an_error_in_its_words(compute, run, raster, tmp_path):
    with pytest.raises(QgsProcessingException, match=r"“Bands” \(BANDS\) must be different numbers"):
        run("pretrain", RASTERS=[raster], ENCODER=str(tmp_path / "e.safetensors"), BANDS="1,1")


@pytest.mark.parametrize(
    ("name", "lost", "what"),
    [
        ("classify", "RASTER", r"Could not load source layer for RASTER: .*gone\.tif"),
        ("pretrain", "RASTERS", r"Not a raster that can be opened: .*gone\.tif\."),
        ("finetune", "LABELS", r"Could not load source layer for LABELS: .*gone\.tif"),
    ],
    ids=["a raster", "one of several rasters", "labels"],
)
def test_a_layer_that_is_gone_when_the_run_begins_is_named(compute, run, raster, labels, tmp_path, name, lost, what):
    """QGIS looks before it starts a run, but not where a script or a model does. Less than was asked for is not enough."""
    gone = str(tmp_path / "gone.tif")
    values = {
        "classify": {"RASTER": raster, "MODEL": str(tmp_path / "m"), "OUTPUT": str(tmp_path / "map.tif")},
        "pretrain": {"RASTERS": [raster], "ENCODER": str(tmp_path / "e.safetensors")},
        "finetune": {"RASTER": raster, "LABELS": labels, "FIELD": "class", "MODEL": str(tmp_path / "m.safetensors")},
    }[name]
    with pytest.raises(QgsProcessingException, match=what):
        run(name, **{**values, lost: [*values[lost], gone] if lost == "RASTERS" else gone})
    assert compute.job is None


def test_polygons_cannot_go_to_a_database(compute, run, raster):
    with pytest.raises(
        QgsProcessingException, match=r"“Polygons” \(OUTPUT\) must be a file, for example a GeoPackage; it is postgres"
    ):
        run("polygonise", MAP=raster, OUTPUT='postgres://dbname=\'maps\' table="public"."polygons" (geom)')
    assert compute.job is None


def test_an_unknown_parameter_is_mentioned(compute, run, raster, feedback, tmp_path):
    run("pretrain", RASTERS=[raster], ENCODER=str(tmp_path / "e.safetensors"), STEP=3)
    assert "pretrain has no parameter STEP" in feedback.warnings[0]


def test_reference_labels_reach_the_job_with_their_field_alone(compute, run, raster, labels, tmp_path):
    run("assess", MAP=raster, REFERENCE=labels, FIELD="class", TRUTH=None, REPORT=None, TABLE=str(tmp_path / "t.csv"))
    assert isinstance(compute.job, jobs.Assess)
    assert (compute.job.map, compute.job.field, compute.job.truth) == (raster.source(), "class", None)
    assert compute.job.table == str(tmp_path / "t.csv")


def test_a_truth_raster_reaches_the_job_alone(compute, run, raster):
    run("assess", MAP=raster, TRUTH=raster, REPORT=None)
    assert compute.job == jobs.Assess(map=raster.source(), truth=raster.source())


def test_sample_points_go_to_a_file_that_qgis_names(compute, run, raster, tmp_path):
    results = run("samplepoints", MAP=raster, OUTPUT="TEMPORARY_OUTPUT")
    assert compute.job.map == raster.source()
    assert results["OUTPUT"] == compute.job.output
    assert Path(compute.job.output).suffix == ".gpkg"


def test_the_polygons_arrive_in_the_project_with_names_and_colours(compute, provider, tmp_path):
    import processing

    land_cover = write_raster(tmp_path / "map.tif", bands=1)
    compute.polygons = [(3, "Wald", "#1b7837"), (20, "See", "#2b7bba"), (3, "Wald", "#1b7837")]
    processing.runAndLoadResults("false:polygonise", {"MAP": str(land_cover), "OUTPUT": str(tmp_path / "land cover.gpkg")})
    (layer,) = QgsProject.instance().mapLayers().values()
    try:
        assert (compute.job.minimum_area, compute.job.smoothing) == (0.0, 0.0)
        renderer = layer.renderer()
        assert isinstance(renderer, QgsCategorizedSymbolRenderer)
        assert renderer.classAttribute() == "code"
        assert [(c.value(), c.label(), c.symbol().color().name()) for c in renderer.categories()] == [
            (entry["code"], entry["name"], entry["color"]) for entry in CLASSES
        ]
    finally:
        QgsProject.instance().clear()


def test_the_map_arrives_in_the_project_with_names_and_colours(compute, provider, raster, tmp_path, monkeypatch):
    import processing

    model = tmp_path / "m.safetensors"
    model.write_bytes(b"model")
    values = {"RASTER": raster, "MODEL": str(model), "OUTPUT": str(tmp_path / "land cover.tif")}
    processing.runAndLoadResults("false:classify", values)
    (layer,) = QgsProject.instance().mapLayers().values()
    try:
        assert layer.source() == str(tmp_path / "land cover.tif")
        renderer = layer.renderer()
        assert isinstance(renderer, QgsPalettedRasterRenderer)
        assert [(c.value, c.label, c.color.name()) for c in renderer.classes()] == [
            (entry["code"], entry["name"], entry["color"]) for entry in CLASSES
        ]
    finally:
        QgsProject.instance().clear()


def test_a_second_map_in_the_same_session_is_drawn_like_the_first(compute, provider, raster, tmp_path):
    import processing

    model = tmp_path / "m.safetensors"
    model.write_bytes(b"model")
    try:
        for name in ("one.tif", "two.tif"):
            values = {"RASTER": raster, "MODEL": str(model), "OUTPUT": str(tmp_path / name)}
            processing.runAndLoadResults("false:classify", values)
        renderers = [layer.renderer() for layer in QgsProject.instance().mapLayers().values()]
        assert [type(renderer) for renderer in renderers] == [QgsPalettedRasterRenderer] * 2
    finally:
        QgsProject.instance().clear()


def test_assessing_goes_by_what_the_style_calls_the_classes(compute, run, raster, labels, tmp_path):
    run("assess", MAP=raster, REFERENCE=labels, FIELD="class", TABLE=str(tmp_path / "t.csv"))
    assert [entry["name"] for entry in compute.legend] == ["Paved road", "Roof"]
