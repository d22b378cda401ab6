"""A job is one declaration: it crosses borders as JSON, and whatever is wrong with it is said in its own terms."""

from __future__ import annotations

import ast
import dataclasses
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from false_core import jobs
from false_core.errors import RequestError
from false_core.jobs import (
    Assess,
    Check,
    Classify,
    CompareMaps,
    EditMap,
    Embed,
    ExportOnnx,
    Extent,
    Finetune,
    HandIn,
    ModelInfo,
    Polygonise,
    Pretrain,
    SamplePoints,
    SuggestLabels,
    from_json,
    outputs,
    parse_extent,
    to_json,
)

ROOT = Path(__file__).resolve().parents[3]
STANDARD_LIBRARY_ONLY = (
    *("__init__.py", "events.py", "errors.py", "redaction.py", "line_protocol.py", "session_protocol.py"),
    *("outputs/__init__.py", "outputs/hidden_names.py", "untrusted/__init__.py"),
    *(f"jobs/{file.name}" for file in sorted((ROOT / "false_core" / "jobs").glob("*.py"))),
)

PRETRAIN = Pretrain(rasters=("a.tif", "b.vrt"), encoder="encoder.safetensors")
FINETUNE = Finetune(raster="a.tif", labels="l.gpkg|layername=x", field="cover", model="model.safetensors")
CLASSIFY = Classify(raster="a.tif", model="model.safetensors", output="map.tif")
ASSESS = Assess(map="map.tif", reference="points.gpkg", field="class")
JOBS = {
    "pretrain": PRETRAIN,
    "finetune": FINETUNE,
    "classify": CLASSIFY,
    "suggestlabels": SuggestLabels(raster="a.tif", model="model.safetensors", output="next.gpkg"),
    "exportonnx": ExportOnnx(model="model.safetensors", output="model.onnx"),
    "modelinfo": ModelInfo(model="encoder.safetensors", report="r.html"),
    "handin": HandIn("map.tif", "out"),
    "handin with everything": HandIn("map.tif", "out", "p.gpkg", "class", "m.safetensors", "a.tif", 2.5, "Land"),
    "comparemaps": CompareMaps("a.tif", "b.tif"),
    "comparemaps with everything": CompareMaps("a.tif", "b.tif", "where.tif", "t.csv", "r.html"),
    "editmap": EditMap("map.tif", "new.tif"),
    "editmap with everything": EditMap("map.tif", "new.tif", "p.gpkg", "class", "scrub = forest", "l.json"),
    "polygonise": Polygonise(map="map.tif", output="polygons.gpkg"),
    "polygonise with everything": Polygonise("map.tif", "polygons.gpkg", minimum_area=12.5, smoothing=1.0),
    "embed": Embed(raster="a.tif", model="encoder.safetensors", output="seen.tif"),
    "embed with everything": Embed("a.tif", "e.safetensors", "s.tif", 0, extent="1,2,3,4", seed=3, device="cpu"),
    "check": Check(),
    "pretrain with everything": Pretrain(
        rasters=("a.tif",),
        encoder="e.safetensors",
        bands=(3, 2, 1),
        extent="0,10.5,-3,8 [EPSG:4326]",
        preset="paper",
        method="barlow_twins",
        weights="resnet50.a1_in1k",
        seed=2**31 - 1,
        device="cuda:1",
        pixel_size=0.5,
        steps=10,
        batch_size=2,
        temperature=0.1,
        threshold=-1.0,
        confidence=0.0,
        neighbours=3,
        truth="truth.tif",
        report="r.html",
    ),
    "pretrain with a word for a number": dataclasses.replace(PRETRAIN, confidence="adaptive"),
    "finetune with everything": dataclasses.replace(
        FINETUNE, encoder="e.safetensors", bands=(1,), freeze=False, validation=0.5, legend="legend.json", report="r.html"
    ),
    "suggestlabels with everything": SuggestLabels(
        raster="a.tif",
        model="m.safetensors",
        output="next.gpkg",
        labels="l.gpkg|layername=x",
        count=3,
        size=12.5,
        extent="0,1,0,1",
        seed=2,
        device="cpu",
    ),
    "exportonnx with everything": ExportOnnx(model="m.safetensors", output="m.onnx", tile=256, nodata=-9999.0),
    "classify with everything": dataclasses.replace(CLASSIFY, extent="1,2,3,4", confidence="sure.tif", device="cpu"),
    "samplepoints": SamplePoints(map="map.tif", output="points.gpkg"),
    "samplepoints with everything": SamplePoints("map.tif", "p.shp", 0.001, 0.99, 2, 7, "key.csv"),
    "assess by labels": ASSESS,
    "assess by raster": Assess(map="map.tif", truth="truth.tif", report="r.html", table="t.csv"),
    "paths in other languages": dataclasses.replace(CLASSIFY, raster='/données/地図 1/"q".tif', output="C:\\Karte\\ü.tif"),
}
PARAMETERS = [(job, name) for job, kind in jobs.JOBS.items() for name in jobs.parameters(kind)]


def request(job: jobs.Job, **changes: object) -> str:
    """Return the JSON of ``job`` with some parameters changed to anything."""
    return json.dumps({**json.loads(to_json(job)), **changes})


class TestTheDeclaration:
    @pytest.mark.parametrize(("job", "name"), PARAMETERS)
    def test_every_parameter_has_a_label_and_help(self, job: str, name: str) -> None:
        parameter = jobs.parameters(jobs.JOBS[job])[name]
        assert parameter.label[0].isupper()
        assert not parameter.label.endswith(".")
        assert parameter.help.endswith(".")
        assert len(parameter.help) > 20

    @pytest.mark.parametrize("kind", jobs.JOBS.values(), ids=jobs.JOBS)
    def test_every_default_is_admitted(self, kind: type) -> None:
        declared = jobs.parameters(kind)
        needed = {f.name: f.name for f in dataclasses.fields(kind) if f.default is dataclasses.MISSING}
        needed.update(
            {choice[-1]: 1.0 if declared[choice[-1]].kind.is_number else choice[-1] for choice in kind.EXACTLY_ONE}
        )
        jobs.validate(kind(**{name: (value,) if name == "rasters" else value for name, value in needed.items()}))

    @pytest.mark.parametrize(("job", "name"), PARAMETERS)
    def test_what_a_field_or_model_belongs_to_is_declared(self, job: str, name: str) -> None:
        declared = jobs.parameters(jobs.JOBS[job])
        parameter = declared[name]
        if parameter.kind == jobs.FIELD:
            assert declared[parameter.of].kind == jobs.VECTOR
        if parameter.kind == jobs.MODEL:
            assert parameter.of in ("encoder", "segmenter", "area classifier", "")
        if parameter.kind in (jobs.BANDS, jobs.EXTENT, jobs.VECTOR):
            assert declared[parameter.of].kind in (jobs.RASTER, jobs.RASTERS)

    def test_a_job_cannot_be_changed(self) -> None:
        with pytest.raises(dataclasses.FrozenInstanceError):
            CLASSIFY.raster = "b.tif"  # type: ignore[misc]

    def test_outputs_are_the_files_it_writes_and_only_those_asked_for(self) -> None:
        assert outputs(CLASSIFY) == {"output": "map.tif"}
        assert outputs(JOBS["classify with everything"]) == {"output": "map.tif", "confidence": "sure.tif"}
        assert outputs(Check()) == {}


class TestJson:
    @pytest.mark.parametrize("job", JOBS.values(), ids=JOBS)
    def test_a_job_comes_back_as_it_was(self, job: jobs.Job) -> None:
        text = to_json(job)
        assert "\n" not in text
        assert text.isascii()
        assert from_json(text) == job
        assert hash(from_json(text)) == hash(job)

    @given(st.integers(0, 2**31 - 1), st.lists(st.integers(1, 99), unique=True), st.floats(0, allow_infinity=False))
    def test_numbers_come_back_exactly(self, seed: int, bands: list[int], pixel_size: float) -> None:
        job = dataclasses.replace(PRETRAIN, seed=seed, bands=tuple(bands), pixel_size=pixel_size)
        assert from_json(to_json(job)) == job

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "{",
            "nonsense",
            "[]",
            "null",
            '"pretrain"',
            "1",
            "[" * 5000,
            '{"job": "classify"',
            "\x00",
            '{"job": 1}',
            "9" * 5000,
        ],
    )
    def test_what_is_no_job_is_refused(self, text: str) -> None:
        with pytest.raises(RequestError):
            from_json(text)

    def test_an_unknown_job_is_answered_with_those_there_are(self) -> None:
        with pytest.raises(RequestError, match=rf"no job called 'train'.*{', '.join(jobs.JOBS)}"):
            from_json('{"job": "train"}')


class TestWhatIsWrong:
    def test_an_unknown_parameter_is_named(self) -> None:
        with pytest.raises(RequestError, match="classify has no parameter colour"):
            from_json(request(CLASSIFY, colour="red"))

    @pytest.mark.parametrize("name", ["raster", "model", "output"])
    def test_a_missing_parameter_is_named(self, name: str) -> None:
        body = json.loads(to_json(CLASSIFY))
        del body[name]
        with pytest.raises(RequestError, match=f"classify needs {name}"):
            from_json(json.dumps(body))

    @pytest.mark.parametrize(
        ("job", "name", "value", "admitted"),
        [
            (PRETRAIN, "temperature", 0, "at least 0.01"),
            (PRETRAIN, "temperature", math.nan, "a number"),
            (PRETRAIN, "temperature", math.inf, "a number"),
            (PRETRAIN, "temperature", "0.5", "a number"),
            (PRETRAIN, "temperature", True, "a number"),
            (PRETRAIN, "confidence", 1.01, "at most 1"),
            (PRETRAIN, "confidence", "0.5", "a number or adaptive"),
            (PRETRAIN, "confidence", [0.5], "a number"),
            (PRETRAIN, "method", "byol", f"one of {', '.join(jobs.METHODS)}"),
            (PRETRAIN, "weights", " ", "not empty"),
            (PRETRAIN, "threshold", -1.5, "at least -1"),
            (PRETRAIN, "pixel_size", 10**400, "a number"),
            (PRETRAIN, "seed", -1, "at least 0"),
            (PRETRAIN, "seed", 2**31, "at most 2147483647"),
            (PRETRAIN, "seed", 10**400, "a whole number"),
            (PRETRAIN, "seed", 1.5, "a whole number"),
            (PRETRAIN, "seed", True, "a whole number"),
            (PRETRAIN, "seed", None, "a whole number"),
            (PRETRAIN, "steps", 0, "at least 1"),
            (PRETRAIN, "batch_size", 1, "at least 2"),
            (PRETRAIN, "neighbours", 0, "at least 1"),
            (PRETRAIN, "preset", "fast", "one of auto, quick, standard, paper"),
            (PRETRAIN, "preset", ["quick"], "a text"),
            (PRETRAIN, "rasters", "a.tif", "a list of paths"),
            (PRETRAIN, "rasters", [1], "a list of paths"),
            (PRETRAIN, "rasters", ["a.tif", " "], "an empty path"),
            (PRETRAIN, "rasters", [], "empty"),
            (PRETRAIN, "bands", [0], "from 1 upwards"),
            (PRETRAIN, "bands", [1, 1], "different numbers"),
            (PRETRAIN, "bands", [1.0], "a list of whole numbers"),
            (PRETRAIN, "bands", [True], "a list of whole numbers"),
            (PRETRAIN, "bands", 3, "a list of whole numbers"),
            (PRETRAIN, "encoder", "", "not empty"),
            (PRETRAIN, "encoder", "a\0b", "not empty"),
            (PRETRAIN, "encoder", None, "not empty"),
            (FINETUNE, "raster", "\ud800.tif", "not empty"),
            (FINETUNE, "freeze", 1, "true or false"),
            (FINETUNE, "freeze", "true", "true or false"),
            (FINETUNE, "validation", 0.6, "at most 0.5"),
            (FINETUNE, "field", "  ", "not empty"),
            (JOBS["samplepoints"], "standard_error", 0, "at least 0.001"),
            (JOBS["samplepoints"], "users_accuracy", 1, "at most 0.99"),
            (JOBS["samplepoints"], "minimum", 1, "at least 2"),
            (ASSESS, "reference", "", "not empty"),
            (CLASSIFY, "extent", "", "not empty"),
            (CLASSIFY, "extent", "1,2,3", "xmin,xmax,ymin,ymax"),
            (CLASSIFY, "extent", "everywhere", "xmin,xmax,ymin,ymax"),
            (Check(), "device", 0, "not empty"),
        ],
    )
    def test_a_value_that_is_not_admitted_is_named_with_what_is(
        self, job: jobs.Job, name: str, value: object, admitted: str
    ) -> None:
        with pytest.raises(RequestError) as caught:
            from_json(request(job, **{name: value}))
        assert admitted in str(caught.value)
        assert name in str(caught.value)

    def test_limits_themselves_are_admitted(self) -> None:
        for name, parameter in jobs.parameters(Pretrain).items():
            for limit in (parameter.minimum, parameter.maximum):
                if limit is not None:
                    value = int(limit) if parameter.kind == jobs.INTEGER else limit
                    assert getattr(from_json(request(PRETRAIN, **{name: value})), name) == value

    def test_two_outputs_cannot_share_a_file(self) -> None:
        with pytest.raises(RequestError, match="same path"):
            from_json(request(CLASSIFY, confidence="map.tif"))

    @pytest.mark.parametrize(
        ("given", "what"),
        [
            ({}, "Neither reference nor truth was given. Give just one: reference or truth."),
            ({"reference": "a.gpkg", "field": "class", "truth": "t.tif"}, "reference and truth were both given"),
            ({"reference": "a.gpkg"}, "field is missing. Name the field of reference"),
        ],
    )
    def test_a_map_is_assessed_against_one_reference(self, given: dict[str, str], what: str) -> None:
        with pytest.raises(RequestError) as caught:
            from_json(json.dumps({"job": "assess", "map": "map.tif", **given}))
        assert what in str(caught.value)

    def test_the_python_way_is_checked_like_the_json_way(self) -> None:
        with pytest.raises(RequestError, match="seed must be a whole number"):
            jobs.validate(dataclasses.replace(PRETRAIN, seed="1"))  # type: ignore[arg-type]


class TestExtents:
    @pytest.mark.parametrize(
        ("text", "extent"),
        [
            ("0,10,20,30", Extent(0, 10, 20, 30)),
            ("0,10,20,30 [EPSG:32633]", Extent(0, 10, 20, 30, "EPSG:32633")),
            ("0,10,20,30[EPSG:4326]", Extent(0, 10, 20, 30, "EPSG:4326")),
            (
                "412000.000000000,412512.000000000,5429488.000000000,5430000.000000000 [EPSG:32633]",
                Extent(412000, 412512, 5429488, 5430000, "EPSG:32633"),
            ),
            (" -1.5 , 1e3 , -2 , 2.25 ", Extent(-1.5, 1000, -2, 2.25)),
            ("0,1,0,1 []", Extent(0, 1, 0, 1)),
            ("0,1,0,1 [USER:100000]", Extent(0, 1, 0, 1, "USER:100000")),
        ],
    )
    def test_are_read_as_qgis_writes_them(self, text: str, extent: Extent) -> None:
        assert parse_extent(text) == extent

    @pytest.mark.parametrize(
        "text", ["", "1,2,3", "1,2,3,4,5", "a,b,c,d", "nan,1,0,1", "0,inf,0,1", "0;1;0;1", "[EPSG:4326]", "0,1,0,1 [x] y"]
    )
    def test_written_in_another_way_they_are_refused(self, text: str) -> None:
        with pytest.raises(RequestError, match="cannot be read"):
            parse_extent(text)

    @pytest.mark.parametrize("text", ["1,0,0,1", "0,1,1,0", "0,0,0,1"])
    def test_empty_or_upside_down_they_are_refused(self, text: str) -> None:
        with pytest.raises(RequestError, match="is empty"):
            parse_extent(text)


class TestTheVocabularyIsLight:
    """QGIS imports these modules into its own process, with the oldest Python that a supported QGIS brings."""

    def test_importing_it_takes_the_standard_library_alone(self) -> None:
        code = (
            "import sys; before = set(sys.modules); "
            "import false_core, false_core.jobs, false_core.events, false_core.errors; "
            "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}))"
        )
        answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
        imported = set(answer.stdout.split())
        assert "false_core" in imported
        assert imported - {"false_core"} <= set(sys.stdlib_module_names)

    def test_the_plugin_imports_nothing_else_of_the_library(self) -> None:
        light = {str(Path("false_core", name).with_suffix("")).replace(os.sep, ".") for name in STANDARD_LIBRARY_ONLY}
        light |= {name.removesuffix(".__init__") for name in light}
        for file in (ROOT / "qgis_false").rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and str(node.module).partition(".")[0] == "false_core":
                    names = {f"{node.module}.{alias.name}" for alias in node.names} if node.module == "false_core" else set()
                    assert names | {node.module} <= light, f"{file}:{node.lineno} imports what is not for QGIS's own Python."

    @pytest.mark.parametrize("name", STANDARD_LIBRARY_ONLY)
    def test_its_grammar_is_that_of_python_3_9(self, name: str) -> None:
        ast.parse((ROOT / "false_core" / name).read_text(encoding="utf-8"), feature_version=(3, 9))

    @pytest.mark.parametrize("name", STANDARD_LIBRARY_ONLY)
    def test_it_uses_nothing_that_python_3_9_lacks_when_it_runs(self, name: str) -> None:
        tree = ast.parse((ROOT / "false_core" / name).read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "dataclass":
                assert {keyword.arg for keyword in node.keywords} <= {"frozen", "eq", "order"}, f"line {node.lineno}"
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "zip":
                assert not node.keywords, f"line {node.lineno}: zip(strict=) came with 3.10"
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.BinOp) and isinstance(node.value.op, ast.BitOr):
                assert not isinstance(node.value.left, ast.Name), f"line {node.lineno}: X | Y as a value came with 3.10"

    def test_it_runs_under_python_3_9_itself(self) -> None:
        python = shutil.which("python3.9")
        if not python or subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode:
            pytest.skip("There is no python3.9 here; the two tests above stand in for it.")
        code = (
            "from false_core import errors, events, jobs; "
            f"job = jobs.from_json({to_json(PRETRAIN)!r}); assert jobs.to_json(job) == {to_json(PRETRAIN)!r}; "
            "assert events.decode(events.encode(events.Metric(1, 'loss', 2.0))) == events.Metric(1, 'loss', 2.0)"
        )
        answer = subprocess.run([python, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
        assert answer.returncode == 0, answer.stderr
