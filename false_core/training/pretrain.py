"""Pretraining: from rasters without labels to an encoder file."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from false_core import jobs
from false_core.device import choose_device
from false_core.errors import Cancelled, FalseError, InputError
from false_core.evaluation.embedding_map import map_embedding
from false_core.evaluation.gallery import collect_galleries
from false_core.evaluation.purity import Truth
from false_core.evaluation.report import pretraining_report, write_report
from false_core.feedback import Feedback
from false_core.jobs import Pretrain
from false_core.methods.method import Outcome, Views, named_after_level
from false_core.methods.registry import METHODS, build_method
from false_core.models.encoder import build_encoder
from false_core.models.model_file import ENCODER, ModelCard, save_model
from false_core.models.weights import start_from
from false_core.presets import PRETRAIN, PretrainSettings, announcement, preset_for, with_overrides
from false_core.raster.source import RasterSource, Window
from false_core.raster.statistics import Normalisation, measure
from false_core.raster.working_grid import on_working_grid, open_all
from false_core.sampling.ahead import made_ahead
from false_core.sampling.geometry import resample
from false_core.sampling.spectral import SpectralJitter, torch_generator
from false_core.sampling.views import PatchSampler, ViewPairs
from false_core.settings import memory_for_pixels
from false_core.training.checkpoint import Checkpoint
from false_core.training.curves import Curves
from false_core.training.optimisers import LARC, parameter_groups, published_schedule, warm_up_and_cosine

LOG_EVERY = 5
GALLERY_BATCHES = 4
"""Looked at after the training, to choose what the report shows."""


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
        truth = Truth(job.truth, sources) if job.truth else None
        torch.manual_seed(job.seed)
        encoder, origin = _encoder(job, settings, sources[0], feedback)
        # Also for given weights, and an encoder of ours with statistics of its own: measured anew, the bands have mean 0 and
        # deviation 1, as they had when the weights were made, on rasters of whatever sensor and data type.
        normalisation = measure(sources, areas, feedback)
    steps = min(settings.steps or _steps_of_epochs(settings, areas), METHODS[settings.method].most_steps)
    trainer = _Trainer(settings, steps, encoder, job.seed, device)
    sampler = PatchSampler(
        sources,
        areas,
        normalisation,
        settings.batch_size,
        settings.crop_size,
        settings.scales,
        settings.points,
        job.seed,
        memory_for_pixels(),
    )
    checkpoint, curves = Checkpoint(job, settings, feedback), Curves(feedback)
    with _resumable(trainer, curves, checkpoint):
        with feedback.stage("Pretraining", 0.92):
            _train(trainer, sampler, truth, curves, checkpoint, feedback)
        card = _card(job, preset, settings, steps, sources, normalisation, origin, curves)
        with feedback.stage("Looking at what it learned", 0.03):
            report = _report(trainer, sampler, card, curves, sources[0], areas[0], truth, feedback) if job.report else ""
    with feedback.stage("Writing", 0.01):
        save_model(job.encoder, card, trainer.encoder)
        if job.report:
            write_report(job.report, report)
    checkpoint.remove()
    return {"loss": curves.last("loss"), "steps": steps}


class _Trainer:
    """The networks, their optimiser, and one step of training."""

    def __init__(self, settings: PretrainSettings, steps: int, encoder: nn.Module, seed: int, device: torch.device) -> None:
        self.settings, self.steps, self.seed, self.device = settings, steps, seed, device
        self.step = 0
        layout = torch.channels_last
        method: nn.Module = build_method(encoder, settings)
        self.method = method.to(device, memory_format=layout)  # type: ignore[call-overload]
        groups = parameter_groups(self.method, weight_decay=settings.weight_decay)
        self.optimiser: torch.optim.Optimizer
        if settings.optimiser == "larc":
            self.optimiser = LARC(groups, settings.learning_rate)
        else:
            self.optimiser = torch.optim.AdamW(groups, settings.learning_rate)
        self.jitter = SpectralJitter().scaled(settings.jitter)

    @property
    def encoder(self) -> nn.Module:
        """What remains of the training."""
        encoder: nn.Module = self.method.encoder
        return encoder

    def train_on(self, batch: ViewPairs) -> Outcome:
        """Do one step and return what it came to."""
        rate = self.settings.learning_rate * self.schedule()
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            outcome: Outcome = self.method(self._views(batch))
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(outcome.loss)
        self.optimiser.step()
        self.step += 1
        self.method.after_step(self.step, self.steps)
        return outcome

    @torch.no_grad()
    def embed(self, batch: ViewPairs) -> dict[str, Tensor]:
        """Return the embeddings (2N, d) of each level as the trained networks give them."""
        self.method.eval()
        embeddings: dict[str, Tensor] = self.method.embed(self._views(batch))
        return embeddings

    def schedule(self) -> float:
        """Return the share of the highest learning rate at the present step."""
        published = self.settings.optimiser == "larc"
        return (published_schedule if published else warm_up_and_cosine)(self.step, self.steps)

    def _views(self, batch: ViewPairs) -> Views:
        windows = batch.windows.to(self.device, non_blocking=True)
        size = self.settings.crop_size
        views = torch.cat([resample(windows, batch.first, size), resample(windows, batch.second, size)])
        views = self.jitter(views, torch_generator(self.seed, self.step))
        points = torch.cat(batch.points).to(self.device, non_blocking=True)
        # The indices come from the CPU, so that picking them does not make the CPU wait for the device.
        kept = batch.kept.to(self.device, non_blocking=True)
        return Views(views.contiguous(memory_format=torch.channels_last), points, kept)

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint holds."""
        return {
            "step": self.step,
            "method": self.method.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to where ``state`` was taken."""
        self.step = state["step"]
        self.method.load_state_dict(state["method"])
        self.optimiser.load_state_dict(state["optimiser"])


@contextmanager
def _resumable(trainer: _Trainer, curves: Curves, checkpoint: Checkpoint) -> Iterator[None]:
    """Keep the state of the training where the job is cancelled."""
    try:
        yield
    except Cancelled:
        checkpoint.save({**trainer.state(), "curves": curves.state()})
        raise


def _train(
    trainer: _Trainer,
    sampler: PatchSampler,
    truth: Truth | None,
    curves: Curves,
    checkpoint: Checkpoint,
    feedback: Feedback,
) -> None:
    state = checkpoint.load()
    if state:
        trainer.restore(state)
        curves.restore(state["curves"])
    batch_size = trainer.settings.batch_size
    with closing(made_ahead(sampler.batch, range(trainer.step, trainer.steps))) as batches:
        for batch in batches:
            feedback.advance(trainer.step * batch_size, trainer.steps * batch_size, "patches")
            rate = trainer.settings.learning_rate * trainer.schedule()
            outcome = trainer.train_on(batch)
            if trainer.step % LOG_EVERY == 0 or trainer.step in (1, trainer.steps):
                _log(curves, trainer.step, outcome, rate)
                if truth:
                    _log_purity(curves, trainer.step, outcome, batch, truth)
            if checkpoint.is_due:
                checkpoint.save({**trainer.state(), "curves": curves.state()})


def _log(curves: Curves, step: int, outcome: Outcome, rate: float) -> None:
    loss = float(outcome.loss.detach())
    if not math.isfinite(loss):
        raise FalseError(
            f"Training broke down at step {step}: the loss is {loss}.",
            "Try a lower learning rate, a higher temperature or another seed, and look for extreme values in the raster.",
        )
    curves.add(step, "loss", loss)
    curves.add(step, "learning rate", rate)
    for name, value in outcome.curves.items():
        curves.add(step, name, float(value))


def _log_purity(curves: Curves, step: int, outcome: Outcome, batch: ViewPairs, truth: Truth) -> None:
    found = {
        level: truth.purity(batch.places(level), one.found) for level, one in outcome.levels.items() if one.found is not None
    }
    for name, value in named_after_level(found).items():
        curves.add(step, name, value)


def _report(
    trainer: _Trainer,
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
    return pretraining_report(card, curves, galleries, embedding)


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


def _encoder(
    job: Pretrain, settings: PretrainSettings, source: RasterSource, feedback: Feedback
) -> tuple[nn.Module, dict[str, Any]]:
    """Return the encoder to train, and where its weights come from; nothing where they are random."""
    encoder = build_encoder(settings.encoder, len(source.bands))
    if not job.weights:
        return encoder, {}
    origin = start_from(job.weights, encoder, settings.encoder, source.name)
    feedback.info(f"Starting from {origin.get('file') or origin['timm']}.")
    return encoder, origin


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
    origin: dict[str, Any],
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
        method={"name": settings.method, "preset": preset, **asdict(settings), "steps": steps, "seed": job.seed},
        provenance={
            "rasters": [source.name for source in sources],
            "extent": job.extent,
            **({"weights": origin} if origin else {}),
            "loss": curves.last("loss"),
        },
    )
