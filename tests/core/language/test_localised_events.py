"""Events and errors reach a person in the language of the user. Everything else stays as it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from false_core.errors import InputError
from false_core.events import Failed, Finished, Message, Metric, Progress, Started
from false_core.language.catalogue import localised
from false_core.language.localised_events import error_for_user, localised_event
from false_core.session_protocol import Learned, Refused

MISSING = "The raster a.tif does not exist."


@pytest.fixture
def german(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FALSE_LANGUAGE", "de")


@pytest.mark.usefixtures("german")
class TestInGerman:
    def test_a_message_a_stage_and_a_rate_are_german(self) -> None:
        assert localised_event(Message("info", "Computing on the CPU (4 threads).")) == Message(
            "info", "Gerechnet wird mit: CPU (4 Threads)."
        )
        said = localised_event(Progress(0.5, "2 of 7, a.tif: Classifying", 3.0, "1,212 crops/s"))
        assert said == Progress(0.5, "2 von 7, a.tif: Klassifizieren", 3.0, "1.212 Ausschnitte/s")

    def test_so_is_what_a_session_refuses_and_why_there_is_no_map_yet(self) -> None:
        assert localised_event(Refused(3, "No raster is open.", "Open one first.", "request")) == Refused(
            3, "Es ist kein Raster geöffnet.", "Öffnen Sie zuerst eines.", "request"
        )
        assert localised_event(Learned(1, 0, problem="The labels are being looked at.")).problem.startswith("Die ")

    def test_an_error_is_german_but_for_its_code_and_its_details(self) -> None:
        said = localised_event(Failed(MISSING, "Choose another file.", "input", "Traceback: The memory ran out."))
        assert said == Failed(
            "Das Raster a.tif gibt es nicht.", "Wählen Sie eine andere Datei.", "input", "Traceback: The memory ran out."
        )
        assert error_for_user(InputError(MISSING, "Georeference it again."))[1] == "Georeferenzieren Sie es noch einmal."

    @pytest.mark.parametrize("event", [Started("pretrain", "1", 7), Metric(1, "loss", 0.5), Finished({"kind": "unknown"})])
    def test_what_is_for_programs_stays(self, event: Started | Metric | Finished) -> None:
        assert localised_event(event) == event

    def test_the_exception_itself_stays_english(self) -> None:
        assert str(InputError(MISSING)) == MISSING


@pytest.mark.parametrize(
    ("variables", "word"),
    [
        ({}, "loss"),
        ({"LANG": "de_DE.UTF-8"}, "loss"),
        ({"FALSE_LANGUAGE": "de"}, "Verlust"),
        ({"FALSE_LANGUAGE": "de_AT"}, "Verlust"),
        ({"FALSE_LANGUAGE": "DE"}, "Verlust"),
        ({"FALSE_LANGUAGE": "system", "LANG": "de_DE.UTF-8"}, "Verlust"),
        ({"FALSE_LANGUAGE": "system", "LC_ALL": "C", "LANG": "de_DE.UTF-8"}, "loss"),
        ({"FALSE_LANGUAGE": "system"}, "loss"),
        ({"FALSE_LANGUAGE": "fr"}, "loss"),
        ({"FALSE_LANGUAGE": "../de"}, "loss"),
        ({"FALSE_LANGUAGE": "en"}, "loss"),
    ],
)
def test_english_is_spoken_where_no_other_language_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], word: str
) -> None:
    for name in ("FALSE_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert localised("loss") == word


@pytest.mark.thorough
def test_the_worker_and_the_command_line_speak_it(tmp_path: Path) -> None:
    variables = {**os.environ, "FALSE_LANGUAGE": "de"}
    output = str(tmp_path / "a.tif")
    job = json.dumps({"job": "classify", "raster": "no.tif", "model": "no.safetensors", "output": output})
    file = tmp_path / "job.json"
    file.write_text(job, encoding="utf-8")
    shell = [sys.executable, "-m", "false_core", "run", str(file)]
    done = subprocess.run([*shell, "--events"], capture_output=True, text=True, check=False, env=variables)
    said = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 1
    assert "gibt es nicht" in said["what"]
    done = subprocess.run(shell, capture_output=True, text=True, check=False, env=variables)
    assert done.returncode == 1
    assert "gibt es nicht" in " ".join(done.stderr.split())
