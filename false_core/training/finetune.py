"""Fine-tuning: from encoders and a few labels to a land-cover model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from false_core.computing.distributed import ALONE, World
from false_core.feedback import Feedback
from false_core.jobs import NETWORK_HEAD, Finetune
from false_core.models.model_file import SHAPES, save_model
from false_core.models.model_report import accuracy_in_short
from false_core.raster.georeference import ground_facts
from false_core.reports.page import write_report
from false_core.sampling.label_crops import label_crops
from false_core.training.decoder_model import train_decoder
from false_core.training.finetuning_report import finetuning_report
from false_core.training.head_model import fit_frozen
from false_core.training.labels_picture import draw_labels
from false_core.training.start import begin
from false_core.training.unwritten_model import UnwrittenModel


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
    made = (train_decoder if job.head == NETWORK_HEAD else fit_frozen)(start, feedback, world)
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


def _report(made: UnwrittenModel, notes: Sequence[str]) -> str:
    assert made.learned_from is not None  # The first process knows it.
    about, picture = ground_facts(made.learned_from.source), draw_labels(made.learned_from)
    return finetuning_report(made.card, made.curves, made.confusion, notes, picture, about)
