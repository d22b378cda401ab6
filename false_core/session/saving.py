"""The model of a session as an ordinary model file."""

from __future__ import annotations

from dataclasses import replace

from false_core.checks.protection import protect_inputs
from false_core.labels.annotation import Annotation
from false_core.models.fused import FusedSegmenter
from false_core.models.model_file import MADE_BY, ModelCard, save_model
from false_core.models.record import record_of
from false_core.outputs.publish import check_destinations, locked_outputs
from false_core.session.ground import HEAD, Ground
from false_core.session.live_head import LiveHead
from false_core.session.session_scores import HeldOut
from false_core.session_protocol import Save
from false_core.training.heads.fit import put_in
from false_core.training.segmenter_card import PATCH, card_of


def save_live(request: Save, ground: Ground, head: LiveHead, annotation: Annotation, held_out: HeldOut) -> None:
    """Write the model that the views show.

    Args:
        request: Request with the name of the model, and where the labels are kept.
        ground: The raster, and how it is looked at.
        head: The classifiers of the moment.
        annotation: The labels that they learned from.
        held_out: Labels held out, and what they say of the map.

    Raises:
        OutputError: The file cannot be written, or is one that the session reads.
    """
    job = replace(
        ground.start.job, labels=request.labels or ground.start.job.raster, field=request.field, model=request.path
    )
    check_destinations(job)
    protect_inputs(job, job)
    network = FusedSegmenter(ground.spec, len(ground.source.bands), len(head.classes))
    network.features.load_state_dict(ground.parts.state_dict())
    put_in(network, head.fitted, ground.spaces)
    method = {
        "name": "labelling session",
        "head": ground.candidate.name,
        "asked for": HEAD,
        "preset": ground.start.preset,
        "smoothing": ground.start.job.smoothing,
        "seed": ground.start.job.seed,
    }
    start = replace(ground.start, made_by=record_of(job, ground.device) if request.labels else {})
    card = card_of(
        start,
        ground.source,
        ground.normalisation,
        annotation,
        held_out.accuracy,
        held_out.confusion,
        ground.backbones[-1] if ground.backbones else "",
        method,
    )
    with locked_outputs(job):
        save_model(request.path, _whole(card, ground, bool(request.labels)), network.eval())


def _whole(card: ModelCard, ground: Ground, is_recorded: bool) -> ModelCard:
    provenance = dict(card.provenance)
    if not is_recorded:
        del provenance[MADE_BY]
    if ground.origin:
        provenance["weights"] = ground.origin
    if ground.model:
        provenance["pretraining"] = ground.model[0].provenance.get("pretraining", {})
    return replace(card, head=ground.spec, patch_size=PATCH, provenance=provenance)
