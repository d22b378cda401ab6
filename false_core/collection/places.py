"""A layer of places: on which rasters they lie, and where."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from rasterio.crs import CRS

from false_core.errors import InputError
from false_core.feedback import Feedback
from false_core.labels.label_file import read_table
from false_core.labels.placement import to_pixels
from false_core.raster.source import RasterSource, Window


@dataclass(frozen=True)
class PlacesOnRasters:
    """Places on rasters.

    Attributes:
        rasters: Number of the raster of each, of shape (n,). A place on several rasters is one of the first of them.
        bounds: The pixels that its box covers in the working grid: left, top, right, bottom, of shape (n, 4).
        beyond: Number of other places in the layer, which lie on none of the rasters.
    """

    rasters: npt.NDArray[np.int64]
    bounds: npt.NDArray[np.float64]
    beyond: int

    @property
    def centres(self) -> npt.NDArray[np.int64]:
        """Column and row of the pixel in the middle of each, of shape (n, 2)."""
        return np.floor((self.bounds[:, :2] + self.bounds[:, 2:]) / 2).astype(np.int64)


def read_places(path: str, sources: Sequence[RasterSource], areas: Sequence[Window], feedback: Feedback) -> PlacesOnRasters:
    """Read the places of a layer that have their middle within ``areas``, the parts of the rasters that are used.

    Args:
        path: Vector file, as for labels. Its shapes are taken for their boxes.

    Raises:
        InputError: The file is missing, cannot be read or holds no geometry.
    """
    table = read_table(path, None, feedback)
    table = table[~table.geometry.isna() & ~table.geometry.is_empty]
    if table.empty:
        raise InputError(f"{path} holds no geometry.", "Choose a layer of places, as Choose places to learn from makes it.")
    free = np.ones(len(table), bool)
    rasters: list[npt.NDArray[np.int64]] = []
    bounds: list[npt.NDArray[np.float64]] = []
    told: set[CRS | None] = set()  # What is to be said of the layer is said for the first raster of each CRS alone.
    for number, (source, area) in enumerate(zip(sources, areas)):
        boxes = shapely.bounds(to_pixels(table, source, Feedback() if source.crs in told else feedback)[0])
        told.add(source.crs)
        middle = (boxes[:, :2] + boxes[:, 2:]) / 2
        first, size = np.array([area.column, area.row]), (area.width, area.height)
        with np.errstate(invalid="ignore"):
            here = free & ((middle >= first) & (middle < first + size)).all(axis=1)
        free &= ~here
        rasters.append(np.full(int(here.sum()), number, np.int64))
        bounds.append(boxes[here])
    return PlacesOnRasters(np.concatenate(rasters), np.concatenate(bounds), int(free.sum()))


def with_places_alone(
    sources: Sequence[RasterSource], areas: Sequence[Window], path: str, feedback: Feedback
) -> tuple[list[RasterSource], list[Window], list[tuple[int, Window]]]:
    """Return the rasters that hold places of a layer, the part of each around its places, and each by raster and window.

    Raises:
        InputError: As ``read_places``, or no place lies on the rasters.
    """
    places = read_places(path, sources, areas, feedback)
    if not len(places.rasters):
        raise InputError(
            f"No place of {path} lies on the rasters.",
            "Check that they have the right CRS, and that the extent, if there is one, holds places.",
        )
    if places.beyond:
        every = len(places.rasters) + places.beyond
        feedback.info(f"{places.beyond:,} of {every:,} places lie on no raster and are left out.")
    used = np.unique(places.rasters).tolist()
    number_of = {raster: number for number, raster in enumerate(used)}
    windows: list[tuple[int, Window]] = []
    for raster, bounds in zip(places.rasters.tolist(), places.bounds.tolist()):
        windows.append((number_of[raster], _window(bounds, areas[raster])))
    of_raster: list[list[Window]] = [[] for _ in used]
    for number, window in windows:
        of_raster[number].append(window)
    return [sources[raster] for raster in used], [_around(mine) for mine in of_raster], windows


def _window(bounds: Sequence[float], area: Window) -> Window:
    """Return the pixels of a place within an area, one at least."""
    left, right = _span(bounds[0], bounds[2], area.column, area.width)
    top, bottom = _span(bounds[1], bounds[3], area.row, area.height)
    return Window(left, top, right - left, bottom - top)


def _span(low: float, high: float, start: int, length: int) -> tuple[int, int]:
    first = min(max(math.floor(low), start), start + length - 1)
    return first, min(max(first + 1, math.ceil(high)), start + length)


def _around(windows: Sequence[Window]) -> Window:
    left, top = min(w.column for w in windows), min(w.row for w in windows)
    right, bottom = max(w.column + w.width for w in windows), max(w.row + w.height for w in windows)
    return Window(left, top, right - left, bottom - top)
