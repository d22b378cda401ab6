"""A map of classes to read from: codes window by window, and what they are called."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import rasterio

from false_core.errors import InputError
from false_core.labels.classes import ClassTable, LandCoverClass, default_colour
from false_core.raster.map_file import CLASSES_TAG
from false_core.raster.source import BoolArray, RasterSource, Window

IntArray = npt.NDArray[np.int32]

LARGEST_CODE = 2**24
"""Beyond, pixels that are read as float32 no longer hold every whole number."""


@dataclass(frozen=True)
class ClassMap:
    """A raster with one band of class codes, such as classifying writes it.

    Attributes:
        source: The raster.
        known: The classes that the file itself names or colours, by code.
    """

    source: RasterSource
    known: dict[int, LandCoverClass]

    def read(self, window: Window) -> tuple[IntArray, BoolArray]:
        """Return the codes of ``window`` (height, width), and which of them are valid; what lies outside is not.

        Raises:
            InputError: The raster is damaged, or holds something else than class codes.
        """
        values = self.source.read(window)[0]
        valid = np.isfinite(values)
        values[~valid] = 0
        if (values != np.rint(values)).any():
            raise InputError(f"{self.source.name} holds numbers with a fraction.", "Choose a map with class codes.")
        if values.size and np.abs(values).max() >= LARGEST_CODE:
            raise InputError(
                f"{self.source.name} holds class codes of {LARGEST_CODE:,} or more.", "Give its classes smaller codes."
            )
        return values.astype(np.int32), valid

    def classes(self, codes: npt.NDArray[np.int64]) -> list[LandCoverClass]:
        """Return the class of each of ``codes``, ordered by code. One the file does not name is called by its code."""
        return [
            self.known.get(int(code), LandCoverClass(int(code), str(code), default_colour(number)))
            for number, code in enumerate(np.unique(codes))
        ]


def open_class_map(path: str) -> ClassMap:
    """Open a map of classes.

    Raises:
        InputError: It cannot be opened, or has more than one band.
    """
    source = RasterSource(path)
    if len(source.bands) != 1:
        raise InputError(
            f"{source.name} has {len(source.bands)} bands; a map of classes has one.", "Choose a map made by classifying."
        )
    with rasterio.open(path) as dataset:
        text = dataset.tags().get(CLASSES_TAG, "[]")
        try:
            colours = dataset.colormap(source.bands[0])
        except ValueError:  # It has none.
            colours = {}
    # A table of colours lists all 256 values; the class is called by its code there.
    known = {code: LandCoverClass(code, str(code), f"#{r:02x}{g:02x}{b:02x}") for code, (r, g, b, _) in colours.items()}
    try:
        named = json.loads(text)
        known.update({c.code: c for c in (ClassTable.from_list(named) if named else ())})
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise InputError(f"The classes that {source.name} carries cannot be read: {error}.") from error
    return ClassMap(source, known)
