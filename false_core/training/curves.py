"""The curves of a training run: kept for the report, sent to whoever watches."""

from __future__ import annotations

import math
from typing import Any

from false_core.feedback import Feedback


class Curves:
    """Named series of (step, value), in the order they were first added."""

    def __init__(self, feedback: Feedback) -> None:
        self._feedback = feedback
        self.series: dict[str, list[tuple[int, float]]] = {}

    def add(self, step: int, name: str, value: float) -> None:
        """Add one point, and report it. A value that is not a number leaves a gap."""
        if math.isfinite(value):
            self.series.setdefault(name, []).append((step, value))
            self._feedback.metric(step, name, value)

    def last(self, name: str) -> float:
        """Return the mean of the last tenth of a series, which is what it ended at without the noise."""
        values = [value for _, value in self.series.get(name, [])]
        tail = values[-max(1, len(values) // 10) :]
        return sum(tail) / len(tail) if tail else math.nan

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint holds."""
        return {name: [list(point) for point in points] for name, points in self.series.items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to where ``state`` was taken."""
        self.series = {name: [(int(step), float(value)) for step, value in points] for name, points in state.items()}
