"""A raster to read from: chosen bands, validity, and an optional coarser working grid, window by window."""

from __future__ import annotations

import copy
import math
import os
import threading
import warnings
import weakref
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
import rasterio.errors
import rasterio.warp
from affine import Affine
from rasterio._err import CPLE_BaseError
from rasterio.crs import CRS
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window as RasterioWindow

from false_core.errors import InputError
from false_core.jobs import Extent, raster_name
from false_core.raster.band_colours import BandColours, colours_of
from false_core.raster.band_descriptions import BandDescription, bad_bands, describe_bands
from false_core.raster.chunks_on_disk import ChunksOnDisk, chunks_on_disk
from false_core.raster.file_state import is_remote
from false_core.raster.ground import is_true_to_scale, scale_at, turns_to
from false_core.raster.parts import check_metadata_of_raster, check_parts_of_raster
from false_core.raster.peculiarities import is_image, peculiarities
from false_core.raster.said import crs_said, is_said_nodata, nodata_said
from false_core.redaction import without_secrets
from false_core.untrusted import check_is_file, on_one_line
from false_core.untrusted.drivers import is_allowed_driver

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
Pixels = npt.NDArray[Any]

GDAL_ERRORS = (rasterio.errors.RasterioError, CPLE_BaseError)
"""What rasterio raises: its own errors, and now and then one of GDAL's as it is."""
STRIP_BYTES = 64_000_000
"""For pixels of the file that are averaged to a coarser grid."""
MOST_PIXELS_LOOKED_THROUGH = 600_000_000
"""Pixels of a file up to which a small picture of it is made without overviews."""
LARGEST_BLOCK = 2_000_000_000
"""Bytes of a block of the file."""
MOST_OPEN = 8
"""Rasters whose files a thread keeps open. Thousands may take part in a job, and some systems allow 256 open files."""
LARGEST_NUMBER = np.float32(3.402823e38)
"""What no pixel of real numbers comes up to. Those that do are holes, whatever the file says: programs fill them with the
largest numbers there are, and a nodata value in double precision, such as -1.797e308, is no number of such a band."""
MAX_NAMES_LISTED = 5
FORMATS_REMEDY = (
    "It may be damaged, or of a format beside the usual ones. Those are opened where GDAL's name of the format is in the "
    "variable FALSE_DRIVERS, or in Settings > Options > FALSE."
)
"""What to do about a raster of which GDAL does not know the format, or must not."""
REMOTE_REMEDY = "Look at the address, the permission and the credentials. A folder on a server ends in a slash."
"""What to do about a raster on a server that cannot be opened."""
_SMALL_INTEGERS = {np.dtype(name) for name in ("uint8", "int8", "uint16", "int16")}
"""float32 holds them, and sums of 256 of them, exactly."""
METRES_PER_DEGREE = 111_320.0
"""The length of a degree of latitude, and of longitude at the equator, in metres."""

# A raster without georeferencing is welcome here, and one with both nodata and alpha is read with both.
warnings.filterwarnings("ignore", category=rasterio.errors.NotGeoreferencedWarning)
warnings.filterwarnings("ignore", category=rasterio.errors.NodataShadowWarning)


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
        pixels: Of shape (bands, height, width). What is missing may hold any number.
        missing: Which pixels are invalid, of the same shape; None: those of float32 that are NaN, or none.
        valid: Which pixels of the file are valid in any band, of shape (height * factor, width * factor).
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


class RasterSource:
    """A raster file, read only, on its own grid or on one that is ``factor`` times coarser.

    All widths, heights, windows and transforms are those of the working grid. On a coarser grid each pixel is the mean of
    the valid pixels it covers. Reading is safe from several threads: each opens the file for itself, and closes it when it
    has read from many others since. The pixels of a remote raster go through the cache on the disk.

    Args:
        path: A file or anything else GDAL opens, such as a VRT or a subdataset name. Behind it may stand what is said of it
            in place of the file, see ``jobs.RasterName``.
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
        self._said = raster_name(path)
        self.path = path = self._said.path
        self._more_nodata = nodata_said(self._said)
        self._local = threading.local()
        self._on_disk: ChunksOnDisk | None = None
        self._layout: tuple[Any, ...] | None = None
        dataset = self._dataset()
        self._layout = _layout(dataset)
        if not dataset.count:
            raise InputError(f"{path} holds no raster band.", "If it holds subdatasets, choose one of them.")
        alpha = [index for index, meaning in zip(dataset.indexes, dataset.colorinterp) if meaning == ColorInterp.alpha]
        # An alpha band that was asked for by number is data: near infrared is often marked as alpha by mistake.
        beside = len(alpha) < dataset.count
        images = tuple(index for index in alpha if beside and index not in bands and self._is_image(dataset, index))
        alpha = [index for index in alpha if index not in images]
        self.bands: tuple[int, ...] = tuple(bands) or tuple(index for index in dataset.indexes if index not in alpha)
        if not self.bands:
            raise InputError(f"{path} holds nothing but an alpha band.", "Name the band to use it all the same.")
        self._alpha = next((index for index in alpha if index not in self.bands), None)
        absent = [band for band in self.bands if band not in dataset.indexes]
        if absent:
            raise InputError(
                f"{path} has {dataset.count} band(s); there is no band {', '.join(map(str, absent))}.",
                "Correct the list of bands.",
            )
        if any("complex" in dataset.dtypes[band - 1] for band in self.bands):
            raise InputError(f"{path} holds complex numbers.", "Convert it to amplitude or intensity first.")
        self.dtype = str(dataset.dtypes[self.bands[0] - 1])
        self.descriptions: tuple[BandDescription, ...] = describe_bands(dataset, self.bands)
        self.bad_bands: tuple[int, ...] = tuple(band for band in bad_bands(dataset) if band in self.bands)
        self.peculiarities: tuple[str, ...] = peculiarities(dataset, self.bands, images)
        self._change: tuple[FloatArray, FloatArray] | None = None
        self.files: tuple[str, ...] = tuple(dataset.files)
        # One object for all rasters with the same CRS: it is large.
        crs = crs_said(self._said) or dataset.crs
        self.crs: CRS | None = crs and _crs.setdefault(crs.to_wkt(), crs)
        self.georeferenced = not dataset.transform.is_identity
        self.native_width, self.native_height = int(dataset.width), int(dataset.height)
        # A raster without georeferencing lies below the x axis in QGIS, with pixels of size 1; labels are digitised there.
        self.native_transform = dataset.transform if self.georeferenced else Affine(1, 0, 0, 0, -1, 0)
        if self.native_transform.is_degenerate:
            raise InputError(f"{path} has a georeferencing that puts all its pixels on one line.", "Georeference it again.")
        self._on_disk = chunks_on_disk(
            self.files or (path,),
            (self.bands, self._alpha, dataset.dtypes, dataset.nodatavals, dataset.mask_flag_enums, self.native_transform),
            *self._more_nodata,
            bands=len(self.bands),
            width=self.native_width,
            height=self.native_height,
        )
        self._coarsen(factor)

    def at_factor(self, factor: int) -> RasterSource:
        """Return the same raster on a working grid ``factor`` times coarser than the file's."""
        other = copy.copy(self)
        other._local = threading.local()
        other._coarsen(factor)
        return other

    def with_bands(self, bands: Sequence[int]) -> RasterSource:
        """Return the same raster with some of its bands, in the order of ``bands``."""
        other = RasterSource(str(self._said), bands, self.factor)
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
            convert: Whether pixels are brought from this raster's scale and offset to those of the reference. If not, the
                numbers of the file are taken to be in those of the reference already.
        """
        other = copy.copy(self)
        other._local = threading.local()
        pairs = list(zip(self.descriptions, reference))
        other.descriptions = tuple(replace(own, scale=ref.scale, offset=ref.offset) for own, ref in pairs)
        if convert:
            gain = [own.scale / ref.scale for own, ref in pairs]
            offset = [(own.offset - ref.offset) / ref.scale for own, ref in pairs]
            column = (slice(None), None, None)
            other._change = np.array(gain, np.float32)[column], np.array(offset, np.float32)[column]
            other.dtype = dtype
        return other

    def _coarsen(self, factor: int) -> None:
        self.factor = factor
        self.width, self.height = math.ceil(self.native_width / factor), math.ceil(self.native_height / factor)
        self.transform = self.native_transform * Affine.scale(factor)

    @property
    def name(self) -> str:
        """The file's name, for messages."""
        return on_one_line(Path(path := without_secrets(self.path)).name or path)

    @property
    def band_names(self) -> tuple[str, ...]:
        """The names of the bands; where the file gives none, their numbers."""
        return tuple(description.name or f"Band {band}" for description, band in zip(self.descriptions, self.bands))

    @property
    def said(self) -> str:
        """The name of the raster with what is said of it in place of its file."""
        return str(self._said)

    def is_said_nodata(self, values: Pixels) -> BoolArray:
        """Return which values are nodata by what is said of the raster, not by its file."""
        return is_said_nodata(values, self._more_nodata)

    @property
    def colours(self) -> BandColours:
        """Which of the bands are red, green and blue."""
        return colours_of(self._dataset(), self.bands)

    @property
    def pixel_size(self) -> float:
        """Side of a pixel of the file, in CRS units."""
        return math.sqrt(abs(self.native_transform.determinant))

    @property
    def ground_sample_distance(self) -> float | None:
        """Side of a pixel of the file in metres of ground in the middle of the raster, or None where it cannot be known."""
        if self.crs is None:
            return None
        middle = moved(self.native_transform, np.array([(self.native_width / 2, self.native_height / 2)]))
        if self.crs.is_geographic:
            radians = float(self.crs.units_factor[1])
            latitude = float(middle[0, 1]) * radians
            if abs(latitude) >= math.pi / 2:  # The CRS is a wrong one: these are no degrees.
                return None
            return self.pixel_size * math.degrees(radians) * METRES_PER_DEGREE * math.sqrt(math.cos(latitude))
        # A local CRS, of a building site for example, need not say what its unit is.
        if not self.crs.is_projected:
            return None
        metres = self.pixel_size * float(self.crs.linear_units_factor[1])
        return metres if is_true_to_scale(middle, self.crs) else metres * float(scale_at(middle, self.crs)[0])

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Outer rectangle as (xmin, xmax, ymin, ymax) in map units, also of a rotated raster."""
        corners = [self.native_transform * (x, y) for x in (0, self.native_width) for y in (0, self.native_height)]
        xs, ys = zip(*corners)
        return min(xs), max(xs), min(ys), max(ys)

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
            data, invalid = self._read_native(Window(left, top, right - left, min(rows, bottom - top)))
            y, height, width = top - window.row, data.shape[1] // f, data.shape[2] // f
            part = pixels[:, y : y + height, x : x + width]
            if f > 1:
                _block_mean(data, invalid, f, part)
            else:
                part[:] = data
                if invalid is not None:
                    part[invalid] = np.nan
            inside = valid[y * f : (y + height) * f, x * f : (x + width) * f]
            inside[:] = True if invalid is None else ~invalid.all(axis=0)
        if self._change is not None:
            gain, offset = self._change
            with np.errstate(over="ignore"):
                pixels *= gain
                pixels += offset
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
        pixels, missing = self._read_native(Window(left, top, right - left, bottom - top))
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

    def overview(self, longest: int) -> FloatArray | None:
        """Return the whole raster, about ``longest`` pixels on its longer side: float32 (bands, height, width).

        Pixels are picked, not averaged, and NaN where invalid. None where the raster cannot be read, or where that would
        mean to read too much: of a raster on the network, or a huge one, without overviews.
        """
        dataset, factor = self._dataset(), max(1, math.ceil(max(self.native_width, self.native_height) / longest))
        shape = max(1, self.native_height // factor), max(1, self.native_width // factor)
        too_much = is_remote(self.path) or self.native_width * self.native_height > MOST_PIXELS_LOOKED_THROUGH
        if too_much and factor > 1 and not dataset.overviews(self.bands[0]):
            return None
        try:
            pixels = dataset.read(self.bands, out_shape=(len(self.bands), *shape), masked=True)
        except GDAL_ERRORS:
            return None
        found: FloatArray = pixels.astype(np.float32).filled(np.nan)
        found[~np.isfinite(found) | self.is_said_nodata(pixels.data)] = np.nan
        return found

    def is_hole(self, window: Window) -> bool:
        """Return whether the file can tell without reading that there is no valid pixel in ``window``.

        That is so where it stores no blocks there (a sparse GeoTIFF) and its nodata value, or transparency, stands for them.
        """
        dataset, f = self._dataset(), self.factor
        left, top = max(0, window.column) * f, max(0, window.row) * f
        right = min(self.native_width, (window.column + window.width) * f)
        bottom = min(self.native_height, (window.row + window.height) * f)
        if right <= left or bottom <= top:
            return True
        if dataset.driver != "GTiff" or isinstance(dataset, WarpedVRT):
            return False
        if self._alpha:
            telling: tuple[int, ...] = (self._alpha,)
        elif all(MaskFlags.nodata in dataset.mask_flag_enums[band - 1] for band in self.bands):
            telling = self.bands
        else:
            return False
        return not any(
            _is_stored(dataset, band, row, column)
            for band in telling
            for height, width in (dataset.block_shapes[band - 1],)
            for row in range(top // height, -(-bottom // height))
            for column in range(left // width, -(-right // width))
        )

    def _read_native(self, window: Window) -> tuple[Pixels, BoolArray | None]:
        """Return a window that lies in the working grid at the file's own resolution, of ``factor`` times its size.

        The last pixels of the working grid can reach beyond the file; there it is invalid.
        """
        f = self.factor
        width = min(self.native_width - window.column * f, window.width * f)
        height = min(self.native_height - window.row * f, window.height * f)
        native = RasterioWindow(window.column * f, window.row * f, width, height)
        data, invalid = self._on_disk.read(native, self._read_file) if self._on_disk else self._read_file(native)
        beyond = ((0, 0), (0, window.height * f - height), (0, window.width * f - width))
        if any(after for _, after in beyond):
            invalid = np.zeros(data.shape, bool) if invalid is None else invalid
            data, invalid = np.pad(data, beyond), np.pad(invalid, beyond, constant_values=True)
        return data, invalid

    def window_of(self, extent: Extent | None) -> Window:
        """Return the window of the working grid that covers ``extent``, clipped to the raster.

        Raises:
            InputError: They do not overlap, or the extent's CRS cannot be used.
        """
        whole = Window(0, 0, self.width, self.height)
        if extent is None:
            return whole
        xmin, xmax, ymin, ymax = extent.xmin, extent.xmax, extent.ymin, extent.ymax
        if extent.crs and self.crs is not None:
            try:
                xmin, ymin, xmax, ymax = rasterio.warp.transform_bounds(extent.crs, self.crs, xmin, ymin, xmax, ymax)
            except (*GDAL_ERRORS, ValueError) as error:
                raise InputError(f"The extent cannot be brought to the CRS of {self.name}: {error}.") from error
        if xmax < self.bounds[0] or xmin > self.bounds[1]:
            # The same longitudes, as they are counted in this raster.
            turns = turns_to(self.crs, sum(self.bounds[:2]) / 2, np.array([(xmin + xmax) / 2]))
            xmin, xmax = xmin + float(turns[0]), xmax + float(turns[0])
        corners = [~self.transform * (x, y) for x in (xmin, xmax) for y in (ymin, ymax)]
        # Clipped before rounding, as what lies too far away to be projected comes back infinite, or as no number at all.
        columns, rows = (
            [min(max(0.0, value), float(size)) for value in values]
            for values, size in zip(zip(*corners), (self.width, self.height))
        )
        tolerance = 1e-6  # An extent typed from the layer's own corners must not gain a row by rounding.
        left, top = math.floor(min(columns) + tolerance), math.floor(min(rows) + tolerance)
        right, bottom = math.ceil(max(columns) - tolerance), math.ceil(max(rows) - tolerance)
        if right <= left or bottom <= top:
            raise InputError(
                f"The extent {describe_extent((xmin, xmax, ymin, ymax))} does not overlap {self.name}, which covers "
                f"{describe_extent(self.bounds)} [{describe_crs(self.crs)}].",
                "Extents are xmin, xmax, ymin, ymax.",
            )
        return Window(left, top, right - left, bottom - top)

    def _dataset(self) -> Any:
        """Return the file as this thread has it open."""
        dataset = getattr(self._local, "dataset", None)
        # Once it is known what the files are, what was opened before may be what they were.
        fresh = self._on_disk is not None and self._on_disk.is_identified
        if dataset is None or self._local.fresh != fresh:
            dataset = self._open()
            if self._layout not in (None, _layout(dataset)):
                raise InputError(
                    f"The raster {self.path} was replaced since it was opened.",
                    "Start the job again when nothing writes to it any more.",
                )
            self._local.dataset, self._local.fresh = dataset, fresh
        _open_files.used(self)
        return dataset

    def _open(self) -> Any:
        # A colon after a possible drive letter means a subdataset or an address, which only GDAL can look up.
        is_file = not self.path.startswith("/vsi") and ":" not in self.path[2:]
        if is_file and not os.path.exists(self.path):
            raise InputError(f"The raster {self.path} does not exist.")
        check_is_file(self.path, "The raster")
        check_parts_of_raster(self.path)
        try:
            dataset = rasterio.open(self.path)
            _check_driver(dataset, self.path)
            check_metadata_of_raster(dataset, self.path)
            _check_blocks(dataset, self.path)
            points, points_crs = dataset.gcps
            if dataset.transform.is_identity and points and points_crs:
                # QGIS shows such a raster warped; labels are drawn on what it shows. Its margins must not look
                # like pixels, so where nothing else marks them an alpha band does.
                unmarked = dataset.nodata is None and ColorInterp.alpha not in dataset.colorinterp
                dataset = WarpedVRT(dataset, src_crs=points_crs, add_alpha=unmarked)
        except (*GDAL_ERRORS, UnicodeError) as error:
            raise InputError(
                f"The raster {self.path} cannot be opened: {str(error).rstrip('.')}.",
                REMOTE_REMEDY if is_remote(self.path) else FORMATS_REMEDY if "supported file format" in str(error) else "",
            ) from error
        return dataset

    def _close(self) -> None:
        """Let go of the file as this thread has it open."""
        self._local.dataset = None

    def _is_image(self, dataset: Any, band: int) -> bool:
        try:
            return is_image(dataset, band)
        except GDAL_ERRORS:
            return False  # What cannot be read is told when it is needed.

    def _read_file(self, window: RasterioWindow) -> tuple[Pixels, BoolArray | None]:
        """Return pixels of the chosen bands, whole numbers where the file holds such, and which are invalid if any are."""
        dataset = self._dataset()
        try:
            types = {np.dtype(dataset.dtypes[band - 1]) for band in self.bands}
            whole = types <= _SMALL_INTEGERS and len(types) == 1
            data: Pixels = dataset.read(self.bands, window=window, out_dtype=None if whole else "float32")
            invalid = self._masked(dataset, data, window)
            if self._alpha:
                # By itself, as GDAL would look at nodata alone where a raster has both.
                clear = dataset.read(self._alpha, window=window) == 0
                invalid = np.broadcast_to(clear, data.shape) if invalid is None else invalid | clear
        except GDAL_ERRORS as error:
            reason = str(error.__cause__ or error).rstrip(".")
            if any(map(is_remote, self.files or (self.path,))):
                raise InputError(
                    f"The raster {self.path} can no longer be read over the network: {reason}.",
                    "Look at the network and the server, then run the job again: it goes on with what is kept.",
                ) from error
            raise InputError(
                f"The raster {self.path} is damaged or cut off: {reason}.", "Copy or download it again."
            ) from error
        if self._more_nodata:
            more = is_said_nodata(data, self._more_nodata)
            invalid = more if invalid is None else invalid | more
        if not whole:
            infinite = ~(np.abs(data) < LARGEST_NUMBER)
            invalid = infinite if invalid is None else invalid | infinite
        return data, invalid if invalid is not None and invalid.any() else None

    def _masked(self, dataset: Any, data: Pixels, window: RasterioWindow) -> BoolArray | None:
        """Return which pixels (bands, height, width) GDAL's masks leave out, None where there are no masks but alpha."""
        flags = [dataset.mask_flag_enums[band - 1] for band in self.bands]
        if all(MaskFlags.all_valid in flag or MaskFlags.alpha in flag for flag in flags):
            return None
        values = [dataset.nodatavals[band - 1] for band in self.bands]
        if all(flag == [MaskFlags.nodata] and _fits(value, data.dtype) for flag, value in zip(flags, values)):
            # For whole numbers that is all GDAL does too, but it would read everything a second time for it.
            missing: BoolArray = data == np.array(values).astype(data.dtype)[:, None, None]
            return missing
        masked: BoolArray = dataset.read_masks(self.bands, window=window) == 0
        return masked


class _OpenFiles(threading.local):
    """The rasters whose files a thread has open, the least recently used first. A raster that is gone is closed."""

    def __init__(self) -> None:
        self._rasters: OrderedDict[int, weakref.ref[RasterSource]] = OrderedDict()

    def used(self, raster: RasterSource) -> None:
        """Take note that this thread reads from ``raster`` now. Closes the one that it has not read from for longest."""
        self._rasters[id(raster)] = weakref.ref(raster)
        self._rasters.move_to_end(id(raster))
        if len(self._rasters) > MOST_OPEN:
            oldest = self._rasters.popitem(last=False)[1]()
            if oldest is not None:
                oldest._close()


_open_files = _OpenFiles()
_crs: dict[str, CRS] = {}


def _fits(value: float | None, dtype: np.dtype[Any]) -> bool:
    """Return whether ``value`` is one that pixels of a whole-numbered type can have."""
    if value is None or dtype.kind not in "iu" or not float(value).is_integer():
        return False
    limits = np.iinfo(dtype)
    return bool(limits.min <= value <= limits.max)


def _layout(dataset: Any) -> tuple[Any, ...]:
    """Return what must not change of a raster while it is open."""
    return dataset.width, dataset.height, dataset.dtypes, dataset.transform, str(dataset.nodatavals)


def _check_driver(dataset: Any, path: str) -> None:
    # Where GDAL was loaded before the list was made, or is a newer one.
    if not is_allowed_driver(dataset.driver):
        raise InputError(f"The raster {path} is of the format {dataset.driver}, beside the usual ones.", FORMATS_REMEDY)


def _check_blocks(dataset: Any, path: str) -> None:
    """Raise InputError where a block, which is only ever unpacked as a whole, would fill the memory."""
    for (height, width), dtype in zip(dataset.block_shapes, dataset.dtypes):
        size = height * width * (16 if "complex" in dtype else np.dtype(dtype).itemsize)
        if size > LARGEST_BLOCK:
            raise InputError(
                f"{path} is stored in blocks of {width:,} x {height:,} pixels. To read any pixel takes {size / 1e9:,.1f} GB "
                "of memory.",
                "Translate it with gdal_translate -co TILED=YES on a computer with that memory.",
            )


def _is_stored(dataset: Any, band: int, row: int, column: int) -> bool:
    try:
        return bool(dataset.block_size(band, row, column))
    except rasterio.errors.RasterBlockError:
        return False


def first_names(rasters: Sequence[RasterSource], most: int) -> list[str]:
    """Return the names of up to ``most`` rasters; where there are more, last of all how many."""
    more = len(rasters) - most
    return [raster.name for raster in rasters[:most]] + ([f"{more:,} more"] if more > 0 else [])


def names_of(rasters: Sequence[RasterSource]) -> str:
    """Return the names of rasters for messages: the first few of many."""
    return ", ".join(first_names(rasters, MAX_NAMES_LISTED))


_UNITS = {1000.0: "km", 1.0: "m", 0.3048: "ft"}
"""What units of projected CRSs are called, by their length in metres. Both kinds of feet are the same to four digits."""


def describe_crs(crs: CRS | None) -> str:
    """Return a short name of a CRS for messages."""
    if crs is None:
        return "no CRS"
    authority = crs.to_authority()
    return ":".join(authority) if authority else "a CRS without a code"


def length_in_words(length: float, crs: CRS | None) -> str:
    """Return a length along the axes of a CRS with the name of its unit."""
    if crs is not None and crs.is_geographic:
        return f"{length:g} degrees"
    unit = _UNITS.get(round(crs.linear_units_factor[1], 4)) if crs is not None and crs.is_projected else None
    return f"{length:g} {unit}" if unit else f"{length:g} CRS units"


def describe_extent(extent: tuple[float, float, float, float]) -> str:
    """Return an extent for messages: to the metre where it is in metres, to six digits where it is in degrees."""
    return "(" + ", ".join(f"{value:g}" if abs(value) < 1e5 else f"{value:.0f}" for value in extent) + ")"


def moved(transform: Affine, positions: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Return where ``transform`` takes positions (n, 2), x first."""
    a, b, c, d, e, f = transform[:6]
    return np.asarray(positions @ np.array([[a, d], [b, e]]) + (c, f), np.float64)


def block_mean(data: FloatArray, factor: int) -> FloatArray:
    """Average (bands, height * factor, width * factor) to (bands, height, width) over what is finite."""
    if factor == 1:
        return data
    invalid = ~np.isfinite(data)
    out = np.empty((len(data), data.shape[1] // factor, data.shape[2] // factor), np.float32)
    _block_mean(data, invalid if invalid.any() else None, factor, out)
    return out


def _block_mean(data: Pixels, invalid: BoolArray | None, factor: int, out: FloatArray) -> None:
    """Write the means over what is valid to ``out``; NaN where nothing is."""
    # One at a time, as what lies in between takes as much memory as the band itself.
    for number, (band, mean) in enumerate(zip(data, out)):
        if invalid is None:
            mean[:] = _block_sum(band, factor)
            mean /= factor * factor
            continue
        missing = invalid[number]
        with np.errstate(invalid="ignore"):
            mean[:] = _block_sum(np.where(missing, band.dtype.type(0), band), factor)
            mean /= factor * factor - _block_sum(missing.view(np.uint8), factor)


def _block_sum(band: Pixels, factor: int) -> FloatArray:
    # Rows first: whole rows are added much faster than every so many pixels of one.
    rows = band[::factor].astype(np.float32)
    for start in range(1, factor):
        rows += band[start::factor]
    total = rows[:, ::factor].copy()
    for start in range(1, factor):
        total += rows[:, start::factor]
    return total
