"""How an area is cut into overlapping tiles, and how their results are blended without a seam."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from false_core.raster.source import Window

_LAYOUTS = ((512, 96), (256, 64), (128, 64), (64, 32), (32, 32))
"""Stride and overlap in working pixels, the most economical first."""
MOST_BYTES = 64_000_000
"""For the probabilities of one tile at the file's resolution. About four times as much is in use at once."""


@dataclass(frozen=True)
class Tile:
    """One tile of a plan.

    Attributes:
        window: What the network sees.
        column, row: Of the plan, from 0.
    """

    window: Window
    column: int
    row: int


@dataclass(frozen=True)
class TilePlan:
    """Square tiles over an area. Neighbours overlap by ``overlap`` pixels, half of it on each side of their border.

    Attributes:
        area: What is to be covered, in working pixels.
        stride: Distance of neighbouring tiles.
        overlap: Pixels that neighbours share; also how far tiles reach beyond the area, halved.
    """

    area: Window
    stride: int
    overlap: int

    @classmethod
    def for_area(cls, area: Window, classes: int, factor: int) -> TilePlan:
        """Return the most economical plan whose tiles fit the memory."""
        for stride, overlap in _LAYOUTS:
            if 4 * classes * ((stride + overlap) * factor) ** 2 <= MOST_BYTES:
                break
        return cls(area, stride, overlap)

    @property
    def side(self) -> int:
        """Side of a tile."""
        return self.stride + self.overlap

    @property
    def columns(self) -> int:
        """Tiles per row. One more stride than the area, as the first tile starts half an overlap before it."""
        return -(-(self.area.width + self.overlap // 2) // self.stride)

    @property
    def rows(self) -> int:
        """Rows of tiles."""
        return -(-(self.area.height + self.overlap // 2) // self.stride)

    def __len__(self) -> int:
        return self.columns * self.rows

    def __iter__(self) -> Iterator[Tile]:
        """Go through the tiles row by row."""
        half = self.overlap // 2
        for row in range(self.rows):
            for column in range(self.columns):
                x, y = self.area.column + column * self.stride - half, self.area.row + row * self.stride - half
                yield Tile(Window(x, y, self.side, self.side), column, row)


class Blender:
    """Adds up the probabilities of overlapping tiles with weights that fall off linearly towards the tiles' borders.

    Tiles come row by row, as a plan gives them. What a tile completes is handed out at once; kept are only the strips that
    wait for the next tile and the next row, so memory grows with the width of the raster, not with its area.

    Args:
        plan: Of the tiles.
        factor: Pixels of the result per working pixel, along each axis.
        classes: Number of classes.
        device: Where probabilities are.
    """

    def __init__(self, plan: TilePlan, factor: int, classes: int, device: torch.device) -> None:
        self._stride, overlap = plan.stride * factor, plan.overlap * factor
        ramp = (torch.arange(overlap, device=device) + 0.5) / overlap
        flat = torch.ones(self._stride - overlap, device=device)
        self._profile = torch.cat([ramp, flat, ramp.flip(0)])
        # Nothing comes before the first tile, so it counts in full there.
        self._first_profile = torch.cat([torch.ones_like(ramp), flat, ramp.flip(0)])
        width = plan.columns * self._stride + overlap
        self._below = torch.zeros(classes, overlap, width, device=device)
        self._right = torch.zeros(classes, plan.side * factor, overlap, device=device)
        self._overlap = overlap

    def add(self, tile: Tile, probabilities: Tensor | None) -> Tensor:
        """Add a tile and return what is complete now.

        Args:
            tile: The next one of the plan.
            probabilities: Of shape (classes, side, side) in pixels of the result; None where nothing is valid.

        Returns:
            Blended probabilities of the tile's upper left (classes, stride, stride); a view, valid until the next call.
        """
        stride, overlap = self._stride, self._overlap
        size = stride + overlap
        left = tile.column * stride
        if probabilities is None:
            sums = torch.zeros(len(self._below), size, size, device=self._profile.device)
        else:
            across, down = (self._profile if place else self._first_profile for place in (tile.column, tile.row))
            sums = probabilities * (down[:, None] * across)
        if tile.column:
            sums[:, :, :overlap] += self._right
        if tile.row:
            # The last strip of the row above was handed on to the right neighbour, but for the last tile of the row.
            sums[:, :overlap, :stride] += self._below[:, :, left : left + stride]
        self._right = sums[:, :, stride:].clone()
        self._below[:, :, left : left + stride] = sums[:, stride:, :stride]
        return sums[:, :stride, :stride]
