"""The help pages say what the jobs declare, and every call on them can be copied and run."""

from __future__ import annotations

import dataclasses
import html
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import tyro

from false_core import jobs
from false_core.cli import _form
from qgis_false.tasks import TASKS

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    re.search(r'"job": "(\w+)"', page.read_text("utf-8"))[1]: page
    for page in (ROOT / "docs" / "algorithms").glob("*.md")
    if '"job"' in page.read_text("utf-8")
}
JOBS = pytest.mark.parametrize("name", list(jobs.JOBS))


def page(name: str) -> str:
    """Return the page of a job."""
    assert name in PAGES, f"The job {name} has no page: run make generate."
    return PAGES[name].read_text("utf-8")


def block(name: str, title: str) -> str:
    """Return the code under a tab of the page of a job."""
    text = page(name)
    return re.search(rf'=== "{title}"\n\n    ```\w+\n(.*?)\n    ```', text, re.DOTALL)[1].replace("\n    ", "\n")


def test_no_page_is_stale():
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "build_help.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_job_has_a_page():
    assert set(PAGES) == set(jobs.JOBS), "Run make generate."


@JOBS
def test_a_page_names_every_parameter_with_its_help(name):
    text = page(name).replace("\\", "")
    for parameter, declared in jobs.parameters(jobs.JOBS[name]).items():
        missing = [choice for choice in declared.choices if choice not in text]
        assert f"`{parameter}`" in text and not missing, "Run make generate."
        assert declared.help.replace("<", "&lt;") in text, "Run make generate."


@pytest.mark.parametrize("name", list(TASKS))
def test_what_the_plugin_does_itself_has_a_page_like_the_jobs(name):
    text = (ROOT / "docs" / "algorithms" / f"{name}.md").read_text("utf-8")
    for parameter, declared in jobs.parameters(TASKS[name]).items():
        assert f"`{parameter}`" in text
        assert declared.help in text
    assert f"qgis_process run false:{name}" in text
    assert "false-core" not in text


def test_the_index_leads_to_every_page():
    index = (ROOT / "docs" / "algorithms" / "index.md").read_text("utf-8")
    pages = {page.name for page in (ROOT / "docs" / "algorithms").glob("*.md")} - {"index.md"}
    assert set(re.findall(r"\]\((\w+\.md)\)", index)) == pages


@JOBS
def test_the_json_on_a_page_is_a_job(name):
    assert isinstance(jobs.from_json(block(name, "JSON")), jobs.JOBS[name])


@pytest.mark.thorough
@JOBS
def test_the_call_of_the_command_line_gives_the_same_job(name):
    program, command, *arguments = shlex.split(block(name, "Command line").replace("\\\n", " "))
    assert (program, command) == ("false-core", name)
    parsed = tyro.cli(_form(jobs.JOBS[name]), args=arguments)
    assert jobs.JOBS[name](**dataclasses.asdict(parsed)) == jobs.from_json(block(name, "JSON"))


@JOBS
def test_the_python_on_a_page_gives_the_same_job(name, monkeypatch):
    monkeypatch.setattr("false_core.dispatch.run", lambda job, *_: asked.append(job) or dict.fromkeys(results, 0))
    asked, results = [], [*jobs.parameters(jobs.JOBS[name]), *(result.name for result in jobs.JOBS[name].RESULTS)]
    exec(block(name, "Python").lstrip(), {})  # noqa: S102 - our own page
    assert asked == [jobs.from_json(block(name, "JSON"))]


@pytest.mark.parametrize("language", ["en", "de"])
def test_pages_of_the_plugin_load_nothing_but_their_own_pictures(language):
    pages = list((ROOT / "qgis_false" / "help" / language).glob("*.html"))
    assert pages
    for file in pages:
        text = file.read_text("utf-8")
        for picture in re.findall(r'<img src="(\.\./images/\w+\.png)"', text):
            assert (file.parent / picture).is_file()
            text = text.replace(f'src="{picture}"', "")
        assert not re.search(r"<script|<link|src=|url\(|https?:", html.unescape(text).replace("https://huggingface", ""))


DOCUMENTS = sorted(file for folder in (".", "docs") for file in (ROOT / folder).glob("*.md") if file.name != "CHANGELOG.md")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: file.stem)
def test_a_document_names_parameters_as_the_dialogs_show_them(document):
    """In italics and with the capitals of the label; capitals throughout are for calls of ``qgis_process``."""
    declared = [item for job in (*jobs.JOBS.values(), *TASKS.values()) for item in jobs.parameters(job).items()]
    labels = {parameter.label for _, parameter in declared}
    text = re.sub(r"```.*?```|^#.*?$", "", document.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    text = " ".join(text.split())
    shown = {label.lower(): label for label in labels}
    for italic in re.findall(r"(?<!\*)\*([^*\n]{1,60})\*(?!\*)", text):
        assert shown.get(italic.lower(), italic) == italic, italic
    for label in labels:
        if " " in label:
            assert not re.search(rf"[a-z,;:(] {re.escape(label)}\b", text), f"{label} is not in italics"
    assert not {f"`{name.upper()}`" for name, _ in declared} & set(re.findall(r"`\w+`", text))
