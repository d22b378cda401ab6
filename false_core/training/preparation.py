"""The preparation of a pretraining: settings, rasters on their working grid, the encoder."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from false_core.collection.places import with_places_alone
from false_core.computing.device import choose_device
from false_core.computing.distributed import ALONE, World
from false_core.errors import RequestError
from false_core.feedback import Feedback
from false_core.jobs import NOTHING_KEPT, Pretrain
from false_core.methods.registry import METHOD_CLASSES
from false_core.models.encoder import build_encoder
from false_core.models.from_file import general_from
from false_core.models.general import GENERAL
from false_core.models.header import ENCODER
from false_core.models.model_file import is_model_file, read_card
from false_core.models.record import record_of
from false_core.models.weights import encoder_that_others_trained, start_from
from false_core.presets import PretrainSettings, pretrain_settings
from false_core.raster.measured_bands import measured_bands
from false_core.raster.source import RasterSource, Window
from false_core.raster.statistics import MeasuredRasters
from false_core.raster.working_grid import areas_within, on_working_grid, open_all
from false_core.sampling.colour import BlackAndWhite
from false_core.sampling.views import PatchDraw, PatchSampler
from false_core.settings import memory_for_pixels
from false_core.training.kept_levels import keep_levels
from false_core.training.preset_choice import choose_preset
from false_core.training.purity import Truth
from false_core.training.trainer import Trainer


@dataclass(frozen=True)
class Pretraining:
    """A pretraining that could begin: what it was asked for, and what it begins with.

    Attributes:
        preset, settings: Preset and settings that decide how; ``settings`` holds what the job names itself too.
        steps: Steps of the training.
        device: Device to compute on.
        rasters: Rasters that are learned from, on their working grid.
        styles: Rasters to take other colours from.
        encoder: The network to train.
        origin: Origin of its weights; nothing where they are random.
        general: General encoder that heads see beside it, see ``_general``.
        truth: Known classes, to be compared with what is found.
        made_by: See ``record_of``.
    """

    preset: str
    settings: PretrainSettings
    steps: int
    device: torch.device
    rasters: MeasuredRasters
    styles: Sequence[RasterSource]
    encoder: nn.Module
    origin: dict[str, Any]
    general: nn.Module | None
    truth: Truth | None
    made_by: dict[str, Any]

    @classmethod
    def of(
        cls,
        job: Pretrain,
        feedback: Feedback,
        world: World = ALONE,
        asked: Pretrain | None = None,
        follows: bool = False,
    ) -> Pretraining:
        """Open the rasters of a job and make its networks.

        Args:
            asked: The job that the record is of, which this one may be a stage of.
            follows: True for a stage that follows another, whose encoder is not there yet but could be kept.
        """
        with feedback.stage("Starting", 0.01):
            device = choose_device(job.device, feedback)
            preset = choose_preset(job.preset, device, feedback, world)
            settings = pretrain_settings(preset, job)
            settings = METHOD_CLASSES[settings.method].adapted(settings)
            made_by = record_of(asked or job, device)
            if asked:
                # What the stage reads, but for the encoder of the stage before, which is in no one's files.
                own = record_of(replace(job, weights=asked.weights), device)
                made_by["inputs"] = {**own["inputs"], **made_by["inputs"]}
        if asked and job.weights != asked.weights and is_model_file(settings.weights):
            # A stage goes on with what the one before it took, which may be the general encoder in place of the preset's.
            settings = replace(settings, encoder=read_card(settings.weights, ENCODER).encoder)
        with feedback.stage("Measuring the bands", 0.03):
            weights = read_card(settings.weights, ENCODER).reference if is_model_file(settings.weights) else None
            sources = open_all(job.rasters, job.bands, feedback, weights)
            sources = on_working_grid(sources, job.pixel_size, settings.most_pixels, feedback)
            named = sources[0]
            sources, areas = areas_within(sources, job.extent, feedback)
            places = None
            if job.places:
                sources, areas, places = with_places_alone(sources, areas, job.places, feedback)
            truth = Truth(job.truth, sources, feedback) if job.truth else None
            torch.manual_seed(job.seed)
            # Also for given weights, and an encoder of ours with statistics of its own: measured anew, the bands have mean 0
            # and standard deviation 1, as they had when the weights were made, on rasters of whatever sensor and data type.
            sources, normalisation = measured_bands(sources, areas, bool(job.bands), feedback, world)
            rasters = MeasuredRasters(sources, areas, normalisation, places)
            styles = _styles(job, named, sources[0], feedback)
            settings, encoder, origin = _encoder(job, settings, sources[0], feedback)
            general = _general(settings, encoder, origin)
            if settings.keep != NOTHING_KEPT and not origin and not follows:
                raise RequestError(
                    "There are no weights that could be kept: the encoder starts from random ones.",
                    "Name weights to start from, or keep nothing.",
                )
            keep_levels(encoder, settings.keep, settings.encoder)
            if not origin and settings.rate_from_nothing:
                settings = replace(settings, learning_rate=settings.rate_from_nothing)
        method = METHOD_CLASSES[settings.method]
        wanted = settings.steps or _steps_of_epochs(settings, areas)
        steps = max(method.fewest_steps, min(wanted, method.most_steps))
        return cls(preset, settings, steps, device, rasters, styles, encoder, origin, general, truth, made_by)

    def trainer(
        self,
        settings: PretrainSettings,
        seed: int,
        feedback: Feedback,
        world: World = ALONE,
        numbers: torch.dtype | None = None,
    ) -> Trainer:
        """Return what trains the encoder, with settings that may differ in the size of a batch.

        Args:
            numbers: Numbers to compute with, as ``Trainer`` has it.
        """
        first = self.rasters.sources[0]
        ends, bands = BlackAndWhite.of(self.rasters.normalisation, first.dtype), len(first.bands)
        return Trainer(settings, self.steps, self.encoder, seed, self.device, bands, feedback, world, ends, numbers)

    def sampler(self, settings: PretrainSettings, seed: int) -> PatchSampler:
        """Return what draws the batches, likewise."""
        s = settings
        return PatchSampler(
            self.rasters,
            PatchDraw(s.batch_size, s.crop_size, s.scales, s.points, seed, s.patch_size, s.transfer),
            memory_for_pixels(),
            self.device,
            METHOD_CLASSES[s.method].sampling_requirements(s),
            self.styles,
        )


def _styles(job: Pretrain, named: RasterSource, used: RasterSource, feedback: Feedback) -> list[RasterSource]:
    """Return the rasters to take other colours from, with the bands and on the working grid of those learned from.

    Args:
        named: The first raster of the job with the bands that it was opened with.
        used: The same raster with the bands that are used.
    """
    if not job.style:
        return []
    opened = open_all((job.rasters[0], *job.style), job.bands, feedback)[1:]
    places = [named.bands.index(band) for band in used.bands]
    chosen = [source.with_bands([source.bands[place] for place in places]) for source in opened]
    return [source.at_factor(used.factor) if used.factor > 1 else source for source in chosen]


def _encoder(
    job: Pretrain, settings: PretrainSettings, source: RasterSource, feedback: Feedback
) -> tuple[PretrainSettings, nn.Module, dict[str, Any]]:
    """Return the encoder to train, and where its weights come from; nothing where they are random.

    Weights of the preset's backbone may be out of reach. Then the general encoder is trained instead, as the settings say.
    """
    if settings.weights == GENERAL and not job.backbone:
        backbone, trained, origin = encoder_that_others_trained(settings.encoder, source.name, source.colours, feedback)
        return replace(settings, encoder=backbone), trained, origin
    encoder = build_encoder(settings.encoder, len(source.bands))
    origin = start_from(settings.weights, encoder, settings.encoder, source.name, source.colours, feedback)
    return settings, encoder, origin


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
