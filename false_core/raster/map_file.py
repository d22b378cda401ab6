"""Results on disk: tiled, compressed GeoTIFFs; maps among them carry their class names and colours."""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt
import rasterio
from affine import Affine
from rasterio.enums import Resampling
from rasterio.windows import Window as RasterioWindow

from false_core.computing.threads import BackgroundWriter
from false_core.errors import OutputError
from false_core.outputs.sidecars import is_style_of_user, signed_style
from false_core.raster.classes import ClassTable
from false_core.raster.opening import GDAL_ERRORS
from false_core.raster.source import RasterSource, Window

CLASSES_TAG = "FALSE_CLASSES"
FILE_BLOCK_PX = 512
COMPRESSION: dict[str, Any] = {
    "tiled": True, "compress": "deflate", "zlevel": 6, "num_threads": "ALL_CPUS", "bigtiff": "IF_SAFER",
}  # fmt: skip
"""The compression of what is written: any reader knows it."""
WAITING_WINDOWS = 4
"""Windows that may wait for the disk. More would only fill the memory."""


def sidecars(path: str, raster: str) -> list[str]:
    """Return the files that belong to a map of ``raster``: GDAL's, with the class names, and QGIS's, with its style.

    No style where QGIS would take it for that of the raster: when only the endings of their names differ. None where a
    person has made one.
    """
    names, style = f"{path}.aux.xml", Path(path).with_suffix(".qml")
    is_of_raster = os.path.realpath(style) == os.path.realpath(Path(raster).with_suffix(".qml"))
    return [names] if is_of_raster or is_style_of_user(style) else [names, str(style)]


class RasterFile:
    """A GeoTIFF being written block by block in a thread of its own.

    Args:
        source: The raster it goes with: same grid, CRS and georeferencing.
        area: The part of it that is written, in pixels of the raster's file.
        nodata: Value of pixels without a result.
        bands, dtype: Number of bands, and their data type. Three bands of Byte are red, green and blue.
        step: Pixels of the raster's file per pixel written, along each axis.
        block: Side of the blocks it is stored in. With many bands, what is written at once should be whole blocks.
        waiting: Windows that may wait for the disk.

    Raises:
        OutputError: It cannot be written, for example because the disk is full.
    """

    def __init__(
        self,
        path: Path,
        source: RasterSource,
        area: Window,
        nodata: float,
        *,
        bands: int = 1,
        dtype: str = "uint8",
        step: int = 1,
        block: int = FILE_BLOCK_PX,
        waiting: int = WAITING_WINDOWS,
    ) -> None:
        transform = source.source_transform * Affine.translation(area.column, area.row) * Affine.scale(step)
        self._path = path
        # A window of a raster without georeferencing still has to say where it lies.
        placed = source.georeferenced or area.column or area.row
        options: dict[str, Any] = {"transform": transform} if placed or step > 1 else {}
        if dtype == "float32":
            options["predictor"] = 3
        if bands > 1:
            options.update(interleave="pixel", photometric="rgb") if dtype == "uint8" else options.update(interleave="band")
        try:
            self._dataset: Any = rasterio.open(
                path,
                "w",
                driver="GTiff",
                width=-(-area.width // step),
                height=-(-area.height // step),
                count=bands,
                dtype=dtype,
                crs=source.crs,
                nodata=nodata,
                blockxsize=block,
                blockysize=block,
                **COMPRESSION,
                **options,
            )
        except GDAL_ERRORS as error:
            raise OutputError(f"{path.name} cannot be written: {error}.") from error
        self._writer = BackgroundWriter(waiting)

    def write(self, column: int, row: int, values: npt.NDArray[Any]) -> None:
        """Hand over the block (height, width), or (bands, height, width), with its upper left corner at (column, row).

        It must lie within the file.
        """
        self._writer.add(self._write, column, row, values)

    def _write(self, column: int, row: int, values: npt.NDArray[Any]) -> None:
        height, width = values.shape[-2:]
        bands = values if values.ndim == 3 else values[None]
        try:
            self._dataset.write(bands, window=RasterioWindow(column, row, width, height))
        except GDAL_ERRORS as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: Exception) -> OutputError:
        return OutputError(f"{self._path.name} cannot be written: {error}.", "Is the disk full?")

    def set_classes(self, classes: ClassTable) -> None:
        """Store class names and colours in the file."""
        colours = {c.code: (*bytes.fromhex(c.color[1:]), 255) for c in classes}
        colours[classes.nodata] = (0, 0, 0, 0)
        self._dataset.write_colormap(1, colours)
        self._dataset.update_tags(**{CLASSES_TAG: json.dumps(classes.to_list(), ensure_ascii=False)})

    def describe(self, names: Sequence[str]) -> None:
        """Say what the bands are."""
        self._dataset.descriptions = tuple(names)

    def __enter__(self) -> RasterFile:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        try:
            if error is None:
                self._writer.finish()
        finally:
            self._writer.close()
            try:
                self._dataset.close()
            except GDAL_ERRORS as problem:
                raise self._unwritable(problem) from problem
        if error is None:
            check_complete(self._path)


def check_complete(path: Path) -> None:
    """Raise OutputError where blocks of a GeoTIFF lie beyond its end: GDAL does not say when a disk was full at the last."""
    size = path.stat().st_size
    try:
        with rasterio.open(path) as dataset:
            # What is stored pixel by pixel has the blocks of all bands in those of the first.
            bands = dataset.indexes if dataset.interleaving is not None and dataset.interleaving.name == "band" else [1]
            for band in bands:
                for (row, column), _ in dataset.block_windows(band):
                    offset, length = (
                        int(dataset.get_tag_item(f"BLOCK_{what}_{column}_{row}", "TIFF", bidx=band) or 0)
                        for what in ("OFFSET", "SIZE")
                    )
                    if offset + length > size:
                        raise OutputError(f"{path.name} is cut off: the disk is full.", "Make room, and run this again.")
    except GDAL_ERRORS as error:
        raise OutputError(f"{path.name} cannot be read again: {error}.", "Is the disk full?") from error


def build_overviews(path: Path) -> None:
    """Add overviews, so that the map shows at once at every scale."""
    with rasterio.Env(GDAL_NUM_THREADS="ALL_CPUS"), rasterio.open(path, "r+") as dataset:
        factors: list[int] = []
        while max(dataset.width, dataset.height) // 2 ** len(factors) > FILE_BLOCK_PX:
            factors.append(2 ** (len(factors) + 1))
        if factors:
            dataset.build_overviews(factors, Resampling.nearest)


def write_class_names(aux_xml: Path, classes: ClassTable) -> None:
    """Write class names where GDAL looks for them."""
    dataset = ET.Element("PAMDataset")
    names = ET.SubElement(ET.SubElement(dataset, "PAMRasterBand", band="1"), "CategoryNames")
    by_code = {c.code: c.name for c in classes}
    for code in range(max(by_code) + 1):
        ET.SubElement(names, "Category").text = by_code.get(code, "")
    ET.ElementTree(dataset).write(aux_xml, encoding="utf-8")


def write_sld(sld: Path, classes: ClassTable) -> None:
    """Write a style as Styled Layer Descriptor, for other programs than QGIS."""
    spaces = {"xmlns": "http://www.opengis.net/sld", "version": "1.0.0"}
    root = ET.Element("StyledLayerDescriptor", spaces)
    layer = ET.SubElement(root, "NamedLayer")
    ET.SubElement(layer, "Name").text = "map"
    rule = ET.SubElement(ET.SubElement(ET.SubElement(layer, "UserStyle"), "FeatureTypeStyle"), "Rule")
    colours = ET.SubElement(ET.SubElement(rule, "RasterSymbolizer"), "ColorMap", type="values")
    for c in classes:
        ET.SubElement(colours, "ColorMapEntry", color=c.color, quantity=str(c.code), label=c.name)
    ET.ElementTree(root).write(sld, encoding="utf-8", xml_declaration=True)


def write_style(qml: Path, classes: ClassTable) -> None:
    """Write a style for QGIS with only the classes in the legend."""
    root = ET.Element("qgis", version="3.22.0", styleCategories="AllStyleCategories")
    pipe = ET.SubElement(root, "pipe")
    renderer = ET.SubElement(pipe, "rasterrenderer", type="paletted", band="1", opacity="1", alphaBand="-1", nodataColor="")
    palette = ET.SubElement(renderer, "colorPalette")
    for c in classes:
        ET.SubElement(palette, "paletteEntry", value=str(c.code), color=c.color, label=c.name, alpha="255")
    qml.write_bytes(signed_style(ET.tostring(root, encoding="unicode").encode()))
