"""The compute environment through ``qgis_process``: named, remembered, examined."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from qgis_profile import Profile, link_checkout, make_profile


@pytest.fixture(scope="module")
def fresh(tmp_path_factory, qgis_process, compute_python) -> Profile:
    """A profile, with a blank and an umlaut in its path, in which no variable names the Python that computes."""
    made = make_profile(tmp_path_factory.mktemp("Profil für FALSE"), qgis_process, compute_python, link_checkout)
    del made.variables["FALSE_CORE_PYTHON"]
    return made


def test_an_existing_python_is_used_as_it_is_from_then_on(fresh, compute_python, tmp_path):
    results = fresh.run("false:setupenvironment", EXISTING_PYTHON=compute_python).results
    assert results["INTERPRETER"] == compute_python
    assert results["GFLOPS"] > 0
    assert "Computing with" in fresh.call("run", "false:checkenvironment", "--", "DEVICE=cpu").said


def test_a_python_without_the_packages_is_refused_and_left_alone(fresh):
    bare = shutil.which("python3", path="/usr/bin:/usr/local/bin")
    outcome = fresh.run("false:setupenvironment", EXISTING_PYTHON=bare)
    assert outcome.code == 1
    assert "has no torch" in outcome.said or "is Python 3.9" in outcome.said


def test_diagnostics_are_written_where_they_were_asked_for(fresh, compute_python, tmp_path):
    report = tmp_path / "report.txt"
    outcome = fresh.run("false:diagnostics", {"FALSE_CORE_PYTHON": compute_python}, REPORT=report)
    assert outcome.results["REPORT"] == str(report)
    text = Path(report).read_text("utf-8")
    for heading in ("Versions", "This computer", "Settings", "Compute environment", "Check", "Last errors"):
        assert f"\n{heading}\n" in text


def test_the_algorithms_are_listed_without_an_environment(fresh):
    listed = fresh.call("list", FALSE_CORE_PYTHON="/gone/python").said
    for name in ("setupenvironment", "diagnostics", "checkenvironment", "pretrain"):
        assert f"false:{name}" in listed
