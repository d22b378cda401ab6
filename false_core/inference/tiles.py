"""The plan that cuts an area into overlapping tiles, and the blending of their results without a seam."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import lcm

import torch
from torch import Tensor

from false_core.computing.device import memory_of
from false_core.errors import InputError, OutOfMemoryError
from false_core.models.fused import FusedSpec
from false_core.raster.source import Window

RAMP_PX = 32
"""Working pixels over which two tiles are blended."""
CONTEXT_PX = 32
"""Working pixels that a tile sees beyond those that it counts for. How this was chosen: docs/performance.md."""
MAX_STRIDE_PX = 768
"""Largest stride. Longer ones would save little and take much memory."""
ALIGNED_STRIDE = 256
"""Strides on large areas are multiples of it, so that a tile completes whole blocks of the map's file. Half a block would
have to be read, decompressed and written again when the next row of tiles completes it, once GDAL's cache has dropped it."""
LARGE_AREA_TILES = 16
"""Tiles along the longer side from which on an area is large. Smaller ones have strides that fit them best."""
MIN_STRIDE_PX = 256
"""Smallest stride, where memory allows."""
MOST_BYTES = 64_000_000
"""Largest probabilities of one tile, in bytes. About four times as much is in use at once."""
MAX_FILE_PIXELS = 32_000_000
"""Largest number of pixels of the file under one tile."""
MOST_WAITING_BYTES = 64_000_000
"""Largest probabilities that wait for the next row of tiles. A wider area is worked on in columns."""
ENCODER_STRIDE = 32
MOST_TILES = 20_000_000
"""Largest number of tiles of a plan. At twenty a second, which takes a GPU, they last for eleven days."""
WAITING_SHARE_OF_MEMORY = 0.5
"""Share of the device's memory that probabilities may take which wait for their neighbours."""


@dataclass(frozen=True)
class TileContext:
    """The view of a network on a tile.

    Attributes:
        stride: Pixels that the distances and the sides of tiles are multiples of.
        context: Pixels that a tile sees beyond those that it counts for.
    """

    stride: int = ENCODER_STRIDE
    context: int = CONTEXT_PX

    @classmethod
    def of(cls, head: FusedSpec | None) -> TileContext:
        """Return how a model with such a head looks, or without one: a model with a decoder."""
        if head is None:
            return cls()
        return cls(lcm(ENCODER_STRIDE, head.stride), head.context)

    @property
    def overlap(self) -> int:
        """Pixels that two tiles share."""
        return -(-(RAMP_PX + 2 * self.context) // self.stride) * self.stride


@dataclass(frozen=True)
class Tile:
    """One tile of a plan.

    Attributes:
        window: Window that the network sees.
        column, row: The column and row of the plan, from 0.
    """

    window: Window
    column: int
    row: int


@dataclass(frozen=True)
class TilePlan:
    """Tiles over an area. Each completes its core of ``stride`` times ``stride`` pixels, and sees some more around it.

    Two neighbours share ``overlap`` pixels. In the middle of these, on ``ramp`` pixels, one fades out as the other fades in.
    The ramp begins one pixel after the border of their cores, so that the core of a tile, and one pixel around it, are
    complete when it has been added.

    Attributes:
        area: Area to be covered, in working pixels.
        stride: Distance of neighbouring tiles.
        overlap: Pixels that neighbours share.
        ramp: Pixels of the overlap that are blended; even, and less than ``overlap``.
    """

    area: Window
    stride: int
    overlap: int
    ramp: int

    @classmethod
    def for_area(cls, area: Window, classes: int, factor: int, tile_context: TileContext = TileContext()) -> TilePlan:
        """Return the most economical plan whose tiles fit the memory.

        Args:
            area: Area to be covered, in working pixels.
            classes: Number of classes.
            factor: Pixels of the file per working pixel.
            tile_context: View of the network on a tile.

        Raises:
            InputError: The area is so large that it would never be done.
        """
        is_large = max(area.width, area.height) > LARGE_AREA_TILES * MAX_STRIDE_PX
        step = lcm(ALIGNED_STRIDE, tile_context.stride) if is_large else tile_context.stride
        strides = [
            *range(MAX_STRIDE_PX // step * step, MIN_STRIDE_PX - 1, -step),
            *(4 * tile_context.stride, 2 * tile_context.stride),
        ]
        plans = [cls(area, stride, tile_context.overlap, RAMP_PX) for stride in strides]
        fitting = [
            plan
            for plan in plans
            if 4 * classes * plan.side**2 <= MOST_BYTES and (plan.side * factor) ** 2 <= MAX_FILE_PIXELS
        ] or [cls(area, tile_context.stride, tile_context.stride, tile_context.stride // 4 * 2)]
        best = min(fitting, key=lambda plan: len(plan) * plan.side**2)
        if len(best) > MOST_TILES:
            raise InputError(
                f"{area.width:,} x {area.height:,} pixels are to be classified, in {len(best):,} tiles: that takes weeks.",
                "Choose an extent, or a map in several parts.",
            )
        return best

    @property
    def side(self) -> int:
        """Side of a tile."""
        return self.stride + self.overlap

    @property
    def lead(self) -> int:
        """Pixels of a tile above, and left of, its core."""
        return (self.overlap - self.ramp) // 2

    @property
    def columns(self) -> int:
        """Tiles per row."""
        return -(-self.area.width // self.stride)

    @property
    def rows(self) -> int:
        """Rows of tiles."""
        return -(-self.area.height // self.stride)

    @property
    def shared(self) -> int:
        """Pixels, from the border of its core on, in which a tile waits for the one before."""
        return self.ramp + 2

    def __len__(self) -> int:
        return self.columns * self.rows

    def __iter__(self) -> Iterator[Tile]:
        """Go through the tiles row by row."""
        for row in range(self.rows):
            for column in range(self.columns):
                yield self.tile(column, row)

    def core(self, tile: Tile, factor: int, width: int, height: int) -> Window:
        """Return what a tile completes of a map of ``width`` times ``height`` pixels of the file, in pixels of the map."""
        side = self.stride * factor
        column, row = tile.column * side, tile.row * side
        return Window(column, row, min(side, width - column), min(side, height - row))

    def tile(self, column: int, row: int) -> Tile:
        """Return one of the tiles."""
        x = self.area.column + column * self.stride - self.lead
        y = self.area.row + row * self.stride - self.lead
        return Tile(Window(x, y, self.side, self.side), column, row)


class Blender:
    """Adds up the probabilities of overlapping tiles with weights that fall off linearly from one to the next.

    Tiles come row by row, as a plan gives them. What a tile completes is handed out at once; kept are only the edges that
    wait for the next tile and the next row, so memory grows with the number of columns, not with the area.

    It may begin anywhere in the plan. Then what its first row, and the first tile of each row, complete lacks something
    where they overlap the tile before: in the first ``plan.shared`` pixels. All the rest is the same number for number.
    Tiles may be left out: then that holds for the pixels for which all tiles that reach there came.

    Args:
        columns: The columns of the tiles that come; without them all.
    """

    def __init__(self, plan: TilePlan, classes: int, device: torch.device, columns: range | None = None) -> None:
        self._plan, ramp = plan, plan.ramp
        self._columns = columns if columns is not None else range(plan.columns)
        self._shared = plan.shared
        waiting = 4 * classes * self._shared * (len(self._columns) * plan.stride + self._shared)
        memory = memory_of(device)
        if memory and waiting > WAITING_SHARE_OF_MEMORY * memory:
            raise OutOfMemoryError(
                f"A map of {classes} classes, {plan.area.width:,} pixels wide, takes {waiting / 1e9:,.1f} GB of memory, and "
                f"there are {memory / 1e9:,.1f} GB.",
                "Choose an extent, and make the map in several parts.",
            )
        rising = (torch.arange(ramp, device=device) + 0.5) / ramp
        one = torch.ones(2, device=device)
        level = torch.ones(plan.stride - ramp - 2, device=device)
        falling = torch.cat([one, rising.flip(0)])
        self._profile = torch.cat([1 - falling, level, falling])
        # Nothing comes before the first tile, so it counts in full there.
        self._first_profile = torch.cat([torch.ones_like(falling), level, falling])
        self._below = torch.zeros(classes, self._shared, len(self._columns) * plan.stride + self._shared, device=device)
        self._right = torch.zeros(classes, plan.stride + self._shared, self._shared, device=device)

    def add(self, tile: Tile, probabilities: Tensor | None) -> Tensor:
        """Add a tile and return what is complete now.

        Args:
            probabilities: Array of shape (classes, side, side); None where nothing is valid.

        Returns:
            Blended probabilities of the tile's core and one pixel around it (classes, stride + 2, stride + 2); valid until
            the next call.
        """
        stride, shared, first = self._plan.stride, self._shared, self._plan.lead - 1
        size = stride + shared
        left = (tile.column - self._columns.start) * stride
        if probabilities is None:
            sums = torch.zeros(len(self._below), size, size, device=self._profile.device)
        else:
            across, down = (self._profile if number else self._first_profile for number in (tile.column, tile.row))
            sums = probabilities[:, first : first + size, first : first + size] * (down[:, None] * across)
        if tile.column > self._columns.start:
            sums[:, :, :shared] += self._right
        # What two tiles of a row share is passed on to the right one, and down by it; the last one passes it to none.
        own = size if tile.column == self._columns[-1] else stride
        if tile.row:
            sums[:, :shared, :own] += self._below[:, :, left : left + own]
        self._right = sums[:, :, stride:].clone()
        if tile.row and own == stride:
            sums[:, :shared, stride : stride + 2] += self._below[:, :, left + stride : left + stride + 2]
        self._below[:, :, left : left + own] = sums[:, stride:, :own]
        return sums[:, : stride + 2, : stride + 2]
