"""A small picture of a raster with the labels that a model learned from, so that a reader sees where they lie."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.ndimage
from affine import Affine
from matplotlib.figure import Figure

from false_core.labels.annotation import IGNORE
from false_core.reports.figures import Colours, as_svg, in_colour, legend_below, rgb_of, show_picture
from false_core.sampling.labelled import LabelledRaster

LABELS_PICTURE_PX = 700
"""Pixels of the longer side of the picture."""
GROUND = 235
"""The grey that stands for a raster of which no picture can be had without reading too much."""


def draw_labels(raster: LabelledRaster) -> str:
    """Return the picture as SVG."""
    picture = _picture(raster)
    height, width = picture.shape[:2]
    scale = Affine.scale(width / raster.source.width, height / raster.source.height)
    targets = raster.annotation.burn(scale, height, width)
    labelled: npt.NDArray[np.bool_] = targets != IGNORE
    picture[scipy.ndimage.binary_dilation(labelled, iterations=2)] = 255  # A white rim, as labels are small and images dark.
    classes = raster.annotation.classes.classes
    picture[labelled] = np.array([rgb_of(c.color) for c in classes], np.uint8)[targets[labelled]]
    figure = Figure(figsize=(7.2, min(9.0, 7.2 * height / width) + 0.5), layout="constrained")
    show_picture(figure.subplots(), picture)
    legend_below(figure, [(c.name, c.color) for c in classes])
    return as_svg(figure)


def _picture(raster: LabelledRaster) -> Colours:
    source = raster.source
    pixels = source.overview(LABELS_PICTURE_PX)
    if pixels is None:
        step = max(1.0, max(source.width, source.height) / LABELS_PICTURE_PX)
        return np.full((max(1, int(source.height / step)), max(1, int(source.width / step)), 3), GROUND, np.uint8)
    colours = in_colour(raster.normalisation.apply(pixels))
    colours[~np.isfinite(pixels).any(axis=0)] = 255
    return colours
