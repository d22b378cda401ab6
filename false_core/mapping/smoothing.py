"""Border lines as points, with the stairs of the pixels or smoothed.

A line is smoothed without ever meeting another one. Around every corner of the pixel grid lies a square with the side of a
pixel. The square of a corner that is no junction belongs to one line alone, and the line goes from square to square through
the middle of the side they share. So it may be moved along that side, the gate, as far as the gate goes: straight from gate
to gate it stays within its own squares. Junctions stay where they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from false_core.mapping.borders import COLUMN_STEP, ROW_STEP, BorderGraph, Bytes, ragged
from false_core.mapping.regions import Integers

DoubleArray = npt.NDArray[np.float64]

MAX_GATE_OFFSET_PX = 0.4
"""Pixels that a line may go from the middle of a gate. The gate ends at 0.5."""
SIMPLIFY_TOLERANCE_PX = 0.06
"""Pixels that a line may move, to do with fewer points. MAX_GATE_OFFSET_PX leaves 0.07 to the next square."""
SMOOTHING_STEPS, PULL = 40, 0.5
"""Steps of the smoothing, and the share of the way to the middle of its neighbours that a point goes in each."""


@dataclass(frozen=True)
class Polylines:
    """Points of some lines in pixel coordinates, of shape (n, 2), and where each line begins, with the end of the last."""

    points: DoubleArray
    starts: Integers


def paths(network: BorderGraph, lines: Integers, smoothing: float) -> Polylines:
    """Return some of the lines of a network.

    Args:
        smoothing: 0: pixel edges. Up to 1: how much of its gates a line may use.
    """
    steps, starts, begin = _steps(network, lines)
    corners = _corners(steps, starts, begin, network.width)
    stairs = _without_straight_corners(corners, steps, starts)
    if not smoothing:
        return stairs
    smoothed = _smoothed(corners, steps, starts, network.closed[lines], MAX_GATE_OFFSET_PX * smoothing)
    return _chosen(network.framed[lines], stairs, _with_fewer_points(smoothed))


def _steps(network: BorderGraph, lines: Integers) -> tuple[Bytes, Integers, Integers]:
    """Return the steps of lines, where each line's begin, and the corner it starts at."""
    of_segments = network.lines
    counts = network.segment_starts[lines + 1] - network.segment_starts[lines]
    segments = network.segment[ragged(network.segment_starts[lines], counts)]
    steps = of_segments.steps[ragged(of_segments.offset[segments], of_segments.length[segments])]
    ends = np.cumsum(of_segments.length[segments])[np.cumsum(counts) - 1]
    starts = np.r_[0, ends]
    begin = of_segments.start[network.segment[network.segment_starts[lines]]]
    closed = network.closed[lines]
    if closed.any():
        # A closed line can begin anywhere. Let it begin at its first corner, wherever the blocks made it begin.
        corner = _corners(steps, starts, begin, network.width)
        number = corner[:, 1] * network.width + corner[:, 0]
        first = np.minimum.reduceat(number, starts[:-1] + np.arange(len(lines)))
        sizes = np.diff(starts)
        is_first = np.flatnonzero(number == np.repeat(first, sizes + 1))
        line = np.searchsorted(starts[1:] + np.arange(1, len(lines) + 1), is_first, side="right")
        shift = np.zeros(len(lines), np.int64)
        shift[line[::-1]] = (is_first - starts[line] - line)[::-1]
        shift[~closed] = 0
        place = np.arange(len(steps)) - np.repeat(starts[:-1], sizes)
        place = (place + np.repeat(shift, sizes)) % np.repeat(sizes, sizes)
        steps = steps[np.repeat(starts[:-1], sizes) + place]
        begin = np.where(closed, first, begin)
    return steps, starts, begin


def _corners(steps: Bytes, starts: Integers, begin: Integers, width: int) -> Integers:
    """Return (column, row) of the corners on each line, one more than it has steps."""
    sizes = np.diff(starts)
    heads = starts[:-1] + np.arange(len(sizes))
    moves = np.zeros((len(steps) + len(sizes), 2), np.int64)
    others = np.ones(len(moves), bool)
    others[heads] = False
    moves[others] = np.column_stack([COLUMN_STEP[steps], ROW_STEP[steps]])
    gone = np.cumsum(moves, axis=0)
    row, column = np.divmod(begin, width)
    corners: Integers = gone + np.repeat(np.column_stack([column, row]) - gone[heads], sizes + 1, axis=0)
    return corners


def _without_straight_corners(corners: Integers, steps: Bytes, starts: Integers) -> Polylines:
    """Return lines with the corners only where they turn, and their ends."""
    lines = np.arange(len(starts) - 1)
    keep = np.ones(len(corners), bool)
    turns = np.r_[True, steps[1:] != steps[:-1]]
    turns[starts[:-1]] = True
    line = np.repeat(lines, np.diff(starts))
    keep[np.arange(len(steps)) + line] = turns
    counts = np.add.reduceat(keep, starts[:-1] + lines, dtype=np.int64)
    return Polylines(corners[keep].astype(np.float64), np.r_[0, np.cumsum(counts)])


def _smoothed(corners: Integers, steps: Bytes, starts: Integers, closed: npt.NDArray[np.bool_], widest: float) -> Polylines:
    """Return lines through their gates, as straight as the gates allow, with the same area on either side as before.

    Every point goes again and again towards the middle of its neighbours, as far as its gate lets it. That makes bends
    shrink, so that now and then all points of a line are moved to one side, by as much as brings the area back.
    """
    sizes = np.diff(starts)
    lines = np.arange(len(sizes))
    line = np.repeat(lines, sizes)
    # One more point before the first gate and after the last: the ends, or where the line is closed, the next gate.
    heads, tails = starts[:-1] + 2 * lines, starts[1:] + 2 * lines + 1
    inner = np.arange(len(steps)) + 2 * line + 1
    ahead = np.column_stack([COLUMN_STEP[steps], ROW_STEP[steps]]).astype(np.float64)
    aside = np.column_stack([ahead[:, 1], -ahead[:, 0]])
    origin = corners[starts[:-1] + lines].astype(np.float64)
    middle = corners[np.arange(len(steps)) + line] - origin[line] + ahead / 2
    points = np.empty((len(steps) + 2 * len(lines), 2))
    points[heads], points[tails] = 0.0, corners[starts[1:] + lines] - origin
    shift = np.zeros(len(steps))
    circles = np.flatnonzero(closed)

    def place() -> None:
        points[inner] = middle + shift[:, None] * aside
        points[heads[circles]], points[tails[circles]] = points[tails[circles] - 1], points[heads[circles] + 1]

    def area() -> DoubleArray:
        """Twice the area between each line and its origin."""
        here, there = points[:-1], points[1:]
        product = np.r_[here[:, 0] * there[:, 1] - here[:, 1] * there[:, 0], 0.0]
        product[tails] = 0.0  # Between the end of one line and the beginning of the next there is nothing.
        product[heads[circles]] = 0.0  # The edge that closes a line is there twice.
        return np.asarray(np.add.reduceat(product, heads))

    local = (corners - np.repeat(origin, sizes + 1, axis=0)).astype(np.float64)
    product = np.r_[local[:-1, 0] * local[1:, 1] - local[:-1, 1] * local[1:, 0], 0.0]
    product[starts[1:] + lines] = 0.0
    wanted = np.add.reduceat(product, starts[:-1] + lines)
    place()
    for number in range(1, SMOOTHING_STEPS + 1):
        pull = (points[inner - 1] + points[inner + 1]) / 2 - points[inner]
        shift = (shift + PULL * (pull * aside).sum(axis=1)).clip(-widest, widest)
        place()
        if number % (SMOOTHING_STEPS // 4) == 0:
            chord = points[inner + 1] - points[inner - 1]
            gain = np.add.reduceat(aside[:, 0] * chord[:, 1] - aside[:, 1] * chord[:, 0], starts[:-1])
            shift = (shift + ((wanted - area()) / gain)[line]).clip(-widest, widest)
            place()
    # Of a closed line the last gate is repeated before the first one: that closes it.
    keep = np.ones(len(points), bool)
    keep[tails[circles]] = False
    counts = sizes + 2 - closed
    return Polylines(points[keep] + np.repeat(origin, counts, axis=0), np.r_[0, np.cumsum(counts)])


def _with_fewer_points(full: Polylines) -> Polylines:
    """Return lines without the points that hardly matter (Douglas and Peucker 1973)."""
    line = np.repeat(np.arange(len(full.starts) - 1), np.diff(full.starts))
    simple = shapely.simplify(shapely.linestrings(full.points, indices=line), SIMPLIFY_TOLERANCE_PX, preserve_topology=False)
    points, line = shapely.get_coordinates(simple, return_index=True)
    return Polylines(points, np.r_[0, np.cumsum(np.bincount(line, minlength=len(full.starts) - 1))])


def _chosen(which: npt.NDArray[np.bool_], one: Polylines, other: Polylines) -> Polylines:
    """Return each line from ``one`` where ``which`` is true, else from ``other``."""
    starts = np.where(which, one.starts[:-1], other.starts[:-1] + len(one.points))
    sizes = np.where(which, np.diff(one.starts), np.diff(other.starts))
    return Polylines(np.concatenate([one.points, other.points])[ragged(starts, sizes)], np.r_[0, np.cumsum(sizes)])
