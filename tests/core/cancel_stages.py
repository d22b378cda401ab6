"""Every stage of every job, to be cancelled in.

``test_cancel.py`` looks at what is left then, ``benchmarks/cancelling.py`` at how long it takes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from small_world import label_boxes, on_map, textured_land, write_labels, write_raster
from web_folder import WebFolder

from false_core import jobs
from false_core.errors import Cancelled
from false_core.events import Event, Failed, Metric, Progress, Started, decode
from false_core.jobs import (
    Assess,
    Change,
    Classify,
    ClassifyMany,
    CompareMaps,
    EditMap,
    Embed,
    ExportOnnx,
    Finetune,
    Polygonise,
    Pretrain,
    SamplePoints,
    SuggestLabels,
)

PATIENCE_S = 240.0
"""Until a process counts as hung."""
QUICK: dict[str, Any] = {"preset": "quick", "device": "cpu"}
LONG = 10**6
"""Steps of a training that is not to end."""


@dataclass(frozen=True)
class World:
    """What the jobs work on.

    Attributes:
        land, labels, encoder, model: As the fixtures of the same names.
        wide: The same land many times over: a raster that takes a while.
        map, truth: Land cover of many small patches, which take a while too, and the same with other patches.
        out: Where they write.
        web: A server for what lies far away, with the same rasters and labels.
    """

    land: str
    labels: str
    encoder: str
    model: str
    wide: str
    map: str
    truth: str
    out: Path
    web: WebFolder


@dataclass(frozen=True)
class Stage:
    """A stage of a job.

    Attributes:
        job: Makes the job.
        name: What its progress calls the stage; ``STARTED`` for the time before the first.
        remote: It waits for a server that has stopped to answer.
        steps: In a training that is to be under way: steps to wait for.
        may_finish: It is short: the job may be done before it hears.
    """

    job: Callable[[World], Any]
    name: str
    remote: bool = False
    steps: int = 0
    may_finish: bool = False

    @property
    def title(self) -> str:
        """What it is called in a table."""
        when = ", from a server that does not answer" if self.remote else f", step {self.steps}" if self.steps else ""
        return self.name + when


STARTED = "Loading PyTorch"


def _pretrain(world: World, steps: int = LONG, **more: Any) -> Pretrain:
    return Pretrain((world.land,), str(world.out / "e.safetensors"), batch_size=2, steps=steps, **QUICK, **more)


def _remote(world: World) -> Pretrain:
    return Pretrain((world.web.path("wide.tif"),), str(world.out / "e.safetensors"), **QUICK)


def _finetune(world: World, steps: int = LONG) -> Finetune:
    return _fit(world, head="network", steps=steps)


def _fit(world: World, **more: Any) -> Finetune:
    return Finetune(world.land, world.labels, "cover", str(world.out / "m.safetensors"), world.encoder, **more, **QUICK)


def _reported(world: World) -> Pretrain:
    return _pretrain(world, 1, report=str(world.out / "r.html"))


def _classify(world: World, raster: str = "") -> Classify:
    return Classify(raster or world.land, world.model, str(world.out / "map.tif"), device="cpu")


def _embed(world: World, raster: str = "") -> Embed:
    return Embed(raster or world.wide, world.encoder, str(world.out / "f.tif"), device="cpu")


def _polygonise(world: World) -> Polygonise:
    return Polygonise(world.map, str(world.out / "p.gpkg"), minimum_area=20.0, smoothing=1.0)


def _assess(world: World) -> Assess:
    return Assess(world.map, truth=world.truth, report=str(world.out / "r.html"))


def _compare(world: World) -> CompareMaps:
    return CompareMaps(world.truth, world.map, str(world.out / "w.tif"), report=str(world.out / "r.html"))


def _change(world: World) -> Change:
    return Change(world.wide, world.wide, str(world.out / "c.tif"), device="cpu")


def _edit(world: World) -> EditMap:
    return EditMap(world.map, str(world.out / "n.tif"), names="1=2")


def _sample(world: World) -> SamplePoints:
    return SamplePoints(world.map, str(world.out / "p.gpkg"))


def _suggest(world: World) -> SuggestLabels:
    return SuggestLabels(world.wide, world.model, str(world.out / "s.gpkg"), labels=world.labels, device="cpu")


def _onnx(world: World) -> ExportOnnx:
    return ExportOnnx(world.model, str(world.out / "m.onnx"))


STAGES: dict[str, list[Stage]] = {
    "pretrain": [
        Stage(_pretrain, STARTED),
        Stage(_remote, "Starting", remote=True),
        Stage(_remote, "Measuring the bands", remote=True),
        Stage(_remote, "Pretraining", remote=True),
        Stage(_pretrain, "Pretraining"),
        Stage(_pretrain, "Pretraining", steps=3),
        Stage(_reported, "Looking at what it learned", may_finish=True),
        Stage(_reported, "Writing", may_finish=True),
    ],
    "finetune": [
        Stage(_finetune, "Starting"),
        Stage(
            lambda w: Finetune(w.land, w.web.path("labels.gpkg"), "cover", str(w.out / "m.safetensors"), w.encoder, **QUICK),
            "Reading the labels",
            remote=True,
        ),
        Stage(_finetune, "Training on the labels"),
        Stage(_finetune, "Training on the labels", steps=3),
        Stage(lambda w: _finetune(w, 1), "Scoring on the labels held out", may_finish=True),
        Stage(lambda w: _finetune(w, 10), "Training on all labels", may_finish=True),
        Stage(lambda w: _finetune(w, 1), "Writing", may_finish=True),
        Stage(_fit, "Looking at the raster", may_finish=True),
        Stage(_fit, "Looking at the labels", may_finish=True),
        Stage(_fit, "Comparing heads", may_finish=True),
        Stage(_fit, "Fitting the best", may_finish=True),
    ],
    "classify": [
        Stage(_classify, "Starting", may_finish=True),
        Stage(lambda w: _classify(w, w.wide), "Classifying"),
        Stage(lambda w: _classify(w, w.web.path("wide.tif")), "Classifying", remote=True),
        Stage(_classify, "Writing the map", may_finish=True),
    ],
    "classifymany": [
        Stage(lambda w: ClassifyMany((w.wide, w.land), w.model, str(w.out / "maps"), device="cpu"), "1 of 2, wide.tif: Cl")
    ],
    "polygonise": [
        Stage(_polygonise, "Finding regions"),
        Stage(_polygonise, "Tracing borders"),
        Stage(_polygonise, "Writing polygons"),
    ],
    "embed": [
        Stage(_embed, "Starting"),
        Stage(_embed, "Finding components"),
        Stage(_embed, "Embedding"),
        Stage(lambda w: _embed(w, w.web.path("wide.tif")), "Embedding", remote=True),
        Stage(lambda w: _embed(w, w.land), "Building overviews", may_finish=True),
    ],
    "suggestlabels": [
        Stage(_suggest, "Looking at the raster"),
        Stage(_suggest, "Choosing", may_finish=True),
    ],
    "assess": [Stage(_assess, "Comparing", may_finish=True), Stage(_assess, "Writing", may_finish=True)],
    "comparemaps": [
        Stage(_compare, "Comparing", may_finish=True),
        Stage(_compare, "Showing where", may_finish=True),
        Stage(_compare, "Writing", may_finish=True),
    ],
    "change": [
        Stage(_change, "Starting", may_finish=True),
        Stage(_change, "Getting used to both dates"),
        Stage(_change, "Comparing samples"),
        Stage(_change, "Finding regions", may_finish=True),
        Stage(_change, "Writing", may_finish=True),
        Stage(_change, "Comparing the dates"),
    ],
    "editmap": [
        Stage(_edit, "Counting pixels", may_finish=True),
        Stage(_edit, "Writing the map", may_finish=True),
    ],
    "samplepoints": [
        Stage(_sample, "Counting pixels", may_finish=True),
        Stage(_sample, "Drawing points", may_finish=True),
        Stage(_sample, "Writing", may_finish=True),
    ],
    "exportonnx": [Stage(_onnx, "Exporting", may_finish=True)],
    "check": [Stage(lambda w: jobs.Check(device="cpu"), "Checking the device", may_finish=True)],
}
"""By job."""


def make_inputs(folder: Path, web: WebFolder) -> dict[str, str]:
    """Write the larger rasters, and what the server has. Return their paths by name."""
    land = np.tile(textured_land(), (1, 12, 9))
    wide = write_raster(folder / "wide.tif", land, nodata=0, tiled=True, blockxsize=256, blockysize=256)
    (web.folder / "wide.tif").write_bytes(Path(wide).read_bytes())
    names, boxes = label_boxes()
    write_labels(web.folder / "labels.gpkg", names, [on_map(box) for box in boxes])
    chance = np.random.default_rng(0)
    maps = {}
    for name in ("map", "truth"):
        patches = chance.integers(1, 5, (1, 400, 400), dtype=np.uint8).repeat(6, axis=1).repeat(6, axis=2)
        maps[name] = write_raster(folder / f"{name}.tif", patches, tiled=True, blockxsize=256, blockysize=256)
    return {"wide": wide, **maps}


@dataclass(frozen=True)
class Ended:
    """How a process ended that was told to stop: its exit code, how long that took, and its last word."""

    code: int
    seconds: float
    last: Event | None


def cancelled_in(stage: Stage, world: World, cache: Path, python: Sequence[str] = (sys.executable,)) -> Ended:
    """Run the job of a stage in a compute process, cancel it there as QGIS does it, and return how it ended.

    Args:
        python: The words that stand for a Python.
    """
    # GDAL remembers nothing between processes, and a server on this computer is no proxy's business.
    variables = {"FALSE_CACHE": str(cache), "FALSE_DISK_GB": "0", "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}
    worker = subprocess.Popen(
        [*python, "-u", "-m", "false_core.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, env={**os.environ, **variables, "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR"},
    )  # fmt: skip
    guard = threading.Timer(PATIENCE_S, worker.kill)
    guard.start()
    assert worker.stdin is not None and worker.stdout is not None
    try:
        worker.stdin.write(jobs.to_json(stage.job(world)).encode() + b"\n")
        worker.stdin.flush()
        last = None
        if stage.remote and stage.name == "Starting":
            world.web.answer_no_more()
        for line in worker.stdout:
            last = decode(line.decode())
            if _is_there(last, stage):
                break
        else:
            raise AssertionError(f"The job ended before {stage.title}: {last}")
        if stage.remote:
            world.web.answer_no_more()
            while not world.web.is_waited_for():
                assert worker.poll() is None, "It ended without asking the server."
                time.sleep(0.02)
        began = time.monotonic()
        worker.stdin.write(b"cancel\n")
        worker.stdin.flush()
        for line in worker.stdout:
            last = decode(line.decode())
        code = worker.wait()
        return Ended(code, time.monotonic() - began, last)
    finally:
        guard.cancel()
        worker.kill()
        worker.wait()
        for stream in (worker.stdin, worker.stdout):
            stream.close()


def _is_there(event: Event, stage: Stage) -> bool:
    if stage.steps:
        return isinstance(event, Metric) and event.step >= stage.steps
    if stage.name == STARTED:
        return isinstance(event, Started)
    return isinstance(event, Progress) and stage.name in event.stage


def ended_well(ended: Ended, stage: Stage) -> bool:
    """Return whether it ended as it must: cancelled, or finished where it was almost there."""
    was_cancelled = ended.code == Cancelled.exit_code and ended.last == Failed("Cancelled.", "", Cancelled.code)
    return was_cancelled or (stage.may_finish and ended.code == 0)
