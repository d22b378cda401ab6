"""The end of the gain in a training: the curves of its losses are flat.

A line is fitted to the last points of each curve. Where even the fall that its slope and one standard error allow is a small
share of what the curve has fallen so far, the rest of the steps would bring little.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

LINE_POINTS = 8
"""The points that a line is fitted to. Pretraining takes one every five steps."""
LEAST_STEPS = 60
"""Steps before which no curve counts as flat."""
FLAT_SHARE = 0.1
"""Share of the fall so far: a curve that falls less than this over as many points again is flat."""
TAIL_SHARE = 0.1
"""Steps in which the learning rate falls to zero once the curves are flat, as a share of all."""


def are_flat(curves: Sequence[Sequence[tuple[int, float]]]) -> bool:
    """Return whether all curves, each of steps and values, are flat. No curves are not."""
    return bool(curves) and all(map(_is_flat, curves))


def tail_steps(steps: int) -> int:
    """Return the steps in which a training that ends early brings its learning rate down."""
    return max(1, round(TAIL_SHARE * steps))


def _is_flat(points: Sequence[tuple[int, float]]) -> bool:
    if len(points) <= LINE_POINTS or points[-1][0] < LEAST_STEPS:
        return False
    last = points[-LINE_POINTS:]
    step, value = (math.fsum(column) / LINE_POINTS for column in zip(*last))
    spread = math.fsum((s - step) ** 2 for s, _ in last)
    slope = math.fsum((s - step) * (v - value) for s, v in last) / spread
    rest = math.fsum((v - value - slope * (s - step)) ** 2 for s, v in last)
    error = math.sqrt(rest / (LINE_POINTS - 2) / spread)
    ahead = (error - slope) * (last[-1][0] - last[0][0])
    fallen = points[0][1] - value
    return fallen > 0 and ahead < FLAT_SHARE * fallen
