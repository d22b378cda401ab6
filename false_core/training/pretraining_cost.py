"""The cost of a pretraining, from a few of its own steps, with as many patches as a test of two seconds allows."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import torch

from false_core.computing.cost import Cost, Speed, SpeedTest, most_memory, run_by_turns
from false_core.computing.distributed import ALONE, World
from false_core.computing.precision import in_words, precisions_in_training
from false_core.feedback import Feedback
from false_core.jobs import Pretrain
from false_core.methods.registry import METHOD_CLASSES
from false_core.presets import PretrainSettings
from false_core.sampling.cache import CHUNK_PX, chunk_bytes
from false_core.sampling.loading import on_device
from false_core.settings import memory_for_pixels
from false_core.training.checkpoint import Checkpoint
from false_core.training.faster_precision import choose_precision
from false_core.training.preparation import Pretraining
from false_core.training.trainer import DECIDE_MEMORY

TESTED_VIEW_PX = 300_000
"""Pixels of the views of the patches that a test takes at a time, about."""
FEWEST_PATCHES = 8
"""Patches of a batch in the test. Fewer would not do for every method."""
BYTES_OF_A_WEIGHT = 16
"""Bytes of a weight in training: itself, its gradient and the two moments of AdamW."""
REPORT_S = 8.0
"""Seconds for the report, on the two cores that they were measured on."""


def pretraining_precision(start: Pretraining, job: Pretrain, feedback: Feedback, world: World = ALONE) -> torch.dtype:
    """Return the numbers that a pretraining computes with that begins with ``start``."""
    settings = start.settings
    world.share.check_divides(settings.batch_size, "patches")  # Before any speed is tested.
    # What is computed without gradients is computed in long numbers, on every device.
    mixed = settings.mixed_precision and METHOD_CLASSES[settings.method].by_gradients
    possible = precisions_in_training(start.device, mixed)
    patches = start.steps * settings.batch_size / world.share.world_size
    return choose_precision(
        possible,
        2 * settings.crop_size**2 * patches,
        2 * settings.crop_size**2 * _patches_tested(start),
        lambda numbers: Checkpoint(job, settings, start.device, numbers, feedback, world).is_there,
        lambda: _speeds(start, possible, job.seed, feedback),
        feedback,
        world,
    )


def pretraining_cost(start: Pretraining, done: int, job: Pretrain, numbers: torch.dtype, feedback: Feedback) -> Cost:
    """Return what a pretraining costs that begins with ``start``, where ``done`` of its steps are done already."""
    program, settings = most_memory(), start.settings
    (speed,) = _speeds(start, [numbers], job.seed, feedback)
    bands, weights = len(start.rasters.sources[0].bands), _weights_of(start)
    trained = (start.steps - done) * settings.batch_size * speed.seconds
    chunks = sum((-(-a.width // CHUNK_PX)) * (-(-a.height // CHUNK_PX)) for a in start.rasters.areas)
    pixels = min(memory_for_pixels(), chunks * chunk_bytes(bands))
    memory = program + BYTES_OF_A_WEIGHT * weights + pixels + settings.batch_size * speed.memory
    kept = 4 * sum(p.numel() for network in (start.encoder, start.general) if network for p in network.parameters())
    # The checkpoint holds the weights and the two moments, and a new one is whole before the old one goes.
    return Cost((REPORT_S if job.report else 0) + trained, memory, kept + 2 * 12 * weights)


def _speeds(start: Pretraining, numbers: Sequence[torch.dtype], seed: int, feedback: Feedback) -> list[Speed]:
    """Return the speed of pretraining, patch by patch, in each of some numbers."""
    settings, bands = start.settings, len(start.rasters.sources[0].bands)
    decisive = [getattr(settings, name) for name in (*DECIDE_MEMORY, "decoder", "colour", "blur")]
    tests = [SpeedTest("patch of pretraining", start.device, bands, decisive, in_words(one)) for one in numbers]
    tested = replace(settings, batch_size=_patches_tested(start))
    return run_by_turns(
        tests, lambda: _steps(start, tested, seed, numbers), feedback, BYTES_OF_A_WEIGHT * _weights_of(start)
    )


def _patches_tested(start: Pretraining) -> int:
    settings = start.settings
    if start.device.type == "cuda":  # A GPU computes a few patches no faster than a batch.
        return settings.batch_size
    return min(settings.batch_size, max(FEWEST_PATCHES, TESTED_VIEW_PX // (2 * settings.crop_size**2)))


def _weights_of(start: Pretraining) -> int:
    return sum(p.numel() for p in start.encoder.parameters())


def _steps(
    start: Pretraining, settings: PretrainSettings, seed: int, numbers: Sequence[torch.dtype]
) -> list[Callable[[], int]]:
    """Return what does a step in each of some numbers, all with the same networks, of which the training knows nothing."""
    quiet = Feedback()
    trainer = replace(start, encoder=copy.deepcopy(start.encoder)).trainer(settings, seed, quiet, numbers=numbers[0])
    sampler = start.sampler(settings, seed)

    def step(numbers: torch.dtype) -> int:
        trainer.numbers, number = numbers, trainer.step
        views = on_device(trainer.prepare(sampler.batch(number), number), start.device)
        trainer.train_on(views)
        return settings.batch_size

    return [partial(step, one) for one in numbers]
