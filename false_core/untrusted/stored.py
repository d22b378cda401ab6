"""The bytes that are stored under a name, in a file or an archive, before GDAL makes anything of them."""

from __future__ import annotations

import ctypes
import functools
import os
import stat
from pathlib import Path
from typing import Any, Iterator

from false_core.errors import InputError
from false_core.untrusted import LARGEST_UNPACKED

START_BYTES = 4096
"""Within these GDAL looks for what a file is."""
_PIECE = 1_000_000


def first_bytes(name: str) -> bytes:
    """Return the first bytes of what is stored under ``name``; none where that is nothing, or nothing that is stored."""
    for piece in bytes_of(name, START_BYTES):
        return piece[:START_BYTES]
    return b""


def is_archive(name: str) -> bool:
    """Return whether an archive is stored under ``name``, by its first bytes: zip, gzip or tar."""
    start = first_bytes(name)
    return start.startswith((b"PK\3\4", b"\x1f\x8b")) or start[257:262] == b"ustar"


def is_stored(name: str) -> bool:
    """Return whether a file is stored under ``name``, which has at least one byte."""
    return bool(first_bytes(name))


def bytes_of(name: str, size: int = _PIECE) -> Iterator[bytes]:
    """Yield what is stored under ``name``, in pieces; nothing where that is nothing, or a pipe or a device.

    Raises:
        InputError: It unpacks to more than a computer can be asked to hold.
    """
    if name.startswith("/vsi"):
        yield from _unpacked(name, size)
        return
    try:
        if not stat.S_ISREG(os.stat(name).st_mode):
            return
        with open(name, "rb") as stream:
            while piece := stream.read(size):
                yield piece
    except (OSError, ValueError):
        return


def _unpacked(name: str, size: int) -> Iterator[bytes]:
    gdal = gdal_library()
    if gdal is None or "\0" in name:
        return
    file = gdal.VSIFOpenL(os.fsencode(name), b"rb")
    if not file:
        return
    try:
        buffer, total = ctypes.create_string_buffer(size), 0
        while count := gdal.VSIFReadL(buffer, 1, size, file):
            yield buffer.raw[:count]
            total += count
            if total > LARGEST_UNPACKED:
                raise InputError(
                    f"{name} unpacks to more than {LARGEST_UNPACKED / 1e9:,.0f} GB.",
                    "Unpack it yourself, and keep what is needed alone.",
                )
    finally:
        gdal.VSIFCloseL(file)


@functools.cache
def gdal_library() -> Any:
    """Return the GDAL that rasterio has loaded, for the calls that rasterio has no names for, or None."""
    import rasterio  # Only here, so that other questions do not wait for it.

    # Through the extension module on Linux and macOS; on Windows by the name of the library itself.
    folder = Path(rasterio.__file__).parent
    libraries = [*folder.glob("_base.*.so"), *folder.parent.glob("rasterio.libs/gdal*.dll")]
    for library in libraries:
        try:
            gdal = ctypes.CDLL(str(library))
            _declare(gdal)
        except (OSError, AttributeError):
            continue
        return gdal
    return None


def _declare(gdal: Any) -> None:
    text, pointer, number = ctypes.c_char_p, ctypes.c_void_p, ctypes.c_size_t
    for function, result, arguments in (
        ("VSIGetFileMetadata", pointer, [text, text, pointer]),
        ("CSLDestroy", None, [pointer]),
        ("VSICurlPartialClearCache", None, [text]),
        ("VSIFOpenL", pointer, [text, text]),
        ("VSIFReadL", number, [pointer, number, number, pointer]),
        ("VSIFCloseL", ctypes.c_int, [pointer]),
    ):
        declared = getattr(gdal, function)
        declared.restype, declared.argtypes = result, arguments
