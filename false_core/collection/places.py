"""A layer of places: on which rasters they lie, and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from false_core.errors import InputError
from false_core.feedback import Feedback
from false_core.labels.label_file import read_table
from false_core.labels.placement import to_pixels
from false_core.raster.source import RasterSource, Window


@dataclass(frozen=True)
class Places:
    """Places on rasters.

    Attributes:
        rasters: Number of the raster of each, of shape (n,). A place on several rasters is one of the first of them.
        bounds: The pixels that its box covers in the working grid: left, top, right, bottom, of shape (n, 4).
    """

    rasters: npt.NDArray[np.int64]
    bounds: npt.NDArray[np.float64]

    @property
    def centres(self) -> npt.NDArray[np.int64]:
        """Column and row of the pixel in the middle of each, of shape (n, 2)."""
        return np.floor((self.bounds[:, :2] + self.bounds[:, 2:]) / 2).astype(np.int64)


def read_places(path: str, sources: Sequence[RasterSource], areas: Sequence[Window], feedback: Feedback) -> Places:
    """Read the places of a layer that have their middle within ``areas``, the parts of the rasters that are used.

    Args:
        path: Vector file, as for labels. Its shapes are taken for their boxes.

    Raises:
        InputError: The file is missing or cannot be read, or no place lies within the areas.
    """
    table = read_table(path, None, feedback)
    table = table[~table.geometry.isna() & ~table.geometry.is_empty]
    if table.empty:
        raise InputError(f"{path} holds no geometry.", "Choose a layer of places, as Choose places to learn from makes it.")
    free = np.ones(len(table), bool)
    rasters: list[npt.NDArray[np.int64]] = []
    bounds: list[npt.NDArray[np.float64]] = []
    listener = feedback  # What is to be said of the layer is said for the first raster alone.
    for number, (source, area) in enumerate(zip(sources, areas)):
        boxes = shapely.bounds(to_pixels(table, source, listener)[0])
        listener = Feedback()
        middle = (boxes[:, :2] + boxes[:, 2:]) / 2
        first, size = np.array([area.column, area.row]), (area.width, area.height)
        with np.errstate(invalid="ignore"):
            here = free & ((middle >= first) & (middle < first + size)).all(axis=1)
        free &= ~here
        rasters.append(np.full(int(here.sum()), number, np.int64))
        bounds.append(boxes[here])
    if free.all():
        raise InputError(
            f"No place of {path} lies on the rasters.",
            "Check that they have the right CRS, and that the extent, if there is one, holds places.",
        )
    if free.any():
        feedback.info(f"{int(free.sum()):,} of {len(table):,} places lie on no raster and are left out.")
    return Places(np.concatenate(rasters), np.concatenate(bounds))
