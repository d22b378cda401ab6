"""The start of fine-tuning and of a labelling session: a raster that is measured, and encoders.

Nothing here reads labels, trains or draws, so that a session is there as soon as possible.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import torch

from false_core.computing.device import choose_device
from false_core.computing.distributed import ALONE, World
from false_core.errors import RequestError
from false_core.feedback import Feedback
from false_core.jobs import LINEAR_HEAD, NETWORK_HEAD, TEXTURE_HEAD, Finetune, parameters
from false_core.mapping.raster_for_model import open_for_model
from false_core.models.encoder import build_encoder
from false_core.models.from_file import check_fits, encoder_from, general_from
from false_core.models.general import GENERAL
from false_core.models.header import ENCODER
from false_core.models.model_file import ModelCard, read_card
from false_core.models.record import record_of
from false_core.models.weights import encoder_that_others_trained
from false_core.presets import FINETUNE, FinetuneSettings
from false_core.raster.measured_bands import measured_bands
from false_core.raster.source import RasterSource
from false_core.raster.statistics import Normalisation
from false_core.raster.working_grid import on_working_grid, open_all
from false_core.training.heads.fit import FrozenEncoder, zooms_for
from false_core.training.preset_choice import choose_preset

ONLY_OF_NETWORK, ONLY_OF_OTHER_HEADS = ("steps", "freeze", "validation"), ("smoothing", "unlabelled")
"""Parameters of fine-tuning that matter to the one head, and to all others."""


@dataclass(frozen=True)
class Start:
    """The facts before the raster is opened: job, preset, card of the encoder file, record of the making, device."""

    job: Finetune
    preset: str
    base: ModelCard | None
    made_by: dict[str, Any]
    device: torch.device


def begin(job: Finetune, feedback: Feedback, is_recorded: bool = True, world: World = ALONE) -> Start:
    """Return what a job starts from, once it is clear that it can.

    Args:
        job: Job that was asked for.
        feedback: It is told what computes, and with which preset.
        is_recorded: True where all inputs are looked at for the record of the making, which takes a while.
        world: The processes that do the job together, and take the same preset.
    """
    device = choose_device(job.device, feedback)
    preset = choose_preset(job.preset, device, feedback, world)
    base = read_card(job.encoder, ENCODER) if job.encoder else None
    if base and job.encoder:
        if job.backbone and job.backbone != base.encoder:
            feedback.warn(f"The encoder file holds a {base.encoder}: the backbone {job.backbone} is not used.")
        check_fits(job.encoder, lambda: build_encoder(base.encoder, len(base.bands)))
    elif job.backbone and (job.head == TEXTURE_HEAD or (job.head != NETWORK_HEAD and job.weights != GENERAL)):
        feedback.warn(f"The backbone {job.backbone} is not used: this head looks at colours and texture alone.")
    if job.head == LINEAR_HEAD and job.weights != GENERAL and not base:
        raise RequestError(
            f"The head {job.head} has no encoder to build on: no encoder file is given, and the general encoder is off.",
            "Choose an encoder file, the general encoder, or the head auto, which then looks at colours and texture alone.",
        )
    _tell_what_is_not_used(job, feedback)
    return Start(job, preset, base, record_of(job, device) if is_recorded else {}, device)


def _tell_what_is_not_used(job: Finetune, feedback: Feedback) -> None:
    """Warn of parameters that were set and that the head does not look at."""
    declared, usual = parameters(job), {one.name: one.default for one in fields(job)}
    for name in ONLY_OF_OTHER_HEADS if job.head == NETWORK_HEAD else ONLY_OF_NETWORK:
        value = getattr(job, name)
        # A frozen encoder is what linear heads build on anyway.
        if value != usual[name] and not (name == "freeze" and value):
            feedback.warn(f"{declared[name].label} ({name}) is not used: it changes nothing about the head {job.head}.")


def measured_raster(start: Start, feedback: Feedback, world: World = ALONE) -> tuple[RasterSource, Normalisation]:
    """Open the raster of a job with a head of frozen features, and measure what its encoder file does not say."""
    job, base = start.job, start.base
    source = open_raster(job, base, FINETUNE[start.preset], feedback)
    return measured(job, base, source, feedback, world)


def measured(
    job: Finetune, base: ModelCard | None, source: RasterSource, feedback: Feedback, world: World
) -> tuple[RasterSource, Normalisation]:
    """Return the raster with the bands that are learned from, and their normalisation: the encoder file's, or its own."""
    if base:
        return source, base.normalisation
    sources, normalisation = measured_bands([source], [source.window_of(None)], bool(job.bands), feedback, world)
    return sources[0], normalisation


def open_raster(job: Finetune, base: ModelCard | None, settings: FinetuneSettings, feedback: Feedback) -> RasterSource:
    """Open the raster on the working grid the encoder was trained on, or on the preset's."""
    if base:
        return open_for_model(job.raster, str(job.encoder), base, feedback, job.bands)
    return on_working_grid(open_all((job.raster,), job.bands, feedback), None, settings.most_pixels, feedback)[0]


def smoothing_px(job: Finetune, source: RasterSource) -> float:
    """Return the standard deviation of the window in which a job averages probabilities, in working pixels."""
    return job.smoothing / source.working_pixel_size


def frozen_encoders(
    job: Finetune, base: ModelCard | None, source: RasterSource, feedback: Feedback
) -> tuple[list[FrozenEncoder], dict[str, Any]]:
    """Return the encoders to build on, the general one first, and where that comes from."""
    zooms = zooms_for(source.width, source.height)
    encoders: list[FrozenEncoder] = []
    origin: dict[str, Any] = {}
    if base and base.general and job.encoder and job.weights == GENERAL:
        encoders.append(FrozenEncoder(base.general, general_from(job.encoder, base).state_dict(), zooms))
    elif job.weights == GENERAL:
        wanted = _wanted_backbone(job, base)
        general, network, origin = encoder_that_others_trained(wanted, source.name, source.colours, feedback)
        encoders.append(FrozenEncoder(general, network.state_dict(), zooms))
    if base and job.encoder:
        encoders.append(FrozenEncoder(base.encoder, encoder_from(job.encoder, base).state_dict(), zooms))
    return encoders, origin


def _wanted_backbone(job: Finetune, base: ModelCard | None) -> str:
    """Return the backbone that a job asks for; empty where it is not looked at, so that no weights are fetched for it."""
    return "" if base or job.head == TEXTURE_HEAD else job.backbone or ""
