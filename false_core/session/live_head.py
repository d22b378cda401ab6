"""The classifiers of a session, fitted anew from where they were whenever the labels change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from false_core.models.fused import FusedSegmenter
from false_core.raster.classes import ClassTable
from false_core.session.session_raster import SessionRaster
from false_core.training.heads.fit import put_in
from false_core.training.heads.fits import design, fit_member
from false_core.training.heads.regression import ABSENT, Linear
from false_core.training.heads.samples import FloatArray, LabelledPoints

LIVE_TOLERANCE = 1e-6
"""The relative gain of a step at which a fit ends. Nobody sees what would come after it, and it would take as long again."""


@dataclass(frozen=True)
class LiveHead:
    """The classifier that makes the map of the moment.

    Attributes:
        classes: The classes that it tells apart.
        fitted: Its classifiers by their parts; none where they are those of a model that is gone on from.
        segmenter: The network, on the device, which shares the encoders of the raster.
    """

    classes: ClassTable
    fitted: Mapping[tuple[str, ...], Linear]
    segmenter: FusedSegmenter


def fit_live(
    raster: SessionRaster,
    classes: ClassTable,
    points: LabelledPoints,
    seen: Mapping[str, FloatArray],
    before: LiveHead | None,
    at_step: Callable[[], None],
) -> LiveHead:
    """Fit the classifiers to labelled points.

    Args:
        raster: The raster, and how it is looked at.
        classes: The classes of the points.
        points: The labelled points.
        seen: Their features as classifiers see them, by part.
        before: The classifiers from which to begin.
        at_step: Called at each step; what it raises ends the fit.
    """
    spaces = raster.seen_spaces
    fitted = {}
    for parts in dict.fromkeys(member.parts for member in raster.candidate.members):
        start = _start(before, parts, classes) if before else None
        fitted[parts] = fit_member(parts, design(parts, spaces, seen), points, len(classes), start, at_step, LIVE_TOLERANCE)
    segmenter = FusedSegmenter(raster.spec, len(raster.source.bands), len(classes), raster.quick)
    put_in(segmenter, fitted, raster.spaces)
    segmenter.to(raster.device)
    return LiveHead(classes, fitted, segmenter.eval())


def head_of_model(raster: SessionRaster) -> LiveHead | None:
    """Return the classifiers of the model that is gone on from, if there is one."""
    if raster.model is None:
        return None
    card, network = raster.model
    assert card.head is not None
    segmenter = FusedSegmenter(card.head, len(raster.source.bands), len(card.classes), raster.quick)
    for name, weights in network.weights.items():
        segmenter.weights[name] = weights
    segmenter.bias = network.bias
    segmenter.to(raster.device)
    return LiveHead(card.classes, {}, segmenter.eval())


def _start(before: LiveHead, parts: tuple[str, ...], classes: ClassTable) -> Linear | None:
    """Return earlier weights in the order of the classes of today; a class that is new begins at 0."""
    found = before.fitted.get(parts)
    if found is None:
        return None
    column = {one.code: number for number, one in enumerate(before.classes)}
    weights = np.zeros((len(found.weights), len(classes)), np.float32)
    bias = np.full(len(classes), ABSENT, np.float32)
    for number, one in enumerate(classes):
        if one.code in column:
            weights[:, number], bias[number] = found.weights[:, column[one.code]], found.bias[column[one.code]]
    return Linear(weights, bias)
