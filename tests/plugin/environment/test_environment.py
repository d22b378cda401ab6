"""Which Python computes, what is remembered, and what is said where there is no environment."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from qgis.core import QgsApplication

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def nowhere(provider, monkeypatch, tmp_path):
    """No environment at any of the places."""
    from qgis_false import settings
    from qgis_false.environment import interpreters

    monkeypatch.delenv("FALSE_CORE_PYTHON", raising=False)
    monkeypatch.setattr(interpreters, "PLUGIN_FOLDER", tmp_path / "elsewhere")
    monkeypatch.setattr(QgsApplication, "qgisSettingsDirPath", lambda: str(tmp_path / "profile") + "/")
    yield tmp_path
    settings.INTERPRETER.store("")


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_without_an_environment_the_algorithms_are_there_and_say_what_to_do(nowhere, algorithm):
    for name in ("pretrain", "finetune", "classify", "polygonise", "embed", "checkenvironment"):
        can, why = algorithm(name).canExecute()
        assert not can
        assert "Run Set up the compute environment" in why
        assert "FALSE_CORE_PYTHON" in why
        assert "Settings > Options > FALSE" in why


def test_what_makes_and_examines_the_environment_runs_without_one(nowhere, algorithm):
    for name in ("setupenvironment", "diagnostics"):
        assert algorithm(name).canExecute()[0]


def test_without_an_environment_a_run_fails_with_the_same_words(nowhere, feedback, tmp_path):
    from qgis.core import QgsProcessingException

    from false_core.jobs import Check
    from qgis_false.compute.worker import run_job

    with pytest.raises(QgsProcessingException, match="no compute environment"):
        run_job(Check(), feedback)


def test_the_variable_counts_before_the_setting_and_the_setting_before_the_profile(nowhere, monkeypatch):
    from qgis_false import settings
    from qgis_false.environment.interpreters import find_interpreter

    in_profile = program(nowhere / "profile" / "false" / "environment" / "bin" / "python")
    assert find_interpreter().path == in_profile
    chosen = program(nowhere / "chosen" / "python")
    settings.INTERPRETER.store(str(chosen))
    assert find_interpreter().path == chosen
    named = program(nowhere / "named" / "python")
    monkeypatch.setenv("FALSE_CORE_PYTHON", str(named))
    assert find_interpreter().path == named


def test_a_checkout_brings_its_own_environment(provider, nowhere, monkeypatch, tmp_path):
    from qgis_false.environment import interpreters

    checkout = tmp_path / "checkout"
    python = program(checkout / ".venv" / "bin" / "python")
    monkeypatch.setattr(interpreters, "PLUGIN_FOLDER", checkout / "qgis_false")
    monkeypatch.setattr(interpreters, "LIBRARY_FOLDER", checkout)
    assert interpreters.find_interpreter().path == python


def test_what_was_named_but_is_not_there_is_not_passed_over(nowhere, algorithm, monkeypatch):
    program(nowhere / "profile" / "false" / "environment" / "bin" / "python")
    monkeypatch.setenv("FALSE_CORE_PYTHON", "/gone/python")
    can, why = algorithm("classify").canExecute()
    assert not can
    assert why.startswith("The variable FALSE_CORE_PYTHON names /gone/python")


def test_all_that_the_library_depends_on_is_installed_and_looked_for_before_a_job_starts(provider):
    from qgis_false.environment.interpreters import INSTALLED_PACKAGES, REQUIRED_PACKAGES

    text = (ROOT / "pyproject.toml").read_text("utf-8")
    dependencies = re.search(r"^dependencies = \[(.*?)^\]", text, re.MULTILINE | re.DOTALL)
    assert dependencies
    names = {name.replace("-", "_") for name in re.findall(r'"([A-Za-z0-9-]+)', dependencies.group(1))}
    for_the_command_line = {"rich", "tomli", "tyro"}
    assert set(INSTALLED_PACKAGES) == names - for_the_command_line
    only_for_exports_and_fast_maps = {"onnx", "onnxruntime"}
    assert set(REQUIRED_PACKAGES) == set(INSTALLED_PACKAGES) - only_for_exports_and_fast_maps


@pytest.fixture
def unset(provider, monkeypatch):
    """No setting at all, and none afterwards."""
    from qgis_false import settings

    for setting in settings.PLUGIN_SETTINGS:
        monkeypatch.delenv(setting.variable, raising=False)
        setting.store("")
    yield settings
    for setting in settings.PLUGIN_SETTINGS:
        setting.store("")


def test_a_setting_is_remembered_a_variable_comes_first_and_the_default_last(unset, monkeypatch):
    assert unset.DEVICE.value() == "auto"
    unset.DEVICE.store("cuda:1")
    assert unset.DEVICE.value() == "cuda:1"
    assert "Settings > Options > FALSE" in unset.DEVICE.origin()
    monkeypatch.setenv("FALSE_DEVICE", "cpu")
    assert unset.DEVICE.value() == "cpu"
    assert unset.DEVICE.origin() == "the variable FALSE_DEVICE"


def test_every_setting_is_under_false_and_has_a_variable(unset):
    for setting in unset.PLUGIN_SETTINGS:
        assert setting.key.startswith("false/")
        assert setting.variable.startswith("FALSE_")
        assert setting.label and setting.help


def test_what_was_set_reaches_the_compute_process(unset):
    from qgis_false.compute.worker import child_variables

    unset.DEVICE.store("mps")
    unset.MEMORY.store("4.5")
    unset.CACHE.store("/scratch/false")
    passed = child_variables()
    assert (passed["FALSE_DEVICE"], passed["FALSE_MEMORY_GB"], passed["FALSE_CACHE"]) == ("mps", "4.5", "/scratch/false")


@pytest.mark.thorough
def test_a_setting_decides_what_auto_is(unset, feedback, compute_python, monkeypatch):
    from qgis.core import QgsProcessingException

    from false_core.jobs import Check
    from qgis_false.compute.worker import run_job, worker_command

    unset.DEVICE.store("cuda:77")
    with pytest.raises(QgsProcessingException, match="The device cuda:77, which FALSE_DEVICE or the options"):
        run_job(Check(), feedback, worker_command(compute_python))


@pytest.mark.thorough
def test_the_plugin_loads_and_lists_everything_where_nothing_heavy_can_be_imported():
    """In a process of its own, because this one has loaded numpy long ago."""
    script = """
import sys
for name in ("torch", "numpy", "geopandas", "rasterio", "scipy", "pandas", "shapely", "pyogrio"):
    sys.modules[name] = None
from qgis.core import QgsApplication
application = QgsApplication([], False)
application.initQgis()
sys.path.append(QgsApplication.pkgDataPath() + "/python/plugins")
import qgis_false
plugin = qgis_false.classFactory(None)
plugin.initProcessing()
found = QgsApplication.processingRegistry().providerById("false")
for algorithm in found.algorithms():
    assert algorithm.displayName() and algorithm.shortHelpString(), algorithm.id()
    fresh = algorithm.create()
    print("listed", algorithm.id(), len(fresh.parameterDefinitions()), flush=True)
plugin.unload()
print("after", QgsApplication.processingRegistry().providerById("false"), "false_core" in sys.modules, flush=True)
import os
os._exit(0)  # PyQGIS is known to crash when a plain script tears it down.
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    listed = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("listed")}
    names = ("pretrain", "finetune", "classify", "setupenvironment", "checkenvironment", "diagnostics")
    assert {f"false:{name}" for name in names} <= listed
    assert "after None False" in done.stdout
