"""Strips of a map as they go to another process and come back: their numbers, and of which job; then as bytes.

That process needs the raster, and no folder of this one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class StripTask:
    """The work of a task.

    Attributes:
        version: Version of the library that asks.
        run_id: A word that no other map has.
        job: A ``Classify`` job as JSON.
        model: The name of the model's file in the folder of each worker.
        plan_digest: Digest that the plan of the map must come to there too.
        strips: Their numbers.
        tiles_at_a_time: Number as in ``FinishedStrips``, from an earlier run.
        digits: Binary digits as in ``FinishedStrips``, from an earlier run; 0 where there was none.
        int8_network: Number as in ``FinishedStrips``, in the same way.
    """

    version: str
    run_id: str
    job: str
    model: str
    plan_digest: str
    strips: tuple[int, ...]
    tiles_at_a_time: int
    digits: int = 0
    int8_network: int = 0


@dataclass(frozen=True)
class FinishedStrips:
    """The result of a task.

    Attributes:
        strips: The files of each strip, by its number and by their names.
        tiles_at_a_time: Number of tiles that the device computed at a time, where that was found by taking the time; else 0.
        digits: Binary digits of the numbers that the network computed with.
        said: Messages, each as its level and its text.
        int8_network: Number of all that decides which network in int8 it was; 0 for other numbers.
    """

    strips: Mapping[int, Mapping[str, bytes]]
    tiles_at_a_time: int
    digits: int
    said: tuple[tuple[str, str], ...]
    int8_network: int = 0
