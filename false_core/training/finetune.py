"""Fine-tuning: from encoders and a few labels to a land-cover model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from false_core.accuracy.cross_validated import AccuracyEstimate, accuracy_of_held_back
from false_core.accuracy.metrics import score
from false_core.cost import is_worth_telling
from false_core.device import choose_device
from false_core.distributed import ALONE, World
from false_core.errors import RequestError
from false_core.feedback import Feedback
from false_core.jobs import Finetune
from false_core.labels.annotation import Annotation, read_annotation
from false_core.labels.label_warnings import label_warnings
from false_core.labels.split import split
from false_core.mapping.raster_for_model import open_for_model
from false_core.models.encoder import build_encoder
from false_core.models.from_file import check_fits, encoder_from, general_from
from false_core.models.general import BACKBONE, GENERAL
from false_core.models.header import ENCODER, SEGMENTER
from false_core.models.model_file import MADE_BY, MISSING_SHAPES, SHAPES, ModelCard, read_card, save_model
from false_core.models.model_report import accuracy_in_short
from false_core.models.record import record_of
from false_core.models.weights import NONE, start_from
from false_core.presets import FINETUNE, FinetuneSettings, with_overrides
from false_core.raster.classes import read_legend
from false_core.raster.georeference import ground_facts
from false_core.raster.source import RasterSource
from false_core.raster.statistics import Normalisation
from false_core.raster.working_grid import on_working_grid, open_all
from false_core.reports.page import write_report
from false_core.sampling.cache import ChunkCache
from false_core.sampling.labelled import LabelledRaster, on_valid_pixels
from false_core.settings import memory_for_pixels
from false_core.training.bands import measured_bands
from false_core.training.checkpoint import Checkpoint
from false_core.training.curves import Curves
from false_core.training.finetuning_cost import LABEL_TILE_PX, decoder_cost, fitting_cost, tiles_looked_at
from false_core.training.finetuning_report import finetuning_report
from false_core.training.heads.fit import FrozenEncoder, fit_head, zooms_for
from false_core.training.labels_picture import draw_labels
from false_core.training.preset_choice import choose_preset
from false_core.training.segmenter_training import train_segmenter

NETWORK_HEAD = "network"
"""The head that is trained step by step: a decoder, with the encoder below it."""
PATCH = 64
"""Working pixels that a model of frozen features is said to look at, where a length is needed."""


def finetune(job: Finetune, feedback: Feedback, world: World = ALONE) -> dict[str, Any]:
    """Run a ``Finetune`` job: write the model file and, if asked for, the report. Return its results by name.

    Args:
        job: What to do.
        feedback: The listener that is told of progress.
        world: The processes that do it together. A decoder is trained by all of them, each a share of every batch; other
            heads are a matter of seconds, and the first process fits them.
    """
    with feedback.stage("Starting", 0.02):
        start = begin(job, feedback, world=world)
    made = (_train if job.head == NETWORK_HEAD else _fit)(start, feedback, world)
    told: dict[str, float] = made.card.provenance["scores"]
    # Where nothing is known no number is told: any could be taken for a score.
    scores: dict[str, Any] = {name: value for name, value in told.items() if name != SHAPES}
    scores["accuracy"] = accuracy_in_short(made.card)
    if not world.share.is_main:
        return scores
    with feedback.stage("Writing", 0.03):
        report = _report(made, feedback.warnings) if job.report else ""
        save_model(job.model, made.card, made.network)
        if job.report:
            write_report(job.report, report)
    if made.checkpoint:
        made.checkpoint.remove()
    return scores


def _report(made: _Made, notes: Sequence[str]) -> str:
    assert made.learned_from is not None  # The first process knows it.
    about, picture = ground_facts(made.learned_from.source), draw_labels(made.learned_from)
    return finetuning_report(made.card, made.curves, made.confusion, notes, picture, about)


@dataclass(frozen=True)
class Start:
    """What is known before the raster is opened: job, preset, card of the encoder file, record of the making, device."""

    job: Finetune
    preset: str
    base: ModelCard | None
    made_by: dict[str, Any]
    device: torch.device


def begin(job: Finetune, feedback: Feedback, is_recorded: bool = True, world: World = ALONE) -> Start:
    """Return what a job starts from, once it is clear that it can.

    Args:
        job: What was asked for.
        feedback: Told what computes, and with which preset.
        is_recorded: Whether to look at all inputs for the record of the making, which takes a while.
        world: The processes that do the job together, and take the same preset.
    """
    device = choose_device(job.device, feedback)
    preset = choose_preset(job.preset, device, feedback, world)
    base = read_card(job.encoder, ENCODER) if job.encoder else None
    if base and job.encoder:
        check_fits(job.encoder, lambda: build_encoder(base.encoder, len(base.bands)))
    if job.head != NETWORK_HEAD and job.weights != GENERAL and not base:
        raise RequestError(
            f"The head {job.head} has no encoder to build on: no encoder file is given, and the general encoder is off.",
            "Choose an encoder file, or the general encoder.",
        )
    return Start(job, preset, base, record_of(job, device) if is_recorded else {}, device)


@dataclass(frozen=True)
class _Made:
    """A model that is not written yet, and what its report shows."""

    card: ModelCard
    network: nn.Module
    confusion: npt.NDArray[np.number[Any]] | None
    curves: Curves | None = None
    checkpoint: Checkpoint | None = None
    learned_from: LabelledRaster | None = None


def _train(start: Start, feedback: Feedback, world: World) -> _Made:
    """Train a decoder, and the encoder with it unless that is frozen."""
    job, base = start.job, start.base
    settings = decoder_settings(start)
    if not base and job.weights == NONE:
        feedback.warn("No encoder given: the network learns from the labels alone.")
    with feedback.stage("Reading the labels", 0.03):
        source, normalisation = _measured(job, base, _open(job, base, settings, feedback), feedback, world)
        cache = ChunkCache([source], normalisation, memory_for_pixels(), start.device)
        annotation = _labels(job, source, cache, feedback)
        training, held_back = split(annotation, job.validation, source.width, source.height, job.seed)
        _warn_of_labels(annotation, held_back, job.validation > 0, source, feedback)
    raster = LabelledRaster(source, normalisation, annotation)
    if world is ALONE and is_worth_telling(settings.steps * settings.batch_size * settings.crop_size**2):
        feedback.info(decoder_cost(settings, raster, start.device, feedback).told())
    trained = train_segmenter(job, settings, base, raster, cache, (training, held_back), start.device, feedback, world)
    method = {"name": "finetune", "head": NETWORK_HEAD, "preset": start.preset, **asdict(settings), "seed": job.seed}
    accuracy = None
    if held_back is not None and trained.confusion is not None:
        accuracy = accuracy_of_held_back(trained.confusion, held_back.pixels)
    card = replace(
        card_of(start, source, normalisation, annotation, accuracy, trained.confusion, settings.encoder, method),
        decoder=settings.decoder,
        patch_size=settings.crop_size,
    )
    if trained.origin:
        card = replace(card, provenance={**card.provenance, "weights": trained.origin})
    return _Made(card, trained.network, trained.confusion, trained.curves, trained.checkpoint, raster)


def _fit(start: Start, feedback: Feedback, world: World) -> _Made:
    """Fit linear classifiers to features of frozen encoders."""
    job = start.job
    with feedback.stage("Reading the labels", 0.05):
        raster = labelled_raster(start, feedback, world)
    source, normalisation, annotation = raster.source, raster.normalisation, raster.annotation
    if not world.share.is_main:
        scores: dict[str, float] = world.broadcast_object(dict)
        card = card_of(start, source, normalisation, annotation, None, None, "", {})
        return _Made(replace(card, provenance={"scores": scores}), nn.Identity(), None)
    encoders, origin = frozen_encoders(job, start.base, source, feedback)
    with feedback.stage("Fitting", 0.9):
        if is_worth_telling(tiles_looked_at(raster, job.seed) * LABEL_TILE_PX**2):
            feedback.info(fitting_cost(job.head, encoders, raster, job.seed, start.device, feedback).told())
        smoothing = smoothing_px(job, source)
        fitted = fit_head(job.head, encoders, raster, smoothing, job.seed, start.device, feedback)
    comparison = fitted.comparison
    method = {
        "name": "finetune",
        "head": comparison.chosen.name,
        "asked for": job.head,
        "preset": start.preset,
        "smoothing": job.smoothing,
        "compared": {c.name: value for c, value in zip(comparison.candidates, comparison.scores) if math.isfinite(value)},
        "seed": job.seed,
    }
    card = card_of(
        start, source, normalisation, annotation, fitted.accuracy, fitted.confusion, encoders[-1].backbone, method
    )
    card = replace(card, head=fitted.segmenter.spec, patch_size=PATCH)
    if origin:
        card = replace(card, provenance={**card.provenance, "weights": origin})
    world.broadcast_object(lambda: card.provenance["scores"])
    return _Made(card, fitted.segmenter, fitted.confusion, learned_from=raster)


def measured_raster(start: Start, feedback: Feedback, world: World = ALONE) -> tuple[RasterSource, Normalisation]:
    """Open the raster of a job with a head of frozen features, and measure what its encoder file does not say."""
    job, base = start.job, start.base
    source = _open(job, base, FINETUNE[start.preset], feedback)
    return _measured(job, base, source, feedback, world)


def decoder_settings(start: Start) -> FinetuneSettings:
    """Return the settings of a job that trains a decoder."""
    job, settings = start.job, with_overrides(FINETUNE[start.preset], start.job)
    if start.base:
        return replace(settings, encoder=start.base.encoder)
    if job.weights == NONE:
        # An untrained encoder has nothing to preserve, and nothing a decoder could build on.
        return replace(settings, freeze=bool(job.freeze), decoder_first=0.0, encoder_rate=1.0)
    return settings


def labelled_raster(start: Start, feedback: Feedback, world: World = ALONE) -> LabelledRaster:
    """Open the raster of a job with a head of frozen features, and read its labels."""
    job = start.job
    source, normalisation = measured_raster(start, feedback, world)
    annotation = _labels(job, source, ChunkCache([source], normalisation, memory_for_pixels(), start.device), feedback)
    _warn_of_labels(annotation, None, False, source, feedback)
    return LabelledRaster(source, normalisation, annotation)


def smoothing_px(job: Finetune, source: RasterSource) -> float:
    """Return the standard deviation of the window in which a job averages probabilities, in working pixels."""
    return job.smoothing / (source.pixel_size * source.factor)


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
        encoder = build_encoder(BACKBONE, len(source.bands))
        origin = start_from(GENERAL, encoder, BACKBONE, source.name, source.colours, feedback)
        encoders.append(FrozenEncoder(BACKBONE, encoder.state_dict(), zooms))
    if base and job.encoder:
        encoders.append(FrozenEncoder(base.encoder, encoder_from(job.encoder, base).state_dict(), zooms))
    return encoders, origin


def _labels(job: Finetune, source: RasterSource, cache: ChunkCache, feedback: Feedback) -> Annotation:
    annotation = read_annotation(job.labels, job.field, source, read_legend(job.legend), feedback)
    return on_valid_pixels(annotation, cache, feedback)


def _warn_of_labels(
    annotation: Annotation, held_back: Annotation | None, scored: bool, source: RasterSource, feedback: Feedback
) -> None:
    for warning in label_warnings(annotation, held_back, scored, source.width, source.height):
        feedback.warn(warning)


def _measured(
    job: Finetune, base: ModelCard | None, source: RasterSource, feedback: Feedback, world: World
) -> tuple[RasterSource, Normalisation]:
    """Return the raster with the bands that are learned from, and their normalisation: the encoder file's, or its own."""
    if base:
        return source, base.normalisation
    sources, normalisation = measured_bands([source], [source.window_of(None)], bool(job.bands), feedback, world)
    return sources[0], normalisation


def _open(job: Finetune, base: ModelCard | None, settings: FinetuneSettings, feedback: Feedback) -> RasterSource:
    """Open the raster on the working grid the encoder was trained on, or on the preset's."""
    if base:
        return open_for_model(job.raster, str(job.encoder), base, feedback, job.bands)
    return on_working_grid(open_all((job.raster,), job.bands, feedback), None, settings.most_pixels, feedback)[0]


def _counts(annotation: Annotation) -> dict[str, list[int]]:
    """Return the number of shapes and of labelled pixels by class code."""
    pixels = annotation.pixels
    return {
        str(c.code): [int((annotation.targets == k).sum()), round(float(pixels[annotation.targets == k].sum()))]
        for k, c in enumerate(annotation.classes)
    }


def card_of(
    start: Start,
    source: RasterSource,
    normalisation: Normalisation,
    annotation: Annotation,
    accuracy: AccuracyEstimate | None,
    confusion: npt.NDArray[np.number[Any]] | None,
    encoder: str,
    method: dict[str, Any],
) -> ModelCard:
    """Return the card of a model without what depends on its head.

    Args:
        start: The job, and what it starts from.
        source: The raster on its working grid.
        normalisation: The normalisation of its bands.
        annotation: The labels.
        accuracy: What is known of the map's accuracy.
        confusion: Of held-out labels, true classes in rows.
        encoder: The timm backbone of the encoder that was pretrained last.
        method: How the model is made, and with which settings.
    """
    distance = source.ground_sample_distance
    missing = accuracy.missing if accuracy else ()
    return ModelCard(
        kind=SEGMENTER,
        encoder=encoder,
        bands=source.band_names,
        band_numbers=source.bands,
        dtype=source.dtype,
        normalisation=normalisation,
        pixel_size=source.pixel_size * source.factor,
        ground_sample_distance=None if distance is None else distance * source.factor,
        patch_size=PATCH,
        classes=annotation.classes,
        method=method,
        provenance={
            "raster": source.name,
            "encoder": start.base.provenance if start.base else "untrained",
            "pretraining": start.base.method if start.base else {},
            "labels": _counts(annotation),
            "scores": _scores(accuracy, confusion),
            MISSING_SHAPES: {str(c.code): number for c, number in zip(annotation.classes, missing) if number},
            MADE_BY: start.made_by,
        },
        descriptions=source.descriptions,
    )


def _scores(accuracy: AccuracyEstimate | None, confusion: npt.NDArray[np.number[Any]] | None) -> dict[str, float]:
    """Return what is known of the map's accuracy: with too few shapes, their number and nothing else."""
    if accuracy is None:
        return {}
    if accuracy.value is None or accuracy.low is None or accuracy.high is None or confusion is None:
        return {SHAPES: accuracy.shapes}
    s = score(confusion)
    scores = {"oa": accuracy.value, "oa_low": accuracy.low, "oa_high": accuracy.high}
    scores |= {"miou": s.miou, "macc": s.macc, "kappa": s.kappa, SHAPES: accuracy.shapes}
    # A score that cannot be computed is left out: JSON has no word for it.
    return {name: value for name, value in scores.items() if math.isfinite(value)}
