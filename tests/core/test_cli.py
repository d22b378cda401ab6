"""The command line, for people: what a model is, whether the environment works, and errors without a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from false_core import __version__, jobs
from false_core.cli import main
from false_core.models.model_file import read_card


@dataclass(frozen=True)
class Answer:
    """What a command printed, and its exit code. Lines are joined, as they break where the terminal ends."""

    code: int
    stdout: str
    stderr: str


@pytest.fixture
def false_core(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """Return a function that runs a command as the installed ``false-core`` would."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")

    def command(*arguments: str) -> Answer:
        monkeypatch.setattr("sys.argv", ["false-core", *arguments])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        return Answer(code, *(" ".join(text.replace("│", " ").split()) for text in capsys.readouterr()))

    return command


class TestInfo:
    def test_of_a_model_is_what_a_person_wants_to_know(self, false_core: Any, model: str) -> None:
        said = false_core("info", model).stdout
        card = read_card(model)
        assert "a land-cover model" in said
        for wanted in (
            f"{card.encoder} + {card.decoder}",
            "1 Band 1, 2 Band 2",
            "uint16",
            "1 m",
            "Overall accuracy",
        ):
            assert wanted in said
        for c in card.classes:
            assert c.name in said
            assert c.color in said
        assert __version__ in said

    def test_of_an_encoder_too(self, false_core: Any, encoder: str) -> None:
        said = false_core("info", encoder).stdout
        assert "an encoder" in said
        assert "Classes" not in said

    def test_of_something_else_is_an_error(self, false_core: Any, land: str) -> None:
        answer = false_core("info", land)
        assert answer.code == 1
        assert "is not a model made by FALSE" in answer.stderr


class TestCommands:
    def test_an_experiment_says_where_it_is_to_be_had_if_not_here(
        self, false_core: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in [name for name in sys.modules if name.startswith("false_core.experiments")]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, "false_core.experiments", None)
        answer = false_core("experiment", "some.toml")
        assert answer.code == 2
        assert "runs no experiments and no benchmark. Install false-core by itself" in answer.stderr

    @pytest.mark.thorough
    def test_check_says_that_it_works(self, false_core: Any) -> None:
        said = false_core("check", "--device", "cpu").stdout
        assert "Check: done" in said
        for result in jobs.Check.RESULTS:
            assert result.label in said

    @pytest.mark.thorough
    def test_a_command_ends_with_a_table_of_what_it_made(self, land: str, model: str, tmp_path: Path) -> None:
        output = tmp_path / "my map [1].tif"
        arguments = ["--raster", land, "--model", model, "--output", str(output), "--device", "cpu"]
        answer = subprocess.run(
            [sys.executable, "-m", "false_core", "classify", *arguments],
            capture_output=True, text=True, env={**os.environ, "COLUMNS": "200"}, check=True,
        )  # fmt: skip
        assert output.is_file()
        assert "Classify: done" in answer.stdout
        assert "my map [1].tif" in answer.stdout
        assert "Pixels classified" in answer.stdout

    @pytest.mark.thorough
    def test_a_command_that_fails_ends_with_exit_code_1_and_without_a_traceback(self, tmp_path: Path) -> None:
        answer = subprocess.run(
            [sys.executable, "-m", "false_core", "check", "--device", "gpu"], capture_output=True, text=True, check=False
        )
        assert answer.returncode == 1
        assert "There is no device called 'gpu'" in answer.stderr
        assert "Traceback" not in answer.stderr
        assert not answer.stdout

    @pytest.mark.thorough
    @pytest.mark.parametrize(
        ("arguments", "said", "code"),
        [
            (
                ["--raster", "LAND", "--model", "m.safetensors", "--output", "map.tif"],
                "m.safetensors does not exist",
                1,
            ),
            (["--raster", "a.tif", "--model", "m.safetensors", "--output", "nowhere/map.tif"], "does not exist", 1),
            (
                ["--raster", "a.tif", "--model", "m", "--output", "m.tif", "--extent", "1,2"],
                "The extent '1,2' cannot be read",
                2,
            ),
            (
                ["--raster", "LAND", "--model", "MODEL", "--output", "m.tif", "--device", "[red]"],
                "no device called '[red]'",
                1,
            ),
            (["--raster", "a.tif"], "--model", 2),
            (["--colour", "red"], "--colour", 2),
        ],
    )
    def test_what_fails_is_said(
        self,
        false_core: Any,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        land: str,
        frozen_model: str,
        arguments: list[str],
        said: str,
        code: int,
    ) -> None:
        monkeypatch.chdir(tmp_path)
        answer = false_core("classify", *({"LAND": land, "MODEL": frozen_model}.get(word, word) for word in arguments))
        assert answer.code == code
        assert said in answer.stderr + answer.stdout
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize(
        ("content", "said"),
        [(None, "job.json cannot be read: No such file"), (b"\xff\xfe", "job.json is not a text in UTF-8")],
        ids=["gone", "no text"],
    )
    def test_a_job_that_cannot_be_read_is_a_bad_request(
        self, false_core: Any, tmp_path: Path, content: bytes | None, said: str
    ) -> None:
        file = tmp_path / "job.json"
        if content is not None:
            file.write_bytes(content)
        answer = false_core("run", str(file))
        assert answer.code == 2
        assert said in answer.stderr

    @pytest.mark.parametrize(("written", "confidence"), [("adaptive", "adaptive"), ("0.5", 0.5), ("1", 1.0)])
    def test_a_number_or_a_word_is_read_as_what_it_is(
        self, false_core: Any, monkeypatch: pytest.MonkeyPatch, written: str, confidence: float | str
    ) -> None:
        asked: list[jobs.Pretrain] = []
        monkeypatch.setattr("false_core.cli.run", lambda job, on_event, cancel: asked.append(job) or {})
        answer = false_core("pretrain", "--rasters", "a.tif", "--encoder", "e", "--confidence", written)
        assert answer.code == 0
        assert asked == [jobs.Pretrain(("a.tif",), "e", confidence=confidence)]

    def test_the_version_is_told(self, false_core: Any) -> None:
        assert false_core("--version").stdout == f"false-core {__version__}"

    def test_help_names_every_parameter_of_a_job(self, false_core: Any) -> None:
        said = false_core("pretrain", "--help").stdout
        for name in jobs.parameters(jobs.Pretrain):
            assert f"--{name.replace('_', '-')}" in said
        assert "One of auto, quick, standard, paper." in said
