"""A map is the same file however it comes about: by one process or several, in one go or after being ended anywhere."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
import safetensors
import safetensors.torch
import torch
from small_world import Listener, textured_land, write_raster

from false_core.computing.distributed import ALONE, Share
from false_core.dispatch import run
from false_core.errors import Cancelled, DeviceError, FalseError, InputError, OutputError
from false_core.events import Event, Progress
from false_core.jobs import Classify, ClassifyMany, Job, to_json
from false_core.mapping.classify.classify import Classification
from false_core.mapping.classify.store import JobStart
from false_core.mapping.classify.strip_task import FinishedStrips
from false_core.outputs.publish import discard_unfinished

PATIENCE_S = 300
SIDECARS = ["land_classified.qml", "land_classified.tif.aux.xml"]
SMALL_STRIPS = {"false_core.inference.tiles.MAX_STRIDE_PX": 256, "false_core.mapping.classify.plan.LEAST_PIXELS": 1}
PROCESS = """
import json, os, signal, sys
from importlib import import_module
for name, value in json.loads(sys.argv[2]).items():
    module, _, constant = name.rpartition(".")
    setattr(import_module(module), constant, value)
from false_core.errors import FalseError
from false_core.jobs import from_json
from false_core.mapping.classify.store import StripStore
from false_core.dispatch import run
if os.environ.get("KILLED", "") == os.environ.get("RANK"):
    finish = StripStore.finish
    StripStore.finish = lambda *given: (finish(*given), os.kill(os.getpid(), signal.SIGKILL))
try:
    print(run(from_json(sys.argv[1])))
except FalseError as error:
    sys.exit(str(error))
"""


@pytest.fixture
def small_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SMALL_STRIPS.items():
        monkeypatch.setattr(name, value)


@pytest.fixture(scope="module")
def strip(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A high raster, of four small strips."""
    return write_raster(tmp_path_factory.mktemp("strip") / "strip.tif", textured_land(300, 1700), nodata=0)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


@pytest.fixture
def job(strip: str, model: str, out: Path) -> Classify:
    return Classify(strip, model, str(out / "map.tif"), device="cpu", confidence=str(out / "sure.tif"))


@pytest.fixture(scope="module")
def undisturbed(strip: str, model: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the job writes in one go."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SMALL_STRIPS.items():
            patch.setattr(name, value)
        run(Classify(strip, model, str(folder / "map.tif"), device="cpu", confidence=str(folder / "sure.tif")))
    return contents(folder)


def contents(folder: Path) -> dict[str, bytes]:
    """Return all files in a folder by name. A folder among them is an error."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def kept(folder: Path) -> list[Path]:
    """Return the finished strips of maps in a folder."""
    return sorted(folder.glob(".*.strips/strip-*"))


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path, warm: list[str]) -> Iterator[Start]:
    """Return a function that starts a process with a job. Whatever still runs at the end of the test is killed."""
    started: list[subprocess.Popen[str]] = []

    def begin(job: Job, world: int = 1, killed: str = "") -> subprocess.Popen[str]:
        """Several processes are started by torchrun. That of the rank ``killed`` is, when its first part is finished."""
        program = tmp_path / "process.py"
        program.write_text(PROCESS)
        several = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={world}", "--no-python", *warm]
        command = [*warm, *(several if world > 1 else []), str(program), to_json(job), json.dumps(SMALL_STRIPS)]
        environment = {**os.environ, "KILLED": killed}
        started.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield begin
    for process in started:
        process.terminate()
        process.communicate()


def succeed(process: subprocess.Popen[str]) -> str:
    """Return what a process said that must succeed."""
    said, problem = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, problem
    return said


@pytest.mark.thorough
class TestSeveralProcesses:
    @pytest.mark.thorough
    @pytest.mark.parametrize("world", [pytest.param(2, marks=pytest.mark.slow), 3])
    def test_write_the_file_that_one_writes(
        self, job: Classify, undisturbed: dict[str, bytes], start: Start, out: Path, world: int
    ) -> None:
        succeed(start(job, world))
        assert contents(out) == undisturbed

    @pytest.mark.thorough
    def test_share_out_many_rasters(
        self, strip: str, land: str, model: str, start: Start, tmp_path: Path, small_strips: None
    ) -> None:
        grey = write_raster(tmp_path / "grey.tif", textured_land(bands=1), nodata=0)
        alone, shared = (
            ClassifyMany((land, grey, strip), model, str(tmp_path / name), device="cpu") for name in ("alone", "shared")
        )
        assert run(alone)["maps"] == 2
        said = succeed(start(shared, 2))
        assert "'maps': 2" in said and "'left_out': 1" in said
        assert contents(tmp_path / "shared") == contents(tmp_path / "alone")

    @pytest.mark.thorough
    def test_end_when_one_is_lost_and_keep_what_is_finished(
        self, job: Classify, undisturbed: dict[str, bytes], start: Start, out: Path
    ) -> None:
        both = start(job, 2, killed="1")
        both.communicate(timeout=PATIENCE_S)
        assert both.returncode == 1
        assert kept(out)
        assert not contents_of_outputs(out)
        succeed(start(job))
        assert contents(out) == undisturbed

    @pytest.mark.thorough
    def test_leave_out_a_raster_that_one_of_them_cannot_read(
        self, strip: str, land: str, model: str, start: Start, tmp_path: Path
    ) -> None:
        torn = tmp_path / "torn.tif"
        content = bytearray(Path(strip).read_bytes())
        del content[len(content) * 3 // 4 :]  # The last rows, which only the second process reads.
        torn.write_bytes(content)
        said = succeed(start(ClassifyMany((str(torn), land), model, str(tmp_path / "maps"), device="cpu"), 2))
        assert "'maps': 1" in said and "'left_out': 1" in said
        assert sorted(contents_of_outputs(tmp_path / "maps")) == sorted(["land_classified.tif", *SIDECARS])

    @pytest.mark.thorough
    def test_hear_from_each_other_that_the_raster_cannot_be_read(
        self, strip: str, job: Classify, tmp_path: Path, small_strips: None, out: Path, listener: Listener
    ) -> None:
        """Here both are this one process. The first one has come to where it waits for the second one."""
        torn = tmp_path / "torn.tif"
        content = Path(strip).read_bytes()
        torn.write_bytes(content[: len(content) // 2])
        job = dataclasses.replace(job, raster=str(torn))
        start = JobStart.of([job.output], ALONE)
        first, second = (Classification(job, start, Share(rank, 2), listener.feedback) for rank in (0, 1))
        with first:
            with pytest.raises(InputError) as problem, second:
                second.compute()
            with pytest.raises(InputError, match=r"torn\.tif") as heard:
                first.finish()
        assert str(heard.value) == str(problem.value)
        assert not contents_of_outputs(out)


# At a chosen moment it is killed always. Whatever the moment, it goes on in the same way.
RANDOM = pytest.param("random", marks=pytest.mark.slow)


@pytest.mark.thorough
class TestAfterHavingBeenKilled:
    @pytest.mark.thorough
    @pytest.mark.parametrize(
        "moment", ["the first part", pytest.param("the second part", marks=pytest.mark.slow), "the file", RANDOM]
    )
    def test_it_goes_on_and_ends_as_if_nothing_had_happened(
        self, job: Classify, undisturbed: dict[str, bytes], start: Start, out: Path, moment: str
    ) -> None:
        process = start(job)
        ends = time.monotonic() + random.Random(0).uniform(0.1, 2)
        reached = {
            "the first part": lambda: bool(kept(out)),
            "the second part": lambda: len(kept(out)) > 1,
            "the file": lambda: any(out.glob(".*.partial/*")),
            "random": lambda: time.monotonic() > ends,
        }[moment]
        while not reached() and process.poll() is None:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE_S)
        for name in contents_of_outputs(out):
            assert (out / name).read_bytes() == undisturbed[name], "what has the name of an output is whole"
        time.sleep(1.1)  # What is younger than a second might still be in use.
        succeed(start(job))
        assert contents(out) == undisturbed

    @pytest.mark.thorough
    def test_several_processes_may_go_on_where_one_was(
        self, job: Classify, undisturbed: dict[str, bytes], start: Start, out: Path
    ) -> None:
        process = start(job)
        while not kept(out) and process.poll() is None:
            time.sleep(0.001)
        process.kill()
        process.wait(PATIENCE_S)
        succeed(start(job, 3))
        assert contents(out) == undisturbed


def contents_of_outputs(out: Path) -> list[str]:
    return [path.name for path in out.iterdir() if not path.name.startswith(".")]


def cancelled_after(parts: int, job: Classify, out: Path, on_event: Callable[[Event], None] = lambda event: None) -> None:
    """Run a job and cancel it when so many parts are finished."""
    cancel = threading.Event()

    def look(event: Event) -> None:
        on_event(event)
        if isinstance(event, Progress) and event.stage == "Classifying":
            time.sleep(0.1)  # For the thread that keeps parts, which works beside this one.
            if len(kept(out)) >= parts:
                cancel.set()

    with pytest.raises(Cancelled):
        run(job, look, cancel)


@pytest.fixture(scope="module")
def interrupted(strip: str, model: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the job leaves when it is cancelled."""
    folder = tmp_path_factory.mktemp("interrupted")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**SMALL_STRIPS, "false_core.feedback.SHORTEST_INTERVAL_S": 0.0}.items():
            patch.setattr(name, value)
        sure = str(folder / "sure.tif")
        cancelled_after(1, Classify(strip, model, str(folder / "map.tif"), device="cpu", confidence=sure), folder)
    return folder


def place_of_strips(job: Classify, listener: Listener) -> Path:
    """Begin a job, and return the folder that its strips would lie in."""
    with Classification(job, JobStart.of([job.output], ALONE), ALONE.share, listener.feedback):
        (folder,) = Path(job.output).parent.glob(".*.strips")
        return folder


@pytest.mark.thorough
def test_strips_of_other_numbers_are_not_mixed(
    strip: str, model: str, small_strips: None, tmp_path: Path, listener: Listener
) -> None:
    job = Classify(strip, model, str(tmp_path / "map.tif"), device="cpu")
    start = JobStart.of([job.output], ALONE)
    with Classification(job, start, ALONE.share, listener.feedback, computes=False) as classification:
        classification.receive(FinishedStrips({}, 0, 24, ()))
        with pytest.raises(DeviceError, match="numbers of 24 binary digits, and others with numbers of 11"):
            classification.receive(FinishedStrips({}, 0, 11, ()))
        classification.receive(FinishedStrips({}, 0, 24, (), 5))
        with pytest.raises(DeviceError, match="in int8 are computed with other versions of PyTorch, onnx or onnxruntime"):
            classification.receive(FinishedStrips({}, 0, 24, (), 6))


@pytest.mark.thorough
class TestShortNumbers:
    """Processors that were built for them make them; that the others can do so too is what the tests rely on."""

    @pytest.fixture(autouse=True)
    def as_is_best(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("FALSE_PRECISION")
        self.built_for(torch.bfloat16, monkeypatch)

    def built_for(self, numbers: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("false_core.computing.precision.built_for", lambda device, use: numbers)

    def test_give_few_pixels_another_class(self, land: str, model: str, tmp_path: Path) -> None:
        maps = {}
        for precision in ("auto", "float32"):
            page, path = tmp_path / f"{precision}.html", str(tmp_path / f"{precision}.tif")
            run(Classify(land, model, path, device="cpu", precision=precision, report=str(page)))
            assert {"auto": "bfloat16", "float32": "float32"}[precision] in page.read_text("utf-8")
            with rasterio.open(path) as file:
                maps[precision] = file.read(1)
        assert 0 < (maps["auto"] != maps["float32"]).mean() < 0.003

    def test_are_taken_by_a_processor_that_goes_on_with_a_map_of_them(
        self,
        job: Classify,
        small_strips: None,
        out: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        listener: Listener,
    ) -> None:
        whole = tmp_path / "whole"
        whole.mkdir()
        run(dataclasses.replace(job, output=str(whole / "map.tif"), confidence=str(whole / "sure.tif")))
        cancelled_after(1, job, out)
        self.built_for(torch.float32, monkeypatch)
        run(job, listener)
        assert "Earlier strips of the map were computed in bfloat16. So are the others." in listener.infos
        assert contents(out) == contents(whole)


@pytest.mark.thorough
def test_a_process_about_to_end_itself_leaves_no_folder_for_strips_that_are_awaited(
    strip: str, model: str, small_strips: None, tmp_path: Path, listener: Listener
) -> None:
    job = Classify(strip, model, str(tmp_path / "map.tif"), device="cpu")
    start = JobStart.of([job.output], ALONE)
    with Classification(job, start, ALONE.share, listener.feedback, computes=False):
        assert list(tmp_path.iterdir())
        discard_unfinished()
        assert not list(tmp_path.iterdir())


def another_model(job: Classify, monkeypatch: pytest.MonkeyPatch) -> Classify:
    weights = safetensors.torch.load_file(job.model)
    with safetensors.safe_open(job.model, "pt") as file:
        header = file.metadata()
    last = next(name for name in reversed(weights) if weights[name].is_floating_point())
    weights[last] = weights[last] + 1
    safetensors.torch.save_file(weights, job.model, header)
    return job


def another_raster(job: Classify, monkeypatch: pytest.MonkeyPatch) -> Classify:
    write_raster(Path(job.raster), textured_land(300, 1700)[:, ::-1], nodata=0)
    return job


def another_extent(job: Classify, monkeypatch: pytest.MonkeyPatch) -> Classify:
    with rasterio.open(job.raster) as file:
        left, bottom, right, top = file.bounds
    return dataclasses.replace(job, extent=f"{left},{right},{bottom},{top - 5}")


def no_confidence(job: Classify, monkeypatch: pytest.MonkeyPatch) -> Classify:
    return dataclasses.replace(job, confidence=None)


def larger_tiles(job: Classify, monkeypatch: pytest.MonkeyPatch) -> Classify:
    monkeypatch.setattr("false_core.inference.tiles.MAX_STRIDE_PX", 320)
    return job


CHANGES = {
    "the raster": another_raster, "the model": another_model, "the extent": another_extent, "the confidence": no_confidence,
    "the size of tiles": larger_tiles,
}  # fmt: skip
# One is run to its end always. The others end the same, as after each of them the strips lie in another folder.
ONCE_MORE = [pytest.param(change, marks=pytest.mark.slow) for change in CHANGES if change != "the raster"]


@pytest.mark.thorough
@pytest.mark.usefixtures("small_strips")
class TestWhatIsFinished:
    @pytest.fixture(autouse=True)
    def often(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("false_core.feedback.SHORTEST_INTERVAL_S", 0.0)

    @pytest.mark.thorough
    def test_is_kept_where_the_job_is_cancelled(
        self, job: Classify, undisturbed: dict[str, bytes], out: Path, listener: Listener
    ) -> None:
        cancelled_after(1, job, out, listener)
        finished = len(kept(out))
        assert 1 <= finished < 4
        assert not contents_of_outputs(out)
        assert f"{finished} of 4 strips of the map are finished" in listener.infos
        again = Listener()
        run(job, again)
        assert f"Going on with {finished} of 4 strips from an interrupted run." in again.infos
        assert contents(out) == undisturbed

    @pytest.mark.thorough
    def test_is_not_computed_again(self, job: Classify, undisturbed: dict[str, bytes], out: Path) -> None:
        cancelled_after(1, job, out)
        before = {path: path.stat().st_ino for path in kept(out)}
        cancelled_after(len(before) + 1, job, out)
        assert {path: path.stat().st_ino for path in kept(out)}.items() >= before.items()
        run(job)
        assert contents(out) == undisturbed

    @pytest.mark.thorough
    @pytest.mark.parametrize("damage", ["a byte", "the end", "a file", "the list", "no list"])
    def test_is_computed_again_where_it_is_damaged(
        self, job: Classify, undisturbed: dict[str, bytes], interrupted: Path, out: Path, listener: Listener, damage: str
    ) -> None:
        shutil.copytree(interrupted, out, dirs_exist_ok=True)
        (part, *_) = kept(out)
        file, listed = part / "map.tif", part / "contents.json"
        if damage == "a byte":
            content = bytearray(file.read_bytes())
            content[-20] ^= 1
            file.write_bytes(content)
        elif damage == "the end":
            file.write_bytes(file.read_bytes()[:-1])
        elif damage == "a file":
            file.unlink()
        elif damage == "the list":
            listed.write_text("[]")
        else:
            listed.unlink()
        run(job, listener)
        assert contents(out) == undisturbed
        if damage != "no list":
            assert "1 strip(s) of an interrupted run are damaged. They are computed again." in listener.warnings

    @pytest.fixture
    def copied(self, job: Classify, tmp_path: Path) -> Classify:
        """The job on inputs that may be changed."""
        model, raster = (str(shutil.copy(path, tmp_path)) for path in (job.model, job.raster))
        return dataclasses.replace(job, model=model, raster=raster)

    @pytest.mark.thorough
    @pytest.mark.parametrize("change", CHANGES)
    def test_lies_apart_after_a_change(
        self, copied: Classify, monkeypatch: pytest.MonkeyPatch, change: str, listener: Listener
    ) -> None:
        before = place_of_strips(copied, listener)
        assert place_of_strips(copied, listener) == before
        assert place_of_strips(CHANGES[change](copied, monkeypatch), listener) != before

    @pytest.mark.thorough
    @pytest.mark.parametrize("change", ["the raster", *ONCE_MORE])
    def test_is_of_no_use_after_a_change(
        self, copied: Classify, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str, listener: Listener
    ) -> None:
        cancelled_after(1, copied, out)
        job = CHANGES[change](copied, monkeypatch)
        time.sleep(1.1)  # What is younger than a second might still be in use.
        run(job, listener)
        assert "interrupted run" not in listener.infos
        fresh = tmp_path / "fresh"
        fresh.mkdir()
        confidence = str(fresh / "sure.tif") if job.confidence else None
        run(dataclasses.replace(job, output=str(fresh / "map.tif"), confidence=confidence))
        assert contents(out) == contents(fresh), "and it is not left behind either"

    def test_leaves_nothing_where_there_is_none_of_it(self, job: Classify, out: Path) -> None:
        cancel = threading.Event()
        cancel.set()
        with pytest.raises(Cancelled):
            run(job, cancel=cancel)
        assert not list(out.iterdir())

    @pytest.mark.thorough
    def test_of_another_map_is_removed_after_a_month(self, job: Classify, out: Path) -> None:
        for name, days in (("old", 31), ("young", 29)):
            folder = out / f".{name}.tif.0123456789abcdef.strips"
            folder.mkdir()
            os.utime(folder, (time.time() - days * 86400,) * 2)
        run(job)
        assert [path.name for path in out.glob(".*")] == [".young.tif.0123456789abcdef.strips"]

    @pytest.mark.thorough
    def test_of_the_same_map_by_an_earlier_version_is_removed(self, job: Classify, out: Path) -> None:
        folder = out / f".{Path(job.output).name}.0123456789abcdef.parts"
        folder.mkdir()
        os.utime(folder, (time.time() - 60,) * 2)
        run(job)
        assert not list(out.glob(".*"))


@pytest.mark.thorough
@pytest.mark.usefixtures("small_strips")
class TestWhatGoesOnAtTheSameTime:
    @pytest.mark.thorough
    def test_the_same_map_in_the_same_place_is_refused(
        self, job: Classify, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Also where the other job is that of another user, or of another computer, with a cache folder of its own."""
        problems: list[FalseError] = []

        def run_beside(event: Event) -> None:
            if isinstance(event, Progress) and event.stage == "Classifying" and not problems:
                monkeypatch.setenv("FALSE_CACHE", str(tmp_path / "another cache"))
                with pytest.raises(OutputError, match="Another process is making this very map") as raised:
                    run(job)
                problems.append(raised.value)

        run(job, run_beside)
        assert problems
        assert {"map.tif", "sure.tif"} <= contents(out).keys()

    @pytest.mark.thorough
    def test_a_change_of_the_raster_is_noticed(self, job: Classify, tmp_path: Path, out: Path) -> None:
        raster = str(shutil.copy(job.raster, tmp_path / "changing.tif"))

        def change(event: Event) -> None:
            if isinstance(event, Progress) and event.stage == "Writing the map":
                os.utime(raster, (0, 0))

        with pytest.raises(InputError, match=r"changing.tif was changed while it was classified"):
            run(dataclasses.replace(job, raster=raster), change)
        assert not list(out.iterdir())

    @pytest.mark.thorough
    def test_a_disk_that_is_too_small_is_said_before(
        self, job: Classify, monkeypatch: pytest.MonkeyPatch, listener: Listener
    ) -> None:
        usage = shutil.disk_usage(job.output.rpartition("/")[0])
        monkeypatch.setattr("shutil.disk_usage", lambda path: usage._replace(free=1000))
        run(job, listener)
        assert "GB of disk while it is made" in listener.warnings


@pytest.mark.thorough
class TestManyParts:
    @pytest.mark.thorough
    def test_of_nothing_but_nodata_are_nodata(
        self, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_strips: None
    ) -> None:
        """Also where a map is so wide that it is cut into columns of parts."""
        monkeypatch.setattr("false_core.mapping.classify.plan.MOST_WAITING_BYTES", 200_000)
        pixels = np.zeros((4, 1400, 1600), "uint16")
        pixels[:, 900:1020, 600:770] = textured_land()
        raster = write_raster(tmp_path / "r.tif", pixels, nodata=0, compress="deflate")
        written = []
        for name, most in (("columns", 200_000), ("one column", 10**9)):
            monkeypatch.setattr("false_core.mapping.classify.plan.MOST_WAITING_BYTES", most)
            run(Classify(raster, model, str(tmp_path / f"{name}.tif"), device="cpu"))
            with rasterio.open(tmp_path / f"{name}.tif") as file:
                written.append(file.read(1))
        np.testing.assert_array_equal(written[0], written[1])
        np.testing.assert_array_equal(written[0] > 0, pixels.any(axis=0))
