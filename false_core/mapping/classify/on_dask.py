"""Maps whose strips are computed by Dask: tasks go out, strips come back, and are stored where the map is put together."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from false_core import __version__, events, jobs
from false_core.cluster import Tasks
from false_core.errors import Cancelled, InputError
from false_core.feedback import Feedback
from false_core.jobs import Classify
from false_core.mapping.classify.plan import MapPlan, Strip, runs_of
from false_core.mapping.classify.run_strip_task import run_strip_task
from false_core.mapping.classify.store import digest_of, digest_of_values
from false_core.mapping.classify.strip_task import FinishedStrips, StripTask

TASKS_OF_A_WORKER = 3
"""Tasks that a worker gets on average. With more, workers of different speed end together; but each begins with a row
of tiles that the one above it computes too."""
MOST_STRIPS = 32
"""Strips in a task: what a worker was at when it was lost is computed again."""
TASKS_AHEAD = 3
"""Tasks for each worker that are handed out before the next raster is looked at."""


class MapOfTasks(Protocol):
    """A map whose strips come from tasks.

    Attributes:
        job: The job that makes it.
        plan: The plan of its strips.
    """

    job: Classify
    plan: MapPlan

    @property
    def tiles_at_a_time(self) -> int:
        """The number of tiles that a device computed at a time in an earlier run, or 0."""

    @property
    def digits(self) -> int:
        """The binary digits of the numbers that strips of an earlier run were computed with, or 0."""

    @property
    def int8_network(self) -> int:
        """The number of what decides which network in int8 it was, in an earlier run, or 0."""

    @property
    def is_complete(self) -> bool:
        """Return whether all strips are there."""

    def receive(self, finished: FinishedStrips) -> None:
        """Store strips that a task has computed."""

    def tell_what_is_kept(self) -> None:
        """Say what is there for the same job to go on with."""


Map = TypeVar("Map", bound=MapOfTasks)


class MapsOnDask(Generic[Map]):
    """Maps that are being computed, all with one model.

    Args:
        model: The file of the model. Its content goes to each worker once.
    """

    def __init__(self, tasks: Tasks[Map], model: str, feedback: Feedback) -> None:
        self._tasks, self._feedback = tasks, feedback
        self._run_id = secrets.token_hex(8)
        self._model = f"{digest_of(Path(model))}{Path(model).suffix}"
        self._handed_out: dict[Map, int] = {}
        self._said: set[tuple[str, str]] = set()
        tasks.send_file(model, self._model)

    @property
    def has_tasks(self) -> bool:
        """Return whether some are not done."""
        return self._tasks.unfinished > 0

    @property
    def has_enough(self) -> bool:
        """Return whether the workers have something to do for a while."""
        return self._tasks.unfinished >= TASKS_AHEAD * self._tasks.workers

    def hand_out(self, classification: Map, missing: Sequence[Strip], rasters: int = 1) -> None:
        """Have strips of a map computed.

        Args:
            rasters: Number of rasters left to do, this one included.
        """
        job = classification.job
        raster = job.raster if jobs.is_address(job.raster) else os.path.abspath(job.raster)
        task = StripTask(
            __version__,
            f"{self._run_id} {job.output}",
            jobs.to_json(replace(job, raster=raster)),
            self._model,
            digest_of_values(classification.plan.decisive),
            (),
            classification.tiles_at_a_time,
            classification.digits,
            classification.int8_network,
        )
        self._handed_out[classification] = len(missing)
        for strips in split_into_tasks(missing, max(1, TASKS_OF_A_WORKER * self._tasks.workers // rasters)):
            self._tasks.submit(classification, run_strip_task, replace(task, strips=tuple(strip.number for strip in strips)))

    def take_next(self) -> tuple[Map, float, InputError | None]:
        """Wait for the next task, and store it.

        Returns:
            The map, which share of what was handed out of it came, and why the map cannot be made. No more of it comes then.

        Raises:
            Cancelled: The user wants to stop.
            FalseError: A task failed, and not because of its raster.
        """
        try:
            classification, result = self._tasks.next_done()
        except Cancelled:
            for one in self._handed_out:
                one.tell_what_is_kept()
            raise
        try:
            finished: FinishedStrips = result()
        except InputError as error:
            self._tasks.cancel(classification)
            del self._handed_out[classification]
            return classification, 0.0, error
        for level, text in set(finished.said) - self._said:
            self._feedback.emit(events.Message(level, text))
        self._said |= set(finished.said)
        classification.receive(finished)
        share = len(finished.strips) / self._handed_out[classification]
        if classification.is_complete:
            del self._handed_out[classification]
        return classification, share, None


def split_into_tasks(strips: Sequence[Strip], tasks: int) -> list[Sequence[Strip]]:
    """Return strips in tasks, each of strips that lie below one another: as many as are wanted, or as it takes."""
    longest = min(MOST_STRIPS, -(-len(strips) // tasks))
    return [run.strips[first : first + longest] for run in runs_of(strips) for first in range(0, len(run.strips), longest)]
