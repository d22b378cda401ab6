"""The network of border lines between the regions of a map: every line is there once, and both neighbours use it.

Within a block, the edges between pixels of different regions are strung together to segments; segments that meet at the
blocks' sides are joined to lines, from one junction of three or more regions to the next; lines make the rings of polygons.
A line is kept as one byte per pixel edge, the direction of its next step, with some numbers beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from false_core.feedback import Feedback
from false_core.mapping.regions import FIRST, OUTSIDE, Integers, Regions, labelled
from false_core.raster.class_map import ClassMap, CodeArray
from false_core.raster.source import Window

Bytes = npt.NDArray[np.uint8]

EAST, SOUTH, WEST, NORTH = range(4)
"""Steps along a line, in pixel coordinates: rows count downwards."""
COLUMN_STEP, ROW_STEP = np.array([1, 0, -1, 0]), np.array([0, 1, 0, -1])


@dataclass(frozen=True)
class Lines:
    """Lines of steps along pixel edges. What lies left and right of one does not change along it.

    Attributes:
        start, end: First and last corner, as row * corners per row + column.
        lowest: The corner with the smallest such number on the way.
        first, last: Direction of the first and the last step.
        left, right: Region on either side, the larger number on the left.
        offset: Index in ``steps`` at which each line begins.
        length: Number of steps.
        steps: Directions of all lines.
    """

    start: Integers
    end: Integers
    lowest: Integers
    first: Bytes
    last: Bytes
    left: CodeArray
    right: CodeArray
    offset: Integers
    length: Integers
    steps: Bytes

    def __len__(self) -> int:
        return len(self.start)


@dataclass(frozen=True)
class BorderGraph:
    """The lines of a map, and how they make polygons.

    Attributes:
        width: Corners per row.
        lines: The segments of lines.
        segment, segment_starts: The segments of each line in order, and where those of each begin, with the end of the last.
        closed: True where a line comes back to its own start without meeting a junction.
        framed: True where a line runs along the edge of the raster.
        half, ring_starts, polygon_starts: The lines around each polygon, ring by ring, the outer ring first. Line k is 2k
            where it is followed as it is and 2k + 1 where it is followed backwards.
    """

    width: int
    lines: Lines
    segment: Integers
    segment_starts: Integers
    closed: npt.NDArray[np.bool_]
    framed: npt.NDArray[np.bool_]
    half: Integers
    ring_starts: Integers
    polygon_starts: Integers


def trace(land_cover: ClassMap, regions: Regions, feedback: Feedback) -> BorderGraph:
    """Trace the borders of the regions of a map."""
    blocks = regions.blocks
    above, left = np.full(blocks.width + 1, OUTSIDE, np.int32), np.zeros(0, np.int32)
    segments: list[Lines] = []
    for number, window in enumerate(blocks):
        feedback.advance(number, len(blocks))
        region = regions.numbered(number, labelled(*land_cover.read(window))[0])
        # The last row and column of the blocks lie outside of the raster.
        region[blocks.height - window.row :] = OUTSIDE
        region[:, blocks.width - window.column :] = OUTSIDE
        columns = slice(window.column, window.column + window.width)
        # With a row above and a column to the left. Their common corner touches no edge of the block.
        around = np.full((window.height + 1, window.width + 1), OUTSIDE, np.int32)
        around[0, 1:], around[1:, 1:] = above[columns], region
        if window.column:
            around[1:, 0] = left
        above[columns], left = region[-1], region[:, -1]
        segments.append(_segments(around, window, blocks.width + 1))
    return _network(_gathered(segments), blocks.width + 1, len(regions))


def _segments(around: CodeArray, window: Window, corners: int) -> Lines:
    """Return the lines within a block.

    Each pixel owns the edge to its left and the edge above it. They end at junctions, and at the sides of the block, where
    one block alone cannot tell what else begins.

    Args:
        around: Regions of the block and, before it, of one more row and column.
        corners: Corners per row of the raster.
    """
    here, west, north = around[1:, 1:], around[1:, :-1], around[:-1, 1:]
    # The larger region lies on the left of every edge. So all edges between two regions run the same way, and blocks that
    # know nothing of each other agree on it.
    width = window.width + 1
    row, column = np.nonzero(here != west)
    up = here[row, column] < west[row, column]
    upright = ((row + up) * width + column, np.where(up, NORTH, SOUTH), here[row, column], west[row, column])
    row, column = np.nonzero(here != north)
    back = here[row, column] > north[row, column]
    level = (row * width + column + back, np.where(back, WEST, EAST), here[row, column], north[row, column])
    tail, step, one, other = (np.concatenate(pair) for pair in zip(upright, level))
    head = tail + COLUMN_STEP[step] + ROW_STEP[step] * width
    # Corners of this block, numbered within it. Those with two edges have one coming in and one going out. Where more
    # edges meet more than two regions do, or one touches itself across the corner: a line ends there, and ``_rings`` turns.
    size = width * (window.height + 1)
    is_node = np.bincount(tail, minlength=size) + np.bincount(head, minlength=size) != 2
    is_node = is_node.reshape(-1, width)
    is_node[[0, -1]] = is_node[:, [0, -1]] = True
    leaving = np.full(size, -1)
    leaving[tail] = np.arange(len(tail))
    order, starts = strung_together(np.where(is_node.ravel()[head], -1, leaving[head]))
    ends = np.r_[starts, len(order)][1:] - 1
    row, column = np.divmod(np.stack([tail[order], head[order]]), width)
    tail_corner, head_corner = (row + window.row) * corners + column + window.column
    begins, finishes = order[starts], order[ends]
    lowest = np.minimum(tail_corner, head_corner)
    return Lines(
        start=tail_corner[starts],
        end=head_corner[ends],
        lowest=np.minimum.reduceat(lowest, starts) if len(starts) else lowest,
        first=step[begins].astype(np.uint8),
        last=step[finishes].astype(np.uint8),
        left=np.maximum(one, other)[begins],
        right=np.minimum(one, other)[begins],
        offset=starts,
        length=ends - starts + 1,
        steps=step[order].astype(np.uint8),
    )


def strung_together(following: Integers) -> tuple[Integers, Integers]:
    """Put things that follow each other in order.

    Args:
        following: Index of the thing that comes after each, or -1. Nothing comes after two things.

    Returns:
        All things, string by string, and where in that order each string begins. A closed string begins with its smallest
        thing. Strings come in the order of their first things.
    """
    n = len(following)
    every = np.arange(n)
    is_last = following < 0
    # As many jumps as reach across the longest string. To follow each string by itself would be a step of Python for every
    # pixel edge of the map.
    doublings = max(1, n.bit_length())
    # Jumps of twice the length each time. After the last, only what runs in a circle has not come to an end.
    jump, smallest = np.where(is_last, every, following), every.copy()
    for _ in range(doublings):
        smallest = np.minimum(smallest, smallest[jump])
        jump = jump[jump]
    # A closed string is cut open there, or counting backwards would never come to its beginning.
    is_first = ~is_last[jump] & (smallest == every)
    before = every.copy()
    before[following[~is_last]] = every[~is_last]
    before[is_first] = every[is_first]
    # The same backwards counts the things before each one.
    place, jump = (before != every).astype(np.int64), before
    for _ in range(doublings):
        place = place + place[jump]
        jump = jump[jump]
    order = np.lexsort((place, jump))
    return order, np.flatnonzero(place[order] == 0)


def _gathered(parts: list[Lines]) -> Lines:
    """Return the lines of all blocks."""
    shifts = np.cumsum([0, *(len(part.steps) for part in parts[:-1])])
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in Lines.__dataclass_fields__}
    columns["offset"] = np.concatenate([part.offset + shift for part, shift in zip(parts, shifts)])
    return Lines(**columns)


def _network(segments: Lines, width: int, regions: int) -> BorderGraph:
    """Join segments to lines, and lines to the rings of polygons."""
    # Only the corners where segments end are numbered: an array of all corners would be as large as the raster.
    place, ends = np.unique(np.concatenate([segments.start, segments.end]), return_inverse=True)
    # Where just two segments meet a line went over the side of a block, and no third region begins.
    goes_on = np.bincount(ends, minlength=len(place)) == 2
    start_place, end_place = ends[: len(segments)], ends[len(segments) :]
    beginning = np.full(len(place), -1)
    beginning[start_place] = np.arange(len(segments))
    segment, starts = strung_together(np.where(goes_on[end_place], beginning[end_place], -1))
    bounds = np.r_[starts, len(segment)]
    first, last = segment[starts], segment[bounds[1:] - 1]
    lowest = np.minimum.reduceat(segments.lowest[segment], starts) if len(starts) else segments.lowest
    # A line may also come back to a junction. That one has two ends, and smoothing leaves ends in their place.
    closed = (segments.start[first] == segments.end[last]) & goes_on[start_place[first]]
    # In an order that does not depend on the blocks. No line but itself meets the lowest corner of a closed one.
    begin = np.where(closed, lowest, segments.start[first])
    order = np.lexsort((segments.first[first], begin))
    order = order[segments.left[first][order] >= FIRST]  # Without those between nodata and the outside.
    sizes = np.diff(bounds)[order]
    segment = segment[ragged(bounds[:-1][order], sizes)]
    first, last, closed = first[order], last[order], closed[order]
    rings = _rings(segments, first, last, lowest[order], regions)
    framed = segments.right[first] == OUTSIDE
    return BorderGraph(width, segments, segment, np.r_[0, np.cumsum(sizes)], closed, framed, *rings)


def _rings(
    segments: Lines, first: Integers, last: Integers, lowest: Integers, regions: int
) -> tuple[Integers, Integers, Integers]:
    """Return ``half``, ``ring_starts`` and ``polygon_starts`` of a network of lines with these first and last segments."""
    # Each line both ways: with the region that is on the left then.
    region = np.stack([segments.left[first], segments.right[first]], axis=1).ravel()
    start = np.stack([segments.start[first], segments.end[last]], axis=1).ravel()
    end = np.stack([segments.end[last], segments.start[first]], axis=1).ravel()
    leaves = np.stack([segments.first[first], (segments.last[last] + 2) % 4], axis=1).ravel()
    arrives = np.stack([segments.last[last], (segments.first[first] + 2) % 4], axis=1).ravel()
    # What leaves a corner with the same region on the left. As often as a region's border comes to a corner it leaves it, so
    # both sorted alike stand side by side. Where a region meets itself across a corner there are two that leave: the turn to
    # the right closes what lies on the right, so that no ring touches itself.
    own = np.flatnonzero(region >= FIRST)
    leaving = own[np.lexsort((leaves[own], region[own], start[own]))]
    arriving = own[np.lexsort((region[own], end[own]))]
    is_new = np.r_[True, (np.diff(start[leaving]) != 0) | (np.diff(region[leaving]) != 0)][: len(own)]
    of_group = np.cumsum(is_new) - 1
    candidate = np.flatnonzero(is_new)[of_group]
    has_two = np.bincount(of_group)[of_group] > 1 if len(own) else is_new
    is_right_turn = leaves[leaving[candidate]] == (arrives[arriving] + 1) % 4
    following = np.full(len(region), -1)
    following[arriving] = leaving[candidate + (has_two & ~is_right_turn)]
    half, ring_starts = strung_together(following)
    ring_ends = np.r_[ring_starts, len(half)][1:]
    ring_lowest = np.minimum.reduceat(lowest[half // 2], ring_starts) if len(half) else lowest
    owner = region[half[ring_starts]]
    # The outer ring is the one with the first corner of the region.
    rings = np.lexsort((ring_lowest, owner))
    rings = rings[owner[rings] >= FIRST]
    sizes = (ring_ends - ring_starts)[rings]
    counts = np.bincount(owner[rings] - FIRST, minlength=regions)
    return half[ragged(ring_starts[rings], sizes)], np.r_[0, np.cumsum(sizes)], np.r_[0, np.cumsum(counts)]


def ragged(starts: Integers, sizes: Integers) -> Integers:
    """Return the indices of slices of an array, one slice after the other."""
    total = np.cumsum(sizes)
    return np.asarray(np.arange(total[-1] if len(total) else 0) + np.repeat(starts - (total - sizes), sizes))
