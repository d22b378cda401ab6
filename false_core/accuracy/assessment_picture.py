"""A small picture of a map with the reference that it was compared with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from false_core.accuracy.assessment import AssessedClass
from false_core.labels.reading import Labels
from false_core.raster.class_map import ClassMap
from false_core.reports.figures import as_svg, legend_below, rgb_of, show_picture

ASSESSMENT_PICTURE_PX = 700
"""Pixels of the longer side of the picture."""
MOST_DRAWN = 2000
"""Points or shapes that are drawn; of more, some are left out."""


def draw_compared(the_map: ClassMap, classes: Sequence[AssessedClass], labels: Labels | None) -> str:
    """Return the picture as SVG; empty where it would take reading too much."""
    codes = the_map.source.overview(ASSESSMENT_PICTURE_PX)
    if codes is None:
        return ""
    height, width = codes.shape[1:]
    picture = np.full((height, width, 3), 255, np.uint8)
    on_map = [c for c in classes if c.code is not None]
    for c in on_map:
        picture[codes[0] == c.code] = rgb_of(c.color)
    figure = Figure(figsize=(7.2, min(9.0, 7.2 * height / width) + 0.5), layout="constrained")
    axes = figure.subplots()
    show_picture(axes, picture)
    if labels is not None:
        scale = np.array([width / the_map.source.width, height / the_map.source.height])
        shapes = shapely.transform(labels.shapes[:: -(-len(labels.shapes) // MOST_DRAWN)], lambda xy: xy * scale - 0.5)
        points = shapes[shapely.get_dimensions(shapes) == 0]
        lines = [shapely.get_coordinates(shape) for shape in shapes[shapely.get_dimensions(shapes) > 0]]
        axes.add_collection(LineCollection(lines, colors="white", linewidths=2.2))
        axes.add_collection(LineCollection(lines, colors="black", linewidths=0.9))
        x, y = shapely.get_coordinates(points).T
        axes.scatter(x, y, s=9, c="white", edgecolors="black", linewidths=0.6)
        axes.set_xlim(-0.5, width - 0.5)
        axes.set_ylim(height - 0.5, -0.5)
    legend_below(figure, [(c.name, c.color) for c in on_map if c.pixels])
    return as_svg(figure)
