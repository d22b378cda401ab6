"""Chunks of remote rasters, kept on the disk as they were decoded.

What identifies a chunk is the raster's files with their sizes and dates, or what the server calls their contents, the bands,
what is nodata, and the place. A raster of which it cannot be told whether it is the same again is not kept.
"""

from __future__ import annotations

import hashlib
import json
import math
import threading
import time
import warnings
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from rasterio.windows import Window

from false_core.errors import InputError
from false_core.raster.disk_cache import DiskCache
from false_core.raster.file_state import MAX_REMOTE_FILES, clear_remote_cache, states_of
from false_core.settings import disk_cache_bytes, disk_cache_folder, disk_cache_takes_all
from false_core.untrusted import on_one_line
from false_core.untrusted.names import is_on_network

Pixels = npt.NDArray[Any]
BoolArray = npt.NDArray[np.bool_]
Read = Callable[[Window], "tuple[Pixels, BoolArray | None]"]

CHUNK_FORMAT = 1
LARGEST_SIDE, SMALLEST_SIDE = 512, 64
LARGEST_CHUNK = 8_000_000
"""Bytes, taken for granted that a pixel takes four in each band."""
ASK_AGAIN_S = 10.0
"""Seconds between two looks at whether a raster is still the same while it is read. Each costs a request."""
_FETCHING = [threading.Lock() for _ in range(64)]
"""Locks that let one of several threads fetch a chunk that all want. Those of different chunks hardly ever share one."""


def chunks_on_disk(files: Sequence[str], *facts: Any, bands: int, width: int, height: int) -> ChunksOnDisk | None:
    """Return the chunks of a raster in the disk cache, or None where they do not go there.

    Args:
        facts: Everything else that decides what is read: values that look alike are taken to be alike.
    """
    limit = disk_cache_bytes()
    if not limit or not (disk_cache_takes_all() or any(map(is_on_network, files))):
        return None
    return ChunksOnDisk(DiskCache(disk_cache_folder(), limit), files, (facts, bands, width, height), bands, width, height)


class ChunksOnDisk:
    """The chunks of one raster, read through the disk cache. Safe from several threads and processes."""

    def __init__(self, cache: DiskCache, files: Sequence[str], facts: Any, bands: int, width: int, height: int) -> None:
        self._cache, self._files, self._facts = cache, files, facts
        self._bands, self._width, self._height = bands, width, height
        side = 2 ** int(math.log2(max(SMALLEST_SIDE, math.sqrt(LARGEST_CHUNK / (4 * bands)))))
        self._side = min(LARGEST_SIDE, side)
        self._lock = threading.Lock()
        self._identity: str | None = None
        """Empty where there is none."""
        self._states: list[str] | None = None
        self._asked = 0.0
        """The time at which they were asked for."""

    @property
    def is_identified(self) -> bool:
        """Return whether it was asked what the files are. What GDAL knew of them from before may be out of date."""
        return self._identity is not None

    def read(self, window: Window, read: Read) -> tuple[Pixels, BoolArray | None]:
        """Return what ``read`` returns for ``window``, which must lie in the raster: pixels (bands, height, width) and
        which are invalid, or None where all are valid."""
        identity = self._identified()
        if not identity:
            return read(window)
        left, top = window.col_off, window.row_off
        right, bottom = left + window.width, top + window.height
        pixels: Pixels | None = None
        invalid: BoolArray | None = None
        for y in range(top // self._side * self._side, bottom, self._side):
            for x in range(left // self._side * self._side, right, self._side):
                chunk, missing = self._chunk(identity, x, y, read)
                x0, y0 = max(left, x), max(top, y)
                x1, y1 = min(right, x + self._side), min(bottom, y + self._side)
                taken = slice(None), slice(y0 - y, y1 - y), slice(x0 - x, x1 - x)
                inside = slice(None), slice(y0 - top, y1 - top), slice(x0 - left, x1 - left)
                if pixels is None:
                    pixels = np.empty((self._bands, bottom - top, right - left), chunk.dtype)
                pixels[inside] = chunk[taken]
                if missing is not None:
                    if invalid is None:
                        invalid = np.zeros(pixels.shape, bool)
                    invalid[inside] = missing[taken]
        assert pixels is not None, "an empty window"
        return pixels, invalid if invalid is not None and invalid.any() else None

    def _chunk(self, identity: str, x: int, y: int, read: Read) -> tuple[Pixels, BoolArray | None]:
        width, height = min(self._side, self._width - x), min(self._side, self._height - y)
        key = hashlib.sha256(f"{identity} {x} {y}".encode()).hexdigest()
        with _FETCHING[int(key[:8], 16) % len(_FETCHING)]:
            content = self._cache.get(key)
            found = None if content is None else _unpacked(content, (self._bands, height, width))
            if found is None:
                began = time.monotonic()
                try:
                    found = read(Window(x, y, width, height))
                except InputError:
                    # What was opened may not fit to what lies there now. A server that is slow is not asked on top of it.
                    if time.monotonic() - began < ASK_AGAIN_S:
                        self._check_same()
                    raise
                if time.monotonic() - self._asked > ASK_AGAIN_S:
                    self._check_same()
                self._cache.put(key, _packed(*found))
        return found

    def _check_same(self) -> None:
        """Raise InputError where the files are not those that were opened, as far as can be told."""
        self._asked = time.monotonic()
        states = states_of(self._files)
        if states is not None and states != self._states:
            raise InputError(
                f"{on_one_line(self._files[0])} was replaced while it was read.",
                "Start the job again when nothing writes to it any more.",
            )

    def _identified(self) -> str:
        """Return what tells this raster from any other, and from itself once it has changed. Asks once."""
        with self._lock:
            if self._identity is None:
                # Else what GDAL remembers of a raster that was replaced would be kept as a part of the new one.
                clear_remote_cache(self._files)
                states = states_of(self._files) if len(self._files) <= MAX_REMOTE_FILES else None
                self._states, self._asked = states, time.monotonic()
                if states is None:
                    self._identity = ""
                    # In the same words for all, so that it is said once.
                    warnings.warn(
                        "Rasters of which it cannot be told whether they change are not kept in the disk cache.",
                        RuntimeWarning,
                        stacklevel=2,
                    )
                else:
                    text = json.dumps([CHUNK_FORMAT, states, self._facts, self._side], default=str)
                    self._identity = hashlib.sha256(text.encode()).hexdigest()
            return self._identity


def _packed(pixels: Pixels, invalid: BoolArray | None) -> bytes:
    """Return a chunk as bytes: data type, whether pixels are invalid, then both, compressed."""
    bits = b"" if invalid is None else np.packbits(invalid).tobytes()
    head = f"{pixels.dtype.str} {len(bits)}\n".encode()
    return head + zlib.compress(np.ascontiguousarray(pixels).tobytes() + bits, 1)


def _unpacked(content: bytes, shape: tuple[int, int, int]) -> tuple[Pixels, BoolArray | None] | None:
    """Undo ``_packed``; None where ``content`` is no chunk of that shape."""
    head, _, body = content.partition(b"\n")
    count = math.prod(shape)
    try:
        name, length = head.decode().split(" ")
        dtype, bits = np.dtype(name), int(length)
        if dtype.kind not in "iuf" or bits not in (0, -(-count // 8)):
            return None
        wanted = count * dtype.itemsize
        data = zlib.decompressobj().decompress(body, wanted + bits + 1)
    except (ValueError, TypeError, zlib.error):
        return None
    if len(data) != wanted + bits:
        return None
    pixels = np.frombuffer(data, dtype, count).reshape(shape)
    invalid = (
        np.unpackbits(np.frombuffer(data, np.uint8, bits, wanted), count=count).view(bool).reshape(shape) if bits else None
    )
    return pixels, invalid
