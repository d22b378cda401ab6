"""What a Python program sees of the library: functions for the main jobs, with typed results, and nothing heavy at first."""

from __future__ import annotations

import dataclasses
import inspect
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

import false_core
from false_core import api, jobs
from false_core.errors import RequestError
from false_core.events import Message

ROOT = Path(__file__).resolve().parents[2]


def code_of(page: str) -> list[str]:
    """Return the Python on a page, block by block."""
    text = (ROOT / page).read_text("utf-8").replace("land_cover", "cover")
    return re.findall(r"^```python\n([^`]*?import false_core[^`]*)^```", text, re.MULTILINE)


@pytest.fixture
def small(land: str, labels: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files that the pages name, in the folder that the program runs in, and jobs that take a few steps."""
    monkeypatch.chdir(tmp_path)
    Path("image.tif").symlink_to(land)
    Path("labels.gpkg").symlink_to(labels)
    usual = api.dispatch.run

    def shortened(job: Any, *more: Any) -> Any:
        if isinstance(job, jobs.Pretrain | jobs.Finetune):
            job = type(job)(**{**vars(job), "steps": 2, "preset": "quick", "device": "cpu"})
        return usual(job, *more)

    monkeypatch.setattr(api.dispatch, "run", shortened)


class TestTheImport:
    def test_loads_nothing_heavy(self) -> None:
        code = "import sys, false_core; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
        loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True).stdout
        assert "false_core" in loaded.split()
        assert not {"torch", "numpy", "rasterio", "tyro"} & set(loaded.split())

    def test_of_what_runs_jobs_settles_the_threads_before_numpy_and_torch_are_there(self) -> None:
        names = ("OMP_WAIT_POLICY", "OPENBLAS_NUM_THREADS", "PYTORCH_ENABLE_MPS_FALLBACK")
        code = "import os, sys, false_core.dispatch; "
        code += f"print(*(os.environ[name] for name in {names}), {{'numpy', 'torch'}} & {{*sys.modules}})"
        unset = {name: value for name, value in os.environ.items() if name not in names}
        command = [sys.executable, "-c", code]
        said = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=unset, check=True).stdout
        assert said.split() == ["PASSIVE", "1", "1", "set()"]

    def test_offers_what_it_says(self) -> None:
        for name in false_core.__all__:
            assert getattr(false_core, name)
        assert set(false_core.__all__) == set(dir(false_core))
        with pytest.raises(AttributeError, match="no attribute 'Classify'"):
            false_core.Classify  # noqa: B018


class TestAFunction:
    @pytest.mark.parametrize("name", ["pretrain", "finetune", "classify", "assess"])
    def test_takes_the_parameters_of_its_job_and_explains_them(self, name: str) -> None:
        function, job = getattr(false_core, name), jobs.JOBS[name]
        assert list(inspect.signature(function).parameters) == list(jobs.parameters(job))
        for parameter, declared in jobs.parameters(job).items():
            assert f"{parameter}: {declared.help}" in function.__doc__

    @pytest.mark.parametrize("job", api._RESULTS)
    def test_returns_every_file_and_value_of_its_job_by_name(self, job: type[jobs.Job]) -> None:
        declared = {name for name, parameter in jobs.parameters(job).items() if parameter.kind.is_output}
        declared |= {result.name for result in job.RESULTS}
        named = set(inspect.signature(api._RESULTS[job]).parameters) - {"files", "values"}
        assert named == declared, f"Name what {job.__name__} returns in false_core/api.py"

    @pytest.mark.parametrize("job", jobs.JOBS.values())
    def test_returns_in_other_processes_than_the_first_what_is_known_there(
        self, job: type[jobs.Job], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(api.dispatch, "run", lambda *_: {})
        asked = job(
            **{name: p.example for name, p in jobs.parameters(job).items() if p.kind.is_output or not p.kind.is_number}
        )
        results = false_core.run(asked)
        assert {name: str(path) for name, path in results.files.items()} == jobs.outputs(asked)
        assert results.values == {result.name: None for result in job.RESULTS}

    def test_of_a_job_that_is_not_shared_is_done_by_the_first_process(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"}.items():
            monkeypatch.setenv(name, value)
        assessed = false_core.assess(map="no map.tif", reference="nothing.gpkg", field="class", report="report.html")
        assert assessed.oa is None
        assert assessed.report == Path("report.html")

    def test_says_what_is_wrong_as_every_door_does(self) -> None:
        with pytest.raises(RequestError, match="confidence must be a text"):
            false_core.classify(raster="a.tif", model="m.safetensors", output="b.tif", device="cpu", confidence=" ")

    @pytest.mark.parametrize("name", ["pretrain", "finetune", "classify", "assess"])
    def test_says_which_parameter_is_missing_unknown_or_given_twice(self, name: str) -> None:
        function, declared = getattr(false_core, name), jobs.parameters(jobs.JOBS[name])
        needed = [f.name for f in dataclasses.fields(jobs.JOBS[name]) if f.default is dataclasses.MISSING]
        with pytest.raises(RequestError, match=f"{name} needs {', '.join(needed)}"):
            function()
        with pytest.raises(RequestError, match=f"{name} has no parameter colour"):
            function(colour=1)
        for given, named in ((("a",), {needed[0]: "a"}), ((None,) * (len(declared) + 1), {})):
            with pytest.raises(RequestError, match="twice, or too many"):
                function(*given, **named)

    def test_tells_warnings_at_the_line_that_called_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def warned(job: jobs.Job, on_event: Any, cancel: Any) -> dict[str, Any]:
            on_event(Message("info", "all is well"))
            on_event(Message("warning", "bands 3 to 5 are empty"))
            return {}

        monkeypatch.setattr(api.dispatch, "run", warned)
        asked = {"map": "map.tif", "reference": "points.gpkg", "field": "class"}
        with pytest.warns(UserWarning, match="bands 3 to 5 are empty") as caught:
            false_core.assess(**asked)
        assert [one.filename for one in caught] == [__file__]
        events: list[Any] = []
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            false_core.run(jobs.Assess(**asked), events.append)
        assert [one.text for one in events] == ["all is well", "bands 3 to 5 are empty"]


@pytest.mark.thorough
class TestThePages:
    def test_the_python_of_the_api_page_runs_as_it_stands(
        self, small: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        first, second = code_of("docs/api.md")
        exec(first.replace('reference="points.gpkg", field="class"', 'reference="labels.gpkg", field="cover"'), {})  # noqa: S102
        exec(second, {})  # noqa: S102 - our own page
        said = capsys.readouterr().out
        assert "Overall accuracy: " in said
        assert "polygons.gpkg" in said
        assert Path("polygons.gpkg").is_file()

    def test_the_python_of_the_readme_runs_as_it_stands(
        self, small: None, model: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        Path("model.safetensors").symlink_to(model)
        (code,) = code_of("README.md")
        exec(code, {})  # noqa: S102 - our own page
        assert capsys.readouterr().out.startswith("map.tif ")
        assert Path("map.tif").is_file()
