"""The small world of ``small_world.py`` as fixtures. What is slow to make is made once."""

from __future__ import annotations

import dataclasses
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
import torch
from error_messages import watched
from preloaded_python import preloaded_python
from small_jobs import SmallJobs
from small_world import FROM_NOTHING, Listener, label_boxes, on_map, textured_land, write_labels, write_raster

from false_core.dispatch import run
from false_core.errors import FalseError
from false_core.jobs import Finetune, Pretrain
from false_core.presets import FINETUNE

ROOT = Path(__file__).resolve().parents[2]

# On a busy computer an example may take any time.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


@pytest.fixture(scope="session", autouse=True)
def quiet_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One thread, which is fastest for such small networks, here and in processes; checkpoints out of the user's way.

    Networks compute in float32, whatever the processor was built for: tests compare what rounding would change.
    """
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
            patch.setenv(name, "1")
        patch.setenv("FALSE_PRECISION", "float32")
        # For one process that does one job: here the memory of the largest of all tests would stay, and more.
        patch.setattr("false_core.cli.keep_memory", lambda: None)
        patch.setenv("FALSE_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))))
        # A shell that runs the tests in its background has Ctrl-C ignored, and what they start would inherit that.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        yield


@pytest.fixture(scope="session")
def warm(quiet_machine: None, pytestconfig: pytest.Config) -> Iterator[list[str]]:
    """What to write for ``[sys.executable]`` where it does not matter how a process starts."""
    if hasattr(pytestconfig, "workerinput"):  # One of several processes, which share it.
        yield pytestconfig.workerinput["preloaded"]
        return
    with preloaded_python() as words:
        yield words


@pytest.fixture(scope="session", autouse=True)
def errors_are_noted(pytestconfig: pytest.Config) -> Iterator[None]:
    """See ``error_messages.py``."""
    with watched(pytestconfig, "false_core", FalseError):
        yield


@pytest.fixture
def report_of(land: str, tmp_path: Path) -> Callable[..., str]:
    """Return a function that pretrains with a method for some steps and returns the report."""

    def report(method: str, steps: int) -> str:
        encoder, page = str(tmp_path / "e.safetensors"), tmp_path / "report.html"
        run(Pretrain((land,), encoder, method=method, steps=steps, report=str(page), batch_size=4, **FROM_NOTHING))
        return page.read_text(encoding="utf-8")

    return report


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture(scope="session")
def land(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A raster of four UInt16 bands, three textures side by side, and a border without data."""
    return write_raster(tmp_path_factory.mktemp("land") / "land.tif", textured_land(), nodata=0)


@pytest.fixture(scope="session")
def labels(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Twelve rectangles on the land, four per class, field ``cover``."""
    names, boxes = label_boxes()
    return write_labels(tmp_path_factory.mktemp("labels") / "labels.gpkg", names, [on_map(box) for box in boxes])


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory, land: str) -> str:
    """An encoder file after two steps of pretraining from random weights."""
    path = str(tmp_path_factory.mktemp("encoder") / "encoder.safetensors")
    run(Pretrain((land,), path, steps=2, batch_size=4, **FROM_NOTHING))
    return path


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory, land: str, labels: str, encoder: str) -> str:
    """A model file after two steps of training a decoder."""
    path = str(tmp_path_factory.mktemp("model") / "model.safetensors")
    run(
        Finetune(
            land, labels, "cover", path, encoder, head="network", device="cpu", preset="quick", steps=2
        )
    )  # fmt: skip
    return path


@pytest.fixture(scope="session")
def frozen_model(tmp_path_factory: pytest.TempPathFactory, land: str, labels: str) -> str:
    """A model file of classifiers on frozen features, as fine-tuning makes it unless it is told otherwise."""
    path = str(tmp_path_factory.mktemp("frozen") / "model.safetensors")
    run(Finetune(land, labels, "cover", path, device="cpu"))
    return path


@pytest.fixture
def small_jobs(land: str, labels: str, encoder: str, model: str, monkeypatch: pytest.MonkeyPatch) -> SmallJobs:
    monkeypatch.setitem(FINETUNE, "quick", dataclasses.replace(FINETUNE["quick"], batch_size=4))
    return SmallJobs(land, labels, encoder, model)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for checkpoints, alone in its kind."""
    monkeypatch.setenv("FALSE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint after each step."""
    monkeypatch.setattr("false_core.training.checkpoint.INTERVAL_S", -1.0)
