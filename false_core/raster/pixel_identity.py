"""The identity of the pixels of a raster, so that what was made of them is not taken for what others would give."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Any

from false_core.raster.file_state import raster_signature, signature_of
from false_core.raster.references import check_references
from false_core.raster.source import RasterSource
from false_core.untrusted.names import is_served

_BESIDE = (".aux.xml", ".msk", ".ovr")
"""Files beside one of the raster that may be there from now on, and say which pixels are valid."""


def facts_of_pixels(source: RasterSource) -> list[Any] | None:
    """Return all that decides which numbers are read of a raster, to be written as JSON.

    None where it cannot be told whether it is the same again later: nothing is to be kept of it then.
    """
    files = _files_of(source)
    signature = raster_signature(files)
    if not files or len(signature) < len(files) or any(_cannot_be_told(file, source.path) for file in files):
        return None
    return [
        signature,
        signature_of(file + ending for file in files for ending in _BESIDE),
        source.path,
        source.bands,
        source.factor,
        source.dtype,
        source.name_in_jobs,
        source.gain_and_offset,
        [asdict(description) for description in source.descriptions],
    ]


def _files_of(source: RasterSource) -> list[str]:
    """Return the files that a raster is made of: those that GDAL names, and those of a VRT within a VRT."""
    found = [*source.files, *check_references(source.path)]
    # One file may be given under several names.
    return list({file if "/vsi" in file or is_served(file) else os.path.realpath(file): None for file in found})


def _cannot_be_told(file: str, raster: str) -> bool:
    """Return whether a file of a raster holds or names others of which nothing is known."""
    return os.path.isdir(file) or (is_served(file) and file.lower().endswith(".vrt") and file != raster)
