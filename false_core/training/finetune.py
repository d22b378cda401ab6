"""Fine-tuning: from encoders and a few labels to a land-cover model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from false_core.accuracy.cross_validated import accuracy_of_held_out
from false_core.computing.cost import is_worth_telling
from false_core.computing.device import tell_precision
from false_core.computing.distributed import ALONE, World
from false_core.computing.precision import of_training
from false_core.feedback import Feedback
from false_core.jobs import Finetune
from false_core.labels.annotation import Annotation
from false_core.labels.label_warnings import label_warnings
from false_core.labels.reading import read_annotation
from false_core.labels.split import split
from false_core.models.model_file import LEANS_TO, PRECISION, SHAPES, ModelCard, save_model
from false_core.models.model_report import accuracy_in_short, leaning_in_words
from false_core.models.weights import NONE
from false_core.presets import FINETUNE, FinetuneSettings, with_overrides
from false_core.raster.classes import read_legend
from false_core.raster.georeference import ground_facts
from false_core.raster.source import RasterSource
from false_core.reports.page import write_report
from false_core.sampling.cache import ChunkCache
from false_core.sampling.label_crops import label_crops
from false_core.sampling.labelled import LabelledRaster, on_valid_pixels
from false_core.settings import memory_for_pixels
from false_core.training.checkpoint import Checkpoint
from false_core.training.curves import Curves
from false_core.training.finetuning_cost import LABEL_TILE_PX, decoder_cost, decoder_precision, fitting_cost, tiles_looked_at
from false_core.training.finetuning_report import LEARNING_WAS_CHECKED, LEARNS_FROM_RASTER, finetuning_report
from false_core.training.heads.fit import fit_head
from false_core.training.labels_picture import draw_labels
from false_core.training.segmenter_card import PATCH, card_of
from false_core.training.segmenter_training import train_segmenter
from false_core.training.start import (
    NETWORK_HEAD,
    Start,
    begin,
    frozen_encoders,
    measured,
    measured_raster,
    open_raster,
    smoothing_px,
)


def finetune(job: Finetune, feedback: Feedback, world: World = ALONE) -> dict[str, Any]:
    """Run a ``Finetune`` job: write the model file and, if asked for, the report. Return its results by name.

    Args:
        job: Job to do.
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
        assert made.learned_from is not None  # The first process knows it.
        save_model(job.model, made.card, made.network, crops=label_crops(made.learned_from, job.seed))
        if job.report:
            write_report(job.report, report)
    if made.checkpoint:
        made.checkpoint.remove()
    return scores


def _report(made: _UnwrittenModel, notes: Sequence[str]) -> str:
    assert made.learned_from is not None  # The first process knows it.
    about, picture = ground_facts(made.learned_from.source), draw_labels(made.learned_from)
    return finetuning_report(made.card, made.curves, made.confusion, notes, picture, about)


@dataclass(frozen=True)
class _UnwrittenModel:
    """A model that is not written yet, and what its report shows."""

    card: ModelCard
    network: nn.Module
    confusion: npt.NDArray[np.number[Any]] | None
    curves: Curves | None = None
    checkpoint: Checkpoint | None = None
    learned_from: LabelledRaster | None = None


def _train(start: Start, feedback: Feedback, world: World) -> _UnwrittenModel:
    """Train a decoder, and the encoder with it unless that is frozen."""
    job, base = start.job, start.base
    settings = decoder_settings(start)
    if not base and job.weights == NONE:
        feedback.warn("No encoder given: the network learns from the labels alone.")
    with feedback.stage("Reading the labels", 0.03):
        source, normalisation = measured(job, base, open_raster(job, base, settings, feedback), feedback, world)
        cache = ChunkCache([source], normalisation, memory_for_pixels(), start.device)
        annotation = _labels(job, source, cache, feedback)
        training, held_out = split(annotation, job.validation, source.width, source.height, job.seed)
        _warn_of_labels(annotation, held_out, job.validation > 0, source, feedback)
    raster = LabelledRaster(source, normalisation, annotation)
    numbers = decoder_precision(job, settings, raster, start.device, feedback, world)
    told = of_training(start.device, numbers)
    tell_precision(told, start.device, feedback)
    if world is ALONE and is_worth_telling(settings.steps * settings.batch_size * settings.crop_size**2):
        feedback.info(decoder_cost(settings, raster, start.device, numbers, feedback).told())
    parts = (training, held_out)
    trained = train_segmenter(job, settings, base, raster, cache, parts, start.device, numbers, feedback, world)
    method = {"name": "finetune", "head": NETWORK_HEAD, "preset": start.preset, **asdict(settings), "seed": job.seed}
    method[PRECISION] = told
    accuracy = None
    if held_out is not None and trained.confusion is not None:
        accuracy = accuracy_of_held_out(trained.confusion, held_out.pixels, held_out.targets, job.validation)
    card = replace(
        card_of(start, source, normalisation, annotation, accuracy, trained.confusion, settings.encoder, method),
        decoder=settings.decoder,
        patch_size=settings.crop_size,
    )
    if trained.origin:
        card = replace(card, provenance={**card.provenance, "weights": trained.origin})
    return _UnwrittenModel(card, trained.network, trained.confusion, trained.curves, trained.checkpoint, raster)


def _fit(start: Start, feedback: Feedback, world: World) -> _UnwrittenModel:
    """Fit linear classifiers to features of frozen encoders."""
    job = start.job
    with feedback.stage("Reading the labels", 0.05):
        raster = labelled_raster(start, feedback, world)
    source, normalisation, annotation = raster.source, raster.normalisation, raster.annotation
    if not world.share.is_main:
        scores: dict[str, float] = world.broadcast_object(dict)
        card = card_of(start, source, normalisation, annotation, None, None, "", {})
        return _UnwrittenModel(replace(card, provenance={"scores": scores}), nn.Identity(), None)
    encoders, origin = frozen_encoders(job, start.base, source, feedback)
    smoothing = smoothing_px(job, source)
    with feedback.stage("Fitting", 0.02):
        if is_worth_telling(tiles_looked_at(raster, job.seed) * LABEL_TILE_PX**2):
            feedback.info(fitting_cost(job.head, encoders, raster, job.seed, start.device, feedback).told())
    # It has stages of its own.
    fitted = fit_head(
        job.head,
        encoders,
        raster,
        smoothing,
        job.seed,
        start.device,
        feedback,
        may_learn_from_raster=job.unlabelled,
    )
    comparison = fitted.comparison
    method = {
        "name": "finetune",
        "head": comparison.chosen.name,
        "asked for": job.head,
        "preset": start.preset,
        "smoothing": job.smoothing,
        "compared": {c.name: value for c, value in zip(comparison.candidates, comparison.scores) if math.isfinite(value)},
        LEARNS_FROM_RASTER: comparison.learns_from_raster,
        LEARNING_WAS_CHECKED: comparison.was_checked,
        LEANS_TO: {str(annotation.classes.classes[k].code): share for k, share in fitted.leans_to.items()},
        "seed": job.seed,
    }
    backbone = encoders[-1].backbone if encoders else ""
    card = card_of(start, source, normalisation, annotation, fitted.accuracy, fitted.confusion, backbone, method)
    card = replace(card, head=fitted.segmenter.spec, patch_size=PATCH)
    if leaning := leaning_in_words(card):
        feedback.info(leaning)
    if origin:
        card = replace(card, provenance={**card.provenance, "weights": origin})
    world.broadcast_object(lambda: card.provenance["scores"])
    return _UnwrittenModel(card, fitted.segmenter, fitted.confusion, learned_from=raster)


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


def _labels(job: Finetune, source: RasterSource, cache: ChunkCache, feedback: Feedback) -> Annotation:
    annotation = read_annotation(job.labels, job.field, source, read_legend(job.legend), feedback)
    return on_valid_pixels(annotation, cache, feedback)


def _warn_of_labels(
    annotation: Annotation, held_out: Annotation | None, scored: bool, source: RasterSource, feedback: Feedback
) -> None:
    for warning in label_warnings(annotation, held_out, scored, source.width, source.height):
        feedback.warn(warning)
