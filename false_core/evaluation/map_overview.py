"""A map from afar: a small picture of it beside one of its raster, and how much of each class there is."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from false_core.evaluation.figures import Colours, as_svg, in_colour, show_picture
from false_core.labels.classes import ClassTable
from false_core.raster.source import FloatArray, Window

LONGEST = 900
"""Pixels of the longer side of a picture."""
MOST_NAMES = 20
"""Classes in the legend of the picture; the table lists all."""


class MapOverview:
    """Collects what a report shows of a map while the map is written, so that nothing has to be read again.

    Args:
        area: The map, in pixels of the raster's file.
        classes: Of the map.

    Attributes:
        pixels: Pixels of each code, of shape (256,).
    """

    def __init__(self, area: Window, classes: ClassTable) -> None:
        self._area, self._classes = area, classes
        step = max(1, math.ceil(max(area.width, area.height) / LONGEST))
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

    def add(self, column: int, row: int, codes: npt.NDArray[np.uint8], seen: FloatArray, factor: int) -> None:
        """Take in a part of the map that was just written.

        Args:
            column, row: Its place in the map.
            codes: Its class codes, of shape (height, width).
            seen: The same place in the raster as the network saw it: normalised, of shape (bands, height / factor rounded
                up, width / factor rounded up).
            factor: Pixels of the file per pixel of ``seen``.
        """
        # Not numpy's, which makes a number of eight bytes of each code first.
        self.pixels += torch.bincount(torch.from_numpy(codes).flatten(), minlength=256).numpy()
        down = slice(*np.searchsorted(self._rows, (row, row + codes.shape[0])))
        across = slice(*np.searchsorted(self._columns, (column, column + codes.shape[1])))
        rows, columns = self._rows[down] - row, self._columns[across] - column
        shown = codes[np.ix_(rows, columns)]
        colours = in_colour(seen[:, rows[:, None] // factor, columns // factor])
        self._map[down, across] = shown
        self._image[down, across] = np.where((shown == self._classes.nodata)[..., None], np.uint8(255), colours)

    def draw(self) -> str:
        """Return the two pictures and a legend as SVG."""
        height, width = self._map.shape
        beside = width < 2 * height
        scale = (4.5 if beside else 9.2) / width
        rows, columns = (1, 2) if beside else (2, 1)
        figure = Figure(figsize=(9.2, rows * height * scale + 0.9), layout="constrained")
        for axes, picture in zip(figure.subplots(rows, columns), (self._image, self._coloured())):
            show_picture(axes, picture)
        present = [c for c in self._classes.classes if self.pixels[c.code]][:MOST_NAMES]
        handles = [Patch(facecolor=c.color, edgecolor="#888888", linewidth=0.5, label=c.name) for c in present]
        figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=8, frameon=False)
        return as_svg(figure)

    def _coloured(self) -> Colours:
        table = np.full((256, 3), 255, np.uint8)
        for c in self._classes.classes:
            table[c.code] = tuple(bytes.fromhex(c.color.lstrip("#")))
        return table[self._map]


def _sampled(length: int, step: int) -> npt.NDArray[np.intp]:
    """Return the pixels of one side that are shown: the middle one of every ``step``."""
    return np.minimum(np.arange(0, length, step) + step // 2, length - 1)
