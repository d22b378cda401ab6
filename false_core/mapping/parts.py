"""How a map is cut into parts: what is computed, kept and shared out as a whole.

Parts depend on the raster and on the tiles, never on how many processes there are. Each holds whole blocks of the map's file
and can be computed without the others: the row of tiles above it, and where a map is very wide the column to the left of it,
are computed once more for that. A process that goes on with the next part has them already. The tiles of a row are computed
in the same groups wherever it starts, so that rounding is the same too.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from false_core.distributed import Share
from false_core.raster.map_file import BLOCK
from false_core.raster.source import Window
from false_core.raster.tiles import Tile, TilePlan

LEAST_PIXELS = 1_000_000
"""Of the file, in a part. A smaller one would take longer to be written safely than to be computed."""
MOST_STRIP_BYTES = 64_000_000
"""For the probabilities that wait for the next row of tiles. A wider map is cut into columns."""


@dataclass(frozen=True)
class Part:
    """A part of a map.

    Attributes:
        number: From 0; down the first column of parts, then down the next.
        window: What it holds, in pixels of the map.
        columns, rows: Of the tiles without which it would not be complete, besides those above it and left of it.
    """

    number: int
    window: Window
    columns: range
    rows: range


@dataclass(frozen=True)
class Stretch:
    """Parts that lie below one another and are computed in one go.

    Attributes:
        parts: From top to bottom.
        columns, rows: Of all tiles that takes.
    """

    parts: tuple[Part, ...]
    columns: range
    rows: range

    def tiles(self, plan: TilePlan) -> Iterator[Tile]:
        """Go through the tiles row by row."""
        for row in self.rows:
            for column in self.columns:
                yield plan.tile(column, row)

    def completes(self, tile: Tile) -> Part | None:
        """Return the part that is complete with this tile, if one is."""
        return self._ending.get(tile.row) if tile.column == self.columns[-1] else None

    def meeting(self, place: Window) -> list[tuple[Part, Window]]:
        """Return the parts that hold some of a place on the map, and what they hold of it."""
        first = max(0, bisect_right(self._tops, place.row) - 1)
        beyond = bisect_left(self._tops, place.row + place.height)
        shared = ((part, intersection(part.window, place)) for part in self.parts[first:beyond])
        return [(part, window) for part, window in shared if window is not None]

    @cached_property
    def _ending(self) -> dict[int, Part]:
        return {part.rows[-1]: part for part in self.parts}

    @cached_property
    def _tops(self) -> list[int]:
        return [part.window.row for part in self.parts]


def cut_into_parts(plan: TilePlan, factor: int, width: int, height: int, classes: int) -> list[Part]:
    """Return the parts of a map.

    Args:
        plan: Its tiles.
        factor: Pixels of the file per working pixel.
        width, height: Of the map, in pixels of the file.
        classes: Their number.
    """
    step = plan.stride * factor
    strip_of_a_tile = 4 * classes * plan.shared * plan.stride
    sections = -(-plan.columns * strip_of_a_tile // MOST_STRIP_BYTES)
    across = _cuts(plan, factor, plan.columns, -(-plan.columns // sections))
    widest = min(width, step * max(end - start for start, end in itertools.pairwise(across)))
    down = _cuts(plan, factor, plan.rows, max(1, -(-LEAST_PIXELS // (step * widest))))
    parts: list[Part] = []
    for left, right in itertools.pairwise(across):
        x, beyond_x = _first_pixel(left, plan.columns, step, width), _first_pixel(right, plan.columns, step, width)
        for top, bottom in itertools.pairwise(down):
            y, beyond_y = _first_pixel(top, plan.rows, step, height), _first_pixel(bottom, plan.rows, step, height)
            window = Window(x, y, beyond_x - x, beyond_y - y)
            parts.append(Part(len(parts), window, range(left, right), range(top, bottom)))
    return parts


def own_share(parts: Sequence[Part], share: Share) -> Sequence[Part]:
    """Return the parts that a process makes: as many as the others, in one piece.

    All but the first process start with tiles of the part before, and get that much less.
    """

    def start(rank: int) -> int:
        return rank * (len(parts) + share.world - 1) // share.world - (rank - 1) if rank else 0

    return parts[start(share.rank) : start(share.rank + 1)]


def stretches(parts: Sequence[Part]) -> list[Stretch]:
    """Return how parts, in their order, are computed with as few tiles as possible."""
    runs: list[list[Part]] = []
    for part in parts:
        last = runs[-1][-1] if runs else None
        if last and last.columns == part.columns and last.rows.stop == part.rows.start:
            runs[-1].append(part)
        else:
            runs.append([part])
    return [
        Stretch(
            tuple(run),
            range(max(0, run[0].columns.start - 1), run[0].columns.stop),
            range(max(0, run[0].rows.start - 1), run[-1].rows.stop),
        )
        for run in runs
    ]


def intersection(one: Window, other: Window) -> Window | None:
    """Return what two windows share, None where that is nothing."""
    left, top = max(one.column, other.column), max(one.row, other.row)
    right = min(one.column + one.width, other.column + other.width)
    bottom = min(one.row + one.height, other.row + other.height)
    return Window(left, top, right - left, bottom - top) if right > left and bottom > top else None


def _cuts(plan: TilePlan, factor: int, tiles: int, least: int) -> list[int]:
    """Return the tiles that begin a part, along one axis, and the number of tiles at the end."""
    step = plan.stride * factor
    cuts = [0]
    tile = least
    while tile < tiles:
        # A part begins with the block in which its first tile begins. The pixels of that block before the tile are those of
        # the tile before, and must not lie where that one waits for yet another.
        if tile * step % BLOCK <= step - plan.shared * factor:
            cuts.append(tile)
            tile += least
        else:
            tile += 1
    return [*cuts, tiles]


def _first_pixel(tile: int, tiles: int, step: int, size: int) -> int:
    return size if tile == tiles else tile * step // BLOCK * BLOCK
