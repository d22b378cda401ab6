"""Pictures of places of rasters, for reports: what is there, and where they lie."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from false_core.language.catalogue import localised
from false_core.raster.source import FloatArray, RasterSource, Window
from false_core.reports.figures import Colours, as_svg, in_colour, legend_below, rgb_of, show_picture

PLACE_PICTURE_PX = 96
"""Pixels of the longer side of the picture of a place, at most about."""
MOST_AVERAGED = 32
"""Pixels of the file along a side of a pixel of the picture up to which they are averaged. Of more, some are picked."""
MOST_PICTURES, PICTURES_IN_A_ROW = 24, 8
MOST_RASTERS_SHOWN, RASTERS_IN_A_ROW = 4, 2
"""Rasters on which places are shown: those that hold most of them."""
RASTER_PICTURE_PX = 900
LEAST_SHOWN_PX = 7
"""Pixels of the picture of a raster that a place is wide there at least, to be seen."""
PLACE_COLOUR = "#ff00c8"
"""The colour of places to look at on a map too: no land cover has it."""


@dataclass(frozen=True)
class PlaceShown:
    """A place of a raster.

    Attributes:
        window: Its working pixels.
        colour: Its colour where it is drawn on the raster, written #rrggbb.
    """

    source: RasterSource
    window: Window
    colour: str = PLACE_COLOUR


def window_within(bounds: npt.NDArray[np.floating]) -> Window:
    """Return the pixels that a box touches, given its left, top, right and bottom."""
    left, top = (math.floor(value + 1e-6) for value in bounds[:2])
    right, bottom = (math.ceil(value - 1e-6) for value in bounds[2:])
    return Window(left, top, max(1, right - left), max(1, bottom - top))


def draw_places(places: Sequence[PlaceShown], titles: Sequence[str]) -> str:
    """Return pictures of the first places as SVG, with a title above each. All are shown in one contrast."""
    rows = -(-min(len(places), MOST_PICTURES) // PICTURES_IN_A_ROW)
    figure = Figure(figsize=(9.2, 1.4 * rows), layout="constrained")
    grid = figure.subplots(rows, PICTURES_IN_A_ROW, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    sources = {id(place.source): place.source for place in places[:MOST_PICTURES]}
    shown = {number: _in_shown_bands(source) for number, source in sources.items()}
    pictures = _in_one_contrast([_seen(shown[id(place.source)], place.window) for place in places[:MOST_PICTURES]])
    for axes, picture, title in zip(grid, pictures, titles):
        axes.set_axis_on()
        show_picture(axes, picture)
        axes.set_title(localised(title), fontsize=8)
    return as_svg(figure)


def draw_on_rasters(places: Sequence[PlaceShown], legend: Sequence[tuple[str, str]] = ()) -> str:
    """Return the rasters that hold most of some places, with a square for each place, as SVG.

    Args:
        legend: Names of what the colours of the places mean, with these colours.
    """
    of_raster: dict[int, list[PlaceShown]] = {}
    for place in places:
        of_raster.setdefault(id(place.source), []).append(place)
    shown = sorted(of_raster.values(), key=lambda mine: -len(mine))[:MOST_RASTERS_SHOWN]
    across = min(len(shown), RASTERS_IN_A_ROW)
    rows, width = -(-len(shown) // across), 9.2 / across
    tallest = max(mine[0].source.height / mine[0].source.width for mine in shown)
    figure = Figure(figsize=(9.2, rows * (min(9.0, width * tallest) + 0.4)), layout="constrained")
    grid = figure.subplots(rows, across, squeeze=False).ravel()
    for axes in grid[len(shown) :]:
        axes.set_axis_off()
    for axes, mine in zip(grid, shown):
        _draw_on_raster(axes, mine)
    if legend:
        legend_below(figure, legend)
    return as_svg(figure)


def _draw_on_raster(axes: Axes, places: Sequence[PlaceShown]) -> None:
    source = places[0].source
    pixels = _in_shown_bands(source).overview(RASTER_PICTURE_PX)
    # Where looking at all of the raster would take too long, its frame alone is drawn.
    picture = np.full(_frame(source), 245, np.uint8) if pixels is None else _in_one_contrast([pixels])[0]
    scale = np.array([picture.shape[1] / source.width, picture.shape[0] / source.height])
    for place in reversed(places):  # The first of them lie on top.
        size = np.array([place.window.width, place.window.height]) * scale
        middle = np.array([place.window.column, place.window.row]) * scale + size / 2
        size = np.maximum(size, LEAST_SHOWN_PX)
        (left, top), (right, bottom) = np.rint(middle - size / 2).astype(int), np.rint(middle + size / 2).astype(int) - 1
        _frame_square(picture, left, top, right, bottom, (255, 255, 255))
        _frame_square(picture, left + 1, top + 1, right - 1, bottom - 1, rgb_of(place.colour))
    show_picture(axes, picture)
    axes.set_title(source.name, fontsize=9)


def _frame_square(picture: Colours, left: int, top: int, right: int, bottom: int, colour: tuple[int, ...]) -> None:
    """Draw the sides of a square on a picture, as far as they lie on it."""
    high, wide = picture.shape[:2]
    down, across = slice(max(0, top), max(0, bottom + 1)), slice(max(0, left), max(0, right + 1))
    for row in (top, bottom):
        if 0 <= row < high:
            picture[row, across] = colour
    for column in (left, right):
        if 0 <= column < wide:
            picture[down, column] = colour


def _frame(source: RasterSource) -> tuple[int, int, int]:
    """Return the shape of the picture of a raster that is not looked at."""
    scale = RASTER_PICTURE_PX / max(source.width, source.height)
    return max(1, round(source.height * scale)), max(1, round(source.width * scale)), 3


def _in_shown_bands(source: RasterSource) -> RasterSource:
    """Return a raster with those of its bands alone that a picture shows."""
    return source if len(source.bands) <= 3 else source.with_bands(source.bands[:3])


def _seen(source: RasterSource, window: Window) -> FloatArray:
    """Return the pixels of a place, averaged where they are many, or picked; NaN where there is no data."""
    block = -(-max(window.width, window.height) // PLACE_PICTURE_PX)
    if block > 1 and block * source.factor > MOST_AVERAGED:
        return _picked(source, window, block)
    coarser = source.at_factor(source.factor * block) if block > 1 else source
    width, height = -(-window.width // block), -(-window.height // block)
    return coarser.read(Window(window.column // block, window.row // block, width, height))


def _picked(source: RasterSource, window: Window, block: int) -> FloatArray:
    """Return one pixel of each block of a place; NaN also where looking at it would take too long."""
    seen = np.full((len(source.bands), -(-window.height // block), -(-window.width // block)), np.nan, np.float32)
    inside = source.clipped(window)
    pixels = source.overview(max(1, max(inside.width, inside.height) // block), inside)
    if pixels is not None:
        scale = np.array(pixels.shape[1:]) / (inside.height, inside.width)
        rows, columns = (
            np.floor((first + np.minimum((np.arange(number) + 0.5) * block, size - 0.5)) * by).astype(int)
            for first, size, number, by in (
                (window.row - inside.row, window.height, seen.shape[1], scale[0]),
                (window.column - inside.column, window.width, seen.shape[2], scale[1]),
            )
        )
        down, across = (0 <= rows) & (rows < pixels.shape[1]), (0 <= columns) & (columns < pixels.shape[2])
        seen[:, down[:, None] & across] = pixels[:, rows[down]][:, :, columns[across]].reshape(len(pixels), -1)
    return seen


def _in_one_contrast(seen: Sequence[FloatArray]) -> list[Colours]:
    """Return pixels (bands, height, width) as pictures, all from the darkest to the brightest of them together; nodata is
    white."""
    every = np.concatenate([pixels.reshape(len(pixels), -1) for pixels in seen], axis=1)
    known = np.isfinite(every)
    count = np.maximum(1, known.sum(axis=1))
    values = np.where(known, every, 0).astype(np.float64)
    mean = values.sum(axis=1) / count
    deviation = np.sqrt(np.maximum((values**2).sum(axis=1) / count - mean**2, 1e-12))
    pictures = []
    for pixels in seen:
        missing = ~np.isfinite(pixels)
        normal = (pixels - mean[:, None, None]) / deviation[:, None, None]
        picture = in_colour(np.where(missing, 0, normal))
        picture[missing.all(axis=0)] = 255
        pictures.append(picture)
    return pictures
