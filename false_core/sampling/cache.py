"""Normalised pixels at hand: read and decoded once, used for many crops, within a budget."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from false_core.raster.source import BoolArray, FloatArray, RasterSource, Window
from false_core.raster.statistics import Normalisation
from false_core.sampling.loading import side_stream

CHUNK_PX = 512
"""Side of a cached square in pixels of the working grid."""
CPU = torch.device("cpu")


@dataclass(frozen=True)
class _Chunk:
    """Pixels (bands, side, side) in half precision, an array in memory or a tensor on a card, and validity (side, side)."""

    pixels: Any
    valid: BoolArray


@dataclass(frozen=True)
class _Piece:
    """What a window takes of a chunk: where it lies in the window, and where in the chunk, as (rows, columns)."""

    chunk: _Chunk
    inside: tuple[slice, slice]
    taken: tuple[slice, slice]


@dataclass(frozen=True)
class Region:
    """The chunks under a window, held until it has been looked at."""

    window: Window
    pieces: tuple[_Piece, ...]

    def valid(self) -> BoolArray:
        """Return which pixels are valid, of shape (height, width)."""
        valid = np.zeros((self.window.height, self.window.width), bool)
        for piece in self.pieces:
            valid[piece.inside] = piece.chunk.valid[piece.taken]
        return valid

    def copy_to(self, pixels: Tensor) -> None:
        """Fill in normalised pixels (bands, height, width). What lies beyond the raster is left alone."""
        # By numpy where both are in memory: it does not wake up the threads that compute.
        target: Any = pixels.numpy() if pixels.device.type == "cpu" else pixels
        for piece in self.pieces:
            target[(slice(None), *piece.inside)] = piece.chunk.pixels[(slice(None), *piece.taken)]


class Chunks:
    """The chunks at hand, of one raster or of many: the least recently used ones are forgotten first.

    Safe from several threads, which never make the same chunk twice.

    Args:
        budget: Bytes to keep at most. At least one chunk is always kept.
    """

    def __init__(self, budget: int, bands: int) -> None:
        self._capacity = max(1, budget // chunk_bytes(bands))
        self._chunks: OrderedDict[Any, Future[_Chunk]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Any, make: Callable[[], _Chunk]) -> _Chunk:
        """Return the chunk under ``key``, made where it is not at hand."""
        with self._lock:
            known = self._chunks.get(key)
            made = known or Future()
            self._chunks[key] = made
            self._chunks.move_to_end(key)
            while len(self._chunks) > self._capacity:
                self._chunks.popitem(last=False)
        if known is None:
            try:
                made.set_result(make())
            except BaseException as error:  # noqa: BLE001 - the thread that waits for the chunk is told, and the next one tries again.
                with self._lock:
                    self._chunks.pop(key, None)
                made.set_exception(error)
        return made.result()


class ChunkCache:
    """Reads windows of a raster through a cache of square chunks.

    Chunks are kept normalised as float16: its step, 0.001 around the mean of a band, is far below sensor noise. Safe from
    several threads.

    Args:
        normalisation: Applied to every pixel once.
        kept: Where its chunks are kept: shared with other rasters, or bytes for those of this one alone.
        device: An NVIDIA GPU keeps the pixels itself, so that each chunk travels once. Of other devices they are in memory.
    """

    def __init__(
        self, source: RasterSource, normalisation: Normalisation, kept: Chunks | int, device: torch.device = CPU
    ) -> None:
        self.source = source
        self.device = device if device.type == "cuda" else CPU
        self._normalisation = normalisation
        self._chunks = kept if isinstance(kept, Chunks) else Chunks(kept, len(source.bands))

    def read(self, window: Window) -> tuple[FloatArray, BoolArray]:
        """Return normalised pixels (bands, height, width), 0 where invalid, and validity (height, width) of ``window``."""
        with side_stream(self.device):
            region, pixels = self.look_at(window), self.blank(1, window.height, window.width)
            region.copy_to(pixels[0])
            return pixels[0].float().cpu().numpy(), region.valid()

    def look_at(self, window: Window) -> Region:
        """Return the chunks under ``window``, read where need be."""
        left, top = max(0, window.column), max(0, window.row)
        right = min(window.column + window.width, self.source.width)
        bottom = min(window.row + window.height, self.source.height)
        pieces = []
        # A window may lie beyond the raster altogether.
        for row in range(top // CHUNK_PX, -(-bottom // CHUNK_PX) if bottom > top else 0):
            for column in range(left // CHUNK_PX, -(-right // CHUNK_PX) if right > left else 0):
                x0, x1 = max(left, column * CHUNK_PX), min(right, (column + 1) * CHUNK_PX)
                y0, y1 = max(top, row * CHUNK_PX), min(bottom, (row + 1) * CHUNK_PX)
                inside = (slice(y0 - window.row, y1 - window.row), slice(x0 - window.column, x1 - window.column))
                taken = (
                    slice(y0 - row * CHUNK_PX, y1 - row * CHUNK_PX),
                    slice(x0 - column * CHUNK_PX, x1 - column * CHUNK_PX),
                )
                pieces.append(_Piece(self._chunk(column, row), inside, taken))
        return Region(window, tuple(pieces))

    def blank(self, count: int, height: int, width: int) -> Tensor:
        """Return pixels to fill in where the chunks are: 0, in half precision, of shape (count, bands, height, width)."""
        return torch.zeros(count, len(self.source.bands), height, width, dtype=torch.float16, device=self.device)

    def _chunk(self, column: int, row: int) -> _Chunk:
        return self._chunks.get((self, column, row), lambda: self._decoded(column, row))

    def _decoded(self, column: int, row: int) -> _Chunk:
        raw = self.source.read(Window(column * CHUNK_PX, row * CHUNK_PX, CHUNK_PX, CHUNK_PX))
        pixels: Any = self._normalisation.apply(raw).astype(np.float16)
        if self.device.type == "cuda":
            with side_stream(self.device):
                pixels = torch.from_numpy(pixels).pin_memory().to(self.device, non_blocking=True)
        return _Chunk(pixels, np.any(np.isfinite(raw), axis=0))


def chunk_bytes(bands: int) -> int:
    """Return how many bytes a chunk takes."""
    return CHUNK_PX * CHUNK_PX * (2 * bands + 1)
