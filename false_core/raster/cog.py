"""Cloud-optimised GeoTIFFs, made by GDAL's driver of that name from files that hold a strip of the raster each."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping, Sequence
from concurrent import futures
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rasterio
import rasterio.shutil

from false_core.computing.threads import thread_pool
from false_core.errors import Cancelled, OutputError
from false_core.feedback import Feedback
from false_core.raster.map_file import FILE_BLOCK_PX, check_complete
from false_core.raster.opening import GDAL_ERRORS
from false_core.raster.source import Window

LOOK_S = 0.2
"""Seconds between two looks at how far GDAL is, and whether to stop."""
COG_OPTIONS: dict[str, Any] = {
    "compress": "deflate", "level": 6, "blocksize": FILE_BLOCK_PX, "overview_resampling": "nearest",
    "num_threads": "ALL_CPUS", "bigtiff": "IF_SAFER",
}  # fmt: skip


@dataclass(frozen=True)
class StripFile:
    """A GeoTIFF that holds a strip of a larger raster.

    Attributes:
        window: Its window of the larger raster.
        path: The path of the file; None where there is nothing but nodata.
    """

    window: Window
    path: Path | None


def write_cog(path: Path, described: Path, strips: Iterable[StripFile], area: Window, feedback: Feedback) -> None:
    """Write a window of a raster as a cloud-optimised GeoTIFF.

    Args:
        described: A GeoTIFF whose upper left corner is that of ``area``, with the same CRS, nodata, colours and metadata.
        area: The window of it to write, in pixels of the raster.

    Raises:
        OutputError: A strip cannot be read, or the file not be written.
    """
    vrt = path.with_name(f"{path.name}.vrt")
    vrt.write_bytes(_vrt(described, strips, area))
    # In a thread, as GDAL says nothing before it is done. It lets other threads go on, the one that hears of a cancel too.
    with thread_pool(1, "cog") as pool:
        copy = pool.submit(rasterio.shutil.copy, vrt, path, driver="COG", **COG_OPTIONS)
        cancelled: Cancelled | None = None
        while not copy.done():
            try:
                feedback.stop_if_cancelled()
                copy.exception(LOOK_S)
            except futures.TimeoutError:  # A class of its own in Python 3.10.
                continue
            except Cancelled as error:
                cancelled = error  # GDAL cannot be stopped. A process that cannot wait ends itself.
                break
    vrt.unlink()
    if cancelled:
        raise cancelled
    try:
        copy.result()
    except (*GDAL_ERRORS, SystemError) as error:  # What rasterio raises where GDAL says nothing.
        raise OutputError(f"{path.name} cannot be written: {error}.", "Is the disk full?") from error
    check_complete(path)


def simple_source(band: ET.Element, name: str, target: Window, of: Window, size: Window, *, relative: bool = False) -> None:
    """Add a file to a band of a VRT.

    Args:
        target: The window of the VRT in which its pixels go.
        of: The window of its pixels.
        size: The window of all its pixels, so that it need not be opened to know.
        relative: True where the name begins at the folder of the VRT.
    """
    source = ET.SubElement(band, "SimpleSource")
    ET.SubElement(source, "SourceFilename", relativeToVRT=str(int(relative))).text = name
    ET.SubElement(source, "SourceBand").text = "1"
    ET.SubElement(
        source, "SourceProperties", RasterXSize=str(size.width), RasterYSize=str(size.height), DataType="Byte",
        BlockXSize=str(FILE_BLOCK_PX), BlockYSize=str(FILE_BLOCK_PX),
    )  # fmt: skip
    for kind, window in (("SrcRect", of), ("DstRect", target)):
        ET.SubElement(
            source, kind, xOff=str(window.column), yOff=str(window.row), xSize=str(window.width), ySize=str(window.height)
        )


def _vrt(described: Path, strips: Iterable[StripFile], area: Window) -> bytes:
    root = ET.Element("VRTDataset", rasterXSize=str(area.width), rasterYSize=str(area.height))
    band = ET.Element(
        "VRTRasterBand", dataType="Byte", band="1", blockXSize=str(FILE_BLOCK_PX), blockYSize=str(FILE_BLOCK_PX)
    )
    with rasterio.open(described) as file:
        if file.crs:
            ET.SubElement(root, "SRS", dataAxisToSRSAxisMapping="1,2").text = file.crs.to_wkt()
        if not file.transform.is_identity:
            ET.SubElement(root, "GeoTransform").text = ", ".join(map(repr, file.transform.to_gdal()))
        metadata = ET.SubElement(root, "Metadata")
        for key, value in file.tags().items():
            ET.SubElement(metadata, "MDI", key=key).text = value
        ET.SubElement(band, "NoDataValue").text = f"{file.nodata:g}"
        if file.colorinterp[0] == rasterio.enums.ColorInterp.palette:
            add_colours(band, file.colormap(1))
    root.append(band)
    for strip in strips:
        window = intersection(strip.window, area)
        if strip.path and window:
            here = Window(window.column - area.column, window.row - area.row, window.width, window.height)
            there = Window(window.column - strip.window.column, window.row - strip.window.row, window.width, window.height)
            simple_source(band, str(strip.path), here, there, strip.window)
    written: bytes = ET.tostring(root, encoding="utf-8")
    return written


def add_colours(band: ET.Element, colours: Mapping[int, Sequence[int]]) -> None:
    """Add red, green, blue and opacity of each value to a band of a VRT. Values that are not named are black."""
    ET.SubElement(band, "ColorInterp").text = "Palette"
    table = ET.SubElement(band, "ColorTable")
    for value in range(256):
        red, green, blue, opaque = colours.get(value, (0, 0, 0, 255))
        ET.SubElement(table, "Entry", c1=str(red), c2=str(green), c3=str(blue), c4=str(opaque))


def intersection(one: Window, other: Window) -> Window | None:
    """Return what two windows share, None where that is nothing."""
    left, top = max(one.column, other.column), max(one.row, other.row)
    right = min(one.column + one.width, other.column + other.width)
    bottom = min(one.row + one.height, other.row + other.height)
    return Window(left, top, right - left, bottom - top) if right > left and bottom > top else None
