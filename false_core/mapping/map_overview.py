"""A map from afar: a small picture of it beside one of its raster, and how much of each class there is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from matplotlib.figure import Figure

from false_core.mapping.picture_pixels import PicturePixels
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
        self._picture = PicturePixels(area.width, area.height, PICTURE_SIDE_PX)
        self._map = np.full(self._picture.shape, classes.nodata, np.uint8)
        self._image = np.full((*self._picture.shape, 3), 255, np.uint8)
        self.pixels = np.zeros(256, np.int64)

    @property
    def classified(self) -> int:
        """Pixels that got a class."""
        return int(self.pixels.sum() - self.pixels[self._classes.nodata])

    @property
    def total(self) -> int:
        """Pixels of the map."""
        return self._area.width * self._area.height

    def shown(self, window: Window) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Return the rows and the columns of the map in ``window`` that the pictures show."""
        return self._picture.shown(window)

    def add(self, window: Window, codes: npt.NDArray[np.uint8], seen: FloatArray) -> None:
        """Take in a part of the map that was just written.

        Args:
            window: Position of the part, in pixels of the map.
            codes: Its class codes, of shape (height, width).
            seen: Pixels of the raster at those of ``shown``, as the network saw them: normalised, of shape (bands, rows,
                columns).
        """
        # Not numpy's, which makes a number of eight bytes of each code first.
        self.pixels += torch.bincount(torch.from_numpy(codes).flatten(), minlength=256).numpy()
        there, shown = self._picture.showing(window), codes[self._picture.within(window)]
        self._map[there] = shown
        self._image[there] = np.where((shown == self._classes.nodata)[..., None], np.uint8(255), in_colour(seen))

    def strip_overview(self, window: Window) -> StripOverview:
        """Return what was taken in, all of which must lie in ``window``."""
        there = self._picture.showing(window)
        return StripOverview(self.pixels.copy(), self._map[there].copy(), self._image[there].copy())

    def put(self, window: Window, strip: StripOverview) -> None:
        """Take in the overview of a strip of the same map."""
        there = self._picture.showing(window)
        self.pixels += strip.pixels
        self._map[there], self._image[there] = strip.map, strip.image

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
