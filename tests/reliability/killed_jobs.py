"""Small jobs to be killed, what they need, and how far they were: see ``kill_at_random.py``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import numpy.typing as npt
import shapely
import torch
from affine import Affine

from false_core.feedback import Feedback
from false_core.jobs import Classify, Finetune, Job, Pretrain
from false_core.models.encoder import build_encoder
from false_core.models.header import ENCODER, SEGMENTER
from false_core.models.model_file import ModelCard, save_model
from false_core.models.segmenter import build_segmenter
from false_core.raster.classes import ClassTable, LandCoverClass
from false_core.raster.source import RasterSource, Window
from false_core.raster.statistics import measure
from false_core.synthetic import write_scene

NARROW, HIGH = 100, 1100
"""Pixels of the raster that is classified. It is cut into parts from top to bottom."""
SIDE, LABELLED_SIDE = 128, 100
"""Of the raster that is learned from, without labels and with them."""
CLASSES = 4
NETWORK = "resnet10t"
DONE = "when all was there"
STARTING = "before anything was kept"
YOUNG_S = 1.1
"""A folder younger than a second might still be in use, and is not removed by the next run."""
SHRINK, GROW = 0.8, 1.04
"""Of the time up to which a job is killed, so that about one in six comes too late."""
Contents = dict[str, tuple[bytes, int]]


@dataclass(frozen=True)
class KilledJob:
    """A job that takes a few seconds.

    Attributes:
        job: Writes into the folder ``out`` beside its inputs.
        stage_of: Tells from what lies in ``out`` and in the cache how far it was when it was killed.
        keeps: Tells in the same way whether it left something to go on with.
    """

    job: Job
    stage_of: Callable[[Path, Path], str]
    keeps: Callable[[Path, Path], bool]


@dataclass
class Tally:
    """What came of it."""

    killed: Counter[str] = field(default_factory=Counter)
    again: Counter[str] = field(default_factory=Counter)
    went_on: int = 0
    problems: list[str] = field(default_factory=list)


def pretrain_job(folder: Path) -> KilledJob:
    """Return a pretraining with a report."""
    image, out = str(write_scene(folder, SIDE, SIDE).image), folder / "out"
    job = Pretrain(
        (image,), str(out / "encoder.safetensors"), preset="quick", device="cpu", steps=6, batch_size=4,
        report=str(out / "report.html"),
    )  # fmt: skip
    return KilledJob(job, _stage_of_training, _has_checkpoint)


def finetune_job(folder: Path) -> KilledJob:
    """Return a fine-tuning of an untrained encoder, with labels held out for a score."""
    image, out = write_scene(folder, LABELLED_SIDE, LABELLED_SIDE).image, folder / "out"
    card, source = _card(ENCODER, image)
    labels = folder / "squares.gpkg"
    squares = [shapely.box(x, y, x + 10, y + 10) for y in (15, 60) for x in (10, 30, 50, 70)]
    placed = [shapely.transform(square, partial(_on_map, source.transform)) for square in squares]
    table = geopandas.GeoDataFrame({"code": [1, 2] * 4}, geometry=placed, crs=source.crs)
    table.to_file(labels, layer="labels", driver="GPKG", engine="pyogrio")
    torch.manual_seed(0)
    save_model(str(folder / "encoder.safetensors"), card, build_encoder(NETWORK, len(source.bands)))
    job = Finetune(
        str(image), str(labels), "code", str(out / "model.safetensors"), str(folder / "encoder.safetensors"),
        preset="quick", device="cpu", head="network", steps=4,
    )  # fmt: skip
    return KilledJob(job, _stage_of_training, _has_checkpoint)


def classify_job(folder: Path, high: int = HIGH) -> KilledJob:
    """Return a classification of some parts, three where it is not higher, with an untrained model, with confidence."""
    image, out = write_scene(folder, NARROW, high).image, folder / "out"
    card, source = _card(SEGMENTER, image)
    torch.manual_seed(0)
    network = build_segmenter(NETWORK, "segformer", len(source.bands), CLASSES)
    model = folder / "model.safetensors"
    save_model(str(model), card, network)
    job = Classify(str(image), str(model), str(out / "map.tif"), device="cpu", confidence=str(out / "sure.tif"))
    return KilledJob(job, _stage_of_map, _has_parts)


JOBS = {"pretrain": pretrain_job, "finetune": finetune_job, "classify": classify_job}


def contents(folder: Path) -> Contents:
    """Return the files in a folder by name: content, and date in nanoseconds."""
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir() if path.is_file()}


def outputs(folder: Path) -> dict[str, bytes]:
    """Return the files in a folder that are not hidden by name."""
    return {name: content for name, (content, _) in contents(folder).items() if not name.startswith(".")}


def names(folder: Path) -> set[str]:
    """Return what lies in a folder and in those in it, hidden or not; folders too, unless they are parents."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() or path.name.startswith(".")}


def _on_map(transform: Affine, points: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.array([transform * (x, y) for x, y in points])


def _card(kind: str, image: Path) -> tuple[ModelCard, RasterSource]:
    source = RasterSource(str(image))
    normal = measure([source], [Window(0, 0, source.width, source.height)], Feedback())
    named = ClassTable(tuple(LandCoverClass(n + 1, f"class {n}", f"#{40 * n:02x}8040") for n in range(CLASSES)))
    with_classes = kind == SEGMENTER
    card = ModelCard(
        kind, NETWORK, source.band_names, source.bands, source.dtype, normal, source.pixel_size, source.pixel_size, 64,
        "segformer" if with_classes else "", named if with_classes else ClassTable(()),
    )  # fmt: skip
    return card, source


def _stage_of_training(out: Path, cache: Path) -> str:
    written = [path for path in out.iterdir() if not path.name.startswith(".")]
    if any(path.suffix == ".html" for path in written) or (written and written[0].name.startswith("model")):
        return DONE
    if written:
        return "between two outputs"
    if any(out.glob(".*.partial")):
        return "while an output was written"
    if any(cache.glob("checkpoints/.*.partial")):
        return "while a checkpoint was written"
    return "with a checkpoint" if _has_checkpoint(out, cache) else STARTING


def _has_checkpoint(out: Path, cache: Path) -> bool:
    return any(cache.glob("checkpoints/*.safetensors"))


def _stage_of_map(out: Path, cache: Path) -> str:
    written = {path.suffix for path in out.iterdir() if not path.name.startswith(".")}
    if len([path for path in out.glob("*.tif") if not path.name.startswith(".")]) == 2:
        return DONE
    if written:
        return "between two outputs"
    if any(out.glob(".*.partial")):
        return "while the map was written"
    if _has_parts(out, cache):
        return "with some parts finished"
    return "in the first part" if any(out.glob(".*.strips")) else STARTING


def _has_parts(out: Path, cache: Path) -> bool:
    return any(out.glob(".*.strips/strip-*"))
