"""A map from afar: a small picture of it beside one of its raster, and how much of each class there is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from matplotlib.figure import Figure

from false_core.raster.classes import ClassTable
from false_core.raster.source import FloatArray, Window
from false_core.reports.figures import Colours, as_svg, in_colour, legend_below, rgb_of, show_picture

PICTURE_SIDE_PX = 900
"""Pixels of the longer side of a picture."""


@dataclass(frozen=True)
class StripOverview:
    """The overview of a strip.

    Attributes:
        pixels: Pixels of each code, of shape (256,).
        map, image: Its pictures, of shapes (height, width) and (height, width, 3).
    """

    pixels: npt.NDArray[np.int64]
    map: npt.NDArray[np.uint8]
    image: npt.NDArray[np.uint8]


class MapOverview:
    """Collects what a report shows of a map while the map is written, so that nothing has to be read again.

    Args:
        area: The map, in pixels of the raster's file.

    Attributes:
        pixels: Pixels of each code, of shape (256,).
    """

    def __init__(self, area: Window, classes: ClassTable) -> None:
        self._area, self._classes = area, classes
        step = max(1, math.ceil(max(area.width, area.height) / PICTURE_SIDE_PX))
        self._rows, self._columns = _sampled(area.height, step), _sampled(area.width, step)
        shape = len(self._rows), len(self._columns)
        self._map = np.full(shape, classes.nodata, np.uint8)
        self._image = np.full((*shape, 3), 255, np.uint8)
        self.pixels = np.zeros(256, np.int64)

    @property
    def classified(self) -> int:
        """Pixels that got a class."""
        return int(self.pixels.sum() - self.pixels[self._classes.nodata])

    @property
    def total(self) -> int:
        """Pixels of the map."""
        return self._area.width * self._area.height

    def shown(self, place: Window) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Return the rows and the columns of the map in ``place`` that the pictures show."""
        down, across = self._within(place)
        return self._rows[down], self._columns[across]

    def add(self, place: Window, codes: npt.NDArray[np.uint8], seen: FloatArray) -> None:
        """Take in a part of the map that was just written.

        Args:
            place: Position of the part, in pixels of the map.
            codes: Its class codes, of shape (height, width).
            seen: Pixels of the raster at those of ``shown``, as the network saw them: normalised, of shape (bands, rows,
                columns).
        """
        # Not numpy's, which makes a number of eight bytes of each code first.
        self.pixels += torch.bincount(torch.from_numpy(codes).flatten(), minlength=256).numpy()
        down, across = self._within(place)
        rows, columns = self._rows[down], self._columns[across]
        shown = codes[np.ix_(rows - place.row, columns - place.column)]
        self._map[down, across] = shown
        self._image[down, across] = np.where((shown == self._classes.nodata)[..., None], np.uint8(255), in_colour(seen))

    def strip_overview(self, place: Window) -> StripOverview:
        """Return what was taken in, all of which must lie in ``place``."""
        down, across = self._within(place)
        return StripOverview(self.pixels.copy(), self._map[down, across].copy(), self._image[down, across].copy())

    def put(self, place: Window, strip: StripOverview) -> None:
        """Take in the overview of a strip of the same map."""
        down, across = self._within(place)
        self.pixels += strip.pixels
        self._map[down, across] = strip.map
        self._image[down, across] = strip.image

    def _within(self, place: Window) -> tuple[slice, slice]:
        down = slice(*np.searchsorted(self._rows, (place.row, place.row + place.height)).tolist())
        across = slice(*np.searchsorted(self._columns, (place.column, place.column + place.width)).tolist())
        return down, across

    def draw(self) -> str:
        """Return the two pictures and a legend as SVG."""
        height, width = self._map.shape
        beside = width < 2 * height
        scale = (4.5 if beside else 9.2) / width
        rows, columns = (1, 2) if beside else (2, 1)
        figure = Figure(figsize=(9.2, rows * height * scale + 0.9), layout="constrained")
        for axes, picture in zip(figure.subplots(rows, columns), (self._image, self._coloured())):
            show_picture(axes, picture)
        present = [(c.name, c.color) for c in self._classes.classes if self.pixels[c.code]]
        legend_below(figure, present)
        return as_svg(figure)

    def _coloured(self) -> Colours:
        table = np.full((256, 3), 255, np.uint8)
        for c in self._classes.classes:
            table[c.code] = rgb_of(c.color)
        return table[self._map]


def _sampled(length: int, step: int) -> npt.NDArray[np.intp]:
    """Return the pixels of one side that are shown: the middle one of every ``step``."""
    return np.minimum(np.arange(0, length, step) + step // 2, length - 1)
