"""The strips that a map is cut into: each is computed, stored and shared out as a whole.

Strips depend on the raster and on the tiles, never on how many processes there are. Each holds whole blocks of the map's
file and can be computed without the others: the row of tiles above it, and where a map is very wide the column to the left
of it, are computed once more for that. A process that goes on with the next strip has them already. The tiles of a row are
computed in the same groups wherever it starts, so that rounding is the same too.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from false_core.computing.distributed import Share
from false_core.computing.precision import Use
from false_core.feedback import Feedback
from false_core.inference.tiles import MOST_WAITING_BYTES, Tile, TileContext, TilePlan
from false_core.jobs import Classify, parse_extent
from false_core.mapping.raster_for_model import open_for_model
from false_core.models.from_file import check_segmenter
from false_core.models.header import SEGMENTER
from false_core.models.model_file import ModelCard, read_card
from false_core.raster.cog import intersection
from false_core.raster.map_file import FILE_BLOCK_PX
from false_core.raster.source import RasterSource, Window

LEAST_PIXELS = 1_000_000
"""Least pixels of the file in a strip. A smaller one would take longer to be written safely than to be computed."""
NO_CONFIDENCE = 255
"""Confidence of a pixel without a class."""


@dataclass(frozen=True)
class Strip:
    """Full-width rows of a map; where it is very wide, of one of its columns.

    Attributes:
        number: Its number from 0; down the first column of strips, then down the next.
        window: Window that it holds, in pixels of the map.
        columns, rows: The columns and rows of the tiles that complete it, besides those above it and left of it.
    """

    number: int
    window: Window
    columns: range
    rows: range


@dataclass(frozen=True)
class StripRun:
    """Strips that lie below one another and are computed in one go.

    Attributes:
        strips: The strips from top to bottom.
        columns, rows: The columns and rows of all tiles that takes.
    """

    strips: tuple[Strip, ...]
    columns: range
    rows: range

    def tiles(self, plan: TilePlan) -> Iterator[Tile]:
        """Go through the tiles row by row."""
        for row in self.rows:
            for column in self.columns:
                yield plan.tile(column, row)

    def completes(self, tile: Tile) -> Strip | None:
        """Return the strip that is complete with this tile, if one is."""
        return self._ending.get(tile.row) if tile.column == self.columns[-1] else None

    def meeting(self, window: Window) -> list[tuple[Strip, Window]]:
        """Return the strips that hold some of a window of the map, and what they hold of it."""
        first = max(0, bisect_right(self._tops, window.row) - 1)
        beyond = bisect_left(self._tops, window.row + window.height)
        shared = ((strip, intersection(strip.window, window)) for strip in self.strips[first:beyond])
        return [(strip, common) for strip, common in shared if common is not None]

    @cached_property
    def _ending(self) -> dict[int, Strip]:
        return {strip.rows[-1]: strip for strip in self.strips}

    @cached_property
    def _tops(self) -> list[int]:
        return [strip.window.row for strip in self.strips]


@dataclass(frozen=True)
class MapPlan:
    """The window that is mapped, and how.

    Attributes:
        card: Card of the model, which says what goes into the network and comes out of it.
        source: The raster on its working grid.
        window: The window of it that is mapped, in pixels of the file.
        with_confidence: True where the probability of the class chosen is written too.
    """

    card: ModelCard
    source: RasterSource
    window: Window
    tiles: TilePlan
    strips: tuple[Strip, ...]
    with_confidence: bool

    @classmethod
    def of(cls, card: ModelCard, source: RasterSource, area: Window, with_confidence: bool) -> MapPlan:
        """Plan the map of an area, given in working pixels."""
        classes = len(card.classes)
        tiles = TilePlan.for_area(area, classes, source.factor, TileContext.of(card.head))
        window = _on_source_grid(area, source)
        strips = cut_into_strips(tiles, source.factor, window.width, window.height, classes)
        return cls(card, source, window, tiles, tuple(strips), with_confidence)

    def core(self, tile: Tile) -> Window:
        """Return what a tile completes, in pixels of the map."""
        return self.tiles.core(tile, self.source.factor, self.window.width, self.window.height)

    @property
    def use(self) -> Use:
        """The use of the network, which decides the numbers that it computes with."""
        return Use.FEATURES if self.card.head else Use.DECODER

    @property
    def decisive(self) -> list[Any]:
        """The facts that decide the pixels of the map, besides the model and the content of the raster."""
        windows = [(strip.window, strip.rows, strip.columns) for strip in self.strips]
        return [asdict(self.tiles), self.source.factor, self.source.bands, self.with_confidence, windows]


def plan_of(job: Classify, feedback: Feedback) -> MapPlan:
    """Return what a job maps, and how."""
    card = read_card(job.model, SEGMENTER)
    check_segmenter(job.model, card)
    source = open_for_model(job.raster, job.model, card, feedback)
    extent = parse_extent(job.extent) if job.extent else None
    return MapPlan.of(card, source, source.window_of(extent), bool(job.confidence))


def cut_into_strips(plan: TilePlan, factor: int, width: int, height: int, classes: int) -> list[Strip]:
    """Return the strips of a map.

    Args:
        width, height: Size of the map, in pixels of the file.
    """
    step = plan.stride * factor
    waiting_of_a_tile = 4 * classes * plan.shared * plan.stride
    columns_of_strips = -(-plan.columns * waiting_of_a_tile // MOST_WAITING_BYTES)
    across = _cuts(plan, factor, plan.columns, -(-plan.columns // columns_of_strips))
    widest = min(width, step * max(end - start for start, end in itertools.pairwise(across)))
    down = _cuts(plan, factor, plan.rows, max(1, -(-LEAST_PIXELS // (step * widest))))
    strips: list[Strip] = []
    for left, right in itertools.pairwise(across):
        x, beyond_x = _first_pixel(left, plan.columns, step, width), _first_pixel(right, plan.columns, step, width)
        for top, bottom in itertools.pairwise(down):
            y, beyond_y = _first_pixel(top, plan.rows, step, height), _first_pixel(bottom, plan.rows, step, height)
            window = Window(x, y, beyond_x - x, beyond_y - y)
            strips.append(Strip(len(strips), window, range(left, right), range(top, bottom)))
    return strips


def own_share(strips: Sequence[Strip], share: Share) -> Sequence[Strip]:
    """Return the strips that a process makes: as many as the others, one below the other.

    All but the first process start with tiles of the strip before, and get that much less.
    """

    def start(rank: int) -> int:
        return rank * (len(strips) + share.world_size - 1) // share.world_size - (rank - 1) if rank else 0

    return strips[start(share.rank) : start(share.rank + 1)]


def runs_of(strips: Sequence[Strip]) -> list[StripRun]:
    """Return how strips, in their order, are computed with as few tiles as possible."""
    runs: list[list[Strip]] = []
    for strip in strips:
        last = runs[-1][-1] if runs else None
        if last and last.columns == strip.columns and last.rows.stop == strip.rows.start:
            runs[-1].append(strip)
        else:
            runs.append([strip])
    return [
        StripRun(
            tuple(run),
            range(max(0, run[0].columns.start - 1), run[0].columns.stop),
            range(max(0, run[0].rows.start - 1), run[-1].rows.stop),
        )
        for run in runs
    ]


def _cuts(plan: TilePlan, factor: int, tiles: int, least: int) -> list[int]:
    """Return the tiles that begin a strip, along one axis, and the number of tiles at the end."""
    step = plan.stride * factor
    cuts = [0]
    tile = least
    while tile < tiles:
        # A strip begins with the block in which its first tile begins. The pixels of that block before the tile are those of
        # the tile before, and must not lie where that one waits for yet another.
        if tile * step % FILE_BLOCK_PX <= step - plan.shared * factor:
            cuts.append(tile)
            tile += least
        else:
            tile += 1
    return [*cuts, tiles]


def _first_pixel(tile: int, tiles: int, step: int, size: int) -> int:
    return size if tile == tiles else tile * step // FILE_BLOCK_PX * FILE_BLOCK_PX


def _on_source_grid(area: Window, source: RasterSource) -> Window:
    """Return ``area`` in pixels of the file; the last working pixels may reach beyond it."""
    f = source.factor
    column, row = area.column * f, area.row * f
    right = min((area.column + area.width) * f, source.source_width)
    bottom = min((area.row + area.height) * f, source.source_height)
    return Window(column, row, right - column, bottom - row)
