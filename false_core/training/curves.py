"""The curves of a training run: kept, sent as events, drawn for the report."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from false_core.feedback import Feedback
from false_core.language.catalogue import localised
from false_core.reports.figures import LINE_COLOURS, as_svg

LOG_EVERY = 5
"""Steps from one point of a curve to the next."""


class Curves:
    """Named series of (step, value), in the order they were first added.

    Args:
        done: Steps of earlier stages, for those who watch.
    """

    def __init__(self, feedback: Feedback, done: int = 0) -> None:
        self._feedback, self._done = feedback, done
        self.series: dict[str, list[tuple[int, float]]] = {}

    def add(self, step: int, name: str, value: float) -> None:
        """Add one point, and report it. A value that is not a number leaves a gap."""
        if math.isfinite(value):
            self.series.setdefault(name, []).append((step, value))
            self._feedback.metric(self._done + step, name, value)

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


def draw_curves(curves: Curves, panels: Sequence[Sequence[str]], limits: tuple[float, float] | None = None) -> str:
    """Return curves as SVG, two panels in a row; ``limits`` of the values, or None for what they need."""
    panels = [[name for name in names if name in curves.series] for names in panels]
    panels = [names for names in panels if names]
    if not panels:
        return ""
    rows = math.ceil(len(panels) / 2)
    figure = Figure(figsize=(9.2, 3.0 * rows), layout="constrained")
    grid = figure.subplots(rows, 2, squeeze=False).flat
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    for axes, names in zip(grid, panels):
        for name, color in zip(names, itertools.cycle(LINE_COLOURS)):
            points = curves.series[name]
            # A line needs two points to be seen.
            marker = "o" if len(points) == 1 else None
            axes.plot(*zip(*points), label=_in_words(name), linewidth=1.4, color=color, marker=marker)
        axes.set_xlabel(localised("step"))
        axes.grid(alpha=0.3)
        axes.set_ylim(limits)
        if len(names) > 1:
            axes.legend(fontsize=8, frameon=False)
        else:
            title = _in_words(names[0])
            axes.set_title(title[:1].upper() + title[1:], fontsize=10)
    return as_svg(figure)


def _in_words(name: str) -> str:
    """Return the name of a curve, such as "loss (points)", in the language of the user."""
    what, bracket, level = name.partition(" (")
    return localised(what) + (f" ({localised(level.rstrip(')'))})" if bracket else "")
