"""The library as others get it: wheel and sdist, and the wheel alone in an environment where nothing else is.

Behind ``make test-dist``. The last tests install PyTorch and everything else for real: some minutes, 6 GB.
"""

from __future__ import annotations

import email
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import false_core

ROOT = Path(__file__).resolve().parents[2]


def call(*command: str | Path, **more: object) -> str:
    # Without PYTHONPATH and its kin, through which the checkout would speak for the wheel.
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=variables, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built() -> list[Path]:
    return [ROOT / line for line in call(sys.executable, ROOT / "tools" / "dist.py").split()]


@pytest.fixture(scope="module")
def wheel(built) -> Path:
    return next(file for file in built if file.suffix == ".whl")


@pytest.fixture(scope="module")
def sdist(built) -> Path:
    return next(file for file in built if file.name.endswith(".tar.gz"))


def of_the_library() -> set[str]:
    tracked = call("git", "ls-files", "false_core", cwd=ROOT).splitlines()
    assert "false_core/py.typed" in tracked
    return set(tracked)


def test_the_wheel_holds_the_library_and_nothing_else(wheel):
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == of_the_library()


def test_the_sdist_holds_what_the_wheel_is_built_from(sdist):
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert of_the_library() | {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "PKG-INFO"} <= names
    assert not [name for name in names if name.startswith(("tests", "qgis_false", "tools", "docs"))]


def test_the_metadata_says_version_licence_and_door(wheel):
    with zipfile.ZipFile(wheel) as archive:
        inside = {name.partition(".dist-info/")[2]: name for name in archive.namelist() if ".dist-info/" in name}
        metadata = email.message_from_bytes(archive.read(inside["METADATA"]))
        assert "false-core = false_core.cli:entry" in archive.read(inside["entry_points.txt"]).decode()
        assert "licenses/LICENSE" in inside
    assert metadata["Version"] == false_core.__version__
    assert metadata["License-Expression"] == "GPL-3.0-or-later"
    assert "Typing :: Typed" in metadata.get_all("Classifier")


@pytest.fixture(scope="module")
def alone(wheel, tmp_path_factory) -> Path:
    """The folder of programs of an environment into which nothing but the wheel was installed, by its name and needs."""
    folder = tmp_path_factory.mktemp("environment")
    uv = shutil.which("uv") or shutil.which("uv", path=str(ROOT / ".tools" / "uv" / "bin"))
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    # As a user: the newest of everything that the wheel admits, no pins.
    if uv:
        call(uv, "venv", "--quiet", "--python", sys.executable, folder)
        call(uv, "pip", "install", "--quiet", "--python", programs / "python", wheel)
    else:
        call(sys.executable, "-m", "venv", folder)
        call(programs / "python", "-m", "pip", "install", "--quiet", wheel)
    yield programs
    shutil.rmtree(folder)


@pytest.mark.slow
def test_installed_alone_it_says_its_version(alone, tmp_path):
    assert call(alone / "false-core", "--version", cwd=tmp_path).strip() == f"false-core {false_core.__version__}"


@pytest.mark.slow
def test_installed_alone_it_computes(alone, tmp_path):
    assert "cpu" in call(alone / "false-core", "check", "--device", "cpu", cwd=tmp_path)


@pytest.mark.slow
def test_installed_alone_it_is_the_installed_one_and_typed(alone, tmp_path):
    script = "import false_core, pathlib; folder = pathlib.Path(false_core.__file__).parent; print(folder, (folder / 'py.typed').is_file())"
    place, typed = call(alone / "python", "-c", script, cwd=tmp_path).split()
    assert Path(place).is_relative_to(alone.parent)
    assert typed == "True"


@pytest.mark.slow
def test_installed_alone_it_maps(alone, tmp_path):
    """From the picture to the map, with what came along by itself."""
    call(alone / "python", "-c", "from false_core.synthetic import write_scene; write_scene('.', 192, 192, 1, 0.04)", cwd=tmp_path)
    short = ("--preset", "quick", "--steps", "1", "--device", "cpu")
    call(
        alone / "false-core", "finetune", "--raster", "image.tif", "--labels", "labels.gpkg", "--field", "land_cover",
        "--model", "m.safetensors", *short, cwd=tmp_path,
    )  # fmt: skip
    call(
        alone / "false-core", "classify", "--raster", "image.tif", "--model", "m.safetensors", "--output", "map.tif",
        "--device", "cpu", cwd=tmp_path,
    )  # fmt: skip
    assert (tmp_path / "map.tif").stat().st_size > 0
