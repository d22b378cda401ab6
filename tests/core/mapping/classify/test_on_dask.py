"""Parts of maps as tasks of Dask, with a real scheduler and real workers: the bytes are those of one process."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from small_world import Listener, textured_land, write_raster

from false_core.dispatch import run
from false_core.errors import Cancelled, FalseError, InputError, ProcessLostError
from false_core.events import Event, Progress
from false_core.jobs import Classify, ClassifyMany

pytest.importorskip("distributed", reason="dask is missing: pip install -e '.[test]'.")
pytestmark = pytest.mark.thorough

SMALL_STRIPS = {"false_core.inference.tiles.MAX_STRIDE_PX": 256, "false_core.mapping.classify.plan.LEAST_PIXELS": 1}
PATIENCE_S = 60
WORKER = """
import json, os, sys, time
from importlib import import_module
from pathlib import Path
for name, value in json.loads(os.environ["SMALL_STRIPS"]).items():
    module, _, constant = name.rpartition(".")
    setattr(import_module(module), constant, value)
import false_core.mapping.classify.part_worker as part_worker
computed = part_worker.computed
def noted(part):
    Path(os.environ["NOTES"], f"{os.getpid()}-{part.strips[0]}").touch()
    time.sleep(float(os.environ.get("LATE", "0")))
    return computed(part)
part_worker.computed = noted
from distributed.cli.dask_worker import main
main(sys.argv[1:])
"""


@pytest.fixture(autouse=True)
def small_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SMALL_STRIPS.items():
        monkeypatch.setattr(name, value)


@pytest.fixture(scope="module")
def strip(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A high raster, of a dozen small strips."""
    return write_raster(tmp_path_factory.mktemp("strip") / "strip.tif", textured_land(300, 3000), nodata=0)


class Workers:
    """A scheduler, and workers that are told how they are to be."""

    def __init__(self, python: list[str], folder: Path) -> None:
        self._python, self._folder = python, folder
        self.notes = folder / "notes"
        self.notes.mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{port}"
        (folder / "worker.py").write_text(WORKER)
        self.processes: list[subprocess.Popen[bytes]] = []
        self.scheduler = self._begin("-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", str(port),
                                     "--no-dashboard")  # fmt: skip

    def start(self, late_s: float = 0) -> subprocess.Popen[bytes]:
        """Start a worker. A late one begins each part only after some time."""
        place = self._folder / f"worker-{len(self.processes)}"
        return self._begin(
            str(self._folder / "worker.py"), self.address, "--no-nanny", "--nthreads", "1", "--no-dashboard",
            "--local-directory", str(place), LATE=str(late_s),
        )  # fmt: skip

    def at_work(self) -> set[int]:
        """Return the numbers of the processes that have begun a part."""
        return {int(note.name.partition("-")[0]) for note in self.notes.iterdir()}

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.communicate()

    def _begin(self, *words: str, **variables: str) -> subprocess.Popen[bytes]:
        settings = {"SMALL_STRIPS": json.dumps(SMALL_STRIPS), "NOTES": str(self.notes), **variables}
        self.processes.append(
            subprocess.Popen(
                [*self._python, *words], env={**os.environ, **settings}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        )
        return self.processes[-1]


@pytest.fixture
def workers(warm: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workers]:
    made = Workers(warm, tmp_path)
    monkeypatch.setenv("FALSE_SCHEDULER", made.address)
    yield made
    made.close()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def job_in(folder: Path, strip: str, model: str) -> Classify:
    folder.mkdir()
    return Classify(strip, model, str(folder / "map.tif"), device="cpu", confidence=str(folder / "sure.tif"))


@pytest.fixture(scope="module")
def undisturbed(strip: str, model: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the job writes in one process."""
    folder = tmp_path_factory.mktemp("undisturbed") / "out"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SMALL_STRIPS.items():
            patch.setattr(name, value)
        run(job_in(folder, strip, model))
    return contents(folder)


def test_workers_that_are_killed_late_or_new_make_the_file_that_one_process_makes(
    workers: Workers, strip: str, model: str, undisturbed: dict[str, bytes], tmp_path: Path, listener: Listener
) -> None:
    doomed = [workers.start(late_s=0.3), workers.start(late_s=0.3)]
    others = [workers.start(), workers.start(late_s=1.0)]
    killed: list[int] = []

    def kill_and_help() -> None:
        for process in doomed:
            while len(workers.at_work() - set(killed)) < 2:
                time.sleep(0.01)
            process.kill()
            killed.append(process.pid)
        others.append(workers.start())

    disturbing = threading.Thread(target=kill_and_help, daemon=True)
    disturbing.start()
    run(job_in(tmp_path / "out", strip, model), listener)
    disturbing.join(PATIENCE_S)
    assert len(killed) == 2
    assert contents(tmp_path / "out") == undisturbed
    fractions = [event.fraction for event in listener.all(Progress)]
    assert fractions == sorted(fractions)
    assert len(set(fractions)) > 5, "each part that comes is told of"
    assert "Dask computes" in listener.infos
    assert "its dashboard is at" in listener.infos.lower()
