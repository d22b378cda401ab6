"""Peculiarities of a raster file that are easily misread: images marked as transparency, tables of colours, and
nodata values that no pixel can have.

Also places that are given in a way that is not followed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from rasterio.enums import ColorInterp
from rasterio.windows import Window

SAMPLES_PER_SIDE = 4
"""Windows along each side of a raster that are looked at to tell an image from a mask."""
SAMPLE_PX = 64
"""Side of such a window."""
ENOUGH_PX = 256
"""Pixels that are not fully transparent, from which on a mask is taken for one without looking further."""
MASK_SHARE, IMAGE_SHARE = 0.9, 0.5
"""The least share of the commonest value of a mask, and the largest of that of an image, 0 left out."""
LEAST_VALUES = 8
"""The values, 0 left out, that an image has more of."""


def is_image(dataset: Any, band: int) -> bool:
    """Return whether a band that is marked as transparency holds an image, near infrared mostly.

    A mask is 0 and one other value, but for soft edges. An image has many values, and none of them is common. Where that is
    the case is looked for in some windows, the middle ones first.
    """
    rows, columns = (np.linspace(0, max(0, size - SAMPLE_PX), SAMPLES_PER_SIDE).astype(int) for size in dataset.shape)
    places = sorted({(int(row), int(column)) for row in rows for column in columns})
    middle = np.array([(rows[0] + rows[-1]) / 2, (columns[0] + columns[-1]) / 2])
    places.sort(key=lambda place: float(np.abs(np.array(place) - middle).sum()))
    seen = np.empty(0)
    for row, column in places:
        window = Window(column, row, min(SAMPLE_PX, dataset.width - column), min(SAMPLE_PX, dataset.height - row))
        values = dataset.read(band, window=window).ravel()
        seen = np.concatenate([seen, values[values != 0]])
        if seen.size >= ENOUGH_PX and _largest_share(seen) > MASK_SHARE:
            return False
    return seen.size > 0 and len(np.unique(seen)) > LEAST_VALUES and _largest_share(seen) < IMAGE_SHARE


def has_broken_nodata(dataset: Any, band: int) -> bool:
    """Return whether the nodata value of a band lies between the whole numbers that it holds, such as 1.2e-38.

    Then no pixel has it. GDAL cuts it off to a whole number and takes pixels of that number for nodata; QGIS does not.
    """
    value, dtype = dataset.nodatavals[band - 1], dataset.dtypes[band - 1]
    return "int" in dtype and value is not None and math.isfinite(value) and not float(value).is_integer()


def _largest_share(values: Any) -> float:
    return float(np.unique(values, return_counts=True)[1].max() / values.size)


def peculiarities(dataset: Any, bands: Sequence[int], images: Sequence[int], complaint: str = "") -> tuple[str, ...]:
    """Return what the user should know of a raster, in sentences without its name.

    Args:
        dataset: The open raster.
        bands: The bands that are used.
        images: Those of its bands that are marked as transparency and hold an image.
        complaint: Reason why a part of what is said of it cannot be read, such as its CRS; empty where all can.
    """
    found = [
        f"band {band} is marked as transparency, but its values are those of an image. It is taken for a band like any "
        "other."
        for band in images
    ]
    tables = [band for band in bands if dataset.colorinterp[band - 1] == ColorInterp.palette]
    if tables:
        numbers = ", ".join(map(str, tables))
        found.append(
            f"band {numbers} has a colour table: its numbers stand for colours, and neighbouring numbers "
            "may look nothing alike. They are used as they are. To learn from the colours, convert it with Raster > "
            "Conversion > PCT to RGB."
        )
    broken = next((band for band in bands if has_broken_nodata(dataset, band)), None)
    if broken:
        found.append(
            f"band {broken} holds whole numbers, and its nodata value is {dataset.nodatavals[broken - 1]:g}, which none of "
            "them is. All its pixels count. If one of its numbers means nodata, set that as the nodata value."
        )
    if dataset.transform.is_identity and not dataset.gcps[0] and dataset.tags(ns="RPC"):
        found.append(
            "it is placed by rational polynomial coefficients (RPC) alone, which are not followed: it is read as if it lay "
            "nowhere. Orthorectify it first, for example with gdalwarp -rpc."
        )
    elif dataset.transform.is_identity and not dataset.gcps[0] and dataset.tags(ns="GEOLOCATION"):
        found.append(
            "it is placed by geolocation arrays alone, which are not followed: it is read as if it lay nowhere. Warp it "
            "first, for example with gdalwarp -geoloc."
        )
    elif dataset.transform.is_identity and dataset.gcps[0] and not dataset.gcps[1]:
        found.append(
            "it has ground control points without a CRS, which are not followed: it is read as if it lay nowhere. "
            "Georeference it first, with Layer > Georeferencer."
        )
    if complaint:
        found.append(
            f"what the file says of itself, or an .aux.xml file beside it, cannot be read in full: {complaint}. It is read "
            "without that, such as without its CRS."
        )
    return tuple(found)
