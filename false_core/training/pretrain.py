"""Pretraining: from rasters without labels to an encoder file."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from false_core import jobs
from false_core.device import choose_device, describe, is_out_of_memory
from false_core.device_limits import DeviceLimit
from false_core.distributed import ALONE, World
from false_core.errors import InputError, OutOfMemoryError
from false_core.feedback import Feedback
from false_core.jobs import Pretrain
from false_core.methods.method import Outcome, Views, named_after_level
from false_core.methods.pictures import MarkedViews, NeighbourPairs
from false_core.methods.registry import METHOD_CLASSES, build_method
from false_core.models.encoder import build_encoder
from false_core.models.from_file import general_from
from false_core.models.model_file import ENCODER, MADE_BY, ModelCard, is_model_file, read_card, save_model
from false_core.models.record import record_of
from false_core.models.weights import start_from
from false_core.presets import SIMCLR, PretrainSettings, announcement, preset_for, pretrain_settings
from false_core.raster.source import RasterSource, Window, first_names
from false_core.raster.statistics import Normalisation
from false_core.raster.working_grid import on_working_grid, open_all
from false_core.reports.page import write_report
from false_core.sampling.colour import BlackAndWhite, SimCLRColour
from false_core.sampling.geometry import resample_crops
from false_core.sampling.loading import STAYS, loaded_ahead, on_device
from false_core.sampling.spectral import SpectralJitter
from false_core.sampling.views import PatchSampler, RawViews, ViewPairs
from false_core.settings import memory_for_pixels
from false_core.training.bands import measured_bands
from false_core.training.checkpoint import Checkpoint
from false_core.training.curves import Curves
from false_core.training.embedding_map import map_embedding
from false_core.training.gallery import collect_galleries
from false_core.training.global_batch_norm import with_global_batch_norms
from false_core.training.gradient_cache import accumulate_gradients, stacked
from false_core.training.guard import TrainingGuard
from false_core.training.method_pictures import Drawn, method_sections
from false_core.training.optimisers import LARC, parameter_groups, published_schedule, warm_up_and_cosine
from false_core.training.pretraining_report import pretraining_report
from false_core.training.purity import Truth

LOG_EVERY = 5
DECIDE_MEMORY = (
    "encoder", "level", "points", "crop_size", "batch_size", "hidden", "dimensions", "scales", "method", "optimiser"
)  # fmt: skip
"""Settings that decide how much memory a step takes."""
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
        sources = on_working_grid(open_all(job.rasters, job.bands, feedback), job.pixel_size, settings.most_pixels, feedback)
        sources, areas = _areas(sources, job.extent, feedback)
        truth = Truth(job.truth, sources) if job.truth else None
        torch.manual_seed(job.seed)
        # Also for given weights, and an encoder of ours with statistics of its own: measured anew, the bands have mean 0 and
        # standard deviation 1, as they had when the weights were made, on rasters of whatever sensor and data type.
        sources, normalisation = measured_bands(sources, areas, bool(job.bands), feedback, world)
        encoder, origin = _encoder(settings, sources[0], feedback)
        general = _general(settings, encoder, origin)
        if not origin and settings.rate_from_nothing:
            settings = replace(settings, learning_rate=settings.rate_from_nothing)
    steps = min(settings.steps or _steps_of_epochs(settings, areas), METHOD_CLASSES[settings.method].most_steps)
    ends = BlackAndWhite.of(normalisation, sources[0].dtype)
    trainer = Trainer(settings, steps, encoder, job.seed, device, len(sources[0].bands), feedback, world, ends)
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
        device,
        METHOD_CLASSES[settings.method].sampling_requirements(settings),
        settings.patch_size,
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
        card = _card(job, preset, settings, steps, sources, normalisation, origin, curves, made_by)
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


@dataclass(frozen=True)
class LocalBatch:
    """A share of a batch to train on: its patches, which stay in memory, and what becomes their views."""

    pairs: ViewPairs = field(metadata=STAYS)
    views: RawViews


class Trainer:
    """The networks, their optimiser, and one step of training.

    Attributes:
        patches_at_a_time: The number that may go through the networks together. Fewer than a batch if the memory is small.

    Raises:
        RequestError: There are more processes than patches in a batch.
    """

    def __init__(
        self,
        settings: PretrainSettings,
        steps: int,
        encoder: nn.Module,
        seed: int,
        device: torch.device,
        bands: int,
        feedback: Feedback,
        world: World = ALONE,
        ends: BlackAndWhite | None = None,
    ) -> None:
        self.settings, self.steps, self.seed, self.device = settings, steps, seed, device
        self.step = 0
        self._feedback, self._world = feedback, world
        world.share.check_divides(settings.batch_size, "patches")
        self._limit = DeviceLimit("patches at a time", device, bands, [getattr(settings, name) for name in DECIDE_MEMORY])
        # As many parts in every process: batch norms look at the same part of all.
        self.patches_at_a_time = world.smallest(min(self._limit.number() or settings.batch_size, settings.batch_size))
        if self.patches_at_a_time < math.ceil(settings.batch_size / world.share.world_size):
            self._feedback.info(self._in_parts())
        layout = torch.channels_last
        method = build_method(encoder, settings)
        method.to(device, memory_format=layout)  # type: ignore[call-overload]
        self.method = with_global_batch_norms(method, world, device)
        # Drawn alike in all processes, but not where their computers or versions differ.
        world.broadcast([*self.method.parameters(), *self.method.buffers()])
        groups = parameter_groups(self.method, weight_decay=settings.weight_decay, decays=settings.decays)
        self.optimiser: torch.optim.Optimizer
        if settings.optimiser == "larc":
            self.optimiser = LARC(groups, settings.learning_rate)
        else:
            # Not fused: that form goes by the layout in memory, and a checkpoint keeps moments in another one than weights.
            self.optimiser = torch.optim.AdamW(groups, settings.learning_rate)
        self.jitter = replace(_jitter(settings, ends), blur=settings.blur, radius=settings.blur_radius)

    @property
    def encoder(self) -> nn.Module:
        """What remains of the training."""
        encoder: nn.Module = self.method.encoder
        return encoder

    @property
    def decoder(self) -> nn.Module | None:
        """What remains beside it, of a method that trains a decoder too."""
        decoder: nn.Module | None = self.method.decoder
        return decoder

    def prepare(self, pairs: ViewPairs, step: int) -> RawViews:
        """Return what becomes the views of ``pairs`` at ``step``. May be called in another thread, ahead of time."""
        return RawViews.of(pairs, self.jitter, self.seed, step)

    def train_on(self, views: RawViews) -> Outcome:
        """Do one step and return what it came to."""
        rate = self.settings.learning_rate * self.schedule()
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        outcome = self._backward(views)
        self.optimiser.step()
        self.step += 1
        self.method.after_step(self.step, self.steps)
        return outcome

    @torch.no_grad()
    def embed(self, pairs: ViewPairs) -> dict[str, Tensor]:
        """Return the embeddings (2N, d) of each level as the trained networks give them."""
        self.method.eval()
        parts = self._micro_batches(on_device(self.prepare(pairs, self.step), self.device))
        embedded: list[dict[str, Tensor]] = [self.method.embed(part()) for part in parts]
        return {level: stacked([part[level] for part in embedded]) for level in embedded[0]}

    @torch.no_grad()
    def look_into(self, pairs: ViewPairs) -> tuple[list[NeighbourPairs], list[MarkedViews]]:
        """Return what the method shows of itself: pairs of neighbours within a batch, and what it looks at in views."""
        self.method.eval()
        parts = self._micro_batches(on_device(self.prepare(pairs, self.step), self.device))
        made: list[dict[str, Tensor]] = [self.method.represent(part()) for part in parts]
        whole = {name: stacked([part[name] for part in made]) for name in made[0]}
        return self.method.neighbour_pairs(whole), self.method.marked_views(parts[0]())

    def schedule(self) -> float:
        """Return the share of the highest learning rate at the present step."""
        published = self.settings.optimiser == "larc"
        return (published_schedule if published else warm_up_and_cosine)(self.step, self.steps)

    def _backward(self, views: RawViews) -> Outcome:
        """Make the gradients of a batch, of as many patches at a time as the memory holds."""
        fits = True
        while True:
            self.optimiser.zero_grad(set_to_none=True)
            try:
                outcome = accumulate_gradients(self.method, self._micro_batches(views), self._precision, self._world)
                break
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error) or self.patches_at_a_time == 1:
                    raise
                if self._world.is_shared:
                    raise self._too_large_together() from error
            # Out here, where the error is gone: it holds on to all that was in memory when it was raised.
            fits = False
            self.patches_at_a_time = self._half()
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
        if not fits:
            self._feedback.warn(self._in_parts())
            self._limit.remember(self.patches_at_a_time)
        return outcome

    def _too_large_together(self) -> OutOfMemoryError:
        """Remember that less fits. The other processes are in the middle of a step, which cannot be taken back."""
        self._limit.remember(self._half())
        return OutOfMemoryError(
            f"The memory of {describe(self.device)} does not hold {2 * self._half()} patches at a time.",
            "Run the job again: it goes on from its last checkpoint with fewer. torchrun does so with --max-restarts.",
        )

    def _half(self) -> int:
        """Return half of the patches that went through together, rounded up."""
        most = math.ceil(self.settings.batch_size / self._world.share.world_size)
        return math.ceil(min(self.patches_at_a_time, most) / 2)

    def _precision(self) -> torch.autocast:
        enabled = self.device.type == "cuda" and self.settings.mixed_precision
        return torch.autocast(self.device.type, torch.bfloat16, enabled=enabled)

    def _in_parts(self) -> str:
        return (
            f"The memory of {describe(self.device)} does not hold a batch of {self.settings.batch_size} patches. It goes "
            f"through the networks {self.patches_at_a_time} at a time; every patch is still compared with all others."
        )

    def _micro_batches(self, views: RawViews) -> list[Callable[[], Views]]:
        patches, world = len(views.windows), self._world.share.world_size
        most, fewest = math.ceil(self.settings.batch_size / world), self.settings.batch_size // world
        parts = min(math.ceil(most / self.patches_at_a_time), fewest)
        if parts == 1:
            return [partial(self.views_of, views)]
        bounds = [patches * part // parts for part in range(parts + 1)]
        return [partial(lambda ends: self.views_of(views.part(slice(*ends))), ends) for ends in pairwise(bounds)]

    @torch.no_grad()
    def views_of(self, views: RawViews) -> Views:
        """Cut the views out of their windows and change their colours, on the device."""
        pixels = views.changes.apply(resample_crops(views.windows, views.maps, self.settings.crop_size))
        return Views(pixels.contiguous(memory_format=torch.channels_last), views.points, views.kept, views.ground)

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint holds."""
        return {
            "step": self.step,
            "method": self.method.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "patches_at_a_time": self.patches_at_a_time,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to where ``state`` was taken."""
        self.step = state["step"]
        self.method.load_state_dict(state["method"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.patches_at_a_time = min(self.patches_at_a_time, state["patches_at_a_time"])


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
    return pretraining_report(
        card, curves, galleries, embedding, of_method, METHOD_CLASSES[trainer.settings.method].curve_captions
    )


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


def _jitter(settings: PretrainSettings, ends: BlackAndWhite | None) -> SpectralJitter:
    if settings.colour != SIMCLR:
        return SpectralJitter().scaled(settings.jitter)
    assert ends is not None
    return replace(SpectralJitter().scaled(0.0), colour=SimCLRColour(ends, settings.jitter))


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
    sources: Sequence[RasterSource],
    normalisation: Normalisation,
    origin: dict[str, Any],
    curves: Curves,
    made_by: dict[str, Any],
) -> ModelCard:
    first = sources[0]
    distance = first.ground_sample_distance
    # Where the weights came from stands in the provenance; a path of this computer need not.
    kept = {name: value for name, value in asdict(settings).items() if name != "weights"}
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
        method={"name": settings.method, "preset": preset, **kept, "steps": steps, "seed": job.seed},
        provenance={
            "rasters": first_names(sources, MAX_RASTER_NAMES),
            "extent": job.extent,
            **({"weights": origin} if origin else {}),
            "loss": curves.last("loss"),
            MADE_BY: made_by,
        },
        descriptions=first.descriptions,
    )
