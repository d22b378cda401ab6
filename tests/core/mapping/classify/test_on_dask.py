"""Parts of maps as tasks of Dask, with a real scheduler and real workers: the bytes are those of one process."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest
from small_world import Listener, textured_land, write_raster
from web_folder import bucket_path, served

from false_core import __version__, cluster
from false_core.computing.precision import numbers_with
from false_core.dispatch import run
from false_core.errors import Cancelled, InputError, ProcessLostError
from false_core.events import Event, Progress
from false_core.feedback import Feedback
from false_core.jobs import Classify, ClassifyMany, from_json, to_json
from false_core.mapping.classify.plan import plan_of
from false_core.mapping.classify.store import digest_of_values
from false_core.mapping.classify.strip_task import StripTask

pytest.importorskip("distributed", reason="dask is missing: pip install -e '.[test]'.")
strip_worker = pytest.importorskip("false_core.mapping.classify.strip_worker")
pytestmark = pytest.mark.thorough

SMALL_STRIPS = {"false_core.inference.tiles.MAX_STRIDE_PX": 256, "false_core.mapping.classify.plan.LEAST_PIXELS": 1}
CLOSE_CALLS = {"false_core.inference.int8.MOST_CHANGED": 0.5}
"""Of a model of two steps int8 changes more pixels than it may."""
PATIENCE_S = 60
SHEETS = {"north": 300, "south": 900, "west": 600}
"""Rasters by name, and their heights."""
WORKER = """
import json, os, sys, time
from importlib import import_module
from pathlib import Path
given = json.loads(os.environ["GIVEN"])
for name, value in given["constants"].items():
    module, _, constant = name.rpartition(".")
    setattr(import_module(module), constant, value)
from false_core.errors import Cancelled
from false_core.mapping.classify import strip_worker
computed, compute_strips = strip_worker.computed, strip_worker.compute_strips
def note(what):
    Path(given["notes"], f"{given['name']} {what}").touch()
def noted(part):
    note(f"begins {part.strips[0]}")
    if given["dies"]:
        os._exit(1)
    try:
        return computed(part)
    except Cancelled:
        note("drops it")
        raise
def late(plan, network, device, strips, store, feedback):
    ends = time.monotonic() + given["late_s"]
    while time.monotonic() < ends:
        feedback.stop_if_cancelled()
        time.sleep(0.01)
    compute_strips(plan, network, device, strips, store, feedback)
strip_worker.computed, strip_worker.compute_strips = noted, late
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
    """A scheduler of Dask on this computer, and workers that are told how they are to be."""

    def __init__(self, python: list[str], folder: Path) -> None:
        self._python, self._folder = python, folder
        self._processes: list[subprocess.Popen[bytes]] = []
        (folder / "notes").mkdir()
        (folder / "worker.py").write_text(WORKER)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self._port}"
        self.scheduler = self.start_scheduler()

    def start_scheduler(self, **variables: str) -> subprocess.Popen[bytes]:
        place = ["--host", "127.0.0.1", "--port", str(self._port), "--no-dashboard"]
        return self._begin("-m", "distributed.cli.dask_scheduler", *place, **variables)

    def start(self, name: str, late_s: float = 0, dies: bool = False) -> subprocess.Popen[bytes]:
        """Start a worker. A late one takes longer for each part."""
        notes = str(self._folder / "notes")
        given = {"name": name, "late_s": late_s, "dies": dies, "notes": notes, "constants": SMALL_STRIPS | CLOSE_CALLS}
        return self._begin(
            str(self._folder / "worker.py"), self.address, "--no-nanny", "--nthreads", "1", "--no-dashboard",
            "--local-directory", str(self._folder / name), GIVEN=json.dumps(given),
        )  # fmt: skip

    def await_note(self, start: str) -> None:
        """Wait until a worker has noted something that starts so."""
        ends = time.monotonic() + PATIENCE_S
        while not any(note.name.startswith(start) for note in (self._folder / "notes").iterdir()):
            assert time.monotonic() < ends, start
            time.sleep(0.01)

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.communicate()

    def _begin(self, *words: str, **variables: str) -> subprocess.Popen[bytes]:
        environment = {**os.environ, **variables}
        said = subprocess.DEVNULL
        self._processes.append(subprocess.Popen([*self._python, *words], env=environment, stdout=said, stderr=said))
        return self._processes[-1]


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
    doomed = {name: workers.start(name, late_s=60) for name in ("first", "second")}
    workers.start("third")
    workers.start("late", late_s=0.5)

    def kill_and_help() -> None:
        for name, process in doomed.items():
            workers.await_note(f"{name} begins")
            process.kill()
        workers.start("new")

    disturbing = threading.Thread(target=kill_and_help)
    disturbing.start()
    run(job_in(tmp_path / "out", strip, model), listener)
    disturbing.join()
    assert contents(tmp_path / "out") == undisturbed
    fractions = [event.fraction for event in listener.all(Progress)]
    assert fractions == sorted(fractions)
    assert len(set(fractions)) > 5, "each task that is done is told of"
    assert "Its dashboard is at http://127.0.0.1" in listener.infos
    assert "Computing on the CPU" in listener.infos, "what a worker says is passed on"


@pytest.mark.skipif(
    not (find_spec("onnx") and find_spec("onnxruntime")), reason="onnx or onnxruntime is missing: pip install -e '.[test]'."
)
def test_a_map_in_int8_is_the_file_that_one_process_makes(
    workers: Workers, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listener: Listener
) -> None:
    for name, value in CLOSE_CALLS.items():
        monkeypatch.setattr(name, value)
    low = write_raster(tmp_path / "low.tif", textured_land(300, 900), nodata=0)
    for name in ("first", "second"):
        workers.start(name)
    run(replace(job_in(tmp_path / "shared", low, model), precision="int8"), listener)
    monkeypatch.delenv("FALSE_SCHEDULER")
    run(replace(job_in(tmp_path / "alone", low, model), precision="int8"))
    assert contents(tmp_path / "shared") == contents(tmp_path / "alone")
    assert listener.infos.count("The network computes in int8.") == 1
    run(replace(job_in(tmp_path / "long", low, model), precision="float32"))
    assert contents(tmp_path / "shared") != contents(tmp_path / "long")


def test_what_is_lost_with_the_scheduler_is_all_that_is_computed_again(
    workers: Workers,
    strip: str,
    model: str,
    undisturbed: dict[str, bytes],
    tmp_path: Path,
    listener: Listener,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cluster, "CONNECT_S", 2.0)
    workers.start("only", late_s=0.05)
    job = job_in(tmp_path / "out", strip, model)

    def lose_it(event: Event) -> None:
        if list((tmp_path / "out").glob(".*.strips/strip-*")):
            workers.scheduler.kill()

    with pytest.raises(ProcessLostError, match=r"The scheduler of Dask was lost\."):
        run(job, lose_it)
    workers.start_scheduler()
    workers.start("other")
    run(job, listener)
    assert "Going on with" in listener.infos
    assert contents(tmp_path / "out") == undisturbed


def test_cancel_ends_the_tasks_that_are_being_computed(workers: Workers, strip: str, model: str, tmp_path: Path) -> None:
    workers.start("only", late_s=60)
    cancel = threading.Event()

    def cancel_soon() -> None:
        workers.await_note("only begins")
        cancel.set()

    threading.Thread(target=cancel_soon).start()
    with pytest.raises(Cancelled):
        run(job_in(tmp_path / "out", strip, model), cancel=cancel)
    workers.await_note("only drops it")
    assert not contents(tmp_path / "out")


def test_a_part_that_ends_every_worker_ends_the_job(workers: Workers, strip: str, model: str, tmp_path: Path) -> None:
    workers.scheduler.kill()
    workers.scheduler.wait()
    workers.start_scheduler(DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0")
    workers.start("only", dies=True)
    with pytest.raises(ProcessLostError, match=r"1 worker\(s\) of Dask were lost"):
        run(job_in(tmp_path / "out", strip, model))


def test_many_rasters_are_mapped_and_those_that_cannot_be_are_left_out(
    workers: Workers, strip: str, model: str, tmp_path: Path, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers.start("first")
    workers.start("second")
    rasters = [write_raster(tmp_path / f"{name}.tif", textured_land(300, rows), nodata=0) for name, rows in SHEETS.items()]
    torn = tmp_path / "torn.tif"
    torn.write_bytes(Path(strip).read_bytes()[:200_000])
    grey = write_raster(tmp_path / "grey.tif", textured_land(bands=1), nodata=0)
    job = ClassifyMany((rasters[0], str(torn), grey, *rasters[1:]), model, str(tmp_path / "maps"), device="cpu")
    done = run(job, listener)
    assert (done["maps"], done["left_out"]) == (len(SHEETS), 2)
    assert "torn.tif is left out." in listener.warnings
    assert "(Worker " in listener.warnings
    assert "grey.tif is left out." in listener.warnings
    fractions = [event.fraction for event in listener.all(Progress)]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    monkeypatch.delenv("FALSE_SCHEDULER")
    run(ClassifyMany(tuple(rasters), model, str(tmp_path / "alone"), device="cpu"))
    assert contents(tmp_path / "maps") == contents(tmp_path / "alone")


def test_the_raster_may_lie_in_a_bucket(
    workers: Workers, strip: str, model: str, undisturbed: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "server").mkdir()
    shutil.copy(strip, tmp_path / "server" / "strip.tif")
    for name, value in (("no_proxy", "127.0.0.1"), ("GDAL_DISABLE_READDIR_ON_OPEN", "EMPTY_DIR")):
        monkeypatch.setenv(name, value)
    with served(tmp_path / "server") as web:
        raster = bucket_path(web, "strip.tif", monkeypatch)
        workers.start("first")
        workers.start("second")
        run(job_in(tmp_path / "out", raster, model))
        assert web.bytes_sent() > 0
    assert contents(tmp_path / "out") == undisturbed


@pytest.fixture
def in_dask(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The task that this process, which is the worker, computes."""
    in_dask = SimpleNamespace(state="executing")
    worker = SimpleNamespace(
        name="it", address="tcp://there", local_directory=str(tmp_path), state=SimpleNamespace(tasks={"it": in_dask}),
        get_current_task=lambda: "it",
    )  # fmt: skip
    monkeypatch.setattr(strip_worker, "get_worker", lambda: worker)
    monkeypatch.setattr("distributed.get_worker", lambda: worker)
    monkeypatch.setattr(strip_worker, "put_if_absent", lambda what, number: number)
    shutil.copy(model, tmp_path / "model.safetensors")
    return in_dask


def test_a_worker_that_reads_another_raster_says_so(
    strip: str, model: str, tmp_path: Path, in_dask: SimpleNamespace
) -> None:
    job = to_json(Classify(strip, model, str(tmp_path / "map.tif"), device="cpu"))
    task = StripTask(__version__, "a run", job, "model.safetensors", "of another one", (0,), 0)
    with pytest.raises(InputError, match=r"strip\.tif is another raster for a worker\. \(Worker tcp://there\.\) See"):
        strip_worker.computed(task)
    in_dask.state = "cancelled"
    with pytest.raises(Cancelled):
        strip_worker.computed(replace(task, plan_digest=digest_of_values(plan_of(from_json(job), Feedback()).decisive)))


@pytest.mark.parametrize(("earlier", "first", "wanted"), [(8, 24, 8), (0, 8, 8), (0, 24, 24)])
def test_all_workers_compute_with_the_numbers_of_the_first(
    strip: str, model: str, tmp_path: Path, in_dask: SimpleNamespace, monkeypatch: pytest.MonkeyPatch,
    earlier: int, first: int, wanted: int,
) -> None:  # fmt: skip
    """That is one of an earlier run, or the one that was first to tell the scheduler; this one would take float32."""
    monkeypatch.setattr(strip_worker, "put_if_absent", lambda what, number: first if what == "a run digits" else number)
    made_with = []
    network_of = strip_worker.network_of
    monkeypatch.setattr(
        strip_worker,
        "network_of",
        lambda *given: made_with.append(given[-1]) or network_of(*given),  # type: ignore[func-returns-value]
    )
    strip_worker._network.cache_clear()
    job = Classify(strip, model, str(tmp_path / "map.tif"), device="cpu")
    digest = digest_of_values(plan_of(job, Feedback()).decisive)
    task = StripTask(__version__, "a run", to_json(job), "model.safetensors", digest, (0,), 0, earlier)
    finished = strip_worker.computed(task)
    assert finished.digits == wanted
    assert made_with == [numbers_with(wanted)]
    assert (("info", "The network computes in bfloat16.") in finished.said) == (wanted == 8), "the job passes it on"
