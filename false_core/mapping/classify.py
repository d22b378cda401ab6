"""Classifying: a model and a raster in, a land-cover map out, however large, by however many processes."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from torch import nn

from false_core import jobs
from false_core.device import choose_device
from false_core.distributed import ALONE, Share, World
from false_core.feedback import Feedback
from false_core.jobs import Classify
from false_core.mapping.kept_parts import MAP, digest_of
from false_core.mapping.map_in_parts import Beginning, MapInParts
from false_core.mapping.map_report import classification_report
from false_core.mapping.opening import check_maps, open_for_model, protect
from false_core.models.from_file import check_segmenter, segmenter_from
from false_core.models.inference import for_inference
from false_core.models.model_file import SEGMENTER, ModelCard, read_card
from false_core.publish import published
from false_core.raster.map_file import sidecars, write_class_names, write_style
from false_core.reports.page import write_report

MUCH_NODATA = 0.5
"""Share of a map without a class above which the user is asked, in effect, whether that is meant."""


def classify(job: Classify, feedback: Feedback, world: World = ALONE) -> dict[str, Any]:
    """Run a ``Classify`` job: write the map and, if asked for, its confidence. Return its results by name.

    Of several processes each computes its share, and the first one writes.
    """
    beginning = Beginning.of([job.output], world)
    classification = Classification(job, beginning, world.share, feedback)
    with classification.map:
        classification.compute()
        return classification.finish() if classification.is_first else {}


class Classification:
    """A ``Classify`` job on its way.

    Args:
        job: What to do.
        beginning: What all processes know of the beginning of the job.
        share: Which of them this is.
        feedback: Told how far it is.
        turn: The process that gets the first parts of the map.

    Attributes:
        map: What is made. To be entered before anything is computed.
    """

    def __init__(
        self,
        job: Classify,
        beginning: Beginning,
        share: Share,
        feedback: Feedback,
        turn: int = 0,
    ) -> None:
        self._job, self._feedback = job, feedback
        self.is_first = share.rank == 0
        with feedback.stage("Starting", 0.04):
            check_maps(job.output, job.confidence)
            self._device = choose_device(job.device, feedback)
            self._card = read_card(job.model, SEGMENTER)
            check_segmenter(job.model, self._card)
            source = open_for_model(job.raster, job.model, self._card, feedback)
            protect(source, job.output, job.confidence)
            area = source.window_of(jobs.parse_extent(job.extent) if job.extent else None)
            decisive = (job.raster, digest_of(Path(job.model)), job.extent, job.device)
            self.map = MapInParts(self._card, source, area, job.output, job.confidence, decisive, beginning, share, turn)

    def compute(self) -> None:
        """Compute the parts of this process that are not there yet."""
        feedback = self._feedback
        missing = self.map.missing(feedback)
        if missing and self.is_first:
            self.map.check_space(feedback)
        network = _network(self._job.model, self._card, self._device) if missing else None
        with feedback.stage("Classifying", 0.9):
            if network is not None:
                self.map.compute(network, self._device, missing, feedback)

    def finish(self) -> dict[str, Any]:
        """Write the outputs when all parts are there. Return the results of the job by name."""
        job, card, feedback = self._job, self._card, self._feedback
        source = self.map.sheet.source
        with feedback.stage("Writing the map", 0.06):
            self.map.wait(feedback)
            overview = self.map.overview()
            with ExitStack() as stack:
                for layer in self.map.layers:
                    beside = self.map.beside(layer)
                    shown = sidecars(layer.target, job.raster) if layer.name == MAP else []
                    # A mosaic holds the names itself.
                    shown = [path for path in shown if path.endswith(".qml") or not beside]
                    paths = stack.enter_context(published(layer.target, *beside, *shown))
                    self.map.assemble(layer, paths[0], feedback)
                    for path in paths[1 + len(beside) :]:
                        (write_style if path.suffix == ".qml" else write_class_names)(path, card.classes)
                without = 1 - overview.classified / overview.total
                if without > MUCH_NODATA:
                    feedback.warn(f"{100 * without:.0f} % of the map has no class, as {source.name} is nodata there.")
                report = classification_report(card, overview, source, feedback.warnings) if job.report else ""
            if job.report:
                write_report(job.report, report)
            self.map.done()
        return {"pixels": overview.classified}


def _network(model: str, card: ModelCard, device: torch.device) -> nn.Module:
    network: nn.Module = segmenter_from(model, card)
    return for_inference(network.eval(), len(card.bands)).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]
