"""``qgis_process`` as a user runs it: a process of its own, in a fresh profile with the plugin in it."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 240
"""A call that takes longer hangs."""
SHORT_RUN = {"PRESET": "quick", "STEPS": 2, "DEVICE": "cpu"}
"""Enough training to prove that it runs."""
SHORT_PRETRAINING = {**SHORT_RUN, "BATCH_SIZE": 8}


@pytest.fixture(scope="session")
def qgis_process() -> str:
    # On QGIS 3.22 of Debian the plain name is a wrapper that fails at every call.
    program = shutil.which("qgis_process.bin") or shutil.which("qgis_process")
    if program is None:
        pytest.skip("qgis_process is not installed.")
    return program


@pytest.fixture(scope="session")
def compute_python() -> str:
    """Return the interpreter of a real compute environment, or skip and say so."""
    for path in (os.environ.get("FALSE_CORE_PYTHON", ""), str(ROOT / ".venv" / "bin" / "python")):
        if path and shutil.which(path):
            return path
    pytest.skip("There is no compute environment: set FALSE_CORE_PYTHON, or run make setup.")


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What one call of ``qgis_process`` left behind."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err

    @property
    def results(self) -> dict[str, Any]:
        assert self.code == 0, self.said
        return json.loads(self.out[self.out.index("{") :])["results"]


@dataclasses.dataclass(frozen=True)
class Profile:
    """A QGIS profile with the plugin switched on."""

    program: str
    folder: Path
    variables: dict[str, str]

    @property
    def scripts(self) -> Path:
        return self.folder / "profiles" / "default" / "processing" / "scripts"

    def call(self, *arguments: str, **variables: str) -> Outcome:
        done = subprocess.run(
            [self.program, *arguments], env={**self.variables, **variables}, capture_output=True, text=True, check=False,
            timeout=LIMIT_S, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        return Outcome(done.returncode, done.stdout, done.stderr)

    def run(self, algorithm: str, variables: dict[str, str] | None = None, **values: Any) -> Outcome:
        return self.call("run", algorithm, "--json", "--", *assignments(values), **(variables or {}))

    def start(self, algorithm: str, **values: Any) -> subprocess.Popen:
        """Start a run as a terminal would, so that it can be interrupted."""
        return subprocess.Popen(
            [self.program, "run", algorithm, "--", *assignments(values)], env=self.variables, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip


def assignments(values: dict[str, Any]) -> list[str]:
    return [f"{name}={one}" for name, value in values.items() for one in (value if isinstance(value, list) else [value])]


def make_profile(folder: Path, program: str, compute_python: str, install: Callable[[Path], None]) -> Profile:
    """Return a fresh profile in ``folder`` into whose plugins folder ``install`` has put the plugin."""
    plugins = folder / "profiles" / "default" / "python" / "plugins"
    plugins.mkdir(parents=True)
    install(plugins)
    runtime = folder / "runtime"
    runtime.mkdir(mode=0o700)
    variables = {
        **os.environ,
        "QGIS_CUSTOM_CONFIG_PATH": str(folder),
        "QT_QPA_PLATFORM": "offscreen",
        "XDG_RUNTIME_DIR": str(runtime),
        "FALSE_CORE_PYTHON": compute_python,
        "FALSE_CACHE": str(folder / "cache"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    variables.pop("QGIS_OPTIONS_PATH", None)
    made = Profile(program, folder, variables)
    enabled = made.call("plugins", "enable", "qgis_false")
    assert enabled.code == 0, enabled.said
    return made


def link_checkout(plugins: Path) -> None:
    """Put the checkout's plugin into a profile without copying it. Its metadata.txt lies outside of it."""
    plugin = plugins / "qgis_false"
    plugin.mkdir()
    for source in (*(ROOT / "qgis_false").iterdir(), ROOT / "metadata.txt"):
        if source.name != "__pycache__":
            (plugin / source.name).symlink_to(source)


@pytest.fixture(scope="session")
def profile(tmp_path_factory, qgis_process, compute_python) -> Profile:
    return make_profile(tmp_path_factory.mktemp("profile"), qgis_process, compute_python, link_checkout)


@dataclasses.dataclass(frozen=True)
class Scene:
    """A small generated raster with its labels (field ``land_cover``)."""

    image: str
    labels: str
    truth: str


@pytest.fixture(scope="session")
def scene(tmp_path_factory, compute_python) -> Scene:
    folder = tmp_path_factory.mktemp("a scene")
    script = "import sys; from false_core.synthetic import write_scene; write_scene(sys.argv[1], 256, 192, 1, 0.04)"
    subprocess.run([compute_python, "-c", script, str(folder)], cwd=ROOT, check=True)
    return Scene(*(str(folder / name) for name in ("image.tif", "labels.gpkg", "truth.tif")))


@pytest.fixture(scope="session")
def pretrained(profile, scene, tmp_path_factory) -> Outcome:
    """One short pretraining, with a report, alone in its folder."""
    folder = tmp_path_factory.mktemp("encoder")
    return profile.run(
        "false:pretrain", RASTERS=[scene.image, scene.image], BANDS="1,2,3", ENCODER=folder / "encoder.safetensors",
        REPORT=folder / "report.html", **SHORT_PRETRAINING,
    )  # fmt: skip


@pytest.fixture(scope="session")
def finetuned(profile, scene, pretrained, tmp_path_factory) -> Outcome:
    """One short fine-tuning of that encoder, alone in its folder."""
    return profile.run(
        "false:finetune", RASTER=scene.image, LABELS=f"{scene.labels}|layername=labels", FIELD="land_cover", FREEZE="no",
        ENCODER=pretrained.results["ENCODER"], MODEL=tmp_path_factory.mktemp("model") / "model.safetensors", **SHORT_RUN,
    )  # fmt: skip


@pytest.fixture(scope="session")
def model(finetuned) -> str:
    return finetuned.results["MODEL"]


def interrupt(process: subprocess.Popen) -> int:
    """Press Ctrl-C and return the exit code."""
    os.kill(process.pid, signal.SIGINT)
    return process.wait(LIMIT_S)


def wait_until(condition: Callable[[], Any], process: subprocess.Popen) -> Any:
    """Return the first true value of ``condition`` while ``process`` runs."""
    until = time.monotonic() + LIMIT_S
    while time.monotonic() < until:
        value = condition()
        if value:
            return value
        if process.poll() is not None:
            raise AssertionError("it ended too early")
        time.sleep(0.05)
    raise AssertionError("it did not happen")
