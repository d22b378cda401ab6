"""The purity of the false negatives: how often two places that were taken for alike are of the same true class."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from rasterio.crs import CRS

from false_core.errors import InputError
from false_core.feedback import Feedback
from false_core.jobs import Extent
from false_core.methods.false_negatives import FalseNegatives
from false_core.raster.coordinate_operation import CoordinateOperation, operation_to_grid
from false_core.raster.grid import moved
from false_core.raster.source import FloatArray, RasterSource, Window, names_of
from false_core.sampling.views import EmbeddingPositions, Positions

TRUTH_TILE_PX = 256
KEPT_TILES = 64
"""Square pieces of the truth in memory, 256 kB each."""


class Truth:
    """A raster with the true classes of places, in any CRS and at any resolution.

    Args:
        path: The path of the raster; its first band holds the classes.
        rasters: The rasters that the places lie in, on their working grids.

    Raises:
        InputError: It cannot be opened, or overlaps none of ``rasters``.
    """

    def __init__(self, path: str, rasters: Sequence[RasterSource], feedback: Feedback) -> None:
        self._source, self._rasters = RasterSource(path, (1,)), rasters
        self._tile = functools.lru_cache(KEPT_TILES)(self._read_tile)
        if not any(self._overlaps(raster) for raster in rasters):
            raise InputError(
                f"The truth raster {self._source.name} does not overlap {names_of(rasters)}.",
                "Choose one of the same area, or none.",
            )
        self._to_rasters: dict[CRS | None, CoordinateOperation] = {}
        for raster in rasters:
            if raster.crs not in self._to_rasters:
                self._to_rasters[raster.crs] = operation_to_grid(self._source, raster, feedback)

    def classes_at(self, positions: EmbeddingPositions) -> FloatArray:
        """Return the class codes of ``places``, of shape (n,); NaN where the truth is unknown."""
        codes = np.full(len(positions.pixels), np.nan, np.float32)
        pixels = self._pixels_of(positions)
        inside = ((pixels >= 0) & (pixels < (self._source.width, self._source.height))).all(axis=1)
        tiles, owner = np.unique(pixels[inside] // TRUTH_TILE_PX, axis=0, return_inverse=True)
        within, found = pixels[inside] % TRUTH_TILE_PX, codes[inside]
        for number, (column, row) in enumerate(tiles.tolist()):
            mine = owner.reshape(-1) == number
            found[mine] = self._tile(column, row)[within[mine, 1], within[mine, 0]]
        codes[inside] = found
        return codes

    def purity(self, positions: EmbeddingPositions, found: FalseNegatives) -> dict[str, float]:
        """Return how pure the false negatives are, and how pure they would be by chance, as points of curves.

        Where a patch has several places, most false negatives lie near their anchor, where the class is the same anyway.
        Those in other patches are counted once more for themselves.

        Args:
            positions: Positions of the embeddings, in the order of their stack (2N).
        """
        benchmark, indices = found.benchmark.cpu().numpy(), found.indices.cpu().numpy()
        pairs = found.pairs().cpu().numpy()
        classes = self.classes_at(positions)
        elsewhere = positions.patches[indices] != positions.patches[:, None]
        several = len(positions.patches) > 2 * len(np.unique(positions.patches))
        return {
            "purity of false negatives": purity(classes, pairs, indices),
            **({"purity in other patches": purity(classes, pairs & elsewhere, indices)} if several else {}),
            "purity by chance": purity_by_chance(classes, benchmark),
        }

    def _pixels_of(self, positions: EmbeddingPositions) -> npt.NDArray[np.int64]:
        """Return column and row of the truth's pixel at each place; -1 where the truth's CRS does not reach."""
        out = np.full((len(positions.pixels), 2), -1, np.int64)
        for number in np.unique(positions.rasters):
            mine = positions.rasters == number
            pixels = moved(~self._source.transform, self._in_crs_of_truth(self._rasters[number], positions.pixels[mine]))
            # Clipped first, as what cannot be projected comes back infinite.
            out[mine] = np.floor(np.nan_to_num(pixels, nan=-1).clip(-1, 2**40)).astype(np.int64)
        return out

    def _in_crs_of_truth(self, raster: RasterSource, positions: Positions) -> Positions:
        return self._to_rasters[raster.crs].back(moved(raster.transform, positions))

    def _overlaps(self, raster: RasterSource) -> bool:
        crs = None if self._source.crs is None else self._source.crs.to_wkt()
        try:
            raster.window_of(Extent(*self._source.bounds, crs))
        except InputError:
            return False
        return True

    def _read_tile(self, column: int, row: int) -> FloatArray:
        codes: FloatArray = self._source.read(
            Window(column * TRUTH_TILE_PX, row * TRUTH_TILE_PX, TRUTH_TILE_PX, TRUTH_TILE_PX)
        )[0]
        return codes


def purity(classes: FloatArray, chosen: npt.NDArray[np.bool_], indices: npt.NDArray[np.int64]) -> float:
    """Return the share of pairs of an anchor and one of its false negatives that are of the same class.

    Args:
        classes: The classes of the anchors, of shape (2N,). Pairs with a NaN are not counted.
        chosen: Mask of the pairs that count, of shape (2N, k).
        indices: The indices of the false negatives of each anchor, of shape (2N, k).

    Returns:
        A share from 0 to 1; NaN where there is no pair.
    """
    one, other = np.broadcast_arrays(classes[:, None], classes[indices])
    counted = chosen & np.isfinite(one) & np.isfinite(other)
    return float((one == other)[counted].mean()) if counted.any() else float("nan")


def purity_by_chance(classes: FloatArray, benchmark: npt.NDArray[np.bool_]) -> float:
    """Return what ``purity`` is to be expected where each benchmark anchor takes any of its negatives.

    An anchor's negatives are all others of the batch but its own other view.

    Args:
        benchmark: Mask of the anchors that count, of shape (2N,).
    """
    known = np.isfinite(classes)
    _, owner, counts = np.unique(classes[known], return_inverse=True, return_counts=True)
    alike = np.zeros(len(classes))
    alike[known] = counts[owner.reshape(-1)] - 1
    other_view = np.roll(np.arange(len(classes)), len(classes) // 2)
    negatives = known.sum() - 1 - known[other_view]
    alike -= classes == classes[other_view]
    counted = benchmark & known & (negatives > 0)
    return float((alike[counted] / negatives[counted]).mean()) if counted.any() else float("nan")
