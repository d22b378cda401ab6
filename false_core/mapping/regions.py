"""Regions: pixels of one class that hang together, found block by block, and the small ones dissolved into neighbours.

What is kept grows with the number of regions, not of pixels. A block is labelled twice, once to find the regions and once
to trace their borders: that costs less than keeping the labels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage, sparse
from scipy.sparse import csgraph

from false_core.feedback import Feedback
from false_core.raster.areas import GroundAreas
from false_core.raster.class_map import ClassMap, CodeArray
from false_core.raster.source import BoolArray, RasterSource, Window

Integers = npt.NDArray[np.int64]

OUTSIDE, NODATA, FIRST = 0, 1, 2
"""Numbers of what lies beyond the raster, of pixels without data, and of the first region."""
_LAST = np.iinfo(np.int64).max
_FINE = 2**16
"""Areas and lengths are counted in such fractions of the largest pixel, so that sums are exact in any order."""
_LARGEST_AREA = 2**62
"""The least area of a region in such fractions, where the one that is asked for is larger than any map."""


@dataclass(frozen=True)
class Regions:
    """The regions of a map, in the order of their first pixels from the upper left corner, row by row.

    Attributes:
        blocks: Blocks that the map was cut into; the same ones give the same labels again.
        codes: Class code of each region.
        areas: Area of each region, in the unit of ``unit_of_areas``.
        dissolved: Number of regions that became part of another one.
    """

    blocks: Blocks
    codes: Integers
    areas: npt.NDArray[np.float64]
    dissolved: int
    _numbers: CodeArray
    _offsets: Integers

    def __len__(self) -> int:
        return len(self.codes)

    def numbered(self, block: int, labels: CodeArray) -> CodeArray:
        """Return the numbers of the regions, from ``FIRST`` on, of a block with its own ``labels``; else ``NODATA``."""
        start, end = self._offsets[block : block + 2]
        table = np.concatenate([np.array([NODATA], np.int32), self._numbers[start:end] + np.int32(FIRST)])
        return np.asarray(table[labels], np.int32)


@dataclass(frozen=True)
class Blocks:
    """Square blocks of a raster, row by row. They cover one more row and column than the raster, all of it outside.

    The upper left corners of the pixels covered are then all the corners that the pixels of the raster have.
    """

    width: int
    height: int
    side: int

    @property
    def columns(self) -> int:
        """Blocks per row."""
        return self.width // self.side + 1

    def __len__(self) -> int:
        return self.columns * (self.height // self.side + 1)

    def __iter__(self) -> Iterator[Window]:
        for row in range(0, self.height + 1, self.side):
            for column in range(0, self.width + 1, self.side):
                width, height = min(self.side, self.width + 1 - column), min(self.side, self.height + 1 - row)
                yield Window(column, row, width, height)


def labelled(codes: CodeArray, valid: BoolArray) -> tuple[CodeArray, int]:
    """Return the regions within a block, numbered from 1, with 0 where invalid; pixels hang together by their sides."""
    height, width = codes.shape
    # Twice as fine, with the places between pixels of one class filled in, all classes can be labelled in one go.
    fine = np.zeros((2 * height - 1, 2 * width - 1), bool)
    fine[::2, ::2] = valid
    fine[::2, 1::2] = valid[:, 1:] & valid[:, :-1] & (codes[:, 1:] == codes[:, :-1])
    fine[1::2, ::2] = valid[1:] & valid[:-1] & (codes[1:] == codes[:-1])
    labels, count = ndimage.label(fine)
    return np.ascontiguousarray(labels[::2, ::2], dtype=np.int32), int(count)


def find_regions(land_cover: ClassMap, areas: GroundAreas, side: int, minimum_area: float, feedback: Feedback) -> Regions:
    """Find the regions of a map, and dissolve those smaller than ``minimum_area``.

    A small region becomes part of the neighbour it shares the longest border with; of several such, of the largest one. The
    smallest go first, and what they join counts with its new size. A region that touches nodata only stays, however small.

    Args:
        areas: Areas of the map's pixels.
        side: The side of the blocks, in pixels. It does not change the result.
        minimum_area: The least area of a region, in the unit of ``unit_of_areas``.
    """
    source = land_cover.source
    blocks = Blocks(source.source_width, source.source_height, side)
    found = _RegionCollector(source, areas, blocks, borders=minimum_area > 0)
    for number, window in enumerate(blocks):
        feedback.advance(number * side**2 / 1e6, len(blocks) * side**2 / 1e6, "Mpx")
        codes, valid = land_cover.read(window)
        found.add(window, codes, *labelled(codes, valid))
    regions = found.joined()
    kept, numbers = dissolve(regions, round(min(minimum_area / found.largest_pixel * _FINE, _LARGEST_AREA)), feedback)
    # In the order of their first pixels, which does not depend on the blocks.
    order = np.argsort(kept.first)
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order))
    numbers_of_fragments = rank[numbers][found.region_of_fragment]
    sizes = kept.areas[order] / _FINE * found.largest_pixel
    return Regions(blocks, kept.codes[order], sizes, len(numbers) - len(order), numbers_of_fragments, found.offsets)


@dataclass(frozen=True)
class RegionGraph:
    """Whole regions and the borders between them.

    Attributes:
        codes, areas, first: Class code, area and first pixel (row by row) of each region.
        borders: Symmetric, the length of the border that two regions share.
    """

    codes: Integers
    areas: Integers
    first: Integers
    borders: sparse.csr_array

    def joined(self, numbers: Integers, codes: Integers) -> RegionGraph:
        """Return the graph in which the regions with the same of ``numbers``, from 0 on, are one; ``codes`` are theirs."""
        count = int(numbers.max(initial=-1)) + 1
        new_codes, areas, first = np.empty(count, np.int64), np.zeros(count, np.int64), np.full(count, _LAST)
        new_codes[numbers] = codes
        np.add.at(areas, numbers, self.areas)
        np.minimum.at(first, numbers, self.first)
        every = np.arange(len(numbers))
        member = sparse.coo_array((np.ones(len(every), np.int64), (every, numbers)), shape=(len(every), count)).tocsr()
        borders = (member.T @ self.borders @ member).tocoo()
        between = borders.row != borders.col
        entries = (borders.data[between], (borders.row[between], borders.col[between]))
        return RegionGraph(new_codes, areas, first, sparse.coo_array(entries, shape=(count, count)).tocsr())


class _RegionCollector:
    """Collects the fragments of regions block by block, and what of them touches."""

    def __init__(self, source: RasterSource, areas: GroundAreas, blocks: Blocks, borders: bool) -> None:
        self._areas = areas
        self.largest_pixel = areas.largest_pixel
        transform = source.source_transform
        # A pixel's horizontal and vertical edges. In degrees, the horizontal ones are shorter towards the poles.
        across, down = np.hypot(transform.a, transform.d), np.hypot(transform.b, transform.e)
        is_in_degrees = source.crs is not None and source.crs.is_geographic
        middle = Window(blocks.width // 2, 0, 1, blocks.height + 1)
        narrowing = areas.of_pixels(middle)[:, 0] / areas.largest_pixel if is_in_degrees else np.ones(blocks.height + 1)
        longest = max(across, down)
        self._horizontal = np.maximum(1, np.rint(across * narrowing / longest * _FINE)).astype(np.int64)
        self._vertical = max(1, round(down / longest * _FINE))
        self._width, self._blocks, self._with_borders = source.source_width, blocks, borders
        self._fragments: list[tuple[Integers, Integers, Integers]] = []
        self._same: list[Integers] = []
        self._borders: list[Integers] = []
        self._counts: list[int] = []
        # Of the rows of blocks so far, the lowest pixels; of the block to the left, the rightmost ones.
        self._above = np.zeros((2, blocks.width + 1), np.int64)
        self._left = np.zeros((2, 0), np.int64)

    @property
    def offsets(self) -> Integers:
        """The numbers at which the fragments of each block begin, and the end."""
        return np.concatenate([[0], np.cumsum(self._counts)]).astype(np.int64)

    def add(self, window: Window, codes: CodeArray, labels: CodeArray, count: int) -> None:
        """Add the next block."""
        offset = int(self.offsets[-1])
        self._counts.append(count)
        flat = labels.ravel()
        rows = np.arange(window.row, window.row + window.height)
        fine = np.rint(self._areas.of_pixels(window) * (_FINE / self.largest_pixel))
        areas = np.bincount(flat, fine.ravel(), minlength=count + 1)[1:]
        # Of equal indices the last assignment counts: backwards, that is the first pixel.
        first = np.empty(count + 1, np.int64)
        first[flat[::-1]] = np.arange(flat.size - 1, -1, -1)
        first = first[1:]
        row, column = np.divmod(first, window.width)
        place = (row + window.row) * (self._width + 1) + column + window.column
        self._fragments.append((codes.ravel()[first].astype(np.int64), np.rint(areas).astype(np.int64), place))
        fragments = np.where(labels > 0, labels + np.int64(offset), 0)
        here = np.stack([fragments, codes.astype(np.int64)])
        columns = slice(window.column, window.column + window.width)
        pairs = [
            self._touching(self._above[:, columns], here[:, 0], self._horizontal[rows[0]]),
            self._touching(self._left, here[:, :, 0], self._vertical) if window.column else np.zeros((3, 0), np.int64),
        ]
        if self._with_borders:
            horizontal = np.repeat(self._horizontal[rows[1:], None], window.width, axis=1)
            pairs += [
                self._touching(here[:, :-1], here[:, 1:], horizontal),
                self._touching(here[:, :, :-1], here[:, :, 1:], self._vertical),
            ]
            self._borders.append(_summed(np.concatenate(pairs, axis=1)))
        self._above[:, columns] = here[:, -1]
        self._left = here[:, :, -1]

    def _touching(self, one: Integers, other: Integers, length: Integers | int) -> Integers:
        """Keep which fragments are the same region; return (fragment, other, length of the border) of those that are not.

        Args:
            one, other: Numbers of the fragments and their codes, of shape (2, ...).
            length: Length of the border between two pixels.
        """
        both = (one[0] > 0) & (other[0] > 0) & (one[0] != other[0])
        same = both & (one[1] == other[1])
        if same.any():
            self._same.append(np.unique(np.stack([one[0][same], other[0][same]]), axis=1) - 1)
        differ = both & ~same
        lengths = np.broadcast_to(np.asarray(length, np.int64), differ.shape)[differ]
        return np.stack([one[0][differ] - 1, other[0][differ] - 1, lengths])

    def joined(self) -> RegionGraph:
        """Return the whole regions."""
        codes, areas, first = (np.concatenate(column) for column in zip(*self._fragments))
        one, other, length = np.concatenate([np.zeros((3, 0), np.int64), *self._borders], axis=1)
        half = sparse.coo_array((length, (one, other)), shape=(len(codes), len(codes))).tocsr()
        fragments = RegionGraph(codes, areas, first, (half + half.T).tocsr())
        self.region_of_fragment = _connected(len(codes), np.concatenate([np.zeros((2, 0), np.int64), *self._same], axis=1))
        return fragments.joined(self.region_of_fragment, codes)


def _summed(pairs: Integers) -> Integers:
    """Return (fragments, other fragments, length) with each pair once, the smaller number first."""
    low, high = np.minimum(pairs[0], pairs[1]), np.maximum(pairs[0], pairs[1])
    order = np.lexsort((high, low))
    low, high, length = low[order], high[order], pairs[2][order]
    starts = np.flatnonzero(np.r_[True, (low[1:] != low[:-1]) | (high[1:] != high[:-1])]) if len(low) else np.zeros(0, int)
    sums = np.add.reduceat(length, starts) if len(starts) else length
    return np.stack([low[starts], high[starts], sums])


def _connected(n: int, pairs: Integers) -> Integers:
    """Return which of ``n`` things belong together by ``pairs`` of shape (2, m), as numbers from 0."""
    graph = sparse.coo_array((np.ones(pairs.shape[1], np.int8), (pairs[0], pairs[1])), shape=(n, n))
    return np.asarray(csgraph.connected_components(graph, directed=False)[1], np.int64)


def dissolve(graph: RegionGraph, smallest: int, feedback: Feedback) -> tuple[RegionGraph, Integers]:
    """Dissolve regions with an area below ``smallest``. Return what is left, and the number in it of each region of before.

    In rounds: a region goes when none of its neighbours has to go before it. As a region that goes takes on the class of
    what it joins, it can bring together regions of that class, which then are one.
    """
    numbers = np.arange(len(graph.codes))
    while True:
        feedback.stop_if_cancelled()
        borders = graph.borders
        neighbours = np.diff(borders.indptr)
        one, other = np.repeat(np.arange(len(neighbours)), neighbours), borders.indices
        goes = (graph.areas < smallest) & (neighbours > 0)
        # Of equal size, in an order that looks random: row by row, each would wait for the one before it.
        turn = np.empty(len(goes), np.int64)
        turn[np.lexsort((_scattered(graph.first), graph.areas))] = np.arange(len(goes))
        goes[one[goes[one] & goes[other] & (turn[other] < turn[one])]] = False
        if not goes.any():
            return graph, numbers
        going = np.flatnonzero(goes[one])
        keys = (-graph.first[other[going]], graph.areas[other[going]], borders.data[going], one[going])
        order = going[np.lexsort(keys)]
        longest = order[np.r_[one[order][1:] != one[order][:-1], True]]
        codes = graph.codes.copy()
        codes[one[longest]] = codes[other[longest]]
        alike = codes[one] == codes[other]
        joined = _connected(len(codes), np.stack([one[alike], other[alike]]).astype(np.int64))
        graph, numbers = graph.joined(joined, codes), joined[numbers]


def _scattered(values: Integers) -> npt.NDArray[np.uint64]:
    """Return a number that looks random for each value: the mixing function of SplitMix64 (Steele et al. 2014)."""
    z = values.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)))
