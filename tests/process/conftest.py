"""A profile, a small scene, and one short run of each step, shared by the tests that only look at the results."""

from __future__ import annotations

import dataclasses
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from qgis_profile import ROOT, SHORT_PRETRAINING, SHORT_RUN, Outcome, Profile, link_checkout, make_profile

sys.path.insert(0, str(ROOT / "tests"))
from preloaded_python import preloaded_python


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_counts():
    """A shell that runs the tests in its background has Ctrl-C ignored, and what they start would inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


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


@pytest.fixture(scope="session")
def plain_profile(tmp_path_factory, qgis_process, compute_python) -> Profile:
    """The profile where it matters how the processes of jobs start, run and end: files that look at that make it theirs."""
    return make_profile(tmp_path_factory.mktemp("profile"), qgis_process, compute_python, link_checkout)


@pytest.fixture(scope="session")
def preloaded(compute_python, tmp_path_factory) -> Iterator[str]:
    """A folder with a ``python`` that begins at once, where that of the compute environment would import for seconds."""
    with preloaded_python(compute_python, {**os.environ, "PYTHONPATH": str(ROOT)}) as words:
        program = tmp_path_factory.mktemp("preloaded") / "python"
        program.write_text(
            '#!/bin/sh\ncase $* in *false_core.worker*|"-m false_core "*|"-m torch.distributed.run "*) '
            f'exec {shlex.join(words)} "$@";; esac\n'
            f'exec {shlex.quote(compute_python)} "$@"\n'
        )
        program.chmod(0o755)
        yield str(program.parent)


@pytest.fixture(scope="session")
def profile(plain_profile, preloaded) -> Profile:
    """A profile whose jobs begin at once."""
    variables = {**plain_profile.variables, "FALSE_CORE_PYTHON": os.path.join(preloaded, "python")}
    return Profile(plain_profile.program, plain_profile.folder, variables)


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
