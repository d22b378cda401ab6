"""Fine-tuning with a head: linear classifiers are fitted to features of frozen encoders at labelled pixels."""

from __future__ import annotations

import math
from dataclasses import replace

from torch import nn

from false_core.computing.cost import is_worth_telling
from false_core.computing.distributed import World
from false_core.feedback import Feedback
from false_core.models.model_file import LEANS_TO
from false_core.models.model_report import leaning_in_words
from false_core.training.finetuning_cost import LABEL_TILE_PX, fitting_cost, tiles_looked_at
from false_core.training.finetuning_report import LEARNING_WAS_CHECKED, LEARNS_FROM_RASTER
from false_core.training.heads.fit import HeadRequest, fit_head
from false_core.training.reading_labels import labelled_raster
from false_core.training.segmenter_card import PATCH, card_of
from false_core.training.start import Start, frozen_encoders, smoothing_px
from false_core.training.unwritten_model import UnwrittenModel


def fit_frozen(start: Start, feedback: Feedback, world: World) -> UnwrittenModel:
    """Fit linear classifiers to features of frozen encoders."""
    job = start.job
    with feedback.stage("Reading the labels", 0.05):
        raster = labelled_raster(start, feedback, world)
    source, normalisation, annotation = raster.source, raster.normalisation, raster.annotation
    if not world.share.is_main:
        scores: dict[str, float] = world.broadcast_object(dict)
        card = card_of(start, source, normalisation, annotation, None, None, "", {})
        return UnwrittenModel(replace(card, provenance={"scores": scores}), nn.Identity(), None)
    encoders, origin = frozen_encoders(job, start.base, source, feedback)
    asked = HeadRequest(job.head, smoothing_px(job, source), job.seed, job.unlabelled)
    with feedback.stage("Fitting", 0.02):
        if is_worth_telling(tiles_looked_at(raster, job.seed) * LABEL_TILE_PX**2):
            feedback.info(fitting_cost(job.head, encoders, raster, job.seed, start.device, feedback).told())
    # It has stages of its own.
    fitted = fit_head(asked, encoders, raster, start.device, feedback)
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
        LEANS_TO: {str(annotation.classes.classes[k].code): share for k, share in fitted.prior_shares.items()},
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
    return UnwrittenModel(card, fitted.segmenter, fitted.confusion, learned_from=raster)
