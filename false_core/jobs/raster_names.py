"""Names of rasters, told apart by how they are written: files, addresses, and names that stand for many rasters."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

LIST_ENDING = ".txt"
STAC_ENDINGS = (".json", ".geojson")
_AS_SAID = re.compile(r"(.+?)((?:\|(?:crs|nodata)=[^|]*)+)", re.DOTALL | re.IGNORECASE)


class RasterName(NamedTuple):
    """A raster with what is given in place of what its file says: ``land.tif|crs=EPSG:32633|nodata=0,250..255``.

    QGIS lets its user say such things of a layer, and does not change the file.

    Attributes:
        path: Name that GDAL opens.
        crs: Its CRS, a code or WKT with per cent signs; empty for that of the file.
        nodata: Values that are nodata too, and ranges of such; may be empty.
    """

    path: str
    crs: str = ""
    nodata: str = ""

    def __str__(self) -> str:
        parts = (self.path, f"|crs={self.crs}" if self.crs else "", f"|nodata={self.nodata}" if self.nodata else "")
        return "".join(parts)


def raster_name(name: str) -> RasterName:
    """Return the parts of the name of a raster in a job. A file that is called like that is meant as it is."""
    match = _AS_SAID.fullmatch(name)
    if not match or os.path.exists(name):
        return RasterName(name)
    said = [(key.lower(), value) for key, _, value in (part.partition("=") for part in match[2][1:].split("|"))]
    parts = dict(said)
    if len(parts) < len(said):  # What is said twice is no such thing.
        return RasterName(name)
    return RasterName(match[1], parts.get("crs", ""), parts.get("nodata", ""))


def is_address(name: str) -> bool:
    """Return whether only GDAL can look up ``name``: an address, a path in an archive, the name of a subdataset, XML."""
    # A single letter before the colon is a drive.
    return re.match(r"/vsi|[<{]|[A-Za-z][\w+.-]+:", name) is not None


def stands_for_rasters(name: str) -> bool:
    """Return whether ``name`` looks as if it stood for rasters instead of being one.

    That is a folder, a pattern, a text file or a JSON file, also with ``|asset=NAME`` behind it. Among GDAL's own paths it
    is one that ends in a slash, or has a ``*`` before any question mark. What these hold is not looked at:
    ``false_core.raster.imagery`` does that.
    """
    if name.startswith("/vsi"):
        path = name.partition("?")[0]
        return path.endswith("/") or "*" in path
    if is_address(name):
        return False
    if name.partition("|")[0].lower().endswith((LIST_ENDING, *STAC_ENDINGS)) or os.path.isdir(name):
        return True
    return any(sign in name for sign in "*?[") and not os.path.exists(name)
