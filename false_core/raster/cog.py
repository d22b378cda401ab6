"""Cloud-optimised GeoTIFFs put together from finished blocks, which are copied as they are, compressed.

GDAL's own driver would decompress and compress everything again, in one go that can be neither watched nor stopped. The
layout is that of GDAL's driver: descriptions first, then overviews from the smallest to the largest, then the pixels, block
by block in rows, each block between its size and a copy of its last bytes
(https://gdal.org/en/stable/drivers/raster/cog.html). What describes the raster - CRS, place, colours, metadata - is taken
from a file that GDAL wrote.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import rasterio
from affine import Affine
from rasterio.windows import Window as RasterioWindow

from false_core.errors import InputError, OutputError
from false_core.feedback import Feedback
from false_core.raster.map_file import BLOCK, COMPRESSION
from false_core.raster.source import GDAL_ERRORS, Window
from false_core.threads import Behind

MOST_OF_CLASSIC_TIFF = 4_000_000_000
"""Bytes. Offsets are of 32 bits there."""
_WIDTH, _HEIGHT, _SUBFILE = 256, 257, 254
_STRIP_OFFSETS, _ROWS_PER_STRIP, _STRIP_BYTES = 273, 278, 279
_TILE_WIDTH, _TILE_HEIGHT, _OFFSETS, _SIZES = 322, 323, 324, 325
_OF_PLACE = (33550, 33922, 34264, 34735, 34736, 34737, 42112)
"""Scale, tie points, transformation, keys of the CRS, and metadata: not repeated for overviews."""
_WRITTEN_HERE = (
    _SUBFILE, _WIDTH, _HEIGHT, _STRIP_OFFSETS, _ROWS_PER_STRIP, _STRIP_BYTES, _TILE_WIDTH, _TILE_HEIGHT, _OFFSETS, _SIZES,
)  # fmt: skip
_SHORT, _LONG, _LONG8 = 3, 4, 16
_BYTES_OF = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 16: 8, 17: 8, 18: 8}
"""Of one value of each TIFF type."""
_STRUCTURE = (
    b"LAYOUT=IFDS_BEFORE_DATA\nBLOCK_ORDER=ROW_MAJOR\nBLOCK_LEADER=SIZE_AS_UINT4\n"
    b"BLOCK_TRAILER=LAST_4_BYTES_REPEATED\nKNOWN_INCOMPATIBLE_EDITION=NO\n "
)
_AROUND = 8
"""Bytes before and after the data of a block."""
STRIP = 2 * BLOCK, 16 * BLOCK
"""Rows and columns that are halved at once."""
COPIED_AT_ONCE = 64
"""Blocks, between two looks at whether to stop."""


@dataclass(frozen=True)
class Piece:
    """A GeoTIFF with whole blocks of a larger raster.

    Attributes:
        window: Its place in the larger raster. It begins at a block's corner.
        path: Of the file; None where there is nothing but nodata.
    """

    window: Window
    path: Path | None


@dataclass(frozen=True)
class Level:
    """One resolution of a raster, in pieces that lie in rows and columns.

    Attributes:
        width, height: In pixels.
        pieces: Of it, or of the larger raster it was cut from.
        nodata_block: Path of a file whose only block holds nothing but nodata.
        table: Where its blocks lie.
    """

    width: int
    height: int
    pieces: Sequence[Piece]
    nodata_block: Path
    table: BlockTable

    @classmethod
    def of(cls, width: int, height: int, pieces: Sequence[Piece], nodata_block: Path) -> Level:
        """Return what pieces make together.

        Raises:
            InputError: A piece is damaged.
        """
        return cls(width, height, pieces, nodata_block, BlockTable.of(width, height, pieces, nodata_block))

    def cut(self, window: Window) -> Level:
        """Return a part of it that begins at a block's corner."""
        return Level(window.width, window.height, self.pieces, self.nodata_block, self.table.at(_block_place(window)))


def overviews(level: Level, nodata: int, folder: Path, done: Progress) -> list[Level]:
    """Write the raster at half its resolution, and half of that, until it fits a block.

    Args:
        level: The raster.
        nodata: Its value without data.
        folder: For the files.
        done: Told how far it is.

    Returns:
        The smaller resolutions, from large to small. A pixel is the upper left one of the four it stands for.
    """
    levels: list[Level] = []
    while max(level.width, level.height) > BLOCK:
        level = _halved(level, nodata, folder / f"overview{len(levels) + 1}.tif", done)
        levels.append(level)
    return levels


class Progress:
    """How much of putting a raster together is done.

    Args:
        pixels: Of the raster, at full resolution.
        feedback: Told.
    """

    def __init__(self, pixels: int, feedback: Feedback) -> None:
        # Halving reads 1 + 1/4 + 1/16 ... times the pixels. Copying takes about a tenth of that.
        self._total, self._done, self._feedback = 1.1 * 4 / 3 * pixels, 0.0, feedback

    def halved(self, pixels: int) -> None:
        """So many more pixels were halved. Stops here if cancelled."""
        self._done += pixels
        self._feedback.advance(min(self._done, self._total), self._total)

    def copied(self, pixels: int) -> None:
        """So many more pixels were copied. Stops here if cancelled."""
        self.halved(pixels // 10)


def write_cog(path: Path, described: Path, levels: Sequence[Level], done: Progress) -> None:
    """Write a cloud-optimised GeoTIFF.

    Args:
        path: Of the file.
        described: A GeoTIFF with the place, CRS, colours and metadata, of the same data type and compression.
        levels: The raster, and its overviews from large to small.
        done: Told how far it is.

    Raises:
        InputError: A piece is damaged.
        OutputError: The disk is full.
    """
    try:
        with path.open("wb") as out:
            out.write(_head(read_tags(described), levels))
            for level in levels[::-1]:
                _copy(level, out, done)
    except OSError as error:
        raise OutputError(f"{path.name} cannot be written: {error.strerror or error}.", "Is the disk full?") from error


def _halved(level: Level, nodata: int, path: Path, done: Progress) -> Level:
    width, height = -(-level.width // 2), -(-level.height // 2)
    shape = {"width": width, "height": height, "count": 1, "dtype": "uint8", "nodata": nodata}
    profile = {**COMPRESSION, **shape, "transform": Affine.scale(2, -2)}  # It does not matter where it lies.
    behind = Behind(4)
    try:
        with rasterio.open(path, "w", driver="GTiff", blockxsize=BLOCK, blockysize=BLOCK, **profile) as target:

            def write(column: int, row: int, pixels: npt.NDArray[Any]) -> None:
                place = RasterioWindow(column // 2, row // 2, pixels.shape[1], pixels.shape[0])
                target.write(pixels, 1, window=place)

            try:
                for piece in level.pieces:
                    if piece.path is not None:
                        for column, row, pixels in _strips(piece):
                            behind.add(write, column, row, pixels[::2, ::2])
                            done.halved(pixels.size)
                behind.finish()
            finally:
                behind.close()
    except GDAL_ERRORS as error:
        raise OutputError(f"{path.name} cannot be written: {error}.", "Is the disk full?") from error
    return Level.of(width, height, [Piece(Window(0, 0, width, height), path)], level.nodata_block)


def _strips(piece: Piece) -> Iterator[tuple[int, int, npt.NDArray[Any]]]:
    """Go through the pixels of a piece, each time with their place in the larger raster."""
    rows, columns = STRIP
    try:
        with rasterio.open(piece.path, num_threads="ALL_CPUS") as file:
            for row in range(0, file.height, rows):
                for column in range(0, file.width, columns):
                    window = RasterioWindow(column, row, min(columns, file.width - column), min(rows, file.height - row))
                    yield piece.window.column + column, piece.window.row + row, file.read(1, window=window)
    except GDAL_ERRORS as error:
        raise InputError(f"{piece.path} is damaged: {error}.", "Remove it, and start the same job again.") from error


@dataclass(frozen=True)
class BlockTable:
    """Where the blocks of a level lie: the number of the piece, and place and size in its file, as (block rows, columns)."""

    piece: npt.NDArray[np.int32]
    offset: npt.NDArray[np.uint64]
    size: npt.NDArray[np.uint32]

    @classmethod
    def of(cls, width: int, height: int, pieces: Sequence[Piece], nodata_block: Path) -> BlockTable:
        """Return where the blocks of pieces lie, which together are ``width`` x ``height`` pixels."""
        shape = -(-height // BLOCK), -(-width // BLOCK)
        table = cls(np.full(shape, -1, np.int32), np.zeros(shape, np.uint64), np.zeros(shape, np.uint32))
        nodata_offset, nodata_size = (int(values[0]) for values in _blocks_of(nodata_block))
        for number, piece in enumerate(pieces):
            place = _block_place(piece.window)
            table.piece[place] = number
            if piece.path is None:
                table.offset[place], table.size[place] = nodata_offset, nodata_size
                continue
            wanted = table.piece[place].shape
            offsets, sizes = _blocks_of(piece.path)
            if offsets.size != wanted[0] * wanted[1] or not sizes.all():
                raise InputError(f"{piece.path} is damaged.", "Remove it, and start the same job again.")
            table.offset[place], table.size[place] = offsets.reshape(wanted), sizes.reshape(wanted)
        return table

    def at(self, place: tuple[slice, slice]) -> BlockTable:
        """Return where some of the blocks lie."""
        return BlockTable(self.piece[place], self.offset[place], self.size[place])

    @property
    def bytes(self) -> int:
        """That the blocks take in the file."""
        return int(self.size.sum(dtype=np.uint64)) + _AROUND * self.size.size

    def offsets_from(self, start: int) -> npt.NDArray[np.uint64]:
        """Return where the data of each block lie in a file in which the first block begins at ``start``."""
        taken = self.size.ravel().astype(np.uint64) + np.uint64(_AROUND)
        ends = np.cumsum(taken)
        offsets: npt.NDArray[np.uint64] = ends - taken + np.uint64(start + _AROUND // 2)
        return offsets


def _block_place(window: Window) -> tuple[slice, slice]:
    top, left = window.row // BLOCK, window.column // BLOCK
    return slice(top, top + -(-window.height // BLOCK)), slice(left, left + -(-window.width // BLOCK))


def _copy(level: Level, out: IO[bytes], done: Progress) -> None:
    table = level.table
    for row in range(len(table.piece)):
        height = min(BLOCK, level.height - row * BLOCK)
        places = zip(table.piece[row].tolist(), table.offset[row].tolist(), table.size[row].tolist())
        # One row of blocks at a time, so that few files are open at once.
        with ExitStack() as files:
            opened: dict[int, IO[bytes]] = {}
            for column, (piece, offset, size) in enumerate(places):
                path = level.pieces[piece].path or level.nodata_block
                if piece not in opened:
                    opened[piece] = files.enter_context(path.open("rb"))
                opened[piece].seek(offset)
                data = opened[piece].read(size)
                if len(data) != size:
                    raise InputError(f"{path} is damaged.", "Remove it, and start the same job again.")
                out.write(struct.pack("<I", size) + data + data[-4:].rjust(4, b"\0"))
                if (column + 1) % COPIED_AT_ONCE == 0:
                    done.copied(COPIED_AT_ONCE * BLOCK * height)


@dataclass(frozen=True)
class Tag:
    """One entry of a TIFF description: its type, how many values, and these, little-endian."""

    kind: int
    count: int
    values: bytes


def read_tags(path: Path) -> dict[int, Tag]:
    """Return what describes the first picture of a little-endian TIFF.

    Raises:
        InputError: It is none, or it is cut off.
    """
    try:
        with path.open("rb") as file:
            return _read_tags(file)
    except (struct.error, KeyError, OSError) as error:
        raise InputError(f"{path} is damaged: {error!r}.") from error


def _read_tags(file: IO[bytes]) -> dict[int, Tag]:
    order, version = struct.unpack("<2sH", file.read(4))
    if order != b"II" or version not in (42, 43):
        raise struct.error("no little-endian TIFF")
    big = version == 43
    if big:
        file.read(4)
    (start,) = struct.unpack("<Q" if big else "<I", file.read(8 if big else 4))
    file.seek(start)
    (entries,) = struct.unpack("<Q" if big else "<H", file.read(8 if big else 2))
    layout = "<HHQ8s" if big else "<HHI4s"
    raw = [struct.unpack(layout, file.read(struct.calcsize(layout))) for _ in range(min(entries, 1000))]
    tags = {}
    for tag, kind, count, inline in raw:
        size = _BYTES_OF[kind] * count
        values = inline[:size]
        if size > len(inline):
            file.seek(struct.unpack("<Q" if big else "<I", inline)[0])
            values = file.read(size)
        if len(values) != size:
            raise struct.error("cut off")
        tags[tag] = Tag(kind, count, values)
    return tags


def _blocks_of(path: Path) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """Return offsets and sizes of the blocks of a tiled TIFF with one band, row by row."""
    tags = read_tags(path)
    if _OFFSETS not in tags or _SIZES not in tags:
        raise InputError(f"{path} is damaged.", "Remove it, and start the same job again.")
    types = {_SHORT: "<u2", _LONG: "<u4", _LONG8: "<u8"}
    offsets, sizes = (np.frombuffer(tags[tag].values, types[tags[tag].kind]) for tag in (_OFFSETS, _SIZES))
    return offsets.astype(np.uint64), sizes.astype(np.uint64)


def _head(described: dict[int, Tag], levels: Sequence[Level]) -> bytes:
    """Return all that comes before the blocks."""
    pixels = sum(level.table.bytes for level in levels)
    # The first time for its length alone, which does not depend on where blocks lie.
    length, big = len(_described(described, levels, 0, False)), False
    if length + pixels > MOST_OF_CLASSIC_TIFF:
        length, big = len(_described(described, levels, 0, True)), True
    return _described(described, levels, length, big)


def _described(described: dict[int, Tag], levels: Sequence[Level], start: int, big: bool) -> bytes:
    # Blocks of the smallest level come first.
    starts, at = {}, start
    for number in reversed(range(len(levels))):
        starts[number], at = at, at + levels[number].table.bytes
    structure = b"GDAL_STRUCTURAL_METADATA_SIZE=%06d bytes\n" % len(_STRUCTURE) + _STRUCTURE
    head = struct.pack("<2sHHH", b"II", 43, 8, 0) if big else struct.pack("<2sH", b"II", 42)
    first = len(head) + (8 if big else 4) + len(structure)
    padding = -first % 8
    body = head + struct.pack("<Q" if big else "<I", first + padding) + structure + bytes(padding)
    for number, level in enumerate(levels):
        tags = {tag: entry for tag, entry in described.items() if tag not in _WRITTEN_HERE}
        if number:
            tags = {tag: entry for tag, entry in tags.items() if tag not in _OF_PLACE}
            tags[_SUBFILE] = _numbers(_LONG, [1])
        tags[_WIDTH], tags[_HEIGHT] = _numbers(_LONG, [level.width]), _numbers(_LONG, [level.height])
        tags[_TILE_WIDTH] = tags[_TILE_HEIGHT] = _numbers(_SHORT, [BLOCK])
        offsets = level.table.offsets_from(starts[number]) if start else np.zeros_like(level.table.size)
        tags[_OFFSETS] = _numbers(_LONG8 if big else _LONG, offsets)
        tags[_SIZES] = _numbers(_LONG, level.table.size)
        body += _directory(tags, len(body), number == len(levels) - 1, big)
    return body


def _numbers(kind: int, values: Any) -> Tag:
    array = np.asarray(values, {_SHORT: "<u2", _LONG: "<u4", _LONG8: "<u8"}[kind]).ravel()
    return Tag(kind, array.size, array.tobytes())


def _directory(tags: dict[int, Tag], at: int, last: bool, big: bool) -> bytes:
    """Return a description that begins at ``at``, with what does not fit into its entries behind it."""
    inline, offset_type = (8, "<Q") if big else (4, "<I")
    entry = 12 + inline - 4 + (4 if big else 0)
    size = (8 if big else 2) + entry * len(tags) + inline
    entries, behind = b"", b""
    behind_at = at + size + (-(at + size) % 8)
    for tag in sorted(tags):
        kind, count, values = tags[tag].kind, tags[tag].count, tags[tag].values
        entries += struct.pack("<HHQ" if big else "<HHI", tag, kind, count)
        if len(values) <= inline:
            entries += values.ljust(inline, b"\0")
        else:
            entries += struct.pack(offset_type, behind_at + len(behind))
            behind += values + bytes(-len(values) % 8)
    following = 0 if last else behind_at + len(behind)
    head = struct.pack("<Q" if big else "<H", len(tags)) + entries + struct.pack(offset_type, following)
    return head + bytes(behind_at - at - size) + behind
