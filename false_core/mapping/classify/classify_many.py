"""Classifying many rasters with one model: a folder of maps, one for each."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from false_core.distributed import ALONE, Share, World
from false_core.errors import InputError, OutputError
from false_core.feedback import Feedback
from false_core.jobs import Classify, ClassifyMany, raster_name
from false_core.mapping.classify.classify import Classification
from false_core.mapping.classify.store import JobStart
from false_core.protection import protect_inputs
from false_core.sidecars import styles_kept

MAP_ENDING = "_classified.tif"
"""The ending of a map's name, after the name of its raster."""


def classify_many(job: ClassifyMany, feedback: Feedback, world: World = ALONE) -> dict[str, Any]:
    """Run a ``ClassifyMany`` job: write one map after the other. Return its results by name.

    Of several processes each computes its share of each map. With each map another one begins, so that maps of few strips
    are shared out too. The first process writes.

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
    maps = _Maps(JobStart.of(map(str, targets.values()), world), world.share, feedback)
    with closing(maps):
        for number, (raster, target) in enumerate(targets.items()):
            title = f"{number + 1:d} of {len(targets):d}, {Path(raster).name}"
            part = feedback.part(title, number / len(targets), 1 / len(targets))
            maps.begin(Classify(raster, job.model, str(target), device=job.device), part, number % world.share.world_size)
            maps.finish_those_complete()
        maps.finish_all()
    if len(maps.problems) == len(targets):
        raise maps.problems[0]
    return {"maps": len(targets) - len(maps.problems), "left_out": len(maps.problems)}


class _Maps:
    """Maps that are being made.

    Attributes:
        problems: Why maps were left out.
    """

    def __init__(self, start: JobStart, share: Share, feedback: Feedback) -> None:
        self.problems: list[InputError] = []
        self._start, self._share, self._feedback = start, share, feedback
        self._open: list[tuple[str, Classification, ExitStack]] = []

    def begin(self, job: Classify, feedback: Feedback, first_owner: int) -> None:
        """Compute this process's share of a map, of which the process ``first_owner`` makes the first strips."""
        try:
            with ExitStack() as stack:
                classification = stack.enter_context(Classification(job, self._start, self._share, feedback, first_owner))
                classification.compute()
                if classification.is_first:
                    self._open.append((job.raster, classification, stack.pop_all()))
        except InputError as error:
            self._leave_out(job.raster, error)

    def finish_those_complete(self) -> None:
        """Write the maps whose strips are all there, in order."""
        while self._open and self._open[0][1].is_complete:
            self._finish_first()

    def finish_all(self) -> None:
        """Write all maps, when the strips of the other processes are there."""
        while self._open:
            self._finish_first()

    def close(self) -> None:
        """Leave the maps that are not finished as they are."""
        for *_, stack in self._open:
            stack.close()

    def _finish_first(self) -> None:
        raster, classification, stack = self._open.pop(0)
        try:
            with stack:
                classification.finish()
        except InputError as error:
            self._leave_out(raster, error)

    def _leave_out(self, raster: str, error: InputError) -> None:
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
