"""HDF5 files, netCDF of version 4 among them, that say "the bytes of this variable lie in that file": in any file."""

from __future__ import annotations

import re
from typing import Iterator, Set

from false_core.untrusted.stored import START_BYTES, bytes_of, first_bytes

_SIGNATURE, _HEAP = b"\x89HDF\r\n\x1a\n", b"HEAP"
_MESSAGES = [
    re.compile(rb"\x07(?=" + header + rb"\x01\x00\x00\x00....(.{8}))", re.DOTALL) for header in (rb".{7}", rb"...", rb".{5}")
]
"""A message of the type 7: a header of the one or the other version, the version, how many files there are, and the heap."""
_OVERLAP = 64


def is_hdf5(name: str) -> bool:
    """Return whether it is an HDF5 file, perhaps behind a block that belongs to somebody else."""
    start = first_bytes(name)
    return any(start[at : at + 8] == _SIGNATURE for at in (0, 512, 1024, 2048) if at < START_BYTES)


def has_external_bytes(name: str) -> bool:
    """Return whether the pixels of a variable lie in another file, which is read byte by byte.

    Such a variable has a message that names a heap, and the heap the other files. Groups have heaps too, but other messages.
    """
    heaps = set(_heaps(name))
    width = _width(name)
    return bool(heaps) and any(_named_heaps(piece, width) & heaps for piece in _overlapping(name))


def _overlapping(name: str) -> Iterator[bytes]:
    before = b""
    for piece in bytes_of(name, 16_000_000):
        yield before + piece
        before = (before + piece)[-_OVERLAP:]


def _heaps(name: str) -> Iterator[int]:
    """Yield the places of what looks like a heap, as the file counts them: from its start, or from that of HDF5."""
    start, at = first_bytes(name).find(_SIGNATURE), 0
    before = 0
    for piece in _overlapping(name):
        found = piece.find(_HEAP)
        while found >= 0:
            place = at - before + found
            yield place
            yield place - start
            found = piece.find(_HEAP, found + 1)
        at += len(piece) - before
        before = min(_OVERLAP, len(piece))


def _named_heaps(piece: bytes, width: int) -> Set[int]:
    """Return the places that messages about other files name."""
    found = (match[1][:width] for message in _MESSAGES for match in message.finditer(piece))
    return {int.from_bytes(place, "little") for place in found}


def _width(name: str) -> int:
    """Return how many bytes a place takes in the file."""
    start = first_bytes(name)
    block = start[start.find(_SIGNATURE) + 8 :][:8]
    return (block[5] if block[0] < 2 else block[1]) if len(block) == 8 else 8
