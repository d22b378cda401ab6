"""Results of an encoder on a task: scores by budget and draw, and what it cost; kept as small JSON files."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from false_core.benchmark.budgets import Budget
from false_core.benchmark.tasks import AREAS, CHANGE, LIKENESS, SEGMENTATION
from false_core.outputs.publish import published

FIRST_FOUND = 10
"""Places found for examples of which it is asked how many are of their kind."""
SCORE_OF_KIND = {SEGMENTATION: "miou", AREAS: "oa", LIKENESS: "precision", CHANGE: "f1"}
"""The score of each kind of task by which encoders are compared."""
SCORE_TITLES = {
    "miou": "mIoU",
    "oa": "Overall accuracy",
    "macc": "Mean accuracy of the classes",
    "precision": f"Precision of the first {FIRST_FOUND}",
    "f1": "F1 of changed pixels",
    "change_precision": "Precision of changed pixels",
    "change_recall": "Recall of changed pixels",
}


@dataclass(frozen=True)
class Measurement:
    """One fit and its scores.

    Attributes:
        draw: Number of the draw of labels.
        labels: Number of labels that it learned from.
        scores: Scores by name, from 0 to 1.
        seconds: Seconds of fitting.
    """

    budget: Budget
    draw: int
    labels: int
    scores: dict[str, float]
    seconds: float


@dataclass(frozen=True)
class TaskRun:
    """All fits of an encoder on a task.

    Attributes:
        task, kind, encoder: Names.
        measurements: A fit and its scores for each budget and draw.
        seconds_of_features: Seconds that looking at the raster took, whenever that was.
        parameters: Number of the encoder's parameters.
        facts: Facts about the task: classes, labels to draw from, pixels or areas that were scored.
    """

    task: str
    kind: str
    encoder: str
    measurements: tuple[Measurement, ...]
    seconds_of_features: float
    parameters: int
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def seconds_of_a_fit(self) -> float:
        """The mean over the fits."""
        return sum(m.seconds for m in self.measurements) / max(1, len(self.measurements))


def run_from_dict(body: dict[str, Any]) -> TaskRun:
    """Read a run that was written as JSON.

    Raises:
        KeyError, TypeError, ValueError: It is no run.
    """
    measurements = tuple(Measurement(**{**one, "budget": Budget.from_dict(one["budget"])}) for one in body["measurements"])
    return TaskRun(**{**body, "measurements": measurements})


def write_run(path: Path, run: TaskRun) -> None:
    """Write a run, whole or not at all."""
    with published(path) as (partial,):
        partial.write_text(json.dumps(dataclasses.asdict(run), ensure_ascii=False, indent=1), encoding="utf-8")


def read_run(path: Path) -> TaskRun | None:
    """Read a run; None where there is none, or none that can be read: it is done again then."""
    try:
        return run_from_dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
