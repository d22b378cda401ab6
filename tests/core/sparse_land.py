"""A raster of any size that takes next to no room, and a model for it: for tests and benchmarks of what is very large."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
import torch
from rasterio.windows import Window as RasterioWindow
from small_world import CRS, GRID

from false_core.events import Event, Message, Progress, decode
from false_core.models.header import SEGMENTER
from false_core.models.model_file import ModelCard, save_model
from false_core.models.segmenter import build_segmenter
from false_core.raster.classes import ClassTable, LandCoverClass
from false_core.raster.statistics import Normalisation

BLOCK = 512
PATCH = 2048
"""Side of a square that holds data."""


def write_sparse(path: Path, side: int, patches: int) -> str:
    """Write a raster of ``side`` x ``side`` pixels. Squares on the diagonal hold data, and nothing else is stored."""
    profile = {"driver": "GTiff", "count": 1, "dtype": "uint8", "nodata": 0, "crs": CRS, "transform": GRID}
    options = {"tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "sparse_ok": True, "bigtiff": "yes"}
    chance = np.random.default_rng(0)
    with rasterio.open(path, "w", width=side, height=side, compress="deflate", **options, **profile) as file:
        for corner in np.linspace(0, side - PATCH, patches).astype(int) // BLOCK * BLOCK:
            pixels = chance.integers(1, 200, (1, PATCH, PATCH), dtype=np.uint8)
            file.write(pixels, window=RasterioWindow(corner, corner, PATCH, PATCH))
    return str(path)


def write_untrained(path: Path, pixel_size: float) -> str:
    """Write a model for one band that was never trained, and works on pixels of that size."""
    torch.manual_seed(0)
    card = ModelCard(
        kind=SEGMENTER, encoder="resnet10t", decoder="segformer", bands=("grey",), band_numbers=(1,), dtype="uint8",
        normalisation=Normalisation((0.0,), (255.0,), (100.0,), (60.0,)), pixel_size=pixel_size,
        ground_sample_distance=pixel_size, patch_size=64, method={"name": "untrained"},
        classes=ClassTable((LandCoverClass(1, "land", "#1b7837"), LandCoverClass(2, "water", "#2b7bba"))),
    )  # fmt: skip
    save_model(str(path), card, build_segmenter(card.encoder, card.decoder, 1, 2))
    return str(path)


@dataclass
class Ran:
    """One run of a job in a process of its own.

    Attributes:
        code: Exit code; negative where it was killed.
        seconds: It took.
        peak_mb: The most memory it had, that of files which are only mapped left out.
        halves_mb: The same of the first and of the second half of the time from the first tile on.
        share: How far it was in the end, 0 to 1, of what was left to do.
        kept: Parts of the map that it found and went on with, and the number of all; 0 of 0 where it found none.
        last: What it said last.
    """

    code: int
    seconds: float
    peak_mb: float
    halves_mb: tuple[float, float]
    share: float
    kept: tuple[int, int]
    last: Event | None


def run_until(job: str, share: float, cache: Path) -> Ran:
    """Run a job, as JSON, in a compute process, and kill it when ``share`` of it is done: never, with more than 1."""
    worker = subprocess.Popen(
        [sys.executable, "-u", "-m", "false_core.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, env={**os.environ, "FALSE_CACHE": str(cache)},
    )  # fmt: skip
    assert worker.stdin is not None and worker.stdout is not None
    memory: list[tuple[float, float]] = []
    watcher = threading.Thread(target=_watch, args=(worker, memory), daemon=True)
    watcher.start()
    began, classifying, done, kept, last = time.monotonic(), 0.0, 0.0, (0, 0), None
    worker.stdin.write(job.encode() + b"\n")
    worker.stdin.flush()
    for line in worker.stdout:
        last = decode(line.decode())
        if isinstance(last, Progress) and last.stage == "Classifying":
            classifying = classifying or time.monotonic()
            done = last.fraction
            if done >= share:
                worker.kill()
                break
        found = re.match(r"Going on with (\d+) of (\d+) strips", last.text) if isinstance(last, Message) else None
        if found:
            kept = int(found[1]), int(found[2])
    code = worker.wait()
    ended = time.monotonic()
    worker.stdin.close()
    worker.stdout.close()
    watcher.join()
    middle = (classifying + ended) / 2
    halves = [[mb for at, mb in memory if classifying <= at < middle], [mb for at, mb in memory if at >= middle]]
    first, second = (max(half, default=0.0) for half in halves)
    peak = max((mb for _, mb in memory), default=0.0)
    return Ran(code, ended - began, peak, (first, second), done, kept, last)


def _watch(process: subprocess.Popen[bytes], memory: list[tuple[float, float]]) -> None:
    while process.poll() is None:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
            memory.append((time.monotonic(), int(status.split("RssAnon:")[1].split()[0]) / 1000))
        except (OSError, IndexError):
            return  # It has just gone.
        time.sleep(0.1)
