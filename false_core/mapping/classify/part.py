"""A part of a map as a task of Dask: which strips, of which job, with which model; and these strips as bytes.

It goes to another process, which needs the raster, and no folder of this one. The scheduler reads this module too: what
computes is imported where it computes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """What a task is to do.

    Attributes:
        version: That of the library that asks.
        run_id: A word that no other map has.
        job: A ``Classify`` job as JSON.
        model: The name of the model's file in the folder of each worker.
        plan_digest: What the plan of the map must come to there too.
        strips: Their numbers.
        tiles_at_a_time: As in ``FinishedPart``, from an earlier run.
    """

    version: str
    run_id: str
    job: str
    model: str
    plan_digest: str
    strips: tuple[int, ...]
    tiles_at_a_time: int


@dataclass(frozen=True)
class FinishedPart:
    """What a task returns.

    Attributes:
        strips: The files of each strip, by its number and by their names.
        tiles_at_a_time: How many tiles the device computed at a time, where that was found by taking the time; else 0.
        said: Messages, each as its level and its text.
    """

    strips: Mapping[int, Mapping[str, bytes]]
    tiles_at_a_time: int
    said: tuple[tuple[str, str], ...]


def compute_part(part: Part) -> FinishedPart:
    """Compute a part in a worker of Dask.

    Raises:
        FalseError: What is wrong, and on which worker.
    """
    from false_core.mapping.classify.part_worker import computed

    return computed(part)
