"""What a VRT is made of, looked at before GDAL follows it.

A VRT is a text that names other files, anywhere, and any of these may be a VRT again. That is what makes it useful, so it
may name files outside its folder, or addresses. Refused is only what cannot work, and what a file should not be able to do:
lead back to itself, multiply until it cannot be read, run a program, or have any file of the computer shown as pixels.
"""

from __future__ import annotations

import codecs
import os
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from functools import lru_cache

from false_core.errors import InputError
from false_core.untrusted import check_is_file

MAX_VRT_LEVELS = 16
"""VRTs within VRTs."""
MAX_VRT_SOURCES = 10**8
"""Parts that a VRT may come to once those within it are counted out: a mosaic of a million images, several times over."""
LOOKED_INTO = 1000
"""Parts of one VRT that are looked into whatever they are called. Of more, those that are called .vrt: on a network drive a
look takes milliseconds, and a mosaic may have a hundred thousand parts."""
_START = b"<VRTDataset"
_PIECE = 1_000_000
_NAMES = ("SourceFilename", "SourceDataset")


@dataclass
class _Contents:
    """Is told of the elements of a VRT by the parser.

    Attributes:
        parts: Names of what it is made of, as often as they occur, and whether each is given relative to the VRT.
        raw: The files that are to be read byte by byte.
        has_program: Whether pixels are computed by a program in it.
    """

    parts: list[tuple[str, bool]] = field(default_factory=list)
    raw: list[tuple[str, bool]] = field(default_factory=list)
    has_program: bool = False

    def __post_init__(self) -> None:
        self._text: list[str] | None = None
        self._relative = self._in_raw = False

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "VRTRasterBand":
            self._in_raw = attributes.get("subClass") == "VRTRawRasterBand"
        if tag in _NAMES:
            self._text = []
            # Written in two ways, as GDAL does.
            self._relative = "1" in (attributes.get("relativeToVRT"), attributes.get("relativetoVRT"))
        elif tag in ("PixelFunctionCode", "PixelFunctionLanguage"):
            self.has_program = True

    def data(self, text: str) -> None:
        if self._text is not None:
            self._text.append(text)

    def end(self, tag: str) -> None:
        if tag in _NAMES and self._text is not None:
            (self.raw if self._in_raw else self.parts).append(("".join(self._text).strip(), self._relative))
            self._text = None

    def doctype(self, *_: object) -> None:
        raise ET.ParseError("There is a document type.")

    def close(self) -> None:
        return


def check_vrt(path: str) -> None:
    """Look through a VRT and those within it. Anything else passes, unread.

    Raises:
        InputError: It leads back to itself, comes to more parts than can be read, or holds what is not followed.
    """
    _count(path, (), {})


def _count(path: str, above: tuple[str, ...], known: dict[str, int]) -> int:
    """Return how many parts ``path`` comes to; 1 where it is no VRT."""
    real = os.path.realpath(path)
    if real in above:
        raise InputError(
            f"The raster {above[0]} leads back to itself: {path} is a part of itself.",
            "Build the VRT again, from other files.",
        )
    if real in known:
        return known[real]
    contents = _contents(real)
    if contents is None:
        return 1
    if len(above) >= MAX_VRT_LEVELS:
        raise InputError(
            f"The raster {above[0]} holds VRTs more than {MAX_VRT_LEVELS} levels deep.", "Translate it to GeoTIFF."
        )
    folder = os.path.dirname(real)
    _check_kind(real, folder, contents)
    parts: dict[str, int] = {}
    for part, is_relative in contents.parts:
        # What is no path by itself, an address for example, only GDAL can look up; joined to a folder it is no file.
        whole = os.path.join(folder, part) if is_relative else part
        parts[whole] = parts.get(whole, 0) + 1
    total = 1
    for number, (part, times) in enumerate(parts.items()):
        look = number < LOOKED_INTO or part.lower().endswith(".vrt")
        if look:
            check_is_file(part, "The part")
        total += times * (_count(part, (*above, real), known) if look else 1)
    if total > MAX_VRT_SOURCES:
        raise InputError(
            f"The raster {path} comes to {total:.3g} parts, as the VRTs in it hold each other many times over.",
            "Build one VRT from the images themselves.",
        )
    known[real] = total
    return total


def _check_kind(path: str, folder: str, contents: _Contents) -> None:
    if contents.has_program:
        raise InputError(
            f"The raster {path} computes its pixels with a program in the file, which is not run.",
            "Translate it to GeoTIFF with GDAL, if you know where it comes from.",
        )
    for part, is_relative in contents.raw:
        whole = os.path.realpath(os.path.join(folder, part) if is_relative else part)
        if not whole.startswith(os.path.join(os.path.realpath(folder), "")):
            raise InputError(
                f"The raster {path} shows the bytes of {part}, outside its own folder, as pixels, which is not done.",
                "Put that file beside it, if it is meant.",
            )


def _contents(path: str) -> _Contents | None:
    """Return what a VRT says, or None where ``path`` is none, or none that can be read."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return _parsed(path, status.st_mtime_ns, status.st_size) if os.path.isfile(path) else None


@lru_cache(maxsize=64)
def _parsed(path: str, *_version: int) -> _Contents | None:
    try:
        with open(path, "rb") as stream:
            piece = stream.read(_PIECE)
            if _START not in piece[:4096]:
                return None
            contents = _Contents()
            # Of text, as the names of files need not be UTF-8. Safe for untrusted files: without a document type
            # there are no entities to blow up or to load.
            parser = ET.XMLParser(target=contents)  # nosec B314
            decoder = codecs.getincrementaldecoder("utf-8")("replace")
            while piece:
                parser.feed(decoder.decode(piece))
                piece = stream.read(_PIECE)
            parser.close()
    except OSError:
        return None
    except ET.ParseError as error:
        raise InputError(f"The raster {path} is a VRT that cannot be read: {error}.", "Build it again.") from error
    return contents
