"""A raster to read from: chosen bands, validity, and an optional coarser working grid, window by window."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from rasterio.windows import Window as RasterioWindow

from false_core.jobs import Extent, raster_name
from false_core.raster.band_choice import choose_bands
from false_core.raster.band_colours import BandColours, colours_of
from false_core.raster.band_descriptions import BandDescription, bad_bands, describe_bands
from false_core.raster.coarsening import write_block_means
from false_core.raster.grid import RasterGrid
from false_core.raster.opening import OpenedRaster
from false_core.raster.overrides import crs_override, is_override_nodata, nodata_override
from false_core.raster.peculiarities import peculiarities
from false_core.raster.stored_bands import StoredBands

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
Pixels = npt.NDArray[Any]

STRIP_BYTES = 32_000_000
"""Bytes of pixels of the file that are averaged to a coarser grid at a time."""
MAX_NAMES_LISTED = 5


@dataclass(frozen=True)
class Window:
    """A rectangle of pixels. It may reach beyond the raster; what lies outside is invalid."""

    column: int
    row: int
    width: int
    height: int


@dataclass(frozen=True)
class StoredPixels:
    """Pixels as the file stores them, small whole numbers for example, or float32 where they had to be computed.

    Attributes:
        pixels: Array of shape (bands, height, width). What is missing may hold any number.
        missing: Mask of the invalid pixels, of the same shape; None: those of float32 that are NaN, or none.
        valid: Mask of the pixels of the file that are valid in any band, of shape (height * factor, width * factor).
    """

    pixels: Pixels
    missing: BoolArray | None
    valid: BoolArray

    def with_nan(self) -> FloatArray:
        """Return the pixels as float32, NaN where they are missing."""
        if self.missing is None:
            return np.asarray(self.pixels, np.float32)
        pixels = self.pixels.astype(np.float32)
        pixels[self.missing] = np.nan
        return pixels

    def shows(self) -> BoolArray:
        """Return which pixels of the working grid are valid in any band, of shape (height, width)."""
        if self.missing is None and self.pixels.dtype == np.float32:
            seen: BoolArray = np.logical_or.reduce(np.isfinite(self.pixels), axis=0)
            return seen
        return self.valid


class RasterSource(RasterGrid):
    """A raster file, read only, on its own grid or on one that is ``factor`` times coarser.

    All widths, heights, windows and transforms are those of the working grid. On a coarser grid each pixel is the mean of
    the valid pixels it covers. Reading is safe from several threads: each opens the file for itself, and closes it when it
    has read from many others since. The pixels of a remote raster go through the cache on the disk.

    Args:
        path: A file or anything else GDAL opens, such as a VRT or a subdataset name. Behind it may stand a CRS and
            nodata values in place of the file's, see ``jobs.RasterName``.
        bands: Band numbers from 1; empty for all bands but alpha. An image that is marked as alpha is a band.
        factor: Pixels of the file per pixel of the working grid, along each axis.

    Raises:
        InputError: The file is missing or unreadable, does not have those bands, or lies nowhere.

    Examples:
        A raster of 64 x 48 pixels and 3 bands, read on a grid of pixels twice as long:

        >>> source = RasterSource("land.tif", bands=(1, 3), factor=2)
        >>> source.width, source.height
        (32, 24)
        >>> source.read(Window(8, 0, 16, 24)).shape
        (2, 24, 16)
    """

    def __init__(self, path: str, bands: Sequence[int] = (), factor: int = 1) -> None:
        self._name = raster_name(path)
        path = self._name.path
        self._more_nodata = nodata_override(self._name)
        file = OpenedRaster(path)
        dataset = file.dataset()
        self.bands, alpha, images = choose_bands(dataset, path, bands)
        self.dtype = str(dataset.dtypes[self.bands[0] - 1])
        self.descriptions: tuple[BandDescription, ...] = describe_bands(dataset, self.bands)
        self.bad_bands: tuple[int, ...] = tuple(band for band in bad_bands(dataset) if band in self.bands)
        self.peculiarities: tuple[str, ...] = peculiarities(dataset, self.bands, images, file.complaint)
        self._change: tuple[FloatArray, FloatArray] | None = None
        crs = crs_override(self._name) or dataset.crs
        super().__init__(path, crs, dataset.transform, int(dataset.width), int(dataset.height), factor)
        self._stored = StoredBands(file, self.bands, alpha, self._more_nodata)
        self.files: tuple[str, ...] = self._stored.files

    def at_factor(self, factor: int) -> RasterSource:
        """Return the same raster on a working grid ``factor`` times coarser than the file's."""
        other = copy.copy(self)
        other._coarsen(factor)
        return other

    def with_bands(self, bands: Sequence[int]) -> RasterSource:
        """Return the same raster with some of its bands, in the order of ``bands``."""
        other = RasterSource(str(self._name), bands, self.factor)
        if self._change is not None:
            places = [self.bands.index(band) for band in bands]
            gain, offset = self._change
            other._change = gain[places], offset[places]
            other.descriptions, other.dtype = tuple(self.descriptions[place] for place in places), self.dtype
        return other

    def in_numbers_of(self, reference: Sequence[BandDescription], dtype: str, convert: bool) -> RasterSource:
        """Return the same raster in the numbers of a reference.

        Args:
            reference: The bands of the reference, one for each band of this raster.
            dtype: The data type of the reference.
            convert: True where pixels are brought from this raster's scale and offset to those of the reference. If not, the
                numbers of the file are taken to be in those of the reference already.
        """
        other = copy.copy(self)
        pairs = list(zip(self.descriptions, reference))
        other.descriptions = tuple(replace(own, scale=ref.scale, offset=ref.offset) for own, ref in pairs)
        if convert:
            gain = [own.scale / ref.scale for own, ref in pairs]
            offset = [(own.offset - ref.offset) / ref.scale for own, ref in pairs]
            column = (slice(None), None, None)
            other._change = np.array(gain, np.float32)[column], np.array(offset, np.float32)[column]
            other.dtype = dtype
        return other

    @property
    def gain_and_offset(self) -> tuple[list[float], list[float]] | None:
        """By what numbers of the file are multiplied and what is added, by band; None where they are read as they are."""
        if self._change is None:
            return None
        gain, offset = (part.ravel().tolist() for part in self._change)
        return gain, offset

    @property
    def band_names(self) -> tuple[str, ...]:
        """The names of the bands; where the file gives none, their numbers."""
        return tuple(description.name or f"Band {band}" for description, band in zip(self.descriptions, self.bands))

    @property
    def name_in_jobs(self) -> str:
        """The name of the raster with the CRS and nodata values given in place of those of its file."""
        return str(self._name)

    def is_override_nodata(self, values: Pixels) -> BoolArray:
        """Return which values are nodata by what is given for the raster, not by its file."""
        return is_override_nodata(values, self._more_nodata)

    @property
    def colours(self) -> BandColours:
        """The bands that are red, green and blue."""
        return colours_of(self._stored.dataset(), self.bands)

    def read(self, window: Window) -> FloatArray:
        """Return the pixels of ``window`` as float32 of shape (bands, height, width), NaN where invalid.

        Invalid is what the file calls nodata, transparent or masked, what is no finite number or the largest there is, and
        what lies outside.
        The numbers are those of the file: its scale and offset count where ``in_numbers_of`` compares them with others.
        """
        return self.read_with_validity(window)[0]

    def read_with_validity(self, window: Window) -> tuple[FloatArray, BoolArray]:
        """Return the same, and which pixels of the file are valid in any band: bool, (height * factor, width * factor)."""
        f = self.factor
        pixels = np.full((len(self.bands), window.height, window.width), np.nan, np.float32)
        valid = np.zeros((window.height * f, window.width * f), bool)
        left, right = max(0, window.column), min(self.width, window.column + window.width)
        bottom = min(self.height, window.row + window.height)
        # In strips, as the pixels of the file can be a thousand times as many.
        rows = max(1, STRIP_BYTES // (4 * len(self.bands) * max(1, right - left) * f * f))
        x = left - window.column
        for top in range(max(0, window.row), bottom if right > left else 0, rows):
            data, invalid = self._read_source_grid(Window(left, top, right - left, min(rows, bottom - top)))
            y, height, width = top - window.row, data.shape[1] // f, data.shape[2] // f
            rows_of_pixels = pixels[:, y : y + height, x : x + width]
            if f > 1:
                write_block_means(data, invalid, f, rows_of_pixels)
            else:
                rows_of_pixels[:] = data
                if invalid is not None:
                    rows_of_pixels[invalid] = np.nan
            inside = valid[y * f : (y + height) * f, x * f : (x + width) * f]
            inside[:] = True if invalid is None else ~invalid.all(axis=0)
        self._change_numbers(pixels)
        return pixels, valid

    def read_as_stored(self, window: Window) -> StoredPixels:
        """Return the pixels of ``read_with_validity`` as the file stores them, where that is what they are.

        That takes half the memory, or less, and less of the processor.
        """
        left, top = max(0, window.column), max(0, window.row)
        right, bottom = min(self.width, window.column + window.width), min(self.height, window.row + window.height)
        shape = len(self.bands), window.height, window.width
        if self.factor > 1 or self._change is not None or right <= left or bottom <= top:
            computed, valid = self.read_with_validity(window)
            return StoredPixels(computed, None, valid)
        pixels, missing = self._read_source_grid(Window(left, top, right - left, bottom - top))
        if pixels.shape != shape:
            before, beside = top - window.row, left - window.column
            inside = (
                slice(None),
                slice(before, before + pixels.shape[1]),
                slice(beside, beside + pixels.shape[2]),
            )
            whole, invalid = np.zeros(shape, pixels.dtype), np.ones(shape, bool)
            whole[inside], invalid[inside] = pixels, False if missing is None else missing
            pixels, missing = whole, invalid
        valid = np.ones(shape[1:], bool) if missing is None else ~np.all(missing, axis=0)
        return StoredPixels(pixels, missing, valid)

    def overview(self, longest: int, window: Window | None = None) -> FloatArray | None:
        """Return the whole raster, about ``longest`` pixels on its longer side: float32 (bands, height, width).

        Pixels are picked, not averaged, and NaN where invalid. None where the raster cannot be read, or where that would
        mean to read too much: of a raster on the network, or a huge one, without overviews.

        Args:
            window: A part of the raster to return in place of the whole.
        """
        pixels = self._stored.overview(longest, window and self._in_file(window))
        if pixels is not None:
            self._change_numbers(pixels)
        return pixels

    def clipped(self, window: Window) -> Window:
        """Return the part of a window that lies on the raster, or a pixel at its edge where none does."""
        left, top = (min(max(0, at), size - 1) for at, size in ((window.column, self.width), (window.row, self.height)))
        right = min(max(left + 1, window.column + window.width), self.width)
        bottom = min(max(top + 1, window.row + window.height), self.height)
        return Window(left, top, right - left, bottom - top)

    def is_hole(self, window: Window) -> bool:
        """Return whether the file can tell without reading that there is no valid pixel in ``window``."""
        f = self.factor
        left, top = max(0, window.column) * f, max(0, window.row) * f
        right = min(self.source_width, (window.column + window.width) * f)
        bottom = min(self.source_height, (window.row + window.height) * f)
        return right <= left or bottom <= top or self._stored.is_hole(left, top, right, bottom)

    def _read_source_grid(self, window: Window) -> tuple[Pixels, BoolArray | None]:
        """Return a window that lies in the working grid at the file's own resolution, of ``factor`` times its size.

        The last pixels of the working grid can reach beyond the file; there it is invalid.
        """
        f = self.factor
        source_window = self._in_file(window)
        width, height = source_window.width, source_window.height
        data, invalid = self._stored.read(source_window)
        beyond = ((0, 0), (0, window.height * f - height), (0, window.width * f - width))
        if any(after for _, after in beyond):
            invalid = np.zeros(data.shape, bool) if invalid is None else invalid
            data, invalid = np.pad(data, beyond), np.pad(invalid, beyond, constant_values=True)
        return data, invalid

    def _change_numbers(self, pixels: FloatArray) -> None:
        """Bring pixels of the file to the numbers that ``in_numbers_of`` has chosen, in place."""
        if self._change is not None:
            gain, offset = self._change
            with np.errstate(over="ignore"):
                pixels *= gain
                pixels += offset

    def _in_file(self, window: Window) -> RasterioWindow:
        """Return the pixels of the file in a window that lies in the working grid."""
        f = self.factor
        width = min(self.source_width - window.column * f, window.width * f)
        height = min(self.source_height - window.row * f, window.height * f)
        return RasterioWindow(window.column * f, window.row * f, width, height)

    def window_of(self, extent: Extent | None) -> Window:
        """Return the window of the working grid that covers ``extent``, clipped to the raster; None is all of it.

        Raises:
            InputError: They do not overlap, or the extent's CRS cannot be used.
        """
        return Window(0, 0, self.width, self.height) if extent is None else Window(*self.pixels_of(extent))


def first_names(rasters: Sequence[RasterSource], most: int) -> list[str]:
    """Return the names of up to ``most`` rasters; where there are more, last of all how many."""
    more = len(rasters) - most
    return [raster.name for raster in rasters[:most]] + ([f"{more:,} more"] if more > 0 else [])


def names_of(rasters: Sequence[RasterSource]) -> str:
    """Return the names of rasters for messages: the first few of many."""
    return ", ".join(first_names(rasters, MAX_NAMES_LISTED))
