"""Classifying: a model and a raster in, a land-cover map out, however large, by however many processes.

A map is planned, computed here or elsewhere, kept where it ends early, and written.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from false_core.cluster import tasks_on_cluster, tell_of_idle_gpus
from false_core.computing.cost import is_worth_telling
from false_core.computing.device import choose_device, tell_precision
from false_core.computing.distributed import ALONE, WHOLE_JOB, Share, World
from false_core.computing.precision import in_words, numbers_with, precision_of, resolved
from false_core.errors import Cancelled, InputError
from false_core.feedback import Feedback
from false_core.jobs import Classify
from false_core.mapping.classify.assemble import Assembly, layers_of
from false_core.mapping.classify.compute import compute_strips, network_of
from false_core.mapping.classify.cost import disk_needed, mapping_cost
from false_core.mapping.classify.numbers import about_int8, agreed_precision, other_network, other_numbers
from false_core.mapping.classify.on_dask import MapsOnDask
from false_core.mapping.classify.plan import Strip, own_share, plan_of, runs_of
from false_core.mapping.classify.store import (
    DIGITS,
    INT8_NETWORK,
    MAP_LAYER,
    TILES_AT_A_TIME,
    JobStart,
    StripStore,
    digest_of,
)
from false_core.mapping.classify.strip_task import FinishedStrips
from false_core.mapping.map_overview import MapOverview
from false_core.mapping.map_report import classification_report
from false_core.mapping.raster_for_model import check_maps
from false_core.outputs.publish import published
from false_core.raster.file_state import raster_signature, was_changed
from false_core.raster.map_file import sidecars, write_class_names, write_style
from false_core.raster.mosaic import VRT_ENDING
from false_core.reports.page import write_report
from false_core.settings import scheduler_name

WORTH_SAYING = 2e9
"""Bytes of disk from which on the user is told."""
MANY_PIXELS = 40_000_000_000
"""Pixels in one file from which on the user is told: the map has several GB then, and its description several MB."""
MUCH_NODATA = 0.5
"""Share of a map without a class above which the user is asked, in effect, whether that is meant."""


def classify(job: Classify, feedback: Feedback, world: World = ALONE) -> dict[str, Any]:
    """Run a ``Classify`` job: write the map and, if asked for, its confidence. Return its results by name.

    Of several processes each computes its share, and the first one writes. Where a scheduler of Dask is named, that has the
    parts of the map computed.
    """
    if scheduler_name():
        return _classify_on_dask(job, feedback)
    tell_of_idle_gpus(job.device, feedback)
    start = JobStart.of([job.output], world)
    with Classification(job, start, world.share, feedback) as classification:
        classification.compute()
        return classification.finish() if classification.is_first else {}


def _classify_on_dask(job: Classify, feedback: Feedback) -> dict[str, Any]:
    start = JobStart.of([job.output], ALONE)
    with Classification(job, start, WHOLE_JOB, feedback, computes=False) as classification:
        missing = classification.missing()
        if missing:
            with tasks_on_cluster(feedback) as tasks, feedback.stage("Classifying", 0.9):
                maps = MapsOnDask(tasks, job.model, feedback)
                maps.hand_out(classification, missing)
                pixels = sum(strip.window.width * strip.window.height for strip in missing)
                done = 0.0
                while maps.has_tasks:
                    _, share, problem = maps.take_next()
                    if problem:
                        raise problem
                    done += share
                    feedback.advance(done * pixels / 1e6, pixels / 1e6, "Mpx")
        return classification.finish()


class Classification:
    """A ``Classify`` job on its way. To be entered before anything is computed.

    What is finished stays where the job ends early, and the same job goes on with it.

    Args:
        computes: True where this process computes its share of the strips. Else they come from others, by ``receive``.

    Attributes:
        job: The job.
        plan: Plan of the map: its window, tiles and strips.
    """

    def __init__(
        self,
        job: Classify,
        start: JobStart,
        share: Share,
        feedback: Feedback,
        first_owner: int = 0,
        computes: bool = True,
    ) -> None:
        # Others who compute parts of it may have another preference.
        self.job = job = replace(job, precision=resolved(job.precision))
        self._start, self._share, self._feedback = start, share, feedback
        self.is_first = share.rank == 0
        self._is_done = False
        with feedback.stage("Starting", 0.04):
            check_maps(job.output, job.confidence)
            self._device = choose_device(job.device, feedback) if computes else None
            self.plan = plan_of(job, feedback)
            self._card, source = self.plan.card, self.plan.source
            self._layers = layers_of(self.plan, job.output, job.confidence)
            self._own = list(
                own_share(self.plan.strips, Share((share.rank - first_owner) % share.world_size, share.world_size))
            )
            self._signature = raster_signature(source.files)
            decisive = [job.raster, digest_of(Path(job.model)), job.extent, job.device, self._signature, self.plan.decisive]
            # CPUs asked for the same take the numbers of the first, whichever these are. Others say with which they compute.
            if self._device is None or self._device.type == "cpu":
                decisive.append(job.precision)
            else:
                decisive.append(in_words(precision_of(self._device, self.plan.use, job.precision)))
            self._store = StripStore(job.output, decisive)
            self._assembly = Assembly(self.plan, self._store, start.run_id)

    def __enter__(self) -> Classification:
        if self.is_first:
            self._store.open()
            self._store.lock()
        elif not self._store.path.exists() and self._start.was_written(self.job.output):
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
    def tiles_at_a_time(self) -> int:
        """The number of tiles that a device computed at a time in an earlier run, or 0."""
        return self._store.number(TILES_AT_A_TIME)

    @property
    def digits(self) -> int:
        """The binary digits of the numbers that strips of an earlier run were computed with, or 0."""
        return self._store.number(DIGITS)

    @property
    def int8_network(self) -> int:
        """The number of what decides which network in int8 strips of an earlier run were computed by, or 0."""
        return self._store.number(INT8_NETWORK)

    @property
    def is_complete(self) -> bool:
        """Return whether all strips are there, those of other processes too."""
        return not self._assembly.awaited()

    def compute(self) -> None:
        """Compute the strips of this process that are not there yet."""
        assert self._device is not None
        missing = self.missing()
        network = None
        if missing:
            numbers = agreed_precision(self._store, self.job, self.plan, self._device, self._feedback)
            if self.is_first:
                tell_precision(in_words(numbers), self._device, self._feedback)
                if numbers == torch.int8:
                    self._feedback.info(about_int8(self.job.model, self._feedback))
                self._tell_cost(missing, self._device, numbers)
            network = network_of(self.job.model, self._card, self._device, numbers)
        with self._feedback.stage("Classifying", 0.9):
            if network is not None:
                self._compute(network, self._device, missing)

    def receive(self, finished: FinishedStrips) -> None:
        """Store strips that another process has computed.

        Raises:
            DeviceError: Earlier ones were computed with other numbers, or by another network in int8.
            OutputError: The disk is full.
        """
        if finished.digits != (agreed := self._store.put_if_absent(DIGITS, finished.digits)):
            raise other_numbers(agreed, finished.digits, self._store)
        if (network := finished.int8_network) and network != self._store.put_if_absent(INT8_NETWORK, network):
            raise other_network(self._store)
        if finished.tiles_at_a_time:
            self._store.put_if_absent(TILES_AT_A_TIME, finished.tiles_at_a_time)
        for number, files in finished.strips.items():
            self._store.receive(self.plan.strips[number], files)
            self._assembly.add([self.plan.strips[number]])

    def finish(self) -> dict[str, Any]:
        """Write the outputs when all strips are there. Return the results of the job by name."""
        job, card, feedback, source = self.job, self._card, self._feedback, self.plan.source
        with feedback.stage("Writing the map", 0.06):
            self._assembly.wait(feedback)
            overview = self._overview()
            with ExitStack() as stack:
                for layer in self._layers:
                    beside = self._assembly.beside(layer)
                    shown = sidecars(layer.target, source.path) if layer.name == MAP_LAYER else []
                    # A mosaic holds the names itself.
                    shown = [path for path in shown if path.endswith(".qml") or not beside]
                    paths = stack.enter_context(published(layer.target, *beside, *shown))
                    self._assembly.write(layer, paths[0], feedback)
                    for path in paths[1 + len(beside) :]:
                        (write_style if path.suffix == ".qml" else write_class_names)(path, card.classes)
                without = 1 - overview.classified / overview.total
                if without > MUCH_NODATA:
                    feedback.warn(f"{100 * without:.0f} % of the map has no class, as {source.name} is nodata there.")
                report = self._report(overview) if job.report else ""
            if job.report:
                write_report(job.report, report)
            self._is_done = True
            for layer in self._layers:
                self._assembly.remove_earlier_tiles(layer)
        return {"pixels": overview.classified}

    def missing(self) -> list[Strip]:
        """Return the strips of this process that are not there from an earlier run, and say where the disk may be too small.

        Those that are damaged are removed.
        """
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
        missing = [strip for strip in self._own if strip not in there]
        if missing and self.is_first:
            self._check_space()
        return missing

    def tell_what_is_kept(self) -> None:
        """Say what of the map is there for the same job to go on with, where it was cancelled."""
        finished = sum(map(self._store.is_finished, self.plan.strips))
        if finished:
            self._feedback.info(
                f"{finished} of {len(self.plan.strips)} strips of the map are finished. They lie in {self._store.path} "
                "for the same job to go on with. Delete that folder if you do not want them."
            )

    def _compute(self, network: nn.Module, device: torch.device, strips: Sequence[Strip]) -> None:
        try:
            compute_strips(self.plan, network, device, strips, self._store, self._feedback)
        except Cancelled:
            self.tell_what_is_kept()
            raise
        self._assembly.add(strips)

    def _tell_cost(self, strips: Sequence[Strip], device: torch.device, numbers: torch.dtype) -> None:
        tiles = sum(len(run.columns) * len(run.rows) for run in runs_of(strips))
        if self._share.world_size == 1 and is_worth_telling(tiles * self.plan.tiles.side**2):
            self._feedback.info(mapping_cost(self.plan, tiles, self.job.model, device, numbers, self._feedback).told())

    def _check_space(self) -> None:
        """Say how much disk it takes, where that is much or more than there is."""
        pixels = self.plan.window.width * self.plan.window.height
        needed = disk_needed(self.plan)
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

    def _report(self, overview: MapOverview) -> str:
        """Return the report of the map. Which numbers the strips were computed with may not be known any more."""
        numbers = numbers_with(self.digits) if self.digits else None
        return classification_report(
            self._card,
            overview,
            self.plan.source,
            self._feedback.warnings,
            in_words(numbers) if numbers else "",
            about_int8(self.job.model, self._feedback) if numbers == torch.int8 else "",
        )

    def _overview(self) -> MapOverview:
        """Return the overview of the map. Where it is of no use, the strips are not either, and are removed in the end."""
        source = self.plan.source
        try:
            if was_changed(source.files, self._signature):
                raise InputError(f"{source.name} was changed while it was classified.", "Start the job again.")
            return self._assembly.overview()
        except InputError:
            self._is_done = True
            raise
