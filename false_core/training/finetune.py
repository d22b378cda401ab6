"""Fine-tuning: from an encoder and a few labels to a land-cover model."""

from __future__ import annotations

import math
from contextlib import closing
from dataclasses import asdict, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from false_core.accuracy.metrics import IntArray, score
from false_core.device import choose_device
from false_core.distributed import ALONE, World
from false_core.feedback import Feedback
from false_core.jobs import Finetune
from false_core.labels.annotation import IGNORE, Annotation, read_annotation
from false_core.labels.label_warnings import label_warnings
from false_core.labels.split import split
from false_core.models.encoder import build_encoder
from false_core.models.from_file import check_fits
from false_core.models.model_file import (
    DECODER_PREFIX,
    ENCODER,
    MADE_BY,
    SEGMENTER,
    ModelCard,
    check_bands,
    load_weights,
    read_card,
    save_model,
)
from false_core.models.record import record_of
from false_core.models.segmenter import build_segmenter, with_prior
from false_core.presets import FINETUNE, FinetuneSettings, announcement, preset_for, with_overrides
from false_core.raster.classes import read_legend
from false_core.raster.source import RasterSource
from false_core.raster.statistics import Normalisation, measure
from false_core.raster.working_grid import at_resolution_of_model, on_working_grid
from false_core.reports.page import write_report
from false_core.sampling.cache import ChunkCache
from false_core.sampling.geometry import resample_crops
from false_core.sampling.labelled import LabelSampler, RawCrops, on_valid_pixels
from false_core.sampling.loading import loaded_ahead
from false_core.sampling.spectral import QUIET, torch_generator
from false_core.settings import memory_for_pixels
from false_core.training.checkpoint import Checkpoint
from false_core.training.curves import Curves
from false_core.training.finetuning_report import finetuning_report
from false_core.training.global_batch_norm import with_global_batch_norms
from false_core.training.guard import TrainingGuard
from false_core.training.optimisers import parameter_groups, warm_up_and_cosine
from false_core.training.validation import score_labels

LOG_EVERY = 5
FINETUNE_REMEDY = "Try another seed, and look for extreme values in the raster."
"""The advice to give where the numbers run away."""
REFIT_RATE = 0.5
"""Highest learning rate once the labels that were kept back train too, as a share of the first one."""


def finetune(job: Finetune, feedback: Feedback, world: World = ALONE) -> dict[str, Any]:
    """Run a ``Finetune`` job: write the model file and, if asked for, the report. Return its results by name."""
    with feedback.stage("Starting", 0.02):
        device = choose_device(job.device, feedback)
        preset = preset_for(job.preset, device.type)
        feedback.info(announcement(job.preset, preset, device.type))
        settings = with_overrides(FINETUNE[preset], job)
        base = read_card(job.encoder, ENCODER) if job.encoder else None
        if base and job.encoder:
            check_fits(job.encoder, lambda: build_encoder(base.encoder, len(base.bands)))
            settings = replace(settings, encoder=base.encoder)
        else:
            # An untrained encoder has nothing to preserve, and nothing a decoder could build on.
            settings = replace(settings, freeze=bool(job.freeze), decoder_first=0.0, encoder_rate=1.0)
            feedback.warn("No encoder given: the network learns from the labels alone.")
        made_by = record_of(job, device)
    with feedback.stage("Reading the labels", 0.03):
        source = _open(job, base, settings, feedback)
        annotation = read_annotation(job.labels, job.field, source, read_legend(job.legend), feedback)
        normalisation = base.normalisation if base else _measured(source, feedback, world)
        cache = ChunkCache(source, normalisation, memory_for_pixels(), device)
        annotation = on_valid_pixels(annotation, cache, feedback)
        training, held_back = split(annotation, job.validation, source.width, source.height, job.seed)
        for warning in label_warnings(annotation, held_back, job.validation > 0, source.width, source.height):
            feedback.warn(warning)
    torch.manual_seed(job.seed)
    trainer = _Trainer(settings, len(source.bands), len(annotation.classes), job.seed, device, world)
    if base and job.encoder:
        load_weights(job.encoder, trainer.encoder)
        if base.decoder == settings.decoder:
            load_weights(job.encoder, trainer.network.get_submodule("decoder"), DECODER_PREFIX)
            feedback.info(f"The decoder starts as it was pretrained too ({base.decoder}).")
        elif base.decoder:
            feedback.info(
                f"The encoder file also holds a pretrained decoder, a {base.decoder}. It is not used: this preset trains a "
                f"{settings.decoder}."
            )
    checkpoint = Checkpoint(job, settings, feedback, world)
    run = _Run(trainer, checkpoint, source, feedback, world)
    with feedback.stage("Training on the labels", 0.65 if held_back else 0.89):
        sampler = _sampler(cache, training, settings, job.seed)
        run.train(sampler, settings.steps)
    if held_back:
        with feedback.stage("Scoring on the labels kept back", 0.04):
            # A run that was interrupted after this point has seen those labels: its score must not be taken again.
            if run.confusion is None:
                scored = with_prior(trainer.result, sampler.prior_ratio())
                run.confusion = score_labels(scored, source, normalisation, held_back, device, feedback, world)
        with feedback.stage("Training on all labels", 0.2):
            sampler = _sampler(cache, annotation, settings, job.seed)
            run.train(sampler, settings.steps + settings.refit_steps)
    with feedback.stage("Writing", 0.03):
        card = _card(job, preset, settings, base, source, normalisation, annotation, run.confusion, made_by)
        if not world.share.is_main:
            return dict(card.provenance["scores"])
        report = finetuning_report(card, run.curves, run.confusion, feedback.warnings) if job.report else ""
        save_model(job.model, card, with_prior(trainer.result, sampler.prior_ratio()))
        if job.report:
            write_report(job.report, report)
    checkpoint.remove()
    return dict(card.provenance["scores"])


def _sampler(cache: ChunkCache, annotation: Annotation, settings: FinetuneSettings, seed: int) -> LabelSampler:
    return LabelSampler(cache, annotation, settings.batch_size, settings.crop_size, settings.scales, seed)


def _measured(source: RasterSource, feedback: Feedback, world: World) -> Normalisation:
    area = source.window_of(None)
    return Normalisation.from_dict(world.broadcast_object(lambda: measure([source], [area], feedback).to_dict()))


def _open(job: Finetune, base: ModelCard | None, settings: FinetuneSettings, feedback: Feedback) -> RasterSource:
    """Open the raster on the working grid the encoder was trained on, or on the preset's."""
    bands = job.bands or (base.band_numbers if base else ())
    native = RasterSource(job.raster)
    # The encoder's band numbers are those of its own raster; where this one has fewer, say what is wrong in its words.
    if base and not job.bands and max(bands) > len(native.bands):
        check_bands(base, str(job.encoder), len(native.bands), native.name)
    source = RasterSource(job.raster, bands)
    if base:
        check_bands(base, str(job.encoder), len(source.bands), source.name)
        return at_resolution_of_model(source, base.pixel_size, base.ground_sample_distance, feedback)
    return on_working_grid([source], None, settings.most_pixels, feedback)[0]


class _Trainer:
    """The network, its optimiser, and one step of training, of all processes together."""

    def __init__(
        self,
        settings: FinetuneSettings,
        bands: int,
        classes: int,
        seed: int,
        device: torch.device,
        world: World,
    ) -> None:
        world.share.check_divides(settings.batch_size, "crops")
        self.settings, self.seed, self.device, self._world = settings, seed, device, world
        self.step = 0
        network = build_segmenter(settings.encoder, settings.decoder, bands, classes)
        network = network.to(device, memory_format=torch.channels_last)
        self.network = with_global_batch_norms(network, world, device)
        world.broadcast([*self.network.parameters(), *self.network.buffers()])
        self.encoder: nn.Module = self.network.encoder
        self._averaged = (
            AveragedModel(self.network, multi_avg_fn=get_ema_multi_avg_fn(settings.average), use_buffers=True)  # type: ignore[no-untyped-call]
            if settings.average
            else None
        )
        head = [module for name, module in self.network.named_children() if name != "encoder"]
        self.optimiser = torch.optim.AdamW(
            [{**group, "share": 1.0} for group in parameter_groups(*head, weight_decay=settings.weight_decay)]
            + [
                {**group, "share": settings.encoder_rate}
                for group in parameter_groups(self.encoder, weight_decay=settings.weight_decay)
            ],
            settings.learning_rate,
        )

    @property
    def result(self) -> nn.Module:
        """The network to keep: where the preset says so, the running average of the one that is trained."""
        return self._averaged.module if self._averaged else self.network

    @property
    def encoder_is_fixed(self) -> bool:
        """Whether the present step leaves the encoder as it is."""
        return self.settings.freeze or self.step < self.settings.decoder_first * self.settings.steps

    def train_on(self, batch: RawCrops) -> Tensor:
        """Do one step and return its loss."""
        self._set_rates()
        crops = batch.changes.apply(resample_crops(batch.windows, batch.maps, self.settings.crop_size))
        crops = crops.contiguous(memory_format=torch.channels_last)
        self.network.train()
        # Dropout goes by the step as all chance does, so that a run that was interrupted ends as if it had not been.
        torch.manual_seed(torch_generator(self.seed, self.step, self._world.share.rank).initial_seed())
        # A fixed encoder keeps the statistics it was trained with, as it will when it classifies. Nothing in it is kept for
        # a backward pass either. Its features cannot be kept for later: every crop lies, and is lit, as none before it.
        self.encoder.train(not self.encoder_is_fixed)
        self.encoder.requires_grad_(not self.encoder_is_fixed)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            scores = self.network(crops)
        loss = self._loss(scores.float(), batch.targets)
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        self._world.all_reduce([weights.grad for weights in self.network.parameters() if weights.grad is not None])
        self.optimiser.step()
        if self._averaged:
            self._averaged.update_parameters(self.network)
        self.step += 1
        loss = loss.detach()
        self._world.all_reduce([loss])
        return loss

    def _loss(self, scores: Tensor, targets: Tensor) -> Tensor:
        """Return this process's share of the mean cross entropy of all labelled pixels of the batch."""
        if not self._world.is_shared:
            return nn.functional.cross_entropy(scores, targets, ignore_index=IGNORE)
        labelled = (targets != IGNORE).sum().float()
        self._world.all_reduce([labelled])
        return nn.functional.cross_entropy(scores, targets, ignore_index=IGNORE, reduction="sum") / labelled

    def _set_rates(self) -> None:
        s = self.settings
        if self.step < s.steps:
            share = warm_up_and_cosine(self.step, s.steps)
        else:
            share = REFIT_RATE * warm_up_and_cosine(self.step - s.steps, s.refit_steps)
        rate = s.learning_rate * share
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["share"]

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint holds."""
        averaged = {"averaged": self._averaged.state_dict()} if self._averaged else {}
        return {
            "step": self.step,
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            **averaged,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to where ``state`` was taken."""
        self.step = state["step"]
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        if self._averaged:
            self._averaged.load_state_dict(state["averaged"])


class _Run:
    """A training run with its curves, able to go on where it was interrupted.

    Attributes:
        confusion: The score on the labels kept back, once it is known; None before, and where none were kept back.
    """

    def __init__(
        self, trainer: _Trainer, checkpoint: Checkpoint, source: RasterSource, feedback: Feedback, world: World
    ) -> None:
        self._trainer, self._feedback, self._world = trainer, feedback, world
        self._guard = TrainingGuard(checkpoint, self._state, [source], trainer.device, FINETUNE_REMEDY)
        self.curves = Curves(feedback)
        self.confusion: IntArray | None = None
        state = checkpoint.load()
        if state:
            trainer.restore(state)
            self.curves.restore(state["curves"])
            self.confusion = None if state["confusion"] is None else state["confusion"].numpy()

    def train(self, sampler: LabelSampler, until: int) -> None:
        """Train up to step ``until``. Where it ends before, it is saved."""
        trainer, guard, began = self._trainer, self._guard, self._trainer.step
        batch_size = trainer.settings.batch_size

        def make(step: int) -> RawCrops:
            return RawCrops.of(sampler.batch(step, self._world.share), QUIET, trainer.seed, step)

        with guard.checkpoint_on_exit(), closing(loaded_ahead(make, range(began, until), trainer.device)) as batches:
            for batch in batches:
                done, total = trainer.step - began, until - began
                self._feedback.advance(done * batch_size, total * batch_size, "crops")
                with guard.errors_at_step(trainer.step + 1):
                    loss = trainer.train_on(batch)
                    guard.record_loss(trainer.step, loss)
                if trainer.step % LOG_EVERY == 0 or trainer.step in (1, until):
                    guard.check()
                    self.curves.add(trainer.step, "loss", float(loss))
                guard.save_when_due()
        if trainer.step > began:
            # What is still to come may fail too, for example where the disk has no room for the model.
            guard.save()

    def _state(self) -> dict[str, Any]:
        confusion = None if self.confusion is None else torch.from_numpy(self.confusion)
        return {**self._trainer.state(), "curves": self.curves.state(), "confusion": confusion}


def _counts(annotation: Annotation) -> dict[str, list[int]]:
    """Return the number of shapes and of labelled pixels by class code."""
    pixels = annotation.pixels
    return {
        str(c.code): [int((annotation.targets == k).sum()), round(float(pixels[annotation.targets == k].sum()))]
        for k, c in enumerate(annotation.classes)
    }


def _card(
    job: Finetune,
    preset: str,
    settings: FinetuneSettings,
    base: ModelCard | None,
    source: RasterSource,
    normalisation: Normalisation,
    annotation: Annotation,
    confusion: IntArray | None,
    made_by: dict[str, Any],
) -> ModelCard:
    distance = source.ground_sample_distance
    scores: dict[str, float] = {}
    if confusion is not None:
        s = score(confusion)
        scores = {"oa": s.oa, "miou": s.miou, "macc": s.macc, "kappa": s.kappa}
        # A score that cannot be computed is left out: JSON has no word for it.
        scores = {name: value for name, value in scores.items() if math.isfinite(value)}
    return ModelCard(
        kind=SEGMENTER,
        encoder=settings.encoder,
        decoder=settings.decoder,
        bands=source.band_names,
        band_numbers=source.bands,
        dtype=source.dtype,
        normalisation=normalisation,
        pixel_size=source.pixel_size * source.factor,
        ground_sample_distance=None if distance is None else distance * source.factor,
        patch_size=settings.crop_size,
        classes=annotation.classes,
        method={"name": "finetune", "preset": preset, **asdict(settings), "seed": job.seed},
        provenance={
            "raster": source.name,
            "encoder": base.provenance if base else "untrained",
            "pretraining": base.method if base else {},
            "labels": _counts(annotation),
            "scores": scores,
            MADE_BY: made_by,
        },
    )
