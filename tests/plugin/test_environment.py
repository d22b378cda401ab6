"""Which Python computes, and what is said where there is none."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from qgis.core import QgsApplication

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def nowhere(provider, monkeypatch, tmp_path):
    """No environment at any of the places."""
    from processing.core.ProcessingConfig import ProcessingConfig

    from qgis_false import environment

    monkeypatch.delenv("FALSE_CORE_PYTHON", raising=False)
    monkeypatch.setattr(environment, "PLUGIN_FOLDER", tmp_path / "elsewhere")
    monkeypatch.setattr(QgsApplication, "qgisSettingsDirPath", lambda: str(tmp_path / "profile") + "/")
    yield tmp_path
    ProcessingConfig.settings["FALSE_CORE_PYTHON"].value = ""


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def choose_in_settings(path: str) -> None:
    from processing.core.ProcessingConfig import ProcessingConfig

    ProcessingConfig.settings["FALSE_CORE_PYTHON"].value = path


def test_without_an_environment_the_algorithms_are_there_and_say_what_to_do(nowhere, algorithm):
    for name in ("pretrain", "finetune", "classify", "checkenvironment"):
        can, why = algorithm(name).canExecute()
        assert not can
        assert "-m venv" in why
        assert "pip install" in why
        assert "FALSE_CORE_PYTHON" in why
        assert "Settings > Options > Processing" in why


def test_without_an_environment_a_run_fails_with_the_same_words(nowhere, feedback, tmp_path):
    from qgis.core import QgsProcessingException

    from false_core.jobs import Check
    from qgis_false.worker import run_job

    with pytest.raises(QgsProcessingException, match="no compute environment"):
        run_job(Check(), feedback)


def test_the_variable_counts_before_the_setting_and_the_setting_before_the_profile(nowhere, monkeypatch):
    from qgis_false.environment.interpreters import find_interpreter

    in_profile = program(nowhere / "profile" / "false" / "environment" / "bin" / "python")
    assert find_interpreter().path == in_profile
    chosen = program(nowhere / "chosen" / "python")
    choose_in_settings(str(chosen))
    assert find_interpreter().path == chosen
    named = program(nowhere / "named" / "python")
    monkeypatch.setenv("FALSE_CORE_PYTHON", str(named))
    assert find_interpreter().path == named


def test_a_checkout_brings_its_own_environment(provider, nowhere, monkeypatch, tmp_path):
    from qgis_false import environment

    checkout = tmp_path / "checkout"
    python = program(checkout / ".venv" / "bin" / "python")
    monkeypatch.setattr(environment, "PLUGIN_FOLDER", checkout / "qgis_false")
    monkeypatch.setattr(environment, "LIBRARY_FOLDER", checkout)
    assert environment.find_interpreter().path == python


def test_what_was_named_but_is_not_there_is_not_passed_over(nowhere, algorithm, monkeypatch):
    program(nowhere / "profile" / "false" / "environment" / "bin" / "python")
    monkeypatch.setenv("FALSE_CORE_PYTHON", "/gone/python")
    can, why = algorithm("classify").canExecute()
    assert not can
    assert why.startswith("The variable FALSE_CORE_PYTHON names /gone/python")


def test_all_that_the_library_depends_on_is_looked_for_before_a_job_starts(provider):
    from qgis_false.environment.interpreters import REQUIRED_PACKAGES

    text = (ROOT / "pyproject.toml").read_text("utf-8")
    dependencies = re.search(r"^dependencies = \[(.*?)^\]", text, re.MULTILINE | re.DOTALL)
    assert dependencies
    names = {name.replace("-", "_") for name in re.findall(r'"([A-Za-z0-9-]+)', dependencies.group(1))}
    for_the_command_line = {"rich", "tomli", "tyro"}
    assert set(REQUIRED_PACKAGES) == names - for_the_command_line


def test_the_setting_is_on_processing_s_options_page(provider):
    from processing.core.ProcessingConfig import ProcessingConfig

    setting = ProcessingConfig.settings["FALSE_CORE_PYTHON"]
    assert (setting.group, setting.description) == ("FALSE", "Python of the compute environment")


def test_the_plugin_loads_where_nothing_heavy_can_be_imported():
    """In a process of its own, because this one has loaded numpy long ago."""
    script = """
import sys
for name in ("torch", "numpy", "geopandas", "rasterio", "scipy", "pandas"):
    sys.modules[name] = None
from qgis.core import QgsApplication
application = QgsApplication([], False)
application.initQgis()
sys.path.append(QgsApplication.pkgDataPath() + "/python/plugins")
import qgis_false
plugin = qgis_false.classFactory(None)
plugin.initProcessing()
found = QgsApplication.processingRegistry().providerById("false")
print(len(found.algorithms()), flush=True)
plugin.unload()
print(QgsApplication.processingRegistry().providerById("false"), "false_core" in sys.modules, flush=True)
import os
os._exit(0)  # PyQGIS is known to crash when a plain script tears it down.
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    number, after = done.stdout.strip().splitlines()[-2:]
    assert int(number) >= 4
    assert after == "None False"
