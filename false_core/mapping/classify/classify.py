"""Classifying: a model and a raster in, a land-cover map out, however large, by however many processes."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from torch import nn

from false_core import jobs
from false_core.cost import is_worth_telling
from false_core.device import choose_device
from false_core.distributed import ALONE, Share, World
from false_core.errors import Cancelled, InputError
from false_core.feedback import Feedback
from false_core.jobs import Classify
from false_core.mapping.classify.assemble import Assembly, layers_of
from false_core.mapping.classify.compute import compute_strips, network_of
from false_core.mapping.classify.cost import disk_needed, mapping_cost
from false_core.mapping.classify.plan import MapPlan, Strip, own_share, runs_of
from false_core.mapping.classify.store import MAP, JobStart, StripStore, digest_of
from false_core.mapping.map_overview import MapOverview
from false_core.mapping.map_report import classification_report
from false_core.mapping.raster_for_model import check_maps, open_for_model
from false_core.models.from_file import check_segmenter
from false_core.models.header import SEGMENTER
from false_core.models.model_file import read_card
from false_core.precision import in_words
from false_core.publish import published
from false_core.raster.file_state import raster_signature, was_changed
from false_core.raster.map_file import sidecars, write_class_names, write_style
from false_core.raster.mosaic import VRT_ENDING
from false_core.reports.page import write_report

WORTH_SAYING = 2e9
"""Bytes of disk from which on the user is told."""
MANY_PIXELS = 40_000_000_000
"""In one file. The map is one of several GB then, and its description, which is read first, one of several MB."""
MUCH_NODATA = 0.5
"""Share of a map without a class above which the user is asked, in effect, whether that is meant."""


def classify(job: Classify, feedback: Feedback, world: World = ALONE) -> dict[str, Any]:
    """Run a ``Classify`` job: write the map and, if asked for, its confidence. Return its results by name.

    Of several processes each computes its share, and the first one writes.
    """
    start = JobStart.of([job.output], world)
    with Classification(job, start, world.share, feedback) as classification:
        classification.compute()
        return classification.finish() if classification.is_first else {}


def plan_of(job: Classify, feedback: Feedback) -> MapPlan:
    """Return what a job maps, and how."""
    card = read_card(job.model, SEGMENTER)
    check_segmenter(job.model, card)
    source = open_for_model(job.raster, job.model, card, feedback)
    extent = jobs.parse_extent(job.extent) if job.extent else None
    return MapPlan.of(card, source, source.window_of(extent), bool(job.confidence))


class Classification:
    """A ``Classify`` job on its way. To be entered before anything is computed.

    What is finished stays where the job ends early, and the same job goes on with it.
    """

    def __init__(self, job: Classify, start: JobStart, share: Share, feedback: Feedback, first_owner: int = 0) -> None:
        self._job, self._start, self._share, self._feedback = job, start, share, feedback
        self.is_first = share.rank == 0
        self._is_done = False
        with feedback.stage("Starting", 0.04):
            check_maps(job.output, job.confidence)
            self._device = choose_device(job.device, feedback)
            self._plan = plan_of(job, feedback)
            self._card, source = self._plan.card, self._plan.source
            self._layers = layers_of(self._plan, job.output, job.confidence)
            self._own = list(
                own_share(self._plan.strips, Share((share.rank - first_owner) % share.world_size, share.world_size))
            )
            self._signature = raster_signature(source.files)
            decisive = [job.raster, digest_of(Path(job.model)), job.extent, job.device, self._signature, self._plan.decisive]
            decisive.append(in_words(self._device))
            self._store = StripStore(job.output, decisive)
            self._assembly = Assembly(self._plan, self._store, start.run_id)

    def __enter__(self) -> Classification:
        if self.is_first:
            self._store.open()
            self._store.lock()
        elif not self._store.path.exists() and self._start.was_written(self._job.output):
            self._own.clear()  # The first process has put the map together, of strips from an earlier run, before this came.
        elif self._own:
            self._store.open()
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if self.is_first:
            self._store.close(self._is_done, self._share.world_size > 1)
        elif isinstance(error, InputError):
            self._store.report_failure(self._start.run_id, error)

    @property
    def is_complete(self) -> bool:
        """Whether all strips are there, those of other processes too."""
        return not self._assembly.awaited()

    def compute(self) -> None:
        """Compute the strips of this process that are not there yet."""
        feedback = self._feedback
        missing = self._missing()
        if missing and self.is_first:
            self._check_space()
            self._tell_cost(missing)
        network = network_of(self._job.model, self._card, self._device) if missing else None
        with feedback.stage("Classifying", 0.9):
            if network is not None:
                self._compute(network, missing)

    def finish(self) -> dict[str, Any]:
        """Write the outputs when all strips are there. Return the results of the job by name."""
        job, card, feedback, source = self._job, self._card, self._feedback, self._plan.source
        with feedback.stage("Writing the map", 0.06):
            self._assembly.wait(feedback)
            overview = self._overview()
            with ExitStack() as stack:
                for layer in self._layers:
                    beside = self._assembly.beside(layer)
                    shown = sidecars(layer.target, source.path) if layer.name == MAP else []
                    # A mosaic holds the names itself.
                    shown = [path for path in shown if path.endswith(".qml") or not beside]
                    paths = stack.enter_context(published(layer.target, *beside, *shown))
                    self._assembly.write(layer, paths[0], feedback)
                    for path in paths[1 + len(beside) :]:
                        (write_style if path.suffix == ".qml" else write_class_names)(path, card.classes)
                without = 1 - overview.classified / overview.total
                if without > MUCH_NODATA:
                    feedback.warn(f"{100 * without:.0f} % of the map has no class, as {source.name} is nodata there.")
                report = classification_report(card, overview, source, feedback.warnings) if job.report else ""
            if job.report:
                write_report(job.report, report)
            self._is_done = True
            for layer in self._layers:
                self._assembly.remove_earlier_tiles(layer)
        return {"pixels": overview.classified}

    def _missing(self) -> list[Strip]:
        """Return the strips of this process that are not there from an earlier run."""
        found = [strip for strip in self._own if self._store.is_finished(strip)]
        damaged = [strip for strip in found if self._store.has_changed(strip)]
        for strip in damaged:
            self._store.remove(strip)
        if damaged:
            self._feedback.warn(f"{len(damaged)} strip(s) of an interrupted run are damaged. They are computed again.")
        there = [strip for strip in found if strip not in damaged]
        self._assembly.add(there)
        if there:
            self._feedback.info(f"Going on with {len(there)} of {len(self._own)} strips from an interrupted run.")
        return [strip for strip in self._own if strip not in there]

    def _compute(self, network: nn.Module, strips: Sequence[Strip]) -> None:
        try:
            compute_strips(self._plan, network, self._device, strips, self._store, self._feedback)
        except Cancelled:
            finished = sum(map(self._store.is_finished, self._plan.strips))
            if finished:
                self._feedback.info(
                    f"{finished} of {len(self._plan.strips)} strips of the map are finished. They lie in {self._store.path} "
                    "for the same job to go on with. Delete that folder if you do not want them."
                )
            raise
        self._assembly.add(strips)

    def _tell_cost(self, strips: Sequence[Strip]) -> None:
        tiles = sum(len(run.columns) * len(run.rows) for run in runs_of(strips))
        if self._share.world_size == 1 and is_worth_telling(tiles * self._plan.tiles.side**2):
            self._feedback.info(mapping_cost(self._plan, tiles, self._job.model, self._device, self._feedback).told())

    def _check_space(self) -> None:
        """Say how much disk it takes, where that is much or more than there is."""
        pixels = self._plan.window.width * self._plan.window.height
        needed = disk_needed(self._plan)
        free = shutil.disk_usage(self._store.path).free
        text = f"The map may take {needed / 1e9:,.1f} GB of disk while it is made, and {free / 1e9:,.1f} GB are free"
        if free < needed:
            self._feedback.warn(
                f"{text}. Should the disk fill up, what is finished is kept, and the same job goes on with it."
            )
        elif needed > WORTH_SAYING:
            self._feedback.info(f"{text}.")
        if pixels > MANY_PIXELS and not self._layers[0].is_mosaic:
            self._feedback.info(
                f"{pixels:,} pixels in one file are slow to copy and to read over a network. With a name that ends in "
                f"{VRT_ENDING} the map becomes tiles."
            )

    def _overview(self) -> MapOverview:
        """Return the overview of the map. Where it is of no use, the strips are not either, and are removed in the end."""
        source = self._plan.source
        try:
            if was_changed(source.files, self._signature):
                raise InputError(f"{source.name} was changed while it was classified.", "Start the job again.")
            return self._assembly.overview()
        except InputError:
            self._is_done = True
            raise
