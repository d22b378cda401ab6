"""The model of a session as an ordinary model file."""

from __future__ import annotations

from dataclasses import replace

from false_core.checks.protection import protect_inputs
from false_core.labels.annotation import Annotation
from false_core.models.fused import FusedSegmenter
from false_core.models.model_file import LABELLING_SESSION, ModelCard, save_model
from false_core.outputs.publish import check_destinations, locked_outputs
from false_core.sampling.label_crops import label_crops
from false_core.sampling.labelled import LabelledRaster
from false_core.session.live_head import LiveHead
from false_core.session.session_raster import HEAD, SessionRaster
from false_core.session.session_scores import HeldOut
from false_core.session_protocol import Save
from false_core.training.heads.fit import put_in
from false_core.training.segmenter_card import PATCH, card_of


def save_live(request: Save, raster: SessionRaster, head: LiveHead, annotation: Annotation, held_out: HeldOut) -> None:
    """Write the model that the views show.

    Args:
        request: Request with the name of the model, and where the labels are kept.
        raster: The raster, and how it is looked at.
        head: The classifiers of the moment.
        annotation: The labels that they learned from.
        held_out: Labels held out, and what they say of the map.

    Raises:
        OutputError: The file cannot be written, or is one that the session reads.
    """
    job = replace(raster.start.job, labels=request.labels or raster.start.job.raster, model=request.path)
    check_destinations(job)
    protect_inputs(job, job)
    network = FusedSegmenter(raster.spec, len(raster.source.bands), len(head.classes))
    network.features.load_state_dict(raster.parts.state_dict())
    put_in(network, head.fitted, raster.spaces)
    method = {
        "name": LABELLING_SESSION,
        "head": raster.candidate.name,
        "asked for": HEAD,
        "preset": raster.start.preset,
        "smoothing": raster.start.job.smoothing,
        "seed": raster.start.job.seed,
    }
    card = card_of(
        raster.start,
        raster.source,
        raster.normalisation,
        annotation,
        held_out.accuracy,
        held_out.confusion,
        raster.backbones[-1] if raster.backbones else "",
        method,
    )
    crops = label_crops(LabelledRaster(raster.source, raster.normalisation, annotation), job.seed)
    with locked_outputs(job):
        save_model(request.path, _whole(card, raster), network.eval(), crops=crops)


def _whole(card: ModelCard, raster: SessionRaster) -> ModelCard:
    provenance = dict(card.provenance)
    if raster.origin:
        provenance["weights"] = raster.origin
    if raster.model:
        told = raster.model[0].provenance
        provenance |= {name: told[name] for name in ("encoder", "pretraining") if name in told}
    return replace(card, head=raster.spec, patch_size=PATCH, provenance=provenance)
