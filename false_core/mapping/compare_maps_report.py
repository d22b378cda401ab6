"""The report of two maps: both and where they differ in pictures, what became what, and what each class gained and lost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from false_core.accuracy.assessment import AssessedClass
from false_core.mapping.picture_pixels import PicturePixels
from false_core.raster.areas import PIXELS, unit_of_map
from false_core.raster.georeference import ground_facts
from false_core.raster.source import RasterSource, Window
from false_core.reports.figures import as_svg, legend_below, rgb_of, show_picture
from false_core.reports.page import page, percent
from false_core.reports.sections import Section, next_steps

PICTURE_PX = 500
"""Pixels of the longer side of each picture."""
MOST_PAIRS = 30
"""Changes from one class to another that are listed; the table has them all."""
PALE = 0.25
"""Share of its colour that is left of what did not change."""


class Pictures:
    """Both maps from afar, as numbers of classes, collected while the maps are read.

    Args:
        width, height: Size of the maps in pixels.
    """

    def __init__(self, width: int, height: int) -> None:
        self._picture = PicturePixels(width, height, PICTURE_PX)
        self._both = np.full((2, *self._picture.shape), -1, np.int16)

    def add(self, window: Window, before: npt.NDArray[np.int16], after: npt.NDArray[np.int16]) -> None:
        """Take in a window: the number of the class of each pixel, -1 where there is none."""
        there, at = self._picture.showing(window), self._picture.within(window)
        self._both[(0, *there)], self._both[(1, *there)] = before[at], after[at]

    def draw(self, classes: Sequence[AssessedClass]) -> str:
        """Return the two maps and what changed as SVG."""
        colours = np.array([rgb_of(c.color) for c in classes] + [(255, 255, 255)], np.uint8)
        first, second = self._both
        same = (first == second) | (first < 0) | (second < 0)
        changed = colours[second].astype(np.float32)
        changed[same] = 255 - PALE * (255 - changed[same].mean(axis=-1, keepdims=True))
        height, width = first.shape
        figure = Figure(figsize=(9.2, min(9.0, 3.0 * height / width) + 0.9), layout="constrained")
        for axes, picture in zip(figure.subplots(1, 3), (colours[first], colours[second], changed.astype(np.uint8))):
            show_picture(axes, picture)
        present = set(np.unique(self._both).tolist())
        legend_below(figure, [(c.name, c.color) for k, c in enumerate(classes) if k in present])
        return as_svg(figure)


def change_report(
    names: tuple[str, str],
    classes: Sequence[AssessedClass],
    pixels: npt.NDArray[np.int64],
    alone: int,
    source: RasterSource,
    pictures: Pictures,
    notes: Sequence[str],
) -> str:
    """Return the report of two maps, as HTML.

    Args:
        names: Names of the files of the map before and the map after.
        classes: The classes of both.
        pixels: Pixels of shape (classes, classes), those of the map before in rows.
        alone: Pixels that only one of the maps has.
        source: The map after.
        pictures: The two maps from afar.
        notes: Facts that may spoil the result, in sentences.
    """
    total, same = int(pixels.sum()), int(np.trace(pixels))
    unit = unit_of_map(source)
    area = unit.name != PIXELS
    pairs = [(k, j, int(pixels[k, j])) for k, j in np.argwhere(pixels) if k != j]
    pairs.sort(key=lambda one: -one[2])

    def amount(number: int) -> list[str]:
        return [f"{number:,}", percent(number / total), *([f"{number * unit.per_pixel:,.2f}"] if area else [])]

    columns = ("Pixels", "Share", *([f"Area ({unit.name})"] if area else []))
    before, after, kept = pixels.sum(axis=1), pixels.sum(axis=0), np.diag(pixels)
    shares = np.stack([before, after, before - kept, after - kept], axis=1) / total
    per_class = [[c.name, *map(percent, shares[k].tolist())] for k, c in enumerate(classes)]
    tiles = [
        ("share of the pixels that changed", percent(1 - same / total)),
        ("pixels compared", f"{total:,}"),
        *([("pixels that only one map has", f"{alone:,}")] if alone else []),
    ]
    sections = [
        Section(
            "The two maps",
            "The map before, the map after, and what changed in the colours of the map after. What did not change is pale.",
            pictures.draw(classes),
        ),
        Section(
            "What became what",
            "The largest changes are listed." if len(pairs) > MOST_PAIRS else "All changes are listed.",
            header=("Before", "After", *columns),
            rows=[[classes[k].name, classes[j].name, *amount(number)] for k, j, number in pairs[:MOST_PAIRS]],
            colors=[classes[k].color for k, _, _ in pairs[:MOST_PAIRS]],
        ),
        Section(
            "What each class gained and lost",
            "All shares are of the pixels that were compared.",
            header=("Class", "Before", "After", "Lost", "Gained"),
            rows=per_class,
            colors=[c.color for c in classes],
        ),
        *next_steps(
            "Look at the places that changed over the image. Each map has errors of its own, so not all that differs is a "
            "change on the ground, and a border that moved by a pixel counts too.",
            "Correct what is wrong on a map with 'Correct a map', then compare again.",
        ),
    ]
    if not pairs:
        sections[1] = Section("What became what", "Nothing changed.")
    return page("Two maps compared", f"Before: {names[0]}. After: {names[1]}.", tiles, notes, sections, ground_facts(source))
