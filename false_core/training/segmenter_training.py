"""Training a segmenter on labels: the encoder, unless it is frozen, and a decoder, crop by crop."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from false_core.accuracy.metrics import IntArray
from false_core.computing.distributed import World
from false_core.computing.precision import autocast, loss_scaler, precisions_in_training
from false_core.feedback import Feedback
from false_core.labels.annotation import IGNORE, Annotation
from false_core.models.deeplab import auxiliary_head
from false_core.models.encoder import channels_of
from false_core.models.model_file import DECODER_PREFIX, load_weights
from false_core.models.segmenter import build_segmenter, with_prior
from false_core.models.weights import start_from
from false_core.presets import PHOTOMETRIC, FinetuneSettings
from false_core.raster.source import RasterSource
from false_core.raster.statistics import Normalisation
from false_core.sampling.cache import ChunkCache
from false_core.sampling.colour import BlackAndWhite, PhotometricDistortion
from false_core.sampling.geometry import resample_crops
from false_core.sampling.labelled import LabelledRaster, LabelSampler, RawCrops
from false_core.sampling.loading import loaded_ahead
from false_core.sampling.spectral import QUIET, SpectralJitter, torch_generator
from false_core.training.checkpoint import Checkpoint
from false_core.training.convolutions import fast_convolutions
from false_core.training.curves import LOG_EVERY, Curves
from false_core.training.global_batch_norm import with_global_batch_norms
from false_core.training.gradient_sum import GradientSum
from false_core.training.guard import TrainingGuard
from false_core.training.optimisers import fused_on, parameter_groups, polynomial, restore, warm_up_and_cosine
from false_core.training.start import Start
from false_core.training.validation import score_labels

FINETUNE_REMEDY = "Try another seed, and look for extreme values in the raster."
"""The advice to give where the numbers run away."""
REFIT_RATE = 0.5
"""Highest learning rate once the labels that were held out train too, as a share of the first one."""


@dataclass(frozen=True)
class TrainedSegmenter:
    """The outcome of a training.

    Attributes:
        network: The segmenter to keep.
        curves: The curves of the training.
        confusion: Confusion matrix of the labels that were held out, true classes in rows; None where none were.
        checkpoint: Checkpoint to be removed once the model is written.
        origin: Origin of the encoder's weights, where no encoder file was given.
    """

    network: nn.Module
    curves: Curves
    confusion: IntArray | None
    checkpoint: Checkpoint
    origin: dict[str, Any]


def train_segmenter(
    start: Start,
    settings: FinetuneSettings,
    raster: LabelledRaster,
    cache: ChunkCache,
    parts: tuple[Annotation, Annotation | None],
    numbers: torch.dtype,
    feedback: Feedback,
    world: World,
) -> TrainedSegmenter:
    """Train on some labels, score on those held out, and train on all.

    Args:
        start: The job, with the encoder file that it names, and the device to compute on.
        settings: Everything that decides how.
        raster: The raster and all labels.
        cache: The raster, normalised.
        parts: The labels that train first, and those that score; None where there are none.
        numbers: Numbers to compute with.
        feedback: The listener that is told of progress.
        world: The processes that train together.
    """
    job, base, device = start.job, start.base, start.device
    source, normalisation, annotation = raster.source, raster.normalisation, raster.annotation
    training, held_out = parts
    torch.manual_seed(job.seed)
    trainer = SegmenterTrainer(settings, len(source.bands), len(annotation.classes), job.seed, device, world, numbers)
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
    origin: dict[str, Any] = {}
    if not base:
        origin = start_from(job.weights, trainer.encoder, settings.encoder, source.name, source.colours, feedback)
        world.broadcast([*trainer.encoder.parameters(), *trainer.encoder.buffers()])
    checkpoint = Checkpoint(job, settings, device, numbers, feedback, world)
    run = _Run(trainer, checkpoint, source, _jitter(settings, normalisation, source.dtype), feedback, world)
    with feedback.stage("Training on the labels", 0.65 if held_out else 0.89):
        sampler = _sampler(cache, training, settings, job.seed)
        run.train(sampler, settings.steps)
    if held_out:
        with feedback.stage("Scoring on the labels held out", 0.04):
            # A run that was interrupted after this point has seen those labels: its score must not be taken again.
            if run.confusion is None:
                scored = _without_balance(trainer.result, sampler, settings)
                run.confusion = score_labels(scored, source, normalisation, held_out, device, feedback, world)
        with feedback.stage("Training on all labels", 0.2):
            sampler = _sampler(cache, annotation, settings, job.seed)
            run.train(sampler, settings.steps + settings.refit_steps)
    kept = _without_balance(trainer.result, sampler, settings)
    return TrainedSegmenter(kept, run.curves, run.confusion, checkpoint, origin)


def _sampler(cache: ChunkCache, annotation: Annotation, settings: FinetuneSettings, seed: int) -> LabelSampler:
    s = settings
    return LabelSampler(cache, annotation, s.batch_size, s.crop_size, s.scales, seed, s.balanced, s.turns)


def _without_balance(network: nn.Module, sampler: LabelSampler, settings: FinetuneSettings) -> nn.Module:
    """Return a network that takes classes to be as common as they are labelled, however they were drawn."""
    return with_prior(network, sampler.prior_ratio()) if settings.balanced else network


def _jitter(settings: FinetuneSettings, normalisation: Normalisation, dtype: str) -> SpectralJitter:
    if settings.colour != PHOTOMETRIC:
        return QUIET
    return replace(QUIET.scaled(0.0), colour=PhotometricDistortion(BlackAndWhite.of(normalisation, dtype)))


class SegmenterTrainer:
    """The network, its optimiser, and one step of training, of all processes together.

    Args:
        numbers: Numbers to compute with; None: the first of those that the device could take.
    """

    def __init__(
        self,
        settings: FinetuneSettings,
        bands: int,
        classes: int,
        seed: int,
        device: torch.device,
        world: World,
        numbers: torch.dtype | None = None,
    ) -> None:
        world.share.check_divides(settings.batch_size, "crops")
        self.settings, self.seed, self.device, self._world = settings, seed, device, world
        self.numbers = numbers or precisions_in_training(device, settings.mixed_precision)[0]
        self.step = 0
        network = build_segmenter(settings.encoder, settings.decoder, bands, classes)
        network = network.to(device, memory_format=torch.channels_last)
        self.network = with_global_batch_norms(network, world)
        world.broadcast([*self.network.parameters(), *self.network.buffers()])
        self.encoder: nn.Module = self.network.encoder
        self._averaged = (
            AveragedModel(self.network, multi_avg_fn=get_ema_multi_avg_fn(settings.average), use_buffers=True)  # type: ignore[no-untyped-call]
            if settings.average
            else None
        )
        head = [module for name, module in self.network.named_children() if name != "encoder"]
        self.auxiliary: nn.Module | None = None
        if settings.auxiliary and not settings.freeze:
            auxiliary = auxiliary_head(channels_of(self.encoder)[-2], classes)
            auxiliary = auxiliary.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
            self.auxiliary = with_global_batch_norms(auxiliary, world)
            world.broadcast([*self.auxiliary.parameters(), *self.auxiliary.buffers()])
            head.append(self.auxiliary)
        # The encoder is computed first, and gets its gradients last.
        self._together = GradientSum([p for module in (self.encoder, *head) for p in module.parameters()], world)
        groups = partial(parameter_groups, weight_decay=settings.weight_decay, decays=settings.decays)
        shares = [{**group, "share": 1.0} for group in groups(*head)]
        shares += [{**group, "share": settings.encoder_rate} for group in groups(self.encoder)]
        self.optimiser: torch.optim.Optimizer
        if settings.optimiser == "sgd":
            self.optimiser = torch.optim.SGD(shares, settings.learning_rate, momentum=0.9, fused=fused_on(device))
        else:
            self.optimiser = torch.optim.AdamW(shares, settings.learning_rate, fused=fused_on(device))

        self._scaler = loss_scaler(device, self.numbers)

    @property
    def result(self) -> nn.Module:
        """The network to keep: where the preset says so, the running average of the one that is trained."""
        return self._averaged.module if self._averaged else self.network

    @property
    def encoder_is_fixed(self) -> bool:
        """Return whether the present step leaves the encoder as it is."""
        return self.settings.freeze or self.step < self.settings.decoder_first * self.settings.steps

    @fast_convolutions()
    def train_on(self, batch: RawCrops) -> Tensor:
        """Do one step and return its loss."""
        self._set_rates()
        crops = batch.changes.apply(resample_crops(batch.windows, batch.maps, self.settings.crop_size))
        crops = crops.contiguous(memory_format=torch.channels_last)
        targets = batch.targets.long()
        self.network.train()
        # Dropout goes by the step as all chance does, so that a run that was interrupted ends as if it had not been.
        torch.manual_seed(torch_generator(self.seed, self.step, self._world.share.rank).initial_seed())
        # A fixed encoder keeps the statistics it was trained with, as it will when it classifies. Nothing in it is kept for
        # a backward pass either. Its features cannot be kept for later: every crop lies, and is lit, as none before it.
        self.encoder.train(not self.encoder_is_fixed)
        self.encoder.requires_grad_(not self.encoder_is_fixed)
        with autocast(self.device, self.numbers):
            scores = self._scores(crops)
        loss = self._loss(scores[0].float(), targets)
        for second in scores[1:]:
            enlarged = nn.functional.interpolate(second.float(), crops.shape[-2:], mode="bilinear", align_corners=False)
            loss = loss + self.settings.auxiliary * self._loss(enlarged, targets)
        self.optimiser.zero_grad(set_to_none=True)
        with self._together.last_backward():
            torch.autograd.backward(self._scaler.scale(loss))
        self._scaler.step(self.optimiser)
        self._scaler.update()
        if self._averaged:
            self._averaged.update_parameters(self.network)
        self.step += 1
        loss = loss.detach()
        self._world.all_reduce([loss])
        return loss

    def _scores(self, crops: Tensor) -> list[Tensor]:
        """Return the scores of the network, and where there is one those of the auxiliary head, which are coarser."""
        if not self.auxiliary:
            return [self.network(crops)]
        features = self.encoder(crops)
        return [self.network.segmentation_head(self.network.decoder(features)), self.auxiliary(features[-2])]

    def _loss(self, scores: Tensor, targets: Tensor) -> Tensor:
        """Return this process's share of the mean cross entropy of all labelled pixels of the batch."""
        if not self._world.is_shared:
            return nn.functional.cross_entropy(scores, targets, ignore_index=IGNORE)
        labelled = (targets != IGNORE).sum().float()
        self._world.all_reduce([labelled])
        return nn.functional.cross_entropy(scores, targets, ignore_index=IGNORE, reduction="sum") / labelled

    def _set_rates(self) -> None:
        s = self.settings
        schedule = polynomial if s.optimiser == "sgd" else warm_up_and_cosine
        if self.step < s.steps:
            share = schedule(self.step, s.steps)
        else:
            share = REFIT_RATE * schedule(self.step - s.steps, s.refit_steps)
        rate = s.learning_rate * share
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["share"]

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint holds."""
        averaged = {"averaged": self._averaged.state_dict()} if self._averaged else {}
        auxiliary = {"auxiliary": self.auxiliary.state_dict()} if self.auxiliary else {}
        return {
            "step": self.step,
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": self._scaler.state_dict(),
            **averaged,
            **auxiliary,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to where ``state`` was taken."""
        self.step = state["step"]
        self.network.load_state_dict(state["network"])
        restore(self.optimiser, state["optimiser"])
        self._scaler.load_state_dict(state["scaler"])
        if self._averaged:
            self._averaged.load_state_dict(state["averaged"])
        if self.auxiliary:
            self.auxiliary.load_state_dict(state["auxiliary"])


class _Run:
    """A training run with its curves, able to go on where it was interrupted.

    Attributes:
        confusion: The score on the labels held out, once it is known; None before, and where none were held out.
    """

    def __init__(
        self,
        trainer: SegmenterTrainer,
        checkpoint: Checkpoint,
        source: RasterSource,
        jitter: SpectralJitter,
        feedback: Feedback,
        world: World,
    ) -> None:
        self._trainer, self._jitter, self._feedback, self._world = trainer, jitter, feedback, world
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
            return RawCrops.of(sampler.batch(step, self._world.share), self._jitter, trainer.seed, step)

        with guard.checkpoint_on_exit(), closing(loaded_ahead(make, range(began, until), trainer.device)) as batches:
            for batch in batches:
                done, total = trainer.step - began, until - began
                self._feedback.advance(done * batch_size, total * batch_size, "crops")
                with guard.errors_at_step(trainer.step + 1):
                    loss = trainer.train_on(batch)
                    guard.record(trainer.step, loss)
                if trainer.step % LOG_EVERY == 0 or trainer.step in (1, until):
                    self.curves.add(trainer.step, "loss", *guard.read(loss))
                guard.save_when_due()
        if trainer.step > began:
            # What is still to come may fail too, for example where the disk has no room for the model.
            guard.save()

    def _state(self) -> dict[str, Any]:
        confusion = None if self.confusion is None else torch.from_numpy(self.confusion)
        return {**self._trainer.state(), "curves": self.curves.state(), "confusion": confusion}
