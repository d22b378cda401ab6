"""A raster of class codes to read from: which codes there are, how many pixels of each, and what the classes are called."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from false_core.errors import InputError
from false_core.feedback import Feedback
from false_core.raster.carried_classes import read_carried_classes
from false_core.raster.classes import MOST_CLASSES, LandCoverClass, default_colour
from false_core.raster.map_file import FILE_BLOCK_PX
from false_core.raster.source import BoolArray, FloatArray, RasterSource, Window

CodeArray = npt.NDArray[np.int32]

PIXELS_PER_WINDOW = 1_000_000
WINDOW_WIDTH_PX = 4 * FILE_BLOCK_PX
LARGEST_CODE = 2**24 - 1
"""Rasters are read as float32, which holds every whole number up to here."""
COUNTED_BELOW = 2**21
MAX_MAP_SIDE_PX, MAX_MAP_PIXELS = 2**27, 10**13
"""The largest map that can be gone through. Memory grows with its sides; at 10 million pixels/s it takes eleven days."""


class ClassMap:
    """A map: one band of whole numbers, read in strips of the full width from top to bottom.

    Raises:
        InputError: It cannot be opened, has several bands, or is too large to go through.
    """

    def __init__(self, path: str) -> None:
        self.source = RasterSource(path)
        if len(self.source.bands) != 1:
            raise InputError(
                f"{self.source.name} has {len(self.source.bands)} bands; a map of classes has one.",
                "Choose a map made by classifying.",
            )
        check_unscaled(self.source)
        width, height = self.source.width, self.source.height
        if max(width, height) > MAX_MAP_SIDE_PX or width * height > MAX_MAP_PIXELS:
            raise InputError(
                f"{self.source.name} has {width:,} x {height:,} pixels: too many to go through.",
                "Cut out the part you need.",
            )
        carried = read_carried_classes(path)
        self._known = {c.code: c for c in carried.classes}
        self._colours = carried.colours

    def strips(self, feedback: Feedback) -> Iterator[tuple[Window, CodeArray, BoolArray]]:
        """Yield the strips, in order, each with its codes and validity."""
        width, height = self.source.width, self.source.height
        rows = max(1, PIXELS_PER_WINDOW // width)
        for row in range(0, height, rows):
            feedback.advance(row, height)
            window = Window(0, row, width, min(rows, height - row))
            yield window, *self.read(window)

    def windows(self, feedback: Feedback) -> Iterator[Window]:
        """Yield windows of whole blocks of a file that is written pixel for pixel beside it, row by row."""
        width, height = self.source.width, self.source.height
        for row in range(0, height, FILE_BLOCK_PX):
            for column in range(0, width, WINDOW_WIDTH_PX):
                feedback.advance(row * width + column * FILE_BLOCK_PX, width * height)
                yield Window(column, row, min(WINDOW_WIDTH_PX, width - column), min(FILE_BLOCK_PX, height - row))

    def read(self, window: Window) -> tuple[CodeArray, BoolArray]:
        """Return codes and validity of a window, each of shape (height, width). The code of an invalid pixel is 0.

        Raises:
            InputError: The raster holds numbers that are no class codes, or is damaged.
        """
        return as_codes(self.source.read(window)[0], self.source.name)

    def count(self, feedback: Feedback) -> dict[int, int]:
        """Return the number of pixels of each code on the map, in the order of the codes.

        Raises:
            InputError: No pixel is valid, or there are more codes than a map has classes.
        """
        counts: dict[int, int] = {}
        for _, codes, valid in self.strips(feedback):
            self.add_counts(counts, codes[valid])
        return self.checked(counts)

    def add_counts(self, counts: dict[int, int], codes: CodeArray) -> None:
        """Add the number of pixels of each code to ``counts``."""
        for code, number in tally(codes).items():
            counts[code] = counts.get(code, 0) + number
        if len(counts) > MOST_CLASSES:
            raise InputError(
                f"{self.source.name} holds more than {MOST_CLASSES} different values: it is no map of classes.",
                "Choose a raster of class codes.",
            )

    def checked(self, counts: dict[int, int]) -> dict[int, int]:
        """Return complete ``counts`` in the order of the codes. Raises InputError where there are none."""
        if not counts:
            raise InputError(f"There is no valid pixel in {self.source.name}.", "Check its nodata value.")
        return dict(sorted(counts.items()))

    def class_of(self, code: int) -> LandCoverClass:
        """Return the class with ``code``: as the map carries it, or else named by its code."""
        colour = self._colours.get(code) or default_colour(abs(code) % MOST_CLASSES)
        return self._known.get(code) or LandCoverClass(code, str(code), colour)

    @property
    def names(self) -> dict[int, str]:
        """The names that the map itself has for its codes."""
        return {code: one.name for code, one in self._known.items()}

    def classes_beside(self, codes: Iterable[int]) -> list[LandCoverClass]:
        """Return the classes with ``codes``, and all others that the map carries, in the order of their codes."""
        return [self.class_of(code) for code in sorted({*codes, *self._known})]


def check_unscaled(source: RasterSource) -> None:
    """Raise InputError where the numbers of a raster of class codes are to be scaled: QGIS shows other codes than those."""
    scale, offset = source.descriptions[0].scale, source.descriptions[0].offset
    if (scale, offset) != (1.0, 0.0):
        raise InputError(
            f"{source.name} says that its numbers are to be scaled, by {scale:g} and {offset:g}: which codes are meant is "
            "not clear.",
            "Save it without scale and offset, for example with gdal_translate -unscale -ot Byte.",
        )


def tally(values: npt.NDArray[np.integer]) -> dict[int, int]:
    """Return how often each of the whole numbers ``values`` occurs."""
    # Counting is 20 times faster than sorting, but takes memory up to the largest number.
    if values.size and values.min() >= 0 and values.max() < COUNTED_BELOW:
        counts = np.bincount(values.ravel())
        distinct = np.flatnonzero(counts)
        counts = counts[distinct]
    else:
        distinct, counts = np.unique(values, return_counts=True)
    return dict(zip(distinct.tolist(), counts.tolist()))


def as_codes(values: FloatArray, name: str) -> tuple[CodeArray, BoolArray]:
    """Return values of a raster, NaN where invalid, as codes (0 where invalid) and validity.

    Raises:
        InputError: They are no whole numbers, or too large; ``name`` is that of the raster.
    """
    valid = np.isfinite(values)
    whole = np.where(valid, values, 0)
    if (np.abs(whole) > LARGEST_CODE).any():
        raise InputError(
            f"{name} holds values beyond {LARGEST_CODE:,}, such as {whole[np.abs(whole) > LARGEST_CODE][0]:.6g}: these are "
            "no class codes that can be told apart.",
            "Reclassify it to smaller codes, or set its nodata value where that is what they mean.",
        )
    codes = whole.astype(np.int32)
    if (codes != whole).any():
        raise InputError(
            f"{name} holds {whole[codes != whole][0]:g}; class codes are whole numbers.", "Choose a raster of class codes."
        )
    return codes, valid
