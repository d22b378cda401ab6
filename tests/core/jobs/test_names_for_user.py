"""A parameter is called by the word of the place where a person gives its value."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from false_core import jobs
from false_core.errors import OutputError, RequestError
from false_core.outputs.publish import check_destinations


@pytest.mark.parametrize(
    ("words", "output", "confidence"),
    [("name", "output", "confidence"), (jobs.BY_OPTION, "--output", "--confidence"),
     (jobs.BY_LABEL, "“Classified raster”", "“Confidence”")],
)  # fmt: skip
def test_of_a_dialog_of_a_shell_or_of_json(tmp_path: Path, words: str, output: str, confidence: str) -> None:
    both = str(tmp_path / "o.tif")
    with jobs.parameters_named_by(words):
        with pytest.raises(OutputError, match=f"^{output} and {confidence} are the same file"):
            check_destinations(jobs.Classify("a.tif", "m.safetensors", both, confidence=both))
        with pytest.raises(RequestError, match=f"^{output} is empty|^{output} must be"):
            jobs.validate(jobs.Classify("a.tif", "m.safetensors", ""))


def test_of_a_shell_with_two_words() -> None:
    with jobs.parameters_named_by(jobs.BY_OPTION):
        assert jobs.name_for_user(jobs.Pretrain, "batch_size") == "--batch-size"


def test_what_is_missing_together_is_said_in_the_same_words() -> None:
    with jobs.parameters_named_by(jobs.BY_OPTION), pytest.raises(RequestError, match="Neither --reference nor --truth"):
        jobs.validate(jobs.Assess("map.tif"))
    with jobs.parameters_named_by(jobs.BY_LABEL), pytest.raises(RequestError, match="“Class field” is missing"):
        jobs.validate(jobs.Assess("map.tif", reference="l.gpkg"))


def test_a_path_that_is_longer_than_any_is_not_looked_for() -> None:
    for names in ({"map": "a/" * 1_000_000, "output": "o.gpkg"}, {"map": "m.tif", "output": "a/" * 20_000}):
        with pytest.raises(RequestError, match="holds a name of more than 32,767 characters"):
            jobs.validate(jobs.Polygonise(**names))
    with pytest.raises(RequestError, match="^rasters holds a name"):
        jobs.validate(jobs.Pretrain(("a.tif", "x" * 40_000), "e.safetensors"))


def test_the_command_line_speaks_of_options(warm: list[str], tmp_path: Path) -> None:
    words = ["pretrain", "--rasters", "a.tif", "--encoder", str(tmp_path / "e"), "--steps", "0"]
    done = subprocess.run([*warm, "-m", "false_core", *words], capture_output=True, text=True)
    assert done.returncode == 2
    assert "--steps must be at least 1" in " ".join(done.stderr.split())
