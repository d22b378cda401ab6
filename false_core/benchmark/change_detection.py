"""The task kind *change*: known change between two dates against what the job ``change`` finds, without labels and with."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import geopandas
import numpy as np
import shapely
import torch

from false_core.benchmark.budgets import Budget, LabelDraw, draws_of
from false_core.benchmark.encoders import ComparedEncoder, count_of_parameters
from false_core.benchmark.label_pool import DrawableLabels, labels_before
from false_core.benchmark.measurements import Measurement, TaskRun
from false_core.benchmark.settings import BenchmarkSettings
from false_core.benchmark.tasks import BenchmarkTask
from false_core.change.change_scores import change_scores_of_files
from false_core.change.find_change import find_change
from false_core.computing.distributed import ALONE
from false_core.errors import InputError, RequestError
from false_core.feedback import Feedback
from false_core.jobs import Change
from false_core.models.general import GENERAL
from false_core.models.header import ENCODER
from false_core.models.model_file import ModelCard, facts_of_raster, save_model
from false_core.models.weights import NONE
from false_core.raster.grid import moved
from false_core.raster.measured_bands import measured_bands
from false_core.raster.source import RasterSource
from false_core.raster.working_grid import open_all

_PATCH_PX = 256
_CODE = "code"
"""The field of drawn labels that holds their class."""


def measure_change(
    task: BenchmarkTask, encoder: ComparedEncoder, settings: BenchmarkSettings, folder: Path, feedback: Feedback
) -> TaskRun:
    """Return what an encoder comes to at finding change: without labels, where a draw is a run with another seed, and with
    labels of the earlier date, where the task has any.

    Args:
        folder: Folder that the maps lie in while they are scored.

    Raises:
        InputError, ModelFileError: The rasters cannot be compared, or the encoder cannot look at them.
        RequestError: There is no encoder.
    """
    if not encoder.members:
        raise RequestError("Without an encoder no change is found.", "Compare others on this task.")
    folder.mkdir(parents=True, exist_ok=True)
    labels = labels_before(task, feedback)
    nothing = np.zeros(0, np.intp)
    draws = [LabelDraw(Budget(), number, nothing) for number in range(settings.draws)]
    if labels:
        draws += draws_of(labels.targets, labels.pixels, labels.known, settings.budgets, settings.draws)
    measurements = []
    with tempfile.TemporaryDirectory(prefix=".change-", dir=folder) as scratch:
        file, weights, parameters = _as_job_takes_it(task, encoder, Path(scratch), settings.device, feedback)
        output = Path(scratch) / "change.tif"
        for done, draw in enumerate(draws):
            part = feedback.part(f"{draw.budget.title}, {draw.number}", done / len(draws), 1 / len(draws))
            drawn = _written(labels, draw, task, Path(scratch)) if labels and len(draw.chosen) else None
            job = Change(
                task.raster, task.after, str(output), encoder=file, weights=weights, seed=draw.number,
                device=str(settings.device), labels=drawn, field=drawn and _CODE,
            )  # fmt: skip
            began = time.monotonic()
            try:
                find_change(job, part)
            except InputError as error:
                if not drawn:
                    raise
                feedback.warn(f"{draw.budget.title}, draw {draw.number} is left out: {error}")
                continue
            seconds = time.monotonic() - began
            found = change_scores_of_files(str(output), task.truth)
            scores = {"f1": found.f1, "change_precision": found.precision, "change_recall": found.recall}
            measurements.append(Measurement(draw.budget, draw.number, len(draw.chosen), scores, seconds))
    facts = {
        "classes": ["no change", "change"],
        "labels": len(labels.targets) if labels else 0,
        "scored": f"{found.pixels:,} pixels",
        "pixel_size": open_all((task.raster,), ())[0].pixel_size,
    }
    return TaskRun(task.name, task.kind, encoder.name, tuple(measurements), 0.0, parameters, facts)


def _written(labels: DrawableLabels, draw: LabelDraw, task: BenchmarkTask, folder: Path) -> str:
    """Write the labels of a draw to a file. Return its name."""
    source = RasterSource(task.raster)
    shapes = shapely.transform(labels.outlines(draw.chosen), lambda xy: moved(source.source_transform, xy))
    codes = np.array([c.code for c in labels.classes])[labels.targets[draw.chosen]]
    file = folder / f"{draw.budget.labels}-{draw.budget.share}-{draw.number}.gpkg"
    crs = source.crs.to_wkt() if source.crs else None
    geopandas.GeoDataFrame({_CODE: codes}, geometry=shapes, crs=crs).to_file(file, driver="GPKG", engine="pyogrio")
    return str(file)


def _as_job_takes_it(
    task: BenchmarkTask, encoder: ComparedEncoder, scratch: Path, device: torch.device, feedback: Feedback
) -> tuple[str | None, str, int]:
    """Return an encoder as the job takes it: a file or None, whether the general one looks too, and its parameters.

    Weights that are neither of these are written to a file.
    """
    source = open_all((task.raster,), ())[0]
    sources, normalisation = measured_bands([source], [source.window_of(None)], False, feedback, ALONE)
    networks = encoder.networks(sources[0], normalisation, device, feedback)
    others = [place for place, member in enumerate(encoder.members) if member.weights != GENERAL]
    if len(others) > 1:
        raise RequestError("Change is looked for with the general encoder and one other at most.", "Leave one out.")
    weights = GENERAL if len(others) < len(networks) else NONE
    parameters = count_of_parameters(networks)
    if not others or encoder.file:
        return encoder.file or None, weights, parameters
    place = others[0]
    card = ModelCard(
        kind=ENCODER,
        encoder=networks[place].backbone,
        **facts_of_raster(sources[0]),
        normalisation=normalisation,
        patch_size=_PATCH_PX,
    )
    file = scratch / "encoder.safetensors"
    save_model(str(file), card, networks[place].network)
    return str(file), weights, parameters
