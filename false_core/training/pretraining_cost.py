"""The cost of a pretraining, from a few of its own steps, with as many patches as a test of two seconds allows."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

from false_core.computing.cost import Cost, SpeedTest, most_memory
from false_core.feedback import Feedback
from false_core.jobs import Pretrain
from false_core.presets import PretrainSettings
from false_core.sampling.cache import CHUNK_PX, chunk_bytes
from false_core.sampling.loading import on_device
from false_core.settings import memory_for_pixels
from false_core.training.preparation import Pretraining
from false_core.training.trainer import DECIDE_MEMORY

TESTED_PIXELS = 300_000
"""Pixels of the views of the patches that a test takes at a time, about."""
FEWEST_PATCHES = 8
"""Patches of a batch in the test. Fewer would not do for every method."""
BYTES_OF_A_WEIGHT = 16
"""Bytes of a weight in training: itself, its gradient and the two moments of AdamW."""
REPORT_S = 8.0
"""Seconds for the report, on the two cores that they were measured on."""


def pretraining_cost(start: Pretraining, done: int, job: Pretrain, feedback: Feedback) -> Cost:
    """Return what a pretraining costs that begins with ``start``, where ``done`` of its steps are done already."""
    program, settings = most_memory(), start.settings
    patches = settings.batch_size
    if start.device.type != "cuda":  # A GPU computes a few patches no faster than a batch.
        patches = min(patches, max(FEWEST_PATCHES, TESTED_PIXELS // (2 * settings.crop_size**2)))
    decisive = [getattr(settings, name) for name in (*DECIDE_MEMORY, "decoder", "colour", "blur")]
    bands = len(start.rasters.sources[0].bands)
    weights = sum(p.numel() for p in start.encoder.parameters())
    fixed = BYTES_OF_A_WEIGHT * weights
    test = SpeedTest("patch of pretraining", start.device, bands, decisive)
    speed = test.run(lambda: _steps(start, replace(settings, batch_size=patches), job.seed), feedback, fixed)
    trained = (start.steps - done) * settings.batch_size * speed.seconds
    chunks = sum((-(-a.width // CHUNK_PX)) * (-(-a.height // CHUNK_PX)) for a in start.rasters.areas)
    pixels = min(memory_for_pixels(), chunks * chunk_bytes(bands))
    memory = program + fixed + pixels + settings.batch_size * speed.memory
    kept = 4 * sum(p.numel() for network in (start.encoder, start.general) if network for p in network.parameters())
    # The checkpoint holds the weights and the two moments, and a new one is whole before the old one goes.
    return Cost((REPORT_S if job.report else 0) + trained, memory, kept + 2 * 12 * weights)


def _steps(start: Pretraining, settings: PretrainSettings, seed: int) -> Callable[[], int]:
    quiet = Feedback()
    trainer = replace(start, encoder=copy.deepcopy(start.encoder)).trainer(settings, seed, quiet)
    sampler = start.sampler(settings, seed)

    def step() -> int:
        number = trainer.step
        views = on_device(trainer.prepare(sampler.batch(number), number), start.device)
        trainer.train_on(views)
        return settings.batch_size

    return step
