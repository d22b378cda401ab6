"""Classifying many rasters with one model: a folder of maps, one for each."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from false_core.checks.protection import protect_inputs
from false_core.cluster import tasks_on_cluster, tell_of_idle_gpus
from false_core.computing.distributed import ALONE, Share, World
from false_core.errors import InputError, OutputError
from false_core.feedback import Feedback
from false_core.jobs import Classify, ClassifyMany, raster_name
from false_core.mapping.classify.classify import Classification
from false_core.mapping.classify.on_dask import MapsOnDask
from false_core.mapping.classify.store import JobStart
from false_core.outputs.sidecars import styles_kept
from false_core.settings import scheduler_name

MAP_ENDING = "_classified.tif"
"""The ending of a map's name, after the name of its raster."""


def classify_many(job: ClassifyMany, feedback: Feedback, world: World = ALONE) -> dict[str, Any]:
    """Run a ``ClassifyMany`` job: write one map after the other. Return its results by name.

    Of several processes each computes its share of each map. With each map another one begins, so that maps of few strips
    are shared out too. The first process writes. Where a scheduler of Dask is named, that has the parts of maps computed.

    Raises:
        InputError: None of the rasters could be mapped, or two maps would have the same name.
        OutputError: The folder is one of those with the rasters, a map would replace a part of one, or it cannot be written.
    """
    targets = _targets(job)
    if world.share.is_main:
        protect_inputs(job, job, targets.values())
        for sentence in styles_kept(targets.values()):
            feedback.info(sentence)
    Path(job.output).mkdir(exist_ok=True)
    maps = _MapsInProgress(JobStart.of(map(str, targets.values()), world), world.share, feedback)
    each = [
        Classify(raster, job.model, str(target), device=job.device, precision=job.precision)
        for raster, target in targets.items()
    ]
    with closing(maps):
        if scheduler_name():
            with tasks_on_cluster(feedback) as tasks:
                _compute_on_dask(each, maps, MapsOnDask(tasks, job.model, feedback), feedback)
        else:
            tell_of_idle_gpus(job.device, feedback)
            _compute(each, maps, world.share.world_size, feedback)
    if len(maps.problems) == len(targets):
        raise maps.problems[0]
    return {"maps": len(targets) - len(maps.problems), "left_out": len(maps.problems)}


def _compute(each: Sequence[Classify], maps: _MapsInProgress, world_size: int, feedback: Feedback) -> None:
    for number, one in enumerate(each):
        title = f"{number + 1:d} of {len(each):d}, {Path(one.raster).name}"
        maps.begin(one, feedback.part(title, number / len(each), 1 / len(each)), number % world_size)
        maps.finish_those_complete()
    maps.finish_all()


def _compute_on_dask(
    each: Sequence[Classify], maps: _MapsInProgress, on_dask: MapsOnDask[Classification], feedback: Feedback
) -> None:
    done = 0.0

    def take_next() -> None:
        nonlocal done
        classification, share, problem = on_dask.take_next()
        done += share
        if problem:
            maps.leave_out(classification, problem)
        elif classification.is_complete:
            maps.finish(classification)
        feedback.advance(done, len(each))

    with feedback.stage("Classifying", 1.0):
        for number, one in enumerate(each):
            while on_dask.has_enough:
                take_next()
            classification = maps.begin_elsewhere(one, feedback.aside())
            missing = classification.missing() if classification else []
            if classification and missing:
                on_dask.hand_out(classification, missing, len(each) - number)
                continue
            if classification:
                maps.finish(classification)  # All of it was there from an interrupted run.
            done += 1
        while on_dask.has_tasks:
            take_next()


class _MapsInProgress:
    """Maps that are being made.

    Attributes:
        problems: Errors for which maps were left out.
    """

    def __init__(self, start: JobStart, share: Share, feedback: Feedback) -> None:
        self.problems: list[InputError] = []
        self._start, self._share, self._feedback = start, share, feedback
        self._open: dict[Classification, ExitStack] = {}

    def begin(self, job: Classify, feedback: Feedback, first_owner: int) -> None:
        """Compute this process's share of a map, of which the process ``first_owner`` makes the first strips."""
        try:
            with ExitStack() as stack:
                classification = stack.enter_context(Classification(job, self._start, self._share, feedback, first_owner))
                classification.compute()
                if classification.is_first:
                    self._open[classification] = stack.pop_all()
        except InputError as error:
            self._say(job.raster, error)

    def begin_elsewhere(self, job: Classify, feedback: Feedback) -> Classification | None:
        """Return a map that others compute; None where it is left out."""
        try:
            with ExitStack() as stack:
                classification = stack.enter_context(Classification(job, self._start, self._share, feedback, computes=False))
                self._open[classification] = stack.pop_all()
                return classification
        except InputError as error:
            self._say(job.raster, error)
            return None

    def finish_those_complete(self) -> None:
        """Write the maps whose strips are all there, in order."""
        while self._open and next(iter(self._open)).is_complete:
            self.finish(next(iter(self._open)))

    def finish_all(self) -> None:
        """Write all maps, when the strips of the other processes are there."""
        while self._open:
            self.finish(next(iter(self._open)))

    def close(self) -> None:
        """Leave the maps that are not finished as they are."""
        for stack in self._open.values():
            stack.close()

    def finish(self, classification: Classification) -> None:
        """Write a map, when the strips of the other processes are there."""
        try:
            with self._open.pop(classification):
                classification.finish()
        except InputError as error:
            self._say(classification.job.raster, error)

    def leave_out(self, classification: Classification, error: InputError) -> None:
        """Leave a map as it is."""
        self._open.pop(classification).close()
        self._say(classification.job.raster, error)

    def _say(self, raster: str, error: InputError) -> None:
        self.problems.append(error)
        self._feedback.warn(f"{Path(raster_name(raster).path).name} is left out. {error}")


def _targets(job: ClassifyMany) -> dict[str, Path]:
    """Return where the map of each raster goes."""
    folder = os.path.realpath(job.output)
    rasters = list(dict.fromkeys(job.rasters))
    for raster in rasters:
        if os.path.realpath(Path(raster).parent) == folder:
            raise OutputError(f"The maps would mix with the rasters in {folder}.", "Choose another folder for the maps.")
    return {raster: Path(job.output) / f"{name}{MAP_ENDING}" for raster, name in zip(rasters, _names(rasters))}


def _names(rasters: Sequence[str]) -> list[str]:
    """Return a name for the map of each raster: the raster's own. Where several have it, with as many of the folders before
    it as it takes to tell them apart: STAC items often have a folder each, with a file of the same name."""
    paths = [Path(raster_name(raster).path) for raster in rasters]
    parts = [[*path.parts[:-1], path.stem] for path in paths]
    depths = [1] * len(rasters)
    while True:
        # Without signs that a file's name cannot hold on every system.
        names = [re.sub(r'[<>:"/\\|?*\0]', "_", "_".join(part[-depth:])) for part, depth in zip(parts, depths)]
        times = Counter(map(str.casefold, names))
        twins = [number for number, name in enumerate(names) if times[name.casefold()] > 1]
        longer = [number for number in twins if depths[number] < len(parts[number])]
        if not twins:
            return names
        if not longer:
            raise InputError(
                f"Two rasters are called {parts[twins[0]][-1]}, and their maps would have the same name.",
                "Give each a name of its own, or map them in two runs.",
            )
        for number in longer:
            depths[number] += 1
