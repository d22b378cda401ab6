"""A small picture of areas in the colours of their classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import shapely
from matplotlib.figure import Figure

from false_core.reports.figures import Colours, as_svg, legend_below, rgb_of, show_picture

AREAS_PICTURE_PX = 500
"""Pixels of the longer side of the picture."""
WITHOUT_AREA = 255
"""Grey value of what lies in no area, or in one that got no class."""


def draw_areas(
    shapes: npt.NDArray[np.object_],
    targets: npt.NDArray[np.int64],
    classes: Sequence[tuple[str, str]],
    width: int,
    height: int,
) -> str:
    """Return the picture as SVG.

    Args:
        shapes: Areas with a class, in working pixels of the raster, of shape (n,).
        targets: Numbers of their classes, of shape (n,).
        classes: Names and colours.
        width, height: Size of the raster in working pixels.
    """
    picture = paint_areas(shapes, targets, [color for _, color in classes], width, height)
    figure = Figure(figsize=(7.2, min(9.0, 7.2 * height / width) + 0.5), layout="constrained")
    show_picture(figure.subplots(), picture)
    legend_below(figure, [classes[number] for number in np.unique(targets)])
    return as_svg(figure)


def paint_areas(
    shapes: npt.NDArray[np.object_], targets: npt.NDArray[np.int64], colors: Sequence[str], width: int, height: int
) -> Colours:
    """Return the picture, of shape (rows, columns, 3). Of areas that overlap, the last one is seen.

    The middle of each pixel of the picture is looked up in a tree of the areas, so that a million of them take seconds.
    """
    scale = AREAS_PICTURE_PX / max(width, height)
    columns, rows = max(1, round(width * scale)), max(1, round(height * scale))
    x, y = np.meshgrid((np.arange(columns) + 0.5) * width / columns, (np.arange(rows) + 0.5) * height / rows)
    pixels, areas = shapely.STRtree(shapes).query(shapely.points(x.ravel(), y.ravel()), predicate="intersects")
    picture = np.full((rows * columns, 3), WITHOUT_AREA, np.uint8)
    last = np.argsort(areas, kind="stable")
    picture[pixels[last]] = np.array([rgb_of(color) for color in colors], np.uint8)[targets[areas[last]]]
    return picture.reshape(rows, columns, 3)
