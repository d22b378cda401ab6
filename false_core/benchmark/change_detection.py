"""The task kind *change*: known change between two dates against what the job ``change`` finds, without any label."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import torch

from false_core.benchmark.budgets import Budget
from false_core.benchmark.encoders import ComparedEncoder, count_of_parameters
from false_core.benchmark.measurements import Measurement, TaskRun
from false_core.benchmark.settings import BenchmarkSettings
from false_core.benchmark.tasks import BenchmarkTask
from false_core.change.change_scores import change_scores_of_files
from false_core.change.find_change import find_change
from false_core.computing.distributed import ALONE
from false_core.errors import RequestError
from false_core.feedback import Feedback
from false_core.jobs import Change
from false_core.models.general import GENERAL
from false_core.models.header import ENCODER
from false_core.models.model_file import ModelCard, save_model
from false_core.models.weights import NONE
from false_core.raster.working_grid import open_all
from false_core.training.bands import measured_bands

_PATCH_PX = 256


def measure_change(
    task: BenchmarkTask, encoder: ComparedEncoder, settings: BenchmarkSettings, folder: Path, feedback: Feedback
) -> TaskRun:
    """Return what an encoder comes to at finding change. A draw is a run with another seed, as there are no labels.

    Args:
        folder: Folder that the maps lie in while they are scored.

    Raises:
        InputError, ModelFileError: The rasters cannot be compared, or the encoder cannot look at them.
        RequestError: There is no encoder.
    """
    if not encoder.members:
        raise RequestError("Without an encoder no change is found.", "Compare others on this task.")
    folder.mkdir(parents=True, exist_ok=True)
    measurements = []
    with tempfile.TemporaryDirectory(prefix=".change-", dir=folder) as scratch:
        file, weights, parameters = _as_job_takes_it(task, encoder, Path(scratch), settings.device, feedback)
        output = Path(scratch) / "change.tif"
        for number in range(settings.draws):
            part = feedback.part(f"Seed {number}", number / settings.draws, 1 / settings.draws)
            job = Change(
                task.raster, task.after, str(output), encoder=file, weights=weights, seed=number, device=str(settings.device)
            )
            began = time.monotonic()
            find_change(job, part)
            seconds = time.monotonic() - began
            found = change_scores_of_files(str(output), task.truth)
            scores = {"f1": found.f1, "change_precision": found.precision, "change_recall": found.recall}
            measurements.append(Measurement(Budget(), number, 0, scores, seconds))
    facts = {
        "classes": ["no change", "change"],
        "labels": 0,
        "scored": f"{found.pixels:,} pixels",
        "pixel_size": open_all((task.raster,), ())[0].pixel_size,
    }
    return TaskRun(task.name, task.kind, encoder.name, tuple(measurements), 0.0, parameters, facts)


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
        bands=sources[0].band_names,
        band_numbers=sources[0].bands,
        dtype=sources[0].dtype,
        normalisation=normalisation,
        pixel_size=source.pixel_size,
        ground_sample_distance=source.ground_sample_distance,
        patch_size=_PATCH_PX,
        descriptions=sources[0].descriptions,
    )
    file = scratch / "encoder.safetensors"
    save_model(str(file), card, networks[place].network)
    return str(file), weights, parameters
