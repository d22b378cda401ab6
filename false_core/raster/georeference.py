"""The georeference of a raster in a report: its CRS by name, and how large its pixels are."""

from __future__ import annotations

import pyproj
from pyproj.exceptions import CRSError
from rasterio.crs import CRS

from false_core.raster.in_words import describe_crs, length_in_words
from false_core.raster.source import RasterSource


def ground_facts(source: RasterSource) -> list[tuple[str, str]]:
    """Return the CRS of a raster and the size of its pixels, as names and values."""
    return [
        ("CRS", crs_in_words(source.crs)),
        ("Pixel size", pixel_in_words(source.pixel_size, source.ground_sample_distance, source.crs)),
    ]


def crs_in_words(crs: CRS | None) -> str:
    """Return code and name of a CRS."""
    code = describe_crs(crs)
    try:
        name = pyproj.CRS.from_user_input(crs).name if crs is not None else ""
    except CRSError:
        name = ""
    return f"{code} ({name})" if name and name.lower() != "unknown" else code


def pixel_in_words(size: float, metres: float | None, crs: CRS | None = None) -> str:
    """Return the side of a pixel, given in units of the CRS and, where it is known, in metres of ground."""
    if metres is None:
        return length_in_words(size, crs)
    if abs(size / metres - 1) < 0.01:
        return f"{metres:.4g} m"
    length = length_in_words(float(f"{size:.4g}"), crs)
    return f"{length} ({metres:.3g} m)"
