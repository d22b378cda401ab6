"""Names of rasters, told apart by how they are written: files, addresses, and names that stand for many rasters."""

from __future__ import annotations

import os
import re

LIST_ENDING = ".txt"
STAC_ENDINGS = (".json", ".geojson")


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
