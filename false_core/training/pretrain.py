"""Pretraining: from rasters without labels to an encoder file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from false_core import jobs
from false_core.device import choose_device
from false_core.errors import Cancelled, FalseError, InputError
from false_core.evaluation.report import pretraining_report, write_report
from false_core.feedback import Feedback
from false_core.jobs import Pretrain
from false_core.methods.fncc import Contrast, contrast
from false_core.models.encoder import ImageProjector, PointProjector, build_encoder, channels_of
from false_core.models.model_file import ENCODER, ModelCard, save_model
from false_core.presets import POINTS, PRETRAIN, PretrainSettings, announcement, preset_for, with_overrides
from false_core.raster.source import RasterSource, Window
from false_core.raster.statistics import Normalisation, measure
from false_core.raster.working_grid import on_working_grid, open_all
from false_core.sampling.ahead import made_ahead
from false_core.sampling.geometry import resample
from false_core.sampling.spectral import SpectralJitter, torch_generator
from false_core.sampling.views import PatchSampler, ViewPairs
from false_core.training.checkpoint import Checkpoint
from false_core.training.curves import Curves
from false_core.training.optimisers import LARC, parameter_groups, published_schedule, warm_up_and_cosine

CACHE_BYTES = 1_000_000_000
LOG_EVERY = 5


def pretrain(job: Pretrain, feedback: Feedback) -> dict[str, Any]:
    """Run a ``Pretrain`` job: write the encoder file and, if asked for, the report. Return its results by name."""
    with feedback.stage("Starting", 0.01):
        device = choose_device(job.device, feedback)
        preset = preset_for(job.preset, device.type)
        settings = with_overrides(PRETRAIN[preset], job)
        feedback.info(announcement(job.preset, preset, device.type))
    with feedback.stage("Measuring the bands", 0.03):
        sources = on_working_grid(open_all(job.rasters, job.bands), job.pixel_size, settings.most_pixels, feedback)
        sources, areas = _areas(sources, job.extent, feedback)
        normalisation = measure(sources, areas, feedback)
    steps = settings.steps or _steps_of_epochs(settings, areas)
    torch.manual_seed(job.seed)
    trainer = _Trainer(settings, steps, len(sources[0].bands), job.seed, device)
    sampler = PatchSampler(
        sources,
        areas,
        normalisation,
        settings.batch_size,
        settings.crop_size,
        settings.scales,
        settings.points,
        job.seed,
        CACHE_BYTES,
    )
    with feedback.stage("Pretraining", 0.94):
        curves = _train(trainer, sampler, Checkpoint(job, settings, feedback), feedback)
    with feedback.stage("Writing", 0.02):
        card = _card(job, preset, settings, steps, sources, normalisation, curves)
        report = pretraining_report(card, curves) if job.report else ""
        save_model(job.encoder, card, trainer.encoder)
        if job.report:
            write_report(job.report, report)
    return {"loss": curves.last("loss"), "steps": steps}


class _Trainer:
    """The networks, their optimiser, and one step of training."""

    def __init__(self, settings: PretrainSettings, steps: int, bands: int, seed: int, device: torch.device) -> None:
        self.settings, self.steps, self.seed, self.device = settings, steps, seed, device
        self.step = 0
        layout = torch.channels_last
        self.encoder = build_encoder(settings.encoder, bands).to(device, memory_format=layout)  # type: ignore[call-overload]
        projector = PointProjector if settings.level == POINTS else ImageProjector
        self.projector: nn.Module = projector(channels_of(self.encoder), settings.hidden, settings.dimensions).to(device)
        groups = parameter_groups(self.encoder, self.projector, weight_decay=settings.weight_decay)
        self.optimiser: torch.optim.Optimizer
        if settings.optimiser == "larc":
            self.optimiser = LARC(
                [p for g in groups for p in g["params"]], settings.learning_rate, 0.9, settings.weight_decay
            )
        else:
            self.optimiser = torch.optim.AdamW(groups, settings.learning_rate)
        self.jitter = SpectralJitter()

    def train_on(self, batch: ViewPairs) -> Contrast:
        """Do one step and return what the loss saw."""
        rate = self.settings.learning_rate * self.schedule()
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            embeddings = self._embed(batch)
        s = self.settings
        seen = contrast(embeddings, s.temperature, s.threshold, s.confidence, s.neighbours)
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(seen.loss)
        self.optimiser.step()
        self.step += 1
        return seen

    def schedule(self) -> float:
        """Return the share of the highest learning rate at the present step."""
        published = self.settings.optimiser == "larc"
        return (published_schedule if published else warm_up_and_cosine)(self.step, self.steps)

    def _embed(self, batch: ViewPairs) -> Tensor:
        """Return embeddings (2B, d), first views stacked on second views; B is patches, or all points seen."""
        windows = batch.windows.to(self.device, non_blocking=True)
        size = self.settings.crop_size
        views = torch.cat([resample(windows, batch.first, size), resample(windows, batch.second, size)])
        views = self.jitter(views, torch_generator(self.seed, self.step))
        features = self.encoder(views.contiguous(memory_format=torch.channels_last))
        if self.settings.level != POINTS:
            embeddings: Tensor = self.projector(features)
            return embeddings
        points = torch.cat(batch.points).to(self.device, non_blocking=True)
        embeddings = self.projector(features, points)
        # The indices come from the CPU, so that picking them does not make the CPU wait for the device.
        kept = batch.seen.flatten().nonzero()[:, 0]
        kept = torch.cat([kept, kept + batch.seen.numel()]).to(self.device, non_blocking=True)
        return embeddings[kept]

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint holds."""
        return {
            "step": self.step,
            "encoder": self.encoder.state_dict(),
            "projector": self.projector.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to where ``state`` was taken."""
        self.step = state["step"]
        self.encoder.load_state_dict(state["encoder"])
        self.projector.load_state_dict(state["projector"])
        self.optimiser.load_state_dict(state["optimiser"])


def _train(trainer: _Trainer, sampler: PatchSampler, checkpoint: Checkpoint, feedback: Feedback) -> Curves:
    curves = Curves(feedback)
    state = checkpoint.load()
    if state:
        trainer.restore(state)
        curves.restore(state["curves"])
    batch_size = trainer.settings.batch_size
    try:
        with closing(made_ahead(sampler.batch, range(trainer.step, trainer.steps))) as batches:
            for batch in batches:
                feedback.advance(trainer.step * batch_size, trainer.steps * batch_size, "patches")
                rate = trainer.settings.learning_rate * trainer.schedule()
                seen = trainer.train_on(batch)
                if trainer.step % LOG_EVERY == 0 or trainer.step in (1, trainer.steps):
                    _log(curves, trainer.step, seen, rate)
                if checkpoint.is_due:
                    checkpoint.save({**trainer.state(), "curves": curves.state()})
    except Cancelled:
        checkpoint.save({**trainer.state(), "curves": curves.state()})
        raise
    checkpoint.remove()
    return curves


def _log(curves: Curves, step: int, seen: Contrast, rate: float) -> None:
    loss = float(seen.loss.detach())
    if not math.isfinite(loss):
        raise FalseError(
            f"Training broke down at step {step}: the loss is {loss}.",
            "Try a lower learning rate, a higher temperature or another seed, and look for extreme values in the raster.",
        )
    curves.add(step, "loss", loss)
    curves.add(step, "learning rate", rate)
    curves.add(step, "benchmark anchors", float(seen.benchmark_share))
    curves.add(step, "similarity of positives", float(seen.positive_similarity))
    curves.add(step, "similarity of negatives", float(seen.negative_similarity))
    curves.add(step, "similarity of false negatives", float(seen.false_negative_similarity))


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
    for miss in missed:
        feedback.warn(f"{miss} It is left out.")
    return used, areas


def _steps_of_epochs(settings: PretrainSettings, areas: Sequence[Window]) -> int:
    patches = sum(math.ceil(a.width / settings.crop_size) * math.ceil(a.height / settings.crop_size) for a in areas)
    return max(1, settings.epochs * max(1, patches // settings.batch_size))


def _card(
    job: Pretrain,
    preset: str,
    settings: PretrainSettings,
    steps: int,
    sources: Sequence[RasterSource],
    normalisation: Normalisation,
    curves: Curves,
) -> ModelCard:
    first = sources[0]
    distance = first.ground_sample_distance
    return ModelCard(
        kind=ENCODER,
        encoder=settings.encoder,
        bands=first.band_names,
        band_numbers=first.bands,
        dtype=first.dtype,
        normalisation=normalisation,
        pixel_size=first.pixel_size * first.factor,
        ground_sample_distance=None if distance is None else distance * first.factor,
        patch_size=settings.crop_size,
        method={"name": "false", "preset": preset, **asdict(settings), "steps": steps, "seed": job.seed},
        provenance={
            "rasters": [source.name for source in sources],
            "extent": job.extent,
            "loss": curves.last("loss"),
        },
    )
