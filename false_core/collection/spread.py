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


def in_turn(positions: Positions, side: float, generator: np.random.Generator) -> npt.NDArray[np.int64]:
    """Return an order of places in which the cells of a coarse grid take turns, each drawing one of its own at random.

    Args:
        positions: Positions of the places, of shape (n, 3), in metres.
        side: The side of a cell.
    """
    if not len(positions):
        return np.zeros(0, np.int64)
    _, cells = np.unique(np.floor(positions / max(side, 1e-9)), axis=0, return_inverse=True)
    cells = cells.reshape(-1)
    shuffled = generator.permutation(len(positions))
    by_cell = shuffled[np.argsort(cells[shuffled], kind="stable")]
    counts = np.bincount(cells)
    turn = np.arange(len(by_cell)) - np.repeat(np.cumsum(counts) - counts, counts)
    of_cell = generator.permutation(len(counts))[cells[by_cell]]
    order: npt.NDArray[np.int64] = by_cell[np.lexsort((of_cell, turn))]
    return order
