"""Pretraining: from rasters without labels to an encoder file."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, replace
from typing import Any

import torch
from torch import Tensor, nn

from false_core import jobs
from false_core.device import choose_device
from false_core.distributed import ALONE, World
from false_core.errors import InputError
from false_core.feedback import Feedback
from false_core.jobs import Pretrain
from false_core.methods.method import Outcome, named_after_level
from false_core.methods.registry import METHOD_CLASSES
from false_core.models.encoder import build_encoder
from false_core.models.from_file import general_from
from false_core.models.header import ENCODER
from false_core.models.model_file import MADE_BY, ModelCard, is_model_file, read_card, save_model
from false_core.models.record import record_of
from false_core.models.weights import start_from
from false_core.presets import PretrainSettings, announcement, preset_for, pretrain_settings
from false_core.raster.georeference import ground_facts
from false_core.raster.source import RasterSource, Window, first_names
from false_core.raster.statistics import MeasuredRasters
from false_core.raster.working_grid import on_working_grid, open_all
from false_core.reports.page import write_report
from false_core.sampling.colour import BlackAndWhite
from false_core.sampling.loading import loaded_ahead
from false_core.sampling.views import PatchDraw, PatchSampler, ViewPairs
from false_core.settings import memory_for_pixels
from false_core.training.bands import measured_bands
from false_core.training.checkpoint import Checkpoint
from false_core.training.curves import Curves
from false_core.training.embedding_map import map_embedding
from false_core.training.gallery import collect_galleries
from false_core.training.guard import TrainingGuard
from false_core.training.method_pictures import Drawn, method_sections
from false_core.training.pretraining_report import pretraining_report
from false_core.training.purity import Truth
from false_core.training.trainer import LocalBatch, Trainer

LOG_EVERY = 5
MOST_WARNINGS = 5
"""The most rasters that a warning names one by one because the extent does not meet them."""
MAX_RASTER_NAMES = 20
"""The most names of rasters that the file of an encoder holds."""
PRETRAIN_REMEDY = "Try a higher temperature or another seed, and look for extreme values in the raster."
"""The advice to give where the numbers run away."""
GALLERY_BATCHES = 4
"""Looked at after the training, to choose what the report shows."""


def pretrain(job: Pretrain, feedback: Feedback, world: World = ALONE) -> dict[str, Any]:
    """Run a ``Pretrain`` job: write the encoder file and, if asked for, the report. Return its results by name."""
    with feedback.stage("Starting", 0.01):
        device = choose_device(job.device, feedback)
        preset = preset_for(job.preset, device.type)
        settings = pretrain_settings(preset, job)
        settings = METHOD_CLASSES[settings.method].adapted(settings)
        feedback.info(announcement(job.preset, preset, device.type))
        made_by = record_of(job, device)
    with feedback.stage("Measuring the bands", 0.03):
        weights = read_card(settings.weights, ENCODER).reference if is_model_file(settings.weights) else None
        sources = open_all(job.rasters, job.bands, feedback, weights)
        sources = on_working_grid(sources, job.pixel_size, settings.most_pixels, feedback)
        sources, areas = _areas(sources, job.extent, feedback)
        truth = Truth(job.truth, sources) if job.truth else None
        torch.manual_seed(job.seed)
        # Also for given weights, and an encoder of ours with statistics of its own: measured anew, the bands have mean 0 and
        # standard deviation 1, as they had when the weights were made, on rasters of whatever sensor and data type.
        sources, normalisation = measured_bands(sources, areas, bool(job.bands), feedback, world)
        rasters = MeasuredRasters(sources, areas, normalisation)
        encoder, origin = _encoder(settings, sources[0], feedback)
        general = _general(settings, encoder, origin)
        if not origin and settings.rate_from_nothing:
            settings = replace(settings, learning_rate=settings.rate_from_nothing)
    steps = min(settings.steps or _steps_of_epochs(settings, areas), METHOD_CLASSES[settings.method].most_steps)
    ends = BlackAndWhite.of(normalisation, sources[0].dtype)
    trainer = Trainer(settings, steps, encoder, job.seed, device, len(sources[0].bands), feedback, world, ends)
    sampler = PatchSampler(
        rasters,
        PatchDraw(settings.batch_size, settings.crop_size, settings.scales, settings.points, job.seed, settings.patch_size),
        memory_for_pixels(),
        device,
        METHOD_CLASSES[settings.method].sampling_requirements(settings),
    )
    checkpoint, curves = Checkpoint(job, settings, feedback, world), Curves(feedback)
    guard = TrainingGuard(
        checkpoint, lambda: {**trainer.state(), "curves": curves.state()}, sources, device, PRETRAIN_REMEDY
    )
    with guard.checkpoint_on_exit():
        with feedback.stage("Pretraining", 0.92):
            state = checkpoint.load()
            if state:
                trainer.restore(state)
                curves.restore(state["curves"])
            _train(trainer, sampler, truth, curves, guard, feedback, world)
        results = {"loss": curves.last("loss"), "steps": steps}
        if not world.share.is_main:
            return results
        card = _card(job, preset, settings, steps, rasters, origin, curves, made_by)
        backbone = settings.encoder if general else ""
        card = replace(card, decoder=settings.decoder if trainer.decoder else "", general=backbone)
        with feedback.stage("Looking at what it learned", 0.03):
            report = _report(trainer, sampler, card, curves, sources[0], areas[0], truth, feedback) if job.report else ""
    with feedback.stage("Writing", 0.01):
        save_model(job.encoder, card, trainer.encoder, trainer.decoder, general)
        if job.report:
            write_report(job.report, report)
    checkpoint.remove()
    return results


def _train(
    trainer: Trainer,
    sampler: PatchSampler,
    truth: Truth | None,
    curves: Curves,
    guard: TrainingGuard,
    feedback: Feedback,
    world: World,
) -> None:
    batch_size, began = trainer.settings.batch_size, trainer.step

    def make(step: int) -> LocalBatch:
        pairs = sampler.batch(step, world.share)
        return LocalBatch(pairs, trainer.prepare(pairs, step))

    with closing(loaded_ahead(make, range(trainer.step, trainer.steps), trainer.device)) as batches:
        for batch in batches:
            feedback.advance(trainer.step * batch_size, trainer.steps * batch_size, "patches")
            rate = trainer.settings.learning_rate * trainer.schedule()
            with guard.errors_at_step(trainer.step + 1):
                outcome = trainer.train_on(batch.views)
                guard.record_loss(trainer.step, outcome.loss)
            if trainer.step % LOG_EVERY == 0 or trainer.step in (1, trainer.steps):
                guard.check()
                _log(curves, trainer.step, outcome, rate)
                if truth and world.share.is_main:
                    pairs = sampler.batch(trainer.step - 1) if world.is_shared else batch.pairs
                    _log_purity(curves, trainer.step, outcome, pairs, truth)
            guard.save_when_due()
    if trainer.step > began:
        # What is still to come may fail too, for example where the disk has no room for the encoder.
        guard.save()


def _log(curves: Curves, step: int, outcome: Outcome, rate: float) -> None:
    curves.add(step, "loss", float(outcome.loss.detach()))
    curves.add(step, "learning rate", rate)
    for name, value in outcome.curves.items():
        curves.add(step, name, float(value))


def _log_purity(curves: Curves, step: int, outcome: Outcome, batch: ViewPairs, truth: Truth) -> None:
    found = {
        level: truth.purity(batch.positions(level), one.found)
        for level, one in outcome.levels.items()
        if one.found is not None
    }
    for name, value in named_after_level(found).items():
        curves.add(step, name, value)


def _report(
    trainer: Trainer,
    sampler: PatchSampler,
    card: ModelCard,
    curves: Curves,
    source: RasterSource,
    area: Window,
    truth: Truth | None,
    feedback: Feedback,
) -> str:
    """Look at batches that did not train and at the first raster, and return the report."""

    def look(number: int) -> tuple[ViewPairs, dict[str, Tensor]]:
        batch = sampler.batch(number)
        return batch, trainer.embed(batch)

    numbers = range(trainer.steps, trainer.steps + GALLERY_BATCHES)
    galleries = collect_galleries(look, numbers, trainer.settings, truth, trainer.seed, feedback)
    embedding = map_embedding(
        trainer.encoder, source, area, card.normalisation, trainer.device, trainer.seed, feedback
    )  # fmt: skip
    batch = sampler.batch(trainer.steps)
    drawn = Drawn(batch, sampler.ground, trainer.settings, truth)
    of_method = method_sections(*trainer.look_into(batch), drawn)
    captions = METHOD_CLASSES[trainer.settings.method].curve_captions
    return pretraining_report(card, curves, galleries, embedding, of_method, captions, ground_facts(source))


def _areas(
    sources: Sequence[RasterSource], extent: str | None, feedback: Feedback
) -> tuple[list[RasterSource], list[Window]]:
    """Return the rasters that ``extent`` overlaps, and where in them to look."""
    wanted = jobs.parse_extent(extent) if extent else None
    used, areas, missed = [], [], []
    for source in sources:
        try:
            areas.append(source.window_of(wanted))
            used.append(source)
        except InputError as error:
            missed.append(error)
    if not used:
        raise missed[0]
    for miss in missed[:MOST_WARNINGS]:
        feedback.warn(f"{miss} It is left out.")
    if missed[MOST_WARNINGS:]:
        feedback.warn(f"{len(missed) - MOST_WARNINGS:,} more rasters do not overlap the extent and are left out.")
    return used, areas


def _encoder(settings: PretrainSettings, source: RasterSource, feedback: Feedback) -> tuple[nn.Module, dict[str, Any]]:
    """Return the encoder to train, and where its weights come from; nothing where they are random."""
    encoder = build_encoder(settings.encoder, len(source.bands))
    return encoder, start_from(settings.weights, encoder, settings.encoder, source.name, source.colours, feedback)


def _general(settings: PretrainSettings, encoder: nn.Module, origin: dict[str, Any]) -> nn.Module | None:
    """Return what heads see beside the pretrained encoder: the one that it starts from, or that its file began with."""
    if not origin:
        return None
    if not is_model_file(settings.weights):
        return copy.deepcopy(encoder)
    card = read_card(settings.weights, ENCODER)
    return general_from(settings.weights, card) if card.general else None


def _steps_of_epochs(settings: PretrainSettings, areas: Sequence[Window]) -> int:
    """Return the steps of the epochs. As published, what is left over at the edges is a patch too, and the last batch of an
    epoch is left out where it is not full."""
    side = settings.patch_size or settings.crop_size
    patches = sum(math.ceil(a.width / side) * math.ceil(a.height / side) for a in areas)
    return max(1, settings.epochs * max(1, patches // settings.batch_size))


def _card(
    job: Pretrain,
    preset: str,
    settings: PretrainSettings,
    steps: int,
    rasters: MeasuredRasters,
    origin: dict[str, Any],
    curves: Curves,
    made_by: dict[str, Any],
) -> ModelCard:
    first = rasters.sources[0]
    distance = first.ground_sample_distance
    # Where the weights came from stands in the provenance; a path of this computer need not.
    kept = {name: value for name, value in asdict(settings).items() if name != "weights"}
    return ModelCard(
        kind=ENCODER,
        encoder=settings.encoder,
        bands=first.band_names,
        band_numbers=first.bands,
        dtype=first.dtype,
        normalisation=rasters.normalisation,
        pixel_size=first.pixel_size * first.factor,
        ground_sample_distance=None if distance is None else distance * first.factor,
        patch_size=settings.crop_size,
        method={"name": settings.method, "preset": preset, **kept, "steps": steps, "seed": job.seed},
        provenance={
            "rasters": first_names(rasters.sources, MAX_RASTER_NAMES),
            "extent": job.extent,
            **({"weights": origin} if origin else {}),
            "loss": curves.last("loss"),
            MADE_BY: made_by,
        },
        descriptions=first.descriptions,
    )
