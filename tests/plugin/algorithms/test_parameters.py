"""The dialogs and the command line offer what the jobs declare, under the same names and in the same words."""

from __future__ import annotations

import dataclasses
import os
import re

import pytest
from qgis.core import (
    QgsProcessingModelChildParameterSource,
    QgsProcessingOutputHtml,
    QgsProcessingOutputNumber,
    QgsProcessingOutputRasterLayer,
    QgsProcessingOutputString,
    QgsProcessingParameterDefinition,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
)

from false_core import jobs

ALGORITHMS = {"checkenvironment" if job is jobs.Check else name: job for name, job in jobs.JOBS.items()}
"""The job of each algorithm that has one, by the name in the id of the algorithm."""
each_algorithm = pytest.mark.parametrize("name", ALGORITHMS)


@pytest.fixture
def parameter(algorithm):
    return lambda name, parameter: algorithm(name).parameterDefinition(parameter)


def is_(flag: int, definition: QgsProcessingParameterDefinition) -> bool:
    return bool(definition.flags() & flag)


def optional(definition) -> bool:
    return is_(QgsProcessingParameterDefinition.FlagOptional, definition)


def entered(algorithm, context, feedback, folder, **values: object) -> dict[str, object]:
    """Return the fields of a pretraining job as they are read from what was entered."""
    from qgis_false.algorithms.kinds import Request, job_fields

    return job_fields(Request(algorithm("pretrain"), values, context, feedback, folder), jobs.Pretrain)


def test_every_job_is_an_algorithm(provider):
    offered = {algorithm.JOB for algorithm in provider.algorithms() if hasattr(algorithm, "JOB")}
    for name, job in jobs.JOBS.items():
        assert job in offered, (
            f"The job {name} is not in the toolbox: write qgis_false/algorithms/{name}.py, "
            "and add its class to ALGORITHMS in qgis_false/provider.py"
        )


@each_algorithm
def test_every_algorithm_has_an_icon_of_its_own(algorithm, name):
    icon = algorithm(name).svgIconPath()
    assert os.path.basename(icon) == f"{name}.svg", f"Draw qgis_false/icons/{name}.svg; until then it shows {icon}"


@pytest.mark.parametrize("kind", jobs.KINDS)
def test_every_kind_of_parameter_is_shown_and_read(kind):
    from qgis_false.algorithms.kinds import IN_DIALOG

    assert jobs.KINDS[kind] in IN_DIALOG, (
        f"A dialog does not know the kind {kind}: add a line for it to IN_DIALOG in qgis_false/algorithms/kinds.py"
    )


@each_algorithm
def test_parameters_are_the_job_s_fields_in_capitals(algorithm, name):
    declared = jobs.parameters(ALGORITHMS[name])
    shown = [field.upper() for field, parameter in declared.items() if parameter.dialog]
    # What makes files can be exported too.
    shown += ["EXPORT"] if any(parameter.kind.is_output for parameter in declared.values()) else []
    assert [definition.name() for definition in algorithm(name).parameterDefinitions()] == shown


@each_algorithm
def test_every_parameter_has_a_label_and_help(algorithm, name):
    definitions = algorithm(name).parameterDefinitions()
    assert definitions
    for definition in definitions:
        assert definition.description() and definition.help(), definition.name()


@each_algorithm
def test_every_algorithm_says_what_it_does(algorithm, name):
    made = algorithm(name)
    assert made.shortDescription().endswith(".")
    assert made.shortHelpString().startswith(made.shortDescription())
    assert made.displayName() and made.tags()
    assert not made.icon().isNull()


@each_algorithm
def test_an_empty_value_is_accepted_just_where_the_job_accepts_it(algorithm, name):
    for field in dataclasses.fields(ALGORITHMS[name]):
        definition = algorithm(name).parameterDefinition(field.name.upper())
        if definition is not None:
            # The layer mostly says which field it is, and where it does not, the check of the values asks for it.
            is_field = field.metadata["parameter"].kind == jobs.FIELD
            assert optional(definition) == (field.default in (None, ()) or is_field), field.name


@each_algorithm
def test_defaults_are_the_job_s(algorithm, name):
    for field in dataclasses.fields(ALGORITHMS[name]):
        definition = algorithm(name).parameterDefinition(field.name.upper())
        if definition is not None and field.default not in (dataclasses.MISSING, ()):
            default = list(field.default) if isinstance(field.default, tuple) else field.default
            assert definition.defaultValue() == default, field.name


@each_algorithm
def test_advanced_parameters_are_folded_away(algorithm, name):
    for field, declared in jobs.parameters(ALGORITHMS[name]).items():
        definition = algorithm(name).parameterDefinition(field.upper())
        if definition is not None:
            assert is_(QgsProcessingParameterDefinition.FlagAdvanced, definition) == declared.advanced, field


@each_algorithm
def test_results_of_the_job_are_outputs_that_a_model_can_use(algorithm, name):
    for result in ALGORITHMS[name].RESULTS:
        output = algorithm(name).outputDefinition(result.name.upper())
        kind = QgsProcessingOutputNumber if result.kind == jobs.NUMBER else QgsProcessingOutputString
        assert isinstance(output, kind), result.name


def test_reports_go_to_the_results_viewer_and_are_made_unless_declined(algorithm):
    for name in ("pretrain", "finetune", "classify", "assess", "modelinfo"):
        assert isinstance(algorithm(name).outputDefinition("REPORT"), QgsProcessingOutputHtml)
        assert algorithm(name).parameterDefinition("REPORT").createByDefault()


def test_the_map_is_a_raster_and_the_confidence_an_optional_one(algorithm):
    classify = algorithm("classify")
    assert isinstance(classify.outputDefinition("OUTPUT"), QgsProcessingOutputRasterLayer)
    assert isinstance(classify.outputDefinition("CONFIDENCE"), QgsProcessingOutputRasterLayer)
    assert classify.parameterDefinition("OUTPUT").createByDefault()
    assert not classify.parameterDefinition("CONFIDENCE").createByDefault()


def test_choices_go_by_their_names(parameter):
    preset = parameter("pretrain", "PRESET")
    assert preset.usesStaticStrings()
    assert tuple(preset.options()) == jobs.PRESETS


def test_a_flag_that_the_preset_decides_has_three_states(parameter):
    freeze = parameter("finetune", "FREEZE")
    assert freeze.options() == ["yes", "no"]
    assert optional(freeze)
    assert freeze.defaultValue() is None


def test_bands_are_picked_from_the_raster_where_there_is_one(parameter):
    assert parameter("finetune", "BANDS").parentLayerParameterName() == "RASTER"
    assert parameter("pretrain", "BANDS").type() == "string"


def test_numbers_keep_their_range_and_unit(parameter):
    steps = parameter("pretrain", "STEPS")
    assert (steps.minimum(), steps.maximum()) == (1, 10**7)
    assert "CRS units" in parameter("pretrain", "PIXEL_SIZE").description()


@pytest.mark.parametrize(("name", "field"), [("classifyareas", "CELL"), ("findsimilar", "CELL"), ("collectplaces", "SIZE")])
def test_squares_on_the_ground_are_in_metres_and_the_help_says_so(parameter, name, field):
    asked = parameter(name, field)
    assert asked.description().endswith("(m)")
    assert "where the CRS does not tell metres, in the raster's own units" in asked.help()


def test_a_number_that_may_be_a_word_is_typed(algorithm, parameter, context, feedback, tmp_path, raster):
    assert parameter("pretrain", "CONFIDENCE").type() == "string"
    for given, wanted in (("adaptive", "adaptive"), ("0.5", 0.5), (0.5, 0.5), ("", None)):
        fields = entered(algorithm, context, feedback, tmp_path, RASTERS=[raster], CONFIDENCE=given)
        assert fields.get("confidence") == wanted


def test_weights_are_a_file_that_can_be_picked_or_a_name(algorithm, parameter, context, feedback, tmp_path, raster):
    assert parameter("pretrain", "WEIGHTS").type() == "file"
    good = {"RASTERS": [raster], "ENCODER": str(tmp_path / "e.safetensors")}
    file = tmp_path / "w.pth"
    file.touch()
    for given, wanted in (("imagenet", "imagenet"), ("resnet50.a1_in1k", "resnet50.a1_in1k"), (str(file), str(file))):
        assert algorithm("pretrain").checkParameterValues({**good, "WEIGHTS": given}, context) == (True, "")
        assert entered(algorithm, context, feedback, tmp_path, **good, WEIGHTS=given)["weights"] == wanted
    assert "weights" not in entered(algorithm, context, feedback, tmp_path, **good)


def test_the_plugin_knows_the_legend_itself(parameter):
    assert parameter("finetune", "LEGEND") is None


class TestWhatIsWrongIsSaid:
    """QGIS's own message is "Incorrect parameter value for X". Ours say what is wrong and what would be right."""

    @pytest.fixture
    def refusal(self, algorithm, context):
        def refuse(name: str, **values: object) -> str:
            accepted, why = algorithm(name).checkParameterValues(values, context)
            assert not accepted
            return str(why)

        return refuse

    @pytest.mark.parametrize(
        ("values", "what"),
        [
            ({"RASTERS": ["/no/such.tif"]}, r"^“Rasters” \(RASTERS\): there is no file /no/such\.tif"),
            ({"RASTERS": []}, r"^“Rasters” \(RASTERS\) is missing\."),
            ({"STEPS": "many"}, r"^“Training steps” \(STEPS\) must be a number; it is many"),
            ({"STEPS": 1.5}, r"^“Training steps” \(STEPS\) must be a whole number; it is 1.5"),
            ({"STEPS": 0}, r"^“Training steps” \(STEPS\) must be at least 1 and at most 10000000; it is 0"),
            ({"PIXEL_SIZE": -1}, r"\(PIXEL_SIZE\) must be at least 0; it is -1"),
            ({"PRESET": "fast"}, r"^“Preset” \(PRESET\) must be one of auto, quick, standard, paper; it is fast"),
            ({"ENCODER": "/no/such/folder/e.safetensors"}, r"\(ENCODER\): there is no folder /no/such/folder"),
        ],
    )
    def test_about_each_value(self, refusal, raster, tmp_path, values, what):
        good = {"RASTERS": [raster.source()], "ENCODER": str(tmp_path / "e.safetensors")}
        assert re.search(what, refusal("pretrain", **{**good, **values}))

    def test_about_files_that_are_no_layers(self, refusal, raster, tmp_path):
        damaged = tmp_path / "damaged.tif"
        damaged.write_bytes(b"II*\0 not really")
        found = refusal(
            "finetune", RASTER=str(damaged), LABELS="/no/labels.gpkg", FIELD="a", MODEL=str(tmp_path / "m.safetensors")
        )
        assert "RASTER" in found
        assert "damaged.tif is no layer that can be opened" in found
        assert "“Labels” (LABELS): there is no file /no/labels.gpkg" in found

    def test_about_values_that_need_or_exclude_each_other(self, refusal, algorithm, context, raster, tmp_path):
        good = {"MAP": raster.source()}
        labels = QgsVectorLayer("Point?crs=EPSG:32633&field=class:string&field=note:string", "labels", "memory")
        context.temporaryLayerStore().addMapLayer(labels)
        both = {"REFERENCE": labels.id(), "FIELD": "class", "TRUTH": raster.source()}
        assert "Neither “Reference labels” (REFERENCE) nor “Truth raster” (TRUTH) was given" in refusal("assess", **good)
        assert "“Reference labels” (REFERENCE) and “Truth raster” (TRUTH) were both given" in refusal(
            "assess", **good, **both
        )
        assert "(FIELD) is missing" in refusal("assess", **good, REFERENCE=labels.id(), FIELD=None, TRUTH="")
        assert algorithm("assess").checkParameterValues({**good, "TRUTH": raster.source()}, context) == (True, "")
        del both["TRUTH"]
        assert algorithm("assess").checkParameterValues({**good, **both}, context) == (True, "")

    def test_and_good_values_are_accepted(self, algorithm, context, raster, tmp_path):
        values = {
            "RASTERS": [raster], "ENCODER": str(tmp_path / "e.safetensors"), "STEPS": "3", "PRESET": "quick", "BANDS": "1,2",
            "EXTENT": "500000,500010,5599990,5600000",
        }  # fmt: skip
        assert algorithm("pretrain").checkParameterValues(values, context) == (True, "")


class TestShippedModel:
    """A model is a file that QGIS wrote. When a parameter changes, tools/build_models.py has to write it again."""

    @pytest.fixture
    def model(self, algorithm):
        return algorithm("Map from a few labels")

    def test_it_sets_just_the_parameters_that_its_steps_have(self, model):
        children = model.childAlgorithms()
        assert set(children) == {"finetune", "classify"}, "the first map needs no pretraining"
        for name, child in children.items():
            wanted = [p.name() for p in child.algorithm().parameterDefinitions() if not p.isDestination()]
            assert sorted(child.parameterSources()) == sorted(wanted), f"run tools/build_models.py: {name} has changed"

    def test_values_it_sets_are_those_of_today(self, model):
        static = QgsProcessingModelChildParameterSource.fromStaticValue(0).source()
        for child in model.childAlgorithms().values():
            for name, sources in child.parameterSources().items():
                if sources[0].source() == static:
                    definition = child.algorithm().parameterDefinition(name)
                    assert sources[0].staticValue() == definition.defaultValue(), f"run tools/build_models.py: {name}"
        assert tuple(model.parameterDefinition("preset").options()) == jobs.PRESETS

    def test_qgis_finds_nothing_wrong_with_it(self, model):
        assert model.validate() == (True, [])
        assert model.canExecute()[0]

    def test_every_input_has_help_and_every_step_a_result(self, model):
        inputs = [definition for definition in model.parameterDefinitions() if not definition.isDestination()]
        asked = ["raster", "labels", "field", "encoder", "preset", "extent", "device"]
        assert [definition.name() for definition in inputs] == asked
        assert all(definition.help() for definition in inputs)
        assert {output.name() for output in model.outputDefinitions()} == {
            "finetune:model", "finetune:report", "classify:map", "classify:map_report"}  # fmt: skip

    def test_its_outputs_are_known_without_making_a_copy(self, provider):
        """The modeler and qgis_process help ask the registered algorithm itself."""
        assert len(provider.algorithm("Map from a few labels").outputDefinitions()) == 4


class TestNamesThatStandForRasters:
    """A folder, a pattern, a text file and STAC are no layers. Typed or scripted, they go to the library as they are."""

    @pytest.fixture
    def folder(self, raster):
        return os.path.dirname(raster.source())

    @pytest.fixture
    def names(self, folder):
        names = [folder, *(f"{folder}/{n}" for n in ("**/*.tif", "all.txt", "items.json", "items.geojson|asset=x"))]
        with open(f"{folder}/items.geojson", "w", encoding="utf-8") as file:
            file.write('{"type": "FeatureCollection", "features": []}')  # QGIS would open it as a vector layer.
        return names

    def test_are_accepted_where_layers_are(self, algorithm, context, names, tmp_path):
        for name in names:
            values = {"RASTERS": name, "ENCODER": str(tmp_path / "e.safetensors")}
            assert algorithm("pretrain").checkParameterValues(values, context) == (True, ""), name
            assert algorithm("pretrain").checkParameterValues({**values, "RASTERS": [name]}, context) == (True, ""), name
        model = str(tmp_path / "m.safetensors")
        values = {"RASTER": names[3], "MODEL": model, "OUTPUT": str(tmp_path / "map.tif")}
        assert algorithm("classify").checkParameterValues(values, context) == (True, "")

    def test_arrive_in_the_order_in_which_they_were_entered(
        self, algorithm, context, feedback, names, raster, folder, tmp_path, monkeypatch
    ):
        monkeypatch.chdir(folder)
        given = [names[1], raster, "all.txt", names[4], raster.source()]
        fields = entered(algorithm, context, feedback, tmp_path, RASTERS=given)
        assert fields["rasters"] == [names[1], raster.source(), f"{folder}/all.txt", names[4], raster.source()]
        assert entered(algorithm, context, feedback, tmp_path, RASTERS=folder)["rasters"] == [folder]

    def test_are_addresses_too_which_qgis_need_not_open(self, algorithm, context, feedback, raster, tmp_path):
        given = ["/vsis3/bucket/a.tif", raster, "/vsicurl/https://host/a.tif?b=c"]
        values = {"RASTERS": given, "ENCODER": str(tmp_path / "e.safetensors")}
        assert algorithm("pretrain").checkParameterValues(values, context) == (True, "")
        assert entered(algorithm, context, feedback, tmp_path, RASTERS=given)["rasters"] == [
            given[0],
            raster.source(),
            given[2],
        ]
        values = {"RASTER": given[0], "MODEL": str(tmp_path / "m.safetensors"), "OUTPUT": str(tmp_path / "map.tif")}
        assert algorithm("classify").checkParameterValues(values, context) == (True, "")

    def test_go_without_what_qgis_writes_behind_them(self, algorithm, context, feedback, tmp_path):
        name = "/vsis3/bucket/a.tif|option:NUM_THREADS=1|credential:AWS_SECRET_ACCESS_KEY=hush|credential:AWS_REGION=x"
        assert entered(algorithm, context, feedback, tmp_path, RASTERS=name)["rasters"] == ["/vsis3/bucket/a.tif"]

    def test_go_with_an_extent_in_its_own_crs(self, algorithm, context, feedback, names, tmp_path):
        extent = "500000,500010,5599990,5600000"
        fields = entered(algorithm, context, feedback, tmp_path, RASTERS=names[0], EXTENT=f"{extent} [EPSG:32633]")
        assert jobs.parse_extent(fields["extent"]) == jobs.Extent(500000, 500010, 5599990, 5600000, "EPSG:32633")
        fields = entered(algorithm, context, feedback, tmp_path, RASTERS=names[0], EXTENT=extent)
        assert jobs.parse_extent(fields["extent"]).crs is None

    def test_do_not_hide_what_else_is_wrong(self, algorithm, context, names, tmp_path):
        values = {"RASTERS": [names[0], "/no/such.tif"], "ENCODER": str(tmp_path / "e.safetensors")}
        accepted, why = algorithm("pretrain").checkParameterValues(values, context)
        assert not accepted
        assert "there is no file /no/such.tif" in why
        values = {"RASTERS": names[0], "ENCODER": str(tmp_path / "e.safetensors"), "EXTENT": "left,right"}
        accepted, why = algorithm("pretrain").checkParameterValues(values, context)
        assert not accepted
        assert "“Extent” (EXTENT) cannot be used: left,right" in why

    def test_are_layers_where_such_a_layer_is_in_the_project(self, algorithm, context, feedback, raster, tmp_path):
        grid = tmp_path / "heights.txt"
        grid.write_text("ncols 2\nnrows 1\nxllcorner 0\nyllcorner 0\ncellsize 1\n3 4\n")
        layer = QgsRasterLayer(str(grid), "heights")
        assert layer.isValid()
        QgsProject.instance().addMapLayer(layer)
        assert entered(algorithm, context, feedback, tmp_path, RASTERS=[layer.id()])["rasters"] == [str(grid)]
        assert entered(algorithm, context, feedback, tmp_path, RASTERS=[str(grid)])["rasters"] == [str(grid)]
