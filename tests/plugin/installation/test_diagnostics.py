"""The diagnostics tell what a maintainer needs to know, and nothing that is nobody's business."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from qgis.core import QgsApplication, QgsProcessingException
from recorded_hosts import recorded_host


@pytest.fixture
def profile(provider, tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(QgsApplication, "qgisSettingsDirPath", lambda: str(tmp_path / "profile") + "/")
    return tmp_path / "profile"


@pytest.mark.thorough
def test_the_report_of_this_computer(profile, algorithm, context, feedback, compute_python, monkeypatch, tmp_path):
    import false_core

    monkeypatch.setenv("FALSE_CORE_PYTHON", compute_python)
    monkeypatch.setenv("HTTPS_PROXY", "http://eva:geheim@proxy.example.org:8080")
    monkeypatch.setenv("PIP_INDEX_URL", "https://eva:geheim@packages.example.org/simple")
    monkeypatch.setenv("FALSE_API_TOKEN", "abcdef123456")
    monkeypatch.setenv("FALSE_DEVICE", "cpu")
    report = tmp_path / "report.txt"
    results, ok = algorithm("diagnostics").run({"REPORT": str(report)}, context, feedback)
    assert ok and results["REPORT"] == str(report)
    text = report.read_text("utf-8")
    for expected in (false_core.__version__, "QGIS: 3", "torch: 2", "rasterio: ", "Device: cpu", "GFLOP/s", "GB free",
                     "FALSE_DEVICE=cpu", "HTTPS_PROXY is set", "PIP_INDEX_URL is set", "Last errors"):  # fmt: skip
        assert expected in text, expected
    for secret in ("geheim", "abcdef123456", "packages.example.org", "eva:"):
        assert secret not in text, secret
    assert text.strip() in "\n".join(feedback.infos)


@pytest.mark.thorough
def test_it_works_where_there_is_no_environment(profile, algorithm, context, feedback, monkeypatch, tmp_path):
    from qgis_false.environment import interpreters

    monkeypatch.delenv("FALSE_CORE_PYTHON", raising=False)
    monkeypatch.setattr(interpreters, "PLUGIN_FOLDER", tmp_path)
    results, ok = algorithm("diagnostics").run({"REPORT": str(tmp_path / "r.txt")}, context, feedback)
    assert ok
    text = Path(results["REPORT"]).read_text("utf-8")
    assert "FALSE has no compute environment yet" in text
    assert "not run: there is no compute environment" in text


@pytest.mark.thorough
def test_a_report_that_cannot_be_written_is_an_error_but_is_told_all_the_same(
    profile, algorithm, context, feedback, monkeypatch, tmp_path
):
    from qgis_false.environment import interpreters

    monkeypatch.delenv("FALSE_CORE_PYTHON", raising=False)
    monkeypatch.setattr(interpreters, "PLUGIN_FOLDER", tmp_path)
    folder = tmp_path / "report.txt"
    folder.mkdir()
    said = r"The report cannot be written to .*report\.txt: (Is a directory|Permission denied)"
    with pytest.raises(QgsProcessingException, match=said):
        algorithm("diagnostics").run({"REPORT": str(folder)}, context, feedback, {}, False)
    assert "FALSE has no compute environment yet" in "\n".join(feedback.infos)


@pytest.mark.thorough
def test_on_the_desktop_the_report_can_be_pasted(profile, algorithm, context, feedback, monkeypatch, tmp_path):
    from qgis import utils

    from qgis_false.environment import interpreters

    monkeypatch.delenv("FALSE_CORE_PYTHON", raising=False)
    monkeypatch.setattr(interpreters, "PLUGIN_FOLDER", tmp_path)
    QgsApplication.clipboard().setText("what was there before")
    monkeypatch.setattr(utils, "iface", None)
    algorithm("diagnostics").run({}, context, feedback)
    assert QgsApplication.clipboard().text() == "what was there before", "qgis_process leaves it alone"
    monkeypatch.setattr(utils, "iface", object())
    results, ok = algorithm("diagnostics").run({"REPORT": str(tmp_path / "r.txt")}, context, feedback)
    assert ok and results == {"REPORT": str(tmp_path / "r.txt")}
    assert QgsApplication.clipboard().text().strip() == Path(results["REPORT"]).read_text("utf-8").strip()
    assert "clipboard" in feedback.infos[-1]


def test_errors_of_runs_are_in_it_the_last_ones_only(profile, feedback):
    from false_core.jobs import Classify
    from qgis_false.compute import last_errors
    from qgis_false.compute.worker import run_job

    job = Classify(raster="/r.tif", model="/m.safetensors", output=str(profile / "map.tif"))
    with pytest.raises(QgsProcessingException):
        run_job(job, feedback, ["/no/such/program"])
    (entry,) = last_errors.recall()
    assert entry["what"] == "classify" and "/no/such/program cannot be started" in entry["text"]
    for number in range(30):
        last_errors.remember_error("pretrain", f"error {number} at https://eva:geheim@example.org")
    assert [entry["text"].split()[1] for entry in last_errors.recall()] == [str(number) for number in range(20, 30)]
    assert "geheim" not in (profile / "false" / "last_errors.json").read_text()


def test_a_damaged_file_of_errors_is_no_error(profile):
    from qgis_false.compute import last_errors

    (profile / "false").mkdir(parents=True)
    (profile / "false" / "last_errors.json").write_text("{")
    assert last_errors.recall() == []
    last_errors.remember_error("check", "x")
    assert len(last_errors.recall()) == 1


@pytest.mark.parametrize(
    ("name", "text", "shown"),
    [
        ("osgeo4w", r"C:\Users\Jörg Müller\AppData\Local\false", r"~\AppData\Local\false"),
        ("osgeo4w", "C:/Users/Jörg Müller/AppData and more", "~/AppData and more"),
        ("osgeo4w", r"c:\users\jörg müller\x", r"~\x"),
        ("osgeo4w", r"TEMP=C:\Users\JRGMLL~1\AppData\Local\Temp", r"TEMP=C:\Users\USER\AppData\Local\Temp"),
        ("osgeo4w", r"D:\data\Jörg Müller\map.tif", r"D:\data\USER\map.tif"),
        ("macos_app", "/Users/zoé/Library/x", "~/Library/x"),
        ("debian", "/home/eva/.local /home/evangeline/x", "~/.local /home/evangeline/x"),
        ("debian", "the evaluation of eva", "the evaluation of eva"),
        ("debian", "/scratch/eva/run: failed", "/scratch/USER/run: failed"),
    ],
)
def test_paths_do_not_tell_the_user_s_name(provider, name, text, shown):
    from qgis_false.redaction import without_user

    host = recorded_host(name)
    assert without_user(text, host.home, host.variables) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://eva:geheim@example.org/simple", "https://***@example.org/simple"),
        ("Looking in indexes: https://__token__:pypi-AgE@h/x", "Looking in indexes: https://***@h/x"),
        ("https://h/x?sig=abc%3D&v=1", "https://h/x?sig=***&v=1"),
        ("HF_TOKEN=hf_abc other", "HF_TOKEN=*** other"),
        ("Authorization: Bearer abc.def", "Authorization: ***"),
        ("https://download.example.org/torch", "https://download.example.org/torch"),
        ("me@example.org wrote", "me@example.org wrote"),
        ("designation=7", "designation=7"),
    ],
)
def test_passwords_and_keys_are_left_out(provider, text, shown):
    from false_core.redaction import without_secrets

    assert without_secrets(text) == shown


def test_variables_that_may_hold_addresses_are_only_mentioned(provider):
    from qgis_false.environment.variables import compute_variables
    from qgis_false.installation.diagnosis import shown_variables

    host = recorded_host("osgeo4w")
    lines = shown_variables(host.variables, compute_variables(host))
    assert "PIP_INDEX_URL is set" in lines and "HTTPS_PROXY is set" in lines
    assert r"PYTHONHOME=C:\OSGeo4W\apps\Python312 (not passed on)" in lines
    assert any(line.startswith("PATH=") and line.endswith("(passed on in part)") for line in lines)
    assert not any("geheim" in line or line.startswith(("APPDATA", "ComSpec")) for line in lines)


def test_another_version_of_the_library_is_mentioned_and_what_mends_it(provider):
    import false_core
    from qgis_false.environment.versions import problem_of_library

    assert problem_of_library(false_core.__version__) == ""
    assert "restart QGIS" in problem_of_library("9.9.9")


@pytest.mark.thorough
def test_the_report_is_plain_text_and_can_be_read_by_a_person(profile, feedback, monkeypatch):
    from qgis_false.installation.diagnosis import diagnose

    monkeypatch.setenv("FALSE_CORE_PYTHON", "/gone/python")
    text = diagnose(feedback)
    assert text.startswith("FALSE diagnostics, ")
    assert max(map(len, text.splitlines())) < 4000
    json.dumps(text)


def test_the_name_for_reports_is_not_in_it(monkeypatch):
    from qgis_false.installation.diagnosis import _settings, shown_variables

    monkeypatch.setenv("FALSE_AUTHOR", "Ada Lovelace")
    said = [*_settings(), *shown_variables({"FALSE_AUTHOR": "Ada Lovelace"}, {})]
    assert "FALSE_AUTHOR is set" in said
    assert not [line for line in said if "Ada" in line]
