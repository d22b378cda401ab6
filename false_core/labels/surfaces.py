"""Surfaces that are made of polygons, as their polygons: TIN, multipatch, polyhedral surfaces, triangles."""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt
import shapely

_POINT, _LINE, _POLYGON, _MULTI_POLYGON = 1, 2, 3, 6
_COLLECTIONS = (4, 5, 6, 7)
_AS_KNOWN = {15: _MULTI_POLYGON, 16: _MULTI_POLYGON, 17: _POLYGON}
"""Kinds of geometries in well-known binary that GEOS does not know: polyhedral surface, TIN and triangle. But for their
numbers they are written like several polygons, and like one."""
_FLAGS = 0xC0000000
"""Marks of heights and measures, as GDAL writes them for some kinds; for others it adds 1000, 2000 or 3000, as ISO does."""
DEEPEST_COLLECTION = 16
"""Collections within collections."""


def shapes_from_wkb(written: npt.NDArray[np.object_]) -> tuple[npt.NDArray[np.object_], int]:
    """Return shapes for geometries in well-known binary, None for None, and how many of them cannot be read."""
    shapes = shapely.from_wkb(written, on_invalid="ignore")
    strange = np.flatnonzero(shapely.is_missing(shapes) & np.array([one is not None for one in written], bool))
    for index in strange:
        shapes[index] = shapely.from_wkb(_as_polygons(written[index]), on_invalid="ignore")
    return shapes, int(shapely.is_missing(shapes[strange]).sum())


def _as_polygons(written: bytes) -> bytes | None:
    """Return well-known binary in which surfaces are polygons, or None where it is damaged or holds something else."""
    known = bytearray(written)
    try:
        _rename(known, 0, 0)
    except (struct.error, IndexError, ValueError):
        return None
    return bytes(known)


def _rename(data: bytearray, at: int, level: int) -> int:
    """Rename the surfaces in the geometry that begins ``at`` this place, and return where it ends."""
    order = "<" if data[at] == 1 else ">"
    kind = int(struct.unpack_from(f"{order}I", data, at + 1)[0])
    flags, number_of_kind = kind & _FLAGS, kind & ~_FLAGS
    dimensions, base = divmod(number_of_kind, 1000)
    if dimensions > 3 or level > DEEPEST_COLLECTION:
        raise ValueError("not well-known binary")
    point = 8 * ((2, 3, 3, 4)[dimensions] + flags.bit_count())
    base = _AS_KNOWN.get(base, base)
    struct.pack_into(f"{order}I", data, at + 1, flags | 1000 * dimensions + base)
    at += 5
    if base == _POINT:
        return at + point
    number = int(struct.unpack_from(f"{order}I", data, at)[0])
    at += 4
    if base == _LINE:
        return at + number * point
    if base == _POLYGON:
        for _ in range(number):
            at += 4 + int(struct.unpack_from(f"{order}I", data, at)[0]) * point
        return at
    if base in _COLLECTIONS:
        for _ in range(number):
            at = _rename(data, at, level + 1)
        return at
    raise ValueError(f"a geometry of kind {base}")
