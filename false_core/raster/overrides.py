"""The facts about a raster that are given in place of its file: another CRS, and more values that are nodata."""

from __future__ import annotations

import math
from typing import Any
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt
from rasterio.crs import CRS
from rasterio.errors import CRSError

from false_core.errors import InputError
from false_core.jobs import RasterName
from false_core.untrusted.names import is_on_network

Ranges = tuple[tuple[float, float], ...]
_OF_OGC = ("http://www.opengis.net/def/crs/", "http://opengis.net/def/crs/")
"""The starts of names of CRSs that look like addresses."""


def crs_override(name: RasterName) -> CRS | None:
    """Return the CRS that is given for a raster, None where none is.

    Raises:
        InputError: It is none.
    """
    if not name.crs:
        return None
    said = unquote(name.crs)
    try:
        # A list of rasters from anybody may say it. What is written out may hold an address that is not asked.
        if is_on_network(said) and "[" not in said and not said.startswith(_OF_OGC):
            raise CRSError(said)
        return CRS.from_user_input(said)
    except CRSError as error:
        raise InputError(
            f"The CRS that is given for {name.path} cannot be read: {said}.",
            "Write a code, as in land.tif|crs=EPSG:32633.",
        ) from error


def nodata_override(name: RasterName) -> Ranges:
    """Return the ranges of values, both ends included, that are given as nodata.

    Raises:
        InputError: They are no numbers.
    """
    ranges = []
    for part in name.nodata.split(",") if name.nodata else []:
        low, dots, high = part.partition("..")
        try:
            ends = float(low), float(high if dots else low)
        except ValueError:
            ends = math.nan, math.nan
        if math.isnan(ends[0]) or math.isnan(ends[1]) or ends[0] > ends[1]:
            raise InputError(
                f"The nodata values that are given for {name.path} cannot be read: {name.nodata}.",
                "Write numbers and ranges, as in land.tif|nodata=0,250..255.",
            )
        ranges.append(ends)
    return tuple(ranges)


def is_override_nodata(values: npt.NDArray[Any], ranges: Ranges) -> npt.NDArray[np.bool_]:
    """Return which values lie in any of the ranges."""
    found = np.zeros(values.shape, bool)
    for low, high in ranges:
        found |= (values == low) if low == high else (values >= low) & (values <= high)
    return found
