"""Truth that shows classes by colour, as rasters of class codes; and images for random access."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.windows import Window

from false_core.errors import InputError, OutputError, RequestError
from false_core.outputs.publish import published
from false_core.raster.classes import ClassTable
from false_core.raster.opening import GDAL_ERRORS

UNKNOWN_CODE = 255
"""The code of pixels without a class."""
_HALF = 128
_STRIP = 1024
_TILED = {"driver": "GTiff", "tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "deflate"}


def colour_table(classes: ClassTable) -> npt.NDArray[np.uint8]:
    """Return the class code of each of the 8 colours whose red, green and blue are none or full, and else ``UNKNOWN_CODE``.

    Both datasets use such colours only. Their masks are not always exact, so each channel is cut at half its range, as
    DeepGlobe's description asks for.

    Raises:
        RequestError: A class has another colour, or two have the same.
    """
    table = np.full(8, UNKNOWN_CODE, np.uint8)
    for c in classes:
        levels = bytes.fromhex(c.color[1:])
        if not set(levels) <= {0, 255}:
            raise RequestError(f"The colour {c.color} of {c.name} cannot be in the truth.", "Use 00 and ff only.")
        index = 4 * (levels[0] > 0) + 2 * (levels[1] > 0) + (levels[2] > 0)
        if table[index] != UNKNOWN_CODE:
            raise RequestError(f"Two classes have the colour {c.color}.")
        table[index] = c.code
    return table


def write_codes(colours: Path, target: Path, classes: ClassTable, pad: int = 0) -> None:
    """Write the codes that a colour-coded truth stands for, as a GeoTIFF of one Byte band with nodata ``UNKNOWN_CODE``.

    Args:
        pad: Fill the truth up with black to a multiple of so many pixels; 0: leave its size as it is.

    Raises:
        InputError: The truth has fewer than 3 bands.
        OutputError: It cannot be read, or the codes cannot be written.
    """
    table = colour_table(classes)
    with published(target) as (partial,):
        try:
            with rasterio.open(colours) as source:
                if source.count < 3:
                    raise InputError(f"{colours} has {source.count} band(s); a colour-coded truth has 3.")
                profile = {**_TILED, **_place(source, pad), "count": 1, "dtype": "uint8", "nodata": UNKNOWN_CODE}
                with rasterio.open(partial, "w", **profile) as codes:
                    for window in _strips(codes.width, codes.height):
                        full = np.greater_equal(_filled_up(source, window)[:3], _HALF)
                        codes.write(table[4 * full[0] + 2 * full[1] + full[2]], 1, window=window)
        except GDAL_ERRORS as error:
            raise OutputError(f"{colours} cannot be turned into {target}: {error}.") from error


def write_tiled(image: Path, target: Path, pad: int = 0) -> None:
    """Write an image again as a tiled GeoTIFF, without loss: a JPEG would be decoded from its top for every crop.

    Args:
        pad: Side to fill up to, as for ``write_codes``.

    Raises:
        OutputError: The image cannot be read, or the copy cannot be written.
    """
    with published(target) as (partial,):
        try:
            with rasterio.open(image) as source:
                profile = {**_TILED, **_place(source, pad), "count": source.count, "dtype": source.dtypes[0], "predictor": 2}
                with rasterio.open(partial, "w", **profile) as copy:
                    for window in _strips(copy.width, copy.height):
                        copy.write(_filled_up(source, window), window=window)
        except GDAL_ERRORS as error:
            raise OutputError(f"{image} cannot be turned into {target}: {error}.") from error


def _filled_up(source: Any, window: Window) -> npt.NDArray[np.number[Any]]:
    """Return the pixels of all bands in a window that starts at the left edge; black beyond the raster."""
    rows = max(0, min(window.height, source.height - window.row_off))
    columns = min(window.width, source.width)
    pixels: npt.NDArray[np.number[Any]] = np.zeros((source.count, window.height, window.width), source.dtypes[0])
    if rows:
        pixels[:, :rows, :columns] = source.read(window=Window(0, window.row_off, columns, rows))
    return pixels


def _place(source: Any, pad: int) -> dict[str, object]:
    height, width = (math.ceil(side / pad) * pad if pad else side for side in source.shape)
    place: dict[str, object] = {"width": width, "height": height, "crs": source.crs}
    return place if source.transform.is_identity else {**place, "transform": source.transform}


def _strips(width: int, height: int) -> list[Window]:
    return [Window(0, row, width, min(_STRIP, height - row)) for row in range(0, height, _STRIP)]
