"""The bands of a raster that are read, and the one that says where they are transparent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rasterio.enums import ColorInterp

from false_core.errors import InputError
from false_core.raster.opening import GDAL_ERRORS
from false_core.raster.peculiarities import is_image
from false_core.untrusted import on_one_line

MOST_SUBDATASETS_NAMED = 5


def choose_bands(dataset: Any, path: str, asked: Sequence[int]) -> tuple[tuple[int, ...], int | None, tuple[int, ...]]:
    """Return the bands to read, the one that says where they are transparent, and those marked as alpha that are images.

    Raises:
        InputError: There are no such bands, or none that can be read as numbers.
    """
    if not dataset.count:
        inside = [on_one_line(name) for name in dataset.subdatasets]
        if not inside:
            raise InputError(f"{path} holds no raster band.", "Choose another raster.")
        listed = ", ".join(inside[:MOST_SUBDATASETS_NAMED]) + (", ..." if len(inside) > MOST_SUBDATASETS_NAMED else "")
        raise InputError(f"{path} holds {len(inside)} rasters: {listed}.", "Name one of them.")
    alpha = [index for index, meaning in zip(dataset.indexes, dataset.colorinterp) if meaning == ColorInterp.alpha]
    # An alpha band that was asked for by number is data: near infrared is often marked as alpha by mistake.
    beside = len(alpha) < dataset.count
    images = tuple(index for index in alpha if beside and index not in asked and _is_image(dataset, index))
    alpha = [index for index in alpha if index not in images]
    bands = tuple(asked) or tuple(index for index in dataset.indexes if index not in alpha)
    if not bands:
        raise InputError(f"{path} holds nothing but an alpha band.", "Name the band to use it all the same.")
    absent = [band for band in bands if band not in dataset.indexes]
    if absent:
        raise InputError(
            f"{path} has {dataset.count} band(s); there is no band {', '.join(map(str, absent))}.",
            "Correct the list of bands.",
        )
    if any("complex" in dataset.dtypes[band - 1] for band in bands):
        raise InputError(f"{path} holds complex numbers.", "Convert it to amplitude or intensity first.")
    return bands, next((index for index in alpha if index not in bands), None), images


def _is_image(dataset: Any, band: int) -> bool:
    try:
        return is_image(dataset, band)
    except GDAL_ERRORS:
        return False  # What cannot be read is told when it is needed.
