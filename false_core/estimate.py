"""Estimating: what a job would cost that somebody has in a file, without doing it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from false_core import jobs
from false_core.computing.cost import Cost, total_cost
from false_core.computing.device import choose_device
from false_core.errors import RequestError
from false_core.feedback import Feedback
from false_core.jobs import NETWORK_HEAD, Classify, Estimate, Finetune, Pretrain
from false_core.mapping.classify.cost import mapping_cost
from false_core.mapping.classify.numbers import own_precision
from false_core.mapping.classify.plan import plan_of
from false_core.raster.imagery import with_rasters_found
from false_core.sampling.labelled import LabelledRaster
from false_core.training.decoder_model import decoder_settings
from false_core.training.finetuning_cost import decoder_cost, decoder_precision, fitting_cost
from false_core.training.preparation import Pretraining
from false_core.training.pretraining_cost import pretraining_cost, pretraining_precision
from false_core.training.reading_labels import labelled_raster
from false_core.training.stages import asks_network, read_stages
from false_core.training.start import Start, begin, frozen_encoders
from false_core.untrusted.network import network_closed


def estimate(job: Estimate, feedback: Feedback) -> dict[str, Any]:
    """Run an ``Estimate`` job. Return its results by name.

    Raises:
        RequestError: The job is one of another kind.
    """
    # What the job does before it can tell, it will do again: until here that was to import PyTorch.
    before, began = time.process_time(), time.perf_counter()
    asked = jobs.from_file(job.file)
    with network_closed(unless=asks_network(asked)):
        cost_of = _prepared(with_rasters_found(asked, feedback), feedback)
        before += time.perf_counter() - began
        cost = cost_of()
    cost = replace(cost, seconds=cost.seconds + before)
    feedback.info(cost.told())
    return {
        "seconds": round(cost.seconds),
        "memory_gb": round(cost.memory / 1e9, 1),
        "disk_gb": round(cost.disk / 1e9, 2),
    }


def _prepared(job: jobs.Job, feedback: Feedback) -> Callable[[], Cost]:
    """Do what a job does before it begins to compute, and return what tells its cost then."""
    if isinstance(job, Pretrain):
        return _pretraining_prepared(job, feedback)
    if isinstance(job, Classify):
        plan, device = plan_of(job, feedback), choose_device(job.device, feedback)
        numbers, why_not = own_precision(job, plan, device, feedback)
        if why_not:
            feedback.warn(why_not)
        return lambda: mapping_cost(plan, len(plan.tiles), job.model, device, numbers, feedback)
    if isinstance(job, Finetune):
        start = begin(job, feedback)
        raster = labelled_raster(start, feedback)
        if job.head == NETWORK_HEAD:
            return lambda: _cost_of_decoder(start, raster, feedback)
        encoders, _ = frozen_encoders(job, start.base, raster.source, feedback)
        return lambda: fitting_cost(job.head, encoders, raster, job.seed, start.device, feedback)
    raise RequestError(f"What {job.NAME} takes cannot be estimated.", "That is known of pretrain, finetune and classify.")


def _pretraining_prepared(job: Pretrain, feedback: Feedback) -> Callable[[], Cost]:
    """Return what tells the cost of all stages. Later ones start from a network like that of the first one, so it counts."""
    stages = [stage.job for stage in read_stages(job)] if job.stages else [job]
    found: list[tuple[Pretraining, Pretrain]] = []
    for stage in stages:
        made = with_rasters_found(stage, feedback)
        assert isinstance(made, Pretrain)
        found.append((Pretraining.of(made, feedback, follows=bool(found)), made))
    return lambda: total_cost([_cost_of_stage(start, stage, feedback) for start, stage in found])


def _cost_of_stage(start: Pretraining, stage: Pretrain, feedback: Feedback) -> Cost:
    return pretraining_cost(start, 0, stage, pretraining_precision(start, stage, feedback), feedback)


def _cost_of_decoder(start: Start, raster: LabelledRaster, feedback: Feedback) -> Cost:
    settings = decoder_settings(start)
    numbers = decoder_precision(start.job, settings, raster, start.device, feedback)
    return decoder_cost(settings, raster, start.device, numbers, feedback)
