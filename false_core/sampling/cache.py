"""Normalised pixels in memory: read and decoded once, used for many crops, within a budget."""

from __future__ import annotations

import threading
from collections import OrderedDict

import numpy as np
import numpy.typing as npt

from false_core.raster.source import BoolArray, FloatArray, RasterSource, Window
from false_core.raster.statistics import Normalisation

CHUNK = 512
"""Side of a cached square in pixels of the working grid."""


class ChunkCache:
    """Reads windows of a raster through a cache of square chunks, the least recently used ones being forgotten first.

    Chunks are kept normalised as float16: its step, 0.001 around the mean of a band, is far below sensor noise. Safe from
    several threads.

    Args:
        source: The raster, on its working grid.
        normalisation: Applied to every pixel once.
        budget: Bytes to keep at most. At least one chunk is always kept.
    """

    def __init__(self, source: RasterSource, normalisation: Normalisation, budget: int) -> None:
        self.source = source
        self._normalisation = normalisation
        chunk_bytes = CHUNK * CHUNK * (2 * len(source.bands) + 1)
        self._capacity = max(1, budget // chunk_bytes)
        self._chunks: OrderedDict[tuple[int, int], tuple[npt.NDArray[np.float16], BoolArray]] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, window: Window) -> tuple[FloatArray, BoolArray]:
        """Return normalised pixels (bands, height, width), 0 where invalid, and validity (height, width) of ``window``."""
        pixels = np.zeros((len(self.source.bands), window.height, window.width), np.float32)
        valid = np.zeros((window.height, window.width), bool)
        right, bottom = (
            min(window.column + window.width, self.source.width),
            min(window.row + window.height, self.source.height),
        )
        for row in range(max(0, window.row) // CHUNK, -(-bottom // CHUNK)):
            for column in range(max(0, window.column) // CHUNK, -(-right // CHUNK)):
                chunk, chunk_valid = self._chunk(column, row)
                x0, x1 = max(window.column, column * CHUNK), min(right, (column + 1) * CHUNK)
                y0, y1 = max(window.row, row * CHUNK), min(bottom, (row + 1) * CHUNK)
                inside = (slice(y0 - window.row, y1 - window.row), slice(x0 - window.column, x1 - window.column))
                taken = (slice(y0 - row * CHUNK, y1 - row * CHUNK), slice(x0 - column * CHUNK, x1 - column * CHUNK))
                pixels[(slice(None), *inside)] = chunk[(slice(None), *taken)]
                valid[inside] = chunk_valid[taken]
        return pixels, valid

    def _chunk(self, column: int, row: int) -> tuple[npt.NDArray[np.float16], BoolArray]:
        key = (column, row)
        with self._lock:
            if key in self._chunks:
                self._chunks.move_to_end(key)
                return self._chunks[key]
        raw = self.source.read(Window(column * CHUNK, row * CHUNK, CHUNK, CHUNK))
        valid: BoolArray = np.any(np.isfinite(raw), axis=0)
        chunk = (self._normalisation.apply(raw).astype(np.float16), valid)
        with self._lock:
            self._chunks[key] = chunk
            while len(self._chunks) > self._capacity:
                self._chunks.popitem(last=False)
        return chunk
