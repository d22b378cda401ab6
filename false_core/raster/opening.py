"""A raster file as GDAL opens it: looked at first, by each thread for itself, and only so many at a time."""

from __future__ import annotations

import os
import threading
import warnings
import weakref
from collections import OrderedDict
from typing import Any

import numpy as np
import rasterio
import rasterio.errors
from rasterio._err import CPLE_BaseError
from rasterio.enums import ColorInterp
from rasterio.vrt import WarpedVRT

from false_core.errors import InputError
from false_core.raster.references import check_metadata_of_raster, check_references
from false_core.untrusted import check_is_file
from false_core.untrusted.drivers import is_allowed_driver
from false_core.untrusted.names import is_on_network
from false_core.untrusted.stored import is_archive

GDAL_ERRORS = (rasterio.errors.RasterioError, CPLE_BaseError)
"""The errors that rasterio raises: its own errors, and now and then one of GDAL's as it is."""
MOST_OPEN = 8
"""Rasters whose files a thread keeps open. Thousands may take part in a job, and some systems allow 256 open files."""
LARGEST_BLOCK = 2_000_000_000
"""Bytes of a block of the file."""
FORMATS_REMEDY = (
    "It may be damaged, or of a format beside the usual ones. Those are opened where GDAL's name of the format is in the "
    "variable FALSE_DRIVERS, or in Settings > Options > FALSE."
)
"""The remedy for a raster of which GDAL does not know the format, or must not."""
ARCHIVE_REMEDY = (
    "It is an archive. Unpack it, or write /vsizip/, /vsitar/ or /vsigzip/ in front of its whole path, and behind it the "
    "name of the raster inside."
)
"""The remedy for an archive in place of a raster."""
UNREADABLE_REMEDY = (
    "It may be damaged, or of a version of its format that is not known here. Where QGIS opens it, save it as a GeoTIFF "
    "there, with Raster > Conversion > Translate."
)
"""The remedy for a raster of which GDAL knows the format, and which it cannot read."""
SUBDATASET_REMEDY = "Name the file alone: where it holds several rasters, their names are said."
"""The remedy for a part of a file that cannot be opened."""
REMOTE_REMEDY = "Look at the address, the permission and the credentials. A folder on a server ends in a slash."
"""The remedy for a raster on a server that cannot be opened."""

# A raster without georeferencing is welcome here, and one with both nodata and alpha is read with both.
warnings.filterwarnings("ignore", category=rasterio.errors.NotGeoreferencedWarning)
warnings.filterwarnings("ignore", category=rasterio.errors.NodataShadowWarning)


class OpenedRaster:
    """A raster file that any number of threads read from.

    Each opens it for itself, and closes it when it has read from many others since.

    Args:
        path: A file or anything else GDAL opens, such as a VRT or a subdataset name.

    Attributes:
        complaint: The part of its metadata that GDAL could not make sense of, in its words; mostly empty.

    Raises:
        InputError: The file is missing, unreadable, or of a kind that is not opened.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._local = threading.local()
        self.complaint = ""
        self._layout: tuple[Any, ...] | None = None
        self._layout = _layout(self.dataset())

    def dataset(self, identified: bool = False) -> Any:
        """Return the file as this thread has it open.

        Args:
            identified: True where it is known by now what the files are. A file that was opened before may be what they
                were.

        Raises:
            InputError: The file is no longer the one that was opened first.
        """
        dataset = getattr(self._local, "dataset", None)
        if dataset is None or self._local.identified != identified:
            dataset = open_checked_raster(self.path)
            self.complaint = late_complaint(dataset)
            if self._layout not in (None, _layout(dataset)):
                raise InputError(
                    f"The raster {self.path} was replaced since it was opened.",
                    "Start the job again when nothing writes to it any more.",
                )
            self._local.dataset, self._local.identified = dataset, identified
        _open_files.used(self)
        return dataset

    def close(self) -> None:
        """Let go of the file as this thread has it open."""
        self._local.dataset = None


class _OpenFiles(threading.local):
    """The rasters whose files a thread has open, the least recently used first. A raster that is gone is closed."""

    def __init__(self) -> None:
        self._rasters: OrderedDict[int, weakref.ref[OpenedRaster]] = OrderedDict()

    def used(self, raster: OpenedRaster) -> None:
        """Take note that this thread reads from ``raster`` now. Closes the one that it has not read from for longest."""
        self._rasters[id(raster)] = weakref.ref(raster)
        self._rasters.move_to_end(id(raster))
        if len(self._rasters) > MOST_OPEN:
            oldest = self._rasters.popitem(last=False)[1]()
            if oldest is not None:
                oldest.close()


_open_files = _OpenFiles()


def open_checked_raster(path: str) -> Any:
    """Return a raster as rasterio opens it, once it and what it leads to have been looked through. Close it in the end.

    Raises:
        InputError: It is missing, unreadable, or of a kind that is not opened.
    """
    # A colon after a possible drive letter means a subdataset or an address, which only GDAL can look up.
    is_file = not path.startswith("/vsi") and ":" not in path[2:]
    is_said = "|" in path and os.path.exists(path.partition("|")[0])
    if (is_file or is_said) and not os.path.exists(path):
        raise InputError(
            f"The raster {path} does not exist.",
            "Behind the name of a raster may stand |crs= and |nodata=, each once, and nothing else." if is_said else "",
        )
    check_is_file(path, "The raster")
    check_references(path)
    try:
        dataset = rasterio.open(path)
        _check_driver(dataset, path)
        check_metadata_of_raster(dataset, path)
        _check_blocks(dataset, path)
        points, points_crs = dataset.gcps
        if dataset.transform.is_identity and points and points_crs:
            # QGIS shows such a raster warped; labels are drawn on what it shows. Its margins must not look
            # like pixels, so where nothing else marks them an alpha band does.
            unmarked = dataset.nodata is None and ColorInterp.alpha not in dataset.colorinterp
            dataset = WarpedVRT(dataset, src_crs=points_crs, add_alpha=unmarked)
    except (*GDAL_ERRORS, UnicodeError) as error:
        raise InputError(
            f"The raster {path} cannot be opened: {str(error).rstrip('.')}.", _remedy(path, str(error), is_file)
        ) from error
    return dataset


def _remedy(path: str, reason: str, is_file: bool) -> str:
    """Return what to do about a raster that GDAL does not open."""
    if is_on_network(path):
        return REMOTE_REMEDY
    if "supported file format" in reason:
        return ARCHIVE_REMEDY if is_archive(path) else FORMATS_REMEDY
    return UNREADABLE_REMEDY if is_file else SUBDATASET_REMEDY


def late_complaint(dataset: Any) -> str:
    """Return what GDAL complained of when it opened a file without giving it up, such as a CRS that is none.

    Rasterio raises it at the next thing that is asked, whatever that is; afterwards it is forgotten.
    """
    try:
        dataset.colorinterp  # noqa: B018 - the first of what raises it.
    except GDAL_ERRORS as error:
        return str(error).rstrip(".")
    return ""


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
