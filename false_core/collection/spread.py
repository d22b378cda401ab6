"""Places that keep a distance: a grid of cells knows which of those chosen so far are near."""

from __future__ import annotations

import itertools
from collections import defaultdict

import numpy as np
import numpy.typing as npt

Positions = npt.NDArray[np.float64]

_AROUND = tuple(itertools.product((-1, 0, 1), repeat=3))


class ChosenPlaces:
    """The places that were chosen, by where they lie.

    Args:
        distance: The largest distance that is ever asked for, in metres. 0: places may lie anywhere.
    """

    def __init__(self, distance: float) -> None:
        self._side = distance
        self._cells: defaultdict[tuple[int, ...], list[Positions]] = defaultdict(list)

    def is_free(self, place: Positions, distance: float) -> bool:
        """Return whether no chosen place is nearer than ``distance`` to a place (3,)."""
        if not distance:
            return True
        cell = self._cell(place)
        near = (other for step in _AROUND for other in self._cells.get(tuple(np.add(cell, step)), ()))
        return all(float(np.linalg.norm(place - other)) >= distance for other in near)

    def add(self, place: Positions) -> None:
        """Count a place (3,) among those chosen."""
        if self._side:
            self._cells[self._cell(place)].append(place)

    def _cell(self, place: Positions) -> tuple[int, ...]:
        return tuple(np.floor(place / self._side).astype(np.int64).tolist())


def in_turn(
    positions: Positions,
    rasters: npt.NDArray[np.int64],
    side: float,
    generator: np.random.Generator,
    preferred: npt.NDArray[np.int64] | None = None,
) -> npt.NDArray[np.int64]:
    """Return an order of places in which the cells of a coarse grid take turns, those of each raster by themselves.

    Args:
        positions: Positions of the places, of shape (n, 3), in metres.
        rasters: The number of the raster of each.
        side: The side of a cell.
        preferred: Places, the best first: each cell gives its best, and the best of a turn come first. Without it, each cell
            draws one of its own at random.
    """
    order = generator.permutation(len(positions)) if preferred is None else preferred
    if not len(order):
        return np.zeros(0, np.int64)
    cells = np.column_stack([np.floor(positions[order] / max(side, 1e-9)), rasters[order]])
    cell = np.unique(cells, axis=0, return_inverse=True)[1].reshape(-1)
    by_cell = np.argsort(cell, kind="stable")
    counts = np.bincount(cell)
    turn = np.empty(len(order), np.int64)
    turn[by_cell] = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    within = generator.permutation(len(counts))[cell] if preferred is None else np.arange(len(order))
    return np.asarray(order[np.lexsort((within, turn))], np.int64)
