"""A kind of parameter is one row of a table, and a job one declaration. What has to know all of them does."""

from __future__ import annotations

import dataclasses
import inspect
import os
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Optional

import pytest
import torch
from every_kind import job_of_every_kind, values

from false_core import cli, events, jobs
from false_core.dispatch import run
from false_core.errors import OutputError
from false_core.feedback import Feedback
from false_core.models.record import record_of
from false_core.outputs.publish import check_destinations
from false_core.presets import FINETUNE
from false_core.training.checkpoint import Checkpoint

each_kind = pytest.mark.parametrize("name", jobs.KINDS)


@pytest.fixture
def every_kind() -> Iterator[type[jobs.Job]]:
    with job_of_every_kind() as job:
        yield job


@pytest.fixture
def asked(every_kind: type[jobs.Job], tmp_path: Path) -> jobs.Job:
    return every_kind(**values(every_kind, str(tmp_path)))


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have nobody look for the files of a job, whose names are made up."""
    monkeypatch.setattr("false_core.dispatch.check_inputs", lambda job: None)


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Return a function that runs ``false-core`` and returns its exit code and all that it printed."""

    def call(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["false-core", *arguments])
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = int(end.code or 0)
        return code, "".join(capsys.readouterr())

    return call


class TestAKind:
    @each_kind
    def test_has_words_and_an_example_that_is_admitted(self, name: str, every_kind: type[jobs.Job]) -> None:
        parameter = jobs.parameters(every_kind)[name]
        assert parameter.kind.words
        assert parameter.kind.problem(parameter, parameter.example) == "", f"Mend the row {name} in false_core/jobs/kinds.py"

    @each_kind
    def test_refuses_what_is_of_no_kind(self, name: str, every_kind: type[jobs.Job]) -> None:
        parameter = jobs.parameters(every_kind)[name]
        assert parameter.kind.problem(parameter, object()), f"Mend the row {name} in false_core/jobs/kinds.py"

    @each_kind
    def test_is_read_or_written_and_never_both(self, name: str) -> None:
        kind = jobs.KINDS[name]
        assert not (kind.is_input and kind.is_output)
        assert kind.is_output == name.startswith("new_")


class TestAJobWithEveryKind:
    def test_crosses_the_border_as_json(self, asked: jobs.Job) -> None:
        assert jobs.from_json(jobs.to_json(asked)) == asked

    @pytest.mark.usefixtures("made_up")
    def test_runs(self, asked: jobs.Job) -> None:
        said: list[events.Event] = []
        outputs = run(asked, said.append)
        assert outputs == jobs.outputs(asked)
        assert {event.kind for event in said if isinstance(event, events.Artifact)} == set(outputs)

    @pytest.mark.thorough
    @pytest.mark.usefixtures("made_up")
    def test_runs_from_the_command_line(self, asked: jobs.Job, called: Any) -> None:
        words = []
        for name, value in dataclasses.asdict(asked).items():
            shown = value if isinstance(value, tuple) else [value]
            words += [f"--{name.replace('_', '-')}", *(str(one) for one in shown)]
        code, printed = called("everykind", *words)
        assert code == 0, printed
        assert "The number is 0." in printed

    def test_is_offered_with_every_parameter(self, every_kind: type[jobs.Job], called: Any) -> None:
        code, printed = called("everykind", "--help")
        assert code == 0
        for name in jobs.parameters(every_kind):
            assert f"--{name.replace('_', '-')}" in printed

    def test_overwrites_none_of_its_inputs(self, asked: jobs.Job) -> None:
        for name, parameter in jobs.parameters(asked).items():
            for path in parameter.kind.paths(getattr(asked, name)) if parameter.kind.is_input else []:
                with pytest.raises(OutputError, match="would overwrite an input"):
                    check_destinations(dataclasses.replace(asked, new_file=path))  # type: ignore[call-arg]

    def test_is_recorded_with_its_inputs_and_without_its_outputs(self, asked: jobs.Job, tmp_path: Path) -> None:
        read = [
            path
            for name, parameter in jobs.parameters(asked).items()
            for path in (parameter.kind.paths(getattr(asked, name)) if parameter.kind.is_input else [])
        ]
        for path in read:
            Path(path).write_text(path)
        record = record_of(asked, torch.device("cpu"))
        assert len(record["inputs"]) == len(read)
        assert all(record["inputs"].values())
        assert not any(name.startswith("new_") for name in record["job"])

    def test_goes_on_from_a_checkpoint_only_where_its_inputs_are_the_same(self, asked: jobs.Job, tmp_path: Path) -> None:
        def name() -> str:
            return Checkpoint(asked, FINETUNE["quick"], torch.device("cpu"), torch.float32, Feedback()).path.name

        for name_of_kind, parameter in jobs.parameters(asked).items():
            for path in parameter.kind.paths(getattr(asked, name_of_kind)) if parameter.kind.is_input else []:
                before = name()
                Path(path).write_text("some content")
                assert name() != before, f"A change of the {name_of_kind} goes unnoticed."
        before = name()
        for parameter_name, path in jobs.outputs(asked).items():
            if parameter_name != "new_folder":
                Path(path).write_text("an earlier result")
        assert name() == before


class TestTheRegistry:
    @pytest.mark.parametrize("file", [file.stem for file in Path(jobs.declarations.__file__).parent.glob("*.py")])
    def test_holds_the_jobs_of_every_file(self, file: str) -> None:
        """One that nobody imports would declare jobs that nobody knows."""
        module = "false_core.jobs.declarations" + ("" if file == "__init__" else f".{file}")
        assert module in sys.modules, f"Add the line from {module} import * to false_core/jobs/__init__.py."

    @pytest.mark.parametrize("name", jobs.JOBS)
    def test_names_a_function_that_does_the_job(self, name: str) -> None:
        job = jobs.JOBS[name]
        module, _, function = job.DONE_BY.partition(":")
        file = Path(*module.split(".")).with_suffix(".py")
        missing = f"{job.__name__} in {job.__module__} is done_by {job.DONE_BY}: write {function} in {file}."
        assert find_spec(module), missing
        do = getattr(import_module(module), function, None)
        assert do, missing
        taken = list(inspect.signature(do).parameters)
        assert len(taken) == 2 + job.IS_SHARED, f"{job.DONE_BY} takes {taken}; shared={job.IS_SHARED} says something else."

    def test_does_not_take_a_job_without_such_a_function(self) -> None:
        with pytest.raises(TypeError, match="done_by"):

            class Forgotten(jobs.Job):  # type: ignore[call-arg]
                """Nobody does it."""


class TestTheCommandLine:
    def declared(self, annotation: Any, default: Any) -> type[jobs.Job]:
        class Odd(jobs.Job, done_by="every_kind:do"):
            """Take something odd."""

            thing: Any = jobs.parameter(jobs.TEXT, "Thing", "Something odd.", default)

        Odd.__annotations__ = {"thing": annotation}
        return dataclasses.dataclass(frozen=True)(Odd)

    @pytest.fixture(autouse=True)
    def forgets(self) -> Iterator[None]:
        yield
        jobs.JOBS.pop("odd", None)

    @pytest.mark.parametrize("spelled", [Optional[tuple[int, ...]], "tuple[int, ...] | None"])  # noqa: UP045 - it is the point
    def test_takes_a_type_however_it_is_spelled(self, spelled: Any, called: Any) -> None:
        self.declared(spelled, None)
        code, printed = called("odd", "--help")
        assert code == 0
        assert "--thing" in printed

    @pytest.mark.thorough
    def test_one_form_that_cannot_be_built_breaks_its_own_command_only(self, called: Any) -> None:
        self.declared("NoSuchType", None)
        code, printed = called("odd", "--help")
        assert code == 1
        said = " ".join(printed.split())
        assert "odd has no form: the type of its parameter thing is not understood: name 'NoSuchType' is not" in said
        code, printed = called("classify", "--help")
        assert code == 0
        assert "--raster" in printed
        assert "odd" in called("--help")[1]


def test_no_file_spells_out_a_list_of_kinds() -> None:
    """Whoever needs to know something of a kind asks the table."""
    root = Path(__file__).resolve().parents[3]
    for folder in ("false_core", "qgis_false"):
        for file in (root / folder).rglob("*.py"):
            for number, line in enumerate(file.read_text("utf-8").splitlines(), start=1):
                named = line.count("jobs.RASTER,") + line.count("jobs.VECTOR,") + line.count("jobs.NEW_MODEL,")
                assert named < 2, f"{os.path.relpath(file, root)}:{number} lists kinds. Ask false_core/jobs/kinds.py."
