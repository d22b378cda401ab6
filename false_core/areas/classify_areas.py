"""Classifying areas: from areas and a few labels, or a model, to a layer with the class of each area."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
import torch

from false_core.accuracy.cross_validated import AccuracyEstimate
from false_core.areas.area_encoder import (
    AREA_WIDTH_PX,
    MOST_FACTOR_FOR_AREAS,
    area_encoder,
    factor_for_areas,
)
from false_core.areas.areas_report import areas_report
from false_core.areas.examples import Examples, read_examples
from false_core.areas.head import FittedHead, fit_area_head
from false_core.areas.kept_features import Features, features_of
from false_core.areas.layer import AreaLayer, make_cells, read_areas
from false_core.areas.pooling import Pooling
from false_core.areas.result_file import write_classified
from false_core.computing.device import choose_device
from false_core.computing.distributed import ALONE
from false_core.errors import InputError
from false_core.feedback import Feedback
from false_core.jobs import ClassifyAreas
from false_core.mapping.raster_for_model import open_for_model
from false_core.models.area_classifier import AreaClassifier, AreaEncoder, AreaSpec
from false_core.models.encoder_origin import check_has_encoder
from false_core.models.from_file import area_classifier_from
from false_core.models.general import BACKBONE, GENERAL
from false_core.models.header import AREA_CLASSIFIER, ENCODER
from false_core.models.model_file import MADE_BY, MISSING_SHAPES, SHAPES, ModelCard, facts_of_raster, read_card, save_model
from false_core.models.model_report import accuracy_in_short
from false_core.models.record import record_of
from false_core.raster.classes import ClassTable, read_legend
from false_core.raster.kept_statistics import kept_or_measured_bands
from false_core.raster.measured_bands import measured_bands
from false_core.raster.source import BoolArray, RasterSource
from false_core.raster.statistics import Normalisation
from false_core.raster.working_grid import open_all
from false_core.reports.page import write_report

FloatArray = npt.NDArray[np.float32]

SAMPLED_AREAS = 8_192
"""Areas that say what is normal."""


def classify_areas(job: ClassifyAreas, feedback: Feedback) -> dict[str, Any]:
    """Run a ``ClassifyAreas`` job: write the layer and, if asked for, the model and the report. Return its results."""
    with feedback.stage("Starting", 0.05):
        device = choose_device(job.device, feedback)
        base = (
            read_card(job.model, AREA_CLASSIFIER) if job.model else read_card(job.encoder, ENCODER) if job.encoder else None
        )
        check_has_encoder(job.weights, base)
        made_by = record_of(job, device) if job.new_model else {}
        source, normalisation, layer = opened_with_areas(job, base, feedback)
        seen = _with_encoder(job, base, source, feedback)
        examples = None
        if job.labels and job.field:
            legend = read_legend(job.legend)
            examples = read_examples(job.labels, job.field, layer, source, legend, feedback)
    with feedback.stage("Looking at the areas", 0.8):
        shapes = np.concatenate([layer.shapes, examples.more]) if examples else layer.shapes
        pooling = Pooling(seen.encoder.to(device), source, normalisation, device, feedback)
        features = features_of(pooling, shapes, Path(job.output).parent)
    with feedback.stage("Fitting", 0.1):
        if examples:
            head, taught = _fitted_head(job, source, examples, shapes, features, feedback)
            made = _as_model(job, seen, source, normalisation, examples.classes, head, taught, made_by)
        else:
            assert base is not None  # Labels or a model: one is there.
            made = _FittedModel(base, area_classifier_from(str(job.model), base), None)
        answers = _answers(made.classifier, features)
    with feedback.stage("Writing", 0.05):
        own = answers[: len(layer.shapes)]
        known: BoolArray = np.asarray(np.isfinite(own).all(axis=1))
        without = int((~known).sum())
        if without:
            feedback.info(f"{without:,} of {len(own):,} areas hold no valid pixel, and get no class.")
        if examples:
            _keep_labels(own, examples)
        write_classified(job.output, layer.table, own, made.card.classes, job.raster, feedback)
        if job.new_model:
            save_model(job.new_model, made.card, made.classifier)
        if job.report:
            confusion = made.head.confusion if made.head else None
            found = layer.shapes[known], own[known].argmax(axis=1)
            write_report(job.report, areas_report(made.card, *found, without, confusion, source, feedback.warnings))
    told = made.card.provenance.get("scores", {})
    scores = {name: told[name] for name in ("oa", "oa_low", "oa_high") if name in told}
    return {"classified": int(known.sum()), "without": without, "accuracy": accuracy_in_short(made.card), **scores}


@dataclass(frozen=True)
class _ChosenEncoder:
    """The encoder that looks at the areas, and where its weights come from."""

    encoder: AreaEncoder
    origin: dict[str, Any]
    base: ModelCard | None


@dataclass(frozen=True)
class _FittedModel:
    """A classifier, what is said of it, and how it was fitted."""

    card: ModelCard
    classifier: AreaClassifier
    head: FittedHead | None


def opened_with_areas(
    job: ClassifyAreas, base: ModelCard | None, feedback: Feedback
) -> tuple[RasterSource, Normalisation, AreaLayer]:
    """Open the raster on the working grid, and read or make the areas on it."""
    if base:
        source = open_for_model(job.raster, str(job.model or job.encoder), base, feedback, job.bands)
        return source, base.normalisation, _areas(job, source, feedback)
    source = open_all((job.raster,), job.bands, feedback)[0]
    layer = _areas(job, source, feedback)
    factor = _factor(job, layer, source)
    if factor > 1:
        feedback.info(
            f"{source.name}: working on pixels of {source.pixel_size * factor:g} instead of {source.pixel_size:g}."
        )
        source = source.at_factor(factor)
        shapes, beyond = (shapely.transform(some, lambda xy: xy / factor) for some in (layer.shapes, layer.beyond))
        layer = AreaLayer(layer.table, shapes, beyond)
    sources, normalisation = measured_bands(
        [source], [source.window_of(None)], bool(job.bands), feedback, ALONE, kept_or_measured_bands
    )
    return sources[0], normalisation, layer


def _areas(job: ClassifyAreas, source: RasterSource, feedback: Feedback) -> AreaLayer:
    if job.areas:
        return read_areas(job.areas, job.extent, source, feedback)
    assert job.cell is not None  # The codec has seen to it.
    return make_cells(job.cell, job.extent, source)


def _factor(job: ClassifyAreas, layer: AreaLayer, source: RasterSource) -> int:
    """Return how many pixels of the file make a working pixel along each axis."""
    if job.pixel_size:
        return int(min(MOST_FACTOR_FOR_AREAS, max(1, round(job.pixel_size / source.pixel_size))))
    return factor_for_areas(float(np.median(np.sqrt(shapely.area(layer.shapes)))))


def _with_encoder(job: ClassifyAreas, base: ModelCard | None, source: RasterSource, feedback: Feedback) -> _ChosenEncoder:
    if job.model and base:
        return _ChosenEncoder(area_classifier_from(job.model, base).features, {}, base)
    return _ChosenEncoder(*area_encoder(job, base, source, feedback), base)


def _fitted_head(
    job: ClassifyAreas,
    source: RasterSource,
    examples: Examples,
    shapes: npt.NDArray[np.object_],
    features: Features,
    feedback: Feedback,
) -> tuple[FittedHead, dict[str, list[int]]]:
    """Fit a head to the labelled areas. Return it, and how many areas taught it and how large they are, by class code."""
    valid: BoolArray = np.isfinite(features[:, 0])
    used = valid[examples.numbers]
    if not used.all():
        feedback.warn(f"{int((~used).sum())} labelled areas hold no valid pixel, and teach nothing.")
    numbers, targets = examples.numbers[used], examples.targets[used]
    unseen = [c.name for target, c in enumerate(examples.classes) if target not in targets]
    if unseen:
        raise InputError(
            f"No labelled area of {', '.join(unseen)} holds a valid pixel.", "Label others of it, or leave it out."
        )
    chosen = np.flatnonzero(valid)
    chosen = np.sort(np.random.default_rng(job.seed).permutation(chosen)[:SAMPLED_AREAS])
    size = source.width, source.height
    learned, sample = (features[which].astype(np.float32) for which in (numbers, chosen))
    head = fit_area_head(learned, targets, shapes[numbers], sample, examples.classes, size, job.seed)
    taught = {
        str(c.code): [int((targets == k).sum()), round(float(shapely.area(shapes[numbers[targets == k]]).sum()))]
        for k, c in enumerate(examples.classes)
    }
    return head, taught


def _as_model(
    job: ClassifyAreas,
    seen: _ChosenEncoder,
    source: RasterSource,
    normalisation: Normalisation,
    classes: ClassTable,
    head: FittedHead,
    taught: dict[str, list[int]],
    made_by: dict[str, Any],
) -> _FittedModel:
    encoder = seen.encoder
    names = tuple([BACKBONE] * (job.weights == GENERAL) + ([seen.base.encoder] if seen.base else []))
    spec = AreaSpec(names, encoder.photographs, encoder.zooms, head.space.axes.shape[1])
    classifier = AreaClassifier(spec, len(source.bands), len(classes))
    classifier.features = encoder
    classifier.mean.copy_(torch.from_numpy(head.space.mean))
    classifier.axes.copy_(torch.from_numpy(head.space.axes))
    classifier.weights.copy_(torch.from_numpy(head.linear.weights))
    classifier.bias.copy_(torch.from_numpy(head.linear.bias))
    accuracy = head.accuracy
    card = ModelCard(
        kind=AREA_CLASSIFIER,
        encoder=names[-1],
        **facts_of_raster(source),
        normalisation=normalisation,
        patch_size=AREA_WIDTH_PX,
        areas=spec,
        classes=classes,
        method={"name": "classifyareas", "head": "linear", "seed": job.seed},
        provenance={
            "raster": source.name,
            "encoder": seen.base.provenance if seen.base else "untrained",
            "pretraining": seen.base.method if seen.base else {},
            "weights": seen.origin,
            "labels": taught,
            "scores": _scores(accuracy),
            MISSING_SHAPES: {str(c.code): n for c, n in zip(classes, accuracy.missing) if n},
            MADE_BY: made_by,
        },
    )
    return _FittedModel(card, classifier.eval(), head)


def _scores(accuracy: AccuracyEstimate) -> dict[str, float]:
    if accuracy.value is None or accuracy.low is None or accuracy.high is None:
        return {SHAPES: accuracy.shapes}
    scores = {"oa": accuracy.value, "oa_low": accuracy.low, "oa_high": accuracy.high, SHAPES: accuracy.shapes}
    return {name: value for name, value in scores.items() if math.isfinite(value)}


def _answers(classifier: AreaClassifier, features: Features) -> FloatArray:
    """Return logarithms of the probabilities of the classes (n, classes), NaN where an area has no features."""
    with torch.inference_mode():
        classifier = classifier.cpu()
        found = [
            torch.log_softmax(
                classifier.scores(torch.from_numpy(features[start : start + SAMPLED_AREAS].astype(np.float32))), 1
            )
            for start in range(0, len(features), SAMPLED_AREAS)
        ]
    return torch.cat(found).numpy()


def _keep_labels(answers: FloatArray, examples: Examples) -> None:
    """Give labelled areas their class, with certainty; the next likeliest stays the second."""
    for number, target in zip(examples.numbers.tolist(), examples.targets.tolist()):
        if number < len(answers) and np.isfinite(answers[number]).all():
            answers[number] -= 60.0
            answers[number, target] = 0.0
