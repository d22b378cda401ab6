"""Every text of the plugin has a translation, and a translation keeps what is filled in."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from false_core import jobs

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "tools" / "build_translations.py"
FILES = pytest.mark.parametrize("file", sorted((ROOT / "qgis_false" / "i18n").glob("*.ts")), ids=lambda file: file.stem)


def messages(file: Path) -> dict[str, str]:
    found = ElementTree.parse(file).getroot().iter("message")
    return {message.findtext("source"): message.findtext("translation") for message in found}


def test_no_text_lacks_a_translation():
    done = subprocess.run([sys.executable, str(TOOL), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.thorough
@FILES
def test_what_is_filled_in_stays(file):
    for source, translation in messages(file).items():
        assert sorted(re.findall(r"{\w+}", source)) == sorted(re.findall(r"{\w+}", translation)), source


@FILES
def test_names_that_are_typed_are_not_translated(file):
    """A choice, a variable or a code in brackets must be entered as it is, whatever the language."""
    for source, translation in messages(file).items():
        for word in re.findall(r"\[EPSG:code\]|xmin,xmax,ymin,ymax|FALSE_\w+|\.\w+\b(?=[,)])", source):
            assert word in translation, source


@FILES
def test_the_choices_that_help_explains_are_named_as_they_are(file):
    known = messages(file)
    for job in jobs.JOBS.values():
        for parameter in jobs.parameters(job).values():
            for choice in parameter.choices:
                # One that is not there is missed by the test above.
                assert (choice in parameter.help) == (choice in known.get(parameter.help, parameter.help)), choice


@pytest.mark.thorough
def test_a_text_that_is_new_is_missed(tmp_path):
    for folder in ("false_core", "qgis_false", "tools"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".py", ".ts", ".model3") and "__pycache__" not in path.parts:
                target = tmp_path / path.relative_to(ROOT)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(path.read_bytes())
    file = tmp_path / "false_core" / "jobs" / "declarations" / "classifying.py"
    file.write_text(file.read_text("utf-8").replace("The raster to classify.", "The raster to be classified."), "utf-8")
    command = [sys.executable, str(tmp_path / "tools" / "build_translations.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "not translated in qgis_false/i18n/false_de.ts, where make generate puts it: The raster to be" in done.stderr
