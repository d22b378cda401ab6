"""A map of what the encoder sees: its features at every place, brought down to three colours."""

from __future__ import annotations

import math
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import nn

from false_core.feedback import Feedback
from false_core.inference.features import FEATURE_STRIDE, TiledEncoder, feature_size, fit_components
from false_core.language.catalogue import localised
from false_core.raster.coarsening import block_mean
from false_core.raster.source import RasterSource, Window
from false_core.raster.statistics import Normalisation
from false_core.reports.figures import Colours, as_bytes, as_svg, in_colour, show_picture

TILE_PX, HALO_PX = 512, 192
"""Working pixels looked at at a time, and the surroundings the network sees around them. For a picture, that is enough."""
MAX_SIDE_PX = 5 * TILE_PX
"""Longest side of the window that is mapped. Of a larger raster it is the middle."""


@dataclass(frozen=True)
class EmbeddingMap:
    """The features of an encoder over a window of a raster, in colour, and the raster beside it.

    Attributes:
        area: The window, in working pixels of the raster.
        share: The share of what was learned from in that raster that lies in the window.
        raster_picture: The raster, of shape (height, width, 3); each pixel 1, 2 or 4 working pixels wide. White: nodata.
        embedding: The features, of shape (area.height / 4, area.width / 4, 3), both rounded up. White: nodata.
    """

    name: str
    area: Window
    share: float
    raster_picture: Colours
    embedding: Colours


def map_embedding(
    encoder: nn.Module,
    source: RasterSource,
    area: Window,
    normalisation: Normalisation,
    device: torch.device,
    seed: int,
    feedback: Feedback,
) -> EmbeddingMap | None:
    """Map the features of ``encoder`` over ``area``, or over the middle of it where it is very large.

    Args:
        area: The window that was learned from, in working pixels.

    Returns:
        The map, or None where nothing in that window is valid.
    """
    window = _middle(area)
    tiled = TiledEncoder(encoder.eval(), source, normalisation, device, TILE_PX, HALO_PX, feedback)
    components = fit_components(tiled, window, 3, seed, feedback)
    if components is None:
        return None
    block = _block(window)
    embedding = np.full((*feature_size(window), 3), 255, np.uint8)
    raster_picture = np.full((math.ceil(window.height / block), math.ceil(window.width / block), 3), 255, np.uint8)
    plan = tiled.plan(window)
    with closing(tiled.over(plan, lambda levels: tiled.inside(components.of(levels)).cpu().numpy())) as computed:
        for done, item in enumerate(computed):
            feedback.advance(done, len(plan))
            tile = Window(window.column + item.tile.column * TILE_PX, window.row + item.tile.row * TILE_PX, TILE_PX, TILE_PX)
            _paste(raster_picture, _picture(source, normalisation, tile, block), tile, window, block)
            if item.result is not None:
                colours = as_bytes(components.stretched(item.result)).transpose(1, 2, 0).copy()
                colours[~item.valid] = 255
                _paste(embedding, colours, tile, window, FEATURE_STRIDE)
    share = window.width * window.height / (area.width * area.height)
    return EmbeddingMap(source.name, window, share, raster_picture, embedding)


def draw_map(embedding: EmbeddingMap) -> str:
    """Return the raster and the map of its features side by side, as SVG."""
    height, width = embedding.embedding.shape[:2]
    figure = Figure(figsize=(9.2, min(9.2, 4.6 * height / width) + 0.4), layout="constrained")
    titles = ("Raster", "Features of the encoder")
    for axes, picture, title in zip(figure.subplots(1, 2), (embedding.raster_picture, embedding.embedding), titles):
        show_picture(axes, picture)
        axes.set_title(localised(title), fontsize=10)
    return as_svg(figure)


def _picture(source: RasterSource, normalisation: Normalisation, tile: Window, block: int) -> Colours:
    """Return a tile in colour, ``block`` working pixels in one; white where nothing is valid."""
    mean = block_mean(source.read(tile), block)
    colours = in_colour(normalisation.apply(mean))
    colours[~np.isfinite(mean).any(axis=0)] = 255
    return colours


def _middle(area: Window) -> Window:
    """Return ``area``, or its middle where it is longer than ``MAX_SIDE_PX``."""
    width, height = min(area.width, MAX_SIDE_PX), min(area.height, MAX_SIDE_PX)
    return Window(area.column + (area.width - width) // 2, area.row + (area.height - height) // 2, width, height)


def _block(window: Window) -> int:
    """Return how many working pixels of the raster are shown as one, so that its picture is as fine as a screen."""
    longest = max(window.width, window.height)
    return 1 if longest <= MAX_SIDE_PX // 4 else 2 if longest <= MAX_SIDE_PX // 2 else 4


def _paste(target: np.ndarray, picture: np.ndarray, tile: Window, window: Window, step: int) -> None:
    """Put the picture of a tile, ``step`` working pixels per pixel, where it belongs in that of the window."""
    row, column = (tile.row - window.row) // step, (tile.column - window.column) // step
    place = target[row : row + len(picture), column : column + picture.shape[1]]
    place[:] = picture[: place.shape[0], : place.shape[1]]
