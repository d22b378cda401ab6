"""The task kind *areas*: areas get their classes from a few labelled ones, by the head of ``classifyareas``."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from false_core.accuracy.metrics import confusion_matrix, score
from false_core.areas.head import fit_area_head
from false_core.benchmark.area_features import SeenAreas, see_areas
from false_core.benchmark.budgets import LabelDraw, draws_of
from false_core.benchmark.encoders import ComparedEncoder
from false_core.benchmark.measurements import Measurement, TaskRun
from false_core.benchmark.settings import BenchmarkSettings
from false_core.benchmark.tasks import BenchmarkTask
from false_core.feedback import Feedback


def measure_areas(
    task: BenchmarkTask, encoder: ComparedEncoder, settings: BenchmarkSettings, folder: Path, feedback: Feedback
) -> TaskRun:
    """Return what an encoder comes to on areas. Shares of pixels mean nothing here, and are left out.

    Args:
        folder: Folder that features are kept in.

    Raises:
        InputError, ModelFileError: As ``see_areas``.
    """
    areas = see_areas(task, encoder, settings.device, folder, feedback)
    with feedback.stage("Fitting", 0.2):
        draws = draws_of_areas(areas, settings)
        measurements = []
        for number, draw in enumerate(draws):
            feedback.advance(number, len(draws), "fits")
            measurements.append(_measured(areas, draw))
    return TaskRun(task.name, task.kind, encoder.name, tuple(measurements), areas.seconds, areas.parameters, areas.facts)


def draws_of_areas(areas: SeenAreas, settings: BenchmarkSettings) -> list[LabelDraw]:
    """Return draws of the areas to learn from, as numbers among all areas."""
    pool = np.flatnonzero(areas.is_learned)
    budgets = [budget for budget in settings.budgets if budget.labels]
    draws = draws_of(areas.targets[pool], np.ones(len(pool)), float(len(pool)), budgets, settings.draws)
    return [LabelDraw(draw.budget, draw.number, pool[draw.chosen]) for draw in draws]


def _measured(areas: SeenAreas, draw: LabelDraw) -> Measurement:
    chosen = draw.chosen
    began = time.monotonic()
    head = fit_area_head(
        areas.features[chosen], areas.targets[chosen], areas.shapes[chosen], areas.sample, areas.classes, areas.size,
        draw.number,
    )  # fmt: skip
    seconds = time.monotonic() - began
    inputs = head.space.of(areas.features[areas.is_scored], alone=True)
    said = head.linear.log_probabilities(inputs).argmax(axis=1)
    scores = score(confusion_matrix(areas.targets[areas.is_scored], said, len(areas.classes)))
    return Measurement(draw.budget, draw.number, len(chosen), {"oa": scores.oa, "macc": scores.macc}, seconds)
