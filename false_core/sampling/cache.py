"""Normalised pixels at hand: read and decoded once, used for many crops, within a budget."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from false_core.computing.device import CPU
from false_core.computing.threads import cores, thread_pool
from false_core.raster.gpu_pixels import RawPixels, normalised_on, sent, takes_stored_pixels
from false_core.raster.source import BoolArray, FloatArray, RasterSource, Window
from false_core.raster.statistics import Normalisation
from false_core.sampling.loading import side_stream

CHUNK_PX = 512
"""Side of a chunk of a raster in pixels of the working grid."""
NEIGHBOURHOOD = 9
"""Chunks that windows around the pixels of one chunk reach into: it and its neighbours."""

Made = TypeVar("Made")
WholeNumbers = npt.NDArray[np.int64]


class Chunks(Generic[Made]):
    """Chunks at hand, of rasters or of labels: the least recently used ones are forgotten first.

    Safe from several threads, which never make the same chunk twice.

    Args:
        make: Makes a chunk, given its number. Called by several threads at once.
        most: Chunks to keep. At least one always is.
    """

    def __init__(self, make: Callable[[int], Made], most: int) -> None:
        self._make, self._most = make, max(1, most)
        self._kept: OrderedDict[int, Future[Made]] = OrderedDict()
        self._lock = threading.Lock()
        self._makers = thread_pool(cores(), "chunks")

    def get(self, numbers: Sequence[int]) -> list[Made]:
        """Return chunks by their numbers. Those that are not at hand are made at the same time."""
        wanted: list[Future[Made]] = []
        missing: list[tuple[int, Future[Made]]] = []
        with self._lock:
            for number in numbers:
                chunk = self._kept.get(number)
                if chunk is None:
                    chunk = self._kept[number] = Future()
                    missing.append((number, chunk))
                else:
                    self._kept.move_to_end(number)
                wanted.append(chunk)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        for number, chunk in missing[1:]:
            self._makers.submit(self._fill, number, chunk)
        for number, chunk in missing[:1]:
            self._fill(number, chunk)
        return [chunk.result() for chunk in wanted]

    def _fill(self, number: int, chunk: Future[Made]) -> None:
        try:
            chunk.set_result(self._make(number))
        except BaseException as error:  # noqa: BLE001 - whoever waits for the chunk is told, and the next one tries again.
            with self._lock:
                if self._kept.get(number) is chunk:
                    del self._kept[number]
            chunk.set_exception(error)


@dataclass(frozen=True)
class ChunkGrid:
    """Chunks that rasters are cut into, counted raster by raster and row by row, as arrays with a value for each raster.

    Attributes:
        columns, rows: Chunks along each side.
        first: Number of the first chunk.
        side: Side of a chunk in pixels.
    """

    columns: WholeNumbers
    rows: WholeNumbers
    first: WholeNumbers
    side: int

    @classmethod
    def of(cls, sizes: Sequence[tuple[int, int]], side: int) -> ChunkGrid:
        """Return the chunks of rasters of some widths and heights."""
        columns, rows = -(-np.array(sizes, np.int64).reshape(-1, 2).T // side)
        return cls(columns, rows, np.concatenate([[0], np.cumsum(columns * rows)[:-1]]), side)

    def place(self, number: int) -> tuple[int, Window]:
        """Return the raster of a chunk, and where it lies in it."""
        raster = int(np.searchsorted(self.first, number, side="right")) - 1
        row, column = divmod(number - int(self.first[raster]), int(self.columns[raster]))
        return raster, Window(column * self.side, row * self.side, self.side, self.side)

    def under(self, rasters: WholeNumbers, corners: WholeNumbers, height: int, width: int) -> WholeNumbers:
        """Return the numbers of the chunks under windows, of shape (n, rows, columns); -1 beyond a raster and a window.

        Args:
            rasters: Number of the raster of each window, of shape (n,).
            corners: Column and row of the upper left pixel of each, of shape (n, 2).
        """
        axes = []
        for axis, (length, count) in enumerate(((width, self.columns), (height, self.rows))):
            start = corners[:, axis, None]
            chunk = start // self.side + np.arange((length + self.side - 2) // self.side + 1)
            inside = (chunk >= 0) & (chunk < count[rasters, None]) & (chunk * self.side < start + length)
            axes.append((chunk, inside))
        (column, met), (row, met_rows) = axes
        number = self.first[rasters, None, None] + row[:, :, None] * self.columns[rasters, None, None] + column[:, None]
        return np.where(met_rows[:, :, None] & met[:, None], number, -1)


@dataclass(frozen=True)
class ChunkSlices:
    """The pixels that windows of one size take of the chunks under them.

    Attributes:
        table: Places of the chunks among those at hand, of shape (n, rows, columns); -1 where there is none.
        offsets: Offsets of the windows in their first chunks, (n, 2), x first.
        height, width: Size of the windows.
        side: Side of a chunk.
    """

    table: WholeNumbers
    offsets: WholeNumbers
    height: int
    width: int
    side: int

    def of(self, window: int) -> list[tuple[int, tuple[slice, slice], tuple[slice, slice]]]:
        """Return the slices of a window: the chunk, and where its slice lies in the window and in it: (rows, columns)."""
        x, y = self.offsets[window].tolist()
        found = []
        for row, chunks in enumerate(self.table[window].tolist()):
            inside_y, taken_y = _overlap(row * self.side - y, self.side, self.height)
            for column, chunk in enumerate(chunks):
                if chunk >= 0:
                    inside_x, taken_x = _overlap(column * self.side - x, self.side, self.width)
                    found.append((chunk, (inside_y, inside_x), (taken_y, taken_x)))
        return found

    def gathered(self, chunks: Sequence[Tensor]) -> Tensor:
        """Cut the windows out of chunks (bands, side, side) on a GPU, all at once; 0 where there is no chunk."""
        device = chunks[0].device if chunks else CPU
        beyond = [torch.zeros_like(chunks[0])] if (self.table < 0).any() else []
        table, offsets = (sent(torch.from_numpy(numbers), device) for numbers in (self.table, self.offsets))
        x = offsets[:, :1] + torch.arange(self.width, device=device)
        y = offsets[:, 1:] + torch.arange(self.height, device=device)
        window = torch.arange(len(table), device=device)[:, None, None]
        which = table[window, (y // self.side)[:, :, None], (x // self.side)[:, None]]
        stacked = torch.stack([*chunks, *beyond])
        return stacked[which, :, (y % self.side)[:, :, None], (x % self.side)[:, None]].permute(0, 3, 1, 2)


def _overlap(start: int, side: int, length: int) -> tuple[slice, slice]:
    """Return what of a window of some length a chunk takes up that begins at ``start`` of it, and what of the chunk."""
    first, last = max(0, start), min(length, start + side)
    return slice(first, last), slice(first - start, last - start)


@dataclass(frozen=True)
class _Chunk:
    """Pixels (bands, side, side) in half precision, an array in memory or a tensor on a GPU.

    ``valid`` says which are, of shape (side, side); None: all.
    """

    pixels: Any
    valid: BoolArray | None


@dataclass(frozen=True)
class SourceWindows:
    """Windows of one size and the chunks under them, held until they have been looked at."""

    chunks: Sequence[_Chunk]
    slices: ChunkSlices
    bands: int
    device: torch.device

    def are_valid(self) -> BoolArray:
        """Return which windows have no invalid pixel, of shape (n,)."""
        whole = np.array([chunk.valid is None for chunk in self.chunks] + [False])
        p = self.slices
        _, rows, columns = p.table.shape
        across = np.arange(columns) * p.side < p.offsets[:, :1] + p.width
        down = np.arange(rows) * p.side < p.offsets[:, 1:] + p.height
        invalid: BoolArray = ~whole[p.table] & down[:, :, None] & across[:, None]
        are_valid: BoolArray = ~np.logical_or.reduce(invalid, axis=(1, 2))
        return are_valid

    def valid(self, window: int) -> BoolArray:
        """Return which pixels of a window are valid, of shape (height, width)."""
        valid = np.zeros((self.slices.height, self.slices.width), bool)
        for chunk, inside, taken in self.slices.of(window):
            mask = self.chunks[chunk].valid
            valid[inside] = True if mask is None else mask[taken]
        return valid

    def valid_shares(self) -> npt.NDArray[np.float64]:
        """Return the share of valid pixels of each window, of shape (n,)."""
        shares = np.ones(len(self.slices.table))
        for window in np.flatnonzero(~self.are_valid()).tolist():
            shares[window] = self.valid(window).mean()
        return shares

    def pixels(self) -> Tensor:
        """Return normalised pixels (n, bands, height, width) in half precision, 0 where invalid, where the chunks are."""
        p = self.slices
        shape = len(p.table), self.bands, p.height, p.width
        if self.device.type != "cpu":
            with side_stream(self.device):
                if not self.chunks:
                    return torch.zeros(shape, dtype=torch.float16, device=self.device)
                return p.gathered([chunk.pixels for chunk in self.chunks])
        # By numpy, which does not wake up the threads that compute, and lets other threads run meanwhile.
        out = torch.empty(shape, dtype=torch.float16)
        for window, target in enumerate(out.numpy()):
            slices = p.of(window)
            if sum((y.stop - y.start) * (x.stop - x.start) for _, (y, x), _ in slices) < p.height * p.width:
                target[:] = 0
            for chunk, inside, taken in slices:
                target[(slice(None), *inside)] = self.chunks[chunk].pixels[(slice(None), *taken)]
        return out


class ChunkCache:
    """Reads windows of rasters through a cache of chunks.

    Chunks are kept normalised as float16: its step, 0.001 around the mean of a band, is far below sensor noise. Safe from
    several threads.

    Args:
        sources: Rasters with the same bands.
        normalisation: Applied to every pixel once.
        budget: Bytes to keep.
        device: An NVIDIA GPU keeps the pixels itself, so that each chunk travels once, as numbers of the file. Of other
            devices they are in memory.
    """

    def __init__(
        self, sources: Sequence[RasterSource], normalisation: Normalisation, budget: int, device: torch.device = CPU
    ) -> None:
        self.sources, self._normalisation = sources, normalisation
        self.device = device if takes_stored_pixels(device) else CPU
        self._bands = len(sources[0].bands)
        self._grid = ChunkGrid.of([(source.width, source.height) for source in sources], CHUNK_PX)
        self._chunks = Chunks(self._decoded, budget // chunk_bytes(self._bands))

    def read(self, window: Window, raster: int = 0) -> tuple[FloatArray, BoolArray]:
        """Return normalised pixels (bands, height, width), 0 where invalid, and validity (height, width) of ``window``."""
        found = self.look_at(window, raster)
        with side_stream(self.device):
            return found.pixels()[0].float().cpu().numpy(), found.valid(0)

    def look_at(self, window: Window, raster: int = 0) -> SourceWindows:
        """Return one window and the chunks under it."""
        corner = np.array([[window.column, window.row]], np.int64)
        return self.windows(np.array([raster]), corner, window.height, window.width)

    def windows(self, rasters: WholeNumbers, corners: WholeNumbers, height: int, width: int) -> SourceWindows:
        """Return windows of one size and the chunks under them, read where need be.

        Args:
            rasters: Number of the raster of each, of shape (n,).
            corners: Column and row of its upper left pixel, of shape (n, 2). It may reach beyond the raster.
        """
        numbers = self._grid.under(rasters, corners, height, width)
        different, places = np.unique(numbers, return_inverse=True)
        beyond = int(len(different) > 0 and different[0] < 0)
        table = places.reshape(numbers.shape) - beyond
        slices = ChunkSlices(table, corners % CHUNK_PX, height, width, CHUNK_PX)
        return SourceWindows(self._chunks.get(different[beyond:].tolist()), slices, self._bands, self.device)

    def _decoded(self, number: int) -> _Chunk:
        raster, window = self._grid.place(number)
        source = self.sources[raster]
        if self.device.type == "cpu":
            raw = source.read(window)
            valid = np.any(np.isfinite(raw), axis=0)
            return _Chunk(self._normalisation.apply(raw).astype(np.float16), None if valid.all() else valid)
        stored = source.read_as_stored(window)
        with side_stream(self.device):
            on_the_way = RawPixels.of(stored, self.device)
            pixels = normalised_on(self.device, [on_the_way], self._normalisation)[0].half()
        valid = stored.shows()
        return _Chunk(pixels, None if valid.all() else valid)


def chunk_bytes(bands: int) -> int:
    """Return how many bytes a chunk takes."""
    return CHUNK_PX * CHUNK_PX * (2 * bands + 1)
