"""Pooled features that are kept: in half precision, outside the memory where there are many, and on the disk between runs.

Whoever corrects a class and classifies again waits for no encoder, and a search for what looks alike begins at once. What is
kept is found under a digest of all that decides it, within the limit of the disk cache.
"""

from __future__ import annotations

import errno
import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import shapely

from false_core.areas.cell_grid import CellGrid
from false_core.areas.pooling import Pooling
from false_core.errors import OutputError
from false_core.models.fused import HALF_MAX
from false_core.raster.disk_cache import DiskCache
from false_core.settings import disk_cache_bytes, disk_cache_folder

Features = npt.NDArray[np.float16]
"""Pooled features of areas, of shape (n, width); NaN where an area has no valid pixel."""

FEATURES_FILE_BYTES = 8_000_000
"""Bytes of the features that are kept in one file."""
MOST_FEATURES_IN_MEMORY = 100_000_000
"""Bytes of features beyond which they lie in a temporary file."""
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


def features_of(pooling: Pooling, shapes: npt.NDArray[np.object_], folder: Path) -> Features:
    """Return the pooled features of areas, from the disk where they were computed before.

    Args:
        shapes: Outlines in working pixels, of shape (n,).
        folder: Folder for those that the memory is not to hold.
    """
    features = table_of_features(len(shapes), pooling.width, folder)
    fill_features(pooling, shapes, features, 0)
    return features


def table_of_features(rows: int, width: int, folder: Path) -> Features:
    """Return a table full of NaN; where it is large, in a file without a name in a folder, not in the memory.

    Raises:
        OutputError: There is no room for it, or it cannot be kept there.
    """
    if 2 * rows * width <= MOST_FEATURES_IN_MEMORY:
        return np.full((rows, width), np.nan, np.float16)
    try:
        try:
            return _table_in(folder, rows, width)
        except OSError as error:
            if error.errno in NO_ROOM:
                raise
        # Not every shared folder lets a file of it be memory.
        folder = Path(tempfile.gettempdir())
        return _table_in(folder, rows, width)
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in NO_ROOM:
            raise OutputError(
                f"There is no room in {folder} for what is seen of {rows:,} areas, {2 * rows * width / 1e9:.1f} GB: "
                f"{reason}.",
                "Make room, write the result elsewhere, or take fewer areas.",
            ) from error
        raise OutputError(
            f"What is seen of {rows:,} areas cannot be kept in {folder}: {reason}.",
            "Write the result elsewhere, or take fewer areas.",
        ) from error


def _table_in(folder: Path, rows: int, width: int) -> Features:
    # The file is gone as soon as nothing looks at it any more. Written to its end, it needs no more room later.
    with tempfile.TemporaryFile(dir=folder) as file:
        for some in row_slices(rows, width):
            file.write(np.full((some.stop - some.start, width), np.nan, np.float16).tobytes())
        file.flush()
        table: Features = np.memmap(file, np.float16, "r+", shape=(rows, width))
    return table


def fill_features(pooling: Pooling, shapes: npt.NDArray[np.object_], table: Features, first: int) -> None:
    """Write the pooled features of areas into the rows of a table from ``first`` on, and say how much of it is filled."""
    features = table[first : first + len(shapes)]
    limit = disk_cache_bytes()
    disk = DiskCache(disk_cache_folder(), limit) if limit else None
    keys = list(_keys(pooling, shapes)) if disk else []
    if disk and keys and _found(disk, keys, features):
        return
    for group in pooling.over(shapes, first, len(table)):
        features[group.numbers] = group.features.clip(-HALF_MAX, HALF_MAX)
    if disk and features.nbytes < limit // 2:
        for some, key in keys:
            disk.put(key, features[some].tobytes())


@dataclass(frozen=True)
class CellsOfStrip:
    """Cells of a strip of a grid.

    Attributes:
        strip: Numbers of all its cells.
        wanted: Places in ``strip`` of those wanted, from 0 on, rising.
    """

    strip: npt.NDArray[np.int64]
    grid: CellGrid
    wanted: npt.NDArray[np.int64]


def fill_features_of_strip(pooling: Pooling, cells: CellsOfStrip, table: Features, first: int) -> None:
    """Write the pooled features of cells into the rows of a table from ``first`` on, where need be those of a part alone."""
    rows = table[first : first + len(cells.wanted)]
    if len(cells.wanted) == len(cells.strip) or not _found_in_strip(pooling, cells, rows):
        fill_features(pooling, cells.grid.cells(cells.strip[cells.wanted]), table, first)


def _found_in_strip(pooling: Pooling, cells: CellsOfStrip, features: Features) -> bool:
    """Fill a table with what is on the disk of the whole strip, and return whether all of it is there."""
    limit = disk_cache_bytes()
    identity = pooling.identity if limit else None
    if identity is None:
        return False
    disk = DiskCache(disk_cache_folder(), limit)
    for some in row_slices(len(cells.strip), pooling.width):
        start, end = np.searchsorted(cells.wanted, [some.start, some.stop])
        if start == end:
            continue
        shapes = cells.grid.cells(cells.strip[some])
        content = disk.get(_key(identity, shapes))
        if content is None or len(content) != 2 * len(shapes) * pooling.width:
            return False
        kept = np.frombuffer(content, np.float16).reshape(len(shapes), pooling.width)
        features[start:end] = kept[cells.wanted[start:end] - some.start]
    return True


def row_slices(rows: int, width: int) -> Iterator[slice]:
    """Yield the rows of a table in slices of a size that memory holds many times over."""
    step = max(1, FEATURES_FILE_BYTES // (2 * width))
    for start in range(0, rows, step):
        yield slice(start, min(rows, start + step))


def _keys(pooling: Pooling, shapes: npt.NDArray[np.object_]) -> Iterator[tuple[slice, str]]:
    """Yield the rows of each file, and its key; none where it cannot be told whether the raster is the same again."""
    identity = pooling.identity
    if identity is None:
        return
    for some in row_slices(len(shapes), pooling.width):
        yield some, _key(identity, shapes[some])


def _key(identity: bytes, shapes: npt.NDArray[np.object_]) -> str:
    digest = hashlib.sha256(identity)
    for shape in shapely.to_wkb(shapes):
        digest.update(shape)
    return digest.hexdigest()


def _found(disk: DiskCache, keys: list[tuple[slice, str]], features: Features) -> bool:
    """Fill a table with what is on the disk, and return whether all of it is there."""
    for some, key in keys:
        content = disk.get(key)
        if content is None or len(content) != features[some].nbytes:
            return False
        features[some] = np.frombuffer(content, np.float16).reshape(features[some].shape)
    return True
