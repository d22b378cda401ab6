"""The cost of a fine-tuning: from features of a few tiles and one classifier, or from a few steps of training a decoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from false_core.computing.cost import Cost, Speed, SpeedTest, most_memory, run_by_turns
from false_core.computing.device import CPU
from false_core.computing.distributed import ALONE, World
from false_core.computing.precision import in_words, precisions_in_training
from false_core.feedback import Feedback
from false_core.inference.tiles import TilePlan
from false_core.jobs import Finetune
from false_core.models.fused import FeatureParts
from false_core.presets import FinetuneSettings
from false_core.raster.source import RasterSource
from false_core.sampling.cache import CHUNK_PX, chunk_bytes
from false_core.sampling.labelled import LabelledRaster, RawCrops
from false_core.sampling.spectral import QUIET, torch_generator
from false_core.settings import memory_for_pixels
from false_core.training.checkpoint import Checkpoint
from false_core.training.faster_precision import choose_precision
from false_core.training.heads.choice import candidates_for
from false_core.training.heads.fit import SAMPLED_PIXELS_SEEN, FrozenEncoder
from false_core.training.heads.fits import PENALTY
from false_core.training.heads.folds import FOLDS
from false_core.training.heads.pseudo_labels import PSEUDO_LABEL_SHARE
from false_core.training.heads.regression import fit_logistic
from false_core.training.heads.samples import LOOK_SIDE_PX, STATISTICS_WINDOWS, labelled_points
from false_core.training.heads.spaces import COMPONENTS, names_in
from false_core.training.pretraining_cost import BYTES_OF_A_WEIGHT
from false_core.training.segmenter_training import SegmenterTrainer

LABEL_TILE_PX = LOOK_SIDE_PX // 2
"""Side of the tiles that labels are looked at in."""
TILES_OF_A_LOOK = 2 * (LOOK_SIDE_PX // LABEL_TILE_PX) ** 2
"""A look is as large as four tiles, and seen twice: the batch norms measure it before its features are taken."""
FITTED_POINTS, FITTED_WIDTH, FITTED_CLASSES = 500, 128, 5
"""Size of the classifier that a test fits."""
TESTED_CROP_PX = 300_000
"""Pixels of the crops that a test trains on at a time, about."""


def tiles_looked_at(raster: LabelledRaster, seed: int) -> int:
    """Return how many tiles of features linear classifiers take: those under labels, and those that say what is normal."""
    positions = labelled_points(raster.annotation, seed).positions
    looks = min(STATISTICS_WINDOWS, len(TilePlan(raster.source.window_of(None), LOOK_SIDE_PX, 0, ramp=0)))
    return len(np.unique(positions.astype(np.int64) // LABEL_TILE_PX, axis=0)) + TILES_OF_A_LOOK * looks


def fitting_cost(
    head: str, encoders: Sequence[FrozenEncoder], raster: LabelledRaster, seed: int, device: torch.device, feedback: Feedback
) -> Cost:
    """Return what it costs to fit linear classifiers to features of frozen encoders, as ``fit_head`` does it."""
    program = most_memory()
    source, bands, classes = raster.source, len(raster.source.bands), len(raster.annotation.classes)
    zooms = [encoder.zooms for encoder in encoders]
    candidates = candidates_for(head, zooms)
    members = {member.parts for candidate in candidates for member in candidate.members}
    names = names_in(sorted(members))
    parts = FeatureParts([encoder.backbone for encoder in encoders], zooms, bands).eval()

    def tiles() -> Callable[[], int]:
        parts.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        pixels = torch.randn(1, bands, LABEL_TILE_PX, LABEL_TILE_PX, device=device)

        def look() -> int:
            with torch.inference_mode():
                for name in names:
                    parts.levels(pixels, name)
            return 1

        return look

    backbones = [encoder.backbone for encoder in encoders]
    of_tile = SpeedTest("tile of features", device, backbones, zooms, sorted(names), bands).run(tiles, feedback)
    of_classifier = SpeedTest("point, feature and class of a classifier", CPU).run(_classifier, feedback)
    points = len(labelled_points(raster.annotation, seed).owners)
    width = sum(_width(member, parts) for member in members)
    # Each is fitted without a fold, then to all labels, and those that are chosen to pixels of the raster besides.
    seen = points + PSEUDO_LABEL_SHARE * SAMPLED_PIXELS_SEEN
    again = sum(_width(member.parts, parts) for member in candidates[0].members)
    fits = of_classifier.seconds * (FOLDS + 1) * (points * width + seen * again) * classes
    seconds = tiles_looked_at(raster, seed) * of_tile.seconds + fits
    weights = 4 * sum(p.numel() for p in parts.parameters())
    memory = program + _pixels(source) + weights + TILES_OF_A_LOOK / 2 * of_tile.memory
    return Cost(seconds, memory, weights)


def decoder_precision(
    job: Finetune,
    settings: FinetuneSettings,
    raster: LabelledRaster,
    device: torch.device,
    feedback: Feedback,
    world: World = ALONE,
) -> torch.dtype:
    """Return the numbers that the training of a decoder computes with."""
    world.share.check_divides(settings.batch_size, "crops")  # Before any speed is tested.
    possible = precisions_in_training(device, settings.mixed_precision)
    crops = settings.batch_size / world.share.world_size * (settings.steps + settings.refit_steps)
    return choose_precision(
        possible,
        settings.crop_size**2 * crops,
        settings.crop_size**2 * _crops_tested(settings, device),
        lambda numbers: Checkpoint(job, settings, device, numbers, feedback, world).is_there,
        lambda: _speeds(settings, raster, device, possible, feedback),
        feedback,
        world,
    )


def decoder_cost(
    settings: FinetuneSettings, raster: LabelledRaster, device: torch.device, numbers: torch.dtype, feedback: Feedback
) -> Cost:
    """Return what it costs to train a decoder, and the encoder with it where that is not frozen."""
    program = most_memory()
    (speed,) = _speeds(settings, raster, device, [numbers], feedback)
    trained = (settings.steps + settings.refit_steps) * settings.batch_size
    memory = program + _pixels(raster.source) + settings.batch_size * speed.memory
    return Cost(trained * speed.seconds, memory, 2 * BYTES_OF_A_WEIGHT * 30e6)


def _speeds(
    settings: FinetuneSettings,
    raster: LabelledRaster,
    device: torch.device,
    numbers: Sequence[torch.dtype],
    feedback: Feedback,
) -> list[Speed]:
    """Return the speed of training, crop by crop, in each of some numbers."""
    bands, classes, size = len(raster.source.bands), len(raster.annotation.classes), settings.crop_size
    crops = _crops_tested(settings, device)
    tested = replace(settings, batch_size=crops, decoder_first=0.0)

    def steps() -> list[Callable[[], int]]:
        trainer = SegmenterTrainer(tested, bands, classes, 0, device, ALONE, numbers[0])
        batch = RawCrops(
            torch.randn(crops, bands, size, size, device=device).half(),
            torch.eye(2, 3, device=device).expand(crops, 1, 2, 3),
            QUIET.draw(crops, bands, torch_generator(0, 0)),
            torch.randint(0, classes, (crops, size, size), device=device),
        )

        def step(numbers: torch.dtype) -> int:
            trainer.numbers = numbers
            trainer.train_on(batch)
            return crops

        return [partial(step, one) for one in numbers]

    decisive = (settings.encoder, settings.decoder, size, settings.freeze, settings.auxiliary, bands, classes, crops)
    tests = [SpeedTest("crop of fine-tuning", device, *decisive, in_words(one)) for one in numbers]
    return run_by_turns(tests, steps, feedback)


def _crops_tested(settings: FinetuneSettings, device: torch.device) -> int:
    if device.type == "cuda":  # A GPU computes a few crops no faster than a batch.
        return settings.batch_size
    return min(settings.batch_size, max(2, TESTED_CROP_PX // settings.crop_size**2))


def _width(names: Sequence[str], parts: FeatureParts) -> int:
    """Return how many numbers a classifier of several parts sees of a pixel."""
    return sum(min(COMPONENTS, sum(parts.channels(name))) for name in names)


def _classifier() -> Callable[[], int]:
    chance = np.random.default_rng(0)
    features = chance.standard_normal((FITTED_POINTS, FITTED_WIDTH)).astype(np.float32)
    noise = chance.standard_normal((FITTED_POINTS, FITTED_CLASSES))
    targets = (features @ chance.standard_normal((FITTED_WIDTH, FITTED_CLASSES)) + noise).argmax(axis=1)

    def fit() -> int:
        fit_logistic(features, targets, np.ones(FITTED_POINTS), FITTED_CLASSES, PENALTY)
        return FITTED_POINTS * FITTED_WIDTH * FITTED_CLASSES

    return fit


def _pixels(source: RasterSource) -> float:
    chunks = -(-source.width // CHUNK_PX) * -(-source.height // CHUNK_PX)
    return min(memory_for_pixels(), chunks * chunk_bytes(len(source.bands)))
