"""Bands of a raster file at its own resolution: their pixels as they are stored, and which of them are invalid."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio.errors
from rasterio.enums import MaskFlags
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window as RasterioWindow

from false_core.errors import InputError
from false_core.raster.chunks_on_disk import chunks_on_disk
from false_core.raster.opening import GDAL_ERRORS, OpenedRaster
from false_core.raster.overrides import is_override_nodata
from false_core.raster.peculiarities import has_broken_nodata
from false_core.untrusted.names import is_on_network

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
Pixels = npt.NDArray[Any]

LARGEST_NUMBER = np.float32(3.402823e38)
"""The size that no pixel of real numbers comes up to. Those that do are holes, whatever the file says: programs fill them
with the largest numbers there are, and a nodata value in double precision, such as -1.797e308, is none of such a band."""
MOST_PIXELS_LOOKED_THROUGH = 600_000_000
"""Pixels of a file up to which a small picture of it is made without overviews."""
_SMALL_INTEGERS = {np.dtype(name) for name in ("uint8", "int8", "uint16", "int16")}
"""float32 holds them, and sums of 256 of them, exactly."""


class StoredBands:
    """Bands of a raster file. Those of a remote one go through the cache on the disk.

    Invalid is what the file calls nodata, transparent or masked, what is given as nodata, and what is no finite number or
    the largest there is.

    Args:
        file: The file, which each thread opens for itself.
        bands: Band numbers from 1.
        alpha: The band that says where the others are transparent, if there is one.
        nodata: Ranges of values that are given as nodata, beside those of its file.
    """

    def __init__(
        self, file: OpenedRaster, bands: tuple[int, ...], alpha: int | None, nodata: tuple[tuple[float, float], ...]
    ) -> None:
        self._file, self._bands, self._alpha, self._nodata = file, bands, alpha, nodata
        dataset = file.dataset()
        self.files: tuple[str, ...] = tuple(dataset.files)
        self._chunks = chunks_on_disk(
            self.files or (file.path,),
            (bands, alpha, dataset.dtypes, dataset.nodatavals, dataset.mask_flag_enums, dataset.transform),
            *nodata,
            bands=len(bands),
            width=int(dataset.width),
            height=int(dataset.height),
        )

    def dataset(self) -> Any:
        """Return the file as this thread has it open."""
        return self._file.dataset(identified=self._chunks is not None and self._chunks.is_identified)

    def read(self, window: RasterioWindow) -> tuple[Pixels, BoolArray | None]:
        """Return the pixels of a window that lies in the file, and which of them are invalid.

        Returns:
            The pixels of shape (bands, height, width), small whole numbers where the file holds such and float32 elsewhere,
            and a mask of that shape, or None where all pixels are valid.

        Raises:
            InputError: The file is damaged, or no longer the one that was opened, or its server does not answer.
        """
        return self._chunks.read(window, self._read_file) if self._chunks else self._read_file(window)

    def is_hole(self, left: int, top: int, right: int, bottom: int) -> bool:
        """Return whether the file can tell without reading that there is no valid pixel between these columns and rows.

        That is so where it stores no blocks there (a sparse GeoTIFF) and its nodata value, or transparency, stands for them.
        """
        if any(map(is_on_network, (self._file.path, *self.files))):
            # rasterio holds the interpreter's lock while GDAL looks a block up, which waits for what other threads ask of
            # the server. Where GDAL has an error to report to one of these, which takes that lock, both would wait for ever.
            return False
        dataset = self.dataset()
        if dataset.driver != "GTiff" or isinstance(dataset, WarpedVRT):
            return False
        if self._alpha:
            telling: tuple[int, ...] = (self._alpha,)
        elif all(MaskFlags.nodata in dataset.mask_flag_enums[band - 1] for band in self._bands):
            if any(has_broken_nodata(dataset, band) for band in self._bands):
                return False
            telling = self._bands
        else:
            return False
        return not any(
            _is_stored(dataset, band, row, column)
            for band in telling
            for height, width in (dataset.block_shapes[band - 1],)
            for row in range(top // height, -(-bottom // height))
            for column in range(left // width, -(-right // width))
        )

    def overview(self, longest: int, window: RasterioWindow | None = None) -> FloatArray | None:
        """Return the whole file, or a window of it, about ``longest`` pixels on its longer side.

        The pixels, float32 of shape (bands, height, width), are picked, not averaged, and NaN where invalid. None where the
        file cannot be read, or where that would mean to read too much: of a raster on the network, or a huge one, without
        overviews.
        """
        dataset = self.dataset()
        height, width = (window.height, window.width) if window else (dataset.height, dataset.width)
        factor = max(1, math.ceil(max(width, height) / longest))
        shape = max(1, height // factor), max(1, width // factor)
        too_much = is_on_network(self._file.path) or width * height > MOST_PIXELS_LOOKED_THROUGH
        if too_much and factor > 1 and not dataset.overviews(self._bands[0]):
            return None
        try:
            pixels = dataset.read(self._bands, window=window, out_shape=(len(self._bands), *shape), masked=True)
        except GDAL_ERRORS:
            return None
        pixels.mask = np.ma.getmaskarray(pixels)
        for band, own in zip(self._bands, pixels.mask):
            if has_broken_nodata(dataset, band):
                own[:] = False
        found: FloatArray = pixels.astype(np.float32).filled(np.nan)
        found[~np.isfinite(found) | is_override_nodata(pixels.data, self._nodata)] = np.nan
        return found

    def _read_file(self, window: RasterioWindow) -> tuple[Pixels, BoolArray | None]:
        dataset = self.dataset()
        try:
            types = {np.dtype(dataset.dtypes[band - 1]) for band in self._bands}
            whole = types <= _SMALL_INTEGERS and len(types) == 1
            data: Pixels = dataset.read(self._bands, window=window, out_dtype=None if whole else "float32")
            invalid = self._masked(dataset, data, window)
            if self._alpha:
                # By itself, as GDAL would look at nodata alone where a raster has both.
                clear = dataset.read(self._alpha, window=window) == 0
                invalid = np.broadcast_to(clear, data.shape) if invalid is None else invalid | clear
        except GDAL_ERRORS as error:
            reason = str(error.__cause__ or error).rstrip(".")
            if any(map(is_on_network, self.files or (self._file.path,))):
                raise InputError(
                    f"The raster {self._file.path} can no longer be read over the network: {reason}.",
                    "Look at the network and the server, then run the job again: it goes on with what is kept.",
                ) from error
            if "pixel function" in reason:
                raise InputError(
                    f"The raster {self._file.path} cannot be read: {reason}.",
                    "Translate it to GeoTIFF with a GDAL that knows this pixel function.",
                ) from error
            raise InputError(
                f"The raster {self._file.path} is damaged or cut off: {reason}.", "Copy or download it again."
            ) from error
        if self._nodata:
            more = is_override_nodata(data, self._nodata)
            invalid = more if invalid is None else invalid | more
        if not whole:
            infinite = ~(np.abs(data) < LARGEST_NUMBER)
            invalid = infinite if invalid is None else invalid | infinite
        return data, invalid if invalid is not None and invalid.any() else None

    def _masked(self, dataset: Any, data: Pixels, window: RasterioWindow) -> BoolArray | None:
        """Return which pixels (bands, height, width) GDAL's masks leave out, None where there are no masks but alpha."""
        flags = [dataset.mask_flag_enums[band - 1] for band in self._bands]
        if all(MaskFlags.all_valid in flag or MaskFlags.alpha in flag for flag in flags):
            return None
        values = [dataset.nodatavals[band - 1] for band in self._bands]
        if all(flag == [MaskFlags.nodata] and _fits(value, data.dtype) for flag, value in zip(flags, values)):
            # For whole numbers that is all GDAL does too, but it would read everything a second time for it.
            missing: BoolArray = data == np.array(values).astype(data.dtype)[:, None, None]
            return missing
        masked: BoolArray = dataset.read_masks(self._bands, window=window) == 0
        for band, own, pixels, flag, value in zip(self._bands, masked, data, flags, values):
            if has_broken_nodata(dataset, band):
                if MaskFlags.nodata in flag:
                    own[:] = False
            # A mask of the file hides its nodata value from GDAL. QGIS shows neither of the two.
            elif value is not None and MaskFlags.nodata not in flag and abs(value) < float(LARGEST_NUMBER):
                own |= pixels == (np.float32(value) if pixels.dtype == np.float32 else value)
        return masked


def _fits(value: float | None, dtype: np.dtype[Any]) -> bool:
    """Return whether ``value`` is one that pixels of a whole-numbered type can have."""
    if value is None or dtype.kind not in "iu" or not float(value).is_integer():
        return False
    limits = np.iinfo(dtype)
    return bool(limits.min <= value <= limits.max)


def _is_stored(dataset: Any, band: int, row: int, column: int) -> bool:
    try:
        return bool(dataset.block_size(band, row, column))
    except rasterio.errors.RasterBlockError:
        return False
