"""A grid of square cells over a raster, from its upper left corner on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from false_core.areas.pooling import AREA_TILE_PX
from false_core.errors import InputError
from false_core.raster.in_words import length_in_words
from false_core.raster.source import RasterSource, Window

MOST_CELLS = 4_000_000
"""Cells of a grid, or of all grids of a job."""
CELLS_AT_ONCE = 100_000
"""Cells that are looked at together, about."""


@dataclass(frozen=True)
class CellGrid:
    """The cells that meet a part of a raster, row by row.

    Attributes:
        side: Side of a cell, in working pixels.
        columns, rows: Size of the grid that begins in the upper left corner of the raster.
    """

    side: float
    columns: range
    rows: range

    @classmethod
    def over(cls, side: float, window: Window) -> CellGrid:
        """Return the cells that meet a window of the raster."""
        columns = range(math.floor(window.column / side), _up(window.column + window.width, side))
        return cls(side, columns, range(math.floor(window.row / side), _up(window.row + window.height, side)))

    @property
    def count(self) -> int:
        """The number of cells."""
        return len(self.columns) * len(self.rows)

    def cells(self, numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.object_]:
        """Return the squares of some cells in working pixels, given their numbers from 0 on."""
        row, column = np.divmod(numbers, len(self.columns))
        row, column = row + self.rows.start, column + self.columns.start
        # Both neighbours compute their common edge alike.
        corners = column * self.side, row * self.side, (column + 1) * self.side, (row + 1) * self.side
        squares: npt.NDArray[np.object_] = shapely.box(*corners)
        return squares

    def at(self, shape: shapely.Geometry, most_shared: float) -> npt.NDArray[np.int64]:
        """Return the numbers of the cells that have more than a part in common with a shape, and of that which has most.

        Args:
            shape: A polygon in working pixels.
            most_shared: The part, of the cell or of the shape, whichever is smaller.
        """
        if shape.is_empty:
            return np.zeros(0, np.int64)
        left, top, right, bottom = np.array(shape.bounds) / self.side
        columns, rows = _between(self.columns, left, right), _between(self.rows, top, bottom)
        column, row = (axis.ravel() for axis in np.meshgrid(columns, rows))
        numbers = np.asarray((row - self.rows.start) * len(self.columns) + column - self.columns.start, np.int64)
        cells = self.cells(numbers)
        shapely.prepare(shape)
        whole = shapely.covers(shape, cells)
        edge = ~whole & shapely.intersects(shape, cells)
        shared = np.where(whole, self.side**2, 0.0)
        shared[edge] = shapely.area(shapely.intersection(cells[edge], shape))
        most = shared.max(initial=0.0)
        near = (shared > most_shared * min(self.side**2, shape.area)) | ((shared == most) & (most > 0))
        return np.asarray(numbers[near], np.int64)

    def numbers_of(self, numbers: npt.NDArray[np.int64], other: CellGrid) -> npt.NDArray[np.int64]:
        """Return the numbers here of some cells of another grid over the same raster, -1 for those that are not here."""
        row, column = np.divmod(numbers, len(other.columns))
        row, column = row + other.rows.start - self.rows.start, column + other.columns.start - self.columns.start
        here = (row >= 0) & (row < len(self.rows)) & (column >= 0) & (column < len(self.columns))
        return np.where(here, row * len(self.columns) + column, -1)

    def strips(self) -> Iterator[npt.NDArray[np.int64]]:
        """Yield the numbers of the cells of some rows at a time: those that begin in the same rows of tiles.

        So hardly any tile is looked at for two strips.
        """
        rows_of_tiles = (np.array(self.rows) * self.side / AREA_TILE_PX + 1e-9).astype(np.int64)
        in_row_of_tiles = max(1.0, AREA_TILE_PX / self.side) * len(self.columns)
        strip = rows_of_tiles // max(1, int(CELLS_AT_ONCE / in_row_of_tiles))
        for rows in np.split(np.arange(len(self.rows)), np.flatnonzero(np.diff(strip)) + 1):
            yield np.arange(rows[0] * len(self.columns), (rows[-1] + 1) * len(self.columns))


def _between(numbers: range, low: float, high: float) -> npt.NDArray[np.int64]:
    return np.arange(max(numbers.start, math.floor(low)), min(numbers.stop, math.floor(high) + 1))


def check_number_of_cells(number: int, side: float, source: RasterSource) -> None:
    """Raise InputError where there would be too many cells.

    Args:
        side: Side of a cell in metres of ground, or in the own units of ``source`` where metres cannot be known.
    """
    if number > MOST_CELLS:
        raise InputError(f"Cells of {side_in_words(side, source)} would be {number:,}.", "Choose larger ones, or an extent.")


def side_in_words(side: float, source: RasterSource) -> str:
    """Return the side of a cell with its unit: metres, or that of the CRS where the raster does not tell metres."""
    return length_in_words(side, source.crs) if source.ground_sample_distance is None else f"{side:g} m"


def _up(pixel: int, side: float) -> int:
    return math.ceil(pixel / side - 1e-9)
