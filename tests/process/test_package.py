"""The zip that users install: complete, reproducible, and running from a fresh profile without the checkout."""

from __future__ import annotations

import configparser
import re
import subprocess
import zipfile
from pathlib import Path

import pytest
from plugin_repository import refusals
from qgis_profile import ROOT, make_profile

import false_core

# The folder's name in the zip is the plugin's name in QGIS; the plugin manager takes it from there.
TOP = "qgis_false/"


def build(compute_python: str) -> Path:
    done = subprocess.run([compute_python, str(ROOT / "tools" / "package.py")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return ROOT / done.stdout.strip()


@pytest.fixture(scope="module")
def package(compute_python) -> Path:
    return build(compute_python)


@pytest.fixture(scope="module")
def names(package) -> set[str]:
    with zipfile.ZipFile(package) as archive:
        assert archive.testzip() is None
        return set(archive.namelist())


def test_it_holds_one_folder_with_plugin_metadata_licence_and_library(names):
    assert all(name.startswith(TOP) for name in names)
    assert {TOP + name for name in ("metadata.txt", "LICENSE", "__init__.py", "icons/false.svg", "library/pyproject.toml",
                                    "library/constraints.txt", "library/false_core/jobs/codec.py")} <= names  # fmt: skip
    assert any(name.endswith(".model3") for name in names)
    assert {TOP + "processing_scripts/map_from_a_few_labels.py", TOP + "help/de/first_steps.html",
            TOP + "help/images/digitise_map.png"} <= names  # fmt: skip


def test_it_holds_nothing_that_was_lying_about(names):
    assert not [name for name in names if re.search(r"__pycache__|\.pyc|\.qgis-settings|/tests?/|~$", name)]


def test_all_of_the_plugin_and_the_library_is_in_it(names):
    for folder, inside in (("qgis_false", TOP), ("false_core", TOP + "library/false_core/")):
        files = {path.relative_to(ROOT / folder).as_posix() for path in (ROOT / folder).rglob("*.py")}
        assert files
        mapping = {file for file in files if not file.startswith(("experiments/", "benchmark/"))}
        assert {inside + file for file in mapping} <= names


def test_the_comparison_of_methods_is_not_in_it_and_nothing_there_needs_it(package, names):
    assert not [name for name in names if re.search(r"false_core/(experiments|benchmark)/", name)]
    with zipfile.ZipFile(package) as archive:
        for name in names:
            if name.endswith(".py"):
                for line in archive.read(name).decode("utf-8").splitlines():
                    needs = re.match(r"(from|import) false_core\.(experiments|benchmark)", line)
                    assert not needs, f"{name}: {line}. Move what it needs out of there."


def test_what_the_library_s_build_refers_to_is_in_it(names):
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    for name in re.findall(r'^(?:readme|license-files) = \[?"([^"]+)"', text, re.MULTILINE):
        assert f"{TOP}library/{name}" in names


def test_the_same_sources_give_the_same_bytes(package, compute_python):
    first = package.read_bytes()
    assert build(compute_python).read_bytes() == first


def test_the_plugin_repository_would_take_it(package):
    assert list(refusals(package)) == []


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("qgis_false/metadata.txt", "[general]\nname=a\nabout=1 % of it", "metadata.txt cannot be read"),
        ("qgis_false/metadata.txt", "[general]\nname=a", "has no email"),
        ("qgis_false/metadata.txt", "[general]\nicon=icons/none.svg", "icons/none.svg is missing"),
        ("qgis_false/__pycache__/a.pyc", "", "left behind"),
        ("qgis_false/extra.so", "", "left behind"),
        ("qgis_false/picture.bin", "\0\1", "is binary"),
        ("qgis_false/i18n/false_xx.qm", "\0\1", "is binary"),
        ("other/module.py", "", "outside of qgis_false"),
        ("qgis_false/key.py", "password = '" + "abc" + "defgh1'", "holds a password"),
        ("qgis_false/key.pem", "-----BEGIN " + "PRIVATE KEY-----", "holds a private key"),
    ],
)
def test_what_the_plugin_repository_refuses_is_noticed(package, tmp_path, name, content, what):
    """The test above would pass without looking, were it not for this."""
    spoiled = tmp_path / "spoiled.zip"
    with zipfile.ZipFile(package) as whole, zipfile.ZipFile(spoiled, "w") as copy:
        for entry in whole.infolist():
            if entry.filename != name:
                copy.writestr(entry, whole.read(entry))
        copy.writestr(name, content)
    assert any(what in found for found in refusals(spoiled))


def test_metadata_is_what_qgis_asks_for():
    metadata = configparser.ConfigParser()
    metadata.read(ROOT / "metadata.txt", "utf-8")
    general = metadata["general"]
    assert general["version"] == false_core.__version__
    assert general["qgisMinimumVersion"] == "3.22"
    # Until it has run in a QGIS 4, and in one with Qt 6.
    assert general["qgisMaximumVersion"] == "3.99" and "supportsqt6" not in general
    assert general["hasProcessingProvider"] == "yes"
    assert (ROOT / "qgis_false" / general["icon"]).is_file()
    for name in ("name", "description", "about", "author", "email", "tags", "tracker", "repository", "homepage"):
        assert general[name].strip(), name


@pytest.fixture(scope="module")
def installed(package, tmp_path_factory, qgis_process, compute_python):
    def install(plugins: Path) -> None:
        with zipfile.ZipFile(package) as archive:
            archive.extractall(plugins)

    return make_profile(tmp_path_factory.mktemp("a fresh profile"), qgis_process, compute_python, install)


def test_installed_in_a_fresh_profile_it_lists_its_algorithms(installed):
    listed = installed.call("list").said
    for name in ("pretrain", "finetune", "classify", "checkenvironment", "Map from a few labels"):
        assert f"false:{name}" in listed


def test_installed_in_a_fresh_profile_it_computes_with_its_own_library(installed, tmp_path):
    library = next(installed.folder.rglob("library/false_core/__init__.py"))
    library.write_text(library.read_text("utf-8").replace(f'"{false_core.__version__}"', '"0.0.marked"'), "utf-8")
    results = installed.run("false:checkenvironment", DEVICE="cpu").results
    assert results["VERSION"] == "0.0.marked"
    assert results["GFLOPS"] > 0


def test_a_version_that_disagrees_is_not_packaged(compute_python, tmp_path):
    for name in ("metadata.txt", "tools/package.py", "false_core/__init__.py"):
        target = tmp_path / name
        target.parent.mkdir(exist_ok=True)
        target.write_text((ROOT / name).read_text("utf-8"), "utf-8")
    (tmp_path / "false_core" / "__init__.py").write_text('__version__ = "9.9.9"\n')
    done = subprocess.run(
        [compute_python, str(tmp_path / "tools" / "package.py")], capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.returncode == 1
    assert "9.9.9" in done.stderr
    assert not (tmp_path / "dist").exists()
