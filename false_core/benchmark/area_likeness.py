"""The task kind *likeness*: how many of the areas that look most like a few examples are of their class."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from false_core.areas.likeness import LikenessToExamples, space_of_likeness
from false_core.benchmark.area_classification import draws_of_areas
from false_core.benchmark.area_features import SeenAreas, see_areas
from false_core.benchmark.budgets import LabelDraw
from false_core.benchmark.encoders import ComparedEncoder
from false_core.benchmark.measurements import FIRST_FOUND, Measurement, TaskRun
from false_core.benchmark.settings import BenchmarkSettings
from false_core.benchmark.tasks import BenchmarkTask
from false_core.feedback import Feedback
from false_core.training.heads.spaces import Space


def measure_likeness(
    task: BenchmarkTask, encoder: ComparedEncoder, settings: BenchmarkSettings, folder: Path, feedback: Feedback
) -> TaskRun:
    """Return what an encoder comes to at finding areas like examples, one search for each class.

    Args:
        folder: Folder that features are kept in.

    Raises:
        InputError, ModelFileError: As ``see_areas``.
    """
    areas = see_areas(task, encoder, settings.device, folder, feedback)
    with feedback.stage("Searching", 0.2):
        space = space_of_likeness(areas.sample)
        draws = draws_of_areas(areas, settings)
        measurements = []
        for number, draw in enumerate(draws):
            feedback.advance(number, len(draws), "searches")
            measurements.append(_measured(areas, space, draw))
    return TaskRun(task.name, task.kind, encoder.name, tuple(measurements), areas.seconds, areas.parameters, areas.facts)


def precision_of_first(likeness: npt.NDArray[np.floating], is_wanted: npt.NDArray[np.bool_]) -> float:
    """Return how many of the first areas found are wanted, of as many as could be: a rare class has fewer than are found.

    Args:
        likeness: Likeness of each area to the examples, of shape (n,).
        is_wanted: Mask of the areas of the class, of shape (n,).
    """
    first = np.argsort(-likeness, kind="stable")[:FIRST_FOUND]
    possible = min(len(first), int(is_wanted.sum()))
    return float(is_wanted[first].sum() / possible) if possible else float("nan")


def _measured(areas: SeenAreas, space: Space, draw: LabelDraw) -> Measurement:
    scored = areas.targets[areas.is_scored]
    every = np.full(len(areas.targets), -np.inf, np.float32)
    found = []
    began = time.monotonic()
    for target in np.unique(areas.targets[draw.chosen]):
        examples = areas.features[draw.chosen[areas.targets[draw.chosen] == target]]
        likeness = LikenessToExamples.within(space, examples, examples[:0])
        every[areas.is_scored] = likeness.of(areas.features[areas.is_scored])
        again = likeness.looked_at_again(areas.features, every, FIRST_FOUND)
        found.append(precision_of_first(again[areas.is_scored], scored == target))
    seconds = time.monotonic() - began
    return Measurement(draw.budget, draw.number, len(draw.chosen), {"precision": float(np.nanmean(found))}, seconds)
